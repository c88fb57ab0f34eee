//! Nonces that nobody has to remember: a time, and an HMAC of it (RFC 2104) under a secret that
//! all instances share. A nonce serves for some minutes and for everybody, as those of DPoP do
//! (RFC 9449, section 8).

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use vwp_core::jose;

/// How long a nonce serves, in seconds: as long as a presentation does.
pub const LIFETIME_S: u64 = 300;
/// The length of the secret, in bytes.
pub const SECRET_BYTES: usize = 32;
/// What is signed besides the time, so that the secret's other uses, if any, sign other things.
const PURPOSE: &[u8] = b"vwp-passport-check nonce\n";
/// How much of the HMAC a nonce carries, in bytes.
const TAG_BYTES: usize = 16;
/// The length of a nonce's text: 8 bytes of time and the tag, in base64url.
const TEXT_LENGTH: usize = (8 + TAG_BYTES) * 4 / 3;

/// A nonce of this time, in milliseconds.
pub fn make(secret: &[u8; SECRET_BYTES], now: u64) -> String {
    text(secret, now / 1000)
}

/// Whether a nonce was made with this secret, not later than now and not too long ago.
pub fn is_fresh(secret: &[u8; SECRET_BYTES], nonce: &str, now: u64) -> bool {
    if nonce.len() != TEXT_LENGTH {
        return false;
    }
    let bytes = jose::decode(nonce).unwrap_or_default();
    let Some((time, _)) = bytes.split_first_chunk::<8>() else { return false };
    let made_s = u64::from_be_bytes(*time);
    let is_ours: bool = text(secret, made_s).as_bytes().ct_eq(nonce.as_bytes()).into();
    // A later time than now is of another instance whose clock is ahead by less than a second.
    let now_s = now / 1000;
    is_ours && made_s <= now_s.saturating_add(1) && now_s < made_s.saturating_add(LIFETIME_S)
}

fn text(secret: &[u8; SECRET_BYTES], made_s: u64) -> String {
    let mut bytes = made_s.to_be_bytes().to_vec();
    // HMAC takes keys of every length; and what is too short is no nonce.
    if let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret) {
        let tag = mac.chain_update(PURPOSE).chain_update(&bytes).finalize().into_bytes();
        bytes.extend(tag.iter().take(TAG_BYTES));
    }
    jose::encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: [u8; SECRET_BYTES] = [7; SECRET_BYTES];
    const NOW: u64 = 1_800_000_000_000;

    #[test]
    fn a_nonce_serves_for_its_lifetime_and_not_a_second_longer() {
        let nonce = make(&SECRET, NOW);
        for after_s in [0, 1, LIFETIME_S - 1] {
            assert!(is_fresh(&SECRET, &nonce, NOW + after_s * 1000), "after {after_s} s");
        }
        assert!(!is_fresh(&SECRET, &nonce, NOW + LIFETIME_S * 1000));
        assert!(!is_fresh(&SECRET, &nonce, NOW - 2000), "it was not made yet");
    }

    #[test]
    fn a_nonce_that_was_not_made_here_is_none() {
        let nonce = make(&SECRET, NOW);
        assert!(!is_fresh(&[8; SECRET_BYTES], &nonce, NOW), "of another secret");
        let later = make(&SECRET, NOW + 1000);
        let mixed = format!("{}{}", &later[..11], &nonce[11..]);
        assert!(!is_fresh(&SECRET, &mixed, NOW), "with another time");
        for other in ["", "n-7", &nonce[1..], &format!("{nonce}A"), &"é".repeat(16), &"!".repeat(32)] {
            assert!(!is_fresh(&SECRET, other, NOW), "{other}");
        }
    }
}
