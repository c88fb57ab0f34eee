//! The same component in `vwp up` and in other hosts: each in a process of its own, all in
//! turns. The others are those whose programs the environment names, `SPIN` and
//! `WASMTIME`; without any, ours is measured alone.

use crate::guests::{self, Profile};
use crate::measure::Figures;
use crate::process::Process;
use crate::report::Row;
use crate::{Bench, tools};
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The most memory that ours may occupy after the load, in megabytes: 64 MiB.
const RESIDENT_MB_MAX: f64 = 67.1;
/// The slowest that 99 of 100 answers of ours may be, in milliseconds.
const P99_MS_MAX: f64 = 5.0;

/// An application that every host can run.
struct Workload {
    /// What the table calls it.
    name: &'static str,
    /// The guest of `benches/guests`.
    guest: &'static str,
    /// What stands in the manifest about its component besides the source.
    grants: &'static str,
    /// Whether `wasmtime serve` offers what it imports.
    is_plain: bool,
}

const WORKLOADS: [Workload; 2] = [
    Workload { name: "hello", guest: "hello", grants: "", is_plain: true },
    Workload {
        name: "kv get",
        guest: "kv-get",
        grants: "key_value_stores = [\"default\"]\n",
        is_plain: false,
    },
];

/// A program that serves applications.
struct Host {
    name: &'static str,
    program: PathBuf,
    /// Its command line for an application in a folder.
    serve: fn(&mut Command, &Path, SocketAddr),
    /// Whether it offers more than WASI.
    has_key_value: bool,
    /// How much more than it ours shall answer.
    ratio_min: f64,
}

/// Ours, and those that are named.
fn hosts() -> Vec<Host> {
    let named =
        |variable: &str| std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
    let ours = Host {
        name: "vwp up",
        program: env!("CARGO_BIN_EXE_vwp").into(),
        serve: |command, folder, address| {
            command.args(["up", "--quiet", "--dns-listen", "127.0.0.1:0", "--listen", &address.to_string()]);
            command.arg("-f").arg(folder).arg("--state-dir").arg(folder.join("vwp"));
        },
        has_key_value: true,
        ratio_min: 1.0,
    };
    let spin = named("SPIN").map(|program| Host {
        name: "Spin",
        program,
        serve: |command, folder, address| {
            command.args(["up", "--quiet", "--listen", &address.to_string()]);
            command.arg("-f").arg(folder).arg("--state-dir").arg(folder.join("spin"));
        },
        has_key_value: true,
        ratio_min: 4.0,
    });
    let wasmtime = named("WASMTIME").map(|program| Host {
        name: "wasmtime serve",
        program,
        serve: |command, folder, address| {
            command.args(["serve", "-Scli,p3", "-Wcomponent-model-async", "--addr", &address.to_string()]);
            command.arg(folder.join("guest.wasm"));
        },
        has_key_value: false,
        ratio_min: 2.0,
    });
    std::iter::once(ours).chain(spin).chain(wasmtime).collect()
}

/// What was measured of one host.
struct Side<'a> {
    host: &'a Host,
    address: SocketAddr,
    process: Process,
    per_second: Figures,
    p99_ms: Figures,
    cpu_us: Figures,
    resident_mb: Figures,
}

/// Every workload on every host that can run it.
pub(crate) fn rows(bench: &Bench) -> Result<Vec<Row>> {
    tools::need("wrk", "wrk")?;
    let hosts = hosts();
    let mut rows = Vec::new();
    for workload in &WORKLOADS {
        let folder = application(bench, workload)?;
        let able = hosts.iter().filter(|host| workload.is_plain || host.has_key_value);
        let mut sides = able.map(|host| start(bench, host, &folder)).collect::<Result<Vec<_>>>()?;
        for round in 1..=bench.effort.rounds {
            for side in &mut sides {
                let text = format!(
                    "{}, {}, round {round} of {}",
                    workload.name, side.host.name, bench.effort.rounds
                );
                bench.progress.say(&text);
                side.measure(bench)?;
            }
        }
        rows.extend(compare(workload, &sides));
    }
    Ok(rows)
}

/// Writes an application that every host can run; its folder.
fn application(bench: &Bench, workload: &Workload) -> Result<PathBuf> {
    bench.progress.say(&format!("building the guest of {}", workload.name));
    let folder = bench.scratch.path().join(workload.guest);
    std::fs::create_dir_all(&folder)?;
    // Not wide: that would be another component than the other hosts can run.
    std::fs::write(folder.join("guest.wasm"), guests::build(workload.guest, Profile::Baseline)?)?;
    let manifest = format!(
        "spin_manifest_version = 2\n[application]\nname = \"bench\"\nversion = \"0.1.0\"\n\
         [[trigger.http]]\nroute = \"/...\"\ncomponent = \"guest\"\n\
         [component.guest]\nsource = \"guest.wasm\"\n{}",
        workload.grants
    );
    std::fs::write(folder.join("spin.toml"), manifest)?;
    Ok(folder)
}

fn start<'a>(bench: &Bench, host: &'a Host, folder: &Path) -> Result<Side<'a>> {
    bench.progress.say(&format!("starting {}", host.name));
    let address = tools::free_port()?;
    let mut command = Command::new(&host.program);
    (host.serve)(&mut command, folder, address);
    let log = folder.join(format!("{}.log", host.name));
    let process =
        Process::start(command, address, &log).with_context(|| format!("{} does not serve", host.name))?;
    let figures = Figures::default;
    Ok(Side {
        host,
        address,
        process,
        per_second: figures(),
        p99_ms: figures(),
        cpu_us: figures(),
        resident_mb: figures(),
    })
}

impl Side<'_> {
    fn measure(&mut self, bench: &Bench) -> Result<()> {
        let before = self.process.cpu_seconds()?;
        let load = tools::wrk(&format!("http://{}/", self.address), bench.effort.turn, None)?;
        let spent = self.process.cpu_seconds()? - before;
        self.per_second.push(load.per_second);
        self.p99_ms.push(load.p99_ms);
        self.cpu_us.push(spent * 1e6 / load.requests);
        self.resident_mb.push(self.process.resident_mb()?);
        Ok(())
    }
}

/// Ours, the first, beside each of the others.
fn compare(workload: &Workload, sides: &[Side<'_>]) -> Vec<Row> {
    let Some((ours, others)) = sides.split_first() else {
        return Vec::new();
    };
    let name = |what: &str| format!("{}, {}{what}", workload.name, ours.host.name);
    let mut rows = Vec::new();
    for other in others {
        let yardstick = (other.host.name, &other.per_second);
        let ratio_min = Some(other.host.ratio_min);
        rows.push(Row::rate(name(""), "requests", &ours.per_second, yardstick, ratio_min));
    }
    if others.is_empty() {
        rows.push(Row::quantity(name(""), "requests/s", &ours.per_second, None, None));
    }
    let mut quantity = |what: &str, unit, figures: for<'s> fn(&'s Side<'_>) -> &'s Figures, max| {
        let theirs = others.first().map(|other| (other.host.name, figures(other)));
        rows.push(Row::quantity(name(what), unit, figures(ours), theirs, max));
    };
    quantity(", 99 of 100 within", "ms", |side| &side.p99_ms, Some(P99_MS_MAX));
    quantity(", processor time of a request", "us", |side| &side.cpu_us, None);
    quantity(", resident after it", "MB", |side| &side.resident_mb, Some(RESIDENT_MB_MAX));
    rows
}
