//! Name servers that copy a zone: NSD, Knot DNS and BIND, each configured as its users do
//! it.

use crate::dns;
use crate::foreign::{Place, Server};
use crate::{project, tools};
use std::net::SocketAddr;
use std::process::Command;

/// A TSIG key (RFC 8945) with HMAC-SHA-256.
#[derive(Debug, Clone)]
pub struct TsigKey {
    /// The key's name.
    pub name: String,
    /// The secret, in base64.
    pub secret: String,
}

/// A zone to copy, and where from.
#[derive(Debug, Clone)]
pub struct Primary<'a> {
    /// Where the primary server answers.
    pub address: SocketAddr,
    /// The zone.
    pub zone: &'a str,
    /// The key that both sign with.
    pub key: &'a TsigKey,
}

impl TsigKey {
    /// The key as BIND's programs read it.
    pub fn clause(&self) -> String {
        format!("key \"{}\" {{ algorithm hmac-sha256; secret \"{}\"; }};\n", self.name, self.secret)
    }

    /// The key as an argument of `dig -y`.
    pub fn argument(&self) -> String {
        format!("hmac-sha256:{}:{}", self.name, self.secret)
    }
}

/// Whether a server answers at all, whatever it says.
fn answers(server: SocketAddr) -> bool {
    let question = dns::question(1, "example.invalid", 6);
    dns::ask_udp(server, &question, dns::SILENCE).is_some()
}

/// A configuration of infra/dns with other names, addresses, folders and another secret in it: each
/// of them has to be there.
fn sample(name: &str, key: &str, place: &Place, primary: &Primary<'_>, own: &[(&str, &str)]) -> String {
    let (ip, port) = (primary.address.ip().to_string(), primary.address.port());
    let text = std::fs::read_to_string(project().join("infra/dns").join(name)).expect("a sample");
    let code = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let mut text: String = code.flat_map(|line| [line, "\n"]).collect();
    let (listen, from) = (format!("127.0.0.1@{}", place.address.port()), format!("{ip}@{port}"));
    let common = [
        (key, primary.key.name.as_str()),
        ("SECRET", primary.key.secret.as_str()),
        ("0.0.0.0@53", listen.as_str()),
        ("198.51.100.1@53", from.as_str()),
        ("198.51.100.1", ip.as_str()),
    ];
    for (before, after) in own.iter().chain(&common).copied().chain([("port.example", primary.zone)]) {
        // The catalog's name has the zone's in it.
        assert!(text.contains(before) || before == "port.example", "{name} has no {before}");
        text = text.replace(before, after);
    }
    text
}

/// NSD, if it is there. It takes one zone, with IXFR where the primary has that.
pub fn nsd(primary: &Primary<'_>) -> Option<Server> {
    if !tools::require("nsd", "nsd") {
        return None;
    }
    let place = Place::new();
    let folder = place.folder();
    // The sample's own user is one that a test does not become.
    let own = [
        ("username: nsd", "username: \"\""),
        ("/run/nsd", "/var/lib/nsd"),
        ("/var/lib/nsd", folder.as_str()),
    ];
    let configuration = sample("nsd.conf", "ns1.example", &place, primary, &own);
    let file = place.write("nsd.conf", &configuration);
    Some(place.start(Command::new("nsd").arg("-d").arg("-c").arg(file), answers))
}

/// Knot DNS, if it is there. It takes every zone of a catalog zone (RFC 9432).
pub fn knot(primary: &Primary<'_>, catalog: &str) -> Option<Server> {
    if !tools::require("knotd", "knot") {
        return None;
    }
    let place = Place::new();
    let folder = place.folder();
    let own = [
        // The sample's own user is one that a test does not become.
        ("  user: knot:knot\n", ""),
        ("/run/knot", "/var/lib/knot"),
        ("/var/lib/knot", folder.as_str()),
        ("_catalog.port.example", catalog),
    ];
    let configuration = sample("knot.conf", "ns2.example", &place, primary, &own);
    let file = place.write("knot.conf", &configuration);
    Some(place.start(Command::new("knotd").arg("-c").arg(file), answers))
}

/// BIND, if it is there. It takes every zone of a catalog zone (RFC 9432).
pub fn bind(primary: &Primary<'_>, catalog: &str) -> Option<Server> {
    if !tools::require("named", "bind9") {
        return None;
    }
    let place = Place::new();
    let (folder, port) = (place.folder(), place.address.port());
    let Primary { address, key, .. } = primary;
    let from = format!("{} port {} key \"{}\"", address.ip(), address.port(), key.name);
    let configuration = format!(
        "{clause}options {{\n  directory \"{folder}\";\n  pid-file \"{folder}/named.pid\";\n  \
         session-keyfile \"{folder}/session.key\";\n  lock-file none;\n  listen-on port {port} {{ 127.0.0.1; }};\n  \
         listen-on-v6 {{ none; }};\n  recursion no;\n  dnssec-validation no;\n  \
         allow-transfer {{ 127.0.0.1; }};\n  allow-notify {{ key \"{name}\"; }};\n  \
         catalog-zones {{ zone \"{catalog}\" default-primaries {{ {from}; }} in-memory yes min-update-interval 1; }};\n}};\n\
         controls {{ }};\n\
         zone \"{catalog}\" {{ type secondary; file \"catalog\"; primaries {{ {from}; }}; }};\n",
        clause = key.clause(),
        name = key.name,
    );
    let file = place.write("named.conf", &configuration);
    Some(place.start(Command::new("named").arg("-g").arg("-n1").arg("-c").arg(file), answers))
}

/// The serial number that a server has of a zone, if it has the zone.
pub fn serial(server: SocketAddr, zone: &str) -> Option<u32> {
    let mut command = Command::new("dig");
    command.arg(format!("@{}", server.ip())).args(["-p", &server.port().to_string()]);
    let output = tools::output(command.args(["+short", "+norecurse", "+tries=1", "+time=3", "SOA", zone]));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    printed.split_whitespace().nth(2).and_then(|serial| serial.parse().ok())
}

/// All records of a zone as a server has them, sorted, each once: what AXFR gives out.
#[track_caller]
pub fn contents(server: SocketAddr, zone: &str, key: Option<&TsigKey>) -> Vec<String> {
    let mut command = Command::new("dig");
    command.arg(format!("@{}", server.ip())).args(["-p", &server.port().to_string()]);
    command.args(["+onesoa", "+nocmd", "+nostats", "+nocomments", "+time=20"]);
    if let Some(key) = key {
        command.args(["-y", &key.argument()]);
    }
    let printed = tools::run(command.args(["AXFR", zone]));
    let is_record = |line: &&str| !line.is_empty() && !line.starts_with(';') && !line.contains("\tTSIG\t");
    let joined = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut records: Vec<String> = printed.lines().filter(is_record).map(joined).collect();
    records.sort();
    records
}
