//! Signed checkpoints of the ledger's log (C2SP tlog-checkpoint).
//!
//! The latest one is a record in the store. Whoever needs a newer one signs it, at most one in
//! [`INTERVAL_MS`] for all that ask. A checkpoint never contradicts one before it: a new one is
//! signed only if the tree is proved to begin with the tree of the one that is stored, and leaves
//! only after it was stored in that one's place.

use crate::ledger::MACHINE;
use crate::{Error, log_keys};
use serde::{Deserialize, Serialize};
use vwp_core::{Environment, Problem};
use vwp_storage::kv::{Check, Entry, Outcome, Write};
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

    fn age_ms(&self, environment: &Environment<'_>) -> u64 {
        environment.now.saturating_sub(self.signed_at)
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
            if stored.age_ms(environment) < INTERVAL_MS {
                return Ok(stored.into());
            }
        }
        if let Some(signed) = sign(store, environment, entry.as_ref()).await? {
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
    let mut waits = 0;
    for _ in 0..ATTEMPTS_MAX {
        let entry = store.get(LATEST.as_bytes()).await?;
        if let Some(entry) = &entry {
            let stored = Stored::read(entry)?;
            if stored.size >= position {
                return Ok(stored.into());
            }
            let left_ms = INTERVAL_MS.saturating_sub(stored.age_ms(environment));
            if left_ms > 0 && waits < WAITS_MAX {
                // All who ask within the interval wait for one signature.
                waits += 1;
                wait(store, entry, left_ms).await?;
                continue;
            }
        }
        match sign(store, environment, entry.as_ref()).await? {
            Some(signed) if signed.head.size >= position => return Ok(signed),
            Some(_) => return Err(Problem::unavailable("the log's tree is behind the log").into()),
            None => {}
        }
    }
    Err(Problem::unavailable("the checkpoint is changing too often").into())
}

/// Waits until the record is another, or this long.
async fn wait(store: &impl Kv, seen: &Entry, wait_ms: u64) -> Result<(), Error> {
    let wait_ms = u32::try_from(wait_ms).unwrap_or(u32::MAX);
    match store.changes(LATEST.as_bytes(), seen.version, 1, wait_ms).await {
        // The store no longer has what came after: then there is nothing to wait for.
        Ok(_) | Err(StorageError::Invalid(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Signs the head of the log in place of what is stored; none if another did meanwhile.
async fn sign<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
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
    let stored = Stored { size, root, note, kid: key.kid, signed_at: environment.now };
    let value = serde_json::to_vec(&stored).map_err(|_| Problem::internal())?;
    let check = Check::unchanged(LATEST, entry);
    match store.commit(&[check], &[Write::put(LATEST, value)]).await? {
        Outcome::Committed(_) => Ok(Some(stored.into())),
        _ => Ok(None),
    }
}

/// Refuses to sign a tree that does not begin with the one that was signed: the log would have
/// told two stories. Only a store that lost data, or was put back, can bring this about.
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
