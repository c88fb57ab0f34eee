//! Signed checkpoints of the ledger's log (C2SP tlog-checkpoint).
//!
//! The latest one is a record in the store. Whoever needs a newer one signs it, at most one in
//! [`INTERVAL_MS`] for all that ask. A checkpoint does not contradict the one before it: a new one is
//! signed only if the tree is proved to begin with the tree of the one that is stored, and leaves
//! only after it was stored in that one's place. A store that is put back as a whole, log and record,
//! is not noticed here: only who kept a checkpoint can.

use crate::ledger::MACHINE;
use crate::{Error, log_keys};
use serde::{Deserialize, Serialize};
use vwp_core::{Environment, Problem};
use vwp_storage::kv::{Check, Entry, Outcome, Timestamp, Write};
use vwp_storage::{Kv, Machines, StorageError};
use vwp_tlog::checkpoint::Checkpoint;
use vwp_tlog::hash::Hash;
use vwp_tlog::proof::{Head, Plan, verify_consistency};

/// Where the latest checkpoint is kept.
pub const LATEST: &str = "transactions/checkpoint";
/// How long a checkpoint is the latest at least, in milliseconds.
pub const INTERVAL_MS: u64 = 250;
/// How often a checkpoint is tried for when others sign at the same time.
const ATTEMPTS_MAX: usize = 16;
/// How often a checkpoint of others is waited for: one that was begun before the call came may not
/// have what it is about, and the one after that has.
const WAITS_MAX: u32 = 2;

/// A checkpoint with its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The head that it is of.
    pub head: Head,
    /// The signed note.
    pub note: String,
}

/// As it is kept.
#[derive(Serialize, Deserialize)]
struct Stored {
    size: u64,
    root: Hash,
    note: String,
    /// The key that signed it.
    kid: String,
    /// When it was signed, in milliseconds since the Unix epoch.
    signed_at: u64,
}

impl Stored {
    fn read(entry: &Entry) -> Result<Self, Error> {
        Ok(serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?)
    }

    fn head(&self) -> Head {
        Head { size: self.size, root: self.root }
    }

    /// For how long it is still the latest. One of the future is not: a clock has been set back.
    fn left_ms(&self, now: Timestamp) -> u64 {
        let is_latest = (self.signed_at..self.signed_at.saturating_add(INTERVAL_MS)).contains(&now);
        if is_latest { INTERVAL_MS - (now - self.signed_at) } else { 0 }
    }
}

impl From<Stored> for Signed {
    fn from(stored: Stored) -> Self {
        Self { head: stored.head(), note: stored.note }
    }
}

/// The latest checkpoint, signed now if the stored one is no longer it.
pub async fn latest<S: Kv + Machines>(store: &S, environment: &Environment<'_>) -> Result<Signed, Error> {
    for _ in 0..ATTEMPTS_MAX {
        let entry = store.get(LATEST.as_bytes()).await?;
        if let Some(entry) = &entry {
            let stored = Stored::read(entry)?;
            if stored.left_ms(environment.now) > 0 {
                return Ok(stored.into());
            }
        }
        if let Some(signed) = sign(store, environment, environment.now, entry.as_ref()).await? {
            return Ok(signed);
        }
    }
    Err(Problem::unavailable("the checkpoint is changing too often").into())
}

/// A checkpoint of a log that has this position, which the ledger has acknowledged.
pub async fn covering<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    position: u64,
) -> Result<Signed, Error> {
    let (mut now, mut waits) = (environment.now, 0);
    for _ in 0..ATTEMPTS_MAX {
        let entry = store.get(LATEST.as_bytes()).await?;
        if let Some(entry) = &entry {
            let stored = Stored::read(entry)?;
            if stored.size >= position {
                return Ok(stored.into());
            }
            let left_ms = stored.left_ms(now);
            if left_ms > 0 && waits < WAITS_MAX {
                // All who ask within the interval wait for one signature.
                waits += 1;
                if !wait(store, entry, left_ms).await? {
                    now = now.saturating_add(left_ms);
                }
                continue;
            }
        }
        match sign(store, environment, now, entry.as_ref()).await? {
            Some(signed) if signed.head.size >= position => return Ok(signed),
            Some(_) => return Err(Problem::unavailable("the log's tree is behind the log").into()),
            None => {}
        }
    }
    Err(Problem::unavailable("the checkpoint is changing too often").into())
}

/// Waits until the record is another, or this long; says whether it is another.
async fn wait(store: &impl Kv, seen: &Entry, wait_ms: u64) -> Result<bool, Error> {
    let wait_ms = u32::try_from(wait_ms).unwrap_or(u32::MAX);
    match store.changes(LATEST.as_bytes(), seen.version, 1, wait_ms).await {
        Ok(changes) => Ok(!changes.is_empty()),
        // The store no longer has what came after, so much has.
        Err(StorageError::Invalid(_)) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Signs the head of the log in place of what is stored; none if another did meanwhile.
async fn sign<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    now: Timestamp,
    entry: Option<&Entry>,
) -> Result<Option<Signed>, Error> {
    let key = log_keys::active(store, environment).await?;
    let head = store.tree_head(MACHINE).await?;
    if let Some(entry) = entry {
        let stored = Stored::read(entry)?;
        if stored.head() == head && stored.kid == key.kid {
            return Ok(Some(stored.into()));
        }
        require_consistent(store, &stored.head(), &head).await?;
    }
    let checkpoint = Checkpoint { origin: log_keys::origin(environment), head };
    let note = checkpoint.sign(&key.key).map_err(|_| Problem::internal())?;
    let Head { size, root } = head;
    let stored = Stored { size, root, note, kid: key.kid, signed_at: now };
    let value = serde_json::to_vec(&stored).map_err(|_| Problem::internal())?;
    let check = Check::unchanged(LATEST, entry);
    match store.commit(&[check], &[Write::put(LATEST, value)]).await? {
        Outcome::Committed(_) => Ok(Some(stored.into())),
        _ => Ok(None),
    }
}

/// Refuses to sign a tree that does not begin with the one that was signed: the log would have
/// told two stories. Only a log that lost data, or was put back without the record, can bring this about.
async fn require_consistent(store: &impl Machines, old: &Head, new: &Head) -> Result<(), Error> {
    let forked = || {
        let detail = "the log is not the one that was signed before; no checkpoint is signed until \
                      who runs this port has restored it";
        Error::from(Problem::unavailable(detail))
    };
    let plan = Plan::consistency(old.size, new.size).ok_or_else(forked)?;
    let hashes = store.tree_nodes(MACHINE, plan.nodes()).await?;
    let proof = plan.proof(&hashes).ok_or_else(forked)?;
    verify_consistency(old, new, &proof).map_err(|_| forked())
}
