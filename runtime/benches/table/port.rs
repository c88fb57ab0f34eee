//! A `vwp up` process with worlds in it, as an operator would run it.

use crate::{guests, tools};
use anyhow::{Context, Result, bail, ensure};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How many worlds are made up if no list of networks is given.
const WORLDS: usize = 200;
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
}

impl Port {
    /// Starts it on a state, and waits for its first answer.
    pub(crate) fn start(state: &Path) -> Result<Self> {
        std::fs::create_dir_all(state)?;
        let log = std::fs::File::create(state.with_extension("log"))?;
        let start = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_vwp"))
            .args(["up", "--quiet", "--listen", "127.0.0.1:0", "--dns-listen", "127.0.0.1:0", "-f"])
            .arg(guests::project())
            .arg("--state-dir")
            .arg(state)
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
        let mut port = Self { child, http, dns, first_answer_ms: f64::NAN };
        port.get("/")?;
        port.first_answer_ms = start.elapsed().as_secs_f64() * 1000.0;
        Ok(port)
    }

    /// Registers the worlds of a list of networks, or made-up ones.
    pub(crate) fn import(&self, scratch: &Path, networks: Option<&Path>) -> Result<()> {
        let made_up = scratch.join("networks.json");
        let list = if let Some(list) = networks {
            list
        } else {
            let network = |number| {
                let id = format!("world-{number:03}");
                serde_json::json!({ "id": id, "name": format!("World {number}"), "addresses": [format!("{id}.example")] })
            };
            std::fs::write(&made_up, serde_json::to_vec(&(0..WORLDS).map(network).collect::<Vec<_>>())?)?;
            &made_up
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_vwp"));
        command.args(["import", "--format", "minecraft-networks", "--url", &format!("http://{}", self.http)]);
        command.arg("--keys-dir").arg(scratch.join("operators")).arg(list);
        // Worlds of a given list may be refused; how many there are is seen afterwards.
        let output = command.stdin(Stdio::null()).output().context("cannot start vwp import")?;
        ensure!(!self.worlds()?.is_empty(), "no world: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// The names of all worlds.
    pub(crate) fn worlds(&self) -> Result<Vec<String>> {
        let (mut names, mut cursor) = (Vec::new(), String::new());
        loop {
            let page: serde_json::Value =
                serde_json::from_str(&self.get(&format!("/v1/worlds?limit=100{cursor}"))?)?;
            let worlds =
                page.get("worlds").and_then(|worlds| worlds.as_array()).context("no worlds in the page")?;
            names.extend(worlds.iter().filter_map(|world| world.get("name")?.as_str()).map(str::to_owned));
            match page.get("next").and_then(|next| next.as_str()) {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(names),
            }
        }
    }

    /// A document of the port. Asked for in HTTP/1.0, so that its end is the connection's
    /// and it comes in one piece (RFC 9112, section 7.1).
    pub(crate) fn get(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.http)?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.http)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no end of its head")?;
        let status = head.split_whitespace().nth(1);
        ensure!(status == Some("200"), "{path} was answered with {answer}");
        Ok(body.to_owned())
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
