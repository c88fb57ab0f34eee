//! Refresh tokens and their families.

use super::support::{Browser, Site, assert_error, claims};
use crate::support::key;
use http::StatusCode;
use serde_json::{Value, json};

fn refresh_token(tokens: &Value) -> &str {
    tokens["refresh_token"].as_str().unwrap()
}

fn access_token(tokens: &Value) -> &str {
    tokens["access_token"].as_str().unwrap()
}

#[test]
fn each_use_of_a_refresh_token_makes_the_next_one() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let mut tokens = site.tokens(&client, "openid profile offline_access");
    let subject = claims(&site, access_token(&tokens), "at+jwt")["sub"].clone();
    let auth_time = claims(&site, tokens["id_token"].as_str().unwrap(), "JWT")["auth_time"].clone();
    for _ in 0..3 {
        site.port.advance_s(24 * 3600);
        let next = site.refresh(&client, refresh_token(&tokens));
        assert_eq!(next.status, StatusCode::OK, "{}", next.text);
        assert_ne!(next.json["refresh_token"], tokens["refresh_token"]);
        assert_eq!(next.json["scope"], "openid profile offline_access");
        let id = claims(&site, next.json["id_token"].as_str().unwrap(), "JWT");
        assert_eq!((&id["sub"], &id["auth_time"]), (&subject, &auth_time));
        assert!(site.is_good(access_token(&next.json)));
        tokens = next.json;
    }
}

#[test]
fn a_refresh_token_that_is_used_again_ends_the_whole_family() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let first = site.tokens(&client, "openid offline_access");
    let second = site.refresh(&client, refresh_token(&first)).json;
    let third = site.refresh(&client, refresh_token(&second)).json;
    let other = site.tokens(&client, "openid offline_access");
    assert_error(&site.refresh(&client, refresh_token(&first)), "invalid_grant");
    for tokens in [&first, &second, &third] {
        assert!(!site.is_good(access_token(tokens)));
        assert_error(&site.refresh(&client, refresh_token(tokens)), "invalid_grant");
    }
    assert!(site.is_good(access_token(&other)), "another family");
}

#[test]
fn a_refresh_token_is_its_clients_and_gives_no_more_than_was_granted() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let other = site.client(&json!({"client_name": "Another"}));
    let tokens = site.tokens(&client, "openid offline_access");
    assert_error(&site.refresh(&other, refresh_token(&tokens)), "invalid_grant");
    let ask = |scope: &str| {
        let pairs =
            [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&tokens)), ("scope", scope)];
        site.ask(&client, "/oauth/token", &pairs)
    };
    assert_error(&ask("openid profile"), "invalid_scope");
    let narrowed = ask("openid");
    assert_eq!(narrowed.json["scope"], "openid");
    for token in ["", "x", "AAAA", &"A".repeat(64), &"A".repeat(2000)] {
        assert!(site.refresh(&client, token).status.is_client_error());
    }
    assert_eq!(site.refresh(&client, refresh_token(&narrowed.json)).json["scope"], "openid offline_access");
}

#[test]
fn a_family_ends_when_it_is_not_used_and_after_ninety_days() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let idle = site.tokens(&client, "openid offline_access");
    let mut used = site.tokens(&client, "openid offline_access");
    for day in 0..9 {
        site.port.advance_s(9 * 24 * 3600 + 9 * 3600);
        let next = site.refresh(&client, refresh_token(&used));
        assert_eq!(next.status, StatusCode::OK, "{day}: {}", next.text);
        used = next.json;
    }
    assert_error(&site.refresh(&client, refresh_token(&idle)), "invalid_grant");
    site.port.advance_s(6 * 24 * 3600);
    assert_error(&site.refresh(&client, refresh_token(&used)), "invalid_grant");
}

#[test]
fn only_who_is_registered_for_it_and_asks_for_it_gets_a_refresh_token() {
    let site = Site::new();
    let client = site.client(&json!({"grant_types": ["authorization_code"]}));
    let tokens = site.tokens(&client, "openid offline_access");
    assert_eq!((tokens.get("refresh_token"), &tokens["scope"]), (None, &json!("openid")));
    assert_error(&site.refresh(&client, "x"), "unauthorized_client");
}

#[test]
fn a_public_clients_refresh_token_is_good_with_its_key_alone() {
    let site = Site::new();
    let client = site.public_client(&json!({"dpop_bound_access_tokens": true}));
    let code = Browser::new(&site).code(&client, &[("scope", "openid offline_access")]);
    let proof = |seed: u8| site.proof(&key(seed), "/oauth/token", &json!({}));
    let redemption = super::support::redemption(&code);
    let tokens = site.ask_bound(&client, "/oauth/token", &redemption, proof(5));
    assert_eq!(tokens.json["token_type"], "DPoP", "{}", tokens.text);
    let pairs = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&tokens.json))];
    assert_error(&site.ask_bound(&client, "/oauth/token", &pairs, proof(6)), "invalid_dpop_proof");
    assert_error(&site.ask(&client, "/oauth/token", &pairs), "invalid_dpop_proof");
    assert_eq!(site.ask_bound(&client, "/oauth/token", &pairs, proof(5)).status, StatusCode::OK);
}
