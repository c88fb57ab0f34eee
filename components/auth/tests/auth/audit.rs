//! The log: what it tells, to whom, and that it shows if somebody changed it.

use crate::support::{ADMIN, ISSUER, PASSWORD, Port, key};
use futures::executor::block_on;
use futures::future::join_all;
use http::StatusCode;
use serde_json::{Value, json};
use vwp_auth::accounts;
use vwp_auth::audit::{self, Chain, Event, Kind, RETENTION_MS, anchor};
use vwp_auth::limits::Client;
use vwp_core::jose::{Jwk, Unverified};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Direction, KeyRange, Outcome, Write};

fn kinds(page: &Value) -> Vec<&str> {
    page["entries"].as_array().unwrap().iter().map(|entry| entry["kind"].as_str().unwrap()).collect()
}

fn id_of(port: &Port, token: &str) -> String {
    port.get("/v1/travellers/me", Some(token)).json["traveller"].as_str().unwrap().to_owned()
}

fn verified(port: &Port, chain: &str) -> Value {
    let answer = port.get(&format!("/v1/audit/chains/{chain}"), Some(ADMIN));
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json
}

fn entry_key(chain: &str, seq: u64) -> Vec<u8> {
    format!("auth/audit/entry/{chain}/{seq:016x}").into_bytes()
}

fn overwrite(port: &Port, key: &[u8], value: Option<Vec<u8>>) {
    let write = match value {
        Some(value) => Write::put(key, value),
        None => Write::delete(key),
    };
    assert!(matches!(block_on(port.store.commit(&[], &[write])), Ok(Outcome::Committed(_))));
}

fn read(port: &Port, key: &[u8]) -> String {
    String::from_utf8(block_on(port.store.get(key)).unwrap().unwrap().value).unwrap()
}

/// A port with a traveller who did a few things, and the traveller's chain.
fn lived() -> (Port, String, String) {
    let port = Port::new();
    let token = port.arrive("ada");
    port.advance_s(60);
    port.passport(&token, &key(1));
    assert_eq!(port.sign_in("ada", "not the password").status, StatusCode::UNAUTHORIZED);
    let chain = format!("traveller:{}", id_of(&port, &token));
    (port, token, chain)
}

#[test]
fn a_traveller_sees_what_happened_to_the_account_and_nobody_elses() {
    let (port, token, _) = lived();
    let other = port.arrive("grace");
    let page = port.get("/v1/travellers/me/audit", Some(&token)).json;
    assert_eq!(kinds(&page), ["sign-in-failed", "passport-issued", "signed-in", "signed-up"]);
    assert_eq!(page["entries"][2]["detail"], json!({ "method": "password" }));
    assert_eq!(page["broken"], json!([]));
    assert_eq!(kinds(&port.get("/v1/travellers/me/audit", Some(&other)).json), ["signed-in", "signed-up"]);
    port.send("DELETE", "/v1/sessions/current", Some(&other), "");
    let token = port.sign_in("grace", PASSWORD).json["access_token"].as_str().unwrap().to_owned();
    let page = port.get("/v1/travellers/me/audit?limit=2", Some(&token)).json;
    assert_eq!(kinds(&page), ["signed-in", "signed-out"]);
    let next = format!("/v1/travellers/me/audit?limit=2&before={}", page["cursor"].as_str().unwrap());
    let page = port.get(&next, Some(&token)).json;
    assert_eq!(kinds(&page), ["signed-in", "signed-up"]);
    assert_eq!(page.get("cursor"), None);
}

#[test]
fn the_administrator_sees_everything_newest_first_in_pages() {
    let (port, _, _) = lived();
    port.sign_in("nobody", "not the password");
    port.advance_s(1);
    port.send("POST", "/v1/keys/issuer/rotate", Some(ADMIN), "");
    let whole = port.get("/v1/audit", Some(ADMIN)).json;
    assert_eq!(whole["broken"], json!([]));
    assert_eq!(whole["entries"].as_array().unwrap().len(), 6);
    assert_eq!(whole["entries"][0]["kind"], "key-rotated");
    let (mut seen, mut path) = (Vec::new(), "/v1/audit?limit=4".to_owned());
    loop {
        let page = port.get(&path, Some(ADMIN)).json;
        seen.extend(page["entries"].as_array().unwrap().clone());
        match page["cursor"].as_str() {
            Some(cursor) => path = format!("/v1/audit?limit=4&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(Value::from(seen), whole["entries"]);
}

#[test]
fn the_log_is_for_the_administrator_and_for_the_traveller_it_is_about() {
    let (port, token, chain) = lived();
    let paths = [
        "/v1/audit".to_owned(),
        format!("/v1/audit/chains/{chain}"),
        format!("/v1/audit/chains/{chain}/entries"),
        "/v1/audit/anchors/1".to_owned(),
    ];
    for path in &paths {
        assert_eq!(port.get(path, None).status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(port.get(path, Some(&token)).status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(port.send("POST", "/v1/audit/anchors", Some(&token), "").status, StatusCode::FORBIDDEN);
    assert_eq!(port.get("/v1/travellers/me/audit", None).status, StatusCode::UNAUTHORIZED);
    for query in ["limit=x", "other=1", "cursor"] {
        let answer = port.get(&format!("/v1/audit?{query}"), Some(ADMIN));
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
    }
    for name in ["traveller:", "strangers:16", "strangers:x", "all", "traveller:a%2Fb"] {
        let answer = port.get(&format!("/v1/audit/chains/{name}"), Some(ADMIN));
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{name}");
    }
    assert_eq!(port.send("POST", "/v1/audit", Some(ADMIN), "").status, StatusCode::METHOD_NOT_ALLOWED);
}

#[test]
fn no_entry_holds_a_password_a_token_or_what_was_typed_as_a_handle() {
    let (port, token, _) = lived();
    port.sign_in("my secret by mistake", "x");
    port.sign_in("hunter2hunter2", "also a secret");
    let page = block_on(port.store.scan(&KeyRange::prefix("auth/audit/"), 1000, Direction::Forward)).unwrap();
    assert!(page.items.len() > 10);
    for item in &page.items {
        let text =
            format!("{} {}", String::from_utf8_lossy(&item.key), String::from_utf8_lossy(&item.entry.value));
        for secret in [PASSWORD, "not the password", &token, "hunter2", "also a secret", "by mistake", "ada"]
        {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn a_chain_that_nobody_touched_is_whole() {
    let (port, _, chain) = lived();
    let whole = verified(&port, &chain);
    assert_eq!((&whole["broken"], &whole["entries"]), (&Value::Null, &json!(4)));
    assert_eq!(whole["head"]["seq"], 4);
    assert_eq!(verified(&port, "port")["entries"], 0);
}

#[test]
fn whoever_changes_an_entry_breaks_the_chain_there() {
    for (seq, from, to, broken_at, fault) in [
        (2_u64, "signed-in", "signed-out", 3, "unlinked"),
        (4, "sign-in-failed", "signed-in", 4, "not-the-head"),
        (3, "\"seq\":3", "\"seq\":7", 3, "unreadable"),
        (1, "\"at\"", "\"was\"", 1, "unreadable"),
    ] {
        let (port, token, chain) = lived();
        let key = entry_key(&chain, seq);
        let changed = read(&port, &key).replace(from, to);
        overwrite(&port, &key, Some(changed.into_bytes()));
        let expected = json!({ "chain": chain, "seq": broken_at, "fault": fault });
        assert_eq!(verified(&port, &chain)["broken"], expected, "{from}");
        let page = port.get("/v1/audit", Some(ADMIN)).json;
        assert!(!page["broken"].as_array().unwrap().is_empty(), "seen by whoever reads the log: {from}");
        let page = port.get("/v1/travellers/me/audit", Some(&token)).json;
        assert!(!page["broken"].as_array().unwrap().is_empty(), "and by the traveller: {from}");
    }
}

#[test]
fn whoever_takes_an_entry_out_breaks_the_chain_there() {
    for seq in 1..=4 {
        let (port, _, chain) = lived();
        overwrite(&port, &entry_key(&chain, seq), None);
        let expected = json!({ "chain": chain, "seq": seq, "fault": "missing" });
        assert_eq!(verified(&port, &chain)["broken"], expected);
        let page = port.get(&format!("/v1/audit/chains/{chain}/entries"), Some(ADMIN)).json;
        assert!(!page["broken"].as_array().unwrap().is_empty(), "{seq}");
    }
}

#[test]
fn whoever_changes_what_an_entry_says_is_seen() {
    let (port, _, chain) = lived();
    let key = format!("auth/audit/detail/{chain}/{:016x}", 2).into_bytes();
    let changed = read(&port, &key).replace("password", "passkey");
    overwrite(&port, &key, Some(changed.into_bytes()));
    let expected = json!({ "chain": chain, "seq": 2, "fault": "detail-changed" });
    assert_eq!(verified(&port, &chain)["broken"], expected);
    assert_eq!(port.get("/v1/audit", Some(ADMIN)).json["broken"], json!([expected]));
}

#[test]
fn a_chain_that_was_made_anew_does_not_fit_what_was_noted_of_it() {
    let (port, _, chain) = lived();
    let anchored = port.send("POST", "/v1/audit/anchors", Some(ADMIN), "").json;
    assert_eq!((&anchored["chains"], &anchored["more"]), (&json!(1), &json!(false)));
    let seq = anchored["head"]["seq"].as_u64().unwrap();
    let path = format!("/v1/audit/anchors/{seq}");
    assert_eq!(port.get(&path, Some(ADMIN)).json, json!({ "chains": 1, "broken": [] }));
    // A forger with the whole store at hand, who does everything as it is done here.
    let forged = read(&port, &entry_key(&chain, 4)).replace("sign-in-failed", "signed-out");
    let entry: audit::Entry = serde_json::from_str(&forged).unwrap();
    let head = json!({ "seq": 4, "hash": entry.hash().unwrap(), "at": entry.at });
    overwrite(&port, &entry_key(&chain, 4), Some(forged.into_bytes()));
    overwrite(&port, format!("auth/audit/head/{chain}").as_bytes(), Some(head.to_string().into_bytes()));
    assert_eq!(verified(&port, &chain)["broken"], Value::Null, "the chain alone does not tell");
    let broken = json!([{ "chain": chain, "seq": 4, "fault": "not-anchored" }]);
    assert_eq!(port.get(&path, Some(ADMIN)).json["broken"], broken);
    // Nor does it help to change what was noted.
    let key = format!("auth/audit/anchor/{seq:016x}").into_bytes();
    let list = read(&port, &key);
    overwrite(&port, &key, Some(list.replace(":4,", ":3,").replace(",4,", ",3,").into_bytes()));
    assert_eq!(port.get(&path, Some(ADMIN)).json["broken"][0]["chain"], "port");
}

#[test]
fn the_ports_head_is_signed_and_noting_is_done_once() {
    let (port, _, _) = lived();
    let first = port.send("POST", "/v1/audit/anchors", Some(ADMIN), "").json;
    let again = port.send("POST", "/v1/audit/anchors", Some(ADMIN), "").json;
    assert_eq!((&again["chains"], &again["head"]), (&json!(0), &first["head"]));
    let jwks = port.get("/.well-known/jwks.json", None).json;
    let jwk: Jwk = serde_json::from_value(jwks["keys"][0].clone()).unwrap();
    let signed = Unverified::parse(first["signed"].as_str().unwrap(), anchor::HEAD_TYPE).unwrap();
    let claims: Value = serde_json::from_slice(&signed.verify(&jwk.to_key().unwrap()).unwrap()).unwrap();
    assert_eq!((&claims["iss"], &claims["hash"]), (&json!(ISSUER), &first["head"]["hash"]));
    assert_eq!(verified(&port, "port")["head"]["hash"], claims["hash"]);
    assert_eq!(port.get("/v1/audit/anchors/99", Some(ADMIN)).status, StatusCode::NOT_FOUND);
}

#[test]
fn many_at_once_make_one_chain_and_none_is_lost() {
    let (port, _, chain) = lived();
    let environment = port.environment();
    let client = Client::default();
    let signed_in = (0..8).map(|_| accounts::sign_in(&port.store, "ada", PASSWORD, &client, &environment));
    assert!(block_on(join_all(signed_in)).iter().all(Result::is_ok));
    let whole = verified(&port, &chain);
    assert_eq!((&whole["broken"], &whole["entries"]), (&Value::Null, &json!(12)));
}

#[test]
fn an_entry_is_written_if_and_only_if_what_it_tells_is_done() {
    let port = Port::new();
    let event = Event::traveller(Kind::MethodAdded, "t").with("method", "passkey");
    let environment = port.environment();
    let put = [Write::put("auth/thing", "x")];
    let checks = [Check::absent("auth/thing")];
    let first = block_on(audit::commit(&port.store, &event, &checks, &put, &environment)).unwrap();
    assert!(matches!(first, Outcome::Committed(_)));
    let second = block_on(audit::commit(&port.store, &event, &checks, &put, &environment)).unwrap();
    assert_eq!(second, Outcome::Conflict(vec![b"auth/thing".to_vec()]));
    assert_eq!(verified(&port, "traveller:t")["entries"], 1);
}

#[test]
fn what_an_entry_says_is_bounded() {
    let port = Port::new();
    let event = (0..20).fold(Event::port(Kind::PolicyDecided), |event, _| event.with("a", "x"));
    let event = event.with("long", "y".repeat(10_000));
    block_on(audit::record(&port.store, &event, &port.environment())).unwrap();
    let long = Event::port(Kind::PolicyDecided).with("long", "é".repeat(10_000));
    block_on(audit::record(&port.store, &long, &port.environment())).unwrap();
    let page = port.get("/v1/audit", Some(ADMIN)).json;
    let text = page["entries"].to_string();
    assert!(!text.contains("yy") && text.contains(&"é".repeat(audit::DETAIL_LENGTH_MAX)));
    assert!(!text.contains(&"é".repeat(audit::DETAIL_LENGTH_MAX + 1)));
}

#[test]
fn entries_are_kept_for_a_year_and_their_end_breaks_no_chain() {
    let (port, _, chain) = lived();
    port.advance_s(RETENTION_MS / 1000 - 3600);
    port.sign_in("ada", PASSWORD);
    assert_eq!(verified(&port, &chain)["entries"], 5);
    port.advance_s(3600);
    port.store.sweep();
    let whole = verified(&port, &chain);
    assert_eq!((&whole["broken"], &whole["entries"]), (&Value::Null, &json!(1)));
    let page = port.get("/v1/audit", Some(ADMIN)).json;
    assert_eq!((kinds(&page), &page["broken"]), (vec!["signed-in"], &json!([])));
    port.advance_s(RETENTION_MS / 1000);
    assert_eq!(verified(&port, &chain)["broken"], Value::Null);
    assert_eq!(Chain::Port.to_string(), "port");
}
