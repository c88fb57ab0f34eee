//! Between the generated types and `vwp-storage`'s. One impl per type, no logic.

use crate::bindings::vwp::storage::{kv, replicated, types};
use vwp_storage::StorageError;
use vwp_storage::kv::{Change, Check, Direction, Entry, Item, KeyRange, Outcome, Page, Write};
use vwp_storage::machine::{Applied, LogEntry};

impl From<types::Error> for StorageError {
    fn from(error: types::Error) -> Self {
        match error {
            types::Error::Denied(text) => Self::Denied(text),
            types::Error::Invalid(text) => Self::Invalid(text),
            types::Error::Unavailable(text) => Self::Unavailable(text),
            types::Error::Unknown(text) => Self::Unknown(text),
        }
    }
}

impl From<kv::Entry> for Entry {
    fn from(entry: kv::Entry) -> Self {
        Self { value: entry.value, version: entry.version }
    }
}

impl From<KeyRange> for kv::KeyRange {
    fn from(range: KeyRange) -> Self {
        Self { start: range.start, end: range.end }
    }
}

impl From<Direction> for kv::Direction {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Forward => Self::Forward,
            Direction::Backward => Self::Backward,
        }
    }
}

impl From<kv::Page> for Page {
    fn from(page: kv::Page) -> Self {
        let item = |item: kv::Item| Item { key: item.key, entry: item.entry.into() };
        let next = page.next.map(|range| KeyRange { start: range.start, end: range.end });
        Self { items: page.items.into_iter().map(item).collect(), next }
    }
}

impl From<Check> for kv::Check {
    fn from(check: Check) -> Self {
        Self { key: check.key, version: check.version }
    }
}

impl From<Write> for kv::Write {
    fn from(write: Write) -> Self {
        match write {
            Write::Put { key, value, expires_at } => Self::Put(kv::Put { key, value, expires_at }),
            Write::Delete { key } => Self::Delete(key),
            Write::Append { prefix, suffix, value } => Self::Append(kv::Append { prefix, suffix, value }),
            Write::Add { key, delta, minimum, maximum } => {
                Self::Add(kv::Add { key, delta, minimum, maximum })
            }
        }
    }
}

impl From<kv::Outcome> for Outcome {
    fn from(outcome: kv::Outcome) -> Self {
        match outcome {
            kv::Outcome::Committed(version) => Self::Committed(version),
            kv::Outcome::Conflict(keys) => Self::Conflict(keys),
            kv::Outcome::OutOfBounds(keys) => Self::OutOfBounds(keys),
            kv::Outcome::NotACounter(keys) => Self::NotACounter(keys),
        }
    }
}

impl From<kv::Change> for Change {
    fn from(change: kv::Change) -> Self {
        Self { version: change.version, key: change.key, value: change.value }
    }
}

impl From<replicated::Applied> for Applied {
    fn from(applied: replicated::Applied) -> Self {
        Self { position: applied.position, time: applied.time, answer: applied.answer }
    }
}

impl From<replicated::LogEntry> for LogEntry {
    fn from(entry: replicated::LogEntry) -> Self {
        Self { position: entry.position, time: entry.time, command: entry.command }
    }
}

/// The host answered with bytes that are not those of hashes or leaves.
pub(crate) fn not_of_a_tree() -> StorageError {
    StorageError::Unavailable("the host's tree is not one of hashes and leaves".to_owned())
}
