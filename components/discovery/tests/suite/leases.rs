//! Leases: worlds that are no longer heard of, and what they say while they are.

use crate::acting::jwk;
use crate::support::{ADMIN_TOKEN, Operator, Port, record};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use vwp_discovery::live::Live;
use vwp_discovery::record::{Record, uuid_of};

/// A world with a key of its own and a lease of a minute.
fn leased(port: &Port, world: &Operator, name: &str, seq: u64) -> Record {
    Record { lease_s: Some(60), live_key: Some(jwk(world)), ..port.fresh(name, seq) }
}

fn is_served(port: &Port, name: &str) -> bool {
    let status = port.get(&format!("/v1/worlds/{name}")).status;
    let is_in_dns = port.names_in("vwp.test", &format!("{name}\0")) > 0;
    assert_eq!(status == StatusCode::OK, is_in_dns, "{name} is not everywhere the same");
    is_in_dns
}

#[test]
fn a_world_that_is_not_heard_of_is_gone_within_31_seconds_of_its_leases_end() {
    let (port, operator, world) = (Port::new(), Operator::new(1), Operator::new(2));
    let made = port.register(&operator, &leased(&port, &world, "arena", 1)).json();
    assert_eq!(made["lease_ends_at"], port.now_s() + 60);
    port.live_through_s(60);
    assert!(is_served(&port, "arena"));
    assert_eq!(port.get("/v1/worlds/arena").json()["stale"], true);
    port.live_through_s(31);
    assert!(!is_served(&port, "arena"));
    assert_eq!(port.get("/v1/worlds?q=arena").json()["worlds"], json!([]));
    // Its name is still its operator's.
    assert_eq!(port.post_record(&Operator::new(3).sign(&port.fresh("arena", 9))).slug(), "name-taken");
}

#[test]
fn heartbeats_keep_a_world_and_tell_how_it_is() {
    let (port, operator, world) = (Port::new(), Operator::new(1), Operator::new(2));
    port.register(&operator, &leased(&port, &world, "arena", 1));
    for beat in 1..=10 {
        port.live_through_s(40);
        let answer = port.beat(&port.live("arena", beat), &world.key, &world.id);
        assert_eq!(answer.status, StatusCode::OK, "{}", String::from_utf8_lossy(&answer.body));
        assert_eq!(answer.json()["lease_ends_at"], port.now_s() + 60);
    }
    let shown = port.get("/v1/worlds/arena").json();
    assert_eq!((&shown["stale"], &shown["live"]["users"]), (&json!(false), &json!(7)));
    assert_eq!(shown["live"]["status"], "open");
    // A live state ends by itself, before the lease does.
    port.live_through_s(60);
    assert_eq!(port.get("/v1/worlds/arena").json().get("live"), None);
}

#[test]
fn a_world_speaks_with_its_own_key_or_its_operators_and_nobody_else_does() {
    let (port, operator, world, other) = (Port::new(), Operator::new(1), Operator::new(2), Operator::new(3));
    port.register(&operator, &leased(&port, &world, "arena", 1));
    port.register(
        &other,
        &Record { uuid: uuid_of("o", &"other".parse().unwrap()), ..port.fresh("other", 1) },
    );
    let slug = |live: &Live, key: &Operator, kid: &str| {
        let answer = port.beat(live, &key.key, kid);
        (!answer.status.is_success()).then(|| answer.slug())
    };
    assert_eq!(slug(&port.live("arena", 1), &world, &world.id), None);
    assert_eq!(slug(&port.live("arena", 2), &operator, &operator.id), None);
    assert_eq!(slug(&port.live("arena", 3), &other, &other.id).as_deref(), Some("not-speaker"));
    assert_eq!(slug(&port.live("arena", 3), &other, &world.id).as_deref(), Some("bad-signature"));
    assert_eq!(slug(&port.live("arena", 3), &other, &operator.id).as_deref(), Some("bad-signature"));
    assert_eq!(slug(&port.live("nowhere", 3), &world, &world.id).as_deref(), Some("not-found"));
    assert_eq!(slug(&port.live("other", 3), &world, &world.id).as_deref(), Some("not-speaker"));
}

#[test]
fn a_live_state_counts_once_and_an_older_one_does_not() {
    let (port, operator, world) = (Port::new(), Operator::new(1), Operator::new(2));
    port.register(&operator, &leased(&port, &world, "arena", 1));
    port.advance_s(10);
    let (second, first) = (port.live("arena", 2), port.live("arena", 1));
    let answer = port.beat(&second, &world.key, &world.id).json();
    port.advance_s(10);
    // A copy that somebody sends later renews nothing.
    assert_eq!(port.beat(&second, &world.key, &world.id).json(), answer);
    assert_eq!(port.beat(&first, &world.key, &world.id).slug(), "record-replayed");
    assert_eq!(port.get("/v1/worlds/arena").json()["lease_ends_at"], answer["lease_ends_at"]);
    let other = Live { users: 8, ..port.live("arena", 2) };
    assert_eq!(port.beat(&other, &world.key, &world.id).slug(), "record-replayed");
}

#[test]
fn a_heartbeat_brings_a_lapsed_world_back_as_it_was() {
    let (port, operator, world) = (Port::new(), Operator::new(1), Operator::new(2));
    port.register(&operator, &leased(&port, &world, "arena", 1));
    port.beat(&port.live("arena", 5), &world.key, &world.id);
    port.live_through_s(120);
    assert!(!is_served(&port, "arena"));
    assert_eq!(port.beat(&port.live("arena", 5), &world.key, &world.id).slug(), "record-replayed");
    let answer = port.beat(&port.live("arena", 6), &world.key, &world.id).json();
    assert_eq!((&answer["is_revived"], &answer["lease_ends_at"]), (&json!(true), &json!(port.now_s() + 60)));
    assert!(is_served(&port, "arena"));
    assert_eq!(port.get("/v1/worlds?q=arena").json()["worlds"].as_array().unwrap().len(), 1);
    port.live_through_s(100);
    assert!(!is_served(&port, "arena"));
}

#[test]
fn a_world_whose_record_has_ended_leaves_and_only_a_new_record_brings_it_back() {
    let (port, operator, world) = (Port::new(), Operator::new(1), Operator::new(2));
    let short = Record { exp: port.now_s() + 100, ..leased(&port, &world, "arena", 1) };
    port.register(&operator, &short);
    port.register(&operator, &Record { seq: 2, lease_s: None, ..short.clone() });
    port.live_through_s(99);
    assert!(is_served(&port, "arena"));
    port.live_through_s(1);
    assert!(!is_served(&port, "arena"));
    assert_eq!(port.beat(&port.live("arena", 1), &world.key, &world.id).slug(), "not-found");
    port.register(&operator, &port.fresh("arena", 3));
    assert!(is_served(&port, "arena"));
}

/// A port with a hundred leases, of which some are not renewed and have then ended.
fn with_lapses(lapses: usize) -> (Port, Vec<String>, Operator) {
    let (port, operator, world) = (Port::new(), Operator::new(1), Operator::new(2));
    let names: Vec<String> = (0..100).map(|number| format!("w{number:03}")).collect();
    for name in &names {
        let uuid = uuid_of("w", &name.parse().unwrap());
        port.register(&operator, &Record { uuid, ..leased(&port, &world, name, 1) });
    }
    port.live_through_s(50);
    for name in names.iter().skip(lapses) {
        port.beat(&port.live(name, 1), &world.key, &world.id);
    }
    port.live_through_s(41);
    (port, names, world)
}

fn leases(port: &Port) -> Value {
    port.administer(Method::GET, "/v1/maintenance", &Value::Null).json()["leases"].clone()
}

#[test]
fn fifteen_of_a_hundred_leases_that_end_at_once_are_let_go() {
    let (port, names, _) = with_lapses(15);
    let served: Vec<bool> = names.iter().map(|name| is_served(&port, name)).collect();
    assert_eq!(served.iter().filter(|is_served| !**is_served).count(), 15);
    let leases = leases(&port);
    assert_eq!((&leases["held"], &leases["lapsing"]), (&json!(85), &json!(0)));
}

#[test]
fn sixteen_of_a_hundred_are_served_on_as_stale_until_they_are_heard_of_or_let_go() {
    let (port, names, world) = with_lapses(16);
    assert!(names.iter().all(|name| is_served(&port, name)));
    assert_eq!(leases(&port), json!({"held": 100, "lapsing": 16, "evicted": 0, "is_guarded": true}));
    let stale = |name: &str| port.get(&format!("/v1/worlds/{name}")).json()["stale"].clone();
    assert_eq!((stale("w000"), stale("w050")), (json!(true), json!(false)));

    // Two are heard of again: the rest are not so many any more, and go.
    for name in &names[..2] {
        port.beat(&port.live(name, 1), &world.key, &world.id);
    }
    assert_eq!(stale("w000"), json!(false));
    for name in names.iter().skip(16) {
        port.beat(&port.live(name, 2), &world.key, &world.id);
    }
    port.live_through_s(1);
    assert_eq!(names.iter().filter(|name| is_served(&port, name)).count(), 86);
}

#[test]
fn the_administrator_lets_stale_worlds_go() {
    let (port, names, _) = with_lapses(40);
    assert!(names.iter().all(|name| is_served(&port, name)));
    let anonymous = Request::post("/v1/maintenance").body(Vec::new()).unwrap();
    assert_eq!(port.send(anonymous).slug(), "unauthorised");
    let report = port.administer(Method::POST, "/v1/maintenance", &json!({"evict": true}));
    assert_eq!(report.status, StatusCode::OK);
    port.maintain();
    assert_eq!(names.iter().filter(|name| is_served(&port, name)).count(), 60);
    let unknown = port.administer(Method::POST, "/v1/maintenance", &json!({"evict": true, "all": true}));
    assert_eq!(unknown.slug(), "bad-request");
    assert!(!ADMIN_TOKEN.is_empty());
}

#[test]
fn a_world_without_a_lease_may_say_how_it_is() {
    let (port, operator) = (Port::new(), Operator::new(1));
    port.register(&operator, &record("arena"));
    let answer = port.beat(&port.live("arena", 1), &operator.key, &operator.id).json();
    assert_eq!(answer["lease_ends_at"], Value::Null);
    assert_eq!(port.get("/v1/worlds/arena").json()["live"]["accepting"], true);
    port.live_through_s(200);
    assert!(is_served(&port, "arena"));
}
