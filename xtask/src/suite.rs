//! Everything that CI runs, in one order, with a summary.

use crate::lint::{self, Linted};
use crate::packages::Installing;
use crate::project::Project;
use crate::steps::{elapsed, readable};
use crate::summary::{Counts, Outcome, Row, Summary};
use crate::{black_box, build, fuzz, spin, tidy, wit};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// The runtime, and every crate that goes with it. Cargo unifies the features of all that one
/// invocation builds: with the crates that are left out, Wasmtime and Cedar would be compiled once
/// more than the build compiles them, and so would most of ours with less than these. One profile for
/// everything serves the same end.
pub(crate) const MOST: &str = "--release --workspace --exclude vwp-auth --exclude vwp-dns";

/// The crates that ask the same libraries for more than the runtime does.
const OTHERS: &str = "--release -p vwp-auth -p vwp-dns";

/// Runs the steps. A step that fails does not keep the others from running, except those
/// that need what it was to build. Fails if any did.
pub(crate) fn run(project: &Project, quick: bool) -> Result<ExitCode> {
    build::ensure_target()?;
    build::ensure_linters(project)?;
    let linted = Linted::find(project)?;
    let mut packages = Installing::start();
    let mut suite = Suite { summary: Summary::default(), started: Instant::now() };
    suite.step("formatting", || run_command(project.cargo("fmt --all --check")));
    suite.step("tidy", || tidy::check(project));
    suite.step("wit drift", || wit::check(project));
    let built = suite.step("components", || build::components(project));
    suite.step("clippy, wasm", || lint::components(project, &linted));
    // The runtime among all, and the benchmarks, which are compiled and not run. The black-box tests follow while
    // others run, unless they are to be linted and nothing else.
    let left = if quick { "" } else { "--exclude vwp-tests" };
    let compiled = suite.step("clippy, native", || {
        run_command(linted.test(project, &format!("{MOST} {left} --all-targets --no-run")))
    });
    packages.wait();
    let ahead = Ahead::new(project, &linted, quick);
    let most = linted.test(project, &format!("{MOST} --exclude vwp-tests --no-fail-fast"));
    suite.measure("tests of most crates", || run_tests(most, Some(ahead)));
    suite.tests("tests of the others", linted.test(project, &format!("{OTHERS} --no-fail-fast")));
    if !quick {
        suite.step("fuzzing", || fuzz::run(project, None, &[]));
    }
    if quick {
        suite.skip("black-box tests", "left out by --quick");
    } else if built && compiled {
        suite.measure("black-box tests", || black_box::run(project, &linted));
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
    let linted = Linted::find(project)?;
    let mut suite = Suite { summary: Summary::default(), started: Instant::now() };
    if suite.step("build", || build::run(project, true)) {
        let mut tests = black_box::command(project, &linted, "spin", &black_box::PORTABLE);
        // The storage adapters by themselves as well, against their contract's suite, our template, and what Spin's
        // network and its lack of a timer have a part in.
        for name in ["portable", "template", "payments", "schedules", "webhooks"] {
            tests.args(["--test", name]);
        }
        tests.env(spin::VARIABLE, spin);
        suite.tests("black-box tests on Spin", tests);
    }
    print!("{}", suite.summary.render());
    Ok(if suite.summary.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is compiled while tests run that mostly wait: the tests after them.
struct Ahead(Vec<Command>);

impl Ahead {
    fn new(project: &Project, linted: &Linted, quick: bool) -> Self {
        let others = linted.test(project, &format!("{OTHERS} --no-run"));
        let black_box = (!quick).then(|| linted.test(project, &format!("{MOST} --no-run")));
        Self(std::iter::once(others).chain(black_box).collect())
    }

    fn compile(self) {
        for mut command in self.0 {
            // What does not compile is told when it is run.
            let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
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
        self.measure(name, || run_tests(command, None));
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

fn run_command(mut command: Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("`{}` failed", readable(&command));
    }
    Ok(())
}

/// Runs `cargo test`, passing on what it prints, and adds up its results. From when the first test runs others are
/// compiled ahead: sooner, cargo would have the tests wait until that is done.
fn run_tests(mut command: Command, mut ahead: Option<Ahead>) -> Result<Counts> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let stdout = child.stdout.take().context("the output was not captured")?;
    let mut counts = Counts::default();
    let mut compiling = None;
    for line in BufReader::new(stdout).split(b'\n') {
        if let Some(ahead) = ahead.take() {
            compiling = Some(std::thread::spawn(|| ahead.compile()));
        }
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        counts.learn(&line);
    }
    if !child.wait()?.success() {
        counts.explain_failure(&readable(&command));
    }
    if let Some(compiling) = compiling {
        // Of a thread that fails the rest is compiled when it is run.
        let _ = compiling.join();
    }
    Ok(counts)
}
