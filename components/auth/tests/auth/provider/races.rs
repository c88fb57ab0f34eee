//! Two at once: of those who may be first, one is.

use super::support::{Browser, COOKIE, Client, DEVICE, Site, action, csrf, form, redemption};
use super::{offers, presentations, wallets};
use crate::support::{PASSWORD, key};
use futures::executor::block_on;
use futures::future::join;
use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use std::future::poll_fn;
use std::task::Poll;
use vwp_auth::http::handle;
use vwp_storage::kv::{Change, Check, Direction, Entry, Key, KeyRange, Outcome, Page, Version, Write};
use vwp_storage::memory::Memory;
use vwp_storage::{Kv, StorageError};

/// A store that lets the other one go first before each step, so that two requests take turns.
struct Turns<'a>(&'a Memory);

async fn turn() {
    let mut has_waited = false;
    poll_fn(|context| {
        if has_waited {
            return Poll::Ready(());
        }
        has_waited = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Kv for Turns<'_> {
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, StorageError> {
        turn().await;
        self.0.get_many(keys).await
    }

    async fn scan(&self, range: &KeyRange, limit: u32, direction: Direction) -> Result<Page, StorageError> {
        turn().await;
        self.0.scan(range, limit, direction).await
    }

    async fn commit(&self, checks: &[Check], writes: &[Write]) -> Result<Outcome, StorageError> {
        turn().await;
        self.0.commit(checks, writes).await
    }

    async fn changes(
        &self,
        prefix: &[u8],
        since: Version,
        limit: u32,
        wait_ms: u32,
    ) -> Result<Vec<Change>, StorageError> {
        turn().await;
        self.0.changes(prefix, since, limit, wait_ms).await
    }
}

/// Sends two requests at once; gives out how they were answered.
fn at_once(site: &Site, requests: [Request<Vec<u8>>; 2]) -> Vec<(StatusCode, Value)> {
    let store = Turns(&site.port.store);
    let environment = site.port.environment();
    let [first, second] = requests;
    let (first, second) =
        block_on(join(handle(&store, &environment, first), handle(&store, &environment, second)));
    let read = |answer: http::Response<Vec<u8>>| {
        (answer.status(), serde_json::from_slice(answer.body()).unwrap_or_default())
    };
    vec![read(first), read(second)]
}

fn granted(answers: &[(StatusCode, Value)]) -> Vec<&Value> {
    answers.iter().filter(|(status, _)| status.is_success()).map(|(_, body)| body).collect()
}

fn token_call(site: &Site, client: &Client, pairs: &[(&str, &str)]) -> Request<Vec<u8>> {
    site.call(client, "/oauth/token", pairs, &[])
}

#[test]
fn a_code_that_two_redeem_at_once_serves_nobody() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let code = Browser::new(&site).code(&client, &[("scope", "openid offline_access")]);
    let call = || token_call(&site, &client, &redemption(&code));
    let answers = at_once(&site, [call(), call()]);
    let granted = granted(&answers);
    assert_eq!(granted.len(), 1, "{answers:?}");
    assert!(!site.is_good(granted[0]["access_token"].as_str().unwrap()), "the second one ended it");
    let refreshed = site.refresh(&client, granted[0]["refresh_token"].as_str().unwrap());
    assert_eq!(refreshed.json["error"], "invalid_grant");
}

#[test]
fn of_two_answers_to_one_request_and_of_two_who_fetch_the_result_one_is_served() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let begun = presentations::begin(&site, &client, &[]);
    let asked = presentations::request(&site, &begun);
    let token = presentations::token_for(&site, &asked, &["handle"]);
    let call = || presentations::answering(&asked, &[("vp_token", &token)]);
    let answers = at_once(&site, [call(), call()]);
    assert_eq!(granted(&answers).len(), 1, "{answers:?}");
    let id = begun["transaction_id"].as_str().unwrap();
    let fetch = || site.call(&client, "/oauth/presentations/result", &[("transaction_id", id)], &[]);
    let answers = at_once(&site, [fetch(), fetch()]);
    assert_eq!(granted(&answers).len(), 1, "{answers:?}");

    let begun = presentations::begin(&site, &client, &[]);
    let asked = presentations::request(&site, &begun);
    let token = presentations::token_for(&site, &asked, &["handle"]);
    let call = || presentations::answering(&asked, &[("vp_token", &token)]);
    let no = presentations::answering(&asked, &[("error", "access_denied")]);
    let answers = at_once(&site, [call(), no]);
    assert_eq!(granted(&answers).len(), 1, "one word counts: {answers:?}");
}

#[test]
fn a_refresh_token_that_two_use_at_once_ends_the_family() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let tokens = site.tokens(&client, "openid offline_access");
    let pairs =
        [("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"].as_str().unwrap())];
    let call = || token_call(&site, &client, &pairs);
    let answers = at_once(&site, [call(), call()]);
    let granted = granted(&answers);
    assert_eq!(granted.len(), 1, "{answers:?}");
    for token in [&tokens["access_token"], &granted[0]["access_token"]] {
        assert!(!site.is_good(token.as_str().unwrap()));
    }
    let next = site.refresh(&client, granted[0]["refresh_token"].as_str().unwrap());
    assert_eq!(next.json["error"], "invalid_grant");
}

#[test]
fn the_token_of_a_passkey_that_two_browsers_send_at_once_signs_one_in() {
    let site = Site::new();
    let account = json!({"handle": "ada", "password": PASSWORD});
    let session = site.port.post("/v1/sessions", None, &account).json;
    let token = session["access_token"].as_str().unwrap();
    let call = || {
        let browser = Browser::new(&site);
        let page = browser.get("/oauth/account");
        let cookie = browser.cookie.borrow().clone().unwrap();
        Request::post(action(&page))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin")
            .header(header::COOKIE, format!("{COOKIE}={cookie}"))
            .body(form(&[("access_token", token), ("csrf", &csrf(&page))]).into_bytes())
            .unwrap()
    };
    let answers = at_once(&site, [call(), call()]);
    let mut statuses: Vec<StatusCode> = answers.into_iter().map(|(status, _)| status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [StatusCode::SEE_OTHER, StatusCode::UNAUTHORIZED]);
}

#[test]
fn a_proof_an_assertion_and_a_device_code_serve_one_of_two() {
    let site = Site::new();
    let client = site.public_client(&json!({"redirect_uris": [], "grant_types": [DEVICE]}));
    let codes = site.ask(&client, "/oauth/device_authorization", &[]).json;
    let code = codes["user_code"].as_str().unwrap();
    let browser = Browser::new(&site);
    browser.sign_in(&browser.get("/device"));
    let page = browser.submit(&browser.get("/device"), &[("user_code", code)]);
    browser.submit(&page, &[("user_code", code), ("decision", "allow")]);
    let pairs = [("grant_type", DEVICE), ("device_code", codes["device_code"].as_str().unwrap())];
    let answers = at_once(&site, [token_call(&site, &client, &pairs), token_call(&site, &client, &pairs)]);
    assert_eq!(granted(&answers).len(), 1, "{answers:?}");

    let proof = site.proof(&key(5), "/oauth/token", &json!({}));
    let bound =
        || site.call(&client, "/oauth/token", &[("grant_type", DEVICE)], std::slice::from_ref(&proof));
    let answers = at_once(&site, [bound(), bound()]);
    let replayed = answers.iter().filter(|(_, body)| body["error"] == "invalid_dpop_proof").count();
    assert_eq!(replayed, 1, "{answers:?}");

    let confidential = site.client(&json!({}));
    let call = token_call(&site, &confidential, &[("grant_type", "refresh_token")]);
    let again = Request::post("/oauth/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(call.body().clone())
        .unwrap();
    let answers = at_once(&site, [call, again]);
    let replayed = answers.iter().filter(|(_, body)| body["error"] == "invalid_client").count();
    assert_eq!(replayed, 1, "{answers:?}");
}

#[test]
fn a_nonce_that_two_use_at_once_gives_passports_to_one() {
    let site = Site::new();
    let wallet = wallets::wallet(&site);
    let tokens: Vec<Value> =
        (0..2).map(|_| wallets::tokens(&site, &wallet, &[("scope", "passport")])).collect();
    let nonce = wallets::c_nonce(&site);
    // Proofs of different keys, so that nothing but the nonce is the same.
    let call = |which: u8| {
        let proof = wallets::proof(&site, 20 + which, Some(&nonce));
        let body = json!({"credential_configuration_id": "passport", "proofs": {"jwt": [proof]}});
        wallets::call(&site, wallets::token(&tokens[usize::from(which)]), &body)
    };
    let answers = at_once(&site, [call(0), call(1)]);
    assert_eq!(granted(&answers).len(), 1, "{answers:?}");
    let refused = answers.iter().filter(|(_, body)| body["error"] == "invalid_nonce").count();
    assert_eq!(refused, 1, "{answers:?}");
}

#[test]
fn an_offer_that_two_wallets_redeem_at_once_serves_one() {
    let site = Site::new();
    let wallets = [wallets::wallet(&site), wallets::wallet(&site)];
    let offer = offers::offer(&site, &json!({}));
    let answers = at_once(&site, wallets.map(|wallet| offers::call(&site, &wallet, &offer, &[])));
    assert_eq!(granted(&answers).len(), 1, "{answers:?}");
    let refused = answers.iter().filter(|(_, body)| body["error"] == "invalid_grant").count();
    assert_eq!(refused, 1, "{answers:?}");
}

#[test]
fn guesses_at_a_transaction_code_count_when_they_come_at_once() {
    let site = Site::new();
    let wallet = wallets::wallet(&site);
    let offer = offers::offer(&site, &json!({}));
    let guess = || offers::call(&site, &wallet, &offer, &[("tx_code", "00000000")]);
    for _ in 0..2 {
        let answers = at_once(&site, [guess(), guess()]);
        assert!(answers.iter().all(|(_, body)| body["error"] == "invalid_grant"), "{answers:?}");
    }
    let answers = at_once(&site, [guess(), guess()]);
    assert!(granted(&answers).is_empty());
    assert_eq!(offers::redeem(&site, &wallet, &offer, &[]).json["error"], "invalid_grant");
}
