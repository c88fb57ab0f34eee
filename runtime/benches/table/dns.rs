//! DNS: a `vwp up` beside NSD with the same records.

use crate::measure::{Side, rounds};
use crate::port::Port;
use crate::report::Row;
use crate::{Bench, tools};
use anyhow::{Context, Result, bail, ensure};
use std::fmt::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long NSD may take to answer.
const START_MAX: Duration = Duration::from_secs(10);

/// The same questions to both.
pub(crate) fn rows(bench: &Bench) -> Result<Vec<Row>> {
    tools::need("dnsperf", "dnsperf")?;
    tools::need("nsd", "nsd")?;
    tools::need("dig", "bind9-dnsutils")?;
    bench.with_port(|port| {
        let folder = bench.scratch.path().join("nsd");
        std::fs::create_dir_all(&folder)?;
        bench.progress.say("copying the zone to NSD");
        let questions = Questions::write(port, &folder)?;
        let nsd = Nsd::start(port, &questions, &folder)?;
        let mut theirs = |turn| tools::dnsperf(nsd.address, &questions.dnsperf, turn);
        let mut ours = |turn| tools::dnsperf(port.dns, &questions.dnsperf, turn);
        let sides = [("NSD", &mut theirs as Side<'_>), ("DNS, vwp up", &mut ours)];
        let [theirs, ours] = rounds(bench.effort, &bench.progress, sides)?;
        let name = format!("DNS, {} worlds, vwp up", questions.worlds);
        Ok(vec![Row::rate(name, "answers", &ours, ("NSD", &theirs), None)])
    })
}

/// One SVCB, one SRV and one TXT question per world.
struct Questions {
    zone: String,
    worlds: usize,
    dig: PathBuf,
    dnsperf: PathBuf,
}

impl Questions {
    fn write(port: &Port, folder: &Path) -> Result<Self> {
        let index: serde_json::Value = serde_json::from_str(&port.registry().get("/")?)?;
        let zone = index.get("zone").and_then(|zone| zone.as_str()).context("the index names no zone")?;
        let worlds = port.registry().worlds()?;
        let (mut dig, mut dnsperf) = (String::new(), String::new());
        for world in &worlds {
            for (owner, rtype, number) in [("_vw", "SVCB", 64), ("_vw._tcp", "SRV", 33), ("_vw", "TXT", 16)] {
                writeln!(dig, "{owner}.{world}.{zone}. {rtype}")?;
                // By number, because not every dnsperf knows SVCB by name.
                let rtype = if number == 64 { "TYPE64" } else { rtype };
                writeln!(dnsperf, "{owner}.{world}.{zone} {rtype}")?;
            }
        }
        let questions = Self {
            zone: zone.to_owned(),
            worlds: worlds.len(),
            dig: folder.join("questions.dig"),
            dnsperf: folder.join("questions.dnsperf"),
        };
        std::fs::write(&questions.dig, dig)?;
        std::fs::write(&questions.dnsperf, dnsperf)?;
        Ok(questions)
    }
}

/// An authoritative server that serves zones from files.
struct Nsd {
    child: Child,
    address: SocketAddr,
}

impl Nsd {
    /// Starts it with the records that our server answers these questions with.
    fn start(port: &Port, questions: &Questions, folder: &Path) -> Result<Self> {
        let address = tools::free_port()?;
        let (zone, dns) = (&questions.zone, port.dns);
        let server = [format!("@{}", dns.ip()), "-p".to_owned(), dns.port().to_string()];
        let plain = ["+noall", "+answer"];
        let mut records = String::new();
        for rtype in ["SOA", "NS"] {
            let mut dig = Command::new("dig");
            records += &tools::output(dig.args(&server).args(plain).args([zone, rtype]))?;
        }
        records +=
            &tools::output(Command::new("dig").args(&server).args(plain).arg("-f").arg(&questions.dig))?;
        std::fs::write(folder.join("zone"), records)?;
        let at = folder.display();
        let configuration = format!(
            "server:\n  ip-address: {}@{}\n  username: \"\"\n  chroot: \"\"\n  zonesdir: \"{at}\"\n  \
             pidfile: \"{at}/pid\"\n  database: \"\"\n  logfile: \"{at}/log\"\n  xfrdfile: \"{at}/xfrd\"\n  \
             xfrdir: \"{at}\"\n  zonelistfile: \"{at}/zones\"\n  cookie-secret-file: \"{at}/cookies\"\n  \
             server-count: {}\n  reuseport: yes\nremote-control:\n  control-enable: no\n\
             zone:\n  name: \"{zone}\"\n  zonefile: \"{at}/zone\"\n",
            address.ip(),
            address.port(),
            std::thread::available_parallelism().map_or(1, usize::from),
        );
        let file = folder.join("nsd.conf");
        std::fs::write(&file, configuration)?;
        let path = std::env::var("PATH").unwrap_or_default();
        let child = Command::new("nsd")
            .env("PATH", format!("{path}:/usr/sbin"))
            .arg("-d")
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.join("stderr"))?)
            .spawn()
            .context("cannot start nsd")?;
        let nsd = Self { child, address };
        nsd.await_answer(zone).with_context(|| format!("see {at}/log and {at}/stderr"))?;
        Ok(nsd)
    }

    fn await_answer(&self, zone: &str) -> Result<()> {
        let start = Instant::now();
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let mut question = vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in zone.split('.') {
            question.push(u8::try_from(label.len())?);
            question.extend(label.bytes());
        }
        // The root's label, type SOA, class IN (RFC 1035, section 4.1.2).
        question.extend([0, 0, 6, 0, 1]);
        let mut answer = [0; 512];
        while start.elapsed() < START_MAX {
            socket.send_to(&question, self.address)?;
            if let Ok(length) = socket.recv(&mut answer) {
                ensure!(length > 3 && answer[3] % 16 == 0, "NSD answers with an error");
                return Ok(());
            }
        }
        bail!("NSD does not answer")
    }
}

impl Drop for Nsd {
    fn drop(&mut self) {
        // An orderly end, because the parent has children of its own to end.
        let _ = tools::output(Command::new("kill").arg(self.child.id().to_string()));
        let _ = self.child.wait();
    }
}
