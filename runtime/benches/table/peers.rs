//! The same component in `vwp up` and in other hosts: each in a process of its own, all in
//! turns. The others are those whose programs the environment names, `SPIN` and
//! `WASMTIME`; without any, ours is measured alone.

use crate::guests::{self, Profile};
use crate::measure::Figures;
use crate::process::Process;
use crate::registry::Registry;
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

/// An application, and what it is asked.
struct Workload {
    /// What the table calls it.
    name: &'static str,
    application: Application,
    /// Whether `wasmtime serve` offers what it imports.
    is_plain: bool,
}

enum Application {
    /// A guest of `benches/guests`, and what stands in the manifest about its component
    /// besides the source.
    Guest { guest: &'static str, grants: &'static str },
    /// The port itself, which is asked for its worlds. Each host keeps the state where it
    /// can: ours in its own store, Spin in SQLite.
    Port,
}

const WORKLOADS: [Workload; 3] = [
    Workload {
        name: "hello",
        application: Application::Guest { guest: "hello", grants: "" },
        is_plain: true,
    },
    Workload {
        name: "kv get",
        application: Application::Guest { guest: "kv-get", grants: "key_value_stores = [\"default\"]\n" },
        is_plain: false,
    },
    Workload { name: "world lookup", application: Application::Port, is_plain: false },
];

/// A served application's folder, where its state goes, and where it answers.
struct Place {
    folder: PathBuf,
    state: PathBuf,
    address: SocketAddr,
}

/// A program that serves applications.
struct Host {
    name: &'static str,
    program: PathBuf,
    /// Its command line for an application in a folder.
    serve: fn(&mut Command, &Place),
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
        serve: |command, place| {
            command.args(["up", "--quiet", "--dns-listen", "127.0.0.1:0"]);
            command.args(["--listen", &place.address.to_string()]);
            command.arg("-f").arg(&place.folder).arg("--state-dir").arg(place.state.join("vwp"));
        },
        has_key_value: true,
        ratio_min: 1.0,
    };
    let spin = named("SPIN").map(|program| Host {
        name: "Spin",
        program,
        serve: |command, place| {
            command.args(["up", "--quiet", "--listen", &place.address.to_string()]);
            command.arg("-f").arg(&place.folder).arg("--state-dir").arg(place.state.join("spin"));
        },
        has_key_value: true,
        ratio_min: 4.0,
    });
    let wasmtime = named("WASMTIME").map(|program| Host {
        name: "wasmtime serve",
        program,
        serve: |command, place| {
            command.args(["serve", "-Scli,p3", "-Wcomponent-model-async"]);
            command.args(["--addr", &place.address.to_string()]).arg(place.folder.join("guest.wasm"));
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
    /// What `wrk` asks, if it is not just the root.
    script: Option<PathBuf>,
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
        let folder = folder(bench, workload)?;
        let able = hosts.iter().filter(|host| workload.is_plain || host.has_key_value);
        let mut sides = able.map(|host| start(bench, host, workload, &folder)).collect::<Result<Vec<_>>>()?;
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

/// The folder of an application that every host can run.
fn folder(bench: &Bench, workload: &Workload) -> Result<PathBuf> {
    let Application::Guest { guest, grants } = workload.application else {
        return Ok(guests::project().to_owned());
    };
    bench.progress.say(&format!("building the guest of {}", workload.name));
    let folder = bench.scratch.path().join(guest);
    std::fs::create_dir_all(&folder)?;
    // Not wide: that would be another component than the other hosts can run.
    std::fs::write(folder.join("guest.wasm"), guests::build(guest, Profile::Baseline)?)?;
    let manifest = format!(
        "spin_manifest_version = 2\n[application]\nname = \"bench\"\nversion = \"0.1.0\"\n\
         [[trigger.http]]\nroute = \"/...\"\ncomponent = \"guest\"\n\
         [component.guest]\nsource = \"guest.wasm\"\n{grants}"
    );
    std::fs::write(folder.join("spin.toml"), manifest)?;
    Ok(folder)
}

fn start<'a>(bench: &Bench, host: &'a Host, workload: &Workload, folder: &Path) -> Result<Side<'a>> {
    bench.progress.say(&format!("starting {}", host.name));
    let address = tools::free_port()?;
    let state = bench.scratch.path().join(format!("{} on {}", workload.name, host.name));
    std::fs::create_dir_all(&state)?;
    let place = Place { folder: folder.to_owned(), state, address };
    let mut command = Command::new(&host.program);
    (host.serve)(&mut command, &place);
    let is_port = matches!(workload.application, Application::Port);
    if is_port {
        // Thrown away with the scratch folder, so they need not be secret.
        let given = ["master_key", "admin_token"].map(|name| format!("{name}={}", "A".repeat(43)));
        for variable in given.into_iter().chain([format!("issuer=http://{address}")]) {
            command.args(["--variable", &variable]);
        }
    }
    let process = Process::start(command, address, &place.state.join("log"))
        .with_context(|| format!("{} does not serve", host.name))?;
    let script = if is_port {
        let registry = Registry { http: address };
        registry.import(&place.state, bench.networks.as_deref())?;
        Some(registry.script(&place.state)?)
    } else {
        None
    };
    let figures = Figures::default;
    Ok(Side {
        host,
        address,
        script,
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
        let load =
            tools::wrk(&format!("http://{}/", self.address), bench.effort.turn, self.script.as_deref())?;
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
