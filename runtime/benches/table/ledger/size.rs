//! How large the ledger is in memory, and how long it takes to have it there again.

use super::durable::CLIENTS;
use super::work::{self, Spread, Work};
use crate::Bench;
use crate::measure::Figures;
use crate::report::Row;
use anyhow::{Context, Result, ensure};
use std::time::Instant;
use vwp_ledger::Ledger;
use vwp_store::{HostMachine, MachineFactory, Replica, ReplicaOptions, Replicated, system_clock};

/// An account shall take no more.
const ACCOUNT_BYTES_MAX: f64 = 128.0;
/// Ten million transfers shall be there again within this time.
const RECOVERY_S_MAX: f64 = 30.0;
/// The number of batches of which the transfers are ten million.
const BATCHES: usize = 10_000_000_usize.div_ceil(super::LENGTH_MAX);
/// How many batches are made at a time.
const BATCHES_AT_ONCE: usize = 64;
/// How many accounts are opened to see what one takes.
const ACCOUNTS: u32 = 2_000_000;

/// Memory, then recovery.
pub(super) fn rows(bench: &Bench, factory: &MachineFactory) -> Result<Vec<Row>> {
    let mut account = Figures::default();
    bench.progress.say(&format!("opening {ACCOUNTS} accounts"));
    account.push(account_bytes()?);
    let mut rows =
        vec![Row::quantity("ledger, memory of an account", "B", &account, None, Some(ACCOUNT_BYTES_MAX))];
    rows.extend(recovery(bench, factory)?);
    Ok(rows)
}

/// What the process grows by with each account. The machine is compiled for this processor: in
/// WebAssembly it has the same structures, in less, as its addresses are shorter.
fn account_bytes() -> Result<f64> {
    let mut ledger: Box<dyn HostMachine> = Box::new(Ledger::default());
    ledger.apply(1, 1, &[work::asset()?])?;
    let before = resident_bytes()?;
    for (position, command) in (2..).zip(work::opened(0..u64::from(ACCOUNTS))?) {
        ledger.apply(position, position, &[command])?;
    }
    let grown = resident_bytes()? - before;
    drop(ledger);
    Ok(grown / f64::from(ACCOUNTS))
}

fn resident_bytes() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line.context("no VmRSS")?.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024.0)
}

/// Opens a ledger with ten million transfers: from its newest checkpoint and what came after it, and
/// from its log alone.
fn recovery(bench: &Bench, factory: &MachineFactory) -> Result<[Row; 2]> {
    let folder = bench.scratch.path().join("ledger-recovery");
    let open = || {
        let start = Instant::now();
        let options = ReplicaOptions::default();
        let replica = Replica::open(&folder, "ledger", factory.clone(), system_clock(), &options)?;
        anyhow::Ok((replica, start.elapsed().as_secs_f64()))
    };
    let (replica, _) = open()?;
    let mut work = Work::new(Spread::Uniform);
    for command in work.openings()? {
        bench.runtime.block_on(replica.submit(command))?;
    }
    let mut left = BATCHES;
    while left > 0 {
        bench.progress.say(&format!("filling a ledger, {left} batches to go"));
        let commands = work.batches(left.min(BATCHES_AT_ONCE), super::LENGTH_MAX)?;
        left -= commands.len();
        for group in commands.chunks(CLIENTS) {
            let submitted = group.iter().map(|command| replica.submit(command.clone()));
            bench.runtime.block_on(futures::future::try_join_all(submitted))?;
        }
    }
    let head = bench.runtime.block_on(replica.tree_head())?;
    drop(replica);
    let (mut from_checkpoint, mut from_log) = (Figures::default(), Figures::default());
    for (name, figures) in [("its checkpoint", &mut from_checkpoint), ("its log", &mut from_log)] {
        bench.progress.say(&format!("opening it from {name}"));
        let (replica, seconds) = open()?;
        ensure!(bench.runtime.block_on(replica.tree_head())? == head, "the log is another one");
        drop(replica);
        figures.push(seconds);
        std::fs::remove_dir_all(folder.join("checkpoints"))?;
    }
    std::fs::remove_dir_all(&folder)?;
    let row = |from: &str, figures| {
        let name = format!("ledger, 10,000,000 transfers again from {from}");
        Row::quantity(name, "s", figures, None, Some(RECOVERY_S_MAX))
    };
    Ok([row("a checkpoint", &from_checkpoint), row("the log alone", &from_log)])
}
