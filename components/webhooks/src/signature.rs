//! Secrets and signatures (Standard Webhooks 1.0.0, section Signature scheme): HMAC-SHA256 over
//! `{msg_id}.{timestamp}.{payload}`.

use base64ct::{Base64, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use vwp_core::seal::{self, Sealed};
use vwp_core::{Environment, Problem};

/// What a secret starts with as it is shown.
pub const PREFIX: &str = "whsec_";
/// How long a secret is, in bytes: the specification wants 24 to 64.
const LENGTH: usize = 32;

/// What the port and an endpoint share.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl fmt::Debug for Secret {
    /// Says nothing, so that no log can hold it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

impl Secret {
    /// A new one, which nobody can guess.
    pub fn new(environment: &Environment<'_>) -> Self {
        Self(environment.random_bytes::<LENGTH>().to_vec())
    }

    /// As it is shown to whom it belongs, once.
    pub fn text(&self) -> String {
        format!("{PREFIX}{}", Base64::encode_string(&self.0))
    }

    /// As it is kept, for one endpoint.
    pub fn seal(&self, endpoint: &str, environment: &Environment<'_>) -> Result<Sealed, Problem> {
        seal::seal(&purpose(endpoint), &self.0, environment)
    }

    /// Opens what was kept for an endpoint.
    pub fn unseal(endpoint: &str, sealed: &Sealed, environment: &Environment<'_>) -> Result<Self, Problem> {
        seal::unseal(&purpose(endpoint), sealed, environment).map(Self)
    }

    /// One signature, as `webhook-signature` lists it. The timestamp is in seconds.
    pub fn sign(&self, id: &str, timestamp: u64, payload: &str) -> Result<String, Problem> {
        // HMAC takes keys of any length (RFC 2104, section 2).
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).map_err(|_| Problem::internal())?;
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(payload.as_bytes());
        Ok(format!("v1,{}", Base64::encode_string(&mac.finalize().into_bytes())))
    }
}

/// What a secret is sealed for.
pub(crate) fn purpose(endpoint: &str) -> String {
    format!("webhook endpoint {endpoint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the official libraries (1.1) sign with this secret, and test themselves with.
    #[test]
    fn what_is_signed_is_what_the_official_libraries_sign() {
        let bytes = Base64::decode_vec("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let secret = Secret(bytes);
        assert_eq!(secret.text(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret(vec![7; LENGTH])), "Secret");
    }
}
