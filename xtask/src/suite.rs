//! Everything that CI runs, in one order, with a summary.

use crate::build::{self, EXAMPLES, HANDLERS, MIDDLEWARE, OPENAPI, POLICY, STRIPE, VERIFIER, WITHOUT_STD};
use crate::fuzz;
use crate::packages::Installing;
use crate::portable::ADAPTERS;
use crate::project::Project;
use crate::spin;
use crate::steps::{elapsed, readable};
use crate::summary::{Counts, Outcome, Row, Summary};
use crate::{tidy, wit};
use anyhow::{Context, Result, bail};
use std::fs::DirEntry;
use std::io::{BufRead, BufReader, Write};
use std::num::NonZero;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// The runtime, and every crate that goes with it. Cargo unifies the features of all that one
/// invocation builds: with the crates that are left out, Wasmtime and Cedar would be compiled once
/// more than the build compiles them, and so would most of ours with less than these. One profile for
/// everything serves the same end.
const MOST: &str = "--release --workspace --exclude vwp-auth --exclude vwp-dns";

/// The crates that ask the same libraries for more than the runtime does.
const OTHERS: &str = "--release -p vwp-auth -p vwp-dns";

/// Where the black-box suites are, each a file or a folder. No other package has suites of these names.
const SUITES: &str = "tests/tests";

/// The suites that any host of the application must pass. The others are about ours, or about what no host has a
/// part in: what the API looks like, and what policies mean.
const PORTABLE: [&str; 10] = [
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

/// Runs the steps. A step that fails does not keep the others from running, except those
/// that need what it was to build. Fails if any did.
pub(crate) fn run(project: &Project, quick: bool) -> Result<ExitCode> {
    build::ensure_target()?;
    build::ensure_linters(project)?;
    let mut packages = Installing::start();
    let mut suite = Suite { summary: Summary::default(), started: Instant::now() };
    suite.step("formatting", || run_command(project.cargo("fmt --all --check")));
    suite.step("tidy", || tidy::check(project));
    suite.step("wit drift", || wit::check(project));
    suite.step("clippy, native", || clippy_native(project));
    suite.step("clippy, wasm", || clippy_wasm(project));
    let built = suite.step("build", || build::run(project, true));
    packages.wait();
    let ahead = Ahead::compile(project, quick);
    suite.tests(
        "tests of most crates",
        project.cargo(&format!("test {MOST} --exclude vwp-tests --no-fail-fast")),
    );
    ahead.wait();
    suite.tests("tests of the others", project.cargo(&format!("test {OTHERS} --no-fail-fast")));
    if !quick {
        suite.step("fuzzing", || fuzz::run(project, None, &[]));
    }
    if quick {
        suite.skip("black-box tests", "left out by --quick");
    } else if built {
        suite.measure("black-box tests", || run_tests(black_box(project, "vwp", &suites(project)?)));
        suite.tests("black-box tests, as Spin would run it", black_box(project, "portable", &PORTABLE));
    } else {
        suite.skip("black-box tests", "there is nothing to test, because the build failed");
    }
    print!("{}", suite.summary.render());
    let ok = suite.summary.is_ok();
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Builds, and runs the black-box tests on the Spin that the environment names.
pub(crate) fn run_on_spin(project: &Project) -> Result<ExitCode> {
    let spin = spin::locate()?;
    build::ensure_target()?;
    let mut suite = Suite { summary: Summary::default(), started: Instant::now() };
    if suite.step("build", || build::run(project, true)) {
        let mut tests = black_box(project, "spin", &PORTABLE);
        // The storage adapters by themselves as well, against their contract's suite, and our template.
        tests.args(["--test", "portable", "--test", "template"]).env(spin::VARIABLE, spin);
        suite.tests("black-box tests on Spin", tests);
    }
    print!("{}", suite.summary.render());
    Ok(if suite.summary.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The names of all black-box suites.
fn suites(project: &Project) -> Result<Vec<String>> {
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

/// Suites that know a deployment only from outside, with the deployment on this host. They are chosen
/// by name and not by package, so that what they link is what the other tests have linked.
fn black_box(project: &Project, host: &str, suites: &[impl AsRef<str>]) -> Command {
    let mut command = project.cargo(&format!("test {MOST} --no-fail-fast"));
    for suite in suites {
        command.args(["--test", suite.as_ref()]);
    }
    command.env("VWP_HOST", host);
    // They wait for servers as much as they compute.
    if std::env::var_os("RUST_TEST_THREADS").is_none() {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        command.env("RUST_TEST_THREADS", (2 * cores).to_string());
    }
    command
}

/// What is compiled while tests run that mostly wait: the tests after them. Cargo sees to it that of two who
/// compile into one folder one waits.
struct Ahead(std::thread::JoinHandle<()>);

impl Ahead {
    fn compile(project: &Project, quick: bool) -> Self {
        let others = project.cargo(&format!("test {OTHERS} --no-run"));
        let black_box = (!quick).then(|| project.cargo(&format!("test {MOST} --no-run")));
        Self(std::thread::spawn(|| {
            for mut command in std::iter::once(others).chain(black_box) {
                // What does not compile is told when it is run.
                let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
            }
        }))
    }

    fn wait(self) {
        // A thread that fails has compiled less, and what is missing is compiled when it is run.
        let _ = self.0.join();
    }
}

struct Suite {
    summary: Summary,
    started: Instant,
}

impl Suite {
    /// Runs one step and says whether it passed.
    fn step(&mut self, name: &'static str, work: impl FnOnce() -> Result<()>) -> bool {
        self.measure(name, || work().map(|()| Counts::default()))
    }

    /// Runs one step that is a run of `cargo test`, and counts its tests.
    fn tests(&mut self, name: &'static str, command: Command) {
        self.measure(name, || run_tests(command));
    }

    fn skip(&mut self, name: &'static str, why: &str) {
        println!("\n== {name}: {why} ==");
        self.summary.add(Row { name, outcome: Outcome::Skipped, took: None, counts: Counts::default() });
    }

    fn measure(&mut self, name: &'static str, work: impl FnOnce() -> Result<Counts>) -> bool {
        println!("\n== {name} ({} so far) ==", elapsed(self.started.elapsed()));
        // What a command writes to standard error must not overtake the heading.
        let _ = std::io::stdout().flush();
        let started = Instant::now();
        let (outcome, counts) = match work() {
            Ok(counts) if counts.failed == 0 => (Outcome::Passed, counts),
            Ok(counts) => (Outcome::Failed, counts),
            Err(error) => {
                eprintln!("{name} failed: {error:#}");
                (Outcome::Failed, Counts::default())
            }
        };
        let took = started.elapsed();
        println!("== {name} {outcome} in {} ==", elapsed(took));
        self.summary.add(Row { name, outcome, took: Some(took), counts });
        outcome == Outcome::Passed
    }
}

/// Whether a lint applies does not depend on the features of libraries, so everything is looked at in
/// one go here, and nearly everything for WebAssembly.
fn clippy_native(project: &Project) -> Result<()> {
    run_command(project.cargo("clippy --release --workspace --all-targets -- -D warnings"))
}

fn clippy_wasm(project: &Project) -> Result<()> {
    let clippy = |packages: &[&str]| {
        let mut command = project.cargo("clippy --release --target wasm32-wasip2");
        for package in packages {
            command.args(["-p", package]);
        }
        command.args(["--", "-D", "warnings"]);
        run_command(command)
    };
    let one_by_one =
        [POLICY, OPENAPI, STRIPE, VERIFIER, "vwp-guest", "vwp-middleware", "vwp-storage-adapter"];
    clippy(&[HANDLERS, MIDDLEWARE, ADAPTERS, &EXAMPLES, &one_by_one].concat())?;
    // Without std, which the others' features would bring in.
    clippy(WITHOUT_STD)
}

fn run_command(mut command: Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("`{}` failed", readable(&command));
    }
    Ok(())
}

/// Runs `cargo test`, passing on what it prints, and adds up its results.
fn run_tests(mut command: Command) -> Result<Counts> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let stdout = child.stdout.take().context("the output was not captured")?;
    let mut counts = Counts::default();
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        counts.learn(&line);
    }
    // Where no test failed and cargo did, a test did not compile, or its process died.
    if !child.wait()?.success() && counts.failed == 0 {
        counts.failed = 1;
        eprintln!("`{}` failed without saying which test; it counts as one", readable(&command));
    }
    Ok(counts)
}
