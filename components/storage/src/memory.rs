//! The model: the contract in its plainest form. A sorted map under a lock is
//! strictly serialisable by construction; nothing is durable.
//!
//! Handlers are tested on it, and engines are tested against it.

use crate::counter::{self, Sum};
use crate::kv::{Change, Check, Direction, Entry, Item, Key, KeyRange, Kv, Outcome, Page, Timestamp};
use crate::kv::{Version, Write};
use crate::{StorageError, limits};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use crate::local::LocalMachine;

/// How many changes are kept for readers of `changes`.
const CHANGES_KEPT_MAX: usize = 65_536;

/// A source of the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// An ordered, versioned, transactional key-value store in memory.
///
/// Clones share one store. `changes` never waits: a model without a timer has
/// nothing that would end the wait.
#[derive(Clone)]
pub struct Memory {
    state: Arc<Mutex<State>>,
    clock: Clock,
    identity: u64,
}

/// How many stores there have been.
static STORES: AtomicU64 = AtomicU64::new(0);

#[derive(Default)]
struct State {
    entries: BTreeMap<Key, Stored>,
    version: Version,
    changes: Vec<Change>,
    /// Changes up to this version are no longer kept.
    forgotten: Version,
}

#[derive(Clone)]
struct Stored {
    entry: Entry,
    expires_at: Option<Timestamp>,
}

impl Default for Memory {
    /// A store whose clock stands still at zero: nothing expires.
    fn default() -> Self {
        Self::new(|| 0)
    }
}

impl Memory {
    /// An empty store that expires entries by this clock.
    pub fn new(clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self {
            state: Arc::default(),
            clock: Arc::new(clock),
            identity: STORES.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Removes what has expired, which emits changes, and says how many keys went.
    pub fn sweep(&self) -> usize {
        let now = (self.clock)();
        let mut state = self.lock();
        let expired: Vec<Key> = state
            .entries
            .iter()
            .filter(|(_, stored)| !stored.lives(now))
            .map(|(key, _)| key.clone())
            .collect();
        if !expired.is_empty() {
            let version = state.version + 1;
            state.apply(version, expired.iter().map(|key| (key.clone(), None)).collect());
        }
        expired.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held cannot have left half a commit: `apply`
        // is the only writer and does not panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stored {
    fn lives(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|at| now < at)
    }
}

impl State {
    fn live(&self, key: &[u8], now: Timestamp) -> Option<&Stored> {
        self.entries.get(key).filter(|stored| stored.lives(now))
    }

    /// Puts (some) and removes (none) as one commit.
    fn apply(&mut self, version: Version, effects: Vec<(Key, Option<Effect>)>) {
        self.version = version;
        for (key, effect) in effects {
            let value = match effect {
                Some((value, expires_at)) => {
                    let entry = Entry { value: value.clone(), version };
                    self.entries.insert(key.clone(), Stored { entry, expires_at });
                    Some(value)
                }
                // Removing an absent key changes nothing.
                None if self.entries.remove(&key).is_none() => continue,
                None => None,
            };
            self.changes.push(Change { version, key, value });
        }
        while self.changes.len() > CHANGES_KEPT_MAX {
            // Whole commits are forgotten, so that none is ever read in part.
            let oldest = self.changes.first().map_or(0, |change| change.version);
            self.changes.retain(|change| change.version > oldest);
            self.forgotten = oldest;
        }
    }

    /// The effects of the writes, in their order, or the outcome that refuses them.
    fn effects(
        &self,
        version: Version,
        now: Timestamp,
        writes: &[Write],
    ) -> Result<Vec<(Key, Option<Effect>)>, Refusal> {
        let (mut not_counters, mut out_of_bounds) = (Vec::new(), Vec::new());
        let (mut effects, mut changed) = (Vec::new(), BTreeSet::new());
        for write in writes {
            let (key, effect) = match write {
                Write::Put { key, value, expires_at } => (key.clone(), Some((value.clone(), *expires_at))),
                Write::Delete { key } => (key.clone(), None),
                Write::Append { prefix, suffix, value } => {
                    (limits::appended_key(prefix, version, suffix), Some((value.clone(), None)))
                }
                Write::Add { key, delta, minimum, maximum } => {
                    let seen = self.live(key, now);
                    let held = seen.map(|stored| stored.entry.value.as_slice());
                    let sum = match counter::add(held, *delta, *minimum, *maximum) {
                        Sum::Within(sum) => sum,
                        Sum::OutOfBounds => {
                            out_of_bounds.push(key.clone());
                            continue;
                        }
                        Sum::NotACounter => {
                            not_counters.push(key.clone());
                            continue;
                        }
                    };
                    let expires_at = seen.and_then(|stored| stored.expires_at);
                    (key.clone(), Some((sum.to_le_bytes().to_vec(), expires_at)))
                }
            };
            if !changed.insert(key.clone()) {
                return Err(Refusal::Error(limits::appended_twice()));
            }
            effects.push((key, effect));
        }
        if !not_counters.is_empty() {
            return Err(Refusal::Outcome(Outcome::NotACounter(not_counters)));
        }
        if !out_of_bounds.is_empty() {
            return Err(Refusal::Outcome(Outcome::OutOfBounds(out_of_bounds)));
        }
        Ok(effects)
    }
}

/// A value to put and when it expires.
type Effect = (Vec<u8>, Option<Timestamp>);

/// Why a commit is not applied: an expected outcome, or an error.
enum Refusal {
    Outcome(Outcome),
    Error(StorageError),
}

impl Kv for Memory {
    fn identity(&self) -> Option<u64> {
        Some(self.identity)
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, StorageError> {
        limits::keys(keys)?;
        let now = (self.clock)();
        let state = self.lock();
        Ok(keys.iter().map(|key| state.live(key, now).map(|stored| stored.entry.clone())).collect())
    }

    async fn scan(&self, range: &KeyRange, limit: u32, direction: Direction) -> Result<Page, StorageError> {
        limits::scan(range, limit)?;
        if range.start >= range.end {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let now = (self.clock)();
        let state = self.lock();
        let items = state
            .entries
            .range(range.start.clone()..range.end.clone())
            .filter(|(_, stored)| stored.lives(now))
            .map(|(key, stored)| Ok(Item { key: key.clone(), entry: stored.entry.clone() }));
        match direction {
            Direction::Forward => limits::page(items, range, limit, direction),
            Direction::Backward => limits::page(items.rev(), range, limit, direction),
        }
    }

    async fn commit(&self, checks: &[Check], writes: &[Write]) -> Result<Outcome, StorageError> {
        limits::commit(checks, writes)?;
        let now = (self.clock)();
        let mut state = self.lock();
        let changed: BTreeSet<&Key> = checks
            .iter()
            .filter(|check| state.live(&check.key, now).map(|stored| stored.entry.version) != check.version)
            .map(|check| &check.key)
            .collect();
        if !changed.is_empty() {
            return Ok(Outcome::Conflict(changed.into_iter().cloned().collect()));
        }
        let version = state.version + 1;
        match state.effects(version, now, writes) {
            Ok(effects) => {
                state.apply(version, effects);
                Ok(Outcome::Committed(version))
            }
            Err(Refusal::Outcome(outcome)) => Ok(outcome),
            Err(Refusal::Error(error)) => Err(error),
        }
    }

    async fn changes(
        &self,
        prefix: &[u8],
        since: Version,
        limit: u32,
        wait_ms: u32,
    ) -> Result<Vec<Change>, StorageError> {
        limits::changes(prefix, limit, wait_ms)?;
        let state = self.lock();
        if since < state.forgotten {
            return Err(StorageError::Invalid("the changes asked for are no longer kept".to_owned()));
        }
        let newer = state.changes.iter().filter(|change| change.version > since);
        Ok(limits::whole_commits(newer.filter(|change| change.key.starts_with(prefix)), limit))
    }
}
