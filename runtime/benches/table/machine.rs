//! Transfers through the replicated ledger, beside a raw log of the same commands with
//! one `fdatasync` each: one that grows, which the target is for, and one that
//! overwrites a file laid out beforehand. And the ledger itself, compiled to WebAssembly
//! and natively.

use crate::measure::{Effort, Side, rounds};
use crate::raw::RawLog;
use crate::report::Row;
use crate::{Bench, guests};
use anyhow::{Context, Result, bail};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use vwp_ledger::Ledger;
use vwp_ledger::codec::{Asset, AssetKind, Opening, Outcome, Reply, Text, Transfer};
use vwp_ledger::codec::{decode_reply, encode_asset, encode_batch};
use vwp_runtime::manifest::Mode;
use vwp_runtime::{machine, manifest};
use vwp_store::{HostMachine, MachineFactory, Replica, ReplicaOptions, Replicated, system_clock};
use wasmtime::component::Component;

/// How many batches are under way at a time: while one is being made durable, the ones
/// before it are applied and the ones after it collected.
const CLIENTS: usize = 4;
/// How many accounts the transfers go between.
const ACCOUNTS: u128 = 1000;
const ASSET: u128 = 1;
const ISSUANCE: u128 = 2;
/// The length of the file that the yardstick writes: all batches of a round fit in it.
const LAID_OUT_BYTES: u64 = 96 * 1_048_576;

/// How many transfers are in a batch, how many batches are made for a round at most,
/// and the least ratio to reach.
const BATCHES: [(usize, usize, Option<f64>); 3] =
    [(1, 60_000, None), (100, 6000, None), (8000, 80, Some(0.15))];

/// Through the log in three sizes of batch, and without it.
pub(crate) fn rows(bench: &Bench) -> Result<Vec<Row>> {
    let factory = wasm()?;
    let mut rows = Vec::new();
    for (length, batches, ratio_min) in BATCHES {
        rows.extend(replicated(bench, &factory, length, batches, ratio_min)?);
    }
    rows.push(applied(bench, &factory)?);
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

fn replicated(
    bench: &Bench,
    factory: &MachineFactory,
    length: usize,
    batches: usize,
    ratio_min: Option<f64>,
) -> Result<[Row; 2]> {
    let name = format!("ledger, batches of {length}");
    let folder = bench.scratch.path().join(format!("ledger-{length}"));
    let options = ReplicaOptions::default();
    let replica = Replica::open(&folder, "ledger", factory.clone(), system_clock(), &options)?;
    let replica: Arc<dyn Replicated> = Arc::new(replica);
    let mut work = Work::default();
    for command in work.openings()? {
        bench.runtime.block_on(replica.submit(command))?;
    }
    let mut growing = RawLog::growing(&folder.join("growing"))?;
    let mut laid_out = RawLog::laid_out(&folder.join("laid-out"), LAID_OUT_BYTES)?;
    let mut append = |turn| written(&mut growing, batches, length, turn);
    let mut overwrite = |turn| written(&mut laid_out, batches, length, turn);
    let mut ours = |turn| {
        let commands = work.batches(batches, length)?;
        bench.runtime.block_on(submits(&replica, commands, turn))
    };
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
    let commands = Work::default().batches(batches, length)?;
    let (start, mut done) = (Instant::now(), 0);
    for command in commands.iter().take_while(|_| start.elapsed() < turn) {
        file.append(command)?;
        done += length;
    }
    Ok(per_second(done, start))
}

/// Submits the batches from a few clients; transfers per second.
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
    let done: usize = answers.iter().map(|answer| created(answer)).sum::<Result<usize>>()?;
    Ok(u32::try_from(done).map_or(f64::NAN, f64::from) / elapsed.as_secs_f64())
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
    let mut work = Work::default();
    let openings = work.openings()?;
    machine.apply(1, 1, &openings)?;
    let commands = work.batches(40, 8000)?;
    let (start, mut done) = (Instant::now(), 0);
    for (position, command) in (100..).zip(&commands) {
        for answer in machine.apply(position, position, std::slice::from_ref(command))? {
            done += created(&answer)?;
        }
    }
    Ok(per_second(done, start))
}

fn per_second(done: usize, start: Instant) -> f64 {
    u32::try_from(done).map_or(f64::NAN, f64::from) / start.elapsed().as_secs_f64()
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

/// Commands, each different from all before.
#[derive(Default)]
struct Work {
    made: u64,
}

impl Work {
    /// Opens the accounts and fills them.
    fn openings(&mut self) -> Result<Vec<Vec<u8>>> {
        let text = |text: &str| Text::new(text).context("a text is too long");
        let asset = Asset {
            id: ASSET,
            issuance: ISSUANCE,
            cap: None,
            scale: 2,
            kind: AssetKind::Custom,
            name: Text::new("gold@bench").context("a name is too long")?,
            issuer: Text::new("bench").context("an issuer is too long")?,
            title: Text::EMPTY,
        };
        let accounts = (0..ACCOUNTS).map(account);
        let opening = |account| Ok(Opening::new(account, ASSET, text(&format!("{account:x}"))?));
        let openings: Vec<Opening> = accounts.clone().map(opening).collect::<Result<_>>()?;
        let transfers: Vec<Transfer> =
            accounts.map(|account| self.transfer(ISSUANCE, account, 1_000_000_000)).collect();
        Ok(vec![encode_asset(&asset), encode(&openings, &transfers)?])
    }

    /// Batches of transfers between accounts.
    fn batches(&mut self, batches: usize, length: usize) -> Result<Vec<Vec<u8>>> {
        let mut batch = || {
            let transfers: Vec<Transfer> = (0..length).map(|_| self.between()).collect();
            encode(&[], &transfers)
        };
        (0..batches).map(|_| batch()).collect()
    }

    fn between(&mut self) -> Transfer {
        let from = u128::from(mixed(self.made)) % ACCOUNTS;
        // Any account but that one.
        let to = (from + 1 + u128::from(mixed(!self.made)) % (ACCOUNTS - 1)) % ACCOUNTS;
        self.transfer(account(from), account(to), 1)
    }

    fn transfer(&mut self, debit: u128, credit: u128, amount: u128) -> Transfer {
        self.made += 1;
        // Ids are hashes in earnest, so they are in no order here either.
        let id = u128::from(mixed(self.made)) << 64 | u128::from(self.made);
        Transfer::plain(id, debit, credit, amount)
    }
}

fn encode(openings: &[Opening], transfers: &[Transfer]) -> Result<Vec<u8>> {
    encode_batch(openings, transfers).ok().context("the batch is too long")
}

fn account(number: u128) -> u128 {
    u128::from(mixed(u64::try_from(number).unwrap_or(u64::MAX))) << 64 | (number + 3)
}

/// A number that looks random, the same in every run: SplitMix64.
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
