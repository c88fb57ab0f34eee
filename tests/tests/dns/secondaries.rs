//! Name servers that copy the zone, so that it is served from any number of places: NSD, told
//! of it by hand, and Knot DNS and BIND, which follow the catalog zone.

use super::{administer, started, tsig_key};
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;
use vwp_client::sign::Statement;
use vwp_tests::eventually;
use vwp_tests::foreign::Server;
use vwp_tests::host::Host;
use vwp_tests::http::Call;
use vwp_tests::people::Operator;
use vwp_tests::secondaries::{Primary, TsigKey, bind, contents, knot, nsd, serial};

/// How many updates there are, and by how many operators at the same time.
const UPDATES: usize = 1000;
const OPERATORS_AT_ONCE: usize = 4;

#[test]
fn every_secondary_ends_with_the_same_serial_and_the_same_zone_after_a_thousand_updates() {
    let Some((host, server)) = started(&[]) else { return };
    let key = tsig_key(&host, "secondaries.example", &["--transfer"]);
    let zone = host.zone.clone();
    let primary = Primary { address: server, zone: &zone, key: &key };
    let catalog = format!("_catalog.{zone}");
    let copies =
        [("nsd", nsd(&primary)), ("knot", knot(&primary, &catalog)), ("bind", bind(&primary, &catalog))];
    let copies: Vec<(&str, Server)> =
        copies.into_iter().filter_map(|(name, copy)| copy.map(|copy| (name, copy))).collect();
    for (name, copy) in &copies {
        let address = copy.address().to_string();
        administer(&host, &["zone", "secondaries", "set", "--tsig-key", &key.name, name, &address]);
        eventually(&format!("{name} has the zone"), || serial(copy.address(), &zone).is_some());
    }
    update_many(&host);
    let is_same = |copy: SocketAddr| {
        let current = serial(server, &zone);
        current.is_some()
            && serial(copy, &zone) == current
            && whole(copy, &zone, None) == whole(server, &zone, Some(&key))
    };
    for (name, copy) in &copies {
        eventually(&format!("{name} has what the port has"), || is_same(copy.address()));
    }
    let knot = copies.iter().find(|(name, _)| *name == "knot");
    let followed = knot.is_none_or(|(_, knot)| knot.log().contains("IXFR, incoming"));
    assert!(followed, "the changes did not come as changes");
}

fn whole(server: SocketAddr, zone: &str, key: Option<&TsigKey>) -> Vec<String> {
    let contents = contents(server, zone, key);
    assert!(contents.len() > UPDATES, "{server} has only {} records", contents.len());
    contents
}

/// Worlds are registered; of every ten, one changes and one is withdrawn.
fn update_many(host: &Host) {
    std::thread::scope(|scope| {
        for _ in 0..OPERATORS_AT_ONCE {
            scope.spawn(|| {
                let mut updates = 0;
                while updates < UPDATES / OPERATORS_AT_ONCE {
                    let operators: Vec<Operator> = (0..8).map(|_| Operator::registered(host, "w")).collect();
                    change(host, &operators[0]);
                    withdraw(host, &operators[1]);
                    updates += operators.len() + 2;
                }
            });
        }
    });
}

fn change(host: &Host, operator: &Operator) {
    let mut claims = operator.claims(2);
    claims["endpoints"][0]["port"] = 25_566.into();
    let _ = host.http.send(&Call::jose("/v1/worlds", operator.record_of(host, claims))).expect(200);
}

fn withdraw(host: &Host, operator: &Operator) {
    let claims = json!({"action": "withdraw", "name": operator.world, "seq": 2});
    let statement = Statement {
        introduce: true,
        valid: Some(Duration::from_mins(5)),
        ..operator.statement(host, "vwp-action+jws", claims)
    };
    let _ = host.http.send(&Call::jose("/v1/actions", statement.sign(&operator.key))).expect(200);
}
