//! Withdrawing worlds and handing names over.

use crate::acting::jose_request;
use crate::support::{ISSUER, Operator, Port, record};
use futures::executor::block_on;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use vwp_core::directory;
use vwp_core::jose::{self, Header};
use vwp_discovery::actions::{ACTION_TYPE, Claims, Kind};
use vwp_discovery::record::Record;
use vwp_discovery::registry::holder::{OFFER_S, TOMBSTONE_S};
use vwp_storage::Kv;

fn in_directory(port: &Port, name: &str) -> directory::World {
    let entry = block_on(port.store.get(&directory::world_key(&name.parse().unwrap()))).unwrap().unwrap();
    serde_json::from_slice(&entry.value).unwrap()
}

fn operator_in_directory(port: &Port, name: &str) -> String {
    in_directory(port, name).operator
}

#[test]
fn a_withdrawn_world_is_gone_everywhere_at_once() {
    let (port, operator) = (Port::new(), Operator::new(1));
    port.register(&operator, &record("arena"));
    assert!(port.names_in("vwp.test", "arena") > 0);
    let done = port.done(&operator, &port.about(Kind::Withdraw, "arena", 2)).json();
    assert_eq!((done["action"].as_str(), done["name"].as_str()), (Some("withdraw"), Some("arena")));
    assert_eq!(port.get("/v1/worlds/arena").slug(), "not-found");
    assert_eq!(port.get("/v1/worlds?q=arena").json()["worlds"], json!([]));
    assert_eq!(port.names_in("vwp.test", "arena"), 0);
}

#[test]
fn a_withdrawn_name_is_kept_from_others_for_thirty_days_and_never_from_its_operator() {
    let (port, operator, other) = (Port::new(), Operator::new(1), Operator::new(2));
    port.register(&operator, &record("arena"));
    port.done(&operator, &port.about(Kind::Withdraw, "arena", 2));
    assert_eq!(port.post_record(&other.sign(&record("arena"))).slug(), "name-taken");
    let back = port.register(&operator, &Record { seq: 3, ..record("arena") });
    assert_eq!(back.status, StatusCode::OK);
    port.done(&operator, &port.about(Kind::Withdraw, "arena", 4));
    port.advance_s(TOMBSTONE_S - 1);
    assert_eq!(port.post_record(&other.sign(&port.fresh("arena", 1))).slug(), "name-taken");
    port.advance_s(1);
    assert_eq!(port.register(&other, &port.fresh("arena", 1)).status, StatusCode::CREATED);
    assert_eq!(operator_in_directory(&port, "arena"), other.id);
    assert_eq!(port.post_record(&operator.sign(&port.fresh("arena", 9))).slug(), "name-taken");
    // What travellers hold is named after the world that was; it has not changed hands.
    assert_eq!(in_directory(&port, "arena").assets_of, Some(operator.id));
}

#[test]
fn a_name_changes_hands_when_one_operator_offers_it_and_the_other_accepts() {
    let (port, old, new) = (Port::new(), Operator::new(1), Operator::new(2));
    port.register(&old, &record("arena"));
    let accept = port.about(Kind::Accept, "arena", 3);
    assert_eq!(port.act(&new, &accept).slug(), "not-offered");
    port.done(&old, &Claims { to: Some(new.id.clone()), ..port.about(Kind::Transfer, "arena", 2) });
    assert_eq!(port.act(&Operator::new(3), &accept).slug(), "not-offered");
    assert_eq!(operator_in_directory(&port, "arena"), old.id);
    port.done(&new, &accept);
    assert_eq!(operator_in_directory(&port, "arena"), new.id);

    // The world is served on, and shows who holds its name, until the new holder registers.
    let shown = port.get("/v1/worlds/arena").json();
    assert_eq!((&shown["operator"], &shown["transferred_to"]), (&json!(old.id), &json!(new.id)));
    assert_eq!(port.post_record(&old.sign(&Record { seq: 9, ..record("arena") })).slug(), "name-taken");
    assert_eq!(port.post_record(&new.sign(&Record { seq: 3, ..record("arena") })).slug(), "record-replayed");
    port.register(&new, &Record { seq: 4, ..record("arena") });
    let shown = port.get("/v1/worlds/arena").json();
    assert_eq!((&shown["operator"], shown.get("transferred_to")), (&json!(new.id), None));
}

#[test]
fn an_offer_ends_after_a_week_and_when_the_world_is_withdrawn() {
    let (port, old, new) = (Port::new(), Operator::new(1), Operator::new(2));
    port.register(&old, &record("arena"));
    let offer = |seq| Claims { to: Some(new.id.clone()), ..port.about(Kind::Transfer, "arena", seq) };
    port.done(&old, &offer(2));
    port.advance_s(OFFER_S);
    assert_eq!(port.act(&new, &port.about(Kind::Accept, "arena", 3)).slug(), "not-offered");
    port.done(&old, &offer(4));
    port.done(&old, &port.about(Kind::Withdraw, "arena", 5));
    assert_eq!(port.act(&new, &port.about(Kind::Accept, "arena", 6)).slug(), "not-offered");
}

#[test]
fn only_the_holder_acts_on_a_name_and_each_action_is_done_once() {
    let (port, operator) = (Port::new(), Operator::new(1));
    port.register(&operator, &Record { seq: 5, ..record("arena") });
    assert_eq!(port.act(&Operator::new(2), &port.about(Kind::Withdraw, "arena", 6)).slug(), "not-holder");
    assert_eq!(port.act(&operator, &port.about(Kind::Withdraw, "other", 6)).slug(), "not-found");
    assert_eq!(port.act(&operator, &port.about(Kind::Withdraw, "arena", 5)).slug(), "action-replayed");
    let withdraw = port.about(Kind::Withdraw, "arena", 6);
    port.done(&operator, &withdraw);
    assert_eq!(port.act(&operator, &withdraw).slug(), "action-replayed");
    // Neither does a record from before the withdrawal bring the world back.
    let old = operator.sign(&Record { seq: 6, ..record("arena") });
    assert_eq!(port.post_record(&old).slug(), "record-replayed");
}

#[test]
fn an_action_with_other_fields_than_its_own_is_refused() {
    let (port, operator) = (Port::new(), Operator::new(1));
    port.register(&operator, &record("arena"));
    let base = serde_json::to_value(port.about(Kind::Withdraw, "arena", 2)).unwrap();
    let with = |changes: Value| {
        let mut claims = base.clone();
        for (field, value) in changes.as_object().unwrap() {
            claims[field] = value.clone();
        }
        claims
    };
    let now_s = port.now_s();
    for (claims, slug) in [
        (with(json!({"to": operator.id})), "bad-action"),
        (with(json!({"action": "transfer"})), "bad-action"),
        (with(json!({"action": "transfer", "to": "me"})), "bad-action"),
        (with(json!({"action": "add-key"})), "bad-action"),
        (with(json!({"action": "destroy"})), "bad-action"),
        (with(json!({"reason": "bored"})), "bad-action"),
        (with(json!({"seq": 1_u64 << 53})), "bad-action"),
        (with(json!({"exp": now_s + 301})), "bad-action"),
        (with(json!({"name": "a.vwp.test.", "action": "accept"})), "not-found"),
        (with(json!({"name": "a b"})), "bad-name"),
        (with(json!({"aud": "https://other.example"})), "wrong-audience"),
        (with(json!({"exp": now_s})), "record-expired"),
        (with(json!({"iat": now_s - 301, "exp": now_s - 1})), "record-expired"),
        (with(json!({"iat": now_s + 400, "exp": now_s + 401})), "clock-skew"),
    ] {
        let header = Header::new(ACTION_TYPE).with_kid(&operator.id);
        let signed = jose::sign(&header, claims.to_string().as_bytes(), &operator.key);
        assert_eq!(port.send(jose_request(Method::POST, "/v1/actions", &signed)).slug(), slug, "{claims}");
    }
    assert_eq!(port.get("/v1/worlds/arena").status, StatusCode::OK);
    let too_long = port.send(jose_request(Method::POST, "/v1/actions", &"a".repeat(5000)));
    assert_eq!(too_long.slug(), "body-too-large");
    assert_eq!(port.settings.issuer, ISSUER);
}

#[test]
fn a_world_keeps_its_uuid_and_no_other_operator_can_have_it() {
    let (port, operator) = (Port::new(), Operator::new(1));
    port.register(&operator, &record("arena"));
    let other_id = vwp_discovery::record::uuid_of("x", &"arena".parse().unwrap());
    let changed = Record { seq: 2, uuid: other_id, ..record("arena") };
    assert_eq!(port.post_record(&operator.sign(&changed)).slug(), "uuid-changed");
    assert_eq!(port.post_record(&Operator::new(2).sign(&record("elsewhere"))).slug(), "uuid-taken");
    // The operator itself may move its world to another name.
    port.register(&operator, &record("arena2"));
}

#[test]
fn a_name_that_looks_like_another_operators_is_refused() {
    let (port, operator, other) = (Port::new(), Operator::new(1), Operator::new(2));
    port.register(&operator, &record("modern"));
    let uuid = vwp_discovery::record::uuid_of(&other.id, &"modem".parse().unwrap());
    let look_alike = Record { uuid, ..record("modem") };
    assert_eq!(port.post_record(&other.sign(&look_alike)).slug(), "name-confusable");
    port.register(&operator, &record("modem"));
    // It is free when the name that it looks like is.
    let (port, other_record) = (Port::new(), |port: &Port| Record { uuid, ..port.fresh("modem", 1) });
    port.register(&operator, &record("modern"));
    port.done(&operator, &port.about(Kind::Withdraw, "modern", 2));
    assert_eq!(port.post_record(&other.sign(&other_record(&port))).slug(), "name-confusable");
    port.advance_s(TOMBSTONE_S);
    port.register(&other, &other_record(&port));
}
