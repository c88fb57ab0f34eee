//! The store and its machines: an engine that counts and times what it passes on.

use super::{Make, Metrics, seconds};
use async_trait::async_trait;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vwp_storage::kv::{Change, Check, Direction, Entry, Key, KeyRange, Outcome, Page, Version, Write};
use vwp_storage::machine::{Applied, Hash, Head, Leaf, LogEntry, Node};
use vwp_storage::{StorageError, limits};
use vwp_store::log::AppendObserver;
use vwp_store::{Backup, Engine, MachineFactory, Observer, ReplicaOptions, Replicated, StoreError};

/// The log of the key-value store, as it is told; a machine's log has the machine's name, which no
/// key-value store has.
const KV_LOG: &str = "kv";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decided {
    Committed,
    Conflict,
    OutOfBounds,
    NotACounter,
    Error,
}

/// In the order of [`Decided`].
const DECISIONS: [&str; 5] = ["committed", "conflict", "out_of_bounds", "not_a_counter", "error"];

impl Decided {
    fn of(result: &Result<Outcome, StorageError>) -> Self {
        match result {
            Ok(Outcome::Committed(_)) => Self::Committed,
            Ok(Outcome::Conflict(_)) => Self::Conflict,
            Ok(Outcome::OutOfBounds(_)) => Self::OutOfBounds,
            Ok(Outcome::NotACounter(_)) => Self::NotACounter,
            Err(_) => Self::Error,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LogLabels {
    log: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MachineLabels {
    machine: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CommandLabels {
    machine: String,
    outcome: &'static str,
}

/// All of them.
#[derive(Clone)]
pub(super) struct Families {
    commits: Family<OutcomeLabels, Counter>,
    commit_bytes: Counter,
    operations: Family<OperationLabels, Histogram, Make<Histogram>>,
    syncs: Family<LogLabels, Histogram, Make<Histogram>>,
    log_bytes: Family<LogLabels, Counter>,
    commands: Family<CommandLabels, Counter>,
    command_durations: Family<MachineLabels, Histogram, Make<Histogram>>,
    queries: Family<MachineLabels, Counter>,
}

impl Families {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self {
            commits: Family::default(),
            commit_bytes: Counter::default(),
            operations: Family::new_with_constructor(seconds as Make<Histogram>),
            syncs: Family::new_with_constructor(seconds as Make<Histogram>),
            log_bytes: Family::default(),
            commands: Family::default(),
            command_durations: Family::new_with_constructor(seconds as Make<Histogram>),
            queries: Family::default(),
        };
        registry.register("store_commits", "Commits by what became of them", families.commits.clone());
        registry.register(
            "store_commit_bytes",
            "Bytes of keys and values in commits that were committed",
            families.commit_bytes.clone(),
        );
        registry.register(
            "store_operation_duration_seconds",
            "Time of an operation of the key-value store; a commit's ends when it is durable",
            families.operations.clone(),
        );
        registry.register(
            "store_sync_duration_seconds",
            "Time in which a record was written to a log and synced (fdatasync)",
            families.syncs.clone(),
        );
        registry.register("store_log_bytes", "Bytes that were appended to a log", families.log_bytes.clone());
        registry.register("machine_commands", "Commands of a state machine", families.commands.clone());
        registry.register(
            "machine_command_duration_seconds",
            "Time until a command was durable and applied",
            families.command_durations.clone(),
        );
        registry.register("machine_queries", "Questions to a state machine", families.queries.clone());
        families
    }

    fn operation(&self, operation: &'static str) -> Histogram {
        self.operations.get_or_create_owned(&OperationLabels { operation })
    }

    fn log(&self, name: &str) -> Arc<dyn AppendObserver> {
        let labels = LogLabels { log: name.to_owned() };
        Arc::new(Log {
            syncs: self.syncs.get_or_create_owned(&labels),
            bytes: self.log_bytes.get_or_create_owned(&labels),
        })
    }
}

impl Metrics {
    /// What is told of the log of the key-value store.
    pub fn log(&self) -> Arc<dyn AppendObserver> {
        self.store.log(KV_LOG)
    }

    /// The engine, with everything that goes through it counted.
    pub fn count(&self, engine: impl Engine) -> Arc<dyn Engine> {
        let families = self.store.clone();
        let commits =
            DECISIONS.map(|outcome| families.commits.get_or_create_owned(&OutcomeLabels { outcome }));
        Arc::new(Counted {
            engine,
            commits,
            get_many: families.operation("get_many"),
            scan: families.operation("scan"),
            commit: families.operation("commit"),
            families,
        })
    }
}

/// A log.
#[derive(Debug)]
struct Log {
    syncs: Histogram,
    bytes: Counter,
}

impl AppendObserver for Log {
    fn appended(&self, bytes: u64, took: Duration) {
        self.syncs.observe(took.as_secs_f64());
        self.bytes.inc_by(bytes);
    }
}

struct Counted<E> {
    engine: E,
    families: Families,
    /// In the order of [`DECISIONS`].
    commits: [Counter; DECISIONS.len()],
    get_many: Histogram,
    scan: Histogram,
    commit: Histogram,
}

#[async_trait]
impl<E: Engine> Engine for Counted<E> {
    async fn get_many(&self, keys: Vec<Key>) -> Result<Vec<Option<Entry>>, StorageError> {
        let start = Instant::now();
        let found = self.engine.get_many(keys).await;
        self.get_many.observe(start.elapsed().as_secs_f64());
        found
    }

    async fn scan(&self, range: KeyRange, limit: u32, direction: Direction) -> Result<Page, StorageError> {
        let start = Instant::now();
        let page = self.engine.scan(range, limit, direction).await;
        self.scan.observe(start.elapsed().as_secs_f64());
        page
    }

    async fn commit(&self, checks: Vec<Check>, writes: Vec<Write>) -> Result<Outcome, StorageError> {
        let bytes = limits::commit_bytes(&checks, &writes) as u64;
        let start = Instant::now();
        let outcome = self.engine.commit(checks, writes).await;
        self.commit.observe(start.elapsed().as_secs_f64());
        let decided = Decided::of(&outcome);
        self.commits[decided as usize].inc();
        if decided == Decided::Committed {
            self.families.commit_bytes.inc_by(bytes);
        }
        outcome
    }

    async fn changes(
        &self,
        prefix: Key,
        since: Version,
        limit: u32,
        wait_ms: u32,
    ) -> Result<Vec<Change>, StorageError> {
        self.engine.changes(prefix, since, limit, wait_ms).await
    }

    fn version(&self) -> Version {
        self.engine.version()
    }

    fn observe(&self, observer: Arc<dyn Observer>) {
        self.engine.observe(observer);
    }

    fn open_machine(
        &self,
        name: &str,
        factory: MachineFactory,
        mut options: ReplicaOptions,
    ) -> Result<Arc<dyn Replicated>, StoreError> {
        options.log.observer = Some(self.families.log(name));
        let machine = self.engine.open_machine(name, factory, options)?;
        let labels = MachineLabels { machine: name.to_owned() };
        let commands = |outcome| {
            let labels = CommandLabels { machine: name.to_owned(), outcome };
            self.families.commands.get_or_create_owned(&labels)
        };
        Ok(Arc::new(CountedMachine {
            machine,
            applied: commands("applied"),
            refused: commands("refused"),
            durations: self.families.command_durations.get_or_create_owned(&labels),
            queries: self.families.queries.get_or_create_owned(&labels),
        }))
    }

    fn backup(&self) -> Result<Backup, StoreError> {
        self.engine.backup()
    }

    fn health(&self) -> Result<(), String> {
        self.engine.health()
    }
}

struct CountedMachine {
    machine: Arc<dyn Replicated>,
    applied: Counter,
    refused: Counter,
    durations: Histogram,
    queries: Counter,
}

#[async_trait]
impl Replicated for CountedMachine {
    async fn submit(&self, command: Vec<u8>) -> Result<Applied, StorageError> {
        let start = Instant::now();
        let applied = self.machine.submit(command).await;
        self.durations.observe(start.elapsed().as_secs_f64());
        if applied.is_ok() {
            self.applied.inc()
        } else {
            self.refused.inc()
        };
        applied
    }

    async fn query(&self, query: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        self.queries.inc();
        self.machine.query(query).await
    }

    async fn entries(&self, start: u64, limit: u32) -> Result<Vec<LogEntry>, StorageError> {
        self.machine.entries(start, limit).await
    }

    async fn tree_head(&self) -> Result<Head, StorageError> {
        self.machine.tree_head().await
    }

    async fn tree_nodes(&self, nodes: Vec<Node>) -> Result<Vec<Hash>, StorageError> {
        self.machine.tree_nodes(nodes).await
    }

    async fn tree_leaves(&self, start: u64, limit: u32) -> Result<Vec<Leaf>, StorageError> {
        self.machine.tree_leaves(start, limit).await
    }

    fn health(&self) -> Result<(), String> {
        self.machine.health()
    }
}
