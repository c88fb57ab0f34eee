//! Between the generated types and `vwp-storage`'s. One impl per type, no logic.

use crate::bindings::exports::vwp::storage::{kv, replicated, types};
use vwp_storage::StorageError;
use vwp_storage::kv::{Change, Check, Direction, Entry, Item, KeyRange, Outcome, Page, Write};
use vwp_storage::machine::{Applied, Head, LogEntry, Node};

impl From<StorageError> for types::Error {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Denied(text) => Self::Denied(text),
            StorageError::Invalid(text) => Self::Invalid(text),
            StorageError::Unavailable(text) => Self::Unavailable(text),
            StorageError::Unknown(text) => Self::Unknown(text),
        }
    }
}

impl From<Entry> for kv::Entry {
    fn from(entry: Entry) -> Self {
        Self { value: entry.value, version: entry.version }
    }
}

impl From<kv::KeyRange> for KeyRange {
    fn from(range: kv::KeyRange) -> Self {
        Self { start: range.start, end: range.end }
    }
}

impl From<kv::Direction> for Direction {
    fn from(direction: kv::Direction) -> Self {
        match direction {
            kv::Direction::Forward => Self::Forward,
            kv::Direction::Backward => Self::Backward,
        }
    }
}

impl From<Page> for kv::Page {
    fn from(page: Page) -> Self {
        let item = |item: Item| kv::Item { key: item.key, entry: item.entry.into() };
        let next = page.next.map(|range| kv::KeyRange { start: range.start, end: range.end });
        Self { items: page.items.into_iter().map(item).collect(), next }
    }
}

impl From<kv::Check> for Check {
    fn from(check: kv::Check) -> Self {
        Self { key: check.key, version: check.version }
    }
}

impl From<kv::Write> for Write {
    fn from(write: kv::Write) -> Self {
        match write {
            kv::Write::Put(kv::Put { key, value, expires_at }) => Self::Put { key, value, expires_at },
            kv::Write::Delete(key) => Self::Delete { key },
            kv::Write::Append(kv::Append { prefix, suffix, value }) => Self::Append { prefix, suffix, value },
            kv::Write::Add(kv::Add { key, delta, minimum, maximum }) => {
                Self::Add { key, delta, minimum, maximum }
            }
        }
    }
}

impl From<Outcome> for kv::Outcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Committed(version) => Self::Committed(version),
            Outcome::Conflict(keys) => Self::Conflict(keys),
            Outcome::OutOfBounds(keys) => Self::OutOfBounds(keys),
            Outcome::NotACounter(keys) => Self::NotACounter(keys),
        }
    }
}

impl From<Change> for kv::Change {
    fn from(change: Change) -> Self {
        Self { version: change.version, key: change.key, value: change.value }
    }
}

impl From<Applied> for replicated::Applied {
    fn from(applied: Applied) -> Self {
        Self { position: applied.position, time: applied.time, answer: applied.answer }
    }
}

impl From<LogEntry> for replicated::LogEntry {
    fn from(entry: LogEntry) -> Self {
        Self { position: entry.position, time: entry.time, command: entry.command }
    }
}

impl From<Head> for replicated::LogHead {
    fn from(head: Head) -> Self {
        Self { size: head.size, root: head.root.to_vec() }
    }
}

impl From<replicated::TreeNode> for Node {
    fn from(node: replicated::TreeNode) -> Self {
        Self { level: node.level, index: node.index }
    }
}
