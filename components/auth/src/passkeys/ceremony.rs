//! Challenges. Each is kept here under the hash of a name that nobody can guess, and the client
//! gets the name to bring back: what was asked is never taken from the client. The commit that
//! makes use of an answer removes the challenge, so of two answers at once one counts.

use super::PasskeyError;
use crate::error::AuthError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vwp_core::environment::Timestamp;
use vwp_core::{Environment, Problem, jose};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Outcome, Write};

/// How long a ceremony may take, in milliseconds (Web Authentication Level 3, section 15.1).
pub const LIFETIME_MS: u64 = 5 * 60 * 1000;
/// The length of a ceremony's name: 256 bits, base64url.
pub const NAME_LENGTH: usize = 43;

/// What a ceremony is for. An answer to one kind is none to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Purpose {
    /// Linking a passkey to a traveller.
    Register {
        /// The traveller.
        traveller: String,
        /// What the passkey shall be called.
        name: String,
    },
    /// Signing in.
    SignIn,
}

#[derive(Serialize, Deserialize)]
struct Kept<T> {
    purpose: Purpose,
    state: T,
    /// Beside the store's own expiry, which another clock decides.
    ends_at: Timestamp,
}

/// A ceremony that was begun, and has not been used.
pub(crate) struct Ceremony<T> {
    /// What it is for.
    pub(crate) purpose: Purpose,
    /// What was asked.
    pub(crate) state: T,
    /// Requires that nobody else has used it.
    pub(crate) check: Check,
    /// Uses it up.
    pub(crate) end: Write,
}

/// Keeps what was asked, and names it.
pub(crate) async fn begin<T: Serialize>(
    kv: &impl Kv,
    purpose: Purpose,
    state: T,
    environment: &Environment<'_>,
) -> Result<String, AuthError> {
    let name = jose::encode(environment.random_bytes::<32>());
    let ends_at = environment.now.saturating_add(LIFETIME_MS);
    let kept = Kept { purpose, state, ends_at };
    let put = Write::Put {
        key: key(&name),
        value: serde_json::to_vec(&kept).map_err(|_| Problem::internal())?,
        expires_at: Some(ends_at),
    };
    match kv.commit(&[], &[put]).await? {
        Outcome::Committed(_) => Ok(name),
        _ => Err(Problem::internal().into()),
    }
}

/// What was asked under a name.
pub(crate) async fn find<T: DeserializeOwned>(
    kv: &impl Kv,
    name: &str,
    environment: &Environment<'_>,
) -> Result<Ceremony<T>, AuthError> {
    if name.len() != NAME_LENGTH {
        return Err(PasskeyError::CeremonyEnded.into());
    }
    let key = key(name);
    let entry = kv.get(&key).await?.ok_or(PasskeyError::CeremonyEnded)?;
    // What was kept for another purpose has another state.
    let kept: Kept<T> = serde_json::from_slice(&entry.value).map_err(|_| PasskeyError::CeremonyEnded)?;
    if kept.ends_at <= environment.now {
        return Err(PasskeyError::CeremonyEnded.into());
    }
    let check = Check::unchanged(key.clone(), Some(&entry));
    Ok(Ceremony { purpose: kept.purpose, state: kept.state, check, end: Write::delete(key) })
}

impl<T> Ceremony<T> {
    /// Uses the ceremony up for an answer that was refused, and says why it was. A challenge gets
    /// one answer.
    pub(crate) async fn refuse(self, kv: &impl Kv, why: PasskeyError) -> AuthError {
        match kv.commit(&[self.check], &[self.end]).await {
            Ok(Outcome::Committed(_)) => why.into(),
            Ok(_) => PasskeyError::CeremonyEnded.into(),
            Err(error) => error.into(),
        }
    }
}

pub(crate) fn key(name: &str) -> Vec<u8> {
    format!("auth/ceremony/{}", jose::encode(Sha256::digest(name.as_bytes()))).into_bytes()
}
