//! Sessions in browsers.

use super::support::{Browser, COOKIE, Site, csrf, query};
use crate::support::{PASSWORD, Port};
use http::{Request, StatusCode, header};
use serde_json::json;

#[test]
fn the_cookie_is_opaque_and_kept_from_scripts_other_hosts_and_plain_connections() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let answer = Browser::new(&site).get(&format!("/oauth/authorize?{}", query(&client, &[])));
    let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
    let (value, attributes) = cookie.split_once(';').unwrap();
    assert_eq!(value.strip_prefix("__Host-vwp-session=").map(str::len), Some(43), "{value}");
    assert_eq!(attributes, " Path=/; HttpOnly; SameSite=Lax; Secure");
}

#[test]
fn signing_in_makes_another_cookie_and_a_planted_one_is_worth_nothing() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let asked = format!("/oauth/authorize?{}", query(&client, &[]));
    let thief = Browser::new(&site);
    thief.get(&asked);
    let planted = thief.cookie.borrow().clone();
    let victim = Browser::new(&site);
    *victim.cookie.borrow_mut() = planted.clone();
    let page = victim.get(&asked);
    victim.sign_in(&page);
    assert_ne!(*victim.cookie.borrow(), planted);
    assert!(thief.get(&asked).text.contains("name=\"password\""), "nobody is signed in with the planted one");

    // Nor is a cookie good that was good before the same browser signed in anew.
    let former = victim.cookie.borrow().clone();
    let again = victim.get(&format!("/oauth/authorize?{}", query(&client, &[("prompt", "login")])));
    victim.sign_in(&again);
    *thief.cookie.borrow_mut() = former;
    assert!(thief.get(&asked).text.contains("name=\"password\""));
}

#[test]
fn the_token_of_a_passkey_opens_one_session_and_only_while_it_is_new() {
    let site = Site::new();
    let token = || {
        let body = json!({"handle": "ada", "password": PASSWORD});
        let session = site.port.post("/v1/sessions", None, &body).json;
        session["access_token"].as_str().unwrap().to_owned()
    };
    let show = |token: &str| {
        let browser = Browser::new(&site);
        let page = browser.get("/oauth/account");
        let answer = browser.submit(&page, &[("access_token", token)]);
        (answer.status, browser.get("/oauth/account").text.contains("name=\"password\""))
    };
    let first = token();
    assert_eq!(show(&first), (StatusCode::SEE_OTHER, false));
    assert_eq!(show(&first), (StatusCode::UNAUTHORIZED, true), "it is taken once");
    assert_eq!(site.port.get("/v1/travellers/me", Some(&first)).status, StatusCode::UNAUTHORIZED);
    let old = token();
    site.port.advance_s(61);
    assert_eq!(show(&old), (StatusCode::UNAUTHORIZED, true));
    assert_eq!(show("no token"), (StatusCode::UNAUTHORIZED, true));
}

#[test]
fn of_two_cookies_with_the_name_none_is_believed() {
    let site = Site::new();
    let browser = Browser::new(&site);
    browser.sign_in(&browser.get("/oauth/account"));
    let own = browser.cookie.borrow().clone().unwrap();
    let request = Request::get("/oauth/account")
        .header(header::COOKIE, format!("{COOKIE}={own}; {COOKIE}={}", "A".repeat(43)));
    let answer = site.port.answer(request.body(Vec::new()).unwrap());
    assert!(answer.text.contains("name=\"password\""));
}

#[test]
fn a_traveller_sees_where_it_is_signed_in_and_ends_that_from_elsewhere() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let (first, second) = (Browser::new(&site), Browser::new(&site));
    for browser in [&first, &second] {
        browser.sign_in(&browser.get("/oauth/account"));
        site.port.advance_s(1);
    }
    let code = first.code(&client, &[("scope", "openid offline_access")]);
    let tokens = site.redeem(&client, &code).json;
    let token = site.port.sign_in("ada", PASSWORD).json["access_token"].as_str().unwrap().to_owned();
    let sessions = site.port.get("/v1/sessions", Some(&token)).json["sessions"].clone();
    let kinds: Vec<&str> =
        sessions.as_array().unwrap().iter().map(|item| item["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["browser", "browser", "world"]);
    assert_eq!(sessions[2]["client_name"], "Arena web");
    assert_eq!(sessions[2]["scope"], "openid offline_access");

    let end = |item: usize, token: &str| {
        let path = format!("/v1/sessions/{}", sessions[item]["id"].as_str().unwrap());
        site.port.send("DELETE", &path, Some(token), "").status
    };
    let eve = site.port.arrive("eve");
    assert_eq!(end(0, &eve), StatusCode::NOT_FOUND, "somebody else's");
    assert_eq!(site.port.get("/v1/sessions", Some(&eve)).json["sessions"], json!([]));
    assert_eq!(end(0, &token), StatusCode::NO_CONTENT);
    assert!(first.get("/oauth/account").text.contains("name=\"password\""), "signed out");
    assert!(second.get("/oauth/account").text.contains("You are signed in as"), "still signed in");
    assert_eq!(end(0, &token), StatusCode::NOT_FOUND);

    assert_eq!(end(2, &token), StatusCode::NO_CONTENT);
    assert!(!site.is_good(tokens["access_token"].as_str().unwrap()));
    let refreshed = site.refresh(&client, tokens["refresh_token"].as_str().unwrap());
    assert_eq!(refreshed.json["error"], "invalid_grant");
    let asked = second.get(&format!("/oauth/authorize?{}", query(&client, &[])));
    assert!(asked.text.contains("Let this world in?"), "the consent went as well");
}

#[test]
fn a_traveller_ends_everything_at_once() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let mut tokens = Vec::new();
    let browsers: Vec<Browser<'_>> = (0..3).map(|_| Browser::new(&site)).collect();
    for browser in &browsers {
        let code = browser.code(&client, &[("scope", "openid offline_access")]);
        tokens.push(site.redeem(&client, &code).json);
    }
    // More than one commit takes.
    for _ in 0..60 {
        let code = browsers[0].code(&client, &[]);
        tokens.push(site.redeem(&client, &code).json);
    }
    let eve = site.port.arrive("eve");
    let token = site.port.sign_in("ada", PASSWORD).json["access_token"].as_str().unwrap().to_owned();
    let end = |token: &str| site.port.send("DELETE", "/v1/sessions", Some(token), "").status;
    assert_eq!(end(&eve), StatusCode::NO_CONTENT);
    assert!(site.is_good(tokens[0]["access_token"].as_str().unwrap()), "eve ended her own");
    assert_eq!(end(&token), StatusCode::NO_CONTENT);
    assert_eq!(site.port.get("/v1/sessions", Some(&token)).json["sessions"], json!([]));
    for browser in &browsers {
        assert!(browser.get("/oauth/account").text.contains("name=\"password\""));
    }
    for token in &tokens {
        assert!(!site.is_good(token["access_token"].as_str().unwrap()));
    }
    let page = browsers[0].sign_in(&browsers[0].get(&format!("/oauth/authorize?{}", query(&client, &[]))));
    assert!(page.text.contains("Let this world in?"), "the consent went as well");
}

#[test]
fn a_session_ends_after_twelve_hours() {
    let site = Site::new();
    let browser = Browser::new(&site);
    browser.sign_in(&browser.get("/oauth/account"));
    site.port.advance_s(12 * 3600 - 1);
    assert!(browser.get("/oauth/account").text.contains("You are signed in as"));
    site.port.advance_s(1);
    assert!(browser.get("/oauth/account").text.contains("name=\"password\""));
}

#[test]
fn in_many_browsers_the_oldest_one_is_signed_out() {
    let site = Site::new();
    let first = Browser::new(&site);
    first.sign_in(&first.get("/oauth/account"));
    for _ in 0..32 {
        site.port.advance_s(1);
        let browser = Browser::new(&site);
        browser.sign_in(&browser.get("/oauth/account"));
    }
    assert!(first.get("/oauth/account").text.contains("name=\"password\""));
    let token = site.port.sign_in("ada", PASSWORD).json["access_token"].clone();
    let sessions = site.port.get("/v1/sessions", token.as_str()).json["sessions"].clone();
    assert_eq!(sessions.as_array().unwrap().len(), 32);
}

#[test]
fn plain_http_is_for_the_loopback_interface() {
    for (issuer, cookie) in [
        ("http://127.0.0.1:3000", Some("vwp-session=")),
        ("http://[::1]:3000", Some("vwp-session=")),
        ("http://port.example", None),
        ("https://port.example", Some("__Host-vwp-session=")),
    ] {
        let mut port = Port::new();
        port.settings.issuer = issuer.into();
        let answer = port.get("/oauth/account", None);
        let set = answer.headers.get(header::SET_COOKIE).map(|value| value.to_str().unwrap());
        match cookie {
            Some(start) => assert!(set.unwrap().starts_with(start), "{issuer}: {set:?}"),
            None => assert_eq!((answer.status, set), (StatusCode::SERVICE_UNAVAILABLE, None), "{issuer}"),
        }
    }
}

#[test]
fn what_binds_a_form_to_a_browser_is_not_the_cookie_itself() {
    let site = Site::new();
    let browser = Browser::new(&site);
    let page = browser.get("/oauth/account");
    assert_ne!(Some(csrf(&page)), *browser.cookie.borrow());
    assert!(!page.text.contains(browser.cookie.borrow().as_ref().unwrap()));
}
