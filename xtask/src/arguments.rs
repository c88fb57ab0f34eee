//! The command line, parsed by hand: xtask is compiled before anything else, so a
//! parser's dependencies would be the first thing that a newcomer waits for.

use anyhow::{Result, bail};

/// What `cargo xtask` says about itself.
pub(crate) const HELP: &str = "\
cargo xtask <command>

  build [--baseline]           builds the components and the runtime; --baseline leaves out the components
                               that only our runtime can run
  build --storage              builds only what Spin's storage is made of
  build --auth                 builds only auth, with the password hasher in it
  build --policy               builds only what decides by policies
  up [DIR] [-- ARGS]           builds, then serves with the state in DIR (default ./data);
                               ARGS go to `vwp up`
  test [--quick]               runs everything that CI runs; --quick leaves out the black-box tests
  test --spin                  runs the black-box tests on the Spin that the variable SPIN names
  bench [--spin] [-- ARGS]     builds, then measures; ARGS go to the benchmark; --spin measures the
                               Spin that the variable SPIN names beside ours
  fuzz [TARGET] [-- ARGS]      fuzzes what reads bytes from outside, each target for a while; ARGS go to libFuzzer
  image DIR                    after a build: lays out in DIR what a container needs, linked statically
  wit [--check]                vendors wit/deps; --check only says what has drifted
  manifests                    writes infra/spin/postgres.toml, which follows from spin.toml
  tidy                         checks the rules that no other tool checks
";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Print [`HELP`].
    Help,
    /// Build the components, and the runtime.
    Build {
        /// With the components that only our runtime can run.
        is_wide: bool,
    },
    /// Build the storage adapters, with the ledger composed in.
    BuildStorage,
    /// Build auth, with the password hasher composed in.
    BuildAuth,
    /// Build the component that decides.
    BuildPolicy,
    /// Build and serve.
    Up {
        /// Where the state is.
        state_dir: String,
        /// What `vwp up` is given besides.
        rest: Vec<String>,
    },
    /// Pass on what the runtime prints, and say what to try. Only `up` starts this.
    Follow {
        /// The zone that is served.
        zone: String,
    },
    /// Run what CI runs.
    Test {
        /// Without the black-box tests.
        quick: bool,
        /// Only the black-box tests, on Spin.
        spin: bool,
    },
    /// Measure.
    Bench {
        /// Spin beside ours.
        spin: bool,
        /// What the benchmark is given.
        rest: Vec<String>,
    },
    /// Fuzz what reads bytes from outside.
    Fuzz {
        /// Only this target.
        target: Option<String>,
        /// What libFuzzer is given.
        rest: Vec<String>,
    },
    /// Lay out what a container needs.
    Image {
        /// Where.
        folder: String,
    },
    /// Vendor WIT packages, or check them.
    Wit {
        /// Write nothing; fail where something would be written.
        check: bool,
    },
    /// Write the manifests that follow from `spin.toml`.
    Manifests,
    /// Check the rules.
    Tidy,
}

/// Parses everything after the program's name.
pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Task> {
    let mut arguments = arguments.into_iter();
    let Some(command) = arguments.next() else {
        return Ok(Task::Help);
    };
    let mut given: Vec<String> = arguments.by_ref().take_while(|argument| argument != "--").collect();
    let rest: Vec<String> = arguments.collect();
    let task = match command.as_str() {
        "help" | "--help" | "-h" => return Ok(Task::Help),
        "build" if take(&mut given, "--storage") => Task::BuildStorage,
        "build" if take(&mut given, "--auth") => Task::BuildAuth,
        "build" if take(&mut given, "--policy") => Task::BuildPolicy,
        "build" => Task::Build { is_wide: !take(&mut given, "--baseline") },
        "up" => {
            let state_dir = if given.first().is_some_and(|argument| !argument.starts_with('-')) {
                given.remove(0)
            } else {
                "./data".to_owned()
            };
            Task::Up { state_dir, rest: rest.clone() }
        }
        "follow" if !given.is_empty() => Task::Follow { zone: given.remove(0) },
        "image" if !given.is_empty() => Task::Image { folder: given.remove(0) },
        "test" => Task::Test { quick: take(&mut given, "--quick"), spin: take(&mut given, "--spin") },
        "bench" => Task::Bench { spin: take(&mut given, "--spin"), rest: rest.clone() },
        "fuzz" => {
            let target = (!given.is_empty()).then(|| given.remove(0));
            Task::Fuzz { target, rest: rest.clone() }
        }
        "wit" => Task::Wit { check: take(&mut given, "--check") },
        "manifests" => Task::Manifests,
        "tidy" => Task::Tidy,
        _ => bail!("there is no command {command}\n\n{HELP}"),
    };
    if let Some(unknown) = given.first() {
        bail!("{command} does not take {unknown}\n\n{HELP}");
    }
    if !rest.is_empty() && !matches!(task, Task::Up { .. } | Task::Bench { .. } | Task::Fuzz { .. }) {
        bail!("{command} passes nothing on, so there is nothing to give after --");
    }
    Ok(task)
}

fn take(arguments: &mut Vec<String>, flag: &str) -> bool {
    let before = arguments.len();
    arguments.retain(|argument| argument != flag);
    arguments.len() < before
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Task> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn build_leaves_out_what_only_our_runtime_can_run_if_told_so() {
        assert_eq!(parsed("build").unwrap(), Task::Build { is_wide: true });
        assert_eq!(parsed("build --baseline").unwrap(), Task::Build { is_wide: false });
        assert!(parsed("build --wide").is_err());
    }

    #[test]
    fn up_serves_from_data_and_passes_on_what_follows_the_dashes() {
        let rest = vec!["--listen".to_owned(), "127.0.0.1:0".to_owned()];
        let task = Task::Up { state_dir: "./data".to_owned(), rest };
        assert_eq!(parsed("up -- --listen 127.0.0.1:0").unwrap(), task);
        let task = Task::Up { state_dir: "/srv/port".to_owned(), rest: Vec::new() };
        assert_eq!(parsed("up /srv/port").unwrap(), task);
    }

    #[test]
    fn what_no_command_takes_is_named() {
        assert!(parsed("build --fast").unwrap_err().to_string().contains("--fast"));
        assert!(parsed("deploy").unwrap_err().to_string().contains("deploy"));
        assert!(parsed("up --listen 127.0.0.1:0").is_err());
        assert!(parsed("tidy -- everything").is_err());
    }

    #[test]
    fn nothing_given_is_a_call_for_help() {
        assert_eq!(parsed("").unwrap(), Task::Help);
        assert_eq!(parsed("--help").unwrap(), Task::Help);
    }
}
