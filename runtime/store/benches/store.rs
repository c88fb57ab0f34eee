//! The store beside its yardsticks, measured in turns in the same process: a commit
//! against one append and `fdatasync` of the same bytes, and a machine's log against
//! raw appends of the same batches.
//!
//! `cargo bench -p vwp-store [-- FOLDER]`; the folder decides which disk is measured.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vwp_storage::kv::Write;
use vwp_storage::machine::{Leaf, StateMachine};
use vwp_store::log::{Log, LogOptions};
use vwp_store::{Engine, FjallEngine, FjallOptions, HostMachine, ReplicaOptions, Replicated};

/// How long each measurement takes.
const TURN: Duration = Duration::from_millis(1500);
/// How often each measurement is taken; the middle one counts.
const TURNS: usize = 3;
/// The length of a small value.
const VALUE: usize = 200;
/// The length of a large batch.
const BATCH: usize = 1_048_576;

/// A machine that does nothing, so that only its log is measured.
struct Idle;

impl StateMachine for Idle {
    fn apply(&mut self, _: u64, _: u64, commands: &[Vec<u8>]) -> Vec<Vec<u8>> {
        vec![Vec::new(); commands.len()]
    }

    fn query(&self, _: &[u8]) -> Vec<u8> {
        Vec::new()
    }

    fn checkpoint(&self, _: u64, _: u32) -> Vec<u8> {
        Vec::new()
    }

    fn restore(&mut self, _: &[u8]) -> Result<(), String> {
        Ok(())
    }
}

fn main() {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let folder = folder.map_or_else(|| tempfile::tempdir().unwrap(), |at| tempfile::tempdir_in(at).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    println!("{:<44}{:>12}{:>10}", "", "per second", "ratio");
    openings(&folder.path().join("open"));
    let engine = Arc::new(FjallEngine::open(&folder.path().join("kv"), FjallOptions::default()).unwrap());
    let raw_file = folder.path().join("raw");
    let raw = || raw(&raw_file, VALUE);
    let one = || runtime.block_on(commits(&engine, 1));
    let many = || runtime.block_on(commits(&engine, 64));
    table(
        "append and fdatasync, 200 bytes",
        &[("kv commit, 1 client", &one), ("kv commit, 64 clients", &many)],
        &raw,
    );

    let machine = |clients, length| {
        let engine = Arc::clone(&engine);
        let factory = Arc::new(|| Ok(Box::new(Idle) as Box<dyn HostMachine>));
        let machine = engine.open_machine("idle", factory, ReplicaOptions::default()).unwrap();
        runtime.block_on(submits(&machine, clients, length))
    };
    let small = || machine(1, VALUE);
    let hashed = || leaves(VALUE);
    let rows: [(&str, &dyn Fn() -> f64); 2] = [("machine, 1 client", &small), ("hashing alone", &hashed)];
    table("append and fdatasync, 200 bytes", &rows, &raw);
    let raw = || self::raw(&raw_file, BATCH);
    let log = || log(&folder.path().join("log"));
    let one = || machine(1, BATCH);
    let two = || machine(2, BATCH);
    let hashed = || leaves(BATCH);
    let rows: [(&str, &dyn Fn() -> f64); 4] = [
        ("log append", &log),
        ("machine, 1 client", &one),
        ("machine, 2 clients", &two),
        ("hashing alone", &hashed),
    ];
    table("append and fdatasync, 1 MiB", &rows, &raw);
}

/// Prints the yardstick and each row beside it.
fn table(yardstick: &str, rows: &[(&str, &dyn Fn() -> f64)], raw: &dyn Fn() -> f64) {
    let mut figures = vec![Vec::new(); rows.len() + 1];
    for _ in 0..TURNS {
        figures[0].push(raw());
        for (figures, (_, row)) in figures[1..].iter_mut().zip(rows) {
            figures.push(row());
        }
    }
    let middle = |figures: &mut Vec<f64>| {
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    let base = middle(&mut figures[0]);
    println!("{yardstick:<44}{base:>12.0}{:>10}", "");
    for ((name, _), figures) in rows.iter().zip(&mut figures[1..]) {
        let figure = middle(figures);
        println!("  {name:<42}{figure:>12.0}{:>9.2}x", figure / base);
    }
}

/// Counts how often `step` runs in a turn, per second.
fn rate(mut step: impl FnMut()) -> f64 {
    let (start, mut count) = (Instant::now(), 0_u32);
    while start.elapsed() < TURN {
        step();
        count += 1;
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}

fn raw(path: &Path, length: usize) -> f64 {
    let mut file = File::options().append(true).create(true).open(path).unwrap();
    file.set_len(0).unwrap();
    let bytes = vec![7; length];
    rate(|| {
        file.write_all(&bytes).unwrap();
        file.sync_data().unwrap();
    })
}

/// Hashes commands of this length for the tree over a log.
fn leaves(length: usize) -> f64 {
    let command = vec![7; length];
    rate(|| {
        std::hint::black_box(Leaf::new(7, std::hint::black_box(&command)).hash());
    })
}

fn log(path: &Path) -> f64 {
    let mut log = Log::open(path, LogOptions::default()).unwrap();
    let bytes = vec![7; BATCH];
    rate(|| {
        log.append(1, |record| record.extend_from_slice(&bytes)).unwrap();
    })
}

async fn commits(engine: &Arc<FjallEngine>, clients: usize) -> f64 {
    let engine = Arc::clone(engine);
    let step = move |client: usize, count: u32| {
        let engine = Arc::clone(&engine);
        async move {
            let key = format!("bench/{client}/{}", count % 10_000);
            engine.commit(vec![], vec![Write::put(key, vec![7; VALUE])]).await.unwrap();
        }
    };
    together(clients, step).await
}

async fn submits(machine: &Arc<dyn Replicated>, clients: usize, length: usize) -> f64 {
    let machine = Arc::clone(machine);
    let step = move |_, _| {
        let machine = Arc::clone(&machine);
        async move {
            machine.submit(vec![7; length]).await.unwrap();
        }
    };
    together(clients, step).await
}

/// Runs a step over and over in this many tasks, and counts.
async fn together<F: Future<Output = ()> + Send + 'static>(
    clients: usize,
    step: impl Fn(usize, u32) -> F + Clone + Send + 'static,
) -> f64 {
    let start = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|client| {
            let step = step.clone();
            tokio::spawn(async move {
                let mut count = 0;
                while start.elapsed() < TURN {
                    step(client, count).await;
                    count += 1;
                }
                count
            })
        })
        .collect();
    let mut total = 0;
    for task in tasks {
        total += task.await.unwrap();
    }
    f64::from(total) / start.elapsed().as_secs_f64()
}

fn openings(path: &Path) {
    for what in ["new", "existing"] {
        let start = Instant::now();
        let engine = FjallEngine::open(path, FjallOptions::default()).unwrap();
        let opened = start.elapsed();
        let start = Instant::now();
        drop(engine);
        println!("open a store, {what}: {opened:.1?}; close: {:.1?}", start.elapsed());
    }
}
