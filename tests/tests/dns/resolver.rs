//! A validating resolver between the world and a traveller: Unbound, with the zone's key as
//! its only trust anchor.

use super::shared;
use vwp_tests::people::Operator;
use vwp_tests::resolvers::{Tamperer, unbound};
use vwp_tests::signed::{anchors, dig, resolved};
use vwp_tests::{tools, unique};

fn outcome(status: &str, is_vouched: bool) -> (String, bool) {
    (status.to_owned(), is_vouched)
}

#[test]
fn unbound_vouches_for_what_is_there_and_for_what_is_not() {
    let Some((host, server)) = shared() else { return };
    let arena = Operator::registered(&host, "arena");
    let (world, zone) = (&arena.world, &host.zone);
    let anchors = anchors(server, zone).join("\n");
    let Some(resolver) = unbound(server, zone, &anchors) else { return };
    let ask = |rtype: &str, name: String| resolved(resolver.address(), rtype, &name);
    assert_eq!(ask("SVCB", format!("_vw.{world}.{zone}")), outcome("NOERROR", true));
    assert_eq!(ask("SRV", format!("_minecraft._tcp.{world}.{zone}")), outcome("NOERROR", true));
    assert_eq!(ask("MX", format!("_vw.{world}.{zone}")), outcome("NOERROR", true), "no such type");
    assert_eq!(ask("A", format!("_tcp.{world}.{zone}")), outcome("NOERROR", true), "names under it alone");
    assert_eq!(ask("SRV", format!("{}.{zone}", unique("nobody"))), outcome("NXDOMAIN", true));
}

#[test]
fn unbound_refuses_what_was_tampered_with_and_says_that_it_is_bogus() {
    let Some((host, server)) = shared() else { return };
    let arena = Operator::registered(&host, "arena");
    let (world, zone) = (&arena.world, &host.zone);
    let anchors = anchors(server, zone).join("\n");
    // The endpoint `web.example` becomes somebody else's.
    let between = Tamperer::start(server, b"\x03web\x07example", b"\x03xyz\x07example");
    let Some(resolver) = unbound(between.address, zone, &anchors) else { return };
    let name = format!("_vw._tcp.{world}.{zone}");
    let printed = tools::run(dig(resolver.address()).args(["SRV", &name]));
    assert!(printed.contains("status: SERVFAIL"), "{printed}");
    // RFC 8914, section 4.7.
    assert!(printed.contains("EDE: 6 (DNSSEC Bogus)"), "{printed}");
    let unchecked = tools::run(dig(resolver.address()).args(["+cdflag", "SRV", &name]));
    assert!(unchecked.contains("xyz.example."), "nothing was tampered with: {unchecked}");
    // What was not touched is believed from the same place.
    assert_eq!(resolved(resolver.address(), "TXT", &format!("_vw.{world}.{zone}")), outcome("NOERROR", true));
}
