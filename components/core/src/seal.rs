//! Secrets at rest: sealed with XChaCha20-Poly1305 under the master key. What a secret is for
//! is authenticated with it, so that a sealed secret cannot be moved to another place.

use crate::environment::Environment;
use crate::jose;
use crate::problem::Problem;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};

/// A secret that only the holder of the master key can read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    nonce: String,
    sealed: String,
}

/// Seals a secret for a purpose.
pub fn seal(purpose: &str, secret: &[u8], environment: &Environment<'_>) -> Result<Sealed, Problem> {
    // A nonce of 24 random bytes does not repeat (draft-irtf-cfrg-xchacha, section 2).
    let nonce = environment.random_bytes::<24>();
    let payload = Payload { msg: secret, aad: purpose.as_bytes() };
    let sealed = XChaCha20Poly1305::new(&environment.settings.master_key.into())
        .encrypt(&XNonce::from(nonce), payload)
        .map_err(|_| Problem::internal())?;
    Ok(Sealed { nonce: jose::encode(nonce), sealed: jose::encode(sealed) })
}

/// Opens what was sealed for the same purpose.
pub fn unseal(purpose: &str, secret: &Sealed, environment: &Environment<'_>) -> Result<Vec<u8>, Problem> {
    let nonce: [u8; 24] = jose::decode(&secret.nonce)?.try_into().map_err(|_| Problem::internal())?;
    let ciphertext = jose::decode(&secret.sealed)?;
    let payload = Payload { msg: &ciphertext, aad: purpose.as_bytes() };
    XChaCha20Poly1305::new(&environment.settings.master_key.into())
        .decrypt(&XNonce::from(nonce), payload)
        .map_err(|_| {
            Problem::new(
                http::StatusCode::INTERNAL_SERVER_ERROR,
                "keyring-sealed",
                "The port's keys cannot be opened",
                "the master key is not the one that sealed them",
            )
        })
}
