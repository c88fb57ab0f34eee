//! Codes and what they are redeemed for.

use super::support::{
    Browser, CALLBACK, Client, Site, VERIFIER, assert_error, claims, redemption, run_world,
};
use crate::support::{ISSUER, PASSWORD, key};
use http::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use vwp_core::jose;

#[test]
fn a_code_gives_an_access_token_and_an_id_token_as_the_standards_have_them() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let signed_in_at = site.port.now() / 1000;
    let browser = Browser::new(&site);
    browser.sign_in(&browser.get("/oauth/account"));
    site.port.advance_s(100);
    let code = browser.code(&client, &[("scope", "openid profile")]);
    let answer = site.redeem(&client, &code);
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.headers["cache-control"], "no-store");
    let tokens = answer.json;
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(600)));
    assert_eq!(tokens["scope"], "openid profile");
    assert_eq!(tokens.get("refresh_token"), None, "nobody asked for access while away");

    let access = claims(&site, tokens["access_token"].as_str().unwrap(), "at+jwt");
    let now = site.port.now() / 1000;
    assert_eq!((&access["iss"], &access["client_id"]), (&json!(ISSUER), &json!(client.id)));
    assert_eq!(access["aud"], json!([format!("{ISSUER}/oauth/userinfo"), "urn:vwp:world:arena"]));
    assert_eq!((&access["iat"], &access["exp"]), (&json!(now), &json!(now + 600)));

    let id = claims(&site, tokens["id_token"].as_str().unwrap(), "JWT");
    assert_eq!((&id["iss"], &id["aud"], &id["nonce"]), (&json!(ISSUER), &json!(client.id), &json!("n-1")));
    assert_eq!((&id["auth_time"], &id["amr"]), (&json!(signed_in_at), &json!(["pwd"])));
    let hash = Sha256::digest(tokens["access_token"].as_str().unwrap());
    assert_eq!(id["at_hash"], jose::encode(&hash[..16]));
    assert_eq!(id["sub"], access["sub"]);
    assert_ne!(id["sub"], site.ada.as_str());
    assert!(!answer.text.contains(&site.ada), "the traveller's id leaves in no token");
}

#[test]
fn a_traveller_has_one_name_in_a_world_and_another_one_in_the_next() {
    let site = Site::new();
    let subject = |client: &Client| {
        let tokens = site.tokens(client, "openid");
        claims(&site, tokens["id_token"].as_str().unwrap(), "JWT")["sub"].clone()
    };
    let web = site.client(&json!({}));
    let game = site.client(&json!({"client_name": "Arena game"}));
    run_world(&site.port, "keep", &super::support::operator());
    let other = site.client(&json!({"world": "keep"}));
    assert_eq!(subject(&web), subject(&game), "clients of one world");
    assert_eq!(subject(&web), subject(&web), "every time");
    assert_ne!(subject(&web), subject(&other), "another world");
}

#[test]
fn a_token_for_a_world_opens_nothing_of_the_port_and_the_ports_own_nothing_of_the_worlds() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let tokens = site.tokens(&client, "openid profile");
    for token in [&tokens["access_token"], &tokens["id_token"]] {
        assert_eq!(site.port.get("/v1/travellers/me", token.as_str()).status, StatusCode::UNAUTHORIZED);
        assert_eq!(site.port.get("/v1/sessions", token.as_str()).status, StatusCode::UNAUTHORIZED);
    }
    let own = site.port.sign_in("ada", PASSWORD).json["access_token"].clone();
    assert!(!site.is_good(own.as_str().unwrap()));
    assert!(!site.is_good(tokens["id_token"].as_str().unwrap()));
}

#[test]
fn a_code_is_good_for_its_client_place_and_verifier_alone() {
    let site = Site::new();
    let client = site.client(&json!({"redirect_uris": [CALLBACK, "https://arena.example/other"]}));
    let other = site.client(&json!({"client_name": "Another"}));
    let code = Browser::new(&site).code(&client, &[]);
    let with = |name: &str, value: &str| {
        let mut pairs: Vec<(&str, &str)> = redemption(&code).to_vec();
        pairs.retain(|(given, _)| *given != name);
        if !value.is_empty() {
            pairs.push((name, value));
        }
        site.ask(&client, "/oauth/token", &pairs)
    };
    assert_error(&site.redeem(&other, &code), "invalid_grant");
    assert_error(&with("redirect_uri", "https://arena.example/other"), "invalid_grant");
    assert_error(&with("redirect_uri", ""), "invalid_request");
    assert_error(&with("code_verifier", ""), "invalid_request");
    assert_error(&with("code_verifier", &"x".repeat(43)), "invalid_grant");
    assert_error(&with("code_verifier", &VERIFIER[..42]), "invalid_grant");
    assert_error(&with("code", "x"), "invalid_grant");
    assert_error(&with("grant_type", "password"), "unsupported_grant_type");
    assert_error(&with("grant_type", super::support::DEVICE), "unauthorized_client");
    assert_eq!(site.redeem(&client, &code).status, StatusCode::OK, "after all that");
}

#[test]
fn a_code_ends_after_a_minute() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let browser = Browser::new(&site);
    let (early, late) = (browser.code(&client, &[]), browser.code(&client, &[]));
    site.port.advance_s(59);
    assert_eq!(site.redeem(&client, &early).status, StatusCode::OK);
    site.port.advance_s(1);
    assert_error(&site.redeem(&client, &late), "invalid_grant");
}

#[test]
fn a_code_that_is_used_twice_ends_what_it_gave_the_first_time() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let code = Browser::new(&site).code(&client, &[("scope", "openid offline_access")]);
    let tokens = site.redeem(&client, &code).json;
    let access = tokens["access_token"].as_str().unwrap();
    assert!(site.is_good(access));
    // Somebody else's try with the code is no second use by those to whom it was given.
    let other = site.client(&json!({"client_name": "Another"}));
    assert_error(&site.redeem(&other, &code), "invalid_grant");
    assert!(site.is_good(access));
    site.port.advance_s(300);
    assert_error(&site.redeem(&client, &code), "invalid_grant");
    assert!(!site.is_good(access));
    assert_error(&site.refresh(&client, tokens["refresh_token"].as_str().unwrap()), "invalid_grant");
}

#[test]
fn a_public_client_has_pkce_and_nobody_else_is_taken_for_it() {
    let site = Site::new();
    let client = site.public_client(&json!({}));
    let tokens = site.tokens(&client, "openid");
    assert!(site.is_good(tokens["access_token"].as_str().unwrap()));
    let confidential = site.client(&json!({}));
    let code = Browser::new(&site).code(&confidential, &[]);
    let keyless = Client { key: None, ..confidential.clone() };
    assert_error(&site.redeem(&keyless, &code), "invalid_client");
    let stranger = Client { key: Some(key(9)), ..confidential };
    assert_error(&site.redeem(&stranger, &code), "invalid_client");
}

#[test]
fn a_client_that_is_bound_to_keys_gets_no_bearer_token() {
    let site = Site::new();
    let client = site.client(&json!({"dpop_bound_access_tokens": true}));
    let code = Browser::new(&site).code(&client, &[]);
    assert_error(&site.redeem(&client, &code), "invalid_dpop_proof");
}

#[test]
fn metadata_names_every_endpoint_and_only_what_is_there() {
    let site = Site::new();
    let document = site.port.get("/.well-known/openid-configuration", None);
    assert_eq!(document.json, site.port.get("/.well-known/oauth-authorization-server", None).json);
    assert_eq!(document.json["issuer"], ISSUER);
    assert_eq!(document.json["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(document.json["authorization_response_iss_parameter_supported"], true);
    let endpoints = document.json.as_object().unwrap().iter().filter(|(name, _)| name.ends_with("_endpoint"));
    let mut count = 0;
    for (name, url) in endpoints {
        let path = url.as_str().and_then(|url| url.strip_prefix(ISSUER)).unwrap();
        assert_ne!(site.port.get(path, None).status, StatusCode::NOT_FOUND, "{name}");
        assert_eq!(site.port.send("DELETE", path, None, "").status, StatusCode::METHOD_NOT_ALLOWED, "{name}");
        count += 1;
    }
    assert_eq!(count, 7);
    assert_eq!(site.port.get("/oauth/nothing", None).status, StatusCode::NOT_FOUND);
    let jwks = site.port.get("/.well-known/jwks.json", None).json;
    assert!(jwks["keys"].as_array().is_some_and(|keys: &Vec<Value>| !keys.is_empty()));
}
