//! Whose an account is, and what becomes of it.

use super::support::{Browser, Provider, port};
use crate::clients::Meeting;
use crate::support::{Answer, ISSUER, PASSWORD, Port, key, sign};
use futures::executor::block_on;
use futures::future::join;
use http::StatusCode;
use serde_json::{Value, json};
use vwp_auth::dids::identifier::Did;
use vwp_auth::http::handle;
use vwp_core::jose::Header;
use vwp_storage::Kv;
use vwp_storage::kv::{Direction, KeyRange};

fn link(browser: &Browser<'_>, token: &str, registration: &str) -> Answer {
    browser.post("/v1/upstream/links", Some(token), &json!({ "registration": registration }))
}

fn links(port: &Port, token: &str) -> Vec<Value> {
    port.get("/v1/upstream/links", Some(token)).json["links"].as_array().unwrap().clone()
}

fn unlink(port: &Port, token: &str, link: &Value) -> Answer {
    port.send("DELETE", &format!("/v1/upstream/links/{}", link["id"].as_str().unwrap()), Some(token), "")
}

/// Links a DID; gives out the path of the link.
fn link_did(port: &Port, token: &str, seed: u8) -> String {
    let did = Did::of_key(key(seed).verifying_key()).as_str().to_owned();
    let nonce = port.post("/v1/dids/challenges", None, &json!({})).json["nonce"].clone();
    let claims = json!({ "iss": did, "aud": ISSUER, "nonce": nonce, "iat": port.now() / 1000 });
    let proof = sign(&Header::new("vwp-did+jwt").with_kid(&did), &claims, &key(seed));
    let linked = port.post("/v1/dids", Some(token), &json!({ "proof": proof }));
    assert_eq!(linked.status, StatusCode::CREATED, "{}", linked.text);
    format!("/v1/dids/{did}")
}

#[test]
fn a_traveller_who_has_just_signed_in_links_an_account_and_signs_in_with_it() {
    let (port, provider) = (port(&json!({})), Provider::new());
    let browser = Browser::new(&port, &provider);
    let token = port.arrive("ada");
    let linked = link(&browser, &token, &browser.prove("ada at op"));
    assert_eq!(linked.status, StatusCode::CREATED, "{}", linked.text);
    let me = port.get("/v1/travellers/me", Some(&token)).json;
    assert_eq!(browser.sign_in("ada at op").json["traveller"], me["traveller"]);
    let listed = links(&port, &token);
    assert_eq!(
        (listed.len(), &listed[0]["provider"], &listed[0]["subject"]),
        (1, &"op".into(), &"ada at op".into())
    );
    assert_eq!(unlink(&port, &token, &listed[0]).status, StatusCode::NO_CONTENT);
    assert_eq!(unlink(&port, &token, &listed[0]).status, StatusCode::NOT_FOUND);
    assert_eq!(browser.sign_in("ada at op").status, StatusCode::ACCEPTED, "it is nobody's again");
}

#[test]
fn linking_and_unlinking_need_a_recent_sign_in() {
    let (port, provider) = (port(&json!({})), Provider::new());
    let browser = Browser::new(&port, &provider);
    let token = port.arrive("ada");
    assert_eq!(link(&browser, &token, &browser.prove("ada at op")).status, StatusCode::CREATED);
    let first = links(&port, &token).remove(0);
    port.advance_s(301);
    let registration = browser.prove("ada elsewhere");
    assert_eq!(link(&browser, &token, &registration).problem(), "sign-in-not-recent");
    assert_eq!(unlink(&port, &token, &first).problem(), "sign-in-not-recent");
    let again = port.sign_in("ada", PASSWORD).json["access_token"].as_str().unwrap().to_owned();
    assert_eq!(link(&browser, &again, &registration).status, StatusCode::CREATED);
    let nobody = browser.post("/v1/upstream/links", None, &json!({ "registration": registration }));
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
}

#[test]
fn an_account_belongs_to_one_traveller() {
    let (port, provider) = (port(&json!({})), Provider::new());
    let (ada, eve) = (Browser::new(&port, &provider), Browser::new(&port, &provider));
    // Both have proved it before anybody has linked it.
    let (first, second) = (ada.prove("shared"), eve.prove("shared"));
    let (adas, eves) = (port.arrive("ada"), port.arrive("eve"));
    assert_eq!(link(&ada, &adas, &first).status, StatusCode::CREATED);
    assert_eq!(link(&eve, &eves, &second).problem(), "upstream-linked");
    let body = json!({ "registration": second, "handle": "mallory" });
    assert_eq!(eve.post("/v1/upstream/travellers", None, &body).problem(), "upstream-linked");
    assert_eq!(unlink(&port, &eves, &links(&port, &adas)[0]).status, StatusCode::NOT_FOUND);
}

#[test]
fn an_account_that_was_proved_is_used_once_in_its_browser_and_within_ten_minutes() {
    let (port, provider) = (port(&json!({})), Provider::new());
    let (ada, eve) = (Browser::new(&port, &provider), Browser::new(&port, &provider));
    let registration = ada.prove("ada at op");
    let body = |handle: &str| json!({ "registration": registration, "handle": handle });
    let path = "/v1/upstream/travellers";
    assert_eq!(eve.post(path, None, &body("eve")).problem(), "sign-in-ended", "a browser without a cookie");
    eve.begin();
    assert_eq!(eve.post(path, None, &body("eve")).problem(), "registration-ended", "another browser");
    let eves = port.arrive("eve");
    assert_eq!(link(&eve, &eves, &registration).problem(), "registration-ended");
    // A handle that is taken, or is none, does not use it up.
    assert_eq!(ada.post(path, None, &body("Eve")).problem(), "handle-taken");
    assert_eq!(ada.post(path, None, &body("a")).problem(), "handle-unacceptable");
    let (store, environment) = (Meeting::new(&port.store), port.environment());
    let attempt = |handle: &str| handle_request(&store, &environment, ada.request(path, None, &body(handle)));
    let (one, other) = block_on(join(attempt("ada"), attempt("lovelace")));
    assert_eq!([one, other].iter().filter(|status| **status == StatusCode::OK).count(), 1);
    let late = eve.prove("late");
    port.advance_s(600);
    let late = json!({ "registration": late, "handle": "late" });
    assert_eq!(eve.post(path, None, &late).problem(), "registration-ended");
}

async fn handle_request(
    store: &Meeting,
    environment: &vwp_core::Environment<'_>,
    request: http::Request<Vec<u8>>,
) -> StatusCode {
    handle(store, environment, request).await.status()
}

#[test]
fn the_last_way_to_sign_in_stays() {
    let (port, provider) = (port(&json!({})), Provider::new());
    let browser = Browser::new(&port, &provider);
    let token = browser.arrive("ada at op", "ada");
    let account = links(&port, &token).remove(0);
    assert_eq!(unlink(&port, &token, &account).problem(), "last-method");
    let did = link_did(&port, &token, 3);
    assert_eq!(unlink(&port, &token, &account).status, StatusCode::NO_CONTENT);
    assert_eq!(port.send("DELETE", &did, Some(&token), "").problem(), "last-method");
    // With a password everything else may go.
    let password = json!({ "password": "another horse battery" });
    let set = port.post("/v1/travellers/me/password", Some(&token), &password);
    assert_eq!(set.status, StatusCode::NO_CONTENT);
    assert_eq!(port.send("DELETE", &did, Some(&token), "").status, StatusCode::NO_CONTENT);
    assert_eq!(port.sign_in("ada", "another horse battery").status, StatusCode::OK);
}

#[test]
fn of_the_last_two_ways_that_are_removed_at_once_one_stays() {
    let (port, provider) = (port(&json!({})), Provider::new());
    let browser = Browser::new(&port, &provider);
    let token = browser.arrive("ada at op", "ada");
    let account = format!("/v1/upstream/links/{}", links(&port, &token)[0]["id"].as_str().unwrap());
    let did = link_did(&port, &token, 3);
    let (store, environment) = (Meeting::new(&port.store), port.environment());
    let remove = |path: &str| {
        let request = http::Request::delete(path).header("authorization", format!("Bearer {token}"));
        handle_request(&store, &environment, request.body(Vec::new()).unwrap())
    };
    let (one, other) = block_on(join(remove(&account), remove(&did)));
    let removed = [one, other].iter().filter(|status| **status == StatusCode::NO_CONTENT).count();
    assert_eq!(removed, 1, "{one} {other}");
    let left = port.get("/v1/dids", Some(&token)).json["dids"].as_array().unwrap().len();
    assert_eq!(left + links(&port, &token).len(), 1);
}

#[test]
fn a_traveller_links_at_most_twenty() {
    let (port, provider) = (port(&json!({})), Provider::new());
    let browser = Browser::new(&port, &provider);
    let token = port.arrive("ada");
    for number in 1..=21 {
        let linked = link(&browser, &token, &browser.prove(&format!("account {number}")));
        assert_eq!(linked.problem(), if number <= 20 { "" } else { "too-many-upstream-links" }, "{number}");
    }
}

#[test]
fn accounts_are_exported_and_erased_with_everything_else_and_never_in_the_log() {
    let (port, provider) = (port(&json!({})), Provider::new());
    let browser = Browser::new(&port, &provider);
    let token = browser.arrive("ada at op", "ada");
    let export = port.get("/v1/travellers/me/export", Some(&token)).json;
    let record = &export["records"]["provider accounts"][0]["record"][0];
    assert_eq!((&record["provider"], &record["subject"]), (&json!("op"), &json!("ada at op")), "{export}");
    assert!(!export["audit"].to_string().contains("ada at op"), "the log names no subject");
    let erased = port.send("DELETE", "/v1/travellers/me", Some(&token), "");
    assert_eq!(erased.status, StatusCode::NO_CONTENT, "{}", erased.text);
    for prefix in ["auth/upstream-links/", "auth/upstream-owner/", "auth/upstream-registration/"] {
        let page = block_on(port.store.scan(&KeyRange::prefix(prefix), 10, Direction::Forward)).unwrap();
        assert!(page.items.is_empty(), "{prefix}");
    }
    assert_eq!(browser.sign_in("ada at op").status, StatusCode::ACCEPTED);
}
