//! Operators' keys: adding, revoking, and getting them back.

use crate::acting::jwk;
use crate::support::{Answer, Operator, Port, record};
use serde_json::json;
use vwp_core::jose::Jwk;
use vwp_discovery::actions::{Claims, Kind};
use vwp_discovery::operators::{KEYS_MAX, RECOVERY_DELAY_S};
use vwp_discovery::record::{RECORD_TYPE, Record};

fn add_key(port: &Port, key: Jwk, seq: u64) -> Claims {
    Claims { key: Some(key), ..port.claims(Kind::AddKey, seq) }
}

fn revoke_key(port: &Port, key: &Jwk, seq: u64) -> Claims {
    Claims { thumbprint: Some(key.thumbprint()), ..port.claims(Kind::RevokeKey, seq) }
}

/// Registers with a key that is not the one of the operator's id.
fn register_with(port: &Port, key: &Operator, id: &str, record: &Record) -> Answer {
    let header = vwp_core::jose::Header::new(RECORD_TYPE).with_kid(id);
    port.post_record(&vwp_core::jose::sign(&header, &serde_json::to_vec(record).unwrap(), &key.key))
}

fn slug_of(answer: &Answer) -> Option<String> {
    (!answer.status.is_success()).then(|| answer.slug())
}

#[test]
fn a_key_is_changed_by_adding_the_new_one_and_revoking_the_old_one() {
    let (port, operator, new) = (Port::new(), Operator::new(1), Operator::new(2));
    port.register(&operator, &record("arena"));
    let update = |seq| Record { seq, ..record("arena") };
    assert_eq!(
        slug_of(&register_with(&port, &new, &operator.id, &update(2))).as_deref(),
        Some("bad-signature")
    );
    port.done(&operator, &add_key(&port, jwk(&new), 1));
    // Both sign now.
    assert_eq!(slug_of(&register_with(&port, &new, &operator.id, &update(2))), None);
    assert_eq!(slug_of(&register_with(&port, &operator, &operator.id, &update(3))), None);
    let shown = port.get(&format!("/v1/operators/{}", operator.id)).json();
    assert_eq!((shown["id"].as_str(), shown["keys"].as_array().unwrap().len()), (Some(&*operator.id), 2));
    assert_eq!(shown["keys"][1]["kid"], new.id);

    let revoke = revoke_key(&port, &jwk(&operator), 2);
    assert!(port.act_with(&new.key, &operator.id, &revoke).status.is_success());
    // The old key is refused from now on, also where it is sent along.
    assert_eq!(port.post_record(&operator.sign(&update(4))).slug(), "bad-signature");
    assert_eq!(port.act(&operator, &port.about(Kind::Withdraw, "arena", 4)).slug(), "bad-signature");
    assert_eq!(slug_of(&register_with(&port, &new, &operator.id, &update(4))), None);
    assert_eq!(port.get("/v1/worlds/arena").json()["operator"], operator.id);
}

#[test]
fn an_operator_has_one_to_eight_keys_each_once() {
    let (port, operator) = (Port::new(), Operator::new(1));
    port.register(&operator, &record("arena"));
    let last = revoke_key(&port, &jwk(&operator), 1);
    assert_eq!(port.act(&operator, &last).slug(), "last-key");
    assert_eq!(port.act(&operator, &revoke_key(&port, &jwk(&Operator::new(2)), 1)).slug(), "unknown-key");
    assert_eq!(port.act(&operator, &add_key(&port, jwk(&operator), 1)).slug(), "known-key");
    for number in 1..KEYS_MAX as u64 {
        port.done(&operator, &add_key(&port, jwk(&Operator::new(number + 1)), number));
    }
    let one_more = add_key(&port, jwk(&Operator::new(99)), 99);
    assert_eq!(port.act(&operator, &one_more).slug(), "too-many-keys");
    // An action of before is a replay, although it was refused then.
    assert_eq!(port.act(&operator, &add_key(&port, jwk(&Operator::new(99)), 1)).slug(), "action-replayed");
}

#[test]
fn an_operator_that_is_new_sets_its_recovery_key_before_it_registers() {
    let (port, operator, recovery) = (Port::new(), Operator::new(1), Operator::new(2));
    assert_eq!(port.get(&format!("/v1/operators/{}", operator.id)).slug(), "not-found");
    let set = Claims { thumbprint: Some(recovery.id.clone()), ..port.claims(Kind::SetRecovery, 1) };
    port.done(&operator, &set);
    let shown = port.get(&format!("/v1/operators/{}", operator.id)).json();
    assert_eq!(shown["recovery"], recovery.id);
}

/// An operator with a recovery key, and a recovery that was asked for with it.
fn in_recovery(port: &Port) -> (Operator, Operator, Operator) {
    let (operator, recovery, new) = (Operator::new(1), Operator::new(2), Operator::new(3));
    port.register(&operator, &record("arena"));
    let set = Claims { thumbprint: Some(recovery.id.clone()), ..port.claims(Kind::SetRecovery, 1) };
    port.done(&operator, &set);
    let recover = Claims { key: Some(jwk(&new)), ..port.claims(Kind::Recover, 2) };
    let answer = port.act_with(&recovery.key, &operator.id, &recover);
    assert!(answer.status.is_success(), "{}", String::from_utf8_lossy(&answer.body));
    (operator, recovery, new)
}

#[test]
fn a_recovery_is_seen_at_once_and_takes_effect_after_a_week() {
    let port = Port::new();
    let asked_at = port.now_s();
    let (operator, _, new) = in_recovery(&port);
    let pending = port.get(&format!("/v1/operators/{}", operator.id)).json()["pending"].clone();
    assert_eq!(pending["requested_at"], asked_at);
    assert_eq!(pending["effective_at"], asked_at + RECOVERY_DELAY_S);
    port.advance_s(RECOVERY_DELAY_S - 1);
    port.maintain();
    let refused = register_with(&port, &new, &operator.id, &port.fresh("arena", 2));
    assert_eq!(refused.slug(), "bad-signature");
    port.advance_s(1);
    port.maintain();
    assert_eq!(slug_of(&register_with(&port, &new, &operator.id, &port.fresh("arena", 2))), None);
    assert_eq!(port.post_record(&operator.sign(&port.fresh("arena", 3))).slug(), "bad-signature");
    let shown = port.get(&format!("/v1/operators/{}", operator.id)).json();
    assert_eq!((shown.get("pending"), shown["keys"].as_array().unwrap().len()), (None, 1));
}

#[test]
fn a_key_of_the_operators_stops_a_recovery() {
    let port = Port::new();
    let (operator, recovery, new) = in_recovery(&port);
    // Whoever has the recovery key alone can do nothing else with it.
    let object = port.claims(Kind::Object, 3);
    assert_eq!(port.act_with(&recovery.key, &operator.id, &object).slug(), "bad-signature");
    port.advance_s(RECOVERY_DELAY_S - 1);
    let object = port.claims(Kind::Object, 3);
    port.done(&operator, &object);
    assert_eq!(port.act(&operator, &port.claims(Kind::Object, 4)).slug(), "nothing-to-object");
    port.advance_s(10);
    port.maintain();
    let refused = register_with(&port, &new, &operator.id, &port.fresh("arena", 2));
    assert_eq!(refused.slug(), "bad-signature");
    port.register(&operator, &port.fresh("arena", 2));
}

#[test]
fn a_recovery_is_for_the_recovery_key_that_was_set() {
    let (port, operator, stranger) = (Port::new(), Operator::new(1), Operator::new(2));
    port.register(&operator, &record("arena"));
    let recover = |seq| Claims { key: Some(jwk(&stranger)), ..port.claims(Kind::Recover, seq) };
    assert_eq!(port.act_with(&stranger.key, &operator.id, &recover(1)).slug(), "bad-signature");
    assert_eq!(port.act(&operator, &recover(1)).slug(), "not-recoverable");
    // A recovery key that was taken away is none.
    let set = Claims { thumbprint: Some(stranger.id.clone()), ..port.claims(Kind::SetRecovery, 1) };
    port.done(&operator, &set);
    port.done(&operator, &port.claims(Kind::SetRecovery, 2));
    assert_eq!(port.act_with(&stranger.key, &operator.id, &recover(3)).slug(), "bad-signature");
    let shown = port.get(&format!("/v1/operators/{}", operator.id)).json();
    assert_eq!((shown.get("recovery"), &shown["seq"]), (None, &json!(2)));
}
