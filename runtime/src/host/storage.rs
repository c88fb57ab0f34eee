//! `vwp:storage/kv` and `vwp:storage/replicated` for guests: grants are checked here,
//! everything else is the engine's.

use super::{Grants, State};
use crate::telemetry::trace::{self, Span, SpanContext};
use bindings::vwp::storage::{kv, replicated, types};
use opentelemetry::trace::SpanKind;
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
    kv::add_to_linker::<_, Storage>(linker, |state| &state.storage)?;
    replicated::add_to_linker::<_, Storage>(linker, |state| &state.storage)?;
    Ok(())
}

/// Whose calls an instance's are.
#[derive(Clone)]
pub struct Access {
    grants: Arc<Grants>,
    /// The span of the request that it works on, if spans are made.
    pub(super) span: Option<SpanContext>,
}

impl Access {
    pub(super) fn new(grants: Arc<Grants>) -> Self {
        Self { grants, span: None }
    }
}

/// Names what the bindings borrow from the state.
pub struct Storage;

impl HasData for Storage {
    type Data<'a> = &'a Access;
}

impl types::Host for &Access {}
impl kv::Host for &Access {}
impl replicated::Host for &Access {}

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

/// A call that is being carried out.
struct Call {
    grants: Arc<Grants>,
    span: Option<Span>,
}

impl Call {
    fn begin<T: Send>(accessor: &Accessor<T, Storage>, operation: &'static str) -> Self {
        let Access { grants, span } = accessor.with(|mut access| access.get().clone());
        let tracing = grants.observed.tracing.as_ref();
        let span = span.zip(tracing).and_then(|(above, tracing)| {
            let mut span = tracing.child(&above, SpanKind::Internal, operation)?;
            span.set("db.system.name", "vwp");
            span.set("db.operation.name", operation);
            Some(span)
        });
        Self { grants, span }
    }

    /// The machine, if the caller may use it.
    fn machine(&mut self, name: String) -> Result<Arc<dyn Replicated>, StorageError> {
        let machine = self.grants.machine(&name).cloned();
        let machine = self.ended(machine)?;
        trace::set(&mut self.span, "db.namespace", name);
        Ok(machine)
    }

    /// The result, which the span is told.
    fn ended<R>(&mut self, result: Result<R, StorageError>) -> Result<R, StorageError> {
        result.inspect_err(|error| {
            let kind = match error {
                StorageError::Denied(_) => "denied",
                StorageError::Invalid(_) => "invalid",
                StorageError::Unavailable(_) => "unavailable",
                StorageError::Unknown(_) => "unknown",
            };
            trace::fail(&mut self.span, kind);
        })
    }
}

impl<T: Send> kv::HostWithStore<T> for Storage {
    async fn get_many(
        accessor: &Accessor<T, Self>,
        keys: Vec<Vec<u8>>,
    ) -> Result<Vec<Option<kv::Entry>>, types::Error> {
        let mut call = Call::begin(accessor, "kv.get_many");
        let may = keys.iter().try_for_each(|key| call.grants.may_read(key));
        call.ended(may)?;
        let entries = call.grants.store.get_many(keys).await;
        let entries = call.ended(entries)?;
        Ok(entries.into_iter().map(|entry| entry.map(Into::into)).collect())
    }

    async fn scan(
        accessor: &Accessor<T, Self>,
        range: kv::KeyRange,
        limit: u32,
        direction: kv::Direction,
    ) -> Result<kv::Page, types::Error> {
        let mut call = Call::begin(accessor, "kv.scan");
        let range = model::KeyRange { start: range.start, end: range.end };
        let may = call.grants.may_scan(&range);
        call.ended(may)?;
        let direction = match direction {
            kv::Direction::Forward => model::Direction::Forward,
            kv::Direction::Backward => model::Direction::Backward,
        };
        let page = call.grants.store.scan(range, limit, direction).await;
        let page = call.ended(page)?;
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
        let mut call = Call::begin(accessor, "kv.commit");
        let checks: Vec<model::Check> =
            checks.into_iter().map(|check| model::Check { key: check.key, version: check.version }).collect();
        let may = checks.iter().try_for_each(|check| call.grants.may_read(&check.key));
        call.ended(may)?;
        let writes: Vec<model::Write> = writes.into_iter().map(Into::into).collect();
        let may = writes.iter().try_for_each(|write| call.grants.may_write(target(write)));
        call.ended(may)?;
        let outcome = call.grants.store.commit(checks, writes).await;
        let outcome = call.ended(outcome)?;
        let is_committed = matches!(outcome, model::Outcome::Committed(_));
        trace::set(&mut call.span, "vwp.committed", is_committed);
        Ok(outcome.into())
    }

    async fn changes(
        accessor: &Accessor<T, Self>,
        prefix: Vec<u8>,
        since: u64,
        limit: u32,
        wait_ms: u32,
    ) -> Result<Vec<kv::Change>, types::Error> {
        let mut call = Call::begin(accessor, "kv.changes");
        let may = call.grants.may_read(&prefix);
        call.ended(may)?;
        let changes = call.grants.store.changes(prefix, since, limit, wait_ms).await;
        let changes = call.ended(changes)?;
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
        let mut call = Call::begin(accessor, "machine.submit");
        let applied = call.machine(machine)?.submit(command).await;
        let machine_model::Applied { position, time, answer } = call.ended(applied)?;
        Ok(replicated::Applied { position, time, answer })
    }

    async fn query(
        accessor: &Accessor<T, Self>,
        machine: String,
        query: Vec<u8>,
    ) -> Result<Vec<u8>, types::Error> {
        let mut call = Call::begin(accessor, "machine.query");
        let answer = call.machine(machine)?.query(query).await;
        Ok(call.ended(answer)?)
    }

    async fn entries(
        accessor: &Accessor<T, Self>,
        machine: String,
        start: u64,
        limit: u32,
    ) -> Result<Vec<replicated::LogEntry>, types::Error> {
        let mut call = Call::begin(accessor, "machine.entries");
        let entries = call.machine(machine)?.entries(start, limit).await;
        let entries = call.ended(entries)?;
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
        let mut call = Call::begin(accessor, "machine.tree_head");
        let head = call.machine(machine)?.tree_head().await;
        let head = call.ended(head)?;
        Ok(replicated::LogHead { size: head.size, root: head.root.to_vec() })
    }

    async fn tree_nodes(
        accessor: &Accessor<T, Self>,
        machine: String,
        nodes: Vec<replicated::TreeNode>,
    ) -> Result<Vec<u8>, types::Error> {
        let node = |node: replicated::TreeNode| machine_model::Node { level: node.level, index: node.index };
        let nodes = nodes.into_iter().map(node).collect();
        let mut call = Call::begin(accessor, "machine.tree_nodes");
        let hashes = call.machine(machine)?.tree_nodes(nodes).await;
        Ok(call.ended(hashes)?.concat())
    }

    async fn tree_leaves(
        accessor: &Accessor<T, Self>,
        machine: String,
        start: u64,
        limit: u32,
    ) -> Result<Vec<u8>, types::Error> {
        let mut call = Call::begin(accessor, "machine.tree_leaves");
        let leaves = call.machine(machine)?.tree_leaves(start, limit).await;
        let leaves = call.ended(leaves)?;
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
