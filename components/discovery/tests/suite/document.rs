//! The examples of `docs/protocol/discovery.md`, executed: what the protocol's description
//! says is what the port does.

use crate::support::{Answer, ISSUER, Port, examples, full_record, merge, sign_as};
use domain::zonefile::inplace::{Entry, Zonefile};
use http::StatusCode;
use p256::ecdsa::SigningKey;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use vwp_core::jose::{self, Jwk};
use vwp_discovery::live::{LIVE_TYPE, Live};
use vwp_discovery::projection::project;
use vwp_discovery::record::{RECORD_TYPE, Record};
use vwp_discovery::registry::World;
use vwp_dns::canonical;
use vwp_dns::zone::Zone;

fn of_kind(kind: &str) -> Vec<String> {
    let examples = examples().into_iter().filter(|(of, _)| of == kind).map(|(_, text)| text);
    let examples: Vec<String> = examples.collect();
    assert!(!examples.is_empty(), "there is no example of {kind}");
    examples
}

fn key(kind: &str) -> SigningKey {
    let jwk: Value = serde_json::from_str(&of_kind(kind)[0]).unwrap();
    let secret = jose::decode(jwk["d"].as_str().unwrap()).unwrap();
    let key = SigningKey::from_slice(&secret).unwrap();
    assert_eq!(Jwk::from_key(key.verifying_key()).x, jwk["x"], "the key's two halves belong together");
    key
}

/// JSON without the white space between its tokens.
fn minified(text: &str) -> String {
    let (mut is_text, mut is_escaped) = (false, false);
    let keep = |character: &char| {
        let is_kept = is_text || !character.is_whitespace();
        is_text ^= *character == '"' && !is_escaped;
        is_escaped = is_text && *character == '\\' && !is_escaped;
        is_kept
    };
    text.chars().filter(keep).collect()
}

fn signed(payload: &str) -> String {
    sign_as(&key("json operator-key"), RECORD_TYPE, payload.as_bytes())
}

fn registered(payload: &str) -> Answer {
    Port::new().post_record(&signed(payload))
}

fn patched(patch: &str) -> String {
    let mut record = full_record();
    merge(&mut record, &serde_json::from_str(patch).unwrap());
    record.to_string()
}

#[test]
fn the_records_of_the_description_can_be_registered() {
    for record in of_kind("json world-record") {
        let answer = registered(&minified(&record));
        assert_eq!(answer.status, StatusCode::CREATED, "{}", String::from_utf8_lossy(&answer.body));
    }
}

#[test]
fn the_full_example_has_every_field() {
    let record = full_record();
    let Value::Object(shown) = serde_json::to_value(Record::default()).unwrap() else { panic!() };
    for field in shown.keys() {
        assert!(record.get(field).is_some(), "{field} is not in the example");
    }
    // Optional fields are left out of an empty record; the table names them all.
    let document = include_str!("../../../../docs/protocol/discovery.md");
    for field in record.as_object().unwrap().keys().filter(|name| !name.starts_with("x-")) {
        let is_described = ["`{}` |", "`, `{}`", "`{}`, `"]
            .iter()
            .any(|form| document.contains(&format!("| {}", form.replace("{}", field))))
            || document.contains(&format!("| `{field}`"));
        assert!(is_described, "the table does not describe {field}");
    }
}

#[test]
fn what_the_description_allows_is_registered_and_what_it_refuses_is_not() {
    for patch in of_kind("json allowed") {
        let answer = registered(&patched(&patch));
        assert_eq!(answer.status, StatusCode::CREATED, "{patch}");
    }
    for patch in of_kind("json refused bad-record") {
        let answer = registered(&patched(&patch));
        assert_eq!(
            (answer.status, answer.slug().as_str()),
            (StatusCode::BAD_REQUEST, "bad-record"),
            "{patch}"
        );
    }
}

#[test]
fn dns_says_of_the_example_what_the_description_says() {
    let record = minified(of_kind("json world-record").last().unwrap());
    let record_jws = signed(&record);
    let port = Port::new();
    let (_, fields) = Record::parse(record.as_bytes(), &port.environment()).unwrap();
    let operator = Jwk::from_key(key("json operator-key").verifying_key()).thumbprint();
    let hash = jose::encode(Sha256::digest(record_jws.as_bytes()));
    let zone = Zone::new("vwp.test").unwrap();
    let world = World { operator: operator.clone(), fields, record: record_jws };
    let mut projected = BTreeSet::new();
    for (name, content) in project(&world, &zone).unwrap() {
        let owner = name.to_name(zone.apex()).unwrap().to_string();
        for set in content.sets {
            let rows =
                set.data.into_iter().map(|data| (owner.clone(), set.rtype.to_string(), set.ttl_s, data));
            projected.extend(rows);
        }
    }
    let text = of_kind("dns world-record").remove(0).replace("=RECORD", &format!("={hash}"));
    let described: BTreeSet<_> =
        text.replace("=OPERATOR", &format!("={operator}")).lines().map(row).collect();
    assert_eq!(projected, described);
}

/// A line of a master file (RFC 1035, section 5) as owner, type, TTL and data.
fn row(line: &str) -> (String, String, u32, Vec<u8>) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [owner, ttl, "IN", rtype, rest @ ..] = words.as_slice() else { panic!("{line}") };
    let data = match *rtype {
        "LOC" => loc(rest),
        "URI" => uri(rest),
        _ => data(line),
    };
    (owner.trim_end_matches('.').to_owned(), (*rtype).to_owned(), ttl.parse().unwrap(), data)
}

fn data(line: &str) -> Vec<u8> {
    let mut file = Zonefile::load(&mut format!("{line}\n").as_bytes()).unwrap();
    let Some(Entry::Record(record)) = file.next_entry().unwrap() else { panic!("{line}") };
    canonical::data(record.data()).unwrap()
}

/// RFC 1876, sections 2 and 3, by whole numbers.
fn loc(words: &[&str]) -> Vec<u8> {
    let [d1, m1, s1, "N", d2, m2, s2, "E", altitude, "1m", "10m", "10m"] = words else { panic!("{words:?}") };
    let thousandths = |d: &str, m: &str, s: &str| {
        let whole: u32 = s.replace('.', "").parse().unwrap();
        (1 << 31) + (d.parse::<u32>().unwrap() * 60 + m.parse::<u32>().unwrap()) * 60_000 + whole
    };
    let altitude: u32 = altitude.trim_end_matches('m').replace('.', "").parse().unwrap();
    let parts = [thousandths(d1, m1, s1), thousandths(d2, m2, s2), 10_000_000 + altitude];
    [vec![0, 0x12, 0x13, 0x13], parts.iter().flat_map(|part| part.to_be_bytes()).collect()].concat()
}

/// RFC 7553, section 4.
fn uri(words: &[&str]) -> Vec<u8> {
    let [priority, weight, target] = words else { panic!("{words:?}") };
    let number = |text: &str| text.parse::<u16>().unwrap().to_be_bytes();
    [&number(priority)[..], &number(weight)[..], target.trim_matches('"').as_bytes()].concat()
}

#[test]
fn the_live_state_of_the_description_is_one() {
    let port = Port::new();
    let (name, record) = Record::parse(full_record().to_string().as_bytes(), &port.environment()).unwrap();
    let live_key = key("json live-key");
    for state in of_kind("json live-state") {
        let compact = sign_as(&live_key, LIVE_TYPE, minified(&state).as_bytes());
        let live = Live::verify(&compact, &name, record.live_key.as_slice(), &port.environment()).unwrap();
        assert_eq!((live.aud.as_str(), live.accepting), (ISSUER, true));
    }
}
