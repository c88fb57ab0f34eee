//! ECDSA on P-256 (FIPS 186-5), over and over: what is measured is the arithmetic.

use p256::ecdsa::signature::{Signer, Verifier};
use p256::ecdsa::{Signature, SigningKey};

wit_bindgen::generate!({
    inline: "
        package bench:curve;

        world curve {
            /// Signs this many messages; the sum of the signatures' bytes.
            export sign: func(count: u32) -> u32;
            /// Verifies one signature this many times; how often it was good.
            export verify: func(count: u32) -> u32;
        }
    ",
});

struct Curve;
export!(Curve);

/// Some key; which one does not matter to how long it takes.
fn key() -> SigningKey {
    SigningKey::from_slice(&[0x42; 32]).expect("the scalar is in range")
}

impl Guest for Curve {
    fn sign(count: u32) -> u32 {
        let key = key();
        let signature = |number: u32| -> Signature { key.sign(&number.to_le_bytes()) };
        let sum =
            |signature: Signature| signature.to_bytes().iter().map(|byte| u32::from(*byte)).sum::<u32>();
        (0..count).map(signature).map(sum).fold(0, u32::wrapping_add)
    }

    fn verify(count: u32) -> u32 {
        let key = key();
        let signature: Signature = key.sign(b"message");
        let good = |_: &u32| key.verifying_key().verify(b"message", &signature).is_ok();
        u32::try_from((0..count).filter(good).count()).unwrap_or(u32::MAX)
    }
}
