//! Revocation: who may, how soon it is seen, what it costs.

use crate::clients::Meeting;
use crate::support::{ADMIN, ISSUER, Port, START, key};
use crate::travel::payload;
use futures::executor::block_on;
use futures::future::join_all;
use http::{StatusCode, header};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use vwp_auth::keys::KeySet;
use vwp_auth::passports::issue::{self, Order};
use vwp_auth::status::{CACHE_S, FILL_MAX, LIST_SIZE, TTL_S, compress};
use vwp_auth::verify::{Expected, PresentationError, verify_with_status};
use vwp_core::jose::COMPACT_LENGTH_MAX;
use vwp_storage::Kv;
use vwp_storage::kv::Write;
use vwp_verifier::remembering::Verifier;
use vwp_verifier::status::{AGE_MAX_S, StatusList};

/// A passport with what names it.
fn issued(port: &Port, token: &str, seed: u8) -> (String, String) {
    let answer = port.post("/v1/passports", Some(token), &json!({ "proof": port.proof(&key(seed)) }));
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let text = |name: &str| answer.json[name].as_str().unwrap().to_owned();
    (text("id"), text("passport"))
}

fn path_of(passport: &str) -> String {
    let uri = payload(passport)["status"]["status_list"]["uri"].as_str().unwrap().to_owned();
    uri.strip_prefix(ISSUER).unwrap().to_owned()
}

fn revoke(port: &Port, token: &str, id: &str) -> u16 {
    port.send("DELETE", &format!("/v1/passports/issued/{id}"), Some(token), "").status.as_u16()
}

/// What a verifier says that has the keys and a list, and no connection; one that remembers, and that
/// was shown the list before, says the same.
fn offline(port: &Port, passport: &str, seed: u8, list: &str) -> String {
    let keys = KeySet::from_json(&port.get("/.well-known/jwks.json", None).text).unwrap();
    let world = crate::support::WORLD;
    let expected = Expected { issuer: ISSUER, audience: world, world, nonce: "n", now: port.now() };
    let shown = port.present(passport, &key(seed), "n");
    let said = |verified: Result<_, PresentationError>| match verified {
        Ok(_) => "good".to_owned(),
        Err(error) => error.slug().to_owned(),
    };
    let first = said(verify_with_status(&shown, &keys, list, AGE_MAX_S, &expected));
    let text = port.get("/.well-known/jwks.json", None).text;
    let mut verifier = Verifier::default();
    for _ in 0..2 {
        let remembered = verifier.verify_with_status(&shown, &text, list, AGE_MAX_S, &expected);
        assert_eq!(said(remembered), first);
    }
    first
}

#[test]
fn what_is_remembered_is_forgotten_with_the_keys_the_list_and_its_time() {
    let port = Port::new();
    let token = port.arrive("ada");
    let (id, passport) = issued(&port, &token, 1);
    let keys = port.get("/.well-known/jwks.json", None).text;
    let list = port.get(&path_of(&passport), None).text;
    let world = crate::support::WORLD;
    let shown = port.present(&passport, &key(1), "n");
    let mut verifier = Verifier::default();
    let mut say = |keys: &str, list: &str, now| {
        let expected = Expected { issuer: ISSUER, audience: world, world, nonce: "n", now };
        match verifier.verify_with_status(&shown, keys, list, 60, &expected) {
            Ok(_) => "good",
            Err(error) => error.slug(),
        }
    };
    let now = port.now();
    assert_eq!(say(&keys, &list, now), "good");
    assert_eq!(say(&keys, &list, now + 61_000), "status-list-stale");
    assert_eq!(say(r#"{"keys":[]}"#, &list, now), "issuer-key-unknown");
    let forged = list.replacen('.', ".A", 1);
    assert_ne!(say(&keys, &forged, now), "good");
    assert_eq!(say(&keys, &list, now), "good");
    assert_eq!(revoke(&port, &token, &id), 204);
    port.advance_s(15);
    let next = port.get(&path_of(&passport), None).text;
    assert_eq!(say(&keys, &next, port.now()), "passport-revoked");
}

#[test]
fn a_revoked_passport_is_refused_at_once_by_the_port_and_with_the_next_list_by_worlds() {
    let port = Port::new();
    let token = port.arrive("ada");
    let (id, passport) = issued(&port, &token, 1);
    let (_, kept) = issued(&port, &token, 2);
    let path = path_of(&passport);
    let before = port.get(&path, None);
    assert_eq!(before.headers[header::CONTENT_TYPE], "application/statuslist+jwt");
    assert_eq!(before.headers[header::CACHE_CONTROL], format!("public, max-age={CACHE_S}"));
    assert_eq!(offline(&port, &passport, 1, &before.text), "good");
    assert_eq!(revoke(&port, &token, &id), 204);
    assert_eq!(port.verify(&port.present(&passport, &key(1), "n"), "n").problem(), "passport-revoked");
    assert_eq!(port.verify(&port.present(&kept, &key(2), "n"), "n").status, StatusCode::OK);
    port.advance_s(15);
    let after = port.get(&path, None).text;
    assert_eq!(offline(&port, &passport, 1, &after), "passport-revoked");
    assert_eq!(offline(&port, &kept, 2, &after), "good");
    // Whoever keeps the list from before the revocation does not get away with it for long.
    port.advance_s(AGE_MAX_S - 15);
    assert_eq!(offline(&port, &passport, 1, &before.text), "good");
    port.advance_s(1);
    assert_eq!(offline(&port, &passport, 1, &before.text), "status-list-stale");
}

#[test]
fn a_cached_verifier_sees_a_revocation_within_five_minutes() {
    let port = Port::new();
    let token = port.arrive("ada");
    let (id, passport) = issued(&port, &token, 1);
    let path = path_of(&passport);
    port.get(&path, None);
    assert_eq!(revoke(&port, &token, &id), 204);
    // The latest moment at which the list from before is still given out, and the longest that
    // caches and a verifier may then keep it.
    port.advance_s(14);
    assert_eq!(offline(&port, &passport, 1, &port.get(&path, None).text), "good");
    let (waited_s, claims) = (14 + CACHE_S + TTL_S, payload(&port.get(&path, None).text));
    assert!(waited_s < 300 && claims["ttl"].as_u64().unwrap() == TTL_S && TTL_S <= 300);
    port.advance_s(CACHE_S + TTL_S);
    assert_eq!(offline(&port, &passport, 1, &port.get(&path, None).text), "passport-revoked");
}

#[test]
fn only_the_traveller_and_the_administrator_revoke() {
    let port = Port::new();
    let (ada, eve) = (port.arrive("ada"), port.arrive("eve"));
    let (first, _) = issued(&port, &ada, 1);
    let (second, _) = issued(&port, &ada, 2);
    assert_eq!(revoke(&port, &eve, &first), 404);
    assert_eq!(port.send("DELETE", &format!("/v1/passports/issued/{first}"), None, "").status, 401);
    assert_eq!(revoke(&port, ADMIN, &first), 204);
    assert_eq!(revoke(&port, &ada, &second), 204);
    assert_eq!(revoke(&port, &ada, &second), 204, "twice is as good as once");
    for id in ["", "x", "20833-0-262144", "020833-0-1", "20833-0-99999", "1-1-1-1", "-1-0-0"] {
        assert_eq!(revoke(&port, ADMIN, id), 404, "{id}");
    }
}

#[test]
fn a_traveller_sees_what_was_issued_and_revokes_it_by_session_or_altogether() {
    let port = Port::new();
    let first = port.arrive("ada");
    issued(&port, &first, 1);
    let second =
        port.sign_in("ada", crate::support::PASSWORD).json["access_token"].as_str().unwrap().to_owned();
    issued(&port, &second, 2);
    let revoked = |token: &str| -> Vec<bool> {
        let listed = port.get("/v1/passports/issued", Some(token)).json;
        let mut copies: Vec<Value> = listed["passports"].as_array().unwrap().clone();
        copies.sort_by_key(|copy| copy["session"] != payload(&first)["jti"]);
        copies.iter().map(|copy| copy["revoked"].as_bool().unwrap()).collect()
    };
    assert_eq!(revoked(&first), [false, false]);
    let session = payload(&first)["jti"].as_str().unwrap().to_owned();
    let path = format!("/v1/passports/issued?session={session}");
    assert_eq!(port.send("DELETE", &path, Some(&second), "").json, json!({ "revoked": 1 }));
    assert_eq!(revoked(&second), [true, false]);
    let eve = port.arrive("eve");
    let me = port.get("/v1/travellers/me", Some(&first)).json["traveller"].as_str().unwrap().to_owned();
    let path = format!("/v1/passports/issued?traveller={me}");
    assert_eq!(port.send("DELETE", &path, Some(&eve), "").status, 403);
    assert_eq!(port.send("DELETE", &path, Some(ADMIN), "").json, json!({ "revoked": 2 }));
    assert_eq!(revoked(&second), [true, true]);
    assert_eq!(port.send("DELETE", "/v1/passports/issued", Some(ADMIN), "").status, 400);
}

#[test]
fn a_list_is_made_when_something_changed_and_otherwise_only_served() {
    let port = Port::new();
    let token = port.arrive("ada");
    let (id, passport) = issued(&port, &token, 1);
    let path = path_of(&passport);
    let first = port.get(&path, None).text;
    let version = |port: &Port| {
        block_on(port.store.get(path.replace("/v1/passports/status/", "auth/status/token/").as_bytes()))
            .unwrap()
            .unwrap()
            .version
    };
    let made = version(&port);
    port.advance_s(29);
    assert_eq!(port.get(&path, None).text, first, "nothing is signed again within half a minute");
    assert_eq!(version(&port), made);
    port.advance_s(1);
    let again = port.get(&path, None).text;
    assert_ne!(again, first);
    assert_eq!(payload(&again)["status_list"], payload(&first)["status_list"]);
    assert_eq!(revoke(&port, &token, &id), 204);
    assert_eq!(port.get(&path, None).text, again, "many revocations do not mean many compressions");
    port.advance_s(15);
    assert_ne!(payload(&port.get(&path, None).text)["status_list"], payload(&first)["status_list"]);
}

#[test]
fn revoking_at_the_same_time_loses_nothing() {
    let port = Port::new();
    let token = port.arrive("ada");
    let proofs: Vec<String> = (1..=32).map(|seed| port.proof(&key(seed))).collect();
    let answer = port.post("/v1/passports", Some(&token), &json!({ "proofs": proofs })).json;
    let ids: Vec<&str> =
        answer["passports"].as_array().unwrap().iter().map(|copy| copy["id"].as_str().unwrap()).collect();
    let (store, environment) = (Meeting::new(&port.store), port.environment());
    let revoking = ids.iter().map(|id| vwp_auth::passports::issued::revoke(&store, id, None, &environment));
    assert!(block_on(join_all(revoking)).iter().all(Result::is_ok));
    let listed = port.get("/v1/passports/issued", Some(&token)).json;
    assert!(listed["passports"].as_array().unwrap().iter().all(|copy| copy["revoked"] == true));
    assert_eq!(listed["passports"].as_array().unwrap().len(), 32);
}

#[test]
fn a_full_list_is_followed_by_another() {
    let port = Port::new();
    let token = port.arrive("ada");
    let (_, first) = issued(&port, &token, 1);
    let list = path_of(&first).replace("/v1/passports/status/", "");
    let fill = Write::put(format!("auth/status/fill/{list}"), (FILL_MAX - 1).to_le_bytes());
    block_on(port.store.commit(&[], &[fill])).unwrap();
    let (_, final_one) = issued(&port, &token, 2);
    let (_, next) = issued(&port, &token, 3);
    assert_eq!(path_of(&final_one), path_of(&first));
    assert_eq!(path_of(&next), path_of(&first).replace("-0", "-1"));
    assert_eq!(port.verify(&port.present(&next, &key(3), "n"), "n").status, StatusCode::OK);
}

#[test]
fn lists_end_with_their_passports_and_others_do_not_exist() {
    let port = Port::new();
    let token = port.arrive("ada");
    let (_, passport) = issued(&port, &token, 1);
    let path = path_of(&passport);
    for other in ["/v1/passports/status/1-0", "/v1/passports/status/", "/v1/passports/status/x-y"] {
        assert_eq!(port.get(other, None).status, 404, "{other}");
    }
    port.advance_s(3 * 86_400);
    assert_eq!(port.get(&path, None).status, 404);
    port.store.sweep();
    let left = block_on(port.store.scan(
        &vwp_storage::kv::KeyRange::prefix("auth/status/"),
        10,
        vwp_storage::kv::Direction::Forward,
    ));
    assert_eq!(left.unwrap().items, [], "nothing of a day is left when it has ended");
}

#[test]
fn places_are_drawn_at_random() {
    let port = Port::new();
    let token = port.arrive("ada");
    let (traveller, session) = {
        let claims = payload(&token);
        (claims["sub"].as_str().unwrap().to_owned(), claims["jti"].as_str().unwrap().to_owned())
    };
    let mut indices = Vec::new();
    for batch in 0..4_u8 {
        let proofs = (1..=32).map(|seed| port.proof(&key(batch * 32 + seed))).collect();
        let order = Order { proofs, ..Order::default() };
        let environment = port.environment();
        let copies = block_on(issue::issue(&port.store, (&traveller, &session), &order, &environment));
        for copy in copies.unwrap() {
            indices.push(payload(&copy.passport)["status"]["status_list"]["idx"].as_u64().unwrap());
        }
    }
    let different: BTreeSet<u64> = indices.iter().copied().collect();
    assert_eq!(different.len(), 128);
    let rising = indices.windows(2).filter(|pair| pair[0] < pair[1]).count();
    assert!((32..96).contains(&rising), "they come in no order: {rising} of 127 rise");
    assert!(different.first().unwrap() < &65_536 && different.last().unwrap() > &196_608);
}

/// Numbers that look random and are the same in every run: SplitMix64.
fn numbers() -> impl Iterator<Item = u64> {
    std::iter::successors(Some(1_u64), |state| Some(state.wrapping_add(0x9e37_79b9_7f4a_7c15))).map(|state| {
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

#[test]
fn a_million_passports_of_which_one_in_a_hundred_is_revoked_cost_fourteen_kilobytes() {
    // Four lists hold them; the compressed bits are what a verifier keeps. No coding of 10,000
    // random places among a million is shorter than 10.1 kB.
    let lists = 1_000_000_u32.div_ceil(u32::try_from(FILL_MAX).unwrap());
    assert_eq!(lists, 4);
    let mut bits = vec![0_u8; (LIST_SIZE * lists / 8) as usize];
    let places: BTreeSet<usize> = numbers()
        .map(|number| usize::try_from(number % u64::from(LIST_SIZE * lists)).unwrap())
        .scan(BTreeSet::new(), |seen, place| {
            seen.insert(place);
            (seen.len() <= 10_000).then_some(place)
        })
        .collect();
    assert_eq!(places.len(), 10_000);
    for place in &places {
        bits[place / 8] |= 1 << (place % 8);
    }
    let sizes: Vec<usize> =
        bits.chunks(LIST_SIZE as usize / 8).map(|list| compress(list).unwrap().len()).collect();
    let total: usize = sizes.iter().sum();
    println!("lists of {sizes:?}, {total} bytes");
    assert!(total <= 14 * 1024, "{total} bytes");
}

#[test]
fn the_worst_list_that_revocations_can_make_still_fits() {
    let port = Port::new();
    let token = port.arrive("ada");
    let (_, passport) = issued(&port, &token, 1);
    let list = path_of(&passport).replace("/v1/passports/status/", "");
    let incompressible: Vec<u8> = numbers().flat_map(u64::to_le_bytes).take(LIST_SIZE as usize / 8).collect();
    let chunks = incompressible.chunks(1024).enumerate();
    let mut writes: Vec<Write> = chunks
        .map(|(index, chunk)| Write::put(format!("auth/status/bits/{list}/{index:02}"), chunk))
        .collect();
    writes.push(Write::Add {
        key: format!("auth/status/version/{list}").into_bytes(),
        delta: 1,
        minimum: 0,
        maximum: i64::MAX,
    });
    block_on(port.store.commit(&[], &writes)).unwrap();
    let served = port.get(&path_of(&passport), None);
    assert_eq!(served.status, StatusCode::OK, "{}", served.text);
    assert!(served.text.len() <= COMPACT_LENGTH_MAX, "{} bytes", served.text.len());
    let keys = KeySet::from_json(&port.get("/.well-known/jwks.json", None).text).unwrap();
    let uri = format!("{ISSUER}{}", path_of(&passport));
    let read = StatusList::verify(&served.text, &keys, &uri, START).unwrap();
    for place in 0..u64::from(LIST_SIZE) {
        let byte = incompressible[usize::try_from(place / 8).unwrap()];
        assert_eq!(read.get(place), Some(byte >> (place % 8) & 1));
    }
}
