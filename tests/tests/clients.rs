//! Clients that this project did not write: what we sign others believe, and what others
//! sign we believe.

use serde_json::{Value, json};
use std::process::Command;
use vwp_client::presentation;
use vwp_tests::host::Host;
use vwp_tests::http::Call;
use vwp_tests::people::{Operator, Traveller};
use vwp_tests::{dns, libraries, tools, unique};
use vwp_verifier::keys::KeySet;

const AUDIENCE: &str = "https://world-b.example";

/// What the foreign clients are told.
fn task(host: &Host, ada: &Traveller, nonce: &str) -> Value {
    let passport = ada.passport(host);
    let ours = presentation::present(&ada.key, &passport, AUDIENCE, nonce, &["handle", "traveller"]).unwrap();
    json!({
        "url": host.url, "issuer": host.issuer, "zone": host.zone,
        "dns": host.dns.map(|address| address.to_string()),
        "token": ada.token, "ours": ours, "audience": AUDIENCE, "nonce": nonce,
        "world": unique("python"),
    })
}

#[test]
fn javascript_libraries_believe_our_signatures_and_are_believed() {
    let Some(folder) = libraries::node(&["client.mjs"]) else { return };
    let host = Host::shared();
    let ada = Traveller::signed_in(&host);
    let nonce = unique("nonce");
    let mut client = Command::new("node");
    let found = libraries::answer(client.arg("client.mjs").current_dir(&folder), &task(&host, &ada, &nonce));

    assert_eq!(found["subject"], ada.id.as_str(), "the access token");
    assert_eq!(found["believed"]["handle"], ada.handle.as_str(), "our presentation");
    assert_eq!(found["believed"]["traveller"], ada.id.as_str(), "our presentation");
    assert_eq!(found["issued"]["handle"], ada.handle.as_str(), "the passport for a key of theirs");
    assert_eq!(found["issued"]["iss"], host.issuer.as_str());

    let theirs = found["presentation"].as_str().unwrap();
    let ask = json!({"presentation": theirs, "audience": AUDIENCE, "nonce": nonce});
    let believed = host.http.send(&Call::json("/v1/passports/verify", &ask)).expect(200).json();
    assert_eq!(believed["handle"], ada.handle.as_str(), "their presentation");
    assert_eq!(believed.get("traveller"), None, "they revealed the handle alone");
    let published = host.http.send(&Call::get("/.well-known/jwks.json")).expect(200);
    let keys = KeySet::from_json(&String::from_utf8(published.body).unwrap()).unwrap();
    let offline = presentation::verify(theirs, &keys, &host.issuer, AUDIENCE, &nonce).unwrap();
    assert_eq!(offline.holder, found["holder"].as_str().unwrap(), "RFC 7638 thumbprints agree");
}

#[test]
fn python_libraries_register_resolve_and_verify() {
    let Some((python, folder)) = libraries::python(&["client.py"]) else { return };
    let host = Host::shared();
    let ada = Traveller::signed_in(&host);
    let task = task(&host, &ada, &unique("nonce"));
    let mut client = Command::new(&python);
    let found = libraries::answer(client.arg("client.py").current_dir(&folder), &task);

    let registered = &found["registered"];
    assert_eq!(registered["status"], 201);
    assert_eq!(registered["operator"], registered["thumbprint"], "RFC 7638 thumbprints agree");
    assert_eq!(registered["found"], registered["thumbprint"]);
    assert_eq!(registered["receipt"]["name"], task["world"]);
    assert_eq!(registered["receipt"]["sub"], registered["thumbprint"]);
    assert_eq!(found["believed"]["handle"], ada.handle.as_str());
    assert_eq!(found["believed"]["traveller"], ada.id.as_str());
    let resolved = found["resolved"].as_object().unwrap();
    let ways = if host.dns.is_some() { 8 } else { 4 };
    assert_eq!(resolved.len(), ways, "{resolved:?}");
    for (way, targets) in resolved {
        assert_eq!(*targets, json!(["python.example."]), "{way}");
    }
}

#[test]
fn curl_asks_dns_over_https_without_knowing_us() {
    if !tools::require("curl", "curl") {
        return;
    }
    let host = Host::shared();
    let arena = Operator::registered(&host, "arena");
    let question = dns::question(0, &format!("_minecraft._tcp.{}.{}", arena.world, host.zone), 33);
    let url = format!("{}/dns-query?dns={}", host.url, vwp_core::jose::encode(&question));
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--include"]);
    let output = tools::output(curl.args(["--header", "accept: application/dns-message", &url]));
    assert!(output.status.success(), "{}", tools::shown(&output));
    let end = output.stdout.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("headers and a body");
    let headers = String::from_utf8_lossy(&output.stdout[..end]).to_lowercase();
    let body = &output.stdout[end + 4..];
    assert!(headers.contains("content-type: application/dns-message"), "{headers}");
    // RFC 8484, section 5.1: the answer is as fresh as its records.
    assert!(headers.contains("cache-control: max-age=60"), "{headers}");
    assert_eq!(dns::rcode(body), Some(0));
    assert_eq!(body.get(6..8), Some(&[0, 1][..]), "one SRV record");
}
