//! The bounds of every field of a record, each tried on the example that has them all.

use crate::support::{Port, full_record};
use serde_json::{Value, json};
use vwp_discovery::record::Record;

fn with(pointer: &str, value: Value) -> Result<Record, String> {
    let mut record = full_record();
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    let parent = record.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer} is not in the example"));
    match parent {
        Value::Array(list) => list[member.parse::<usize>().unwrap()] = value,
        parent => parent[member] = value,
    }
    let parsed = Record::parse(record.to_string().as_bytes(), &Port::new().environment());
    parsed.map(|(_, record)| record).map_err(|error| error.to_string())
}

fn texts(count: usize, length: usize) -> Value {
    (0..count).map(|n| json!(format!("{n:0>length$}"))).collect()
}

fn by_language(count: usize, text: &str) -> Value {
    Value::Object((0..count).map(|n| (format!("en-x-a{n}"), text.into())).collect())
}

fn web(length: usize) -> Value {
    let start = "https://a.example/";
    json!(format!("{start}{}", "x".repeat(length - start.len())))
}

/// Fields, the largest value that they take, and one that is just too large.
fn bounds() -> Vec<(&'static str, Value, Value)> {
    vec![
        ("/seq", json!((1_u64 << 53) - 1), json!(1_u64 << 53)),
        ("/description", by_language(16, "a"), by_language(17, "a")),
        ("/description/en", json!("d".repeat(1000)), json!("d".repeat(1001))),
        ("/title/en", json!("界".repeat(100)), json!("界".repeat(101))),
        ("/operator_profile/name", json!("n".repeat(100)), json!("n".repeat(101))),
        (
            "/operator_profile/did",
            json!(format!("did:web:{}", "a".repeat(248))),
            json!(format!("did:web:{}", "a".repeat(249))),
        ),
        ("/tags", texts(16, 32), texts(17, 32)),
        ("/tags/0", json!("t".repeat(32)), json!("t".repeat(33))),
        ("/rating/level", json!(21), json!(22)),
        ("/rating/descriptors", texts(16, 32), texts(17, 32)),
        ("/rating/authority", json!("a".repeat(16)), json!("a".repeat(17))),
        ("/software/name", json!("s".repeat(32)), json!("s".repeat(33))),
        ("/software/version", json!("1".repeat(32)), json!("1".repeat(33))),
        ("/protocols", texts(16, 48), texts(17, 48)),
        ("/protocols/0", json!(format!("a/{}", "1".repeat(46))), json!(format!("a/{}", "1".repeat(47)))),
        ("/endpoints/0/region", json!("r".repeat(32)), json!("r".repeat(33))),
        ("/endpoints/1/path", json!(format!("/{}", "p".repeat(199))), json!(format!("/{}", "p".repeat(200)))),
        ("/endpoints/0/alpn", texts(4, 32), texts(5, 32)),
        ("/endpoints/0/alpn", texts(1, 32), texts(1, 33)),
        ("/endpoints/0/hints", hosts(8), hosts(9)),
        ("/endpoints", transports(8), transports(9)),
        ("/addresses", hosts(8), hosts(9)),
        ("/location/latitude", json!(-90), json!(-90.000_001)),
        ("/location/longitude", json!(180), json!(180.000_001)),
        ("/location/altitude", json!(1_000_000), json!(1_000_001)),
        ("/location/altitude", json!(-100_000), json!(-100_001)),
        ("/clients/0/name", json!("c".repeat(100)), json!("c".repeat(101))),
        ("/clients/0/platforms", texts(16, 32), texts(17, 32)),
        ("/clients/0/download", web(1024), web(1025)),
        ("/clients/0/launch", web(1024), web(1025)),
        ("/languages", languages(16), languages(17)),
        ("/entry_points", entries(32), entries(33)),
        ("/entry_points/0/title/en", json!("e".repeat(100)), json!("e".repeat(101))),
        ("/media/0/url", web(1024), web(1025)),
        ("/media/0/kind", json!("k".repeat(32)), json!("k".repeat(33))),
        ("/avatar_formats", texts(16, 32), texts(17, 32)),
        ("/economy/currencies", currencies(16), currencies(17)),
        ("/access/minimum_age", json!(21), json!(22)),
        ("/passports/issuers", issuers(16), issuers(17)),
        ("/passports/claims", texts(16, 32), texts(17, 32)),
        ("/passports/minimum_age", json!(21), json!(22)),
        ("/contacts/0/role", json!("r".repeat(32)), json!("r".repeat(33))),
        ("/contacts/0/uri", web(1024), web(1025)),
        ("/same_as", issuers(16), issuers(17)),
        ("/lease_s", json!(604_800), json!(604_801)),
        ("/lease_s", json!(60), json!(59)),
    ]
}

fn hosts(count: usize) -> Value {
    (1..=count).map(|n| json!(format!("192.0.2.{n}"))).collect()
}

fn transports(count: usize) -> Value {
    (1..=count).map(|n| json!({"transport": format!("t{n}"), "host": "a.example", "port": n})).collect()
}

fn languages(count: usize) -> Value {
    (0..count).map(|n| json!(format!("en-x-a{n}"))).collect()
}

fn entries(count: usize) -> Value {
    (0..count).map(|n| json!({"id": format!("e{n}"), "title": {"en": "E"}})).collect()
}

fn currencies(count: usize) -> Value {
    (0..count).map(|n| json!(format!("c{n}@arena"))).collect()
}

fn issuers(count: usize) -> Value {
    (0..count).map(|n| json!(format!("https://p{n}.example"))).collect()
}

#[test]
fn every_field_takes_what_the_description_says_and_no_more() {
    for (pointer, largest, larger) in bounds() {
        assert!(with(pointer, largest.clone()).is_ok(), "{pointer}: {:?}", with(pointer, largest));
        assert!(with(pointer, larger).is_err(), "{pointer} takes more than its bound");
    }
}

#[test]
fn values_of_another_kind_are_refused_in_every_field() {
    for (pointer, value) in [
        ("/v", json!(0)),
        ("/uuid", json!("00000000-0000-0000-0000-000000000000")),
        ("/uuid", json!("ffffffff-ffff-ffff-ffff-ffffffffffff")),
        ("/uuid", json!("arena")),
        ("/title", json!({})),
        ("/default_language", json!("fr")),
        ("/default_language", json!(null)),
        ("/operator_profile/did", json!("web:dusk.example")),
        ("/operator_profile/domain", json!("192.0.2.1")),
        ("/tags", json!(["twice", "twice"])),
        ("/rating/descriptors/0", json!("Fantasy Violence")),
        ("/protocols/0", json!("minecraft/1/2")),
        ("/endpoints/1/path", json!("enter")),
        ("/endpoints/0/alpn", json!(["h2", "h2"])),
        ("/addresses/0", json!("127.0.0.1")),
        ("/addresses/0", json!("0.0.0.0")),
        ("/addresses/0", json!("169.254.169.254")),
        ("/addresses/0", json!("224.0.0.1")),
        ("/addresses/0", json!("255.255.255.255")),
        ("/addresses/1", json!("::1")),
        ("/addresses/1", json!("fe80::1")),
        ("/addresses/1", json!("ff02::1")),
        ("/addresses/1", json!("::ffff:127.0.0.1")),
        ("/alias", json!("other.example")),
        ("/location/latitude", json!("52.5")),
        ("/clients/0/launch", json!("javascript:alert(1)")),
        ("/clients/0/download", json!("http://dusk.example")),
        ("/languages/0", json!("english language")),
        ("/entry_points", json!([{"id": "a", "title": {"en": "A"}}, {"id": "a", "title": {"en": "B"}}])),
        ("/media/0/sha256", json!("AAAA")),
        ("/economy/currencies/0", json!("gold")),
        ("/economy/colour", json!("red")),
        ("/access/admission", json!("maybe")),
        ("/passports/issuers/0", json!("ftp://port.example")),
        ("/contacts/0/uri", json!("call me")),
        ("/same_as/0", json!("http://directory.example")),
        ("/live_key/x", json!("AAAA")),
        ("/live_key/d", json!("870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE")),
        ("/crit", json!(["x-dusk-seasons", "x-dusk-seasons"])),
        ("/crit", json!(["title"])),
        ("/X-upper", json!(1)),
        ("/x-", json!(1)),
        ("/x-under_score", json!(1)),
    ] {
        assert!(with(pointer, value.clone()).is_err(), "{pointer} takes {value}");
    }
}

#[test]
fn an_alias_is_alone_at_the_worlds_name() {
    let mut record = full_record();
    record["alias"] = "Other.Example".into();
    let parse = |record: &Value| Record::parse(record.to_string().as_bytes(), &Port::new().environment());
    assert!(parse(&record).is_err());
    record["addresses"] = json!([]);
    assert_eq!(parse(&record).unwrap().1.alias.as_deref(), Some("other.example"));
}

#[test]
fn extension_members_come_back_as_they_were_given_and_none_comes_twice() {
    let given = json!({"deep": [1, {"er": null}], "text": "x"});
    assert_eq!(with("/x-given", given.clone()).unwrap().extensions["x-given"], given);
    let many = |count: usize| {
        let mut record = full_record();
        for n in 1..count {
            record[format!("x-n{n}")] = n.into();
        }
        Record::parse(record.to_string().as_bytes(), &Port::new().environment()).is_ok()
    };
    assert!(many(16) && !many(17));
    let text = full_record().to_string();
    for twice in [r#"{"x-dusk-seasons":1,"#, r#"{"title":{"en":"A"},"#] {
        let twice = text.replacen('{', twice, 1);
        assert!(Record::parse(twice.as_bytes(), &Port::new().environment()).is_err(), "{twice:.40}");
    }
}
