//! The interface that engines implement and the host uses.
//!
//! It is object safe, so that the host holds an `Arc<dyn Engine>` whatever the
//! engine. Who may use which space or machine is not decided here: the host
//! checks its grants before it calls.

use crate::machine::MachineFactory;
use crate::{Backup, ReplicaOptions, StoreError};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use vwp_storage::StorageError;
use vwp_storage::kv::{
    Change, Check, Direction, Entry, Key, KeyRange, Kv, Outcome, Page, Timestamp, Version, Write,
};
use vwp_storage::machine::{Applied, Hash, Head, Leaf, LogEntry, Node};

/// A source of the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The clock of the operating system.
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// Is told of every commit as soon as it can be read, and before whoever made it is
/// answered. So what an observer has learnt is never older than what a writer knows.
pub trait Observer: Send + Sync + 'static {
    /// A commit wrote these keys. The engine's writer waits for this, so it must be quick.
    fn committed(&self, version: Version, keys: &mut dyn Iterator<Item = &[u8]>);
}

/// A durable store: `vwp:storage/kv`, and the machines of `vwp:storage/replicated`.
///
/// Each method does what the contract says of the function of its name, and refuses
/// what breaks the contract's bounds.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// Reads keys in one snapshot; one element per key, in order.
    async fn get_many(&self, keys: Vec<Key>) -> Result<Vec<Option<Entry>>, StorageError>;

    /// Reads up to `limit` items of a range in one snapshot.
    async fn scan(&self, range: KeyRange, limit: u32, direction: Direction) -> Result<Page, StorageError>;

    /// Applies all writes or none, if every check still holds; durable on return.
    async fn commit(&self, checks: Vec<Check>, writes: Vec<Write>) -> Result<Outcome, StorageError>;

    /// Waits up to `wait_ms` for changes after `since` under `prefix`.
    async fn changes(
        &self,
        prefix: Key,
        since: Version,
        limit: u32,
        wait_ms: u32,
    ) -> Result<Vec<Change>, StorageError>;

    /// The version of a commit that every read from now on sees, with all commits before it.
    fn version(&self) -> Version;

    /// Tells the observer of all later commits, as long as the engine lives.
    fn observe(&self, observer: Arc<dyn Observer>);

    /// Opens the machine of this name: replays its log into a machine that the
    /// factory makes, and serves it. Blocks until the replay is done.
    fn open_machine(
        &self,
        name: &str,
        factory: MachineFactory,
        options: ReplicaOptions,
    ) -> Result<Arc<dyn Replicated>, StoreError>;

    /// All of the store at this moment, the machines too, to be written out while the engine
    /// goes on. Blocks until what is being made durable now is.
    fn backup(&self) -> Result<Backup, StoreError>;

    /// Whether the engine accepts writes; the text says why it does not.
    fn health(&self) -> Result<(), String>;
}

/// A machine that an engine replicates: `vwp:storage/replicated` for one machine.
#[async_trait]
pub trait Replicated: Send + Sync + 'static {
    /// Appends a command to the log, makes it durable, applies it.
    async fn submit(&self, command: Vec<u8>) -> Result<Applied, StorageError>;

    /// Asks the machine; reflects every command acknowledged before.
    async fn query(&self, query: Vec<u8>) -> Result<Vec<u8>, StorageError>;

    /// Reads up to `limit` log entries from a position on; fewer if they are long.
    async fn entries(&self, start: u64, limit: u32) -> Result<Vec<LogEntry>, StorageError>;

    /// The size and the root of the tree over the log.
    async fn tree_head(&self) -> Result<Head, StorageError>;

    /// The hashes of complete nodes of that tree, in their order.
    async fn tree_nodes(&self, nodes: Vec<Node>) -> Result<Vec<Hash>, StorageError>;

    /// Reads up to `limit` leaves of that tree, from an index on.
    async fn tree_leaves(&self, start: u64, limit: u32) -> Result<Vec<Leaf>, StorageError>;

    /// Whether the machine serves; the text says why it does not.
    fn health(&self) -> Result<(), String>;
}

/// An engine as the contract's [`Kv`].
#[derive(Clone)]
pub struct SharedKv(pub Arc<dyn Engine>);

impl Kv for SharedKv {
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, StorageError> {
        self.0.get_many(keys.to_vec()).await
    }

    async fn scan(&self, range: &KeyRange, limit: u32, direction: Direction) -> Result<Page, StorageError> {
        self.0.scan(range.clone(), limit, direction).await
    }

    async fn commit(&self, checks: &[Check], writes: &[Write]) -> Result<Outcome, StorageError> {
        self.0.commit(checks.to_vec(), writes.to_vec()).await
    }

    async fn changes(
        &self,
        prefix: &[u8],
        since: Version,
        limit: u32,
        wait_ms: u32,
    ) -> Result<Vec<Change>, StorageError> {
        self.0.changes(prefix.to_vec(), since, limit, wait_ms).await
    }
}
