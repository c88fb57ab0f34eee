//! What a record says in DNS, read by a DNS library that the component does not use.

use crate::support::{Operator, Port, endpoint, full_record, record};
use domain::base::Rtype;
use domain::base::iana::Rtype as Type;
use hickory_proto::rr::rdata::svcb::SvcParamValue;
use hickory_proto::rr::{RData, RecordType};
use hickory_proto::serialize::binary::{BinDecoder, Restrict};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use vwp_discovery::projection::{Contents, owns, place, project};
use vwp_discovery::record::{Endpoint, RECORD_LENGTH_MAX, Record, sign};
use vwp_discovery::registry::World;
use vwp_dns::canonical;
use vwp_dns::edit::NODE_LENGTH_MAX;
use vwp_dns::name::OrderedName;
use vwp_dns::node::Node;
use vwp_dns::zone::Zone;

/// The names of a record and of the one before it have to fit into one commit, each with a
/// neighbour in the chain.
const NAMES_MAX: usize = 11;

fn zone() -> Zone {
    Zone::new("vwp.test").unwrap()
}

fn world(fields: Record) -> World {
    let operator = Operator::new(1);
    World { operator: operator.id.clone(), record: operator.sign(&fields), fields }
}

fn contents(fields: Record) -> Contents {
    project(&world(fields), &zone()).expect("a projection")
}

fn at(text: &str) -> OrderedName {
    text.split('.').rev().fold(OrderedName::apex(), |name, label| name.child(label.as_bytes()))
}

fn types(contents: &Contents, name: &str) -> Vec<Rtype> {
    contents
        .get(&at(name))
        .map(|content| content.sets.iter().map(|set| set.rtype).collect())
        .unwrap_or_default()
}

/// The data of a set, as the other library reads it.
fn read(contents: &Contents, name: &str, rtype: RecordType) -> Vec<RData> {
    let content = &contents[&at(name)];
    let set = content.sets.iter().find(|set| set.rtype.to_int() == u16::from(rtype)).expect("a set");
    let read = |data: &Vec<u8>| {
        let length = Restrict::new(u16::try_from(data.len()).unwrap());
        RData::read(&mut BinDecoder::new(data), rtype, length).expect("record data")
    };
    set.data.iter().map(read).collect()
}

#[test]
fn a_plain_record_has_its_service_and_nothing_at_its_own_name() {
    let contents = contents(record("arena"));
    let names: Vec<&OrderedName> = contents.keys().collect();
    let expected = [at("_minecraft._tcp.arena"), at("_vw._tcp.arena"), at("_vw.arena")];
    assert_eq!(names, expected.iter().collect::<Vec<_>>());
    assert_eq!(types(&contents, "_vw.arena"), [Type::SVCB, Type::TXT]);
    assert_eq!(types(&contents, "_vw._tcp.arena"), [Type::SRV, Type::TXT]);
    assert_eq!(types(&contents, "_minecraft._tcp.arena"), [Type::SRV]);
}

#[test]
fn a_name_may_have_addresses_or_be_an_alias() {
    let addresses = vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    let with_addresses = contents(Record { addresses, ..record("arena") });
    let [RData::A(v4)] = &read(&with_addresses, "arena", RecordType::A)[..] else { panic!() };
    let [RData::AAAA(v6)] = &read(&with_addresses, "arena", RecordType::AAAA)[..] else { panic!() };
    assert_eq!((v4.to_string(), v6.to_string()), ("192.0.2.1".into(), "2001:db8::1".into()));
    let location = Some(serde_json::from_value(json!({"latitude": 1.0, "longitude": 2.0})).unwrap());
    let alias = contents(Record { alias: Some("other.example".into()), location, ..record("arena") });
    let [RData::CNAME(target)] = &read(&alias, "arena", RecordType::CNAME)[..] else { panic!() };
    assert_eq!(target.to_string(), "other.example.");
    // A CNAME is alone at its name.
    assert_eq!(types(&alias, "arena"), [Type::CNAME]);
}

#[test]
fn only_a_record_with_extensions_that_must_be_understood_has_mandatory_parameters() {
    let keys = |fields: Record| {
        let contents = contents(fields);
        let [RData::SVCB(svcb)] = &read(&contents, "_vw.arena", RecordType::SVCB)[..] else { panic!() };
        let params = svcb.svc_params();
        let mandatory = params.iter().find_map(|(_, value)| match value {
            SvcParamValue::Mandatory(keys) => Some(keys.0.iter().map(|key| u16::from(*key)).collect()),
            _ => None,
        });
        let keys: Vec<u16> = params.iter().map(|(key, _)| u16::from(*key)).collect();
        (keys, mandatory)
    };
    assert_eq!(keys(record("arena")), (vec![3, 65280, 65284], None));
    let extended = Record {
        crit: vec!["x-a".into()],
        extensions: [("x-a".to_owned(), json!(1))].into(),
        ..record("arena")
    };
    assert_eq!(keys(extended), (vec![0, 3, 65280, 65284, 65286], Some(vec![65286])));
}

#[test]
fn hints_are_the_endpoints_own_or_those_of_the_worlds_name() {
    let hints = |endpoint: Endpoint| {
        let addresses = vec!["192.0.2.1".parse().unwrap()];
        let contents = contents(Record { endpoints: vec![endpoint], addresses, ..record("arena") });
        let [RData::SVCB(svcb)] = &read(&contents, "_vw.arena", RecordType::SVCB)[..] else { panic!() };
        let hint = |(_, value): &(_, SvcParamValue)| match value {
            SvcParamValue::Ipv4Hint(hint) => Some(hint.0[0].to_string()),
            _ => None,
        };
        svcb.svc_params().iter().find_map(hint)
    };
    assert_eq!(hints(endpoint("minecraft", "elsewhere.example", 1)), None);
    assert_eq!(hints(endpoint("minecraft", "arena.vwp.test", 1)).as_deref(), Some("192.0.2.1"));
    let own =
        Endpoint { hints: vec!["192.0.2.9".parse().unwrap()], ..endpoint("minecraft", "arena.vwp.test", 1) };
    assert_eq!(hints(own).as_deref(), Some("192.0.2.9"));
}

#[test]
fn a_world_under_its_operators_domain_is_at_that_zones_apex() {
    let fields = Record { name: "arena.example".into(), ..record("arena") };
    let zone = Zone::new("arena.example").unwrap();
    let contents = project(&world(fields), &zone).unwrap();
    assert!(contents.contains_key(&at("_vw")) && contents.contains_key(&at("_vw._tcp")));
    assert_eq!(place("arena.example"), OrderedName::apex());
}

#[test]
fn updates_may_not_change_what_the_record_says_and_may_add_the_rest() {
    let addresses = vec!["192.0.2.1".parse().unwrap()];
    let world = world(Record { addresses, ..record("arena") });
    let owned = |name: &str, rtype| owns(&world, &zone(), &at(name), rtype);
    for (name, rtype) in [
        ("arena", Type::A),
        ("_vw.arena", Type::SVCB),
        ("_vw.arena", Type::MX),
        ("_vw._tcp.arena", Type::URI),
        ("_minecraft._tcp.arena", Type::SRV),
    ] {
        assert!(owned(name, rtype), "{name} {rtype}");
    }
    for (name, rtype) in [
        ("arena", Type::AAAA),
        ("arena", Type::TXT),
        ("_xmpp._tcp.arena", Type::SRV),
        ("www.arena", Type::A),
        ("_vw.other", Type::SVCB),
    ] {
        assert!(!owned(name, rtype), "{name} {rtype}");
    }
}

/// A record of the largest size, with as much as possible in every endpoint's DNS record.
fn largest(filler: usize) -> Record {
    let mut value = full_record();
    value["protocols"] = (0..16).map(|n| json!(format!("minecraft/{n:0>38}"))).collect();
    value["crit"] = (0..4).map(|n| json!(format!("x-{n:0>62}"))).collect();
    for n in 0..4 {
        value[format!("x-{n:0>62}")] = json!(0);
    }
    let place = |n: usize| {
        json!({"transport": "minecraft", "host": "arena.vwp.test", "port": n + 1, "region": "r".repeat(32),
            "path": format!("/{}", "p".repeat(199)), "alpn": [format!("{n:0>32}"), "b".repeat(32), "c".repeat(32)]})
    };
    value["endpoints"] = (0..16).map(place).collect();
    value["addresses"] = (0..8).map(|n| json!(format!("2001:db8::{n}"))).collect();
    value["x-dusk-seasons"] = "f".repeat(filler).into();
    Record::parse(value.to_string().as_bytes(), &Port::new().environment()).expect("a record").1
}

#[test]
fn the_largest_record_fits_into_the_nodes_of_the_zone() {
    let operator = Operator::new(1);
    let length = |record: &Record| sign(record, &operator.key).len();
    let room = RECORD_LENGTH_MAX - length(&largest(0));
    let record = largest(room * 3 / 4 - 2);
    assert!((RECORD_LENGTH_MAX - 8..=RECORD_LENGTH_MAX).contains(&length(&record)), "{}", length(&record));
    for (name, length) in node_lengths(&contents(record)) {
        // The rest is for signatures and the chain.
        assert!(length + 1024 <= NODE_LENGTH_MAX, "{name:?} has {length} bytes");
    }
}

fn node_lengths(contents: &Contents) -> Vec<(OrderedName, usize)> {
    let length =
        |content: &vwp_dns::edit::Content| Node { sets: content.sets.clone(), glue: vec![] }.encode().len();
    contents.iter().map(|(name, content)| (name.clone(), length(content))).collect()
}

prop_compose! {
    fn any_endpoint()(
        transport in "[a-z]{1,15}".prop_filter("reserved", |text| text != "vw"),
        host in "[a-z]{1,40}\\.example",
        port in 1_u16..,
        priority in 1_u16..,
        weight: u16,
        region in prop::option::of("[a-z]{1,32}"),
        path in prop::option::of("/[a-z/]{0,199}"),
        alpn in prop::collection::btree_set("[!-~]{1,32}", 0..4),
        hints in prop::collection::btree_set("192\\.0\\.2\\.[1-9]", 0..8),
    ) -> Value {
        let mut value = json!({"transport": transport, "host": host, "port": port, "priority": priority,
            "weight": weight, "alpn": alpn, "hints": hints});
        let optional = [("region", region), ("path", path)];
        for (member, text) in optional.into_iter().filter_map(|(member, text)| Some((member, text?))) {
            value[member] = text.into();
        }
        value
    }
}

prop_compose! {
    fn any_record()(
        endpoints in vec(any_endpoint(), 1..8),
        title in "[^\\p{C} ]{1,100}",
        latitude in -90.0..=90.0_f64,
        longitude in -180.0..=180.0_f64,
        level in 0_u8..=21,
        addresses in prop::collection::btree_set("10\\.[1-9]\\.[1-9]\\.[1-9]", 0..8),
        launch in vec("[a-z]{2,10}://[a-z/]{1,60}", 0..16),
    ) -> Value {
        let mut value = full_record();
        value["title"] = json!({"en": title});
        value["endpoints"] = endpoints.into();
        value["location"] = json!({"latitude": latitude, "longitude": longitude});
        value["rating"] = json!({"level": level});
        value["addresses"] = json!(addresses);
        let clients = launch.iter().enumerate();
        value["clients"] = clients.map(|(n, uri)| json!({"name": format!("client {n}"), "launch": uri})).collect();
        value
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_record_that_is_accepted_has_records_in_dns_that_are_canonical_and_bounded(value in any_record()) {
        let parsed = Record::parse(value.to_string().as_bytes(), &Port::new().environment());
        // Two endpoints may meet at one place, and a scheme may be one that is not opened.
        prop_assume!(parsed.is_ok());
        let (_, fields) = parsed.expect("a record");
        let transports: BTreeSet<&str> = fields.endpoints.iter().map(|place| place.transport.as_str()).collect();
        let names = 3 + transports.len();
        let contents = contents(fields.clone());
        prop_assert!(contents.len() <= names && names <= NAMES_MAX);
        for (name, content) in &contents {
            prop_assert!(name.is_in(&place(&fields.name)));
            for set in &content.sets {
                prop_assert!(!set.data.is_empty() && set.data.is_sorted());
                for data in &set.data {
                    prop_assert_eq!(&canonical::wire(set.rtype, data).unwrap(), data);
                }
            }
        }
        prop_assert!(node_lengths(&contents).iter().all(|(_, length)| *length < NODE_LENGTH_MAX));
    }
}
