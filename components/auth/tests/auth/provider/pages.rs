//! What every page keeps: no foreign script, no frame, and no form from elsewhere.

use super::support::{Browser, Site, action, csrf, location, query};
use crate::support::{Answer, PASSWORD};
use http::StatusCode;
use serde_json::json;

#[test]
fn pages_run_nothing_load_nothing_foreign_and_stand_in_no_frame() {
    let site = Site::new();
    let client = site.client(&json!({"client_name": "<script>alert(1)</script>"}));
    let browser = Browser::new(&site);
    let asked = query(&client, &[("login_hint", "\"><script>alert(1)</script>")]);
    let sign_in = browser.get(&format!("/oauth/authorize?{asked}"));
    let consent = browser.sign_in(&sign_in);
    let error = browser.get("/oauth/authorize?client_id=%3Cscript%3E");
    let (device, account) = (browser.get("/device"), browser.get("/oauth/account"));
    for page in [sign_in, consent, error, device, account] {
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        for rule in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"]
        {
            assert!(policy.contains(rule), "{rule} in {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        // Where people sign in there is the script of passkeys, and nowhere else is any.
        let is_sign_in = page.text.contains("name=\"password\"");
        let scripts: Vec<&str> = page.text.match_indices("<script").map(|(at, _)| &page.text[at..]).collect();
        assert_eq!(scripts.len(), usize::from(is_sign_in), "{}", page.text);
        assert!(scripts.iter().all(|tag| tag.contains("src=\"/oauth/passkey.js\"></script>")));
        assert_eq!(policy.contains("script-src 'self';"), is_sign_in, "{policy}");
        assert_eq!(page.headers["cache-control"], "no-store");
        assert_eq!(page.headers["x-frame-options"], "DENY");
    }
    assert_eq!(site.port.get("/oauth/style.css", None).headers["content-type"], "text/css; charset=utf-8");
    let script = site.port.get("/oauth/passkey.js", None);
    assert_eq!(script.headers["content-type"], "text/javascript; charset=utf-8");
}

/// Requires that a form is refused without the token of this browser, and changes nothing then.
#[track_caller]
fn assert_guarded(browser: &Browser<'_>, page: &Answer, pairs: &[(&str, &str)], foreign: &str) {
    let target = action(page);
    for token in ["", "x", foreign] {
        let mut pairs = pairs.to_vec();
        pairs.push(("csrf", token));
        let answer = browser.post(&target, &pairs);
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{target} with {token:?}");
    }
    let mut pairs = pairs.to_vec();
    let own = csrf(page);
    pairs.push(("csrf", &own));
    let request = http::Request::post(&target)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("cookie", format!("{}={}", super::support::COOKIE, browser.cookie.borrow().as_ref().unwrap()))
        .header("sec-fetch-site", "cross-site");
    assert_eq!(browser.send_raw(request, super::support::form(&pairs)).status, StatusCode::FORBIDDEN);
}

#[test]
fn every_form_is_refused_from_another_site_another_browser_and_another_page() {
    let site = Site::new();
    let client = site.client(&json!({"grant_types": ["authorization_code", super::support::DEVICE]}));
    let asked = format!("/oauth/authorize?{}", query(&client, &[]));
    let elsewhere = csrf(&Browser::new(&site).get(&asked));
    let browser = Browser::new(&site);

    let page = browser.get(&asked);
    assert_guarded(&browser, &page, &[("handle", "ada"), ("password", PASSWORD)], &elsewhere);
    let consent = browser.sign_in(&page);
    assert_guarded(&browser, &consent, &[("decision", "allow")], &csrf(&page));
    let other = browser.get(&format!("/oauth/authorize?{}", query(&client, &[("scope", "openid profile")])));
    assert_guarded(&browser, &other, &[("decision", "allow")], &csrf(&consent));

    let device = browser.get("/device");
    let codes = site.ask(&client, "/oauth/device_authorization", &[]).json;
    let code = codes["user_code"].as_str().unwrap();
    assert_guarded(&browser, &device, &[("user_code", code)], &csrf(&consent));
    let decision = browser.submit(&device, &[("user_code", code)]);
    assert_guarded(&browser, &decision, &[("user_code", code), ("decision", "allow")], &csrf(&device));

    let account = browser.get("/oauth/account");
    let sessions =
        site.port.get("/v1/sessions", site.port.sign_in("ada", PASSWORD).json["access_token"].as_str());
    let id = sessions.json["sessions"][0]["id"].as_str().unwrap();
    assert_guarded(&browser, &account, &[("end", id)], &csrf(&device));
    let device = Browser::new(&site);
    let page = device.get("/device");
    assert_guarded(&device, &page, &[("handle", "ada"), ("password", PASSWORD)], &elsewhere);
    let page = device.get("/oauth/account");
    assert_guarded(&device, &page, &[("handle", "ada"), ("password", PASSWORD)], &elsewhere);

    // Nothing of all that was done.
    assert_eq!(browser.submit(&consent, &[("decision", "allow")]).status, StatusCode::SEE_OTHER);
    let first = browser.get(&location(&browser.submit(&account, &[("end", id)])));
    assert!(first.text.contains("name=\"password\""), "signed out by the right form alone");
}

#[test]
fn a_form_without_a_cookie_is_refused() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let browser = Browser::new(&site);
    let page = browser.get(&format!("/oauth/authorize?{}", query(&client, &[])));
    *browser.cookie.borrow_mut() = None;
    let answer = browser.submit(&page, &[("handle", "ada"), ("password", PASSWORD)]);
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[test]
fn a_wrong_password_is_said_on_the_page_and_too_many_are_slowed_down() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let browser = Browser::new(&site);
    let page = browser.get(&format!("/oauth/authorize?{}", query(&client, &[])));
    let wrong = browser.submit(&page, &[("handle", "ada"), ("password", "not the password")]);
    let nobody = browser.submit(&page, &[("handle", "nobody"), ("password", "not the password")]);
    assert_eq!((wrong.status, nobody.status), (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED));
    assert_eq!(wrong.text.replace("ada", ""), nobody.text.replace("nobody", ""), "alike for both");
    assert!(!wrong.text.contains("not the password"));
    let mut status = StatusCode::UNAUTHORIZED;
    for _ in 0..5 {
        status = browser.submit(&page, &[("handle", "ada"), ("password", "not the password")]).status;
    }
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
}
