//! How often signing in to one account may fail.
//!
//! An attempt is counted before the password is looked at, so that a thousand guesses
//! sent at once are not all looked at. Failures are counted by account and by where they come
//! from: after [`FREE_ATTEMPTS`] the wait of that device or network doubles with every failure up
//! to [`WAIT_MAX_MS`]. So whoever fails shuts out nobody but the own network, and not even there a
//! device from which the owner has signed in before. A sign-in that succeeds, and a day without an
//! attempt, clear the count. Accounts that do not exist are counted alike.
//!
//! Who has many networks would have many counts. All places from which the owner has never signed
//! in therefore share [`STRANGERS`]: about a hundred guesses, and then six an hour. It holds back
//! an owner in a new place only while many others fail in theirs.
//!
//! One password tried on many accounts is bounded by the limits of a network and of all, in
//! [`crate::limits`].

use crate::devices::Source;
use crate::error::AuthError;
use crate::limits::Rule;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vwp_core::environment::Timestamp;
use vwp_core::{Environment, Problem, jose};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Entry, Outcome, Write};

/// How many attempts are looked at without a wait.
pub const FREE_ATTEMPTS: u32 = 5;
/// The longest wait, in milliseconds.
pub const WAIT_MAX_MS: u64 = 15 * 60 * 1000;
/// What all strangers to an account may try together (NIST SP 800-63B, section 3.2.2, asks for no
/// more than 100 failures in a row).
pub const STRANGERS: Rule = Rule { name: "strangers", burst: 100, period_us: 600_000_000, shares: 1 };
/// How long after the last attempt the count is kept, in milliseconds.
const KEPT_MS: u64 = 24 * 60 * 60 * 1000;
/// How often counting is tried when others count the same account at the same time.
const COUNT_TRIES_MAX: usize = 8;

#[derive(Default, Serialize, Deserialize)]
struct Attempts {
    count: u32,
    next_at: Timestamp,
}

/// Counts an attempt, or refuses it because it comes too early.
pub async fn count(
    kv: &impl Kv,
    account: &str,
    source: &Source,
    environment: &Environment<'_>,
) -> Result<(), AuthError> {
    let (own, strangers) = (own_key(account, source), strangers_key(account));
    for _ in 0..COUNT_TRIES_MAX {
        let mut seen = kv.get_many(&[own.clone(), strangers.clone()]).await?.into_iter();
        let (seen_own, seen_strangers) = (seen.next().flatten(), seen.next().flatten());
        let mut checks = vec![Check::unchanged(own.clone(), seen_own.as_ref())];
        let mut writes = vec![counted(&own, seen_own.as_ref(), environment)?];
        if source.is_stranger {
            let (standing, put) = STRANGERS.uses(&strangers, seen_strangers.as_ref(), environment.now);
            if standing.wait_ms > 0 {
                return Err(too_early(standing.wait_ms));
            }
            checks.push(Check::unchanged(strangers.clone(), seen_strangers.as_ref()));
            writes.push(put);
        }
        if let Outcome::Committed(_) = kv.commit(&checks, &writes).await? {
            return Ok(());
        }
    }
    // Only a burst of attempts at this one account gets here.
    Err(too_early(1000))
}

/// The write that clears the count, for the commit that opens a session.
pub(crate) fn clear(account: &str, source: &Source) -> Write {
    Write::delete(own_key(account, source))
}

fn counted(key: &[u8], seen: Option<&Entry>, environment: &Environment<'_>) -> Result<Write, AuthError> {
    let mut attempts = match seen {
        Some(entry) => serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?,
        None => Attempts::default(),
    };
    if attempts.next_at > environment.now {
        return Err(too_early(attempts.next_at - environment.now));
    }
    attempts.count = attempts.count.saturating_add(1);
    attempts.next_at = environment.now.saturating_add(wait_ms(attempts.count));
    Ok(Write::Put {
        key: key.to_vec(),
        value: serde_json::to_vec(&attempts).map_err(|_| Problem::internal())?,
        expires_at: Some(environment.now.saturating_add(KEPT_MS)),
    })
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

/// Where the counts of an account are: those of each source start with the first, and the second is
/// what strangers share. For whoever erases them, since handles can be guessed from their hashes.
pub(crate) fn counts_of(account: &str) -> [String; 2] {
    [format!("auth/attempts/{}/", hash(account)), format!("auth/strangers/{}", hash(account))]
}

/// What was typed as a handle can be anything, so its hash is the key.
fn own_key(account: &str, source: &Source) -> Vec<u8> {
    let [own, _] = counts_of(account);
    format!("{own}{}", hash(&source.key)).into_bytes()
}

fn strangers_key(account: &str) -> Vec<u8> {
    let [_, strangers] = counts_of(account);
    strangers.into_bytes()
}

fn hash(text: &str) -> String {
    jose::encode(Sha256::digest(text.as_bytes()))
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
