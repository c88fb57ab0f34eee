//! What another provider signed (RFC 7515), with the one algorithm that the configuration names.
//!
//! Everything of this port is ES256, in [`vwp_core::jose`]. Other providers mostly sign with RS256, as
//! OpenID Connect Core 1.0, section 15.1 makes them able to. The header's `alg` decides nothing: it
//! must be the configured one, and the keys that are looked at are of its kind alone (RFC 8725,
//! sections 3.1 and 3.2).

use p256::ecdsa::signature::Verifier;
use rsa::RsaPublicKey;
use rsa::pkcs1v15;
use rsa::traits::PublicKeyParts;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;
use vwp_core::jose::{self, decode};

/// The shortest modulus of an RSA key, in bits (RFC 7518, section 3.3).
const MODULUS_BITS_MIN: u32 = 2048;
/// The longest texts of a key: a modulus of 4096 bits in base64url.
const MEMBER_LENGTH_MAX: usize = 683;
/// The longest name of a key, in bytes.
const KID_LENGTH_MAX: usize = 256;

/// An algorithm that a provider may sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    #[default]
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
}

impl Algorithm {
    /// Its name, and the type of its keys (RFC 7518, sections 3.1 and 6.1).
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Es256 => ("ES256", "EC"),
            Self::Rs256 => ("RS256", "RSA"),
        }
    }
}

/// Why something signed was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// Not a compact JWS, or longer than the bound.
    #[error("it is not a compact JWS")]
    Malformed,
    /// It names another algorithm than the configured one.
    #[error("it is not signed with the algorithm that is configured for the provider")]
    Algorithm,
    /// It brings a key along, or asks for what is not known here.
    #[error("its header carries a key, is of another type, or has extensions")]
    Header,
    /// The provider has no such key.
    #[error("the provider has not published exactly one key for it")]
    UnknownKey,
    /// The signature does not match.
    #[error("the signature does not match")]
    Signature,
}

/// A provider's public key as a JWK, as far as it is used (RFC 7517, RFC 7518).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Jwk {
    kty: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    usage: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alg: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    e: Option<String>,
}

enum Key {
    Es256(p256::ecdsa::VerifyingKey),
    Rs256(Box<pkcs1v15::VerifyingKey<Sha256>>),
}

impl Jwk {
    /// Whether it is short enough to be kept.
    pub fn is_bounded(&self) -> bool {
        let members = [&self.crv, &self.x, &self.y, &self.n, &self.e, &self.alg, &self.usage];
        let has_short = members.into_iter().flatten().all(|text| text.len() <= MEMBER_LENGTH_MAX);
        has_short && self.kty.len() <= 16 && self.kid.as_ref().is_none_or(|kid| kid.len() <= KID_LENGTH_MAX)
    }

    /// Whether it may have signed this.
    fn suits(&self, algorithm: Algorithm, kid: Option<&str>) -> bool {
        let (alg, kty) = algorithm.names();
        self.kty == kty
            && self.usage.as_ref().is_none_or(|usage| usage == "sig")
            && self.alg.as_ref().is_none_or(|given| given == alg)
            && kid.is_none_or(|kid| self.kid.as_deref() == Some(kid))
    }

    fn to_key(&self, algorithm: Algorithm) -> Option<Key> {
        match algorithm {
            Algorithm::Es256 => {
                let json = serde_json::json!({ "kty": self.kty, "crv": self.crv, "x": self.x, "y": self.y });
                let jwk: jose::Jwk = serde_json::from_value(json).ok()?;
                Some(Key::Es256(jwk.to_key().ok()?))
            }
            Algorithm::Rs256 => {
                let number = |text: &Option<String>| {
                    let bytes = decode(text.as_deref()?).ok()?;
                    Some(rsa::BoxedUint::from_be_slice_vartime(&bytes))
                };
                // The crate bounds the exponent, and the modulus from above.
                let key = RsaPublicKey::new(number(&self.n)?, number(&self.e)?).ok()?;
                let is_long = key.n().bits() >= MODULUS_BITS_MIN;
                is_long.then(|| Key::Rs256(Box::new(pkcs1v15::VerifyingKey::new(key))))
            }
        }
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    typ: Option<String>,
    #[serde(default)]
    kid: Option<String>,
    // Keys come from the provider's own set and from nowhere else (RFC 8725, section 3.10).
    #[serde(default)]
    jwk: Option<Value>,
    #[serde(default)]
    jku: Option<Value>,
    #[serde(default)]
    x5c: Option<Value>,
    #[serde(default)]
    x5u: Option<Value>,
    /// Extensions that must be understood (RFC 7515, section 4.1.11): none are.
    #[serde(default)]
    crit: Option<Value>,
}

/// A JWS that was taken apart and not yet believed.
#[derive(Debug)]
pub struct Unverified<'a> {
    algorithm: Algorithm,
    kid: Option<String>,
    signing_input: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Unverified<'a> {
    /// Takes a compact JWS apart, which must be of an algorithm.
    pub fn parse(compact: &'a str, algorithm: Algorithm) -> Result<Self, JwsError> {
        if compact.len() > jose::COMPACT_LENGTH_MAX {
            return Err(JwsError::Malformed);
        }
        let (signing_input, signature) = compact.rsplit_once('.').ok_or(JwsError::Malformed)?;
        let (header, payload) = signing_input.split_once('.').ok_or(JwsError::Malformed)?;
        let read = |text: &str| decode(text).map_err(|_| JwsError::Malformed);
        let header: Header = serde_json::from_slice(&read(header)?).map_err(|_| JwsError::Malformed)?;
        if header.alg != algorithm.names().0 {
            return Err(JwsError::Algorithm);
        }
        let brought = [&header.jwk, &header.jku, &header.x5c, &header.x5u, &header.crit];
        let is_typed = header.typ.is_none_or(|typ| typ.eq_ignore_ascii_case("JWT"));
        if brought.into_iter().any(Option::is_some) || !is_typed {
            return Err(JwsError::Header);
        }
        let (payload, signature) = (read(payload)?, read(signature)?);
        Ok(Self { algorithm, kid: header.kid, signing_input, payload, signature })
    }

    /// Checks the signature with the one of a provider's keys that it names, and gives the payload
    /// out. Without a name the provider must have one key of the kind (OpenID Connect Core 1.0,
    /// section 10.1).
    pub fn verify(&self, keys: &[Jwk]) -> Result<Vec<u8>, JwsError> {
        let mut suitable = keys.iter().filter(|key| key.suits(self.algorithm, self.kid.as_deref()));
        let (Some(jwk), None) = (suitable.next(), suitable.next()) else { return Err(JwsError::UnknownKey) };
        let input = self.signing_input.as_bytes();
        let is_right = match jwk.to_key(self.algorithm).ok_or(JwsError::UnknownKey)? {
            Key::Es256(key) => p256::ecdsa::Signature::from_slice(&self.signature)
                .is_ok_and(|signature| key.verify(input, &signature).is_ok()),
            Key::Rs256(key) => pkcs1v15::Signature::try_from(self.signature.as_slice())
                .is_ok_and(|signature| key.verify(input, &signature).is_ok()),
        };
        if is_right { Ok(self.payload.clone()) } else { Err(JwsError::Signature) }
    }
}
