//! Signing up and signing in.

use crate::support::{PASSWORD, Port};
use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use futures::executor::block_on;
use futures::future::join_all;
use http::{StatusCode, header};
use serde_json::{Value, json};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use vwp_auth::{AuthError, accounts};
use vwp_storage::StorageError;
use vwp_storage::kv::{
    Change, Check, Direction, Entry, Key, KeyRange, Kv, Outcome, Page, Version as Commit, Write,
};
use vwp_storage::memory::Memory;

#[test]
fn a_traveller_signs_up_signs_in_and_finds_the_account() {
    let port = Port::new();
    let account = port.sign_up("Ada");
    assert_eq!(account.status, StatusCode::CREATED);
    assert_eq!(account.json["handle"], "Ada");
    let id = account.json["traveller"].as_str().unwrap();
    assert_eq!(id.len(), 22, "128 bits in base64url");
    let session = port.sign_in("ADA", PASSWORD);
    assert_eq!(session.status, StatusCode::OK);
    assert_eq!(session.json["token_type"], "Bearer");
    assert_eq!(session.json["expires_in"], 3600);
    assert_eq!(session.json["traveller"], id);
    assert_eq!(session.headers[header::CACHE_CONTROL], "no-store");
    let me = port.get("/v1/travellers/me", session.json["access_token"].as_str());
    assert_eq!(me.json["traveller"], id);
    assert_eq!(me.json["handle"], "Ada");
}

#[test]
fn a_handle_in_another_case_is_taken() {
    let port = Port::new();
    port.sign_up("Straße");
    let second = port.sign_up("STRASSE");
    assert_eq!((second.status, second.problem()), (StatusCode::CONFLICT, "handle-taken"));
}

#[test]
fn of_many_sign_ups_for_one_handle_at_once_one_wins() {
    let port = Port::new();
    let store = Slow(port.store.clone());
    let environment = port.environment();
    let tries = (0..8).map(|_| accounts::sign_up(&store, "ada", PASSWORD, &environment));
    let outcomes = block_on(join_all(tries));
    let winners: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
    assert_eq!(winners.len(), 1);
    let losers = outcomes.iter().filter(|outcome| **outcome == Err(AuthError::HandleTaken));
    assert_eq!(losers.count(), 7);
    assert_eq!(port.sign_in("ada", PASSWORD).json["traveller"], winners[0].id.as_str());
}

#[test]
fn handles_and_passwords_that_break_a_rule_are_refused_with_the_rule() {
    let port = Port::new();
    for (handle, password, problem) in [
        ("ab", PASSWORD, "handle-unacceptable"),
        ("a b c", PASSWORD, "handle-unacceptable"),
        ("ada", "short", "password-unacceptable"),
        ("ada", &"x".repeat(129), "password-unacceptable"),
        ("adalovelace", "AdaLovelace", "password-unacceptable"),
    ] {
        let answer = port.post("/v1/travellers", None, &json!({ "handle": handle, "password": password }));
        assert_eq!((answer.status, answer.problem()), (StatusCode::UNPROCESSABLE_ENTITY, problem));
    }
}

#[test]
fn a_wrong_password_and_an_unknown_handle_are_answered_alike() {
    let port = Port::new();
    port.sign_up("ada");
    let wrong = port.sign_in("ada", "not the password");
    let unknown = port.sign_in("eve", "not the password");
    let impossible = port.sign_in("e v e", "not the password");
    assert_eq!((wrong.status, wrong.problem()), (StatusCode::UNAUTHORIZED, "wrong-credentials"));
    for other in [&unknown, &impossible] {
        assert_eq!((other.status, &other.text), (wrong.status, &wrong.text));
        assert_eq!(other.headers, wrong.headers);
    }
}

#[test]
fn repeated_failures_have_to_wait_longer_each_time_and_the_right_password_clears_them() {
    for handle in ["ada", "nobody-has-this"] {
        let port = Port::new();
        port.sign_up("ada");
        for _ in 0..5 {
            assert_eq!(port.sign_in(handle, "not the password").problem(), "wrong-credentials");
        }
        let mut waits = Vec::new();
        for _ in 0..4 {
            let answer = port.sign_in(handle, "not the password");
            assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
            let seconds: u64 = answer.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
            waits.push(seconds);
            port.advance_s(seconds);
            assert_eq!(port.sign_in(handle, "not the password").problem(), "wrong-credentials");
        }
        assert_eq!(waits, [1, 2, 4, 8]);
    }
}

#[test]
fn the_right_password_is_taken_after_the_wait_and_clears_the_count() {
    let port = Port::new();
    port.sign_up("ada");
    for _ in 0..5 {
        port.sign_in("ada", "not the password");
    }
    assert_eq!(port.sign_in("ada", PASSWORD).status, StatusCode::TOO_MANY_REQUESTS);
    port.advance_s(1);
    assert_eq!(port.sign_in("ADA", PASSWORD).status, StatusCode::OK);
    for _ in 0..5 {
        assert_eq!(port.sign_in("ada", "not the password").problem(), "wrong-credentials");
    }
}

#[test]
fn guesses_sent_at_once_are_not_all_looked_at() {
    let port = Port::new();
    port.sign_up("ada");
    let store = Slow(port.store.clone());
    let environment = port.environment();
    let client = vwp_auth::limits::Client::default();
    let tries = (0..20).map(|_| accounts::sign_in(&store, "ada", "not the password", &client, &environment));
    let outcomes = block_on(join_all(tries));
    let looked_at = outcomes.iter().filter(|outcome| matches!(outcome, Err(AuthError::WrongCredentials)));
    assert!(looked_at.count() <= 5);
}

#[test]
fn a_password_hashed_with_weaker_parameters_is_hashed_anew_at_the_next_sign_in() {
    let port = Port::new();
    let id = port.sign_up("ada").json["traveller"].as_str().unwrap().to_owned();
    let key = format!("auth/traveller/{id}");
    let stored = || {
        let entry = block_on(port.store.get(key.as_bytes())).unwrap().unwrap();
        serde_json::from_slice::<Value>(&entry.value).unwrap()
    };
    let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(64, 1, 1, None).unwrap());
    let weak = weak.hash_password_with_salt(PASSWORD.as_bytes(), &[7; 16]).unwrap().to_string();
    let mut record = stored();
    record["password"] = weak.into();
    block_on(port.store.commit(&[], &[Write::put(key.clone(), record.to_string())])).unwrap();
    assert_eq!(port.sign_in("ada", "not the password").status, StatusCode::UNAUTHORIZED);
    assert!(stored()["password"].as_str().unwrap().contains("m=64,"));
    assert_eq!(port.sign_in("ada", PASSWORD).status, StatusCode::OK);
    assert!(stored()["password"].as_str().unwrap().contains("m=19456,t=2,p=1"));
    assert_eq!(port.sign_in("ada", PASSWORD).status, StatusCode::OK);
}

#[test]
fn a_refusal_never_repeats_what_was_sent_as_a_secret() {
    let port = Port::new();
    for body in [
        r#"{"handle":"ada","password":"hunter2"}"#,
        r#"{"handle":"ada","password":"hunter2-hunter2","extra":1}"#,
        r#"{"handle":"ada","hunter2":"x"}"#,
        r#"{"handle":1,"password":["hunter2"]}"#,
        r#"{"handle":"ada","password":"hunter2-hunter2","password":"hunter2-hunter2"}"#,
        r#"{"handle":"ada","password":"hunter2"#,
        r#""hunter2""#,
        r#"["ada","hunter2-hunter2"]"#,
    ] {
        for path in ["/v1/travellers", "/v1/sessions"] {
            let answer = port.send("POST", path, None, body);
            assert!(answer.status.is_client_error(), "{body}");
            assert!(!answer.text.contains("hunter2"), "{}", answer.text);
        }
    }
}

#[test]
fn a_body_that_is_too_large_or_of_another_type_is_refused() {
    let port = Port::new();
    let long = json!({ "handle": "ada", "password": "x".repeat(10_000) });
    assert_eq!(port.post("/v1/travellers", None, &long).problem(), "body-too-large");
    let request = http::Request::post("/v1/sessions").body(b"{}".to_vec()).unwrap();
    assert_eq!(port.answer(request).problem(), "unsupported-media-type");
}

/// A store that lets others run after every read, so that what was read may be old.
struct Slow(Memory);

impl Kv for Slow {
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, StorageError> {
        let entries = self.0.get_many(keys).await;
        Pause(false).await;
        entries
    }

    async fn scan(&self, range: &KeyRange, limit: u32, direction: Direction) -> Result<Page, StorageError> {
        self.0.scan(range, limit, direction).await
    }

    async fn commit(&self, checks: &[Check], writes: &[Write]) -> Result<Outcome, StorageError> {
        self.0.commit(checks, writes).await
    }

    async fn changes(
        &self,
        prefix: &[u8],
        since: Commit,
        limit: u32,
        wait_ms: u32,
    ) -> Result<Vec<Change>, StorageError> {
        self.0.changes(prefix, since, limit, wait_ms).await
    }
}

/// Is ready the second time that it is asked.
struct Pause(bool);

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
