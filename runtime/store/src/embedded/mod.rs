//! The engine inside the process: a log, and an index of it in a fjall database.
//!
//! The log is the truth; the index is what it amounts to, and is replayed from it
//! after a crash. The log's segments are pruned once the index holds them in synced
//! tables. The log remembers where it starts, so an index that went back behind that
//! is a refusal to open, never a silent loss.
//!
//! The folder: `LOCK`, `FORMAT`, `kv/log`, `kv/index`, and `machines/NAME` for each machine.

mod effect;
mod evaluate;
mod feed;
mod frozen;
mod index;
mod maintain;
mod recover;
mod writer;

pub(crate) use frozen::{Frozen, IndexWriter};

use crate::backup::{Backup, FrozenMachine};
use crate::engine::{Clock, Engine, Observer, Replicated, system_clock};
use crate::log::{Log, LogOptions, LogReader, lock_dir};
use crate::machine::{MachineFactory, Replica, ReplicaOptions, checkpoint};
use crate::queue::Queue;
use crate::timer::Timers;
use crate::{Gate, StoreError, formats};
use async_trait::async_trait;
use feed::Feed;
use index::Index;
use maintain::Stop;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
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
    /// The machines that were opened.
    machines: Mutex<BTreeMap<String, LogReader>>,
    /// For the machines, whose time and logs are kept alike.
    options: FjallOptions,
    _lock: File,
}

/// A checkpoint's file, and what is wrong with it.
type Verified = (PathBuf, Result<(), String>);

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
    /// What commits and commands pass, and backups close.
    gate: Gate,
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
        formats::admit(dir)?;
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
            gate: Gate::default(),
        });
        let timers = Timers::spawn().map_err(StoreError::io(dir, "start a thread"))?;
        let (dir, threads, machines) = (dir.to_owned(), Vec::new(), Mutex::default());
        let mut engine = Self { dir, shared, timers, threads, machines, options, _lock: lock };
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

    /// Verifies the checkpoints of all machines; the text says what is wrong with one.
    pub fn checkpoints(&self) -> Result<Vec<Verified>, StoreError> {
        let mut verified = Vec::new();
        for (name, log) in self.all_machines()? {
            for path in checkpoint::list(&self.machine_dir(&name).join("checkpoints"))? {
                let state = checkpoint::verify(&path, log.identity(), log.next_position()).map(drop);
                verified.push((path, state));
            }
        }
        Ok(verified)
    }

    fn machine_dir(&self, name: &str) -> PathBuf {
        self.dir.join("machines").join(name)
    }

    fn known_machines(&self) -> MutexGuard<'_, BTreeMap<String, LogReader>> {
        // Nothing is ever half done under this lock.
        self.machines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The logs of all machines in the folder. One that the application has not opened has a log
    /// all the same, which nobody writes to.
    fn all_machines(&self) -> Result<BTreeMap<String, LogReader>, StoreError> {
        let mut machines = self.known_machines().clone();
        let folder = self.dir.join("machines");
        let listed = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(machines),
            listed => listed.map_err(StoreError::io(&folder, "list the folder"))?,
        };
        for entry in listed {
            let name = entry.map_err(StoreError::io(&folder, "list the folder"))?.file_name();
            let Some(name) = name.to_str().filter(|name| limits::machine_name(name).is_ok()) else {
                continue;
            };
            let log = folder.join(name).join("log");
            if !machines.contains_key(name) && log.is_dir() {
                machines.insert(name.to_owned(), Log::open(&log, LogOptions::default())?.reader());
            }
        }
        Ok(machines)
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
        mut options: ReplicaOptions,
    ) -> Result<Arc<dyn Replicated>, StoreError> {
        limits::machine_name(name)
            .map_err(|error| StoreError::Machine { name: name.to_owned(), reason: error.to_string() })?;
        options.log.gate = self.shared.gate.clone();
        let dir = self.machine_dir(name);
        let machine = Replica::open(&dir, name, factory, Arc::clone(&self.options.clock), &options)?;
        self.known_machines().insert(name.to_owned(), machine.log());
        Ok(Arc::new(machine))
    }

    fn backup(&self) -> Result<Backup, StoreError> {
        let machines = self.all_machines()?;
        let _closed = self.shared.gate.close();
        let freeze = |(name, log): (String, LogReader)| {
            let checkpoints = self.machine_dir(&name).join("checkpoints");
            FrozenMachine { until: log.next_position(), name, log, checkpoints }
        };
        Ok(Backup {
            taken_at: self.shared.now(),
            index: self.shared.index.freeze(self.shared.log.identity()),
            machines: machines.into_iter().map(freeze).collect(),
        })
    }

    fn health(&self) -> Result<(), String> {
        self.shared.queue.closed().map_or(Ok(()), Err)
    }
}
