//! Libraries of other languages: dnspython validates a whole zone, dohdec asks over HTTP.

use super::{shared, tsig_key};
use serde_json::json;
use std::process::Command;
use vwp_tests::people::Operator;
use vwp_tests::{libraries, unique};

#[test]
fn dnspython_validates_every_set_of_the_zone_and_the_chain_through_it() {
    let Some((host, server)) = shared() else { return };
    let Some((python, folder)) = libraries::python(&["zone.py"]) else { return };
    let worlds: Vec<Operator> = (0..20).map(|_| Operator::registered(&host, "arena")).collect();
    let key = tsig_key(&host, &unique("python"), &["--transfer"]);
    let task = json!({
        "zone": host.zone, "address": server.ip().to_string(), "port": server.port(),
        "key": {"name": key.name, "secret": key.secret},
    });
    let mut client = Command::new(python);
    let found = libraries::answer(client.arg("zone.py").current_dir(folder), &task);
    let names = found["names"].as_array().expect("the names of the zone");
    for operator in worlds {
        let name = format!("_vw.{}.{}.", operator.world, host.zone);
        assert!(names.iter().any(|found| *found == name.as_str()), "{name} is not in the zone");
    }
    let validated = found["validated"].as_u64().and_then(|count| usize::try_from(count).ok());
    assert!(validated > Some(names.len()), "every name has a set and its NSEC: {validated:?}");
    assert_eq!(found["faults"], json!([]));
}

#[test]
fn a_library_for_node_asks_over_http_with_get_and_post() {
    let Some((host, _)) = shared() else { return };
    let Some(folder) = libraries::node(&["resolve.mjs"]) else { return };
    let arena = Operator::registered(&host, "arena");
    let name = format!("_minecraft._tcp.{}.{}", arena.world, host.zone);
    let task = json!({"url": format!("{}/dns-query", host.url), "name": name});
    let mut client = Command::new("node");
    let found = libraries::answer(client.arg("resolve.mjs").current_dir(folder), &task);
    for way in ["get", "post"] {
        assert_eq!(found[way]["targets"], json!([format!("{}.example", arena.world)]), "{way}");
        assert_eq!(found[way]["signed"], true, "{way}");
    }
}
