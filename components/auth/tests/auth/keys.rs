//! The issuer's keys: published, rotated, and kept as long as they are needed.

use crate::support::{ADMIN, ISSUER, Port, WORLD, key};
use futures::executor::block_on;
use futures::future::join_all;
use http::{StatusCode, header};
use serde_json::Value;
use vwp_auth::keys::KeySet;
use vwp_auth::verify::{Expected, verify_offline};

fn kids(port: &Port) -> Vec<String> {
    let set = port.get("/.well-known/jwks.json", None).json;
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_key_set_says_what_its_keys_are_for_and_holds_nothing_private() {
    let port = Port::new();
    let answer = port.get("/.well-known/jwks.json", None);
    assert_eq!(answer.headers[header::CACHE_CONTROL], "public, max-age=300");
    let keys = answer.json["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1, "the first key is there before anything is signed");
    let key = &keys[0];
    let members = ["kty", "crv", "use", "alg"].map(|name| key[name].as_str().unwrap());
    assert_eq!(members, ["EC", "P-256", "sig", "ES256"]);
    assert!(key.get("d").is_none() && key["kid"].is_string());
}

#[test]
fn the_metadata_names_the_issuer_of_passports_and_where_its_keys_are() {
    let port = Port::new();
    let metadata = port.get("/.well-known/jwt-vc-issuer", None).json;
    assert_eq!(metadata["issuer"], ISSUER);
    assert_eq!(metadata["jwks_uri"], format!("{ISSUER}/.well-known/jwks.json"));
}

#[test]
fn rotating_changes_the_signing_key_and_old_passports_and_sessions_stay_good() {
    let port = Port::new();
    let token = port.arrive("ada");
    let passport = port.passport(&token, &key(1));
    let before = kids(&port);
    let rotated = port.send("POST", "/v1/keys/issuer/rotate", Some(ADMIN), "");
    assert_eq!(rotated.status, StatusCode::CREATED);
    let newest = rotated.json["kid"].as_str().unwrap().to_owned();
    assert!(!before.contains(&newest) && kids(&port).contains(&newest) && kids(&port).contains(&before[0]));
    assert_eq!(port.verify(&port.present(&passport, &key(1), "n1"), "n1").status, StatusCode::OK);
    assert_eq!(port.get("/v1/travellers/me", Some(&token)).status, StatusCode::OK);
    let fresh = port.passport(&token, &key(1));
    assert_eq!(port.verify(&port.present(&fresh, &key(1), "n2"), "n2").status, StatusCode::OK);
    let listed = port.get("/v1/keys/issuer", Some(ADMIN)).json;
    let active: Vec<_> = listed["keys"].as_array().unwrap().iter().map(|key| &key["active"]).collect();
    assert_eq!(active, [&Value::Bool(true), &Value::Bool(false)]);
    assert!(!listed.to_string().contains("sealed"));
}

#[test]
fn a_passport_stays_good_however_often_keys_are_rotated_while_it_is_valid() {
    let port = Port::new();
    let token = port.arrive("ada");
    let passport = port.passport(&token, &key(1));
    for _ in 0..12 {
        port.advance_s(3600);
        port.send("POST", "/v1/keys/issuer/rotate", Some(ADMIN), "");
    }
    assert_eq!(kids(&port).len(), 13);
    assert_eq!(port.verify(&port.present(&passport, &key(1), "n"), "n").status, StatusCode::OK);
}

#[test]
fn a_replaced_key_is_no_longer_published_when_nothing_it_signed_can_be_valid() {
    let port = Port::new();
    let first = kids(&port);
    port.send("POST", "/v1/keys/issuer/rotate", Some(ADMIN), "");
    port.advance_s(48 * 3600);
    assert!(kids(&port).contains(&first[0]));
    port.advance_s(601);
    assert_eq!(kids(&port).len(), 1);
    port.send("POST", "/v1/keys/issuer/rotate", Some(ADMIN), "");
    assert!(!kids(&port).contains(&first[0]), "rotating does not bring it back");
}

#[test]
fn many_first_requests_at_once_agree_on_one_key() {
    let port = Port::new();
    let environment = port.environment();
    let sets = block_on(join_all((0..8).map(|_| vwp_auth::keys::published(&port.store, &environment))));
    let first = sets[0].as_ref().unwrap();
    assert!(sets.iter().all(|set| set.as_ref() == Ok(first)));
}

#[test]
fn a_world_verifies_offline_with_the_published_set() {
    let port = Port::new();
    let token = port.arrive("ada");
    let passport = port.passport(&token, &key(1));
    let published = port.get("/.well-known/jwks.json", None).text;
    let expected = Expected { issuer: ISSUER, audience: WORLD, world: WORLD, nonce: "n", now: port.now() };
    let shown = port.present(&passport, &key(1), "n");
    let believed = verify_offline(&shown, &published, &expected).unwrap();
    assert_eq!(believed.handle.as_deref(), Some("ada"));
    let without_keys = verify_offline(&shown, r#"{"keys":[]}"#, &expected).unwrap_err();
    assert_eq!(without_keys.slug(), "issuer-key-unknown");
    assert_eq!(verify_offline(&shown, "nonsense", &expected).unwrap_err().slug(), "key-set-malformed");
}

#[test]
fn keys_of_other_kinds_in_a_set_are_left_out_and_what_is_no_set_is_refused() {
    let port = Port::new();
    let mut set = port.get("/.well-known/jwks.json", None).json;
    let kid = set["keys"][0]["kid"].as_str().unwrap().to_owned();
    let mut for_encryption = set["keys"][0].clone();
    for_encryption["use"] = "enc".into();
    for_encryption["kid"] = "enc".into();
    let keys = set["keys"].as_array_mut().unwrap();
    keys.push(for_encryption);
    keys.push(serde_json::json!({ "kty": "RSA", "kid": "rsa", "n": "AQAB", "e": "AQAB" }));
    let read = KeySet::from_json(&set.to_string()).unwrap();
    assert!(read.get(&kid).is_some() && read.get("enc").is_none() && read.get("rsa").is_none());
    for text in ["", "[]", "{}", r#"{"keys":1}"#, &" ".repeat(1_000_000)] {
        assert!(KeySet::from_json(text).is_err());
    }
}
