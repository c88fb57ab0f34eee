//! ES256 and nothing else: JSON Web Signatures in compact form (RFC 7515) with
//! P-256 keys as JSON Web Keys (RFC 7517, RFC 7518).
//!
//! The algorithm is fixed by this module and never chosen by what arrives: a header
//! that names another one, or carries `crit`, is refused. Framing is done here
//! because it is base64url and two dots; the arithmetic is the `p256` crate's.

mod known;

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use p256::ecdsa::signature::{Signer, Verifier};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The longest compact JWS that is looked at, in bytes.
pub const COMPACT_LENGTH_MAX: usize = 65_536;

/// Why a signed object was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoseError {
    /// Not a compact JWS, or longer than the bound.
    #[error("not a compact JWS: {0}")]
    Malformed(&'static str),
    /// The header asks for something other than plain ES256 of the expected type.
    #[error("the JWS header is not acceptable: {0}")]
    Header(&'static str),
    /// The key is not a P-256 public key.
    #[error("not a P-256 public key")]
    Key,
    /// The signature does not match.
    #[error("the signature does not match")]
    Signature,
}

/// Bytes as base64url without padding (RFC 7515, section 2).
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    Base64UrlUnpadded::encode_string(bytes.as_ref())
}

/// Reads base64url without padding.
pub fn decode(text: &str) -> Result<Vec<u8>, JoseError> {
    Base64UrlUnpadded::decode_vec(text).map_err(|_| JoseError::Malformed("not base64url"))
}

/// A P-256 public key as a JWK (RFC 7518, section 6.2). Members that say nothing about
/// the key itself are accepted and dropped; private members are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// Always `EC`.
    pub kty: String,
    /// Always `P-256`.
    pub crv: String,
    /// The x coordinate, base64url.
    pub x: String,
    /// The y coordinate, base64url.
    pub y: String,
    /// Which of a set's keys this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// A private key has no business in a public one: any `d` makes the key unusable.
    #[serde(default, skip_serializing)]
    d: Option<serde_json::Value>,
}

impl Jwk {
    /// The public key as a JWK without `kid`.
    pub fn from_key(key: &VerifyingKey) -> Self {
        let sec1 = key.to_sec1_point(false);
        let bytes = sec1.as_bytes();
        Self {
            kty: "EC".into(),
            crv: "P-256".into(),
            x: encode(&bytes[1..33]),
            y: encode(&bytes[33..65]),
            kid: None,
            d: None,
        }
    }

    /// The same key under an id.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// The key, if this is a point on P-256.
    pub fn to_key(&self) -> Result<VerifyingKey, JoseError> {
        if self.kty != "EC" || self.crv != "P-256" || self.d.is_some() {
            return Err(JoseError::Key);
        }
        let mut sec1 = vec![4];
        for coordinate in [&self.x, &self.y] {
            let bytes = decode(coordinate)?;
            if bytes.len() != 32 {
                return Err(JoseError::Key);
            }
            sec1.extend(bytes);
        }
        VerifyingKey::from_sec1_bytes(&sec1).map_err(|_| JoseError::Key)
    }

    /// The key's SHA-256 thumbprint, base64url (RFC 7638).
    pub fn thumbprint(&self) -> String {
        // Section 3.2: the required members in lexicographic order, without white space.
        let canonical =
            format!(r#"{{"crv":"{}","kty":"{}","x":"{}","y":"{}"}}"#, self.crv, self.kty, self.x, self.y);
        encode(Sha256::digest(canonical.as_bytes()))
    }
}

/// The protected header of a JWS, as far as we use it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The algorithm; anything but `ES256` is refused.
    pub alg: String,
    /// What kind of object this is (RFC 8725, section 3.11: explicit typing).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typ: Option<String>,
    /// Which key signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// The signer's key, for the first time it is seen. Never trusted by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwk: Option<Jwk>,
    /// The certificates of the signer's key, each in base64 (RFC 7515, section 4.1.6). Written and never read:
    /// nothing here believes a key because a certificate has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty", skip_deserializing)]
    x5c: Vec<String>,
    /// Extensions that must be understood (RFC 7515, section 4.1.11): we know none.
    #[serde(default, skip_serializing)]
    crit: Option<serde_json::Value>,
}

impl Header {
    /// A header for an object of a type.
    pub fn new(typ: &str) -> Self {
        Self { alg: "ES256".into(), typ: Some(typ.into()), kid: None, jwk: None, x5c: Vec::new(), crit: None }
    }

    /// The same header, naming the key.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// The same header, carrying the key.
    #[must_use]
    pub fn with_jwk(mut self, jwk: Jwk) -> Self {
        self.jwk = Some(jwk);
        self
    }

    /// The same header, carrying certificates: the key's own first, and after each the one that certifies it.
    #[must_use]
    pub fn with_certificates<'a>(mut self, chain: impl IntoIterator<Item = &'a [u8]>) -> Self {
        self.x5c = chain.into_iter().map(Base64::encode_string).collect();
        self
    }
}

/// A JWS that was taken apart and not yet believed: look at the header to find the
/// key, then [`Unverified::verify`].
#[derive(Debug, Clone)]
pub struct Unverified<'a> {
    /// The protected header.
    pub header: Header,
    signing_input: &'a str,
    payload: Vec<u8>,
    signature: Signature,
}

impl<'a> Unverified<'a> {
    /// Takes a compact JWS apart. `typ` is the type that the header must name.
    pub fn parse(compact: &'a str, typ: &str) -> Result<Self, JoseError> {
        let token = Self::take_apart(compact)?;
        // RFC 7515, section 4.1.9: the type compares without case.
        if !token.header.typ.as_deref().is_some_and(|given| given.eq_ignore_ascii_case(typ)) {
            return Err(JoseError::Header("typ is not the one expected here"));
        }
        Ok(token)
    }

    /// The same for objects that may leave their type out, because they are told apart by where
    /// they are shown: one that names a type names one of `types`.
    pub fn parse_any(compact: &'a str, types: &[&str]) -> Result<Self, JoseError> {
        let token = Self::take_apart(compact)?;
        let is_expected = |given: &String| types.iter().any(|typ| typ.eq_ignore_ascii_case(given));
        if !token.header.typ.as_ref().is_none_or(is_expected) {
            return Err(JoseError::Header("typ is not one of those expected here"));
        }
        Ok(token)
    }

    /// What is claimed and not yet believed: for finding the key of whom it names.
    pub fn unverified_payload(&self) -> &[u8] {
        &self.payload
    }

    fn take_apart(compact: &'a str) -> Result<Self, JoseError> {
        if compact.len() > COMPACT_LENGTH_MAX {
            return Err(JoseError::Malformed("too long"));
        }
        let (signing_input, signature) =
            compact.rsplit_once('.').ok_or(JoseError::Malformed("expected three parts"))?;
        let (header, payload) =
            signing_input.split_once('.').ok_or(JoseError::Malformed("expected three parts"))?;
        let header: Header = serde_json::from_slice(&decode(header)?)
            .map_err(|_| JoseError::Malformed("the header is not the expected JSON"))?;
        if header.alg != "ES256" {
            return Err(JoseError::Header("alg must be ES256"));
        }
        if header.crit.is_some() {
            return Err(JoseError::Header("crit names extensions that are not known here"));
        }
        let signature = Signature::from_slice(&decode(signature)?).map_err(|_| JoseError::Signature)?;
        Ok(Self { header, signing_input, payload: decode(payload)?, signature })
    }

    /// Checks the signature and gives the payload out.
    pub fn verify(self, key: &VerifyingKey) -> Result<Vec<u8>, JoseError> {
        key.verify(self.signing_input.as_bytes(), &self.signature).map_err(|_| JoseError::Signature)?;
        Ok(self.payload)
    }

    /// The same for a token that comes again and again: a signature that was verified here before is known.
    pub fn verify_once(self, key: &VerifyingKey) -> Result<Vec<u8>, JoseError> {
        let mark = known::mark(key, &self.signature, self.signing_input);
        if known::is_known(&mark) {
            return Ok(self.payload);
        }
        let payload = self.verify(key)?;
        known::remember(mark);
        Ok(payload)
    }
}

/// Signs a payload into a compact JWS. Deterministic (RFC 6979).
pub fn sign(header: &Header, payload: &[u8], key: &SigningKey) -> String {
    // A header is a struct of strings, whose serialisation cannot fail.
    let header = serde_json::to_vec(header).unwrap_or_default();
    let signing_input = format!("{}.{}", encode(header), encode(payload));
    let signature: Signature = key.sign(signing_input.as_bytes());
    format!("{signing_input}.{}", encode(signature.to_bytes()))
}

/// A new private key from random bytes. Tries again in the rare case (one in 2^32)
/// that they are not a scalar of the curve.
pub fn generate_key(random: &dyn crate::environment::Random) -> SigningKey {
    loop {
        let mut bytes = [0; 32];
        random.fill(&mut bytes);
        if let Ok(key) = SigningKey::from_slice(&bytes) {
            return key;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_is_known_is_believed_and_nothing_that_is_like_it() {
        let key = |byte| SigningKey::from_slice(&[byte; 32]).unwrap();
        let signed = sign(&Header::new("t"), b"payload", &key(1));
        let once = |compact: &str, byte| {
            let token = Unverified::parse(compact, "t")?;
            token.verify_once(key(byte).verifying_key())
        };
        for _ in 0..2 {
            assert_eq!(once(&signed, 1), Ok(b"payload".to_vec()));
            // Signed with another key, with another payload under the same signature, and with another signature.
            assert_eq!(once(&signed, 2), Err(JoseError::Signature));
            let (rest, signature) = signed.rsplit_once('.').unwrap();
            let (header, _) = rest.split_once('.').unwrap();
            let other = format!("{header}.{}.{signature}", encode("other"));
            assert_eq!(once(&other, 1), Err(JoseError::Signature));
            let foreign = sign(&Header::new("t"), b"other", &key(1));
            let (_, foreign) = foreign.rsplit_once('.').unwrap();
            assert_eq!(once(&format!("{rest}.{foreign}"), 1), Err(JoseError::Signature));
        }
    }

    #[test]
    fn more_tokens_than_are_remembered_are_believed_too() {
        let key = SigningKey::from_slice(&[3; 32]).unwrap();
        for number in 0..300_u32 {
            let signed = sign(&Header::new("t"), &number.to_be_bytes(), &key);
            for is_known in [false, true] {
                let token = Unverified::parse(&signed, "t").unwrap();
                let mark = known::mark(key.verifying_key(), &token.signature, token.signing_input);
                assert_eq!(known::is_known(&mark), is_known);
                assert_eq!(token.verify_once(key.verifying_key()).unwrap(), number.to_be_bytes());
            }
        }
        let first = sign(&Header::new("t"), &0_u32.to_be_bytes(), &key);
        let first = Unverified::parse(&first, "t").unwrap();
        let mark = known::mark(key.verifying_key(), &first.signature, first.signing_input);
        assert!(!known::is_known(&mark), "of more than there is room for, the first one is forgotten");
    }

    /// The key of RFC 7515, appendix A.3, without its private part.
    const KEY: &str = r#"{"kty":"EC","crv":"P-256",
        "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    /// The JWS of the same place.
    const COMPACT: &str = concat!(
        "eyJhbGciOiJFUzI1NiJ9",
        ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
        ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    );

    #[test]
    fn the_example_of_rfc_7515_verifies() {
        let key: Jwk = serde_json::from_str(KEY).unwrap();
        let payload = Unverified::take_apart(COMPACT).unwrap().verify(&key.to_key().unwrap()).unwrap();
        let expected = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
        assert_eq!(payload, expected.as_bytes());
    }

    #[test]
    fn an_object_without_a_type_is_refused() {
        let error = Unverified::parse(COMPACT, "JWT").unwrap_err();
        assert_eq!(error, JoseError::Header("typ is not the one expected here"));
    }

    #[test]
    fn a_type_may_be_left_out_where_it_is_said_so_and_is_never_another_one() {
        assert!(Unverified::parse_any(COMPACT, &["JWT"]).is_ok());
        let typed = sign(&Header::new("at+jwt"), b"{}", &SigningKey::from_slice(&[7; 32]).unwrap());
        assert!(Unverified::parse_any(&typed, &["jwt", "AT+JWT"]).is_ok());
        let error = Unverified::parse_any(&typed, &["JWT"]).unwrap_err();
        assert_eq!(error, JoseError::Header("typ is not one of those expected here"));
    }
}
