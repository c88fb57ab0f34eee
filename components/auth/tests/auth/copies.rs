//! Batches of copies: what they have in common, and what nobody can find them by.

use crate::support::{Answer, Port, bind, key, sign};
use crate::travel::payload;
use http::StatusCode;
use p256::ecdsa::SigningKey;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use vwp_auth::passports::issue::COPIES_PER_DAY_MAX;
use vwp_auth::sd_jwt;
use vwp_core::jose::{self, Header};

fn keys(count: u8) -> Vec<SigningKey> {
    (1..=count).map(key).collect()
}

fn order(port: &Port, token: &str, keys: &[SigningKey], more: Value) -> Answer {
    let proofs: Vec<String> = keys.iter().map(|key| port.proof(key)).collect();
    let mut body = json!({ "proofs": proofs });
    let Value::Object(more) = more else { panic!("not an object") };
    body.as_object_mut().unwrap().extend(more);
    port.post("/v1/passports", Some(token), &body)
}

fn copies(port: &Port, token: &str, keys: &[SigningKey], more: Value) -> Vec<String> {
    let answer = order(port, token, keys, more);
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let copies = answer.json["passports"].as_array().unwrap();
    copies.iter().map(|copy| copy["passport"].as_str().unwrap().to_owned()).collect()
}

/// Every text and number in a value.
fn leaves(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| leaves(value, into)),
        Value::Object(members) => members.values().for_each(|value| leaves(value, into)),
        other => {
            into.insert(other.to_string());
        }
    }
}

/// Everything that a world sees of a presentation: each header and payload, and each disclosure.
fn seen(presentation: &str) -> BTreeSet<String> {
    let mut values = BTreeSet::new();
    for part in presentation.split(['~', '.']) {
        // Signatures are random, and as such only comparable as a whole.
        match jose::decode(part).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
            Some(value) => leaves(&value, &mut values),
            None => {
                values.insert(part.to_owned());
            }
        }
    }
    values
}

/// A presentation with all of a copy's claims, or none of them.
fn show(port: &Port, passport: &str, key: &SigningKey, world: &str, nonce: &str, all: bool) -> String {
    let shown = if all { passport } else { passport.split_inclusive('~').next().unwrap() };
    let claims = json!({ "iat": port.now() / 1000, "aud": world, "nonce": nonce,
        "sd_hash": sd_jwt::digest(shown) });
    bind(shown, key, &claims)
}

fn verify(port: &Port, presentation: &str, world: &str, nonce: &str) -> Answer {
    let body = json!({ "presentation": presentation, "audience": world, "nonce": nonce });
    port.post("/v1/passports/verify", None, &body)
}

#[test]
fn two_worlds_that_put_together_what_they_saw_find_nothing_in_common() {
    let port = Port::new();
    let token = port.arrive("ada");
    let at_arena = copies(&port, &token, &keys(10), json!({ "world": "arena" }));
    port.advance_s(7);
    let more: Vec<SigningKey> = (11..=20).map(key).collect();
    let at_lagoon = copies(&port, &token, &more, json!({ "world": "lagoon" }));
    let first = show(&port, &at_arena[3], &key(4), "arena", "n1", false);
    port.advance_s(11);
    let second = show(&port, &at_lagoon[5], &key(16), "lagoon", "n2", false);
    for (shown, world, nonce) in [(&first, "arena", "n1"), (&second, "lagoon", "n2")] {
        assert_eq!(verify(&port, shown, world, nonce).status, StatusCode::OK);
    }
    let common: BTreeSet<String> = seen(&first).intersection(&seen(&second)).cloned().collect();
    let issued = payload(&at_arena[0]);
    let kid: Value =
        serde_json::from_slice(&jose::decode(at_arena[0].split('.').next().unwrap()).unwrap()).unwrap();
    // The same for all travellers of a port on a day: issuer with key, type, validity and list.
    let mut public = BTreeSet::new();
    leaves(
        &json!([
            "ES256",
            "dc+sd-jwt",
            "kb+jwt",
            "EC",
            "P-256",
            "sha-256",
            kid["kid"],
            issued["iss"],
            issued["vct"],
            issued["iat"],
            issued["exp"],
            issued["status"]["status_list"]["uri"],
        ]),
        &mut public,
    );
    assert_eq!(common, public);
    // And nobody else's passport of that day looks different.
    let other = port.arrive("bob");
    let bobs = payload(&copies(&port, &other, &[key(30)], json!({ "world": "arena" }))[0]);
    let shape = |claims: &Value| -> Vec<String> { claims.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(shape(&bobs), shape(&issued));
    assert_eq!(bobs["_sd"].as_array().unwrap().len(), issued["_sd"].as_array().unwrap().len());
    assert_eq!((&bobs["iat"], &bobs["exp"]), (&issued["iat"], &issued["exp"]));
}

#[test]
fn a_world_knows_its_visitor_again_by_a_name_that_no_other_world_has() {
    let port = Port::new();
    let token = port.arrive("ada");
    let subject = |seed: u8, world: &str| {
        payload(&copies(&port, &token, &[key(seed)], json!({ "world": world }))[0])["sub"].clone()
    };
    let (arena, again, lagoon) = (subject(1, "arena"), subject(2, "arena"), subject(3, "lagoon"));
    assert_eq!(arena, again);
    assert_ne!(arena, lagoon);
    let bob = port.arrive("bob");
    let bobs = payload(&copies(&port, &bob, &[key(4)], json!({ "world": "arena" }))[0]);
    assert_ne!(bobs["sub"], arena);
}

#[test]
fn a_copy_for_one_world_is_refused_by_every_other() {
    let port = Port::new();
    let token = port.arrive("ada");
    let copy = &copies(&port, &token, &[key(1)], json!({ "world": "arena" }))[0];
    let shown = show(&port, copy, &key(1), "lagoon", "n", true);
    assert_eq!(verify(&port, &shown, "lagoon", "n").problem(), "passport-audience");
    let shown = show(&port, copy, &key(1), "arena", "n", true);
    let believed = verify(&port, &shown, "arena", "n");
    assert_eq!(believed.json["handle"], "ada");
    assert!(believed.json.get("traveller").is_none(), "the id is the same everywhere, so it is not told");
}

#[test]
fn copies_of_a_batch_share_neither_keys_nor_salts_nor_places() {
    let port = Port::new();
    let token = port.arrive("ada");
    let copies = copies(&port, &token, &keys(32), json!({}));
    assert_eq!(copies.len(), 32);
    let mut found = BTreeSet::new();
    for copy in &copies {
        let claims = payload(copy);
        for value in claims["_sd"].as_array().unwrap() {
            assert!(found.insert(value.to_string()), "a digest occurs twice");
        }
        let index = &claims["status"]["status_list"]["idx"];
        assert!(found.insert(format!("index {index}")), "a place was given twice");
        assert!(found.insert(claims["cnf"].to_string()), "a key was bound twice");
    }
}

#[test]
fn a_passport_tells_what_was_ordered_and_nothing_that_it_cannot() {
    let port = Port::new();
    let token = port.arrive("ada");
    let profile = json!({ "languages": ["de", "en"], "birth_date": "2010-06-01", "home_world": "arena" });
    assert_eq!(port.send("PUT", "/v1/travellers/me/profile", Some(&token), &profile.to_string()).status, 200);
    let copy = &copies(&port, &token, &[key(1)], json!({ "claims": ["languages", "age_over_16"] }))[0];
    let believed = port.verify(&port.present(copy, &key(1), "n"), "n").json;
    // It is January 2027, and the traveller is sixteen.
    assert_eq!((&believed["languages"], &believed["age_over_16"]), (&json!(["de", "en"]), &json!(true)));
    for name in ["handle", "traveller", "home_world", "age_over_18", "birth_date"] {
        assert!(believed.get(name).is_none(), "{name} was not ordered");
    }
    let all = &copies(&port, &token, &[key(2)], json!({}))[0];
    let believed = port.verify(&port.present(all, &key(2), "n"), "n").json;
    assert_eq!((&believed["age_over_18"], &believed["home_world"]), (&json!(false), &json!("arena")));
    assert!(!all.contains(&jose::encode("2010")) && believed.get("birth_date").is_none());
    for claims in [json!(["avatar"]), json!(["birth_date"]), json!(["exp"]), json!(["handle", "password"])] {
        let refused = order(&port, &token, &[key(3)], json!({ "claims": claims }));
        assert_eq!((refused.status.as_u16(), refused.problem()), (422, "claim-unavailable"), "{claims}");
    }
}

#[test]
fn batches_are_bounded_and_need_a_key_for_each_copy() {
    let port = Port::new();
    let token = port.arrive("ada");
    let refused = |keys: &[SigningKey]| order(&port, &token, keys, json!({})).problem().to_owned();
    assert_eq!(refused(&[]), "bad-request");
    assert_eq!(refused(&keys(33)), "bad-request");
    assert_eq!(refused(&[key(1), key(2), key(1)]), "proof-key-repeated");
    assert_eq!(refused(&[key(1)]), "", "a refused batch ties no proof");
    let both = json!({ "proof": port.proof(&key(1)), "proofs": [port.proof(&key(2))] });
    assert_eq!(port.post("/v1/passports", Some(&token), &both).problem(), "bad-request");
    let nowhere = order(&port, &token, &[key(1)], json!({ "world": "Not A World" }));
    assert_eq!(nowhere.problem(), "bad-request");
}

#[test]
fn one_foreign_proof_in_a_batch_refuses_all_of_it() {
    let port = Port::new();
    let (ada, eve) = (port.arrive("ada"), port.arrive("eve"));
    let overheard = port.proof(&key(1));
    assert_eq!(port.post("/v1/passports", Some(&ada), &json!({ "proof": overheard })).status, 200);
    let stale = sign(&Header::new("openid4vci-proof+jwt"), &json!({}), &key(2));
    for (bad, problem) in [(overheard, "proof-used"), (stale, "proof-key")] {
        let body = json!({ "proofs": [port.proof(&key(9)), bad] });
        assert_eq!(port.post("/v1/passports", Some(&eve), &body).problem(), problem);
    }
    let body = json!({ "proofs": [port.proof(&key(9))] });
    assert_eq!(port.post("/v1/passports", Some(&ada), &body).status, 200, "key 9 was not tied to eve");
}

#[test]
fn a_traveller_gets_a_bounded_number_of_copies_in_a_day() {
    let port = Port::new();
    let token = port.arrive("ada");
    let batch = keys(32);
    for _ in 0..COPIES_PER_DAY_MAX / 32 {
        assert_eq!(order(&port, &token, &batch, json!({})).status, StatusCode::OK);
    }
    let refused = order(&port, &token, &[key(1)], json!({}));
    assert_eq!((refused.status.as_u16(), refused.problem()), (429, "too-many-passports"));
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    port.advance_s(wait);
    let token =
        port.sign_in("ada", crate::support::PASSWORD).json["access_token"].as_str().unwrap().to_owned();
    assert_eq!(order(&port, &token, &[key(1)], json!({})).status, StatusCode::OK);
}
