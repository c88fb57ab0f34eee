//! The authorization endpoint: what it takes, and whom it answers where.

use super::support::{Browser, CALLBACK, Site, answered, assert_error, form, location, query};
use crate::support::ISSUER;
use http::StatusCode;
use serde_json::json;

fn path(query: &str) -> String {
    format!("/oauth/authorize?{query}")
}

#[test]
fn a_traveller_signs_in_agrees_and_goes_back_with_a_code_from_this_port() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let browser = Browser::new(&site);
    let page = browser.get(&path(&query(&client, &[("scope", "openid profile")])));
    assert_eq!(page.status, StatusCode::OK);
    let consent = browser.sign_in(&page);
    let operator = vwp_core::jose::Jwk::from_key(super::support::operator().verifying_key()).thumbprint();
    for told in ["Arena web", "arena", "ada", "Your handle", "nobody else knows", operator.as_str()] {
        assert!(consent.text.contains(told), "{told} in {}", consent.text);
    }
    assert!(!consent.text.contains("while you are away"), "nobody asked for that");
    let sent = location(&browser.submit(&consent, &[("decision", "allow")]));
    assert!(sent.starts_with(&format!("{CALLBACK}?")), "{sent}");
    assert_eq!(answered(&sent, "state").as_deref(), Some("st&te"));
    assert_eq!(answered(&sent, "iss").as_deref(), Some(ISSUER), "RFC 9207: against mix-up");
    assert!(answered(&sent, "code").is_some());
}

#[test]
fn who_says_no_is_asked_again_and_the_client_is_told_by_whom() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let browser = Browser::new(&site);
    for _ in 0..2 {
        let mut page = browser.get(&path(&query(&client, &[])));
        if browser.cookie.borrow().is_none() || page.text.contains("name=\"password\"") {
            page = browser.sign_in(&page);
        }
        let sent = location(&browser.submit(&page, &[("decision", "deny")]));
        assert_eq!(answered(&sent, "error").as_deref(), Some("access_denied"));
        assert_eq!(answered(&sent, "iss").as_deref(), Some(ISSUER));
        assert_eq!(answered(&sent, "state").as_deref(), Some("st&te"));
        assert_eq!(answered(&sent, "code"), None);
    }
}

#[test]
fn who_agreed_is_not_asked_again_for_as_much_and_is_for_more() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let browser = Browser::new(&site);
    browser.code(&client, &[("scope", "openid profile")]);
    let again = browser.get(&path(&query(&client, &[])));
    assert!(answered(&location(&again), "code").is_some(), "at once");
    let more = browser.get(&path(&query(&client, &[("scope", "openid profile offline_access")])));
    assert_eq!(more.status, StatusCode::OK, "the page of consent");
    let asked = browser.get(&path(&query(&client, &[("prompt", "consent")])));
    assert_eq!(asked.status, StatusCode::OK, "the client wants it asked");
}

#[test]
fn a_program_on_the_travellers_machine_is_asked_about_every_time_and_has_any_port() {
    let site = Site::new();
    let client = site.public_client(&json!({"redirect_uris": ["http://127.0.0.1/cb"]}));
    let browser = Browser::new(&site);
    let sent = browser.agree(&query(&client, &[("redirect_uri", "http://127.0.0.1:51004/cb")]));
    assert!(sent.starts_with("http://127.0.0.1:51004/cb?code="), "{sent}");
    let again = browser.get(&path(&query(&client, &[("redirect_uri", "http://127.0.0.1:51005/cb")])));
    assert_eq!(again.status, StatusCode::OK, "the page of consent");
}

#[test]
fn nobody_is_sent_to_a_place_that_was_not_registered() {
    let site = Site::new();
    let client = site.client(&json!({}));
    for place in [
        "",
        "https://evil.example/callback",
        "https://arena.example/callback/",
        "https://arena.example/callback?x=1",
        "https://arena.example/callback#x",
        "https://arena.example@evil.example/callback",
        "https://user@arena.example/callback",
        "https://arena.example/x/..;/callback",
        "https://arena.example/x/../callback",
        "https://arena.example/%63allback",
        "https://arena.example%2fcallback",
        "https://arena.example/callback%2f",
        "http://arena.example/callback",
        "HTTPS://arena.example/callback",
    ] {
        let answer = Browser::new(&site).get(&path(&query(&client, &[("redirect_uri", place)])));
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{place}");
        assert!(answer.headers.get("location").is_none(), "{place}");
        assert!(answer.text.starts_with("<!DOCTYPE html>"), "a person reads this");
    }
    let twice = format!("{}&redirect_uri={CALLBACK}", query(&client, &[]));
    assert_eq!(Browser::new(&site).get(&path(&twice)).status, StatusCode::BAD_REQUEST);
}

#[test]
fn the_client_is_told_what_is_wrong_with_its_request() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    for (more, error) in [
        (vec![("code_challenge", "")], "invalid_request"),
        (vec![("code_challenge_method", "plain")], "invalid_request"),
        (vec![("code_challenge_method", "")], "invalid_request"),
        (vec![("code_challenge", "short")], "invalid_request"),
        (vec![("response_type", "token")], "unsupported_response_type"),
        (vec![("response_type", "code id_token")], "unsupported_response_type"),
        (vec![("response_mode", "fragment")], "invalid_request"),
        (vec![("scope", "openid money")], "invalid_scope"),
        (vec![("prompt", "none login")], "invalid_request"),
        (vec![("prompt", "dance")], "invalid_request"),
        (vec![("max_age", "-1")], "invalid_request"),
        (vec![("request", "e30.e30.")], "request_not_supported"),
        (vec![("dpop_jkt", "x")], "invalid_request"),
        (vec![("prompt", "none"), ("code_challenge", challenge)], "login_required"),
    ] {
        let answer = Browser::new(&site).get(&path(&query(&client, &more)));
        let sent = location(&answer);
        assert!(sent.starts_with(CALLBACK), "{sent}");
        assert_eq!(answered(&sent, "error").as_deref(), Some(error), "{more:?}");
        assert_eq!(answered(&sent, "iss").as_deref(), Some(ISSUER));
    }
}

#[test]
fn without_a_page_a_client_hears_at_once_what_is_missing() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let other = site.client(&json!({"client_name": "Another"}));
    let browser = Browser::new(&site);
    browser.code(&client, &[]);
    let silent = |client| location(&browser.get(&path(&query(client, &[("prompt", "none")]))));
    assert_eq!(answered(&silent(&other), "error").as_deref(), Some("consent_required"));
    assert!(answered(&silent(&client), "code").is_some());
}

#[test]
fn who_must_sign_in_again_signs_in_once_and_no_link_says_that_it_was_done() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let browser = Browser::new(&site);
    browser.code(&client, &[]);
    site.port.advance_s(100);
    for more in [("prompt", "login"), ("max_age", "60"), ("max_age", "0"), ("prompt", "select_account")] {
        let asked = query(&client, &[more]);
        let page = browser.get(&path(&asked));
        assert!(page.text.contains("name=\"password\""), "{more:?}");
        assert!(answered(&location(&browser.sign_in(&page)), "code").is_some(), "{more:?}");
        site.port.advance_s(100);
    }
    let fresh = browser.get(&path(&query(&client, &[("max_age", "3600")])));
    assert!(answered(&location(&fresh), "code").is_some());
}

#[test]
fn a_form_that_another_site_sends_is_turned_into_a_request_of_the_browser_itself() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let browser = Browser::new(&site);
    let asked = query(&client, &[]);
    let pairs: Vec<(String, String)> = form_urlencoded::parse(asked.as_bytes()).into_owned().collect();
    let pairs: Vec<(&str, &str)> =
        pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let answer = browser.post("/oauth/authorize", &pairs);
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(browser.get(&location(&answer)).text.contains("name=\"password\""));
}

#[test]
fn a_pushed_request_is_good_once_for_its_client_and_cannot_be_changed() {
    let site = Site::new();
    let client = site.client(&json!({"require_pushed_authorization_requests": true}));
    let other = site.client(&json!({"client_name": "Another"}));
    let plain = Browser::new(&site).get(&path(&query(&client, &[])));
    assert_eq!(answered(&location(&plain), "error").as_deref(), Some("invalid_request"));

    let asked = query(&client, &[("client_id", "")]);
    let pairs: Vec<(String, String)> = form_urlencoded::parse(asked.as_bytes()).into_owned().collect();
    let pairs: Vec<(&str, &str)> =
        pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let pushed = site.ask(&client, "/oauth/par", &pairs);
    assert_eq!(pushed.status, StatusCode::CREATED, "{}", pushed.text);
    assert_eq!(pushed.json["expires_in"], 600);
    let name = pushed.json["request_uri"].as_str().unwrap();
    let of = |client: &str, more: &[(&str, &str)]| {
        let pairs = [[("client_id", client), ("request_uri", name)].as_slice(), more].concat();
        form(&pairs)
    };
    let stranger = Browser::new(&site).get(&path(&of(&other.id, &[])));
    assert_eq!(stranger.status, StatusCode::BAD_REQUEST, "another client");
    let browser = Browser::new(&site);
    let sent =
        browser.agree(&of(&client.id, &[("redirect_uri", "https://evil.example/"), ("scope", "profile")]));
    assert!(sent.starts_with(CALLBACK), "what was pushed counts: {sent}");
    let tokens = site.redeem(&client, &answered(&sent, "code").unwrap());
    assert_eq!(tokens.json["scope"], "openid");
    assert_eq!(browser.get(&path(&of(&client.id, &[]))).status, StatusCode::BAD_REQUEST, "a second time");
}

#[test]
fn what_could_not_be_asked_cannot_be_pushed() {
    let site = Site::new();
    let client = site.client(&json!({}));
    assert_error(
        &site.ask(&client, "/oauth/par", &[("redirect_uri", "https://evil.example/")]),
        "invalid_request",
    );
    let twice = [("request_uri", "urn:ietf:params:oauth:request_uri:x"), ("redirect_uri", CALLBACK)];
    assert_error(&site.ask(&client, "/oauth/par", &twice), "invalid_request");
    let plain = [("redirect_uri", CALLBACK), ("response_type", "code"), ("code_challenge", "x")];
    assert_error(&site.ask(&client, "/oauth/par", &plain), "invalid_request");
    let asked = query(&client, &[("request_uri", "urn:ietf:params:oauth:request_uri:none")]);
    assert_eq!(Browser::new(&site).get(&path(&asked)).status, StatusCode::BAD_REQUEST);
}
