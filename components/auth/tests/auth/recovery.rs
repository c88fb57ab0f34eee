//! Getting back in without a password and a passkey.

use crate::clients::{Client, Meeting};
use crate::support::{Answer, PASSWORD, Port};
use futures::executor::block_on;
use futures::future::join;
use http::StatusCode;
use serde_json::{Value, json};
use vwp_auth::limits;
use vwp_auth::recovery::codes;

const HOUR_S: u64 = 3600;

fn codes(port: &Port, token: &str) -> Vec<String> {
    let made = port.post("/v1/recovery/codes", Some(token), &json!({}));
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    serde_json::from_value(made.json["codes"].clone()).unwrap()
}

fn use_code(port: &Port, handle: &str, code: &str) -> Answer {
    port.post("/v1/recovery/sessions", None, &json!({ "handle": handle, "code": code }))
}

fn notices(session: &Answer) -> Vec<&str> {
    let notices = session.json["notices"].as_array().map(Vec::as_slice).unwrap_or_default();
    notices.iter().filter_map(|notice| notice["notice"].as_str()).collect()
}

#[test]
fn each_of_ten_codes_signs_in_once() {
    let port = Port::new();
    let token = port.arrive("ada");
    let codes = codes(&port, &token);
    assert_eq!(codes.len(), 10);
    let session = use_code(&port, "ADA", &codes[3].to_uppercase());
    assert_eq!(session.status, StatusCode::OK, "{}", session.text);
    assert_eq!(notices(&session), ["recovery-code-used", "add-passkey"]);
    assert_eq!(session.json["notices"][0]["left"], 9);
    assert_eq!(use_code(&port, "ada", &codes[3]).problem(), "wrong-recovery-code");
    assert_eq!(use_code(&port, "ada", &codes[4]).status, StatusCode::OK);
    assert_eq!(port.get("/v1/recovery", Some(&token)).json["codes_left"], 8);
}

#[test]
fn a_code_opens_a_session_in_which_the_password_can_be_changed() {
    let port = Port::new();
    let token = port.arrive("ada");
    let code = codes(&port, &token).remove(0);
    port.advance_s(HOUR_S);
    let session = use_code(&port, "ada", &code);
    let token = session.json["access_token"].as_str();
    let changed = port.post("/v1/travellers/me/password", token, &json!({ "password": "a new one, my own" }));
    assert_eq!(changed.status, StatusCode::NO_CONTENT, "{}", changed.text);
    assert_eq!(port.sign_in("ada", PASSWORD).problem(), "wrong-credentials");
    assert_eq!(port.sign_in("ada", "a new one, my own").status, StatusCode::OK);
}

#[test]
fn of_two_uses_of_a_code_at_once_one_signs_in() {
    let port = Port::new();
    let token = port.arrive("ada");
    let code = codes(&port, &token).remove(0);
    let store = Meeting::new(&port.store);
    let (environment, client) = (port.environment(), limits::Client::default());
    let attempt = || codes::sign_in(&store, "ada", &code, &client, &environment);
    let (one, other) = block_on(join(attempt(), attempt()));
    assert_eq!([one.is_ok(), other.is_ok()].iter().filter(|is_ok| **is_ok).count(), 1);
}

#[test]
fn new_codes_end_the_old_ones_and_no_code_is_kept_as_it_is() {
    let port = Port::new();
    let token = port.arrive("ada");
    let old = codes(&port, &token);
    let new = codes(&port, &token);
    assert_eq!(use_code(&port, "ada", &old[0]).problem(), "wrong-recovery-code");
    let everything = block_on(vwp_storage::Kv::scan(
        &port.store,
        &vwp_storage::kv::KeyRange::prefix("auth/"),
        1000,
        vwp_storage::kv::Direction::Forward,
    ));
    for item in everything.unwrap().items {
        let text = String::from_utf8_lossy(&item.entry.value).into_owned();
        assert!(!new.iter().any(|code| text.contains(&code.replace('-', ""))));
    }
    assert_eq!(use_code(&port, "ada", &new[0]).status, StatusCode::OK);
}

#[test]
fn a_wrong_code_and_an_unknown_handle_are_answered_alike() {
    let port = Port::new();
    let token = port.arrive("ada");
    codes(&port, &token);
    port.sign_up("grace");
    let wrong = use_code(&port, "ada", "0000-0000-0000-0000");
    for handle in ["eve", "grace", "e v e"] {
        let other = use_code(&port, handle, "0000-0000-0000-0000");
        assert_eq!((other.status, &other.text), (wrong.status, &wrong.text));
    }
    assert_eq!(use_code(&port, "ada", "no code at all").text, wrong.text);
}

/// A port, and ada's device, which has signed in once.
fn with_device(port: &Port) -> Client<'_> {
    port.sign_up("ada");
    let device = Client::at(port, "192.0.2.7");
    device.token("ada");
    device
}

fn ask(client: &Client<'_>, handle: &str) -> Answer {
    client.post("/v1/recovery/requests", None, &json!({ "handle": handle }))
}

fn complete(client: &Client<'_>, asked: &Value) -> Answer {
    client.post("/v1/recovery/requests/complete", None, &json!({ "request": asked["request"] }))
}

#[test]
fn a_known_device_recovers_an_account_after_three_days() {
    let port = Port::new();
    let device = with_device(&port);
    let asked = ask(&device, "ada");
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.text);
    assert_eq!(asked.json["ready_at"], port.now() + 72 * HOUR_S * 1000);
    let early = complete(&device, &asked.json);
    assert_eq!((early.status, early.problem()), (StatusCode::CONFLICT, "recovery-not-yet"));
    assert_eq!(early.headers["retry-after"], "259200");
    port.advance_s(72 * HOUR_S);
    let session = complete(&device, &asked.json);
    assert_eq!(session.status, StatusCode::OK, "{}", session.text);
    assert_eq!(notices(&session), ["add-passkey"]);
    assert_eq!(complete(&device, &asked.json).problem(), "recovery-refused");
}

#[test]
fn every_sign_in_tells_of_a_recovery_and_can_cancel_it() {
    let port = Port::new();
    let device = with_device(&port);
    let asked = ask(&device, "ada");
    let elsewhere = Client::at(&port, "198.51.100.7");
    for _ in 0..2 {
        let session = elsewhere.sign_in("ada", PASSWORD);
        assert_eq!(notices(&session), ["recovery-pending"]);
        assert_eq!(session.json["notices"][0]["ready_at"], asked.json["ready_at"]);
    }
    let token = elsewhere.token("ada");
    let pending = elsewhere.send("GET", "/v1/recovery", Some(&token), &json!({})).json;
    assert_eq!(pending["pending"]["ready_at"], asked.json["ready_at"]);
    let cancel = || elsewhere.send("DELETE", "/v1/recovery/requests/current", Some(&token), &json!({}));
    assert_eq!(cancel().status, StatusCode::NO_CONTENT);
    assert_eq!(cancel().status, StatusCode::NOT_FOUND);
    assert!(notices(&elsewhere.sign_in("ada", PASSWORD)).is_empty());
    port.advance_s(72 * HOUR_S);
    assert_eq!(complete(&device, &asked.json).problem(), "recovery-refused");
}

#[test]
fn a_stranger_who_asks_is_answered_like_the_owner_and_gets_nothing() {
    let port = Port::new();
    with_device(&port);
    let stranger = Client::at(&port, "198.51.100.7");
    let requests = [ask(&stranger, "ada"), ask(&stranger, "nobody-has-this")];
    for asked in &requests {
        assert_eq!(asked.status, StatusCode::ACCEPTED);
        assert_eq!(complete(&stranger, &asked.json).problem(), "recovery-not-yet");
    }
    assert!(notices(&port.sign_in("ada", PASSWORD)).is_empty(), "nobody can recover it, so none is told");
    port.advance_s(72 * HOUR_S);
    for asked in &requests {
        assert_eq!(complete(&stranger, &asked.json).problem(), "recovery-refused");
    }
}

#[test]
fn a_recovery_is_not_open_for_ever() {
    let port = Port::new();
    let device = with_device(&port);
    let asked = ask(&device, "ada");
    port.advance_s((72 + 7 * 24) * HOUR_S);
    assert_eq!(complete(&device, &asked.json).problem(), "recovery-refused");
    assert!(notices(&device.sign_in("ada", PASSWORD)).is_empty());
}
