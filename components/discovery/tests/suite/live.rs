//! Live states: what a world may say of itself between two records, and who may say it.

use crate::support::{ISSUER, Operator, Port, START_S, sign_as};
use serde_json::{Value, json};
use vwp_core::jose::Jwk;
use vwp_core::name::WorldName;
use vwp_discovery::live::{LIVE_TYPE, Live, Status};
use vwp_discovery::record::RECORD_TYPE;

fn state() -> Value {
    json!({"name": "arena", "seq": 1, "iat": START_S, "exp": START_S + 300, "aud": ISSUER,
        "status": "open", "accepting": true, "users": 3})
}

fn arena() -> WorldName {
    "arena".parse().unwrap()
}

fn jwk(somebody: &Operator) -> Jwk {
    Jwk::from_key(somebody.key.verifying_key())
}

fn verified(port: &Port, state: &Value) -> Result<Live, String> {
    let world = Operator::new(7);
    let compact = sign_as(&world.key, LIVE_TYPE, state.to_string().as_bytes());
    Live::verify(&compact, &arena(), &[jwk(&world)], &port.environment())
        .map_err(|problem| problem.slug.to_string())
}

#[test]
fn a_world_says_how_many_are_there() {
    let live = verified(&Port::new(), &state()).unwrap();
    assert_eq!((live.status, live.accepting, live.users), (Status::Open, true, 3));
    assert_eq!((live.capacity, live.queue), (None, None));
}

#[test]
fn only_the_worlds_key_and_its_operators_speak_for_it() {
    let (port, world, operator, other) = (Port::new(), Operator::new(1), Operator::new(2), Operator::new(3));
    let keys = [jwk(&world), jwk(&operator)];
    let slug = |compact: &str| {
        Live::verify(compact, &arena(), &keys, &port.environment()).map_err(|p| p.slug.to_string())
    };
    let by = |somebody: &Operator, typ: &str| sign_as(&somebody.key, typ, state().to_string().as_bytes());
    assert!(slug(&by(&world, LIVE_TYPE)).is_ok());
    assert!(slug(&by(&operator, LIVE_TYPE)).is_ok());
    assert_eq!(slug(&by(&other, LIVE_TYPE)), Err("bad-signature".into()));
    // A statement of another type is not taken for a live state, whoever signed it.
    assert_eq!(slug(&by(&world, RECORD_TYPE)), Err("bad-jws".into()));
}

#[test]
fn a_state_ends_after_five_minutes_at_the_latest() {
    let port = Port::new();
    port.advance_s(299);
    assert!(verified(&port, &state()).is_ok());
    port.advance_s(1);
    assert_eq!(verified(&port, &state()), Err("record-expired".into()));
}

#[test]
fn a_state_out_of_its_bounds_is_refused_by_name() {
    for (member, value, slug) in [
        ("exp", json!(START_S + 301), "bad-record"),
        ("iat", json!(START_S - 301), "clock-skew"),
        ("iat", json!(START_S + 301), "clock-skew"),
        ("aud", json!("https://other.example"), "wrong-audience"),
        ("name", json!("another"), "bad-record"),
        ("name", json!(""), "bad-name"),
        ("seq", json!(1_u64 << 53), "bad-record"),
        ("status", json!("full"), "bad-record"),
        ("status", json!("closed"), "bad-record"),
        ("users", json!(10_000_000_001_u64), "bad-record"),
        ("users", json!(-1), "bad-record"),
        ("capacity", json!(10_000_000_001_u64), "bad-record"),
        ("queue", json!(10_000_000_001_u64), "bad-record"),
        ("colour", json!("red"), "bad-record"),
    ] {
        let mut state = state();
        state[member] = value.clone();
        assert_eq!(verified(&Port::new(), &state), Err(slug.into()), "{member} {value}");
    }
    let mut long = state();
    long["name"] = "a".repeat(3000).into();
    assert_eq!(verified(&Port::new(), &long), Err("body-too-large".into()));
}
