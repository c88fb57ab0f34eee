//! A commit in the making: what must still be true, and what is to be written.

use crate::changes::{self, Change};
use serde::Serialize;
use vwp_core::Problem;
use vwp_dns::edit::Plan;
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Entry, Key, Outcome, Version, Write};

/// How often a change is tried when others change the same records.
pub(crate) const ATTEMPTS_MAX: usize = 16;

/// The checks and writes of one commit.
#[derive(Debug, Default)]
pub(crate) struct Commit {
    checks: Vec<Check>,
    writes: Vec<Write>,
}

impl Commit {
    /// Requires that a key still holds what was read.
    pub(crate) fn require(&mut self, key: impl Into<Key>, seen: Option<&Entry>) {
        self.checks.push(Check::unchanged(key, seen));
    }

    /// Puts a value as JSON.
    pub(crate) fn put(&mut self, key: impl Into<Key>, value: &impl Serialize) -> Result<(), Problem> {
        let value = serde_json::to_vec(value).map_err(|_| Problem::internal())?;
        self.writes.push(Write::put(key, value));
        Ok(())
    }

    /// Adds a write, if there is one.
    pub(crate) fn write(&mut self, write: Option<Write>) {
        self.writes.extend(write);
    }

    /// Says what the commit does, to those who watch.
    pub(crate) fn tell(&mut self, change: &Change) -> Result<(), Problem> {
        self.writes.extend(changes::writes(std::slice::from_ref(change))?);
        Ok(())
    }

    /// Makes a key that says something by being there.
    pub(crate) fn mark(&mut self, key: impl Into<Key>) {
        self.writes.push(Write::put(key, Vec::new()));
    }

    /// Removes a key.
    pub(crate) fn delete(&mut self, key: impl Into<Key>) {
        self.writes.push(Write::delete(key));
    }

    /// Adds to a counter; nothing for zero.
    pub(crate) fn count(&mut self, key: impl Into<Key>, delta: i64) {
        if delta != 0 {
            self.writes.push(Write::Add { key: key.into(), delta, minimum: 0, maximum: i64::MAX });
        }
    }

    /// Adds what another part planned.
    pub(crate) fn extend(&mut self, plan: Plan) {
        self.checks.extend(plan.checks);
        self.writes.extend(plan.writes);
    }

    /// Whether nothing would be written.
    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Commits. None if others changed what was read: the caller starts over.
    pub(crate) async fn apply<S: Kv>(&self, store: &S) -> Result<Option<Version>, Problem> {
        match store.commit(&self.checks, &self.writes).await? {
            Outcome::Committed(version) => Ok(Some(version)),
            Outcome::Conflict(_) => Ok(None),
            // Counters follow the records that they count, so that they never leave their bounds.
            Outcome::OutOfBounds(_) | Outcome::NotACounter(_) => Err(Problem::internal()),
        }
    }
}

/// Reads a record of this component's; a value that is none is a fault.
pub(crate) fn read<T: serde::de::DeserializeOwned>(entry: Option<&Entry>) -> Result<Option<T>, Problem> {
    entry.map(|entry| serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())).transpose()
}

/// The value of a counter (eight little-endian bytes); zero if there is none.
pub(crate) fn counter(entry: Option<&Entry>) -> u64 {
    let bytes = entry.and_then(|entry| <[u8; 8]>::try_from(entry.value.as_slice()).ok());
    u64::try_from(bytes.map_or(0, i64::from_le_bytes)).unwrap_or(0)
}

/// What to answer when others changed the same records each time.
pub(crate) fn contended() -> Problem {
    Problem::unavailable("the records are changing too often")
}
