//! Identifiers that are their own key: `did:key` (W3C CCG, The did:key Method v0.9) and `did:jwk`.

use super::DidError;
use p256::ecdsa::VerifyingKey;
use vwp_core::jose::{self, Jwk};

/// The longest identifier that is looked at, in bytes.
pub const LENGTH_MAX: usize = 512;
/// `p256-pub` as the multicodec table has it, 0x1200, as an unsigned varint.
const P256_PUB: [u8; 2] = [0x80, 0x24];
/// The length of a compressed point (SEC 1, section 2.3.3).
const POINT_LENGTH: usize = 33;

/// An identifier and the key that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Did {
    text: String,
    key: VerifyingKey,
}

impl Did {
    /// Reads an identifier. One key has one `did:key`, so that text is compared; a `did:jwk` can be
    /// written in many ways, and each is an identifier of its own, as the method says.
    pub fn new(text: &str) -> Result<Self, DidError> {
        if text.len() > LENGTH_MAX {
            return Err(DidError::Unsupported);
        }
        let key = match text.split_once(':').and_then(|(did, rest)| Some((did, rest.split_once(':')?))) {
            Some(("did", ("key", identifier))) => of_multibase(identifier),
            Some(("did", ("jwk", identifier))) => did_jwk(identifier),
            _ => None,
        };
        let key = key.ok_or(DidError::Unsupported)?;
        Ok(Self { text: text.to_owned(), key })
    }

    /// The identifier.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its key.
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The `did:key` of a key.
    pub fn of_key(key: &VerifyingKey) -> Self {
        let bytes = [P256_PUB.as_slice(), key.to_sec1_point(true).as_bytes()].concat();
        Self { text: format!("did:key:z{}", bs58::encode(bytes).into_string()), key: *key }
    }
}

/// A P-256 key as a multicodec in multibase, which is what a `did:key` is.
pub(super) fn of_multibase(identifier: &str) -> Option<VerifyingKey> {
    // `z` is the multibase prefix of base58btc.
    let bytes = bs58::decode(identifier.strip_prefix('z')?).into_vec().ok()?;
    let point = bytes.strip_prefix(&P256_PUB)?;
    if point.len() != POINT_LENGTH {
        return None;
    }
    VerifyingKey::from_sec1_bytes(point).ok()
}

fn did_jwk(identifier: &str) -> Option<VerifyingKey> {
    let json = jose::decode(identifier).ok()?;
    let jwk: Jwk = serde_json::from_slice(&json).ok()?;
    jwk.to_key().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the did:key specification's test vectors for P-256.
    const EXAMPLES: [&str; 2] = [
        "did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169",
        "did:key:zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv",
    ];

    #[test]
    fn the_methods_own_examples_are_read_and_written_back() {
        for example in EXAMPLES {
            let did = Did::new(example).unwrap();
            assert_eq!(Did::of_key(did.key()).as_str(), example);
        }
    }

    #[test]
    fn a_key_as_a_jwk_is_an_identifier_too() {
        let key = *Did::new(EXAMPLES[0]).unwrap().key();
        let jwk = serde_json::to_vec(&Jwk::from_key(&key)).unwrap();
        let did = Did::new(&format!("did:jwk:{}", jose::encode(jwk))).unwrap();
        assert_eq!(*did.key(), key);
    }

    #[test]
    fn other_methods_keys_and_private_keys_are_refused() {
        let private = br#"{"kty":"EC","crv":"P-256","x":"a","y":"b","d":"c"}"#;
        for text in [
            "",
            "did:key:",
            "did:web:example.com",
            // Ed25519.
            "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp",
            "did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU216",
            "did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169#key",
            &format!("did:jwk:{}", jose::encode(private)),
            &format!("did:key:z{}", "1".repeat(1000)),
        ] {
            assert_eq!(Did::new(text), Err(DidError::Unsupported), "{text}");
        }
    }
}
