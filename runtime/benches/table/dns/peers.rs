//! Authoritative servers that serve a zone from a master file: what DNS operators run.

use crate::process::Process;
use crate::tools;
use anyhow::{Context, Result};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// How long one look for an answer takes.
const LOOK: Duration = Duration::from_millis(100);

/// A server that serves.
pub(super) struct Peer {
    /// What the table calls it.
    pub(super) name: &'static str,
    /// Where it answers.
    pub(super) address: SocketAddr,
    /// The server itself.
    pub(super) process: Process,
}

/// NSD with a zone in `folder/zone`.
pub(super) fn nsd(zone: &str, folder: &Path) -> Result<Peer> {
    let (address, at) = (tools::free_port()?, folder.display());
    let configuration = format!(
        "server:\n  ip-address: {}@{}\n  username: \"\"\n  chroot: \"\"\n  zonesdir: \"{at}\"\n  \
         pidfile: \"{at}/pid\"\n  database: \"\"\n  logfile: \"{at}/nsd.log\"\n  xfrdfile: \"{at}/xfrd\"\n  \
         xfrdir: \"{at}\"\n  zonelistfile: \"{at}/zones\"\n  cookie-secret-file: \"{at}/cookies\"\n  \
         server-count: {}\n  reuseport: yes\nremote-control:\n  control-enable: no\n\
         zone:\n  name: \"{zone}\"\n  zonefile: \"{at}/zone\"\n",
        address.ip(),
        address.port(),
        cores(),
    );
    let mut command = daemon("nsd");
    command.arg("-d").arg("-c").arg(write(folder, "nsd.conf", &configuration)?);
    start("NSD", command, zone, address, folder)
}

/// Knot DNS with a zone in `folder/zone`.
pub(super) fn knot(zone: &str, folder: &Path) -> Result<Peer> {
    let (address, at) = (tools::free_port()?, folder.display());
    let configuration = format!(
        "server:\n  rundir: \"{at}\"\n  listen: {}@{}\n  udp-workers: {}\n\
         database:\n  storage: \"{at}/knot\"\nlog:\n  - target: stderr\n    any: warning\n\
         zone:\n  - domain: \"{zone}\"\n    storage: \"{at}\"\n    file: zone\n    zonefile-sync: -1\n    \
         journal-content: none\n",
        address.ip(),
        address.port(),
        cores(),
    );
    let mut command = daemon("knotd");
    command.arg("-c").arg(write(folder, "knot.conf", &configuration)?);
    start("Knot", command, zone, address, folder)
}

/// A program that Debian puts where only administrators look.
fn daemon(program: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command.env("PATH", format!("{path}:/usr/sbin"));
    command
}

fn write(folder: &Path, name: &str, text: &str) -> Result<std::path::PathBuf> {
    let file = folder.join(name);
    std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

fn start(
    name: &'static str,
    command: Command,
    zone: &str,
    address: SocketAddr,
    folder: &Path,
) -> Result<Peer> {
    let question = question(zone)?;
    let log = folder.join(format!("{name}.stderr"));
    let process = Process::start_when(command, &log, || answers(address, &question))
        .with_context(|| format!("{name} does not serve {zone}; see {}", folder.display()))?;
    Ok(Peer { name, address, process })
}

/// A question for the start of authority (RFC 1035, section 4.1).
fn question(zone: &str) -> Result<Vec<u8>> {
    let mut question = vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in zone.split('.') {
        question.push(u8::try_from(label.len())?);
        question.extend(label.bytes());
    }
    // The root's label, type SOA, class IN.
    question.extend([0, 0, 6, 0, 1]);
    Ok(question)
}

/// Whether a server answers without an error.
fn answers(address: SocketAddr, question: &[u8]) -> bool {
    let look = || -> std::io::Result<bool> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(LOOK))?;
        socket.send_to(question, address)?;
        let mut answer = [0; 4096];
        let length = socket.recv(&mut answer)?;
        Ok(length > 3 && answer[3] % 16 == 0)
    };
    look().unwrap_or(false)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
