//! What the tests of the engines share.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use vwp_storage::StorageError;
use vwp_storage::conformance::{ManualClock, Tally};
use vwp_storage::machine::{Applied, Hash, Head, Leaf, LogEntry, Machines, Node};
use vwp_store::log::LogOptions;
use vwp_store::{
    Clock, Engine, FjallEngine, FjallOptions, HostMachine, MachineFactory, ReplicaOptions, Replicated,
};

/// A folder that hands out folders of its own.
pub(crate) struct Folders {
    root: TempDir,
    count: AtomicU64,
}

impl Folders {
    pub(crate) fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap(), count: AtomicU64::new(0) }
    }

    pub(crate) fn next(&self) -> PathBuf {
        let folder = self.root.path().join(self.count.fetch_add(1, Ordering::Relaxed).to_string());
        std::fs::create_dir(&folder).unwrap();
        folder
    }

    /// A copy of a folder, as a crash would leave it.
    pub(crate) fn copy(&self, from: &Path) -> PathBuf {
        let to = self.next();
        copy_into(from, &to);
        to
    }
}

/// Copies what a folder holds into another.
pub(crate) fn copy_into(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_into(&entry.path(), &target);
        } else {
            copy_file(&entry.path(), &target);
        }
    }
}

const ZEROS: [u8; 4096] = [0; 4096];

/// Copies a file without its holes, which are most of a preallocated one.
fn copy_file(from: &Path, to: &Path) {
    let bytes = std::fs::read(from).unwrap();
    let file = std::fs::File::create(to).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
    for (at, block) in (0..).step_by(4096).zip(bytes.chunks(4096)) {
        if !ZEROS.starts_with(block) {
            file.write_all_at(block, at).unwrap();
        }
    }
}

/// Small segments, so that a test crosses many of them.
pub(crate) fn small_log(segment_bytes: u64) -> LogOptions {
    LogOptions { segment_bytes, ..LogOptions::default() }
}

pub(crate) fn clock(manual: &ManualClock) -> Clock {
    let manual = manual.clone();
    Arc::new(move || manual.now())
}

/// An engine that sweeps and prunes only when a test asks for it.
pub(crate) fn options(manual: &ManualClock) -> FjallOptions {
    FjallOptions {
        clock: clock(manual),
        log: small_log(16 * 1024),
        maintain_every: Duration::from_hours(1),
        ..FjallOptions::default()
    }
}

pub(crate) fn open(dir: &Path, manual: &ManualClock) -> FjallEngine {
    FjallEngine::open(dir, options(manual)).unwrap()
}

pub(crate) fn tally() -> MachineFactory {
    Arc::new(|| Ok(Box::new(Tally::default()) as Box<dyn HostMachine>))
}

pub(crate) fn replica_options() -> ReplicaOptions {
    ReplicaOptions { log: small_log(16 * 1024), ..ReplicaOptions::default() }
}

/// One machine of an engine, by the contract's own trait.
pub(crate) struct OneMachine(pub(crate) Arc<dyn Replicated>);

impl Machines for OneMachine {
    async fn submit(&self, _: &str, command: Vec<u8>) -> Result<Applied, StorageError> {
        self.0.submit(command).await
    }

    async fn query(&self, _: &str, query: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        self.0.query(query).await
    }

    async fn entries(&self, _: &str, start: u64, limit: u32) -> Result<Vec<LogEntry>, StorageError> {
        self.0.entries(start, limit).await
    }

    async fn tree_head(&self, _: &str) -> Result<Head, StorageError> {
        self.0.tree_head().await
    }

    async fn tree_nodes(&self, _: &str, nodes: &[Node]) -> Result<Vec<Hash>, StorageError> {
        self.0.tree_nodes(nodes.to_vec()).await
    }

    async fn tree_leaves(&self, _: &str, start: u64, limit: u32) -> Result<Vec<Leaf>, StorageError> {
        self.0.tree_leaves(start, limit).await
    }
}

/// The only segment of a log, or the last one.
pub(crate) fn last_segment(log: &Path) -> PathBuf {
    let mut segments = segments(log);
    segments.pop().unwrap()
}

pub(crate) fn segments(log: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(log)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    found.sort();
    found
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    futures::executor::block_on(future)
}

/// The engine's machine of this name.
pub(crate) fn machine(engine: &FjallEngine, name: &str, options: ReplicaOptions) -> OneMachine {
    OneMachine(engine.open_machine(name, tally(), options).unwrap())
}
