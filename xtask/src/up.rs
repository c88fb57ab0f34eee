//! Building, and serving what was built.

use crate::build;
use crate::project::Project;
use anyhow::{Context, Result, bail};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Builds, then becomes the runtime. On success it does not return.
///
/// Becoming it, rather than starting it, means that every signal sent to this process,
/// from a terminal or from a supervisor, reaches the runtime and nothing in between.
pub(crate) fn run(project: &Project, state_dir: &str, rest: &[String]) -> Result<()> {
    build::run(project, true)?;
    let mut command = Command::new(project.runtime());
    command.arg("up");
    if !rest.iter().any(|argument| argument == "-f" || argument.starts_with("--from")) {
        command.arg("--from").arg(project.root.join("spin.toml"));
    }
    command.args(["--state-dir", state_dir]).args(rest);
    command.stdout(follower(&zone(rest))?);
    let error = command.exec();
    Err(error).with_context(|| format!("cannot start {}", project.runtime().display()))
}

/// Starts what passes on the runtime's output, and returns what to write that output to.
fn follower(zone: &str) -> Result<Stdio> {
    let this = std::env::current_exe().context("cannot tell where xtask is")?;
    // A process group of its own: Ctrl-C must not end it before the runtime has drained.
    let mut follower = Command::new(this)
        .args(["follow", zone])
        .stdin(Stdio::piped())
        .process_group(0)
        .spawn()
        .context("cannot start xtask again")?;
    match follower.stdin.take() {
        Some(pipe) => Ok(pipe.into()),
        None => bail!("the runtime's output cannot be followed"),
    }
}

/// The zone that will be served, as far as this command decides it.
fn zone(rest: &[String]) -> String {
    let given = rest.iter().find_map(|argument| {
        let assignment = argument.strip_prefix("--variable=").unwrap_or(argument);
        assignment.strip_prefix("zone=").map(str::to_owned)
    });
    given.or_else(|| std::env::var("SPIN_VARIABLE_ZONE").ok()).unwrap_or_else(|| "vwp.test".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone_of(line: &str) -> String {
        zone(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_zone_to_ask_for_is_the_one_that_is_served() {
        assert_eq!(zone_of("--variable zone=worlds.example"), "worlds.example");
        assert_eq!(zone_of("--listen 127.0.0.1:0 --variable=zone=worlds.example"), "worlds.example");
    }
}
