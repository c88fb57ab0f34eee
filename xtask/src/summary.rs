//! The table at the end of a test run.

use crate::steps::elapsed;
use std::fmt;
use std::fmt::Write;
use std::time::Duration;

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As it should be.
    Passed,
    /// Not as it should be.
    Failed,
    /// Not run.
    Skipped,
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        })
    }
}

/// Tests, as cargo counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// How many passed.
    pub(crate) passed: u64,
    /// How many failed.
    pub(crate) failed: u64,
}

impl Counts {
    /// Adds what a line of `cargo test` says, if it is a line of results.
    pub(crate) fn learn(&mut self, line: &str) {
        let Some((_, results)) = line.split_once("test result: ") else {
            return;
        };
        // "ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s"
        for part in results.split(['.', ';']) {
            let mut words = part.split_whitespace();
            let number = words.next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
            match words.next() {
                Some("passed") => self.passed += number,
                Some("failed") => self.failed += number,
                _ => {}
            }
        }
    }

    /// Adds a failure if a command failed of which no test did: one did not compile, or its process died.
    pub(crate) fn explain_failure(&mut self, command: &str) {
        if self.failed == 0 {
            self.failed = 1;
            eprintln!("`{command}` failed without saying which test; it counts as one");
        }
    }

    /// Adds those of another run.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// One step of the run.
pub(crate) struct Row {
    /// What it is called.
    pub(crate) name: &'static str,
    /// What became of it.
    pub(crate) outcome: Outcome,
    /// How long it took, if it ran.
    pub(crate) took: Option<Duration>,
    /// The tests in it.
    pub(crate) counts: Counts,
}

/// Every step of the run.
#[derive(Default)]
pub(crate) struct Summary {
    rows: Vec<Row>,
}

impl Summary {
    /// Adds a step.
    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Whether no step failed.
    pub(crate) fn is_ok(&self) -> bool {
        self.rows.iter().all(|row| row.outcome != Outcome::Failed)
    }

    /// The table, and a last line that counts: tests where a step runs tests, and every
    /// other step as one check.
    pub(crate) fn render(&self) -> String {
        let mut text = String::from("\nstep                      outcome        took    tests\n");
        let mut total = Counts::default();
        for row in &self.rows {
            let took = row.took.map(elapsed).unwrap_or_default();
            let tests = row.counts.passed + row.counts.failed;
            let tests = if tests == 0 { String::new() } else { tests.to_string() };
            let (name, outcome) = (row.name, row.outcome.to_string());
            let line = format!("{name:<25} {outcome:<8} {took:>11} {tests:>8}");
            let _ = writeln!(text, "{}", line.trim_end());
            total.add(row.counts);
            if row.counts == Counts::default() {
                total.passed += u64::from(row.outcome == Outcome::Passed);
                total.failed += u64::from(row.outcome == Outcome::Failed);
            }
        }
        let _ = writeln!(text, "\n{} passed, {} failed", total.passed, total.failed);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &'static str, outcome: Outcome, passed: u64, failed: u64) -> Row {
        Row { name, outcome, took: Some(Duration::from_secs(2)), counts: Counts { passed, failed } }
    }

    #[test]
    fn results_of_several_test_binaries_add_up() {
        let mut counts = Counts::default();
        counts.learn(
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.10s",
        );
        counts.learn("test a_world_is_found ... ok");
        counts.learn("test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out");
        assert_eq!(counts, Counts { passed: 16, failed: 2 });
    }

    #[test]
    fn the_last_line_counts_tests_and_failed_checks() {
        let mut summary = Summary::default();
        summary.add(row("tidy", Outcome::Failed, 0, 0));
        summary.add(row("unit and property tests", Outcome::Passed, 10, 0));
        assert!(!summary.is_ok());
        assert_eq!(summary.render().lines().last(), Some("10 passed, 1 failed"));
    }

    #[test]
    fn a_step_that_was_skipped_is_no_failure() {
        let mut summary = Summary::default();
        summary.add(row("tidy", Outcome::Passed, 0, 0));
        summary.add(row("black-box tests", Outcome::Skipped, 0, 0));
        assert!(summary.is_ok());
        assert_eq!(summary.render().lines().last(), Some("1 passed, 0 failed"));
    }
}
