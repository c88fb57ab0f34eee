//! The bounds of the contract, checked in one place: the model and every engine
//! call these functions first, so that no two of them disagree about what is
//! [`StorageError::Invalid`].

use crate::StorageError;
use crate::kv::{
    COMMIT_BYTES_MAX, COMMIT_ITEMS_MAX, Change, Check, Direction, Item, KEY_LENGTH_MAX, Key, KeyRange, Page,
    READ_KEYS_MAX, VALUE_LENGTH_MAX, Version, Write,
};
use crate::machine::{COMMAND_LENGTH_MAX, Node, QUERY_LENGTH_MAX};
use std::collections::HashSet;

/// The most items that one page or one list of changes holds.
pub const PAGE_ITEMS_MAX: u32 = 1000;
/// The most bytes of keys and values in one page; at least one item is returned.
pub const PAGE_BYTES_MAX: usize = 4 * 1_048_576;
/// The longest wait for changes, in milliseconds.
pub const WAIT_MS_MAX: u32 = 60_000;
/// The length of the version in an appended key.
pub const VERSION_LENGTH: usize = 8;
/// The most nodes of a tree that one call asks for.
pub const TREE_NODES_MAX: usize = 256;
/// The longest name of a machine, in bytes.
pub const MACHINE_NAME_LENGTH_MAX: usize = 64;

fn invalid<T>(text: impl Into<String>) -> Result<T, StorageError> {
    Err(StorageError::Invalid(text.into()))
}

/// A key has 1 to 1,024 bytes.
pub fn key(key: &[u8]) -> Result<(), StorageError> {
    match key.len() {
        0 => invalid("a key is empty"),
        1..=KEY_LENGTH_MAX => Ok(()),
        length => invalid(format!("a key has {length} bytes, more than {KEY_LENGTH_MAX}")),
    }
}

/// A read names at most 1,000 keys.
pub fn keys(keys: &[Key]) -> Result<(), StorageError> {
    if keys.len() > READ_KEYS_MAX {
        return invalid(format!("the call names {} keys, more than {READ_KEYS_MAX}", keys.len()));
    }
    keys.iter().try_for_each(|name| key(name))
}

/// A page holds 1 to 1,000 items of a range between two keys.
pub fn scan(range: &KeyRange, limit: u32) -> Result<(), StorageError> {
    key(&range.start)?;
    key(&range.end)?;
    page_limit(limit)
}

/// A wait for changes is bounded in length and in what it returns.
pub fn changes(prefix: &[u8], limit: u32, wait_ms: u32) -> Result<(), StorageError> {
    key(prefix)?;
    if wait_ms > WAIT_MS_MAX {
        return invalid(format!("the wait is longer than {WAIT_MS_MAX} ms"));
    }
    page_limit(limit)
}

fn page_limit(limit: u32) -> Result<(), StorageError> {
    if (1..=PAGE_ITEMS_MAX).contains(&limit) {
        Ok(())
    } else {
        invalid(format!("the limit is {limit}, not 1 to {PAGE_ITEMS_MAX}"))
    }
}

/// A commit is bounded in items and bytes and changes each key at most once.
pub fn commit(checks: &[Check], writes: &[Write]) -> Result<(), StorageError> {
    if checks.len() > COMMIT_ITEMS_MAX || writes.len() > COMMIT_ITEMS_MAX {
        return invalid(format!("the commit has more than {COMMIT_ITEMS_MAX} checks or writes"));
    }
    let bytes = commit_bytes(checks, writes);
    if bytes > COMMIT_BYTES_MAX {
        return invalid(format!("the commit has {bytes} bytes, more than {COMMIT_BYTES_MAX}"));
    }
    for check in checks {
        key(&check.key)?;
    }
    let mut changed = HashSet::with_capacity(writes.len());
    for write in writes {
        self::write(write)?;
        if let Some(name) = fixed_key(write)
            && !changed.insert(name)
        {
            return invalid("the commit changes a key twice");
        }
    }
    Ok(())
}

/// What a commit counts for: all its keys and values.
pub fn commit_bytes(checks: &[Check], writes: &[Write]) -> usize {
    let checks: usize = checks.iter().map(|check| check.key.len()).sum();
    let writes: usize = writes
        .iter()
        .map(|write| match write {
            Write::Put { key, value, .. } => key.len() + value.len(),
            Write::Delete { key } | Write::Add { key, .. } => key.len() + VERSION_LENGTH,
            Write::Append { prefix, suffix, value } => {
                prefix.len() + VERSION_LENGTH + suffix.len() + value.len()
            }
        })
        .sum();
    checks + writes
}

fn write(write: &Write) -> Result<(), StorageError> {
    let value_length = match write {
        Write::Put { key: name, value, .. } => {
            key(name)?;
            value.len()
        }
        Write::Delete { key: name } => {
            key(name)?;
            0
        }
        Write::Append { prefix, suffix, value } => {
            key(prefix)?;
            if prefix.len() + VERSION_LENGTH + suffix.len() > KEY_LENGTH_MAX {
                return invalid(format!("an appended key has more than {KEY_LENGTH_MAX} bytes"));
            }
            value.len()
        }
        Write::Add { key: name, minimum, maximum, .. } => {
            key(name)?;
            if minimum > maximum {
                return invalid("the smallest sum allowed is larger than the largest");
            }
            0
        }
    };
    if value_length > VALUE_LENGTH_MAX {
        return invalid(format!("a value has {value_length} bytes, more than {VALUE_LENGTH_MAX}"));
    }
    Ok(())
}

/// The key that a write changes, where the request alone decides it.
fn fixed_key(write: &Write) -> Option<&[u8]> {
    match write {
        Write::Put { key, .. } | Write::Delete { key } | Write::Add { key, .. } => Some(key),
        Write::Append { .. } => None,
    }
}

/// The key that a write changes in the commit of this version.
pub fn changed_key(write: &Write, version: Version) -> Key {
    match write {
        Write::Put { key, .. } | Write::Delete { key } | Write::Add { key, .. } => key.clone(),
        Write::Append { prefix, suffix, .. } => appended_key(prefix, version, suffix),
    }
}

/// The key that an append writes in the commit of this version.
pub fn appended_key(prefix: &[u8], version: Version, suffix: &[u8]) -> Key {
    [prefix, &version.to_be_bytes(), suffix].concat()
}

/// The refusal of a commit whose appends meet each other, or another write, in one
/// key. Only the version tells, so this is found when the commit is applied.
pub fn appended_twice() -> StorageError {
    StorageError::Invalid("the commit changes a key twice through an append".to_owned())
}

/// Cuts a snapshot's items, which come in the direction asked for, into a page.
/// `items` may be longer than needed; one item past the page tells where the
/// next page starts.
pub fn page<E>(
    items: impl Iterator<Item = Result<Item, E>>,
    range: &KeyRange,
    limit: u32,
    direction: Direction,
) -> Result<Page, E> {
    let mut page = Page { items: Vec::new(), next: None };
    let mut bytes = 0;
    for item in items {
        let item = item?;
        bytes += item.key.len() + item.entry.value.len();
        let full = page.items.len() >= limit as usize || bytes > PAGE_BYTES_MAX;
        if full && let Some(last) = page.items.last() {
            page.next = Some(match direction {
                Direction::Forward => KeyRange { start: item.key, end: range.end.clone() },
                Direction::Backward => KeyRange { start: range.start.clone(), end: last.key.clone() },
            });
            break;
        }
        page.items.push(item);
    }
    Ok(page)
}

/// A machine's name is a short label: it also names a folder.
pub fn machine_name(name: &str) -> Result<(), StorageError> {
    let label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let bounded = (1..=MACHINE_NAME_LENGTH_MAX).contains(&name.len());
    if bounded && name.bytes().all(label) && !name.starts_with('-') {
        Ok(())
    } else {
        invalid("a machine's name is 1 to 64 lowercase letters, digits and hyphens")
    }
}

/// A command has at most 1,048,576 bytes.
pub fn command(command: &[u8]) -> Result<(), StorageError> {
    if command.len() > COMMAND_LENGTH_MAX {
        return invalid(format!("a command has more than {COMMAND_LENGTH_MAX} bytes"));
    }
    Ok(())
}

/// A query has at most 65,536 bytes.
pub fn query(query: &[u8]) -> Result<(), StorageError> {
    if query.len() > QUERY_LENGTH_MAX {
        return invalid(format!("a query has more than {QUERY_LENGTH_MAX} bytes"));
    }
    Ok(())
}

/// Log entries are read 1 to 1,000 at a time, from position 1 on.
pub fn entries(start: u64, limit: u32) -> Result<(), StorageError> {
    if start == 0 {
        return invalid("the first position of a log is 1");
    }
    page_limit(limit)
}

/// At most 256 nodes of a tree are asked for at a time, all of them complete.
pub fn tree_nodes(nodes: &[Node], size: u64) -> Result<(), StorageError> {
    if nodes.len() > TREE_NODES_MAX {
        return invalid(format!("the call names {} nodes, more than {TREE_NODES_MAX}", nodes.len()));
    }
    if !nodes.iter().all(|node| node.is_complete(size)) {
        return invalid(format!("a tree of {size} leaves does not have every node that is named"));
    }
    Ok(())
}

/// Leaves of a tree are read 1 to 1,000 at a time.
pub fn tree_leaves(limit: u32) -> Result<(), StorageError> {
    page_limit(limit)
}

/// The first `limit` changes, less those of a commit that would be cut in two;
/// but at least one whole commit.
pub fn whole_commits<'a>(changes: impl Iterator<Item = &'a Change>, limit: u32) -> Vec<Change> {
    let mut taken: Vec<Change> = Vec::new();
    let mut whole = 0;
    for change in changes {
        if taken.last().is_some_and(|last| last.version != change.version) {
            whole = taken.len();
        }
        if taken.len() >= limit as usize && whole > 0 {
            taken.truncate(whole);
            break;
        }
        taken.push(change.clone());
    }
    taken
}
