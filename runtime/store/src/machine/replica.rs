//! The handle of a replicated machine.

use super::applier::{Applier, Question};
use super::entries;
use super::host::MachineFactory;
use super::replay::Source;
use super::tree::{Tree, TreeReader};
use super::writer::{Request, Writer};
use crate::StoreError;
use crate::engine::{Clock, Replicated};
use crate::log::{Log, LogOptions, LogReader};
use crate::queue::Queue;
use async_trait::async_trait;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use tokio::sync::oneshot;
use vwp_storage::machine::{Applied, Hash, Head, Leaf, LogEntry, Node};
use vwp_storage::{StorageError, limits};

/// How a machine is run.
#[derive(Debug, Clone)]
pub struct ReplicaOptions {
    /// How its log is kept.
    pub log: LogOptions,
    /// How many calls may wait for the machine.
    pub queue_items: usize,
    /// How many bytes of calls may wait for the machine. As many may be being written, written, and
    /// being applied.
    pub queue_bytes: usize,
    /// A checkpoint is written after this many commands, if they have as many bytes as the last one.
    pub checkpoint_commands: u64,
    /// A checkpoint is written after this many bytes of commands, or as many as the last one has.
    pub checkpoint_bytes: u64,
    /// Whether the log is kept as a Merkle tree too. Without it there are no proofs of what is in the log.
    pub tree: bool,
}

impl Default for ReplicaOptions {
    fn default() -> Self {
        Self {
            log: LogOptions::default(),
            queue_items: 16_384,
            queue_bytes: 16 * 1_048_576,
            checkpoint_commands: 1_000_000,
            checkpoint_bytes: 512 * 1_048_576,
            tree: true,
        }
    }
}

/// A machine behind a log. Dropping it serves what waits, then stops its threads.
pub struct Replica {
    queue: Arc<Queue<Request>>,
    log: LogReader,
    tree: Option<TreeReader>,
    /// The writer, then the applier, which ends after it.
    threads: Vec<JoinHandle<()>>,
}

impl Replica {
    /// Opens the machine whose log and checkpoints are in this folder, or creates it.
    /// Returns when the log is replayed.
    pub fn open(
        dir: &Path,
        name: &str,
        factory: MachineFactory,
        clock: Clock,
        options: &ReplicaOptions,
    ) -> Result<Self, StoreError> {
        let checkpoints = dir.join("checkpoints");
        std::fs::create_dir_all(&checkpoints).map_err(StoreError::io(&checkpoints, "create the folder"))?;
        let log = Log::open(&dir.join("log"), options.log.clone())?;
        let reader = log.reader();
        if reader.first_position() != 1 {
            let reason = format!("the log starts at {}", reader.first_position());
            return Err(StoreError::LostData { path: dir.to_owned(), reason });
        }
        let tree = options.tree.then(|| Tree::open(dir, log.identity(), &reader)).transpose()?;
        let tree_reader = tree.as_ref().map(Tree::reader);
        let (name, identity) = (name.to_owned(), log.identity());
        let source = Source { name, checkpoints, identity, log: log.reader(), factory };
        let built = source.build(log.next_position())?;
        let queue = Arc::new(Queue::new(options.queue_items, options.queue_bytes));
        let (sender, work) = sync_channel(1);
        let (name, time) = (source.name.clone(), built.progress.time);
        let applier = Applier::new(Arc::clone(&queue), source, built, options);
        let writer =
            Writer { name: name.clone(), queue: Arc::clone(&queue), log, tree, time, clock, applier: sender };
        let start = |name: String, run: Box<dyn FnOnce() + Send>| {
            let thread = std::thread::Builder::new().name(name).spawn(run);
            thread.map_err(StoreError::io(dir, "start a thread"))
        };
        let applier = start(format!("machine-{name}"), Box::new(move || applier.run(&work)))?;
        let writer = start(format!("log-{name}"), Box::new(move || writer.run()))?;
        Ok(Self { queue, log: reader, tree: tree_reader, threads: vec![writer, applier] })
    }

    /// Reads the machine's log.
    pub(crate) fn log(&self) -> LogReader {
        self.log.clone()
    }

    fn tree(&self) -> Result<&TreeReader, StorageError> {
        let missing = || StorageError::Unavailable("no tree is kept over the machine's log".to_owned());
        self.tree.as_ref().ok_or_else(missing)
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, StorageError>>) -> Request,
        bytes: usize,
        lost: StorageError,
    ) -> Result<T, StorageError> {
        let (reply, answer) = oneshot::channel();
        self.queue.push(request(reply), bytes)?;
        answer.await.map_err(|_| lost)?
    }
}

#[async_trait]
impl Replicated for Replica {
    async fn submit(&self, command: Vec<u8>) -> Result<Applied, StorageError> {
        limits::command(&command)?;
        let bytes = command.len();
        let lost = StorageError::Unknown("the machine stopped before it answered".to_owned());
        self.ask(|reply| Request::Submit { command, reply }, bytes, lost).await
    }

    async fn query(&self, query: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        limits::query(&query)?;
        let bytes = query.len();
        let lost = StorageError::Unavailable("the machine stopped before it answered".to_owned());
        self.ask(|reply| Request::Query(Question { query, reply }), bytes, lost).await
    }

    async fn entries(&self, start: u64, limit: u32) -> Result<Vec<LogEntry>, StorageError> {
        limits::entries(start, limit)?;
        entries::read(&self.log, start, limit).map_err(|error| {
            tracing::error!(%error, "a machine's log could not be read");
            StorageError::Unavailable("the machine's log could not be read".to_owned())
        })
    }

    async fn tree_head(&self) -> Result<Head, StorageError> {
        self.tree()?.head()
    }

    async fn tree_nodes(&self, nodes: Vec<Node>) -> Result<Vec<Hash>, StorageError> {
        self.tree()?.nodes(&nodes)
    }

    async fn tree_leaves(&self, start: u64, limit: u32) -> Result<Vec<Leaf>, StorageError> {
        self.tree()?.leaves(start, limit)
    }

    fn health(&self) -> Result<(), String> {
        self.queue.closed().map_or(Ok(()), Err)
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.queue.close("the machine is shutting down");
        for thread in self.threads.drain(..) {
            // A thread that panicked has nothing left to stop.
            let _ = thread.join();
        }
    }
}
