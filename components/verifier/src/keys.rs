//! An issuer's public keys, as a verifier keeps them.

use serde::Serialize;
use serde_json::Value;
use vwp_core::jose::Jwk;

/// The most keys that a JWK Set may have.
pub const SET_KEYS_MAX: u32 = 1000;
/// The longest JWK Set that is read, in bytes.
pub const SET_LENGTH_MAX: usize = 524_288;

/// Why a text is not a JWK Set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a JWK Set, or one that is too large")]
pub struct KeySetError;

/// An issuer's public keys (RFC 7517, section 5).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeySet {
    keys: Vec<Jwk>,
}

impl KeySet {
    /// A set of keys, each with its id.
    pub fn new(keys: Vec<Jwk>) -> Self {
        Self { keys }
    }

    /// Reads a set. Keys that cannot have made an ES256 signature are left out, as
    /// section 5 asks: others may be meant for others.
    pub fn from_json(text: &str) -> Result<Self, KeySetError> {
        if text.len() > SET_LENGTH_MAX {
            return Err(KeySetError);
        }
        let mut set: Value = serde_json::from_str(text).map_err(|_| KeySetError)?;
        let Some(Value::Array(keys)) = set.get_mut("keys").map(Value::take) else {
            return Err(KeySetError);
        };
        let is_given = |key: &Value, member: &str, expected: &str| {
            key.get(member).is_none_or(|value| value.as_str() == Some(expected))
        };
        let keys = keys
            .into_iter()
            .filter(|key| is_given(key, "use", "sig") && is_given(key, "alg", "ES256"))
            .filter_map(|key| serde_json::from_value::<Jwk>(key).ok())
            .collect();
        Ok(Self { keys })
    }

    /// The set as JSON, each key with its use and algorithm.
    pub fn to_json(&self) -> Value {
        let keys: Vec<Published<'_>> =
            self.keys.iter().map(|jwk| Published { jwk, r#use: "sig", alg: "ES256" }).collect();
        serde_json::json!({ "keys": keys })
    }

    /// The key with an id.
    pub fn get(&self, kid: &str) -> Option<&Jwk> {
        self.keys.iter().find(|jwk| jwk.kid.as_deref() == Some(kid))
    }

    /// Every key.
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }
}

#[derive(Serialize)]
struct Published<'a> {
    #[serde(flatten)]
    jwk: &'a Jwk,
    r#use: &'static str,
    alg: &'static str,
}
