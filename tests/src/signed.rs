//! A signed zone as those see it who validate: its keys as trust anchors, and the programs
//! that check it.

use crate::tools;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

/// `dig` towards a server, with DNSSEC and without recursion.
pub fn dig(server: SocketAddr) -> Command {
    let mut command = Command::new("dig");
    command.arg(format!("@{}", server.ip())).args(["-p", &server.port().to_string()]);
    command.args(["+dnssec", "+tries=2", "+time=5", "+nocookie"]);
    command
}

/// The keys that a validator trusts: the DNSKEY records with the flag of an entry point
/// (RFC 4034, section 2.1.1), each on a line.
#[track_caller]
pub fn anchors(server: SocketAddr, zone: &str) -> Vec<String> {
    let printed = tools::run(dig(server).args(["+noall", "+answer", "+norecurse", "DNSKEY", zone]));
    let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let is_anchor = |fields: &Vec<String>| {
        fields.get(3).is_some_and(|rtype| rtype == "DNSKEY")
            && fields.get(4).is_some_and(|flags| flags == "257")
    };
    let anchors: Vec<String> =
        printed.lines().map(fields).filter(is_anchor).map(|fields| fields.join(" ")).collect();
    assert!(!anchors.is_empty(), "{zone} has no key that could be trusted: {printed}");
    anchors
}

/// Writes a trust anchor as `delv` reads it.
pub fn write_delv_anchors(file: &Path, anchors: &[String]) {
    let clause = |anchor: &String| {
        let fields: Vec<&str> = anchor.split_whitespace().collect();
        let key = fields[7..].concat();
        format!("{} static-key {} {} {} \"{key}\";", fields[0], fields[4], fields[5], fields[6])
    };
    let clauses: Vec<String> = anchors.iter().map(clause).collect();
    std::fs::write(file, format!("trust-anchors {{ {} }};\n", clauses.join("\n"))).expect("a file");
}

/// Asks with `delv`, which validates what a server says from the anchors on.
pub fn delv(server: SocketAddr, zone: &str, anchors: &Path, rtype: &str, name: &str) -> String {
    let mut command = Command::new("delv");
    command.arg(format!("@{}", server.ip())).args(["-p", &server.port().to_string()]);
    command.arg("-a").arg(anchors).arg(format!("+root={zone}"));
    tools::shown(&tools::output(command.args([rtype, name])))
}

/// A validating resolver's answer: its status, and whether it vouches for it (the AD flag,
/// RFC 4035, section 3.2.3).
pub fn resolved(resolver: SocketAddr, rtype: &str, name: &str) -> (String, bool) {
    let printed = tools::run(dig(resolver).args([rtype, name]));
    let after = |mark: &str| printed.split(mark).nth(1).unwrap_or_default().to_owned();
    let status = after("status: ").split(',').next().unwrap_or_default().to_owned();
    let is_vouched =
        after("flags: ").split(';').next().unwrap_or_default().split(' ').any(|flag| flag == "ad");
    (status, is_vouched)
}

/// Checks a zone in a file with the programs of ldns, BIND, Knot DNS and NSD that are there.
#[track_caller]
pub fn require_valid(zone: &str, file: &Path) {
    let checked = |program: &str, package: &str, arguments: &[&str]| {
        if tools::require(program, package) {
            let output: Output = tools::output(Command::new(program).args(arguments).arg(file));
            assert!(output.status.success(), "{program}: {}", tools::shown(&output));
        }
    };
    checked("ldns-verify-zone", "ldnsutils", &["-V", "3"]);
    // -z: a key may sign the keys and everything else as well (a CSK).
    checked("dnssec-verify", "bind9-utils", &["-z", "-o", zone]);
    checked("kzonecheck", "knot-dnssecutils", &["-o", zone]);
    checked("nsd-checkzone", "nsd", &[zone]);
}

/// A member of what a command printed as JSON.
#[track_caller]
pub fn printed_json(command: &mut Command) -> Value {
    let printed = tools::run(command);
    serde_json::from_str(printed.lines().next().unwrap_or_default()).unwrap_or_else(|error| {
        panic!("{command:?} printed no JSON ({error}): {printed}");
    })
}
