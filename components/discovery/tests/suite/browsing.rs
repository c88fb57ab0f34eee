//! The zone's list for browsing, as a DNS-SD client (RFC 6763) finds it.

use crate::support::{Operator, Port, START_S, record};
use domain::base::Name;
use domain::base::iana::Rtype as Type;
use futures::executor::block_on;
use std::collections::BTreeSet;
use vwp_discovery::browsing::{LISTED_MAX, refresh, wish};
use vwp_discovery::options;
use vwp_discovery::record::Record;
use vwp_discovery::registry::World;
use vwp_dns::name::OrderedName;
use vwp_dns::node::Node;
use vwp_storage::Kv;
use vwp_storage::kv::{Outcome, Write};

const DAY_S: u64 = 86_400;

fn wishing(name: &str) -> Record {
    Record { browse: true, exp: START_S + 30 * DAY_S, ..record(name) }
}

/// Puts a world, and its wish, where a registration puts them.
fn put(port: &Port, fields: &Record, before: Option<&Record>) {
    let operator = Operator::new(1);
    let world = World { operator: operator.id.clone(), record: String::new(), fields: fields.clone() };
    let key = vwp_discovery::keys::world_text(&fields.name);
    let mut writes = vec![Write::put(key, serde_json::to_vec(&world).unwrap())];
    writes.extend(wish(before, Some(fields)));
    assert!(matches!(block_on(port.store.commit(&[], &writes)), Ok(Outcome::Committed(_))));
}

fn refreshed(port: &Port) -> u64 {
    let environment = port.environment();
    let (zone, policy) = (options::zone(&port.settings).unwrap(), options::policy(&port.settings).unwrap());
    block_on(vwp_dns::publish::publish(&port.store, &zone, &policy, &environment)).unwrap();
    block_on(refresh(&port.store, &environment, &zone, &policy)).unwrap()
}

fn node(port: &Port, name: &str) -> Option<Node> {
    let name = name.split('.').rev().fold(OrderedName::apex(), |name, label| name.child(label.as_bytes()));
    let key = options::zone(&port.settings).unwrap().node(&name);
    block_on(port.store.get(&key)).unwrap().and_then(|entry| Node::decode(&entry.value))
}

/// The names that a PTR set points to.
fn pointers(port: &Port, name: &str) -> BTreeSet<String> {
    let node = node(port, name).unwrap_or_default();
    let data = node.set(Type::PTR).map(|set| set.data.clone()).unwrap_or_default();
    data.into_iter().map(|data| Name::from_octets(data).unwrap().to_string()).collect()
}

#[test]
fn worlds_that_wish_it_are_found_by_browsing_with_their_places_and_texts() {
    let port = Port::new();
    put(&port, &wishing("arena"), None);
    put(&port, &record("quiet"), None);
    refreshed(&port);
    let instance = BTreeSet::from(["arena._vw._tcp.vwp.test".to_owned()]);
    assert_eq!(pointers(&port, "_vw._tcp"), instance);
    assert_eq!(pointers(&port, "_minecraft._sub._vw._tcp"), instance);
    let zone = BTreeSet::from(["vwp.test".to_owned()]);
    assert_eq!((pointers(&port, "b._dns-sd._udp"), pointers(&port, "lb._dns-sd._udp")), (zone.clone(), zone));
    assert_eq!(pointers(&port, "_services._dns-sd._udp"), BTreeSet::from(["_vw._tcp.vwp.test".to_owned()]));
    let instance = node(&port, "arena._vw._tcp").unwrap();
    assert!(instance.set(Type::SRV).is_some() && instance.set(Type::TXT).is_some());
    assert!(instance.set(Type::SRV).unwrap().signatures.len() == 1, "the list is signed like the rest");
}

#[test]
fn a_list_that_nobody_is_in_any_more_leaves_nothing_behind() {
    let port = Port::new();
    put(&port, &wishing("arena"), None);
    refreshed(&port);
    put(&port, &record("arena"), Some(&wishing("arena")));
    port.advance_s(60);
    refreshed(&port);
    for name in ["_vw._tcp", "arena._vw._tcp", "_minecraft._sub._vw._tcp", "b._dns-sd._udp"] {
        assert_eq!(node(&port, name), None, "{name}");
    }
}

#[test]
fn the_list_is_made_once_a_minute_and_stays_bounded() {
    let port = Port::new();
    for n in 0..50 {
        put(&port, &wishing(&format!("world{n}")), None);
    }
    assert_eq!(refreshed(&port), 60_000);
    assert_eq!(pointers(&port, "_vw._tcp").len(), LISTED_MAX);
    put(&port, &wishing("late"), None);
    port.advance_s(59);
    assert_eq!(refreshed(&port), 1_000);
}

#[test]
fn every_world_that_wishes_it_has_its_turn() {
    let port = Port::new();
    for n in 0..50 {
        put(&port, &wishing(&format!("world{n}")), None);
    }
    let mut seen = BTreeSet::new();
    for _ in 0..20 {
        refreshed(&port);
        let listed = pointers(&port, "_vw._tcp");
        assert_eq!(listed.len(), LISTED_MAX);
        for instance in &listed {
            let name = instance.strip_suffix(".vwp.test").unwrap();
            assert!(node(&port, name).is_some(), "{instance} is listed and does not exist");
        }
        seen.extend(listed);
        port.advance_s(DAY_S);
    }
    assert_eq!(seen.len(), 50);
}
