//! UserInfo, introspection and revocation.

use super::support::{Client, Site, assert_error, claims, run_world};
use crate::support::key;
use crate::travel::twin;
use http::{Request, StatusCode};
use serde_json::{Value, json};

fn introspected(site: &Site, client: &Client, token: &str) -> Value {
    let answer = site.ask(client, "/oauth/introspect", &[("token", token)]);
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json
}

#[test]
fn a_world_learns_what_was_agreed_to_and_nothing_else() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let plain = site.tokens(&client, "openid");
    let token = plain["access_token"].as_str().unwrap();
    let sub = claims(&site, token, "at+jwt")["sub"].clone();
    assert_eq!(site.userinfo("Bearer", token, None).json, json!({"sub": sub}));
    let more = site.tokens(&client, "openid profile");
    let answer = site.userinfo("Bearer", more["access_token"].as_str().unwrap(), None);
    assert_eq!(answer.json, json!({"sub": sub, "preferred_username": "ada"}));
    assert_eq!(answer.headers["cache-control"], "no-store");
    let less = site.tokens(&client, "profile");
    assert_eq!(less.get("id_token"), None);
    let refused = site.userinfo("Bearer", less["access_token"].as_str().unwrap(), None);
    assert_eq!(
        (refused.status, &refused.json["error"]),
        (StatusCode::FORBIDDEN, &json!("insufficient_scope"))
    );
}

#[test]
fn userinfo_takes_a_token_in_the_header_alone() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let tokens = site.tokens(&client, "openid");
    let token = tokens["access_token"].as_str().unwrap();
    let get = |request: http::request::Builder| site.port.answer(request.body(Vec::new()).unwrap()).status;
    assert_eq!(get(Request::get(format!("/oauth/userinfo?access_token={token}"))), StatusCode::UNAUTHORIZED);
    let twice = Request::get("/oauth/userinfo").header("authorization", format!("Bearer {token}"));
    assert_eq!(get(twice.header("authorization", format!("Bearer {token}"))), StatusCode::UNAUTHORIZED);
    assert_eq!(
        get(Request::post("/oauth/userinfo").header("authorization", format!("Bearer {token}"))),
        StatusCode::OK
    );
    site.port.advance_s(600);
    assert!(!site.is_good(token), "after ten minutes");
}

#[test]
fn a_token_is_good_to_the_servers_of_its_world_and_to_nobody_else() {
    let site = Site::new();
    run_world(&site.port, "keep", &super::support::operator());
    let game = site.public_client(&json!({"client_name": "Arena game"}));
    let server = site.client(&json!({"client_name": "Arena server"}));
    let stranger = site.client(&json!({"world": "keep"}));
    let tokens = site.tokens(&game, "openid");
    let token = tokens["access_token"].as_str().unwrap();
    let answer = introspected(&site, &server, token);
    assert_eq!((&answer["active"], &answer["token_type"]), (&json!(true), &json!("Bearer")));
    assert_eq!(answer["client_id"], game.id.as_str());
    assert_eq!(answer["sub"], claims(&site, token, "at+jwt")["sub"]);
    assert_eq!(introspected(&site, &stranger, token), json!({"active": false}), "another audience");
    for other in ["x", tokens["id_token"].as_str().unwrap()] {
        assert_eq!(introspected(&site, &server, other), json!({"active": false}));
    }
    assert_error(&site.ask(&game, "/oauth/introspect", &[("token", token)]), "invalid_client");
    let thief = Client { key: Some(key(9)), ..server.clone() };
    assert_error(&site.ask(&thief, "/oauth/introspect", &[("token", token)]), "invalid_client");
    site.port.advance_s(600);
    assert_eq!(introspected(&site, &server, token), json!({"active": false}), "after its end");
}

#[test]
fn a_token_with_another_signature_that_verifies_is_none() {
    let site = Site::new();
    let game = site.public_client(&json!({"client_name": "Arena game"}));
    let server = site.client(&json!({"client_name": "Arena server"}));
    let tokens = site.tokens(&game, "openid");
    let token = tokens["access_token"].as_str().unwrap();
    assert_eq!(claims(&site, &twin(token), "at+jwt"), claims(&site, token, "at+jwt"), "it verifies");
    assert_eq!(introspected(&site, &server, &twin(token)), json!({"active": false}));
    assert!(!site.is_good(&twin(token)) && site.is_good(token));
}

#[test]
fn a_client_ends_its_tokens_and_nobody_elses() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let other = site.client(&json!({"client_name": "Another"}));
    let tokens = site.tokens(&client, "openid offline_access");
    let (access, refresh) =
        (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    let revoke = |client: &Client, token: &str| {
        let answer = site.ask(client, "/oauth/revoke", &[("token", token)]);
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, ""), "whatever the token is");
    };
    for token in [access, refresh, "x"] {
        revoke(&other, token);
    }
    assert!(site.is_good(access));
    revoke(&client, access);
    assert!(!site.is_good(access));
    assert_eq!(introspected(&site, &other, access), json!({"active": false}));
    let next = site.refresh(&client, refresh).json;
    assert!(site.is_good(next["access_token"].as_str().unwrap()), "the family goes on");
    revoke(&client, next["refresh_token"].as_str().unwrap());
    assert!(!site.is_good(next["access_token"].as_str().unwrap()), "the family has ended");
    assert_error(&site.refresh(&client, next["refresh_token"].as_str().unwrap()), "invalid_grant");
    assert_error(&site.ask(&client, "/oauth/revoke", &[]), "invalid_request");
}
