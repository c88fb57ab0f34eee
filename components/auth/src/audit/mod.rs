//! The audit log: what happened that matters to security, in chains that show if an entry was
//! changed or taken out.
//!
//! Each entry has the SHA-256 of the one before it, and is written in the commit that does what
//! it tells: there is no act without an entry and no entry without an act. Whoever adds to a
//! chain requires that its head is what was read, so a single chain would let one sign-in
//! of the whole port through at a time. Therefore every traveller has a chain of their own, in
//! which acts follow each other anyway; what is not about a known traveller goes to one of
//! [`STRANGERS`] chains; and the port's own acts, which are few, to the port's chain. That one
//! also notes the heads of the others from time to time ([`anchor`]), and its head is signed, so
//! that whoever keeps a signed head can show that no chain was made anew as a whole.
//!
//! What an entry says beside its kind is kept apart, see [`Detail`]. Entries expire after
//! [`RETENTION_MS`]; each says when the one before it was made, so that one that is missing
//! before its time is seen.

pub mod anchor;
mod entry;
pub(crate) mod http;
mod keys;
pub mod read;

pub use entry::{DETAIL_LENGTH_MAX, DETAIL_MEMBERS_MAX, Detail, Entry, Head, Kind};

use crate::error::AuthError;
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Outcome, Write};

/// How long entries are kept, in milliseconds: a year.
pub const RETENTION_MS: u64 = 365 * 24 * 60 * 60 * 1000;
/// How many chains there are for what is not about a known traveller.
pub const STRANGERS: u8 = 16;
/// How often a commit is tried when others add to the same chain.
const ATTEMPTS_MAX: usize = 32;

/// A chain of entries.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chain {
    /// The port's own.
    Port,
    /// A traveller's.
    Traveller(String),
    /// One of those for acts of people who are not known.
    Strangers(u8),
}

impl fmt::Display for Chain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port => formatter.write_str("port"),
            Self::Traveller(id) => write!(formatter, "traveller:{id}"),
            Self::Strangers(number) => write!(formatter, "strangers:{number}"),
        }
    }
}

/// The text names no chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a chain is port, traveller:ID or strangers:N")]
pub struct ChainError;

impl FromStr for Chain {
    type Err = ChainError;

    fn from_str(text: &str) -> Result<Self, ChainError> {
        let is_id = |id: &str| {
            (1..=128).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        match text.split_once(':') {
            None if text == "port" => Ok(Self::Port),
            Some(("traveller", id)) if is_id(id) => Ok(Self::Traveller(id.to_owned())),
            Some(("strangers", number)) => {
                let number: u8 = number.parse().map_err(|_| ChainError)?;
                if number < STRANGERS { Ok(Self::Strangers(number)) } else { Err(ChainError) }
            }
            _ => Err(ChainError),
        }
    }
}

/// Something to be told in the log.
#[derive(Debug, Clone)]
pub struct Event {
    kind: Kind,
    chain: Chain,
    said: Vec<(&'static str, String)>,
}

impl Event {
    /// Something about a traveller, by id.
    pub fn traveller(kind: Kind, id: &str) -> Self {
        Self { kind, chain: Chain::Traveller(id.to_owned()), said: Vec::new() }
    }

    /// Something that the port, or who runs it, did.
    pub fn port(kind: Kind) -> Self {
        Self { kind, chain: Chain::Port, said: Vec::new() }
    }

    /// Something about nobody who is known. `what` chooses the chain and is not kept.
    pub fn stranger(kind: Kind, what: &str) -> Self {
        let number = Sha256::digest(what.as_bytes())[0] % STRANGERS;
        Self { kind, chain: Chain::Strangers(number), said: Vec::new() }
    }

    /// The same event with one more thing to say: never a secret, nor a handle.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.said.push((name, value.into()));
        self
    }
}

/// A part of a commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What must still be true.
    pub checks: Vec<Check>,
    /// What is to be written.
    pub writes: Vec<Write>,
}

/// Plans the entry of an event, for the commit that does what it tells. A commit has at most one
/// of each chain. Most callers want [`commit`], which tries again when others add to the chain.
pub async fn plan(kv: &impl Kv, event: &Event, environment: &Environment<'_>) -> Result<Plan, AuthError> {
    Ok(planned(kv, event, environment).await?.0)
}

/// The plan, and the number that the entry gets.
async fn planned(
    kv: &impl Kv,
    event: &Event,
    environment: &Environment<'_>,
) -> Result<(Plan, u64), AuthError> {
    let head_key = keys::head(&event.chain);
    let seen = kv.get(&head_key).await?;
    let head: Option<Head> = keys::parse(seen.as_ref())?;
    let at = environment.now.max(head.as_ref().map_or(0, |head| head.at));
    let detail = Detail::new(environment.random_bytes(), &event.said);
    let entry = Entry {
        at,
        chain: event.chain.to_string(),
        detail: detail.hash()?,
        kind: event.kind,
        previous: head.as_ref().map(|head| head.hash.clone()).unwrap_or_default(),
        previous_at: head.as_ref().map_or(0, |head| head.at),
        seq: head.as_ref().map_or(0, |head| head.seq) + 1,
    };
    let seq = entry.seq;
    let expires_at = Some(at.saturating_add(RETENTION_MS));
    let put = |key, value| Write::Put { key, value, expires_at };
    let head = Head { seq, hash: entry.hash()?, at };
    let mut writes = vec![
        Write::put(head_key.clone(), keys::json(&head)?),
        put(keys::entry(&event.chain, seq), entry.canonical()?),
        put(keys::detail(&event.chain, seq), keys::json(&detail)?),
        put(keys::time(at, &event.chain, seq), Vec::new()),
    ];
    if event.chain != Chain::Port {
        writes.push(Write::put(keys::unanchored(&event.chain), []));
    }
    Ok((Plan { checks: vec![Check::unchanged(head_key, seen.as_ref())], writes }, seq))
}

/// Commits something together with the entry that tells of it. A conflict is one of the caller's
/// own checks: others who add to the chain at the same time only cause another try.
pub async fn commit(
    kv: &impl Kv,
    event: &Event,
    checks: &[Check],
    writes: &[Write],
    environment: &Environment<'_>,
) -> Result<Outcome, AuthError> {
    let head_key = keys::head(&event.chain);
    for _ in 0..ATTEMPTS_MAX {
        let mut plan = plan(kv, event, environment).await?;
        plan.checks.extend_from_slice(checks);
        plan.writes.extend_from_slice(writes);
        match kv.commit(&plan.checks, &plan.writes).await? {
            Outcome::Conflict(mut keys) => {
                keys.retain(|key| *key != head_key);
                if !keys.is_empty() {
                    return Ok(Outcome::Conflict(keys));
                }
            }
            outcome => return Ok(outcome),
        }
    }
    Err(Problem::unavailable("too much happens here at once").into())
}

/// Tells of an event that changes nothing else, such as a refusal.
pub async fn record(kv: &impl Kv, event: &Event, environment: &Environment<'_>) -> Result<(), AuthError> {
    match commit(kv, event, &[], &[], environment).await? {
        Outcome::Committed(_) => Ok(()),
        _ => Err(Problem::internal().into()),
    }
}

/// Where the head of a traveller's chain is kept, which is read for every entry.
pub(crate) fn head_of(traveller: &str) -> Vec<u8> {
    keys::head(&Chain::Traveller(traveller.to_owned()))
}

/// What the keys of a chain's details start with, for whoever erases them.
pub(crate) fn details_of(chain: &Chain) -> String {
    keys::details(chain)
}

/// Tells of a sign-in that failed: to the traveller whose handle it was, or to nobody, with the
/// same work.
pub(crate) async fn sign_in_failed(
    kv: &impl Kv,
    traveller: Option<&str>,
    tried: &str,
    method: &'static str,
    environment: &Environment<'_>,
) -> Result<(), AuthError> {
    let kind = Kind::SignInFailed;
    let event = traveller.map_or_else(|| Event::stranger(kind, tried), |id| Event::traveller(kind, id));
    record(kv, &event.with("method", method), environment).await
}
