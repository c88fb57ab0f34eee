//! Other people's programs: who makes the load, and who is compared with.

use anyhow::{Context, Result, bail};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A program that a row needs is not installed.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not installed (Debian: apt-get install {1})")]
pub(crate) struct Missing(pub(crate) &'static str, pub(crate) &'static str);

/// Sees to it that a program of a Debian package is there: root installs it.
pub(crate) fn need(program: &'static str, package: &'static str) -> Result<()> {
    if is_installed(program) {
        return Ok(());
    }
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    if is_root {
        eprintln!("installing {package} through apt-get");
        let installed = Command::new("apt-get")
            .args(["install", "-y", "-q", "--no-install-recommends", package])
            .stdout(Stdio::null())
            .status();
        if installed.is_ok_and(|status| status.success()) && is_installed(program) {
            return Ok(());
        }
    }
    bail!(Missing(program, package))
}

/// Also looks where Debian keeps daemons, which is not always in the search path.
fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    folders.any(|folder| folder.join(program).is_file())
}

/// Runs a command to its end; what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let said = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {said}"))?;
    if !output.status.success() {
        bail!("{said} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A port of 127.0.0.1 that is free now.
pub(crate) fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// What `wrk` measured.
#[derive(Debug)]
pub(crate) struct Load {
    /// Requests answered per second.
    pub(crate) per_second: f64,
    /// 99 of 100 were answered within this time.
    pub(crate) p99_ms: f64,
    /// How many requests were answered.
    pub(crate) requests: f64,
}

/// Asks for a URL over and over on 32 connections. A script may choose the paths.
pub(crate) fn wrk(url: &str, turn: Duration, script: Option<&Path>) -> Result<Load> {
    let mut command = Command::new("wrk");
    command.args(["-t1", "-c32", "--latency", "-d"]).arg(format!("{}s", turn.as_secs().max(1)));
    if let Some(script) = script {
        command.arg("-s").arg(script);
    }
    let text = output(command.arg(url))?;
    if text.contains("Non-2xx") || text.contains("Socket errors") {
        bail!("some requests were not answered well:\n{text}");
    }
    let word = |name: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
        line.map(str::trim).with_context(|| format!("wrk printed no {name}:\n{text}"))
    };
    let requests = text.lines().find_map(|line| line.split_once(" requests in "));
    let (requests, _) = requests.with_context(|| format!("wrk printed no number of requests:\n{text}"))?;
    Ok(Load {
        per_second: word("Requests/sec:")?.parse()?,
        p99_ms: milliseconds(word("99%")?)?,
        requests: requests.trim().parse()?,
    })
}

/// A time as `wrk` prints it.
fn milliseconds(text: &str) -> Result<f64> {
    let split = text.find(|c: char| c.is_alphabetic()).with_context(|| format!("{text} has no unit"))?;
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse()?;
    Ok(match unit {
        "us" => number / 1000.0,
        "ms" => number,
        "s" => number * 1000.0,
        _ => bail!("{unit} is no unit of time"),
    })
}

/// What `dnsperf` measured.
#[derive(Debug)]
pub(crate) struct Answers {
    /// Questions answered per second.
    pub(crate) per_second: f64,
    /// How many were answered.
    pub(crate) answers: f64,
}

/// Asks a DNS server the questions of a file over and over.
pub(crate) fn dnsperf(server: SocketAddr, questions: &Path, turn: Duration) -> Result<Answers> {
    let mut command = Command::new("dnsperf");
    command.arg("-s").arg(server.ip().to_string()).arg("-p").arg(server.port().to_string());
    command.arg("-d").arg(questions).arg("-l").arg(turn.as_secs().max(1).to_string());
    let text = output(command.args(["-c", "8", "-q", "100"]))?;
    let line = |name: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
        line.map(str::trim).with_context(|| format!("dnsperf printed no {name}:\n{text}"))
    };
    if !line("Response codes:")?.starts_with("NOERROR") || line("Response codes:")?.contains(',') {
        bail!("some answers are errors:\n{text}");
    }
    // Those under way when the time is over count as lost too.
    let (lost, sent): (f64, f64) = (number(line("Queries lost:")?)?, number(line("Queries sent:")?)?);
    if lost > sent / 100.0 {
        bail!("some questions were not answered:\n{text}");
    }
    Ok(Answers {
        per_second: line("Queries per second:")?.parse()?,
        answers: number(line("Queries completed:")?)?,
    })
}

/// The number that a text starts with.
fn number(text: &str) -> Result<f64> {
    Ok(text.split_whitespace().next().unwrap_or_default().parse()?)
}
