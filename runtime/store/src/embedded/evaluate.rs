//! Decides one commit: whether its checks hold, and what its writes amount to.
//!
//! Commits are decided in order, each against the index and the staged effects of the
//! commits before it, so the order in the log is the order of the decisions.

use super::effect::{Effect, NEVER};
use super::index::{Index, Staged, Stored};
use crate::StoreError;
use std::collections::{BTreeSet, HashSet};
use vwp_storage::counter::{self, Sum};
use vwp_storage::kv::{Check, Key, Outcome, Timestamp, Version, Write};
use vwp_storage::{StorageError, limits};

/// What was decided.
pub(super) enum Decision {
    /// The commit stands, with these effects.
    Accepted(Vec<Effect>),
    /// It is refused with an expected outcome.
    Refused(Outcome),
    /// It is malformed in a way that only its version shows.
    Invalid(StorageError),
}

/// What commits are decided against.
pub(super) struct Evaluator<'a> {
    pub(super) index: &'a Index,
    pub(super) staged: &'a Staged,
    pub(super) now: Timestamp,
}

impl Evaluator<'_> {
    /// Decides a commit that would have this version.
    pub(super) fn commit(
        &self,
        version: Version,
        checks: &[Check],
        writes: Vec<Write>,
    ) -> Result<Decision, StoreError> {
        let mut changed = BTreeSet::new();
        for check in checks {
            let seen = self.live(&check.key)?.map(|stored| stored.entry.version);
            if seen != check.version {
                changed.insert(check.key.clone());
            }
        }
        if !changed.is_empty() {
            return Ok(Decision::Refused(Outcome::Conflict(changed.into_iter().collect())));
        }
        self.writes(version, writes)
    }

    fn writes(&self, version: Version, writes: Vec<Write>) -> Result<Decision, StoreError> {
        let (mut not_counters, mut out_of_bounds) = (Vec::new(), Vec::new());
        let mut effects = Vec::with_capacity(writes.len());
        let appends = writes.iter().any(|write| matches!(write, Write::Append { .. }));
        // Keys that the request names are distinct already: see `limits::commit`.
        let mut names: HashSet<Key> = HashSet::new();
        for write in writes {
            if appends && !names.insert(limits::changed_key(&write, version)) {
                return Ok(Decision::Invalid(limits::appended_twice()));
            }
            match write {
                Write::Put { key, value, expires_at } => {
                    effects.push(Effect::Put { key, value, expires_at: expires_at.unwrap_or(NEVER) });
                }
                Write::Append { prefix, suffix, value } => {
                    let key = limits::appended_key(&prefix, version, &suffix);
                    effects.push(Effect::Put { key, value, expires_at: NEVER });
                }
                Write::Delete { key } => {
                    if self.index.stored(self.staged, &key)?.is_some() {
                        effects.push(Effect::Delete { key });
                    }
                }
                Write::Add { key, delta, minimum, maximum } => {
                    let seen = self.live(&key)?;
                    let held = seen.as_ref().map(|stored| stored.entry.value.as_slice());
                    match counter::add(held, delta, minimum, maximum) {
                        Sum::Within(sum) => {
                            let expires_at = seen.map_or(NEVER, |stored| stored.expires_at);
                            effects.push(Effect::Put { key, value: sum.to_le_bytes().into(), expires_at });
                        }
                        Sum::OutOfBounds => out_of_bounds.push(key),
                        Sum::NotACounter => not_counters.push(key),
                    }
                }
            }
        }
        Ok(if !not_counters.is_empty() {
            Decision::Refused(Outcome::NotACounter(not_counters))
        } else if !out_of_bounds.is_empty() {
            Decision::Refused(Outcome::OutOfBounds(out_of_bounds))
        } else {
            Decision::Accepted(effects)
        })
    }

    /// What becomes of keys that were noted to expire at a time that has come.
    pub(super) fn expire(&self, due: Vec<(Key, Timestamp)>) -> Result<Vec<Effect>, StoreError> {
        let mut effects = Vec::with_capacity(due.len());
        for (key, at) in due {
            let stored = self.index.stored(self.staged, &key)?;
            effects.push(match stored {
                Some(stored) if stored.expires_at == at && !stored.lives(self.now) => {
                    Effect::Expire { key, at }
                }
                _ => Effect::Forget { key, at },
            });
        }
        Ok(effects)
    }

    fn live(&self, key: &[u8]) -> Result<Option<Stored>, StoreError> {
        Ok(self.index.stored(self.staged, key)?.filter(|stored| stored.lives(self.now)))
    }
}
