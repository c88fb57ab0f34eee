//! Passports, from the proof to the world that asks about them.

use crate::support::{ISSUER, Port, key};
use http::{StatusCode, header};
use serde_json::{Value, json};
use vwp_core::jose::{self, Jwk};

#[test]
fn a_traveller_shows_a_passport_and_the_world_learns_who_it_is() {
    let port = Port::new();
    let token = port.arrive("Ada");
    let me = port.get("/v1/travellers/me", Some(&token)).json["traveller"].clone();
    let passport = port.passport(&token, &key(1));
    let answer = port.verify(&port.present(&passport, &key(1), "nonce-1"), "nonce-1");
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    let day = port.now() / 1000 / 86_400 * 86_400;
    let jwk = serde_json::to_value(Jwk::from_key(key(1).verifying_key())).unwrap();
    let mut claims = answer.json;
    let status = claims.as_object_mut().unwrap().remove("status").unwrap();
    assert!(status["status_list"]["idx"].is_u64());
    let list = format!("{ISSUER}/v1/passports/status/{}-0", day / 86_400);
    assert_eq!(status["status_list"]["uri"], list);
    let expected = json!({
        "iss": ISSUER, "vct": "urn:vwp:passport:1", "iat": day, "exp": day + 2 * 86_400,
        "cnf": { "jwk": jwk }, "traveller": me, "handle": "Ada",
    });
    assert_eq!(claims, expected);
}

#[test]
fn what_the_traveller_keeps_back_the_world_does_not_learn() {
    let port = Port::new();
    let token = port.arrive("Ada");
    let passport = port.passport(&token, &key(1));
    let parts: Vec<&str> = passport.split('~').collect();
    let discloses = |part: &&&str| {
        let array: Value = serde_json::from_slice(&jose::decode(part).unwrap()).unwrap_or_default();
        array[1] == "handle"
    };
    let handle = parts[1..].iter().find(discloses).unwrap();
    for (shown, has_handle) in [(format!("{}~", parts[0]), false), (format!("{}~{handle}~", parts[0]), true)]
    {
        let answer = port.verify(&port.present(&shown, &key(1), "n"), "n");
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert_eq!(answer.json.get("handle").is_some(), has_handle);
        assert!(answer.json.get("traveller").is_none());
    }
}

#[test]
fn what_is_signed_in_a_passport_says_nothing_of_the_traveller() {
    let port = Port::new();
    let token = port.arrive("ada-lovelace");
    let first = port.passport(&token, &key(1));
    let second = port.passport(&token, &key(2));
    let signed = |passport: &str| -> Value {
        let payload = passport.split('.').nth(1).unwrap();
        serde_json::from_slice(&jose::decode(payload).unwrap()).unwrap()
    };
    let (first, second) = (signed(&first), signed(&second));
    assert!(!first.to_string().contains("ada-lovelace") && first.get("sub").is_none());
    for digest in first["_sd"].as_array().unwrap() {
        assert!(!second["_sd"].as_array().unwrap().contains(digest), "two passports cannot be linked");
    }
}

#[test]
fn a_passport_ends_with_the_day_after_the_one_on_which_it_was_issued() {
    let port = Port::new();
    let passport = port.passport(&port.arrive("ada"), &key(1));
    let end = (port.now() / 1000 / 86_400 + 2) * 86_400;
    port.advance_s(end - port.now() / 1000 - 1);
    assert_eq!(port.verify(&port.present(&passport, &key(1), "n"), "n").status, StatusCode::OK);
    port.advance_s(1);
    let late = port.verify(&port.present(&passport, &key(1), "n"), "n");
    assert_eq!((late.status, late.problem()), (StatusCode::UNPROCESSABLE_ENTITY, "passport-expired"));
}

#[test]
fn who_saw_a_presentation_cannot_show_it_again_or_as_their_own() {
    let port = Port::new();
    let passport = port.passport(&port.arrive("ada"), &key(1));
    let seen = port.present(&passport, &key(1), "n1");
    assert_eq!(port.verify(&seen, "n2").problem(), "nonce-mismatch");
    assert_eq!(port.verify(&passport, "n1").problem(), "key-binding-missing");
    assert_eq!(port.verify(&port.present(&passport, &key(2), "n1"), "n1").problem(), "key-binding-signature");
    port.advance_s(301);
    assert_eq!(port.verify(&seen, "n1").problem(), "presentation-not-current");
}

#[test]
fn unknown_members_in_a_request_are_refused() {
    let port = Port::new();
    let body = json!({ "presentation": "", "audience": "", "nonce": "", "keys": [] });
    let answer = port.post("/v1/passports/verify", None, &body);
    assert_eq!((answer.status, answer.problem()), (StatusCode::BAD_REQUEST, "bad-request"));
}
