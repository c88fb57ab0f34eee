//! Steps that take a while, with a line of progress for each.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, IsTerminal};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// How often a log hears that a step is still at work.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// A known number of commands, run one after the other. Everything is told on standard
/// error, so that standard output is left to what is started in the end.
pub(crate) struct Steps {
    number: usize,
    count: usize,
    started: Instant,
    terminal: bool,
}

impl Steps {
    /// Expects this many steps.
    pub(crate) fn new(count: usize) -> Self {
        Self { number: 0, count, started: Instant::now(), terminal: std::io::stderr().is_terminal() }
    }

    /// Runs one step. On a terminal the command shows its own progress; elsewhere its
    /// output is kept back, and shown if it fails.
    pub(crate) fn run(&mut self, name: &str, mut command: Command) -> Result<()> {
        self.number += 1;
        let (number, count) = (self.number, self.count);
        let label = format!("[{number}/{count}] {name}");
        let so_far = elapsed(self.started.elapsed());
        eprintln!("{label} ({so_far} so far)");
        let started = Instant::now();
        let (success, output) = if self.terminal {
            let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
            (status.success(), Vec::new())
        } else {
            run_quietly(&mut command, &label)?
        };
        if !success {
            for line in output {
                eprintln!("{line}");
            }
            bail!("{name}: `{}` failed", readable(&command));
        }
        eprintln!("{label}: done in {}", elapsed(started.elapsed()));
        Ok(())
    }
}

fn run_quietly(command: &mut Command, label: &str) -> Result<(bool, Vec<String>)> {
    command.stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
    let stderr = child.stderr.take().context("the output was not captured")?;
    let (sender, receiver) = mpsc::channel();
    let reader = thread::spawn(move || {
        for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
            let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
        }
    });
    let started = Instant::now();
    let mut due = HEARTBEAT;
    let mut lines: Vec<String> = Vec::new();
    loop {
        match receiver.recv_timeout(due.saturating_sub(started.elapsed())) {
            Ok(line) => lines.push(line),
            Err(RecvTimeoutError::Timeout) => {
                let last = lines.last().map_or("", |line| line.trim());
                eprintln!("{label}: {}, {last}", elapsed(started.elapsed()));
                due = started.elapsed() + HEARTBEAT;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let _ = reader.join();
    Ok((child.wait()?.success(), lines))
}

/// A command as one would type it, without the environment.
pub(crate) fn readable(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(std::ffi::OsStr::to_string_lossy));
    let program = words[0].rsplit('/').next().unwrap_or_default().to_owned();
    words[0] = program.into();
    words.join(" ")
}

/// A duration for people: whole seconds, and minutes if there are any.
pub(crate) fn elapsed(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, seconds) => format!("{minutes} min {seconds:02} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_in_minutes_and_seconds() {
        assert_eq!(elapsed(Duration::from_millis(900)), "0 s");
        assert_eq!(elapsed(Duration::from_secs(61)), "1 min 01 s");
    }

    #[test]
    fn a_command_reads_as_one_would_type_it() {
        let mut command = Command::new("/usr/lib/rust/bin/cargo");
        command.args(["build", "--release"]);
        assert_eq!(readable(&command), "cargo build --release");
    }

    #[test]
    fn a_step_that_fails_says_which_command_failed() {
        let error = Steps::new(1).run("the impossible", Command::new("false")).unwrap_err();
        assert!(error.to_string().contains("the impossible"), "{error}");
    }
}
