//! The key-value half of the contract: `vwp:storage/kv`.

use crate::StorageError;
use std::future::Future;

/// Bytes that order a value among the others.
pub type Key = Vec<u8>;
/// The version of a commit: positive, and larger for every later commit.
pub type Version = u64;
/// Milliseconds since the Unix epoch.
pub type Timestamp = u64;

/// The longest key, in bytes.
pub const KEY_LENGTH_MAX: usize = 1024;
/// The longest value, in bytes.
pub const VALUE_LENGTH_MAX: usize = 65_536;
/// The most keys that one call reads.
pub const READ_KEYS_MAX: usize = 1000;
/// The most checks, and the most writes, in one commit.
pub const COMMIT_ITEMS_MAX: usize = 256;
/// The most bytes of keys and values in one commit.
pub const COMMIT_BYTES_MAX: usize = 1_048_576;

/// A value and the version of the commit that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The bytes that were put.
    pub value: Vec<u8>,
    /// The commit that put them.
    pub version: Version,
}

/// A key with its entry, as a scan yields it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The whole key.
    pub key: Key,
    /// What it holds.
    pub entry: Entry,
}

/// Keys from `start` up to but not including `end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key that may be yielded.
    pub start: Key,
    /// The first key that is too large.
    pub end: Key,
}

impl KeyRange {
    /// All keys that start with `prefix`, which is not empty and does not end in 0xff.
    pub fn prefix(prefix: impl Into<Vec<u8>>) -> Self {
        let start = prefix.into();
        let mut end = start.clone();
        if let Some(last) = end.last_mut() {
            *last = last.saturating_add(1);
        }
        Self { start, end }
    }
}

/// The order in which a scan yields keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest key first.
    Forward,
    /// Largest key first.
    Backward,
}

/// One snapshot of part of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The items, in the direction asked for.
    pub items: Vec<Item>,
    /// The range that is left to scan, if the limit cut this page short.
    pub next: Option<KeyRange>,
}

/// What a writer saw, and requires to be still true when the commit applies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The key that was read.
    pub key: Key,
    /// The version that was seen, or none if the key was absent.
    pub version: Option<Version>,
}

impl Check {
    /// Requires that `key` still holds what a read returned.
    pub fn unchanged(key: impl Into<Key>, seen: Option<&Entry>) -> Self {
        Self { key: key.into(), version: seen.map(|entry| entry.version) }
    }

    /// Requires that `key` is still absent.
    pub fn absent(key: impl Into<Key>) -> Self {
        Self { key: key.into(), version: None }
    }
}

/// One change in a commit. A commit changes each key at most once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Put a value; from `expires_at` on the key reads as absent.
    Put {
        /// The key to write.
        key: Key,
        /// The value to write.
        value: Vec<u8>,
        /// When it expires, if it does.
        expires_at: Option<Timestamp>,
    },
    /// Remove a key; removing an absent key changes nothing.
    Delete {
        /// The key to remove.
        key: Key,
    },
    /// Put under `prefix`, the commit's version in eight big-endian bytes, `suffix`.
    Append {
        /// What the key starts with.
        prefix: Key,
        /// What the key ends with; may be empty.
        suffix: Vec<u8>,
        /// The value to write.
        value: Vec<u8>,
    },
    /// Add to a counter (eight little-endian bytes, signed) within bounds. A counter
    /// that was put with an expiry keeps it.
    Add {
        /// The counter's key.
        key: Key,
        /// What to add; negative to subtract.
        delta: i64,
        /// The smallest sum that is allowed.
        minimum: i64,
        /// The largest sum that is allowed.
        maximum: i64,
    },
}

impl Write {
    /// A put without expiry.
    pub fn put(key: impl Into<Key>, value: impl Into<Vec<u8>>) -> Self {
        Self::Put { key: key.into(), value: value.into(), expires_at: None }
    }

    /// A removal.
    pub fn delete(key: impl Into<Key>) -> Self {
        Self::Delete { key: key.into() }
    }
}

/// What became of a commit. Each is an expected answer, not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Durable, as this version.
    Committed(Version),
    /// Not applied: these checked keys had changed.
    Conflict(Vec<Key>),
    /// Not applied: these counters would have left their bounds.
    OutOfBounds(Vec<Key>),
    /// Not applied: these keys hold something other than a counter.
    NotACounter(Vec<Key>),
}

/// One key's change, in commit order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The commit that made the change.
    pub version: Version,
    /// The key that changed.
    pub key: Key,
    /// The new value; none if the key was removed or expired.
    pub value: Option<Vec<u8>>,
}

/// An ordered, versioned, transactional key-value store: strictly serialisable,
/// and durable before `commit` answers.
pub trait Kv {
    /// Reads keys in one snapshot; one element per key, in order.
    fn get_many(&self, keys: &[Key]) -> impl Future<Output = Result<Vec<Option<Entry>>, StorageError>>;

    /// Reads up to `limit` (1 to 1,000) items of a range in one snapshot.
    fn scan(
        &self,
        range: &KeyRange,
        limit: u32,
        direction: Direction,
    ) -> impl Future<Output = Result<Page, StorageError>>;

    /// Applies all writes or none, if every check still holds.
    fn commit(
        &self,
        checks: &[Check],
        writes: &[Write],
    ) -> impl Future<Output = Result<Outcome, StorageError>>;

    /// Waits up to `wait_ms` for changes after `since` under `prefix`.
    fn changes(
        &self,
        prefix: &[u8],
        since: Version,
        limit: u32,
        wait_ms: u32,
    ) -> impl Future<Output = Result<Vec<Change>, StorageError>>;

    /// Tells this store from all others that the process reads, for those who remember what it had at some
    /// version. Of a store without an identity nothing is remembered.
    fn identity(&self) -> Option<u64> {
        None
    }

    /// Says that these keys are read next, for a store that then reads them at once
    /// ([`ReadAhead`](crate::ahead::ReadAhead)). Others do nothing.
    fn ahead(&self, keys: &[Key]) -> impl Future<Output = Result<(), StorageError>> {
        let _ = keys;
        async { Ok(()) }
    }

    /// Reads one key.
    fn get(&self, key: &[u8]) -> impl Future<Output = Result<Option<Entry>, StorageError>> {
        async {
            let mut entries = self.get_many(&[key.to_vec()]).await?;
            Ok(entries.pop().flatten())
        }
    }
}
