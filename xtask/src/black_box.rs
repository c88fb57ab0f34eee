//! The black-box suites: they know a deployment only from outside.

use crate::lint::Linted;
use crate::project::Project;
use crate::steps::{elapsed, readable};
use crate::suite::MOST;
use crate::summary::Counts;
use anyhow::{Context, Result};
use std::fs::{DirEntry, File};
use std::io::Write;
use std::num::NonZero;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

/// Where they are, each a file or a folder. No other package has suites of these names.
const SUITES: &str = "tests/tests";

/// The suites that any host of the application must pass. The others are about ours, or about what no host has a
/// part in: what the API looks like, and what policies mean.
pub(crate) const PORTABLE: [&str; 10] = [
    "bad_input",
    "callers",
    "cli",
    "clients",
    "escrows",
    "exchange",
    "journey",
    "kill_loop",
    "linearizability",
    "readme",
];

/// How many run beside each other: they wait for servers, and for time to pass, as much as they compute.
const BESIDE: usize = 2;
/// Of how many suites one run of cargo is told: it looks each time whether all is compiled, and who has few left
/// ends soon.
const SUITES_A_RUN: usize = 7;

/// Runs suites with the deployment on this host. They are chosen by name and not by package, so that what they
/// link is what the other tests have linked.
pub(crate) fn command(project: &Project, linted: &Linted, host: &str, suites: &[impl AsRef<str>]) -> Command {
    let mut command = linted.test(project, &format!("{MOST} --no-fail-fast"));
    for suite in suites {
        command.args(["--test", suite.as_ref()]);
    }
    command.env("VWP_HOST", host);
    if std::env::var_os("RUST_TEST_THREADS").is_none() {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        command.env("RUST_TEST_THREADS", (2 * cores).to_string());
    }
    command
}

/// Runs all suites on our host, and those that any host must pass as Spin would run it: some beside each
/// other. What a run prints is shown when it has ended.
pub(crate) fn run(project: &Project, linted: &Linted) -> Result<Counts> {
    let names = names(project)?;
    let ours = names.chunks(SUITES_A_RUN).map(|suites| command(project, linted, "vwp", suites));
    let runs: Vec<Command> = ours.chain([command(project, linted, "portable", &PORTABLE)]).collect();
    let count = runs.len();
    let waiting = Mutex::new(runs.into_iter().enumerate());
    let logs = project.target().join("black-box");
    std::fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
    let lane = || -> Result<Counts> {
        let mut counts = Counts::default();
        loop {
            let next = waiting.lock().map_or(None, |mut waiting| waiting.next());
            let Some((index, command)) = next else { return Ok(counts) };
            counts.add(run_one(command, &logs.join(format!("{index}.log")), count)?);
        }
    };
    thread::scope(|scope| {
        let lanes: Vec<_> = (0..BESIDE).map(|_| scope.spawn(lane)).collect();
        lanes.into_iter().try_fold(Counts::default(), |mut counts, lane| {
            counts.add(lane.join().map_err(|_| anyhow::anyhow!("a run of suites panicked"))??);
            Ok(counts)
        })
    })
}

fn run_one(mut command: Command, log: &Path, count: usize) -> Result<Counts> {
    let started = Instant::now();
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let status = command.stdout(file.try_clone()?).stderr(file).status().context("cannot start cargo")?;
    let printed = std::fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
    let printed = String::from_utf8_lossy(&printed);
    let mut counts = Counts::default();
    printed.lines().for_each(|line| counts.learn(line));
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{printed}-- one of {count} runs of suites, in {} --\n", elapsed(started.elapsed()))?;
    if !status.success() {
        counts.explain_failure(&readable(&command));
    }
    Ok(counts)
}

/// The names of all suites.
fn names(project: &Project) -> Result<Vec<String>> {
    let folder = project.root.join(SUITES);
    let entries =
        std::fs::read_dir(&folder).with_context(|| format!("{} is unreadable", folder.display()))?;
    let name = |entry: std::io::Result<DirEntry>| {
        Ok(entry?.path().file_stem().unwrap_or_default().to_string_lossy().into_owned())
    };
    let mut names = entries.map(name).collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}
