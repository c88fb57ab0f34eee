//! The index: what the log amounts to, in a fjall database, for reading.
//!
//! One keyspace holds everything, so that fjall flushes, recovers or loses all of it
//! together. The first byte of a key tells what it is:
//! - `k` and a key: version and expiry (eight big-endian bytes each), and the value;
//! - `e`, an expiry and a key: that the key may expire then;
//! - `m`: the next version to apply, and the identity of the log that it came from.
//!
//! Nothing here is synced on commit. After a crash the index may be older than the
//! log, never newer, and the log's rest is replayed into it.

use super::effect::{Effect, NEVER};
use super::frozen::Frozen;
use crate::StoreError;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Snapshot};
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use vwp_storage::kv::{Entry, Key, KeyRange, Timestamp, Version};

const ENTRY: u8 = b'k';
const EXPIRY: u8 = b'e';
pub(super) const APPLIED: &[u8] = b"mapplied";

/// The database and where it lies.
pub(super) struct Index {
    path: PathBuf,
    database: Database,
    keyspace: Keyspace,
}

/// What the index holds under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) entry: Entry,
    pub(super) expires_at: Timestamp,
}

impl Stored {
    pub(super) fn lives(&self, now: Timestamp) -> bool {
        self.expires_at == NEVER || now < self.expires_at
    }
}

/// Changes that are not in the index yet, by the index's own keys. The last change of
/// a key wins, as fjall takes a key only once in a batch.
#[derive(Default)]
pub(super) struct Staged(HashMap<Vec<u8>, Option<Vec<u8>>>);

impl Staged {
    /// Adds a commit's effects.
    pub(super) fn stage(&mut self, version: Version, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Put { key, value, expires_at } => {
                    let mut stored = Vec::with_capacity(16 + value.len());
                    stored.extend_from_slice(&version.to_be_bytes());
                    stored.extend_from_slice(&expires_at.to_be_bytes());
                    stored.extend_from_slice(value);
                    self.0.insert(entry_key(key), Some(stored));
                    if *expires_at != NEVER {
                        self.0.insert(expiry_key(*expires_at, key), Some(Vec::new()));
                    }
                }
                Effect::Delete { key } => {
                    self.0.insert(entry_key(key), None);
                }
                Effect::Expire { key, at } => {
                    self.0.insert(entry_key(key), None);
                    self.0.insert(expiry_key(*at, key), None);
                }
                Effect::Forget { key, at } => {
                    self.0.insert(expiry_key(*at, key), None);
                }
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Index {
    /// Opens the database, or creates it. `rebuildable` says that the log still holds
    /// everything, so that an index that fjall cannot open is thrown away.
    pub(super) fn open(path: &Path, cache_bytes: u64, rebuildable: bool) -> Result<Self, StoreError> {
        let failed =
            |error: fjall::Error| StoreError::Index { path: path.to_owned(), reason: error.to_string() };
        ensure_journal(path)?;
        match open_database(path, cache_bytes) {
            Ok((database, keyspace)) => return Ok(Self { path: path.to_owned(), database, keyspace }),
            Err(fjall::Error::Locked) => return Err(failed(fjall::Error::Locked)),
            // fjall's journal is not synced, so a loss of power may leave it in a state
            // that fjall refuses. The flushed tables are a consistent earlier state,
            // and the log is pruned only past what is flushed.
            Err(error) if rebuildable => {
                tracing::warn!(path = %path.display(), %error, "the index is rebuilt from the log");
                std::fs::remove_dir_all(path).map_err(StoreError::io(path, "remove the index"))?;
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the index goes back to what is flushed");
                empty_journals(path)?;
            }
        }
        let (database, keyspace) = open_database(path, cache_bytes).map_err(failed)?;
        Ok(Self { path: path.to_owned(), database, keyspace })
    }

    /// The next version to apply and the identity of the log, unless the index is new.
    pub(super) fn applied(&self) -> Result<Option<(Version, u64)>, StoreError> {
        let Some(bytes) = self.keyspace.get(APPLIED).map_err(|error| self.failed(&error))? else {
            return Ok(None);
        };
        applied(&bytes).map(Some).ok_or_else(|| self.damaged())
    }

    /// Applies what is staged; from now on readers see it.
    pub(super) fn apply(&self, staged: &mut Staged, next: Version, identity: u64) -> Result<(), StoreError> {
        let mut batch = self.database.batch();
        for (key, value) in staged.0.drain() {
            match value {
                Some(value) => batch.insert(&self.keyspace, key, value),
                None => batch.remove(&self.keyspace, key),
            }
        }
        let applied = [next.to_be_bytes(), identity.to_be_bytes()].concat();
        batch.insert(&self.keyspace, APPLIED, applied);
        batch.commit().map_err(|error| self.failed(&error))
    }

    /// What a key holds, expired or not: staged, or else in the index.
    pub(super) fn stored(&self, staged: &Staged, key: &[u8]) -> Result<Option<Stored>, StoreError> {
        let key = entry_key(key);
        if let Some(value) = staged.0.get(&key) {
            return value.as_deref().map(|bytes| self.decode(bytes)).transpose();
        }
        let found = self.keyspace.get(key).map_err(|error| self.failed(&error))?;
        found.map(|bytes| self.decode(&bytes)).transpose()
    }

    /// A consistent view of everything that is applied.
    pub(super) fn snapshot(&self) -> View<'_> {
        View { index: self, snapshot: self.database.snapshot() }
    }

    /// Everything that is applied, as it is now, for as long as that is held.
    pub(super) fn freeze(&self, log_identity: u64) -> Frozen {
        let (path, keyspace) = (self.path.clone(), self.keyspace.clone());
        Frozen { path, keyspace, snapshot: self.database.snapshot(), log_identity }
    }

    /// Writes entries that [`Frozen::items`] gave.
    pub(super) fn import(&self, entries: &mut Vec<(Vec<u8>, Vec<u8>)>) -> Result<(), StoreError> {
        let mut batch = self.database.batch();
        for (key, value) in entries.drain(..) {
            batch.insert(&self.keyspace, key, value);
        }
        batch.commit().map_err(|error| self.failed(&error))
    }

    /// Starts to flush everything applied so far into tables, which fjall syncs.
    pub(super) fn start_flush(&self) -> Result<(), StoreError> {
        self.keyspace.rotate_memtable().map(drop).map_err(|error| self.failed(&error))
    }

    /// Whether what was applied before the flush started is in tables.
    pub(super) fn flushed(&self) -> bool {
        self.keyspace.sealed_memtable_count() == 0
    }

    /// Makes the index durable as it is, to spare the next start the replay.
    pub(super) fn persist(&self) -> Result<(), StoreError> {
        self.database.persist(PersistMode::SyncData).map_err(|error| self.failed(&error))
    }

    fn decode(&self, bytes: &[u8]) -> Result<Stored, StoreError> {
        let parts = bytes.split_first_chunk::<8>().and_then(|(version, rest)| {
            let (expires_at, value) = rest.split_first_chunk::<8>()?;
            let entry = Entry { value: value.to_vec(), version: u64::from_be_bytes(*version) };
            Some(Stored { entry, expires_at: u64::from_be_bytes(*expires_at) })
        });
        parts.ok_or_else(|| self.damaged())
    }

    fn damaged(&self) -> StoreError {
        StoreError::Index { path: self.path.clone(), reason: "an entry is damaged".to_owned() }
    }

    fn failed(&self, error: &fjall::Error) -> StoreError {
        StoreError::Index { path: self.path.clone(), reason: error.to_string() }
    }
}

/// A consistent view of the index.
pub(super) struct View<'a> {
    index: &'a Index,
    snapshot: Snapshot,
}

impl View<'_> {
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Stored>, StoreError> {
        let found = self.snapshot.get(&self.index.keyspace, entry_key(key));
        let found = found.map_err(|error| self.index.failed(&error))?;
        found.map(|bytes| self.index.decode(&bytes)).transpose()
    }

    /// The entries of a range, smallest key first; expired ones are among them.
    pub(super) fn range(
        &self,
        range: &KeyRange,
    ) -> impl DoubleEndedIterator<Item = Result<(Key, Stored), StoreError>> {
        let bounds = entry_key(&range.start)..entry_key(&range.end);
        self.snapshot.range(&self.index.keyspace, bounds).map(|guard| {
            let (key, value) = guard.into_inner().map_err(|error| self.index.failed(&error))?;
            Ok((key.get(1..).unwrap_or_default().to_vec(), self.index.decode(&value)?))
        })
    }

    /// Up to `limit` keys that may have expired by now, with the time noted for each.
    pub(super) fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<(Key, Timestamp)>, StoreError> {
        let bounds = expiry_key(0, &[])..expiry_key(now.saturating_add(1), &[]);
        let guards = self.snapshot.range(&self.index.keyspace, bounds).take(limit);
        guards
            .map(|guard| {
                let key = guard.key().map_err(|error| self.index.failed(&error))?;
                let (at, key) = key
                    .get(1..)
                    .and_then(|rest| rest.split_first_chunk::<8>())
                    .ok_or_else(|| self.index.damaged())?;
                Ok((key.to_vec(), u64::from_be_bytes(*at)))
            })
            .collect()
    }
}

/// The next version to apply and the identity of the log, as they are kept.
pub(super) fn applied(bytes: &[u8]) -> Option<(Version, u64)> {
    let (next, identity) = bytes.split_at_checked(8)?;
    Some((u64::from_be_bytes(next.try_into().ok()?), u64::from_be_bytes(identity.try_into().ok()?)))
}

fn entry_key(key: &[u8]) -> Vec<u8> {
    [&[ENTRY], key].concat()
}

fn expiry_key(at: Timestamp, key: &[u8]) -> Vec<u8> {
    [&[EXPIRY], at.to_be_bytes().as_slice(), key].concat()
}

/// The largest memtable: what an idle engine keeps in memory stays small.
const MEMTABLE_BYTES: u64 = 16 * 1_048_576;

fn open_database(path: &Path, cache_bytes: u64) -> fjall::Result<(Database, Keyspace)> {
    let database = Database::builder(path).cache_size(cache_bytes).worker_threads(2).open()?;
    let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
    let keyspace = database.keyspace("kv", options)?;
    Ok((database, keyspace))
}

/// Leaves fjall what is in its tables: the newest journal stays, empty.
fn empty_journals(path: &Path) -> Result<(), StoreError> {
    let mut journals = journals(path)?;
    if let Some((_, newest)) = journals.pop() {
        let file = File::options().write(true).open(&newest).map_err(StoreError::io(&newest, "open"))?;
        file.set_len(0).map_err(StoreError::io(&newest, "empty"))?;
    }
    for (_, older) in journals {
        std::fs::remove_file(&older).map_err(StoreError::io(&older, "remove"))?;
    }
    Ok(())
}

/// Sees to it that a database has a journal. Where fjall finds none, it starts its
/// sequence numbers anew, and then hides what its tables hold.
fn ensure_journal(path: &Path) -> Result<(), StoreError> {
    if path.join("version").exists() && journals(path)?.is_empty() {
        let file = path.join("0.jnl");
        File::create(&file).map_err(StoreError::io(&file, "create"))?;
    }
    Ok(())
}

/// fjall's journals, oldest first.
fn journals(path: &Path) -> Result<Vec<(u64, PathBuf)>, StoreError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(StoreError::io(path, "list the index"))? {
        let file = entry.map_err(StoreError::io(path, "list the index"))?.path();
        let journal = file.extension().is_some_and(|extension| extension == "jnl");
        let id = file.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        if let (true, Some(id)) = (journal, id) {
            found.push((id, file));
        }
    }
    found.sort();
    Ok(found)
}
