//! DNS: a `vwp up` with many worlds beside NSD and Knot with the same zone.

mod load;
mod peers;

use crate::measure::Figures;
use crate::port::Port;
use crate::report::Row;
use crate::{Bench, guests, tools};
use anyhow::{Context, Result};
use peers::Peer;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How many worlds there are.
const WORLDS: usize = 10_000;
/// How many registrations are timed until they are answered over UDP.
const VISIBLE: usize = 300;
/// What an answer from the cache may take of a core, in microseconds.
const CACHED_US_MAX: f64 = 10.0;
/// What an answer through the component may take of a core, in microseconds: 25,000 a second.
const COMPONENT_US_MAX: f64 = 40.0;
/// What a registration may take until it is answered over UDP, in milliseconds.
const VISIBLE_MS_MAX: f64 = 200.0;

/// Registers worlds, then asks for them.
pub(crate) fn rows(bench: &Bench) -> Result<Vec<Row>> {
    tools::need("dnsperf", "dnsperf")?;
    tools::need("nsd", "nsd")?;
    tools::need("knotd", "knot")?;
    let folder = bench.scratch.path().join("dns");
    let state = folder.join("state");
    std::fs::create_dir_all(&folder)?;
    let port = Port::start(&state)?;
    bench.progress.say(&format!("registering {WORLDS} worlds"));
    let registered = load::register(&port, WORLDS)?;
    bench.progress.say("registering worlds until they are answered");
    let visible = load::visible_ms(&port, VISIBLE)?;
    let mut rows = registration_rows(&registered, &visible);
    bench.progress.say("copying the zone to NSD and Knot");
    let zone = port.zone()?;
    let questions = questions(&zone, &registered.names, &folder)?;
    export(&port, &folder.join("zone"))?;
    let peers = [peers::nsd(&zone, &folder)?, peers::knot(&zone, &folder)?];
    rows.extend(answer_rows(bench, "DNS, cached", &port, &peers, &questions, CACHED_US_MAX)?);
    port.stop()?;
    let uncached = Port::start_from(&without_cache(&folder)?, &state)?;
    rows.extend(answer_rows(bench, "DNS, component", &uncached, &peers, &questions, COMPONENT_US_MAX)?);
    uncached.stop()?;
    Ok(rows)
}

fn registration_rows(registered: &load::Registered, visible: &Figures) -> Vec<Row> {
    let mut per_core = Figures::default();
    per_core.push(1e6 / registered.cpu_us.median());
    vec![
        Row::alone("registrations, signed", "worlds/s", &registered.per_second),
        Row::alone("registrations per second of a core", "worlds", &per_core),
        Row::alone("store on disk, a world", "bytes", &registered.stored_bytes),
        Row::quantity(
            "registration to answer over UDP, 99 of 100 within",
            "ms",
            visible,
            None,
            Some(VISIBLE_MS_MAX),
        ),
    ]
}

/// The same questions to all, in turns.
fn answer_rows(
    bench: &Bench,
    what: &str,
    port: &Port,
    peers: &[Peer],
    questions: &Path,
    cpu_us_max: f64,
) -> Result<Vec<Row>> {
    let mut sides = vec![Side::new("vwp up", port.dns, || port.cpu_seconds())];
    sides.extend(peers.iter().map(|peer| Side::new(peer.name, peer.address, || peer.process.cpu_seconds())));
    for round in 1..=bench.effort.rounds {
        for side in &mut sides {
            bench.progress.say(&format!("{what}, {}, round {round} of {}", side.name, bench.effort.rounds));
            side.measure(questions, bench.effort.turn)?;
        }
    }
    let (ours, theirs) = sides.split_first().context("nobody was measured")?;
    let mut rows = Vec::new();
    for side in theirs {
        rows.push(Row::rate(
            format!("{what}, {WORLDS} worlds"),
            "answers",
            &ours.per_second,
            (side.name, &side.per_second),
            None,
        ));
        rows.push(Row::quantity(
            format!("{what}, processor time of a query"),
            "us",
            &ours.cpu_us,
            Some((side.name, &side.cpu_us)),
            Some(cpu_us_max),
        ));
    }
    Ok(rows)
}

struct Side<'a> {
    name: &'static str,
    address: SocketAddr,
    cpu_seconds: Box<dyn Fn() -> Result<f64> + 'a>,
    per_second: Figures,
    cpu_us: Figures,
}

impl<'a> Side<'a> {
    fn new(name: &'static str, address: SocketAddr, cpu_seconds: impl Fn() -> Result<f64> + 'a) -> Self {
        let (per_second, cpu_us) = (Figures::default(), Figures::default());
        Self { name, address, cpu_seconds: Box::new(cpu_seconds), per_second, cpu_us }
    }

    fn measure(&mut self, questions: &Path, turn: Duration) -> Result<()> {
        let before = (self.cpu_seconds)()?;
        let load = tools::dnsperf(self.address, questions, turn)?;
        self.per_second.push(load.per_second);
        self.cpu_us.push(((self.cpu_seconds)()? - before) * 1e6 / load.answers);
        Ok(())
    }
}

/// One SVCB, one SRV and one TXT question a world.
fn questions(zone: &str, worlds: &[String], folder: &Path) -> Result<PathBuf> {
    let mut text = String::new();
    for world in worlds {
        // By number, because not every dnsperf knows SVCB by name.
        for (owner, rtype) in [("_vw", "TYPE64"), ("_vw._tcp", "SRV"), ("_vw", "TXT")] {
            writeln!(text, "{owner}.{world}.{zone} {rtype}")?;
        }
    }
    let file = folder.join("questions");
    std::fs::write(&file, text)?;
    Ok(file)
}

/// The zone as a master file.
fn export(port: &Port, file: &Path) -> Result<()> {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_vwp"));
    command.args(["zone", "export", "--url", &format!("http://{}", port.http)]).arg(file);
    tools::output(command.env("VWP_ADMIN_TOKEN", port.admin_token()?))?;
    Ok(())
}

/// A manifest of the same application whose host keeps no answers.
fn without_cache(folder: &Path) -> Result<PathBuf> {
    let project = guests::project();
    let manifest = std::fs::read_to_string(project.join("spin.toml"))?;
    let table = "[application.tool.vwp.dns]\ncache_bytes_max = 0\n\n[variables]\n";
    let manifest = manifest.replacen("[variables]\n", table, 1);
    let built = format!("\"{}/target/", project.display());
    let file = folder.join("spin.toml");
    std::fs::write(&file, manifest.replace("\"target/", &built))?;
    Ok(file)
}
