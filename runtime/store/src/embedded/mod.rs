//! The engine inside the process: a log, and an index of it in a fjall database.
//!
//! The log is the truth; the index is what it amounts to, and is replayed from it
//! after a crash. The log's segments are pruned once the index holds them in synced
//! tables. The log remembers where it starts, so an index that went back behind that
//! is a refusal to open, never a silent loss.
//!
//! The folder: `LOCK`, `kv/log`, `kv/index`, and `machines/NAME` for each machine.

mod effect;
mod evaluate;
mod feed;
mod index;
mod maintain;
mod recover;
mod writer;

use crate::StoreError;
use crate::engine::{Clock, Engine, Observer, Replicated, system_clock};
use crate::log::{Log, LogOptions, LogReader, lock_dir};
use crate::machine::{MachineFactory, Replica, ReplicaOptions};
use crate::queue::Queue;
use crate::timer::Timers;
use async_trait::async_trait;
use feed::Feed;
use index::Index;
use maintain::Stop;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;
use vwp_storage::kv::{
    Change, Check, Direction, Entry, Item, Key, KeyRange, Outcome, Page, Timestamp, Version, Write,
};
use vwp_storage::{StorageError, limits};
use writer::{Request, Writer};

/// How the engine is run.
#[derive(Clone)]
pub struct FjallOptions {
    /// What decides whether a key has expired.
    pub clock: Clock,
    /// How the log is kept.
    pub log: LogOptions,
    /// How many sealed segments the log has when it is pruned.
    pub prune_at_segments: usize,
    /// How many requests may wait for the writer.
    pub queue_items: usize,
    /// How many bytes of requests may wait for the writer.
    pub queue_bytes: usize,
    /// How much memory caches blocks of the index.
    pub cache_bytes: u64,
    /// How often expired keys are removed and the log is pruned.
    pub maintain_every: Duration,
}

impl Default for FjallOptions {
    fn default() -> Self {
        Self {
            clock: system_clock(),
            log: LogOptions::default(),
            prune_at_segments: 2,
            queue_items: 16_384,
            queue_bytes: 16 * 1_048_576,
            cache_bytes: 16 * 1_048_576,
            maintain_every: Duration::from_secs(1),
        }
    }
}

/// The embedded engine. Dropping it serves what waits, then stops its threads.
pub struct FjallEngine {
    dir: PathBuf,
    shared: Arc<Shared>,
    timers: Timers,
    threads: Vec<JoinHandle<()>>,
    /// For the machines, whose time and logs are kept alike.
    options: FjallOptions,
    _lock: File,
}

/// What the engine's threads and callers share.
struct Shared {
    index: Index,
    queue: Queue<Request>,
    feed: Feed,
    observers: RwLock<Vec<Arc<dyn Observer>>>,
    clock: Clock,
    /// The latest time that anything was decided by: time never goes back.
    time: AtomicU64,
    next_version: AtomicU64,
    log: LogReader,
    prune_at: usize,
    stop: Stop,
}

impl Shared {
    fn now(&self) -> Timestamp {
        let now = (self.clock)();
        self.time.fetch_max(now, Ordering::AcqRel).max(now)
    }
}

/// Takes no more writes, because durability is no longer certain.
fn fail(shared: &Shared, error: &StoreError) {
    tracing::error!(%error, "the store has failed and takes no writes until it is restarted");
    shared.queue.stop("the store has failed; it must be restarted");
}

impl FjallEngine {
    /// Opens the store in this folder, or creates it. Replays what the index lacks.
    pub fn open(dir: &Path, options: FjallOptions) -> Result<Self, StoreError> {
        std::fs::create_dir_all(dir).map_err(StoreError::io(dir, "create the folder"))?;
        let lock = lock_dir(dir)?;
        let log = Log::open(&dir.join("kv/log"), options.log.clone())?;
        let index = recover::index(&dir.join("kv/index"), &log, options.cache_bytes)?;
        let shared = Arc::new(Shared {
            index,
            queue: Queue::new(options.queue_items, options.queue_bytes),
            feed: Feed::after(log.next_position() - 1),
            observers: RwLock::default(),
            clock: Arc::clone(&options.clock),
            time: AtomicU64::new(0),
            next_version: AtomicU64::new(log.next_position()),
            log: log.reader(),
            prune_at: options.prune_at_segments.max(1),
            stop: Stop::default(),
        });
        let timers = Timers::spawn().map_err(StoreError::io(dir, "start a thread"))?;
        let (dir, threads) = (dir.to_owned(), Vec::new());
        let mut engine = Self { dir, shared, timers, threads, options, _lock: lock };
        let writer = Writer::new(Arc::clone(&engine.shared), log);
        engine.spawn("store-writer", move || writer.run())?;
        let (shared, every) = (Arc::clone(&engine.shared), engine.options.maintain_every);
        engine.spawn("store-maintain", move || shared.maintain(every))?;
        Ok(engine)
    }

    /// Removes everything that has expired by now, and returns when that is durable.
    /// The engine does this on its own, too.
    pub fn sweep(&self) -> Result<usize, StoreError> {
        self.shared.sweep()
    }

    /// Prunes the log up to what the index holds durably. The engine does this on its
    /// own, too, when the log has grown.
    pub fn prune(&self) -> Result<(), StoreError> {
        self.shared.prune()
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
        self.threads.push(thread.map_err(StoreError::io(&self.dir, "start a thread"))?);
        Ok(())
    }
}

impl Drop for FjallEngine {
    fn drop(&mut self) {
        self.shared.queue.close("the store is shutting down");
        self.shared.stop.stop();
        for thread in self.threads.drain(..) {
            // A thread that panicked has nothing left to stop.
            let _ = thread.join();
        }
    }
}

/// What a guest is told of a failure in the store; the rest is for the log.
fn unavailable(error: &StoreError) -> StorageError {
    tracing::error!(%error, "a read failed");
    StorageError::Unavailable("the store could not read".to_owned())
}

#[async_trait]
impl Engine for FjallEngine {
    async fn get_many(&self, keys: Vec<Key>) -> Result<Vec<Option<Entry>>, StorageError> {
        limits::keys(&keys)?;
        // The snapshot comes first: what it holds was decided by an earlier time.
        let view = self.shared.index.snapshot();
        let now = self.shared.now();
        let live = |key: &Key| {
            let stored = view.get(key).map_err(|error| unavailable(&error))?;
            Ok(stored.filter(|stored| stored.lives(now)).map(|stored| stored.entry))
        };
        keys.iter().map(live).collect()
    }

    async fn scan(&self, range: KeyRange, limit: u32, direction: Direction) -> Result<Page, StorageError> {
        limits::scan(&range, limit)?;
        if range.start >= range.end {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let view = self.shared.index.snapshot();
        let now = self.shared.now();
        let items = view.range(&range).filter_map(|found| match found {
            Ok((key, stored)) => stored.lives(now).then_some(Ok(Item { key, entry: stored.entry })),
            Err(error) => Some(Err(error)),
        });
        let page = match direction {
            Direction::Forward => limits::page(items, &range, limit, direction),
            Direction::Backward => limits::page(items.rev(), &range, limit, direction),
        };
        page.map_err(|error| unavailable(&error))
    }

    async fn commit(&self, checks: Vec<Check>, writes: Vec<Write>) -> Result<Outcome, StorageError> {
        limits::commit(&checks, &writes)?;
        let bytes = limits::commit_bytes(&checks, &writes);
        let (reply, answer) = oneshot::channel();
        self.shared.queue.push(Request::Commit { checks, writes, reply }, bytes)?;
        let lost = |_| StorageError::Unknown("the store stopped before it answered".to_owned());
        answer.await.map_err(lost)?
    }

    async fn changes(
        &self,
        prefix: Key,
        since: Version,
        limit: u32,
        wait_ms: u32,
    ) -> Result<Vec<Change>, StorageError> {
        limits::changes(&prefix, limit, wait_ms)?;
        self.shared.feed.changes(&self.timers, &prefix, since, limit, wait_ms).await
    }

    fn version(&self) -> Version {
        self.shared.next_version.load(Ordering::Acquire).saturating_sub(1)
    }

    fn observe(&self, observer: Arc<dyn Observer>) {
        // Nothing is ever half done under this lock.
        self.shared.observers.write().unwrap_or_else(PoisonError::into_inner).push(observer);
    }

    fn open_machine(
        &self,
        name: &str,
        factory: MachineFactory,
        options: ReplicaOptions,
    ) -> Result<Arc<dyn Replicated>, StoreError> {
        limits::machine_name(name)
            .map_err(|error| StoreError::Machine { name: name.to_owned(), reason: error.to_string() })?;
        let dir = self.dir.join("machines").join(name);
        Ok(Arc::new(Replica::open(&dir, name, factory, Arc::clone(&self.options.clock), &options)?))
    }

    fn health(&self) -> Result<(), String> {
        self.shared.queue.closed().map_or(Ok(()), Err)
    }
}
