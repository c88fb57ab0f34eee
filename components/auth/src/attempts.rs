//! How often signing in to one handle may fail.
//!
//! An attempt is counted before the password is looked at, so that a thousand guesses
//! sent at once are not all looked at. After [`FREE_ATTEMPTS`] the wait doubles with
//! every failure up to [`WAIT_MAX_MS`]: that leaves a guesser about a hundred guesses a
//! day, and never shuts the traveller out for good. A sign-in that succeeds, and a day
//! without an attempt, clear the count. Handles that do not exist are counted alike.
//!
//! This bounds guesses at one handle. One password tried on many handles, and the
//! memory that hashing takes, are bounded per client address by the gateway and the host.

use crate::error::AuthError;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vwp_core::environment::Timestamp;
use vwp_core::{Environment, Problem, jose};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Outcome, Write};

/// How many attempts are looked at without a wait.
pub const FREE_ATTEMPTS: u32 = 5;
/// The longest wait, in milliseconds.
pub const WAIT_MAX_MS: u64 = 15 * 60 * 1000;
/// How long after the last attempt the count is kept, in milliseconds.
const KEPT_MS: u64 = 24 * 60 * 60 * 1000;
/// How often counting is tried when others count the same handle at the same time.
const COUNT_TRIES_MAX: usize = 8;

#[derive(Default, Serialize, Deserialize)]
struct Attempts {
    count: u32,
    next_at: Timestamp,
}

/// Counts an attempt, or refuses it because it comes too early.
pub async fn count(kv: &impl Kv, folded: &str, environment: &Environment<'_>) -> Result<(), AuthError> {
    let key = key(folded);
    for _ in 0..COUNT_TRIES_MAX {
        let seen = kv.get(&key).await?;
        let mut attempts = match &seen {
            Some(entry) => serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?,
            None => Attempts::default(),
        };
        if attempts.next_at > environment.now {
            return Err(too_early(attempts.next_at - environment.now));
        }
        attempts.count = attempts.count.saturating_add(1);
        attempts.next_at = environment.now.saturating_add(wait_ms(attempts.count));
        let put = Write::Put {
            key: key.clone(),
            value: serde_json::to_vec(&attempts).map_err(|_| Problem::internal())?,
            expires_at: Some(environment.now.saturating_add(KEPT_MS)),
        };
        let check = Check::unchanged(key.clone(), seen.as_ref());
        if let Outcome::Committed(_) = kv.commit(&[check], &[put]).await? {
            return Ok(());
        }
    }
    // Only a burst of attempts at this one handle gets here.
    Err(too_early(1000))
}

/// The write that clears the count, for the commit that opens a session.
pub(crate) fn clear(folded: &str) -> Write {
    Write::delete(key(folded))
}

/// How long to wait after this many attempts.
fn wait_ms(count: u32) -> u64 {
    match count.checked_sub(FREE_ATTEMPTS) {
        None => 0,
        Some(doublings) => 1000_u64.saturating_mul(1 << doublings.min(20)).min(WAIT_MAX_MS),
    }
}

fn too_early(wait_ms: u64) -> AuthError {
    let seconds = wait_ms.div_ceil(1000).max(1);
    AuthError::TooManyAttempts { retry_after_s: u32::try_from(seconds).unwrap_or(u32::MAX) }
}

/// What was typed as a handle can be anything, so its hash is the key.
fn key(folded: &str) -> Vec<u8> {
    format!("auth/attempts/{}", jose::encode(Sha256::digest(folded.as_bytes()))).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_and_is_bounded() {
        let waits: Vec<u64> = (1..9).map(wait_ms).collect();
        assert_eq!(waits, [0, 0, 0, 0, 1000, 2000, 4000, 8000]);
        assert_eq!(wait_ms(u32::MAX), WAIT_MAX_MS);
    }
}
