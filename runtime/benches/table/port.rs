//! A `vwp up` process with worlds in it, as an operator would run it.

use crate::registry::Registry;
use crate::{guests, process, tools};
use anyhow::{Context, Result, bail, ensure};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long an orderly end may take.
const STOP_MAX: Duration = Duration::from_secs(20);

/// A running process.
pub(crate) struct Port {
    child: Child,
    /// Where it serves HTTP.
    pub(crate) http: SocketAddr,
    /// Where it answers DNS.
    pub(crate) dns: SocketAddr,
    /// From its start to the first answer, in milliseconds.
    pub(crate) first_answer_ms: f64,
    state: PathBuf,
}

impl Port {
    /// Starts it on a state, and waits for its first answer.
    pub(crate) fn start(state: &Path) -> Result<Self> {
        Self::start_from(guests::project(), state)
    }

    /// Starts it under another name than its address.
    pub(crate) fn start_as(issuer: &str, state: &Path) -> Result<Self> {
        Self::start_with(guests::project(), state, &["--variable", &format!("issuer={issuer}")])
    }

    /// Starts it from a manifest, or the folder of one.
    pub(crate) fn start_from(manifest: &Path, state: &Path) -> Result<Self> {
        Self::start_with(manifest, state, &[])
    }

    /// Starts it with more options than usual.
    pub(crate) fn start_told(state: &Path, options: &[String]) -> Result<Self> {
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        Self::start_with(guests::project(), state, &options)
    }

    fn start_with(manifest: &Path, state: &Path, more: &[&str]) -> Result<Self> {
        std::fs::create_dir_all(state)?;
        let log = std::fs::File::create(state.with_extension("log"))?;
        let start = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_vwp"))
            .args(["up", "--quiet", "--listen", "127.0.0.1:0", "--dns-listen", "127.0.0.1:0", "-f"])
            .arg(manifest)
            .arg("--state-dir")
            .arg(state)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("cannot start vwp up")?;
        let stdout = child.stdout.take().context("no standard output")?;
        let (mut http, mut dns) = (None, None);
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            if let Some(rest) = line.strip_prefix("DNS on ") {
                dns = rest.split_whitespace().next().map(str::parse).transpose()?;
            } else if let Some(address) = line.strip_prefix("Serving http://") {
                http = Some(address.parse()?);
                break;
            }
        }
        let (Some(http), Some(dns)) = (http, dns) else {
            let _ = child.kill();
            bail!("vwp up did not start; see {}", state.with_extension("log").display());
        };
        let mut port = Self { child, http, dns, first_answer_ms: f64::NAN, state: state.to_owned() };
        port.registry().get("/")?;
        port.first_answer_ms = start.elapsed().as_secs_f64() * 1000.0;
        Ok(port)
    }

    /// What it calls itself: whom records are for.
    pub(crate) fn issuer(&self) -> Result<String> {
        self.index("issuer")
    }

    /// The zone of its worlds.
    pub(crate) fn zone(&self) -> Result<String> {
        self.index("zone")
    }

    fn index(&self, member: &str) -> Result<String> {
        let index: serde_json::Value = serde_json::from_str(&self.registry().get("/")?)?;
        let value = index.get(member).and_then(|value| value.as_str());
        Ok(value.with_context(|| format!("the index names no {member}"))?.to_owned())
    }

    /// The secret of its administrator.
    pub(crate) fn admin_token(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.state.join("secrets/admin_token"))?.trim().to_owned())
    }

    /// The processor time that it has used, in seconds.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        process::cpu_seconds(self.child.id())
    }

    /// What its store has on disk, in bytes.
    pub(crate) fn stored_bytes(&self) -> Result<f64> {
        let text = tools::output(Command::new("du").args(["-sb"]).arg(self.state.join("store")))?;
        Ok(text.split_whitespace().next().context("du printed nothing")?.parse()?)
    }

    /// Its registry of worlds.
    pub(crate) fn registry(&self) -> Registry {
        Registry { http: self.http }
    }

    /// The memory that it occupies, in megabytes.
    pub(crate) fn resident_mb(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: f64 = line.context("no VmRSS")?.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024.0 / 1_000_000.0)
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(mut self) -> Result<()> {
        tools::output(Command::new("kill").arg(self.child.id().to_string()))?;
        let start = Instant::now();
        while self.child.try_wait()?.is_none() {
            ensure!(start.elapsed() < STOP_MAX, "vwp up does not stop");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        // Already over after `stop`; otherwise something went wrong that is being reported.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the state of the process with worlds is.
pub(crate) fn state(scratch: &Path) -> PathBuf {
    scratch.join("port")
}
