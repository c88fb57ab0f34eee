//! Two ports with zones of their own: one delegates a part of its zone to the other, and an
//! operator proves to one, through the other, whose domain it is.

use super::{started, tsig_key};
use serde_json::{Value, json};
use std::net::SocketAddr;
use vwp_tests::dns::{Transport, answers};
use vwp_tests::http::Call;
use vwp_tests::people::Operator;
use vwp_tests::resolvers::unbound_of;
use vwp_tests::signed::{anchors, dig, resolved};
use vwp_tests::{dns, tools, unique};

/// The DS records of a port's keys (RFC 4034, section 5), as its CDS records say.
fn ds(server: SocketAddr, zone: &str) -> Vec<String> {
    let printed = dns::dig(server, Transport::Udp, "CDS", zone);
    let record = |answer: &String| {
        let fields: Vec<&str> = answer.strip_prefix("CDS ")?.splitn(4, ' ').collect();
        // The digest is printed in several parts.
        Some(format!("{} {}", fields.get(..3)?.join(" "), fields.get(3)?.replace(' ', "")))
    };
    answers(&printed).iter().filter_map(record).collect()
}

#[test]
fn a_delegated_subtree_is_found_and_validated_at_the_port_that_it_was_delegated_to() {
    let Some((parent, parent_dns)) = started(&["--variable", "zone=port.test"]) else { return };
    let Some((child, child_dns)) = started(&["--variable", "zone=games.port.test"]) else { return };
    let arena = Operator::registered(&child, "arena");
    let delegation = json!({
        "nameservers": ["ns.games.port.test"],
        "addresses": {"ns.games.port.test": [child_dns.ip().to_string()]},
        "ds": ds(child_dns, &child.zone),
        "url": child.url,
    });
    let token = parent.admin_token.as_deref().expect("an own deployment has an administrator");
    let body = serde_json::to_vec(&delegation).expect("JSON");
    let put = Call::new("PUT", "/v1/delegations/games").body("application/json", body).bearer(token);
    let _ = parent.http.send(&put).expect(201);

    // Lookups are sent on, and lead to the world.
    let name = format!("{}.games.port.test", arena.world);
    let sent_on = parent.http.send(&Call::get(format!("/v1/worlds/{name}"))).expect(307);
    let location = sent_on.header("location").to_owned();
    let path = location.strip_prefix(&child.url).expect("the other port's URL");
    assert_eq!(child.http.send(&Call::get(path)).expect(200).text("fqdn"), name);

    // The parent refers; the child answers.
    let printed = tools::run(dig(parent_dns).args(["+norecurse", "TXT", &format!("_vw.{name}")]));
    assert!(printed.contains("flags: qr;"), "a referral is not authoritative: {printed}");
    for part in ["NS\tns.games.port.test.", "\tDS\t", "RRSIG\tDS 13"] {
        assert!(printed.contains(part), "no {part}: {printed}");
    }

    // A resolver that trusts the parent's keys alone validates what the child says. Name servers
    // are asked at port 53, so that it is told where this one listens.
    let trusted = anchors(parent_dns, &parent.zone).join("\n");
    let stubs = [(parent_dns, parent.zone.as_str()), (child_dns, child.zone.as_str())];
    let Some(resolver) = unbound_of(&stubs, &trusted) else { return };
    let vouched = |rtype: &str| resolved(resolver.address(), rtype, &format!("_vw.{name}"));
    assert_eq!(vouched("TXT"), ("NOERROR".to_owned(), true));
    assert_eq!(vouched("MX"), ("NOERROR".to_owned(), true));
}

#[test]
fn a_world_under_an_operators_domain_is_served_once_dns_shows_that_it_is_the_operators() {
    if !tools::require("nsupdate", "bind9-dnsutils") {
        return;
    }
    // The first port is where the operator's domain is, and what the second one asks.
    let Some((home, home_dns)) = started(&["--variable", "zone=home.test"]) else { return };
    let resolver = format!("dns_resolver_url={}", home.url);
    let arguments = ["--variable", "zone=port.test", "--variable", &resolver];
    let Some((port, port_dns)) = started(&arguments) else { return };
    let mut arena = Operator::registered(&home, "arena");
    arena.world = format!("{}.{}", arena.world, home.zone);
    let record = |seq: u64| arena.record(&port, seq);

    let refused = port.http.send(&Call::jose("/v1/worlds", record(1)));
    refused.expect_problem(403, "control-unproven");
    let challenge = |operator: &Operator| {
        let path = format!("/v1/worlds/{}/challenge?operator={}", arena.world, operator.key.id());
        port.http.send(&Call::get(path)).expect(200).json()
    };
    let place = text(&challenge(&arena), "txt_name");

    // Another operator's proof is none.
    let key = tsig_key(&home, &unique("key"), &["--update", &arena.world]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("key.conf");
    std::fs::write(&file, key.clause()).expect("a key file");
    let update = |text: &str| {
        let change = format!("update delete {place}. TXT\nupdate add {place}. 60 TXT \"{text}\"");
        let done = dns::nsupdate(home_dns, &home.zone, &file, &change);
        assert!(done.status.success(), "{}", tools::shown(&done));
    };
    update(&text(&challenge(&Operator::new("other")), "text"));
    port.http.send(&Call::jose("/v1/worlds", record(1))).expect_problem(403, "control-unproven");
    update(&text(&challenge(&arena), "text"));
    let _ = port.http.send(&Call::jose("/v1/worlds", record(1))).expect(201);

    let shown = port.http.send(&Call::get(format!("/v1/worlds/{}", arena.world))).expect(200);
    assert_eq!(shown.text("fqdn"), arena.world);
    // The port is now an authority for the domain, with keys of its own.
    let printed = dns::dig(port_dns, Transport::Udp, "SVCB", &format!("_vw.{}", arena.world));
    assert!(answers(&printed).iter().any(|answer| answer.starts_with("SVCB ")), "{printed}");
}

#[track_caller]
fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_else(|| panic!("no {member} in {value}")).to_owned()
}
