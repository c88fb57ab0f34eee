//! Devices that show a code.

use super::support::{Browser, Client, DEVICE, Site, assert_error};
use crate::support::{Answer, ISSUER, key};
use http::StatusCode;
use serde_json::{Value, json};

fn console(site: &Site) -> Client {
    site.public_client(&json!({"client_name": "Arena on a console", "redirect_uris": [],
        "grant_types": [DEVICE, "refresh_token"]}))
}

fn codes(site: &Site, client: &Client) -> Value {
    let answer =
        site.ask(client, "/oauth/device_authorization", &[("scope", "openid profile offline_access")]);
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json
}

fn poll(site: &Site, client: &Client, codes: &Value) -> Answer {
    let code = codes["device_code"].as_str().unwrap();
    site.ask(client, "/oauth/token", &[("grant_type", DEVICE), ("device_code", code)])
}

/// Types a code into the page and gives out the page that asks for consent.
fn typed(browser: &Browser<'_>, code: &str) -> Answer {
    browser.submit(&browser.get("/device"), &[("user_code", code)])
}

fn signed_in(site: &Site) -> Browser<'_> {
    let browser = Browser::new(site);
    browser.sign_in(&browser.get("/device"));
    browser
}

#[test]
fn a_person_types_the_code_sees_who_asks_and_lets_the_device_in() {
    let site = Site::new();
    let client = console(&site);
    let codes = codes(&site, &client);
    let user_code = codes["user_code"].as_str().unwrap();
    assert_eq!((user_code.len(), &user_code[4..5]), (9, "-"));
    assert!(user_code.bytes().all(|letter| b"BCDFGHJKLMNPQRSTVWXZ-".contains(&letter)), "{user_code}");
    assert_eq!((&codes["interval"], &codes["expires_in"]), (&json!(5), &json!(600)));
    assert_eq!(codes["verification_uri"], format!("{ISSUER}/device"));
    assert_error(&poll(&site, &client, &codes), "authorization_pending");

    let browser = Browser::new(&site);
    let complete = codes["verification_uri_complete"].as_str().unwrap().strip_prefix(ISSUER).unwrap();
    let page = browser.sign_in(&browser.get(complete));
    assert!(page.text.contains(user_code), "the code that came along");
    let consent = browser.submit(&page, &[("user_code", user_code)]);
    for told in ["Arena on a console", "arena", "ada", "Your handle", user_code, "while you are away"] {
        assert!(consent.text.contains(told), "{told} in {}", consent.text);
    }
    site.port.advance_s(5);
    assert_error(&poll(&site, &client, &codes), "authorization_pending");
    let done = browser.submit(&consent, &[("user_code", user_code), ("decision", "allow")]);
    assert_eq!(done.status, StatusCode::OK, "{}", done.text);
    site.port.advance_s(5);
    let tokens = poll(&site, &client, &codes);
    assert_eq!(tokens.status, StatusCode::OK, "{}", tokens.text);
    assert!(site.is_good(tokens.json["access_token"].as_str().unwrap()));
    assert!(tokens.json["refresh_token"].is_string() && tokens.json["id_token"].is_string());
    assert_error(&poll(&site, &client, &codes), "invalid_grant");
    assert_eq!(typed(&browser, user_code).status, StatusCode::BAD_REQUEST, "the code was used");
}

#[test]
fn a_person_says_no_and_the_device_is_told() {
    let site = Site::new();
    let client = console(&site);
    let codes = codes(&site, &client);
    let code = codes["user_code"].as_str().unwrap();
    let browser = signed_in(&site);
    let consent = typed(&browser, &code.to_lowercase().replace('-', " "));
    let done = browser.submit(&consent, &[("user_code", code), ("decision", "deny")]);
    assert_eq!(done.status, StatusCode::OK);
    assert_error(&poll(&site, &client, &codes), "access_denied");
    let late = browser.submit(&consent, &[("user_code", code), ("decision", "allow")]);
    assert_eq!(late.status, StatusCode::BAD_REQUEST);
    assert_error(&poll(&site, &client, &codes), "access_denied");
}

#[test]
fn a_device_that_asks_too_often_waits_longer() {
    let site = Site::new();
    let client = console(&site);
    let codes = codes(&site, &client);
    assert_error(&poll(&site, &client, &codes), "authorization_pending");
    assert_error(&poll(&site, &client, &codes), "slow_down");
    site.port.advance_s(9);
    assert_error(&poll(&site, &client, &codes), "slow_down");
    site.port.advance_s(15);
    assert_error(&poll(&site, &client, &codes), "authorization_pending");
}

#[test]
fn codes_end_after_ten_minutes_and_are_their_clients() {
    let site = Site::new();
    let (client, other) = (console(&site), console_of(&site, "Another"));
    let codes = codes(&site, &client);
    assert_error(&poll(&site, &other, &codes), "invalid_grant");
    site.port.advance_s(600);
    assert_error(&poll(&site, &client, &codes), "expired_token");
    let page = typed(&signed_in(&site), codes["user_code"].as_str().unwrap());
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    let web = site.client(&json!({}));
    assert_error(&site.ask(&web, "/oauth/device_authorization", &[]), "unauthorized_client");
}

fn console_of(site: &Site, name: &str) -> Client {
    site.public_client(&json!({"client_name": name, "redirect_uris": [], "grant_types": [DEVICE]}))
}

#[test]
fn codes_cannot_be_guessed_for_long() {
    let site = Site::new();
    let client = console(&site);
    let codes = codes(&site, &client);
    let browser = signed_in(&site);
    for _ in 0..20 {
        assert_eq!(typed(&browser, "BBBB-BBBB").status, StatusCode::BAD_REQUEST);
    }
    let code = codes["user_code"].as_str().unwrap();
    assert_eq!(typed(&browser, code).status, StatusCode::TOO_MANY_REQUESTS, "even the right one");
    let elsewhere = signed_in(&site);
    assert_eq!(typed(&elsewhere, code).status, StatusCode::TOO_MANY_REQUESTS, "in another browser, too");
}

#[test]
fn a_devices_tokens_are_bound_to_its_key() {
    let site = Site::new();
    let client = site.public_client(&json!({"redirect_uris": [], "grant_types": [DEVICE],
        "dpop_bound_access_tokens": true}));
    let codes = codes(&site, &client);
    let code = codes["user_code"].as_str().unwrap();
    let browser = signed_in(&site);
    browser.submit(&typed(&browser, code), &[("user_code", code), ("decision", "allow")]);
    assert_error(&poll(&site, &client, &codes), "invalid_dpop_proof");
    let pairs = [("grant_type", DEVICE), ("device_code", codes["device_code"].as_str().unwrap())];
    let proof = site.proof(&key(5), "/oauth/token", &json!({}));
    assert_eq!(site.ask_bound(&client, "/oauth/token", &pairs, proof).json["token_type"], "DPoP");
}
