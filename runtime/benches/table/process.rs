//! A server of somebody's: it may start others, which count as it and end with it.

use crate::tools;
use anyhow::{Context, Result, bail, ensure};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long it may take to its first answer: some compile.
const START_MAX: Duration = Duration::from_mins(2);
/// How long an orderly end may take.
const STOP_MAX: Duration = Duration::from_secs(5);
/// How often it is looked at again.
const PAUSE: Duration = Duration::from_millis(20);
/// In what `/proc` counts processor time: `USER_HZ` is 100 wherever Linux shows it.
const TICKS_PER_SECOND: f64 = 100.0;
/// In what `/proc` counts memory.
const PAGE_BYTES: f64 = 4096.0;

/// The processor time that one process has used, in seconds.
pub(crate) fn cpu_seconds(id: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    let (_, rest) = stat.rsplit_once(") ").context("no name in stat")?;
    // The fields 14 and 15, of which the first two are cut off.
    let ticks: Vec<f64> = rest.split(' ').skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / TICKS_PER_SECOND)
}

/// A process, and those that it started.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts it, and waits until it answers over HTTP.
    pub(crate) fn start(command: Command, address: SocketAddr, log: &Path) -> Result<Self> {
        Self::start_when(command, log, || answers(address))
    }

    /// Starts it, and waits until it is ready.
    pub(crate) fn start_when(
        mut command: Command,
        log: &Path,
        mut is_ready: impl FnMut() -> bool,
    ) -> Result<Self> {
        let output = File::create(log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        // A group of its own, so that what it starts is known.
        let child = command.process_group(0).spawn().with_context(|| format!("cannot start {command:?}"))?;
        let mut process = Self { child };
        let start = Instant::now();
        while !is_ready() {
            if process.child.try_wait()?.is_some() || start.elapsed() > START_MAX {
                bail!("{command:?} does not answer: {}", std::fs::read_to_string(log)?);
            }
            std::thread::sleep(PAUSE);
        }
        Ok(process)
    }

    /// The processor time that it has used, in seconds.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        // proc(5): utime and stime are the fields 14 and 15.
        Ok((self.sum(14)? + self.sum(15)?) / TICKS_PER_SECOND)
    }

    /// The memory that it occupies, in megabytes.
    pub(crate) fn resident_mb(&self) -> Result<f64> {
        Ok(self.sum(24)? * PAGE_BYTES / 1_000_000.0)
    }

    /// The sum of a field of `/proc/*/stat` over the group.
    fn sum(&self, field: usize) -> Result<f64> {
        let (group, mut sum, mut members) = (self.child.id().to_string(), 0.0, 0);
        for entry in std::fs::read_dir("/proc")? {
            // Most are no processes, and some have ended by now.
            let Ok(stat) = std::fs::read_to_string(entry?.path().join("stat")) else { continue };
            // The name, in parentheses, is the second field and may hold anything.
            let Some((_, rest)) = stat.rsplit_once(") ") else { continue };
            let fields: Vec<&str> = rest.split(' ').collect();
            if fields.get(2) == Some(&group.as_str()) {
                let value = fields.get(field - 3).context("no such field")?;
                sum += value.trim().parse::<f64>()?;
                members += 1;
            }
        }
        ensure!(members > 0, "the server has ended");
        Ok(sum)
    }

    fn signal(&self, signal: &str) -> Result<String> {
        tools::output(Command::new("kill").args([signal, "--", &format!("-{}", self.child.id())]))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.signal("-TERM");
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < STOP_MAX {
            std::thread::sleep(PAUSE);
        }
        // Some of what it started may outlive it.
        let _ = self.signal("-KILL");
        let _ = self.child.wait();
    }
}

/// Whether a server answers a request well.
fn answers(address: SocketAddr) -> bool {
    let answer = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(START_MAX))?;
        write!(stream, "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    answer().is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200 "))
}
