//! Programs that ask: each finds a world, and those that validate believe what they are
//! told, what is there and what is not.

use super::shared;
use std::process::Command;
use vwp_tests::dns::answers;
use vwp_tests::people::Operator;
use vwp_tests::signed::{self, anchors, delv, dig};
use vwp_tests::{tools, unique};

#[test]
fn dig_gets_every_kind_of_record_of_a_world_with_its_signature() {
    let Some((host, server)) = shared() else { return };
    let arena = Operator::registered(&host, "arena");
    let (world, zone) = (&arena.world, &host.zone);
    let names = [
        ("SVCB", format!("_vw.{world}.{zone}")),
        ("TXT", format!("_vw.{world}.{zone}")),
        ("SRV", format!("_vw._tcp.{world}.{zone}")),
        ("SRV", format!("_minecraft._tcp.{world}.{zone}")),
        ("SOA", zone.clone()),
        ("NS", zone.clone()),
        ("DNSKEY", zone.clone()),
        ("CDS", zone.clone()),
    ];
    for (rtype, name) in &names {
        let printed = tools::run(dig(server).args(["+norecurse", rtype, name]));
        assert!(printed.contains("flags: qr aa;"), "the answer is not authoritative: {printed}");
        let answers = answers(&printed);
        let has = |start: &str| answers.iter().any(|answer| answer.starts_with(start));
        assert!(has(&format!("{rtype} ")), "{name} has no {rtype}: {printed}");
        assert!(has(&format!("RRSIG {rtype} 13 ")), "{rtype} at {name} is not signed: {printed}");
    }
}

#[test]
fn any_is_answered_with_one_set_and_not_with_everything() {
    let Some((host, server)) = shared() else { return };
    let arena = Operator::registered(&host, "arena");
    let printed =
        tools::run(dig(server).args(["+notcp", "ANY", &format!("_vw.{}.{}", arena.world, host.zone)]));
    // RFC 8482, section 4.1: a subset, so that nobody is amplified.
    let mut types: Vec<String> =
        answers(&printed).iter().filter_map(|answer| answer.split(' ').next().map(str::to_owned)).collect();
    types.retain(|rtype| rtype != "RRSIG");
    types.dedup();
    assert_eq!(types.len(), 1, "{printed}");
}

#[test]
fn dig_is_given_a_cookie_and_is_known_by_it() {
    let Some((host, server)) = shared() else { return };
    let mut command = Command::new("dig");
    command.arg(format!("@{}", server.ip())).args(["-p", &server.port().to_string(), "+cookie"]);
    let printed = tools::run(command.args(["SOA", &host.zone]));
    // What dig says of a server's cookie that fits its own (RFC 7873, section 5.3).
    assert!(printed.contains("(good)"), "{printed}");
}

#[test]
fn delv_validates_what_is_there_and_what_is_not() {
    let Some((host, server)) = shared() else { return };
    if !tools::require("delv", "bind9-dnsutils") {
        return;
    }
    let arena = Operator::registered(&host, "arena");
    let (world, zone) = (&arena.world, &host.zone);
    let folder = tempfile::tempdir().expect("a folder");
    let trusted = folder.path().join("anchors");
    signed::write_delv_anchors(&trusted, &anchors(server, zone));
    let validated = "; fully validated";
    let denied = "; negative response, fully validated";
    let cases = [
        ("SVCB", format!("_vw.{world}.{zone}"), validated),
        ("SRV", format!("_vw._tcp.{world}.{zone}"), validated),
        // No such type, no such name, and a name that only has names under it.
        ("MX", format!("_vw.{world}.{zone}"), denied),
        ("SVCB", format!("_vw.{}.{zone}", unique("nobody")), denied),
        ("A", format!("_tcp.{world}.{zone}"), denied),
    ];
    for (rtype, name, expected) in &cases {
        let printed = delv(server, zone, &trusted, rtype, name);
        assert!(printed.contains(expected), "{rtype} at {name}: {printed}");
    }
}

#[test]
fn drill_validates_a_world_with_the_zones_key() {
    let Some((host, server)) = shared() else { return };
    if !tools::require("drill", "ldnsutils") {
        return;
    }
    let arena = Operator::registered(&host, "arena");
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    std::fs::write(&key, anchors(server, &host.zone).join("\n") + "\n").expect("a key file");
    let mut command = Command::new("drill");
    command.args(["-D", "-o", "rd", "-p", &server.port().to_string(), "-k"]).arg(&key);
    let name = format!("_minecraft._tcp.{}.{}", arena.world, host.zone);
    let printed = tools::run(command.args([&format!("@{}", server.ip()), &name, "SRV"]));
    assert!(printed.contains("; VALIDATED by id = "), "{printed}");
}

#[test]
fn kdig_sees_the_same_over_udp_and_tcp() {
    let Some((host, server)) = shared() else { return };
    if !tools::require("kdig", "knot-dnsutils") {
        return;
    }
    let arena = Operator::registered(&host, "arena");
    let name = format!("_vw.{}.{}", arena.world, host.zone);
    for transport in ["+notcp", "+tcp"] {
        let mut command = Command::new("kdig");
        command.args([&format!("@{}", server.ip()), "-p", &server.port().to_string(), "+dnssec", transport]);
        let printed = tools::run(command.args(["SVCB", &name]));
        assert!(printed.contains("status: NOERROR") && printed.contains("RRSIG\tSVCB 13"), "{printed}");
    }
}
