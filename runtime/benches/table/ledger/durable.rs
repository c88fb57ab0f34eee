//! Transfers through the replicated ledger, beside a raw log of the same commands with one `fdatasync`
//! each: one that grows, which the targets are for, and one that overwrites a file laid out beforehand.

use super::work::{Spread, Work};
use super::{created, per_second};
use crate::Bench;
use crate::measure::{Side, rounds};
use crate::raw::RawLog;
use crate::report::Row;
use anyhow::Result;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use vwp_store::{MachineFactory, Replica, ReplicaOptions, Replicated, system_clock};

/// How many batches are under way at a time: while one is being made durable, the ones
/// before it are applied and the ones after it collected.
pub(super) const CLIENTS: usize = 4;
/// The length of the file that the yardstick writes: all batches of a round fit in it.
const LAID_OUT_BYTES: u64 = 96 * 1_048_576;

/// How many transfers are in a batch, how many batches are made for a round at most,
/// and the least ratio to reach.
const BATCHES: [(usize, usize, Option<f64>); 4] =
    [(1, 60_000, Some(0.9)), (100, 6000, None), (1000, 600, None), (super::LENGTH_MAX, 80, Some(0.3))];

/// In four lengths of batch.
pub(super) fn rows(bench: &Bench, factory: &MachineFactory) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (length, batches, ratio_min) in BATCHES {
        rows.extend(beside_raw_logs(bench, factory, length, batches, ratio_min)?);
    }
    Ok(rows)
}

fn beside_raw_logs(
    bench: &Bench,
    factory: &MachineFactory,
    length: usize,
    batches: usize,
    ratio_min: Option<f64>,
) -> Result<[Row; 2]> {
    let name = format!("ledger, batches of {length}");
    let mut ledger = Durable::open(bench, &length.to_string(), factory, Work::new(Spread::Uniform), true)?;
    let mut growing = RawLog::growing(&ledger.folder.join("growing"))?;
    let mut laid_out = RawLog::laid_out(&ledger.folder.join("laid-out"), LAID_OUT_BYTES)?;
    let mut append = |turn| written(&mut growing, batches, length, turn);
    let mut overwrite = |turn| written(&mut laid_out, batches, length, turn);
    let mut ours = |turn| ledger.round(bench, batches, length, turn);
    let sides = [
        ("append + fdatasync", &mut append as Side<'_>),
        ("overwrite + fdatasync", &mut overwrite),
        (&name, &mut ours),
    ];
    let [append, overwrite, ours] = rounds(bench.effort, &bench.progress, sides)?;
    Ok([
        Row::rate(name.clone(), "transfers", &ours, ("append + fdatasync", &append), ratio_min),
        Row::rate(name, "transfers", &ours, ("overwrite + fdatasync", &overwrite), None),
    ])
}

/// Writes the batches to a raw log; transfers per second.
fn written(file: &mut RawLog, batches: usize, length: usize, turn: Duration) -> Result<f64> {
    let commands = Work::new(Spread::Uniform).batches(batches, length)?;
    let (start, mut done) = (Instant::now(), 0);
    for command in commands.iter().take_while(|_| start.elapsed() < turn) {
        file.append(command)?;
        done += length;
    }
    Ok(per_second(done, start.elapsed()))
}

/// A ledger with accounts in it, and what it is given.
pub(super) struct Durable {
    replica: Arc<dyn Replicated>,
    pub(super) folder: PathBuf,
    work: Work,
}

impl Durable {
    /// Makes one, with the tree that receipts are proved with or without.
    pub(super) fn open(
        bench: &Bench,
        name: &str,
        factory: &MachineFactory,
        mut work: Work,
        tree: bool,
    ) -> Result<Self> {
        let folder = bench.scratch.path().join(format!("ledger-{name}"));
        let options = ReplicaOptions { tree, ..ReplicaOptions::default() };
        let replica = Replica::open(&folder, "ledger", factory.clone(), system_clock(), &options)?;
        for command in work.openings()? {
            bench.runtime.block_on(replica.submit(command))?;
        }
        Ok(Self { replica: Arc::new(replica), folder, work })
    }

    /// Submits batches from a few clients; transfers per second.
    pub(super) fn round(
        &mut self,
        bench: &Bench,
        batches: usize,
        length: usize,
        turn: Duration,
    ) -> Result<f64> {
        let commands = self.work.batches(batches, length)?;
        bench.runtime.block_on(submits(&self.replica, commands, turn))
    }
}

async fn submits(replica: &Arc<dyn Replicated>, commands: Vec<Vec<u8>>, turn: Duration) -> Result<f64> {
    let (commands, next) = (Arc::new(commands), Arc::new(AtomicUsize::new(0)));
    let start = Instant::now();
    let client = || {
        let (replica, commands, next) = (replica.clone(), commands.clone(), next.clone());
        tokio::spawn(async move {
            let mut answers = Vec::new();
            while start.elapsed() < turn
                && let Some(command) = commands.get(next.fetch_add(1, Ordering::Relaxed))
            {
                answers.push(replica.submit(command.clone()).await?.answer);
            }
            anyhow::Ok(answers)
        })
    };
    let mut answers = Vec::new();
    for client in (0..CLIENTS).map(|_| client()).collect::<Vec<_>>() {
        answers.extend(client.await??);
    }
    let elapsed = start.elapsed();
    let done = answers.iter().map(|answer| created(answer)).sum::<Result<usize>>()?;
    Ok(per_second(done, elapsed))
}
