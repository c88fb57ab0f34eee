//! The ledger: transfers through the replicated machine, whose log is synced before anything is
//! answered, beside raw logs of the same bytes and beside PostgreSQL; how they are spread over
//! accounts, and what receipts cost; the machine without a log, in WebAssembly and natively; what
//! it has in memory, and how long it takes to be there again.

mod durable;
mod postgres;
mod size;
mod work;

use crate::measure::{Effort, Side, rounds};
use crate::report::Row;
use crate::{Bench, guests, tools};
use anyhow::{Context, Result, bail};
use durable::Durable;
use std::time::{Duration, Instant};
use vwp_ledger::Ledger;
use vwp_ledger::codec::{Outcome, Reply, decode_reply};
use vwp_runtime::manifest::Mode;
use vwp_runtime::{machine, manifest};
use vwp_store::{HostMachine, MachineFactory};
use wasmtime::component::Component;
use work::{Spread, Work};

/// The longest batch that the machine takes.
const LENGTH_MAX: usize = 8190;
/// How many batches of that length are made for a round.
const BATCHES: usize = 80;
/// Two hot accounts shall be no slower than a thousand.
const HOT_MIN: f64 = 1.0;
/// Receipts shall cost at most 15 of 100 transfers.
const RECEIPTS_MIN: f64 = 0.85;

/// All of it.
pub(crate) fn rows(bench: &Bench) -> Result<Vec<Row>> {
    let factory = wasm()?;
    let mut rows = durable::rows(bench, &factory)?;
    rows.extend(spread(bench, &factory)?);
    rows.push(receipts(bench, &factory)?);
    match postgres::rows(bench, &factory) {
        // The rest can be measured without it.
        Err(error) if error.is::<tools::Missing>() => {
            bench.remark(format!("*** {error}: THE ROWS OF POSTGRESQL ARE MISSING ***"));
        }
        found => rows.extend(found?),
    }
    rows.push(applied(bench, &factory)?);
    rows.extend(size::rows(bench, &factory)?);
    Ok(rows)
}

/// The ledger as `vwp up` runs it.
fn wasm() -> Result<MachineFactory> {
    let app = manifest::load(guests::project(), Mode::Full)?;
    let component = app.machines.get("ledger").and_then(|id| app.components.get(id));
    let component = component.context("the manifest names no machine `ledger`")?;
    let engine = machine::engine()?;
    machine::factory(&engine, &Component::new(&engine, guests::read(&component.source)?)?)
}

/// A few accounts that all transfers are between, beside many.
fn spread(bench: &Bench, factory: &MachineFactory) -> Result<[Row; 2]> {
    let open = |name: &str, spread| Durable::open(bench, name, factory, Work::new(spread), true);
    let mut uniform = open("uniform", Spread::Uniform)?;
    let mut hot = open("hot", Spread::TwoHot)?;
    let mut zipf = open("zipf", Spread::Zipf)?;
    let mut uniform = |turn| uniform.round(bench, BATCHES, LENGTH_MAX, turn);
    let mut hot = |turn| hot.round(bench, BATCHES, LENGTH_MAX, turn);
    let mut zipf = |turn| zipf.round(bench, BATCHES, LENGTH_MAX, turn);
    let sides = [
        ("ledger, uniform", &mut uniform as Side<'_>),
        ("ledger, two accounts", &mut hot),
        ("ledger, Zipf", &mut zipf),
    ];
    let [uniform, hot, zipf] = rounds(bench.effort, &bench.progress, sides)?;
    let beside = ("1000 accounts alike", &uniform);
    Ok([
        Row::rate("ledger, two accounts alone", "transfers", &hot, beside, Some(HOT_MIN)),
        Row::rate("ledger, accounts by Zipf's law", "transfers", &zipf, beside, None),
    ])
}

/// With the log as a Merkle tree, which receipts are proved with, beside without.
fn receipts(bench: &Bench, factory: &MachineFactory) -> Result<Row> {
    let open = |name, tree| Durable::open(bench, name, factory, Work::new(Spread::Uniform), tree);
    let (mut with, mut without) = (open("with-tree", true)?, open("without-tree", false)?);
    let mut with = |turn| with.round(bench, BATCHES, LENGTH_MAX, turn);
    let mut without = |turn| without.round(bench, BATCHES, LENGTH_MAX, turn);
    let sides = [("ledger with receipts", &mut with as Side<'_>), ("ledger without receipts", &mut without)];
    let [with, without] = rounds(bench.effort, &bench.progress, sides)?;
    let beside = ("without", &without);
    Ok(Row::rate("ledger, with receipts", "transfers", &with, beside, Some(RECEIPTS_MIN)))
}

/// The machine alone, without a log: what WebAssembly costs.
fn applied(bench: &Bench, factory: &MachineFactory) -> Result<Row> {
    let effort = Effort { turn: Duration::ZERO, ..bench.effort };
    let mut native = |_| apply(Box::new(Ledger::default()));
    let mut wasm = |_| apply(factory()?);
    let sides = [("ledger, native", &mut native as Side<'_>), ("ledger, wasm", &mut wasm)];
    let [native, wasm] = rounds(effort, &bench.progress, sides)?;
    Ok(Row::rate("ledger without its log, wasm", "transfers", &wasm, ("native", &native), None))
}

/// Applies a number of batches to an empty machine.
fn apply(mut machine: Box<dyn HostMachine>) -> Result<f64> {
    let mut work = Work::new(Spread::Uniform);
    let openings = work.openings()?;
    machine.apply(1, 1, &openings)?;
    let commands = work.batches(BATCHES / 2, LENGTH_MAX)?;
    let (start, mut done) = (Instant::now(), 0);
    for (position, command) in (100..).zip(&commands) {
        for answer in machine.apply(position, position, std::slice::from_ref(command))? {
            done += created(&answer)?;
        }
    }
    Ok(per_second(done, start.elapsed()))
}

fn per_second(done: usize, elapsed: Duration) -> f64 {
    u32::try_from(done).map_or(f64::NAN, f64::from) / elapsed.as_secs_f64()
}

/// How many transfers an answer says were made; an error if any was not.
fn created(answer: &[u8]) -> Result<usize> {
    match decode_reply(answer) {
        Ok(Reply::Answers { transfers, .. })
            if transfers.iter().all(|answer| answer.outcome == Outcome::Created && !answer.repeated) =>
        {
            Ok(transfers.len())
        }
        other => bail!("the ledger did not make every transfer: {other:?}"),
    }
}
