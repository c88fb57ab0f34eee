//! Absence, proved by answers that are made for the question (RFC 9824): nobody can walk the
//! zone, and those that validate still believe what is not there.

use super::started;
use vwp_tests::people::Operator;
use vwp_tests::resolvers::unbound;
use vwp_tests::signed::{self, anchors, delv, dig, resolved};
use vwp_tests::{tools, unique};

#[test]
fn validators_believe_compact_denial_and_the_zone_cannot_be_walked() {
    let Some((host, server)) = started(&["--variable", "dns_denial=compact"]) else { return };
    let arena = Operator::registered(&host, "arena");
    let (world, zone) = (&arena.world, &host.zone);
    let nobody = format!("{}.{zone}", unique("nobody"));

    // Sections 3.1 and 3.2: one NSEC record whose next name is the least one there can be.
    let printed = tools::run(dig(server).args(["+dnssec", "+norecurse", "A", &nobody]));
    let nsec: Vec<&str> = printed.lines().filter(|line| line.contains("\tNSEC\t")).collect();
    assert!(nsec.len() == 1 && nsec[0].contains(&format!("\\000.{nobody}.")), "{printed}");
    assert!(!printed.contains(world.as_str()), "the answer names another name of the zone: {printed}");

    let trusted = anchors(server, zone);
    if tools::require("delv", "bind9-dnsutils") {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("anchors");
        signed::write_delv_anchors(&file, &trusted);
        for name in [&nobody, &format!("_vw.{world}.{zone}")] {
            let printed = delv(server, zone, &file, "MX", name);
            assert!(printed.contains("negative response, fully validated"), "{name}: {printed}");
        }
    }
    let Some(resolver) = unbound(server, zone, &trusted.join("\n")) else { return };
    let ask = |rtype: &str, name: &str| resolved(resolver.address(), rtype, name);
    assert_eq!(ask("SRV", &format!("_vw._tcp.{world}.{zone}")), ("NOERROR".to_owned(), true));
    assert_eq!(ask("MX", &format!("_vw.{world}.{zone}")), ("NOERROR".to_owned(), true), "no such type");
    // Section 3.2: to a resolver that does not know of NXNAME, the name exists and has nothing.
    let (status, is_vouched) = ask("A", &nobody);
    assert!(is_vouched && ["NOERROR", "NXDOMAIN"].contains(&status.as_str()), "{status}, AD {is_vouched}");
}
