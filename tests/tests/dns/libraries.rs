//! Libraries of other languages: dnspython validates a whole zone and finds encrypted transports,
//! dohdec asks over HTTP.

use super::{shared, started, tsig_key};
use serde_json::json;
use std::process::Command;
use vwp_tests::certificate::Certificate;
use vwp_tests::foreign::free_address;
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

#[test]
fn dnspython_learns_from_the_server_itself_how_to_ask_it_over_tls() {
    let Some((python, folder)) = libraries::python(&["designated.py"]) else { return };
    let certificate = Certificate::new();
    let files = certificate.arguments();
    let address = free_address();
    let (tls, announced) = (address.to_string(), format!("dns_over_tls=localhost:{}", address.port()));
    let mut arguments: Vec<&str> = files.iter().map(String::as_str).collect();
    arguments.extend(["--dns-tls-listen", &tls, "--variable", &announced]);
    let Some((host, server)) = started(&arguments) else { return };
    let arena = Operator::registered(&host, "arena");
    let task = json!({
        "address": server.ip().to_string(), "port": server.port(),
        "name": format!("_vw.{}.{}", arena.world, host.zone),
    });
    let mut client = Command::new(python);
    client.arg("designated.py").current_dir(folder).env("SSL_CERT_FILE", certificate.file());
    let found = libraries::answer(&mut client, &task);
    let expected = format!("DoT:{}@{}", address.ip(), address.port());
    let nameservers = found["nameservers"].as_array().expect("nameservers");
    assert!(nameservers.iter().any(|found| found.as_str() == Some(expected.as_str())), "{found}");
    assert!(!found["texts"].as_array().expect("texts").is_empty(), "{found}");
}
