//! Answers that only the port can read (OpenID4VP 1.0, section 8.3), as HAIP 1.0, section 5 wants them: each
//! request has a key of its own, which is kept sealed with it and is gone when it is answered.
//!
//! What it adds to TLS: nothing between the wallet and this component, and no log there, sees a passport. It
//! says nothing of who answers (section 14.5); that is the key binding's.

use super::jwe::{self, JweError, Unopened};
use super::transaction;
use p256::SecretKey;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vwp_core::jose::{self, Jwk};
use vwp_core::seal::{self, Sealed};
use vwp_core::{Environment, Problem};

/// Why an answer cannot be read that is known to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Passports came unencrypted, where encryption was asked for.
    #[error("the request asked for an encrypted answer")]
    Unencrypted,
    /// It cannot be decrypted.
    #[error("{0}")]
    Jwe(#[from] JweError),
    /// What was decrypted is no answer.
    #[error("what is encrypted is not a JSON object with vp_token or error")]
    Payload,
    /// It is an answer to another request.
    #[error("the state is not the one of the request whose key this was encrypted to")]
    State,
}

impl AnswerError {
    /// The reason as a world reads it.
    pub(super) fn slug(self) -> &'static str {
        match self {
            Self::Unencrypted => "answer-unencrypted",
            Self::Jwe(error) => error.slug(),
            Self::Payload => "answer-malformed",
            Self::State => "state-mismatch",
        }
    }
}

/// The key that the answer to one request is encrypted to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RequestKey {
    public: Jwk,
    private: Sealed,
}

impl RequestKey {
    /// A new one for the request with a state. Its id leads to the transaction, because nothing else of an
    /// encrypted answer can be read before a key is found.
    pub(super) fn generate(state: &str, environment: &Environment<'_>) -> Result<Self, Problem> {
        let key = jose::generate_key(environment.random);
        let kid = transaction::name(state);
        let private = seal::seal(&purpose(&kid), &key.to_bytes(), environment)?;
        Ok(Self { public: Jwk::from_key(key.verifying_key()).with_kid(kid), private })
    }

    /// The keys for wallets, of which there is one.
    pub(super) fn jwks(&self) -> Value {
        let Jwk { kty, crv, x, y, kid, .. } = &self.public;
        let key = json!({
            "kty": kty, "crv": crv, "x": x, "y": y, "kid": kid, "use": "enc", "alg": jwe::ALGORITHM,
        });
        json!({ "keys": [key] })
    }

    /// Opens an answer that names the key.
    pub(super) fn open(
        &self,
        answer: &Unopened<'_>,
        environment: &Environment<'_>,
    ) -> Result<Result<Vec<u8>, JweError>, Problem> {
        let private = seal::unseal(&purpose(answer.kid()), &self.private, environment)?;
        let private = SecretKey::from_slice(&private).map_err(|_| Problem::internal())?;
        Ok(answer.open(&private))
    }
}

/// What a private key is sealed for.
fn purpose(kid: &str) -> String {
    format!("auth/openid4vp/answers-to/{kid}")
}
