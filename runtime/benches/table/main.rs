//! Measures the runtime, and prints one table: each row beside a yardstick that was
//! measured in the same run, in turns.
//!
//! `cargo bench -p vwp-runtime [-- [--quick] [--networks FILE] [--worlds N] [GROUP]...]`. The groups
//! are http, telemetry, peers, kv, ledger, bulk, dns, curve, sign-in, search and start; all are measured unless some
//! are named. `SPIN` and `WASMTIME` in the environment name programs that `peers` measures beside
//! ours. A list of networks gives the worlds that are looked up; otherwise they are made up. The
//! components have to be built before: `cargo xtask bench` does that too.
//!
//! A missed target is said loudly, and is no error: a busy machine misses some.

mod bulk;
mod client;
mod curve;
mod dns;
mod guests;
mod http;
mod http_cache;
mod kv;
mod ledger;
mod measure;
mod peers;
mod port;
#[path = "../../tests/host/postgres_server.rs"]
#[expect(dead_code, reason = "tests need more of it")]
mod postgres_server;
mod process;
mod progress;
mod raw;
mod registry;
mod report;
mod search;
mod sign_in;
mod start;
mod telemetry;
mod tools;
mod worlds;

use anyhow::{Context, Result, bail};
use measure::Effort;
use port::Port;
use progress::Progress;
use report::Row;
use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::process::ExitCode;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// What can be measured, in the table's order.
const GROUPS: [(&str, Measure); 11] = [
    ("http", http::rows),
    ("telemetry", telemetry::rows),
    ("peers", peers::rows),
    ("kv", kv::rows),
    ("ledger", ledger::rows),
    ("bulk", bulk::rows),
    ("dns", dns::rows),
    ("curve", curve::rows),
    ("sign-in", sign_in::rows),
    ("search", search::rows),
    ("start", start::rows),
];

/// Measures the rows of a group.
type Measure = fn(&Bench) -> Result<Vec<Row>>;

/// What every measurement needs.
pub(crate) struct Bench {
    pub(crate) effort: Effort,
    pub(crate) progress: Progress,
    /// On the disk that the project is on.
    pub(crate) scratch: TempDir,
    /// As `vwp up` makes its own.
    pub(crate) runtime: Runtime,
    /// How many worlds are searched.
    pub(crate) worlds: usize,
    networks: Option<PathBuf>,
    has_worlds: Cell<bool>,
    remarks: RefCell<Vec<String>>,
}

impl Bench {
    /// Says something below the table that its rows cannot say.
    pub(crate) fn remark(&self, text: impl Into<String>) {
        self.remarks.borrow_mut().push(text.into());
    }

    /// Calls something with a running `vwp up` that has worlds.
    pub(crate) fn with_port<T>(&self, call: impl FnOnce(&Port) -> Result<T>) -> Result<T> {
        let scratch = self.scratch.path();
        self.progress.say("starting vwp up");
        let port = Port::start(&port::state(scratch))?;
        if !self.has_worlds.get() {
            self.progress.say("registering worlds");
            port.registry().import(scratch, self.networks.as_deref())?;
            self.has_worlds.set(true);
        }
        let result = call(&port);
        port.stop()?;
        result
    }
}

fn main() -> Result<ExitCode> {
    let (mut effort, mut networks, mut wanted) = (Effort::FULL, None, Vec::new());
    let mut worlds = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // cargo says this to every benchmark.
            "--bench" => {}
            "--quick" => effort = Effort::QUICK,
            "--networks" => {
                networks = Some(PathBuf::from(arguments.next().context("--networks takes a file")?));
            }
            "--worlds" => {
                let number = arguments.next().context("--worlds takes a number")?;
                worlds = Some(number.parse().context("--worlds takes a number")?);
            }
            group if GROUPS.iter().any(|(name, _)| *name == group) => wanted.push(group.to_owned()),
            other => {
                bail!(
                    "{other} is none of --quick, --networks, --worlds, {}",
                    GROUPS.map(|(name, _)| name).join(", ")
                )
            }
        }
    }
    let bench = Bench {
        effort,
        progress: Progress::new(),
        scratch: TempDir::with_prefix_in("bench-", env!("CARGO_TARGET_TMPDIR"))?,
        runtime: tokio::runtime::Builder::new_multi_thread().enable_all().build()?,
        worlds: worlds.unwrap_or(effort.worlds).max(1),
        networks,
        has_worlds: Cell::new(false),
        remarks: RefCell::default(),
    };
    run(&bench, &wanted)
}

fn run(bench: &Bench, wanted: &[String]) -> Result<ExitCode> {
    let busy = report::load();
    let (mut rows, mut left_out, mut code) = (Vec::new(), Vec::new(), ExitCode::SUCCESS);
    for (name, measure) in GROUPS {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == name) {
            continue;
        }
        match measure(bench) {
            Ok(measured) => rows.extend(measured),
            Err(error) => {
                // A machine without a yardstick can still measure the rest.
                if !error.is::<tools::Missing>() {
                    code = ExitCode::FAILURE;
                }
                left_out.push(format!("not measured: {name}: {error:#}"));
            }
        }
    }
    bench.progress.clear();
    report::print(&rows);
    for line in bench.remarks.take().into_iter().chain(left_out) {
        println!("\n{line}");
    }
    report::print_machine(bench.scratch.path(), &busy)?;
    Ok(code)
}
