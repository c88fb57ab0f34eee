//! Secrets at rest: sealed with XChaCha20-Poly1305 under the master key. What a secret is for
//! is authenticated with it, so that a sealed secret cannot be moved to another place.
//!
//! The master key is replaced without a moment in which anything cannot be opened: the port is
//! given the new one as `master_key` and the one before as `master_key_previous`. What is sealed
//! says which key sealed it. Maintenance seals anew what the previous key sealed
//! ([`reseal`]); after that the previous one can be forgotten.

use crate::environment::{Environment, Settings};
use crate::jose;
use crate::problem::Problem;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What is hashed before a master key to name it, so that the name is of no other use.
const NAME_CONTEXT: &[u8] = b"vwp master key\n";
/// How much of that hash names a key, in bytes: enough to tell two keys apart.
const NAME_LENGTH: usize = 8;

/// A secret that only the holder of the master key can read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    nonce: String,
    #[serde(rename = "sealed")]
    ciphertext: String,
    /// The name of the key that sealed it; none if it was sealed before keys had names.
    #[serde(default, rename = "sealed_by", skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

/// The name of a master key, which says nothing about the key.
pub fn key_name(master_key: &[u8; 32]) -> String {
    let hash = Sha256::new().chain_update(NAME_CONTEXT).chain_update(master_key).finalize();
    jose::encode(&hash[..NAME_LENGTH])
}

/// Seals a secret for a purpose.
pub fn seal(purpose: &str, secret: &[u8], environment: &Environment<'_>) -> Result<Sealed, Problem> {
    // A nonce of 24 random bytes does not repeat (draft-irtf-cfrg-xchacha, section 2).
    let nonce = environment.random_bytes::<24>();
    let payload = Payload { msg: secret, aad: purpose.as_bytes() };
    let key = &environment.settings.master_key;
    let ciphertext = XChaCha20Poly1305::new(&(*key).into())
        .encrypt(&XNonce::from(nonce), payload)
        .map_err(|_| Problem::internal())?;
    let key = Some(key_name(key));
    Ok(Sealed { nonce: jose::encode(nonce), ciphertext: jose::encode(ciphertext), key })
}

/// Opens what was sealed for the same purpose, with the master key or the one before.
pub fn unseal(purpose: &str, secret: &Sealed, environment: &Environment<'_>) -> Result<Vec<u8>, Problem> {
    let nonce: [u8; 24] = jose::decode(&secret.nonce)?.try_into().map_err(|_| Problem::internal())?;
    let ciphertext = jose::decode(&secret.ciphertext)?;
    for key in keys(environment.settings) {
        if secret.key.as_ref().is_some_and(|name| *name != key_name(key)) {
            continue;
        }
        let payload = Payload { msg: &ciphertext, aad: purpose.as_bytes() };
        if let Ok(opened) = XChaCha20Poly1305::new(&(*key).into()).decrypt(&XNonce::from(nonce), payload) {
            return Ok(opened);
        }
    }
    Err(Problem::new(
        http::StatusCode::INTERNAL_SERVER_ERROR,
        "keyring-sealed",
        "The port's keys cannot be opened",
        "neither the master key nor the one before is the one that sealed them",
    ))
}

/// Whether a secret is to be sealed anew, because the previous master key sealed it or may have.
pub fn is_stale(secret: &Sealed, settings: &Settings) -> bool {
    let Some(previous) = &settings.master_key_previous else {
        return false;
    };
    *previous != settings.master_key && secret.key.as_ref().is_none_or(|name| *name == key_name(previous))
}

/// Seals a secret anew with the master key, if another one sealed it. None: nothing is to be done.
pub fn reseal(
    purpose: &str,
    secret: &Sealed,
    environment: &Environment<'_>,
) -> Result<Option<Sealed>, Problem> {
    if !is_stale(secret, environment.settings) {
        return Ok(None);
    }
    let opened = unseal(purpose, secret, environment)?;
    seal(purpose, &opened, environment).map(Some)
}

/// Names for a text that only the holder of the master key can tell from others: where something
/// must be found again by a text that must not be kept. The first is the one to write; another
/// follows while there is a previous master key, and is only looked for.
pub fn pseudonyms(purpose: &str, text: &str, settings: &Settings) -> Vec<String> {
    let name = |key: &[u8; 32]| {
        // Under a key of its own for each purpose.
        let key = mac(key, &[b"pseudonym\n", purpose.as_bytes()])?;
        Some(jose::encode(mac(&key, &[text.as_bytes()])?))
    };
    keys(settings).filter_map(name).collect()
}

/// HMAC-SHA256 (RFC 2104), which takes keys of any length.
fn mac(key: &[u8], parts: &[&[u8]]) -> Option<Vec<u8>> {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac.finalize().into_bytes().to_vec())
}

fn keys(settings: &Settings) -> impl Iterator<Item = &[u8; 32]> {
    std::iter::once(&settings.master_key).chain(&settings.master_key_previous)
}
