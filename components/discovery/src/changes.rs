//! What has changed in the registry, for those who watch it: every change once, in the order
//! of commits.
//!
//! The commit that changes a world writes down that it did, under its own version. So
//! the list has a change as soon as it has happened, never before one with a smaller version,
//! and never twice. A *cursor* is a place in the list: what its holder has
//! seen. Changes are kept for a week; who comes later starts afresh.

use crate::error::DiscoveryError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use vwp_core::environment::Timestamp;
use vwp_core::{Environment, Problem};
use vwp_storage::kv::{Check, Direction, Item, Key, KeyRange, Outcome, Version, Write};
use vwp_storage::{Kv, StorageError};

/// The most changes in one answer.
pub const LIMIT_MAX: u32 = 500;
/// How long changes are kept, in milliseconds.
pub const KEPT_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// How many changes are kept, whatever their age.
pub const KEPT_MAX: i64 = 1_000_000;
/// How many changes one call of [`prune`] removes: with what it writes besides, one commit.
const PRUNED_AT_ONCE: u32 = 250;

const CHANGES: &str = "discovery/changes/";
/// The version up to which changes were removed.
const PRUNED: &str = "discovery/watch/pruned";
/// How many changes there are.
const COUNT: &str = "discovery/watch/count";
/// Written to learn how new the store is; what it holds means nothing.
const MARK: &str = "discovery/watch/mark";

/// What happened to a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It is new.
    Registered,
    /// It has a new record.
    Updated,
    /// Its operator has withdrawn it.
    Withdrawn,
    /// It was not heard of in time.
    Lapsed,
    /// Its record has ended.
    Expired,
    /// It was heard of again.
    Revived,
    /// Another operator holds it.
    Transferred,
    /// Somebody asked for a new key of the operator's with its recovery key.
    Recovering,
}

/// A change of a world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What happened.
    pub kind: Kind,
    /// The world's name; empty if the change is of an operator and all its worlds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The operator's id.
    pub operator: String,
    /// The sequence number of its record, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// When it happened, in milliseconds.
    pub at: Timestamp,
}

/// A change and its place in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The cursor of who has seen this change and all before it.
    pub cursor: Cursor,
    /// The commit that made the change.
    pub version: Version,
    /// The change.
    #[serde(flatten)]
    pub change: Change,
}

/// A part of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// The changes.
    pub changes: Vec<Listed>,
    /// The cursor of who has seen these.
    pub next: Cursor,
}

/// How much of the list somebody has seen: all commits up to a version or, of the last
/// one, only some of its changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    version: Version,
    changes: Option<u32>,
}

impl Cursor {
    /// Everything up to a version.
    pub fn all(version: Version) -> Self {
        Self { version, changes: None }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.changes {
            None => write!(formatter, "{}", self.version),
            Some(changes) => write!(formatter, "{}.{changes}", self.version),
        }
    }
}

impl Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Cursor {
    type Err = DiscoveryError;

    fn from_str(text: &str) -> Result<Self, DiscoveryError> {
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| text.parse().ok()).flatten().ok_or(DiscoveryError::BadCursor)
        };
        let Some((version, changes)) = text.split_once('.') else {
            return Ok(Self::all(number(text)?));
        };
        let changes = u32::try_from(number(changes)?).map_err(|_| DiscoveryError::BadCursor)?;
        Ok(Self { version: number(version)?, changes: Some(changes) })
    }
}

/// The writes by which a commit says what it does to worlds, to each of them one thing. They
/// never conflict.
pub fn writes(changes: &[Change]) -> Result<Vec<Write>, Problem> {
    let append = |change: &Change| {
        let value = serde_json::to_vec(change).map_err(|_| Problem::internal())?;
        Ok(Write::Append { prefix: CHANGES.into(), suffix: change.name.clone().into_bytes(), value })
    };
    let mut writes = changes.iter().map(append).collect::<Result<Vec<_>, Problem>>()?;
    if !changes.is_empty() {
        writes.push(count(i64::try_from(changes.len()).unwrap_or(i64::MAX)));
    }
    Ok(writes)
}

fn count(delta: i64) -> Write {
    Write::Add { key: COUNT.into(), delta, minimum: i64::MIN, maximum: i64::MAX }
}

/// The cursor of who has seen everything so far.
pub async fn latest<S: Kv>(store: &S) -> Result<Cursor, Problem> {
    let last = store.scan(&KeyRange::prefix(CHANGES), 1, Direction::Backward).await?.items;
    let last = last.first().map_or(Ok(0), version_of)?;
    Ok(Cursor::all(last.max(pruned(store).await?)))
}

/// The changes after a cursor: at once if there are some, and otherwise those of the time that
/// one is willing to wait.
pub async fn list<S: Kv>(store: &S, since: Cursor, limit: u32, wait_ms: u32) -> Result<Changes, Problem> {
    // Read before the list, which so is at least as new as this.
    let mark = store.get(MARK.as_bytes()).await?.map_or(0, |entry| entry.version);
    let found = look(store, since, limit).await?;
    if !found.changes.is_empty() || wait_ms == 0 {
        return Ok(found);
    }
    let seen = mark.max(since.version);
    match store.changes(CHANGES.as_bytes(), seen, 1, wait_ms).await {
        Ok(_) => return look(store, since, limit).await,
        Err(StorageError::Invalid(_)) => {}
        Err(error) => return Err(error.into()),
    }
    // The store no longer knows what has happened since then. Where nothing changes here for long
    // while much does elsewhere, somebody has to ask how new the store is.
    let Outcome::Committed(mark) = store.commit(&[], &[Write::put(MARK, [])]).await? else {
        return Err(Problem::internal());
    };
    let found = look(store, since, limit).await?;
    if !found.changes.is_empty() {
        return Ok(found);
    }
    store.changes(CHANGES.as_bytes(), mark, 1, wait_ms).await?;
    look(store, since, limit).await
}

/// The changes after a cursor that there are.
async fn look<S: Kv>(store: &S, since: Cursor, limit: u32) -> Result<Changes, Problem> {
    let skipped = since.changes.unwrap_or(0);
    let first = if since.changes.is_some() { since.version } else { since.version.saturating_add(1) };
    let range = KeyRange { start: key(first), end: KeyRange::prefix(CHANGES).end };
    // One more, to know whether the last one is the last of its commit.
    let wanted = limit.saturating_add(skipped).saturating_add(1).min(1000);
    let page = store.scan(&range, wanted, Direction::Forward).await?;
    // Asked after the list, because it is raised in the commit that removes changes.
    let pruned = pruned(store).await?;
    if since.version < pruned || (since.version == pruned && since.changes.is_some()) {
        return Err(DiscoveryError::ChangesGone.into());
    }
    let versions: Vec<Version> = page.items.iter().map(version_of).collect::<Result<_, _>>()?;
    let (mut changes, mut next) = (Vec::new(), since);
    let mut place = 0;
    for (at, item) in page.items.iter().enumerate() {
        let (version, following) = (versions[at], versions.get(at + 1));
        place = if at > 0 && versions[at - 1] == version { place + 1 } else { 1 };
        if version == since.version && place <= skipped {
            continue;
        }
        if changes.len() == limit as usize {
            break;
        }
        let is_last = following != Some(&version);
        next = Cursor { version, changes: (!is_last).then_some(place) };
        let change = serde_json::from_slice(&item.entry.value).map_err(|_| Problem::internal())?;
        changes.push(Listed { cursor: next, version, change });
    }
    Ok(Changes { changes, next })
}

/// Removes changes that are older than a week, or too many; whether there may be more of them.
pub async fn prune<S: Kv>(store: &S, environment: &Environment<'_>) -> Result<bool, Problem> {
    let seen = store.get_many(&[PRUNED.into(), COUNT.into()]).await?;
    let [pruned, counter] = seen.try_into().map_err(|_| Problem::internal())?;
    let there = counter.and_then(|entry| entry.value.try_into().ok()).map_or(0, i64::from_le_bytes);
    let page = store.scan(&KeyRange::prefix(CHANGES), PRUNED_AT_ONCE, Direction::Forward).await?;
    let surplus = usize::try_from(there - KEPT_MAX).unwrap_or(0);
    let mut removed = Vec::new();
    for (at, item) in page.items.iter().enumerate() {
        let change: Change = serde_json::from_slice(&item.entry.value).map_err(|_| Problem::internal())?;
        if at >= surplus && change.at.saturating_add(KEPT_MS) > environment.now {
            break;
        }
        removed.push(item);
    }
    let Some(last) = removed.last() else {
        return Ok(false);
    };
    let version = version_of(last)?;
    let mut writes: Vec<Write> = removed.iter().map(|item| Write::delete(item.key.clone())).collect();
    writes.push(Write::put(PRUNED, version.to_be_bytes()));
    writes.push(count(-i64::try_from(removed.len()).unwrap_or(0)));
    // Another one may be pruning too; one of both is enough.
    store.commit(&[Check::unchanged(PRUNED, pruned.as_ref())], &writes).await?;
    Ok(removed.len() == page.items.len() && page.next.is_some())
}

async fn pruned<S: Kv>(store: &S) -> Result<Version, Problem> {
    let entry = store.get(PRUNED.as_bytes()).await?;
    let bytes = entry.map(|entry| entry.value.try_into().map_err(|_| Problem::internal())).transpose()?;
    Ok(bytes.map_or(0, Version::from_be_bytes))
}

fn key(version: Version) -> Key {
    [CHANGES.as_bytes(), &version.to_be_bytes()].concat()
}

fn version_of(item: &Item) -> Result<Version, Problem> {
    let version = item.key.get(CHANGES.len()..).and_then(|rest| rest.first_chunk::<8>());
    version.map(|bytes| Version::from_be_bytes(*bytes)).ok_or_else(Problem::internal)
}

/// Waits until a key holds something newer than a version, but not for longer than one is
/// willing to. It may end sooner than that.
pub async fn wait_for<S: Kv>(store: &S, key: &[u8], version: Version, wait_ms: u32) -> Result<(), Problem> {
    let mark = store.get_many(&[MARK.into(), key.to_vec()]).await?;
    if mark.get(1).and_then(Option::as_ref).is_some_and(|entry| entry.version > version) || wait_ms == 0 {
        return Ok(());
    }
    let mark = mark.first().and_then(Option::as_ref).map_or(0, |entry| entry.version);
    match store.changes(key, mark.max(version), 1, wait_ms).await {
        Ok(_) => return Ok(()),
        Err(StorageError::Invalid(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let Outcome::Committed(mark) = store.commit(&[], &[Write::put(MARK, [])]).await? else {
        return Err(Problem::internal());
    };
    let now = store.get(key).await?;
    if now.is_none_or(|entry| entry.version <= version) {
        store.changes(key, mark, 1, wait_ms).await?;
    }
    Ok(())
}
