//! `vwp:storage/kv` and `vwp:storage/replicated` for guests: grants are checked here,
//! everything else is the engine's.

use super::{Grants, State};
use bindings::vwp::storage::{kv, replicated, types};
use std::sync::Arc;
use vwp_storage::StorageError;
use vwp_storage::kv as model;
use vwp_storage::machine as machine_model;
use vwp_store::Replicated;
use wasmtime::component::{Accessor, HasData, Linker};

mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]
    wasmtime::component::bindgen!({
        path: "../wit/storage",
        world: "storage",
    });
}

/// Offers the interfaces to guests.
pub fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    kv::add_to_linker::<_, Storage>(linker, |state| &state.grants)?;
    replicated::add_to_linker::<_, Storage>(linker, |state| &state.grants)?;
    Ok(())
}

/// Names what the bindings borrow from the state.
pub struct Storage;

impl HasData for Storage {
    type Data<'a> = &'a Arc<Grants>;
}

impl types::Host for &Arc<Grants> {}
impl kv::Host for &Arc<Grants> {}
impl replicated::Host for &Arc<Grants> {}

impl Grants {
    fn may_read(&self, key: &[u8]) -> Result<(), StorageError> {
        let space = space(key)?;
        if self.write_spaces.contains(space) || self.read_spaces.contains(space) {
            return Ok(());
        }
        Err(StorageError::Denied(format!("component `{}` may not read space `{space}`", self.component)))
    }

    fn may_write(&self, key: &[u8]) -> Result<(), StorageError> {
        let space = space(key)?;
        if self.write_spaces.contains(space) {
            return Ok(());
        }
        Err(StorageError::Denied(format!("component `{}` may not write space `{space}`", self.component)))
    }

    /// A range must lie in one space: up to its end, which is the space with `/` + 1.
    fn may_scan(&self, range: &model::KeyRange) -> Result<(), StorageError> {
        self.may_read(&range.start)?;
        let mut bound = space(&range.start)?.as_bytes().to_vec();
        bound.push(b'/' + 1);
        if range.end > bound {
            return Err(StorageError::Denied("the range leaves its space".into()));
        }
        Ok(())
    }

    fn machine(&self, name: &str) -> Result<&Arc<dyn Replicated>, StorageError> {
        self.machines.get(name).ok_or_else(|| {
            StorageError::Denied(format!("component `{}` may not use machine `{name}`", self.component))
        })
    }
}

/// The space of a key: what stands before its first `/`.
fn space(key: &[u8]) -> Result<&str, StorageError> {
    let at = key.iter().position(|&byte| byte == b'/');
    at.and_then(|at| std::str::from_utf8(&key[..at]).ok())
        .ok_or_else(|| StorageError::Denied("the key names no space".into()))
}

fn grants<T: Send>(accessor: &Accessor<T, Storage>) -> Arc<Grants> {
    accessor.with(|mut access| access.get().clone())
}

impl<T: Send> kv::HostWithStore<T> for Storage {
    async fn get_many(
        accessor: &Accessor<T, Self>,
        keys: Vec<Vec<u8>>,
    ) -> Result<Vec<Option<kv::Entry>>, types::Error> {
        let grants = grants(accessor);
        keys.iter().try_for_each(|key| grants.may_read(key))?;
        let entries = grants.store.get_many(keys).await?;
        Ok(entries.into_iter().map(|entry| entry.map(Into::into)).collect())
    }

    async fn scan(
        accessor: &Accessor<T, Self>,
        range: kv::KeyRange,
        limit: u32,
        direction: kv::Direction,
    ) -> Result<kv::Page, types::Error> {
        let grants = grants(accessor);
        let range = model::KeyRange { start: range.start, end: range.end };
        grants.may_scan(&range)?;
        let direction = match direction {
            kv::Direction::Forward => model::Direction::Forward,
            kv::Direction::Backward => model::Direction::Backward,
        };
        let page = grants.store.scan(range, limit, direction).await?;
        let item = |item: model::Item| kv::Item { key: item.key, entry: item.entry.into() };
        Ok(kv::Page {
            items: page.items.into_iter().map(item).collect(),
            next: page.next.map(|range| kv::KeyRange { start: range.start, end: range.end }),
        })
    }

    async fn commit(
        accessor: &Accessor<T, Self>,
        checks: Vec<kv::Check>,
        writes: Vec<kv::Write>,
    ) -> Result<kv::Outcome, types::Error> {
        let grants = grants(accessor);
        let checks: Vec<model::Check> =
            checks.into_iter().map(|check| model::Check { key: check.key, version: check.version }).collect();
        checks.iter().try_for_each(|check| grants.may_read(&check.key))?;
        let writes: Vec<model::Write> = writes.into_iter().map(Into::into).collect();
        writes.iter().try_for_each(|write| grants.may_write(target(write)))?;
        Ok(grants.store.commit(checks, writes).await?.into())
    }

    async fn changes(
        accessor: &Accessor<T, Self>,
        prefix: Vec<u8>,
        since: u64,
        limit: u32,
        wait_ms: u32,
    ) -> Result<Vec<kv::Change>, types::Error> {
        let grants = grants(accessor);
        grants.may_read(&prefix)?;
        let changes = grants.store.changes(prefix, since, limit, wait_ms).await?;
        let change = |change: model::Change| kv::Change {
            version: change.version,
            key: change.key,
            value: change.value,
        };
        Ok(changes.into_iter().map(change).collect())
    }
}

impl<T: Send> replicated::HostWithStore<T> for Storage {
    async fn submit(
        accessor: &Accessor<T, Self>,
        machine: String,
        command: Vec<u8>,
    ) -> Result<replicated::Applied, types::Error> {
        let grants = grants(accessor);
        let machine_model::Applied { position, time, answer } =
            grants.machine(&machine)?.submit(command).await?;
        Ok(replicated::Applied { position, time, answer })
    }

    async fn query(
        accessor: &Accessor<T, Self>,
        machine: String,
        query: Vec<u8>,
    ) -> Result<Vec<u8>, types::Error> {
        Ok(grants(accessor).machine(&machine)?.query(query).await?)
    }

    async fn entries(
        accessor: &Accessor<T, Self>,
        machine: String,
        start: u64,
        limit: u32,
    ) -> Result<Vec<replicated::LogEntry>, types::Error> {
        let grants = grants(accessor);
        let entries = grants.machine(&machine)?.entries(start, limit).await?;
        let entry = |entry: machine_model::LogEntry| replicated::LogEntry {
            position: entry.position,
            time: entry.time,
            command: entry.command,
        };
        Ok(entries.into_iter().map(entry).collect())
    }

    async fn tree_head(
        accessor: &Accessor<T, Self>,
        machine: String,
    ) -> Result<replicated::LogHead, types::Error> {
        let head = grants(accessor).machine(&machine)?.tree_head().await?;
        Ok(replicated::LogHead { size: head.size, root: head.root.to_vec() })
    }

    async fn tree_nodes(
        accessor: &Accessor<T, Self>,
        machine: String,
        nodes: Vec<replicated::TreeNode>,
    ) -> Result<Vec<u8>, types::Error> {
        let node = |node: replicated::TreeNode| machine_model::Node { level: node.level, index: node.index };
        let nodes = nodes.into_iter().map(node).collect();
        Ok(grants(accessor).machine(&machine)?.tree_nodes(nodes).await?.concat())
    }

    async fn tree_leaves(
        accessor: &Accessor<T, Self>,
        machine: String,
        start: u64,
        limit: u32,
    ) -> Result<Vec<u8>, types::Error> {
        let leaves = grants(accessor).machine(&machine)?.tree_leaves(start, limit).await?;
        Ok(leaves.iter().flat_map(machine_model::Leaf::encode).collect())
    }
}

/// The key that a write changes, or what it starts with.
fn target(write: &model::Write) -> &[u8] {
    match write {
        model::Write::Put { key, .. } | model::Write::Delete { key } | model::Write::Add { key, .. } => key,
        model::Write::Append { prefix, .. } => prefix,
    }
}

impl From<StorageError> for types::Error {
    fn from(error: StorageError) -> Self {
        // The cause is for the log; a guest is told the kind and a text without internals.
        tracing::debug!(%error, "storage refused");
        match error {
            StorageError::Denied(text) => Self::Denied(text),
            StorageError::Invalid(text) => Self::Invalid(text),
            StorageError::Unavailable(text) => Self::Unavailable(text),
            StorageError::Unknown(text) => Self::Unknown(text),
        }
    }
}

impl From<model::Entry> for kv::Entry {
    fn from(entry: model::Entry) -> Self {
        Self { value: entry.value, version: entry.version }
    }
}

impl From<kv::Write> for model::Write {
    fn from(write: kv::Write) -> Self {
        match write {
            kv::Write::Put(put) => Self::Put { key: put.key, value: put.value, expires_at: put.expires_at },
            kv::Write::Delete(key) => Self::Delete { key },
            kv::Write::Append(append) => {
                Self::Append { prefix: append.prefix, suffix: append.suffix, value: append.value }
            }
            kv::Write::Add(add) => {
                Self::Add { key: add.key, delta: add.delta, minimum: add.minimum, maximum: add.maximum }
            }
        }
    }
}

impl From<model::Outcome> for kv::Outcome {
    fn from(outcome: model::Outcome) -> Self {
        match outcome {
            model::Outcome::Committed(version) => Self::Committed(version),
            model::Outcome::Conflict(keys) => Self::Conflict(keys),
            model::Outcome::OutOfBounds(keys) => Self::OutOfBounds(keys),
            model::Outcome::NotACounter(keys) => Self::NotACounter(keys),
        }
    }
}
