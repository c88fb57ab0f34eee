//! How often something may happen: the generic cell rate algorithm. All that is kept of a
//! subject is one time, when it would have used nothing any more; it expires then.

use super::Network;
use crate::error::AuthError;
use sha2::{Digest, Sha256};
use vwp_core::environment::Timestamp;
use vwp_core::{Environment, Problem, jose};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Entry, Outcome, Write};

/// How often a charge is tried when others charge the same subject at the same time.
const TRIES_MAX: usize = 8;

/// How often something may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// What the rule is called in answers.
    pub name: &'static str,
    /// How often it may happen at once.
    pub burst: u32,
    /// How long one use takes to come back, in microseconds.
    pub period_us: u64,
    /// How many keys share the rule, each with its part of it: one for a subject of its own, more
    /// for a rule that many charge at once.
    pub shares: u32,
}

impl Rule {
    /// What all uses take to come back, in milliseconds.
    pub const fn window_ms(&self) -> u64 {
        self.period_us.saturating_mul(self.burst as u64) / 1000
    }
}

/// A rule and whom it is charged to.
#[derive(Debug, Clone)]
pub struct Charge {
    rule: Rule,
    subject: String,
}

impl Charge {
    /// To everybody together.
    pub fn all(rule: Rule) -> Self {
        Self { rule, subject: String::new() }
    }

    /// To a network.
    pub fn network(rule: Rule, network: Network) -> Self {
        Self { rule, subject: network.to_string() }
    }

    /// To an account, or whatever else has this name. It may be anything of any length.
    pub fn account(rule: Rule, name: &str) -> Self {
        Self { rule, subject: name.to_owned() }
    }

    /// The keys of which one is charged: two of the shares, because the emptier of two is far
    /// less often full than one.
    fn keys(&self, environment: &Environment<'_>) -> Vec<Vec<u8>> {
        // What a subject is called can be anything, so its hash is the key.
        let subject = jose::encode(&Sha256::digest(self.subject.as_bytes())[..16]);
        let key = |share: u32| format!("auth/limit/{}/{subject}/{share}", self.rule.name).into_bytes();
        if self.rule.shares <= 1 {
            return vec![key(0)];
        }
        let [one, other] = environment.random_bytes::<2>().map(|byte| u32::from(byte) % self.rule.shares);
        if one == other { vec![key(one)] } else { vec![key(one), key(other)] }
    }
}

/// How a rule stands for its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The rule.
    pub rule: Rule,
    /// How often it may still happen at once.
    pub remaining: u32,
    /// When nothing would be used any more, in seconds from now.
    pub reset_s: u64,
    /// How long to wait for the next use, in milliseconds; zero if there is one now.
    pub wait_ms: u64,
}

/// Charges all or none of them. The first one that has nothing left is the refusal.
pub async fn charge(
    kv: &impl Kv,
    charges: &[Charge],
    environment: &Environment<'_>,
) -> Result<Vec<Standing>, AuthError> {
    if charges.is_empty() {
        return Ok(Vec::new());
    }
    for _ in 0..TRIES_MAX {
        let keys: Vec<Vec<Vec<u8>>> = charges.iter().map(|charge| charge.keys(environment)).collect();
        let mut entries = kv.get_many(&keys.concat()).await?.into_iter();
        let (mut standings, mut checks, mut writes) = (Vec::new(), Vec::new(), Vec::new());
        for (charge, keys) in charges.iter().zip(keys) {
            let seen: Vec<Option<Entry>> = entries.by_ref().take(keys.len()).collect();
            let shares = keys.into_iter().zip(seen);
            let Some((key, seen)) = shares.min_by_key(|(_, seen)| used_until(seen.as_ref())) else {
                return Err(Problem::internal().into());
            };
            let (standing, put) = charge.rule.uses(&key, seen.as_ref(), environment.now);
            standings.push(standing);
            checks.push(Check::unchanged(key, seen.as_ref()));
            writes.push(put);
        }
        if let Some(standing) = standings.iter().find(|standing| standing.wait_ms > 0) {
            return Err(AuthError::Throttled(*standing));
        }
        if let Outcome::Committed(_) = kv.commit(&checks, &writes).await? {
            return Ok(standings);
        }
    }
    // Only a burst from this one subject gets here.
    let rule = charges[0].rule;
    Err(AuthError::Throttled(Standing { rule, remaining: 0, reset_s: 1, wait_ms: 1000 }))
}

/// How rules stand, without charging them.
pub async fn standing(
    kv: &impl Kv,
    charge: &Charge,
    environment: &Environment<'_>,
) -> Result<Standing, AuthError> {
    let keys = charge.keys(environment);
    let entries = kv.get_many(&keys).await?;
    let seen = entries.into_iter().min_by_key(|entry| used_until(entry.as_ref())).flatten();
    Ok(charge.rule.uses(&keys[0], seen.as_ref(), environment.now).0)
}

impl Rule {
    /// One use now, and what is kept of it.
    pub(crate) fn uses(&self, key: &[u8], seen: Option<&Entry>, now: Timestamp) -> (Standing, Write) {
        let shares = u64::from(self.shares.max(1));
        let period_us = self.period_us.saturating_mul(shares);
        let window_us = period_us.saturating_mul(u64::from(self.burst).div_ceil(shares));
        let now_us = now.saturating_mul(1000);
        let until_us = used_until(seen).max(now_us).saturating_add(period_us);
        let used_us = until_us - now_us;
        let left = window_us.saturating_sub(used_us).checked_div(period_us).unwrap_or(0);
        let standing = Standing {
            rule: *self,
            remaining: u32::try_from(left.saturating_mul(shares)).unwrap_or(u32::MAX),
            reset_s: used_us.div_ceil(1_000_000),
            wait_ms: used_us.saturating_sub(window_us).div_ceil(1000),
        };
        let value = until_us.to_be_bytes().to_vec();
        (standing, Write::Put { key: key.to_vec(), value, expires_at: Some(until_us.div_ceil(1000)) })
    }
}

/// Until when a subject is in use, in microseconds since the Unix epoch. What cannot be read was never
/// written here.
fn used_until(entry: Option<&Entry>) -> u64 {
    let bytes = entry.and_then(|entry| <[u8; 8]>::try_from(entry.value.as_slice()).ok());
    bytes.map_or(0, u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule { name: "test", burst: 3, period_us: 1_000_000, shares: 1 };

    fn after(uses: usize, now: Timestamp) -> Vec<Standing> {
        let mut seen = None;
        let mut standings = Vec::new();
        for _ in 0..uses {
            let (standing, put) = RULE.uses(b"k", seen.as_ref(), now);
            standings.push(standing);
            if standing.wait_ms == 0
                && let Write::Put { value, .. } = put
            {
                seen = Some(Entry { value, version: 1 });
            }
        }
        standings
    }

    #[test]
    fn a_burst_is_let_through_and_the_next_one_waits_for_one_period() {
        let standings = after(5, 10_000);
        let remaining: Vec<u32> = standings.iter().map(|standing| standing.remaining).collect();
        assert_eq!(remaining, [2, 1, 0, 0, 0]);
        let waits: Vec<u64> = standings.iter().map(|standing| standing.wait_ms).collect();
        assert_eq!(waits, [0, 0, 0, 1000, 1000]);
        assert_eq!(standings[2].reset_s, 3);
    }

    #[test]
    fn what_was_used_comes_back_with_time() {
        let seen = Entry { value: 13_000_000_u64.to_be_bytes().to_vec(), version: 1 };
        assert_eq!(RULE.uses(b"k", Some(&seen), 10_000).0.wait_ms, 1000);
        assert_eq!(RULE.uses(b"k", Some(&seen), 11_000).0.wait_ms, 0);
        assert_eq!(RULE.uses(b"k", Some(&seen), 20_000).0.remaining, 2);
    }

    #[test]
    fn shares_have_their_part_of_a_rule() {
        let shared = Rule { name: "test", burst: 64, period_us: 10_000, shares: 16 };
        let (standing, put) = shared.uses(b"k", None, 0);
        assert_eq!(standing.remaining, 48);
        let Write::Put { expires_at, .. } = put else { panic!("something else than a put") };
        assert_eq!(expires_at, Some(160));
    }
}
