//! Signing in from its beginning to its end, and in whose browser.

use super::support::{Browser, CLIENT, OP, Provider, SECRET, port, redirect_uri, refused};
use crate::clients::Meeting;
use futures::executor::block_on;
use futures::future::join;
use http::{StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use vwp_auth::http::handle_online;
use vwp_core::jose;

#[test]
fn a_person_signs_up_with_an_account_and_signs_in_with_it_from_then_on() {
    let (port, provider) = (port(&json!({})), Provider::new());
    let browser = Browser::new(&port, &provider);
    let token = browser.arrive("ada at op", "ada");
    let me = port.get("/v1/travellers/me", Some(&token));
    assert_eq!(me.json["handle"], "ada", "{}", me.text);
    let session = Browser::new(&port, &provider).sign_in("ada at op");
    assert_eq!(session.json["traveller"], me.json["traveller"], "{}", session.text);
    assert_eq!(Browser::new(&port, &provider).sign_in("eve at op").status, StatusCode::ACCEPTED);
    // There is no password, so none is right.
    assert_eq!(port.sign_in("ada", "").problem(), "wrong-credentials");
    assert_eq!(port.sign_in("ada", "correct horse battery").problem(), "wrong-credentials");
    let log = port.get("/v1/travellers/me/export", Some(&token)).json;
    let kinds: Vec<&Value> = log["audit"].as_array().unwrap().iter().map(|entry| &entry["kind"]).collect();
    assert_eq!(kinds, ["data-exported", "sign-in-failed", "signed-in", "signed-up"]);
}

#[test]
fn the_provider_is_asked_for_a_code_with_pkce_and_a_nonce_and_shown_the_secret() {
    let (port, provider) = (port(&json!({})), Provider::new());
    let browser = Browser::new(&port, &provider);
    let asked = browser.begin();
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("scope", "openid"),
        ("redirect_uri", &redirect_uri()),
        ("code_challenge_method", "S256"),
        ("tenant", "1"),
    ] {
        assert_eq!(asked[name], value, "{name}");
    }
    assert_eq!(browser.end(&browser.consent(&asked, "ada")).status, StatusCode::ACCEPTED);
    let form = provider.form.borrow();
    let shown = [&form["grant_type"], &form["code"], &form["redirect_uri"]];
    assert_eq!(shown, ["authorization_code", "a code", &redirect_uri()]);
    assert_eq!(jose::encode(Sha256::digest(&form["code_verifier"])), asked["code_challenge"]);
    // RFC 6749, section 2.3.1: "port:a+secret%3A%2B".
    assert_eq!(provider.authorization.borrow().as_deref(), Some("Basic cG9ydDphK3NlY3JldCUzQSUyQg=="));
    assert!(!form.contains_key("client_secret"));
    // Another sign-in has other ones.
    let again = browser.begin();
    for name in ["state", "nonce", "code_challenge"] {
        assert_ne!(again[name], asked[name], "{name}");
    }
}

#[test]
fn a_secret_goes_into_the_body_where_the_provider_wants_it_there() {
    let (port, provider) =
        (port(&json!({ "token_endpoint_auth_method": "client_secret_post" })), Provider::new());
    Browser::new(&port, &provider).prove("ada");
    assert_eq!(provider.form.borrow()["client_secret"], SECRET);
    assert_eq!(*provider.authorization.borrow(), None);
}

#[test]
fn the_cookie_stays_in_the_browser_and_goes_with_no_request_of_another_site() {
    let (port, provider) = (port(&json!({})), Provider::new());
    let browser = Browser::new(&port, &provider);
    let begun = browser.post("/v1/upstream/authorizations", None, &json!({ "provider": "op" }));
    let cookie = begun.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("__Host-vwp-upstream="), "{cookie}");
    assert!(cookie.ends_with("Path=/; Secure; HttpOnly; SameSite=Strict"), "{cookie}");
    assert_eq!(begun.headers[header::CACHE_CONTROL], "no-store");
}

#[test]
fn an_answer_is_taken_once_in_turn_and_at_once() {
    let (port, provider) = (port(&json!({})), Provider::new());
    let browser = Browser::new(&port, &provider);
    browser.arrive("ada at op", "ada");
    let returned = browser.consent(&browser.begin(), "ada at op");
    assert_eq!(browser.end(&returned).status, StatusCode::OK);
    let asked = browser.begin();
    let returned = browser.consent(&asked, "ada at op");
    let exchanged = provider.asked_for("/token");
    let (store, environment) = (Meeting::new(&port.store), port.environment());
    let attempt = || {
        let request = browser.request("/v1/upstream/sessions", None, &returned);
        handle_online(&store, &provider, &environment, request)
    };
    let (one, other) = block_on(join(attempt(), attempt()));
    let mut statuses = [one.status(), other.status()];
    statuses.sort_unstable();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::CONFLICT]);
    assert_eq!(provider.asked_for("/token"), exchanged + 1, "the code was exchanged once");
    assert_eq!(browser.end(&returned).problem(), "sign-in-ended");
    // Nor does a sign-in that was refused get a second chance.
    let returned = browser.consent(&browser.begin(), "ada at op");
    provider.claims.borrow_mut()["nonce"] = asked["nonce"].clone().into();
    assert_eq!(browser.end(&returned).problem(), "id-token-refused", "the nonce of another sign-in");
    assert_eq!(browser.end(&returned).problem(), "sign-in-ended");
}

#[test]
fn a_sign_in_ends_in_the_browser_in_which_it_began_within_ten_minutes() {
    let (port, provider) = (port(&json!({})), Provider::new());
    let (ada, eve) = (Browser::new(&port, &provider), Browser::new(&port, &provider));
    let eves = eve.consent(&eve.begin(), "eve at op");
    assert_eq!(ada.end(&eves).problem(), "sign-in-ended", "a browser without a cookie");
    ada.begin();
    assert_eq!(ada.end(&eves).problem(), "sign-in-ended", "a browser with a sign-in of its own");
    assert_eq!(provider.asked_for("/token"), 0);
    assert_eq!(eve.end(&eves).status, StatusCode::ACCEPTED);
    let asked = ada.begin();
    port.advance_s(599);
    assert_eq!(ada.end(&ada.consent(&asked, "ada")).status, StatusCode::ACCEPTED);
    let asked = ada.begin();
    port.advance_s(600);
    assert_eq!(ada.end(&ada.consent(&asked, "ada")).problem(), "sign-in-ended");
    let invented = json!({ "provider": "op", "state": "x".repeat(43), "code": "a", "iss": OP });
    assert_eq!(ada.end(&invented).problem(), "sign-in-ended");
}

#[test]
fn an_answer_that_another_provider_would_have_given_is_refused() {
    let (port, provider) = (port(&json!({})), Provider::new());
    let browser = Browser::new(&port, &provider);
    let with = |change: &dyn Fn(&mut Value)| {
        let mut returned = browser.consent(&browser.begin(), "ada");
        change(&mut returned);
        browser.end(&returned).problem().to_owned()
    };
    let mixed = "upstream-mixed-up";
    assert_eq!(with(&|returned| returned["iss"] = "https://evil.example".into()), mixed);
    assert_eq!(with(&|returned| returned["iss"] = format!("{OP}/").into()), mixed);
    assert_eq!(with(&|returned| returned["iss"] = Value::Null), mixed, "it names itself otherwise");
    assert_eq!(with(&|returned| returned["provider"] = "other".into()), mixed, "the path of another one");
    assert_eq!(provider.asked_for("/token"), 0, "nobody gets the code");
    // One that does not name itself in answers is told apart by its path.
    let silent = Provider::new();
    silent
        .metadata
        .borrow_mut()
        .as_object_mut()
        .unwrap()
        .remove("authorization_response_iss_parameter_supported");
    let fresh = super::support::port(&json!({}));
    let browser = Browser::new(&fresh, &silent);
    let mut returned = browser.consent(&browser.begin(), "ada");
    returned["iss"] = Value::Null;
    assert_eq!(browser.end(&returned).status, StatusCode::ACCEPTED);
}

#[test]
fn whoever_is_not_signed_in_at_the_provider_is_not_signed_in_here() {
    let (port, provider) = (port(&json!({})), Provider::new());
    let browser = Browser::new(&port, &provider);
    let asked = browser.begin();
    let denied = json!({ "provider": "op", "state": asked["state"], "error": "access_denied", "iss": OP });
    assert_eq!(browser.end(&denied).problem(), "upstream-refused");
    let mut both = browser.consent(&browser.begin(), "ada");
    both["error"] = "access_denied".into();
    assert_eq!(browser.end(&both).problem(), "upstream-refused", "an error beside a code");
    assert_eq!(provider.asked_for("/token"), 0);
    let (problem, _) = refused(&port, &provider, |provider| provider.status.set(StatusCode::BAD_REQUEST));
    assert_eq!(problem, "upstream-refused", "a code that the provider does not know");
    for status in [StatusCode::FOUND, StatusCode::INTERNAL_SERVER_ERROR, StatusCode::UNAUTHORIZED] {
        provider.status.set(StatusCode::OK);
        let (problem, detail) = refused(&port, &provider, |provider| provider.status.set(status));
        assert_eq!(problem, "upstream-failed", "{status}");
        assert!(!detail.contains("op.example") && !detail.contains(SECRET), "{detail}");
    }
}
