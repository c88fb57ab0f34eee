//! What the log tells of worlds that log travellers in, and of passports and tickets.

use super::support::{Browser, Site, as_administrator};
use crate::support::{ADMIN, PASSWORD, Port, key};
use crate::travel::{Host, ticket};
use http::StatusCode;
use serde_json::{Value, json};

/// What a chain tells, newest first, with what each entry says of it.
fn told(port: &Port, path: &str, token: &str) -> Vec<(String, Value)> {
    let page = port.get(path, Some(token)).json;
    let entry = |entry: &Value| {
        let kind = entry["kind"].as_str().unwrap().to_owned();
        (kind, entry["detail"].clone())
    };
    page["entries"].as_array().unwrap().iter().map(entry).collect()
}

fn says(entries: &[(String, Value)], kind: &str, text: &str) -> bool {
    entries.iter().any(|(found, detail)| found == kind && detail.to_string().contains(text))
}

#[test]
fn a_traveller_reads_what_was_agreed_to_and_that_a_token_was_used_twice() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let tokens = site.tokens(&client, "openid offline_access");
    let first = tokens["refresh_token"].as_str().unwrap();
    let second = site.refresh(&client, first).json;
    assert_eq!(site.refresh(&client, first).status, StatusCode::BAD_REQUEST);
    assert!(!site.is_good(second["access_token"].as_str().unwrap()));
    let token = site.port.sign_in("ada", PASSWORD).json["access_token"].as_str().unwrap().to_owned();
    let entries = told(&site.port, "/v1/travellers/me/audit", &token);
    assert!(says(&entries, "consent-given", &client.id), "{entries:?}");
    assert!(says(&entries, "token-reused", &client.id), "{entries:?}");
}

#[test]
fn ending_a_browser_and_a_worlds_access_from_elsewhere_is_told() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let browser = Browser::new(&site);
    let code = browser.code(&client, &[("scope", "openid offline_access")]);
    site.redeem(&client, &code);
    let token = site.port.sign_in("ada", PASSWORD).json["access_token"].as_str().unwrap().to_owned();
    let sessions = site.port.get("/v1/sessions", Some(&token)).json["sessions"].clone();
    for session in sessions.as_array().unwrap() {
        let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
        assert_eq!(site.port.send("DELETE", &path, Some(&token), "").status, StatusCode::NO_CONTENT);
    }
    let entries = told(&site.port, "/v1/travellers/me/audit", &token);
    assert!(says(&entries, "signed-out", "browser"), "{entries:?}");
    assert!(says(&entries, "consent-withdrawn", &client.id), "{entries:?}");
}

#[test]
fn a_client_that_comes_and_goes_is_told_to_who_runs_the_port() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let path = format!("/v1/clients/{}", client.id);
    assert_eq!(as_administrator(&site, "DELETE", &path, &json!({})).status, StatusCode::NO_CONTENT);
    let entries = told(&site.port, "/v1/audit/chains/port/entries", ADMIN);
    assert!(says(&entries, "client-registered", &client.id), "{entries:?}");
    assert!(says(&entries, "client-removed", &client.id), "{entries:?}");
}

#[test]
fn tickets_and_revoked_passports_are_told_to_their_traveller() {
    let port = Port::new();
    Host::new(&port, "lagoon", 61);
    let token = port.arrive("ada");
    ticket(&port, &token, "lagoon");
    let body = json!({ "proof": port.proof(&key(1)) });
    let id = port.post("/v1/passports", Some(&token), &body).json["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/passports/issued/{id}");
    assert_eq!(port.send("DELETE", &path, Some(&token), "").status, StatusCode::NO_CONTENT);
    assert_eq!(port.send("DELETE", "/v1/passports/issued", Some(&token), "").status, StatusCode::OK);
    let entries = told(&port, "/v1/travellers/me/audit", &token);
    assert!(says(&entries, "ticket-issued", "lagoon"), "{entries:?}");
    assert!(says(&entries, "passport-revoked", &id), "{entries:?}");
    assert!(says(&entries, "passport-revoked", "every session"), "{entries:?}");
}
