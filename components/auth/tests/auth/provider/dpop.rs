//! Tokens that are bound to a key.

use super::support::{Browser, Client, Site, assert_error, claims, redemption};
use crate::support::{Answer, ISSUER, key, sign};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use vwp_core::jose::{self, Header, Jwk};

const TOKEN: &str = "/oauth/token";
const USERINFO: &str = "/oauth/userinfo";

fn bound(site: &Site) -> Client {
    site.client(&json!({"dpop_bound_access_tokens": true}))
}

/// A token that is bound to the key with seed 5.
fn token(site: &Site) -> String {
    let client = bound(site);
    let code = Browser::new(site).code(&client, &[("scope", "openid profile")]);
    let answer = site.ask_bound(&client, TOKEN, &redemption(&code), site.proof(&key(5), TOKEN, &json!({})));
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.json["token_type"], "DPoP");
    answer.json["access_token"].as_str().unwrap().to_owned()
}

fn use_of(site: &Site, token: &str, more: &Value) -> String {
    let claims = json!({"htm": "GET", "ath": jose::encode(Sha256::digest(token))});
    site.proof(&key(5), USERINFO, &super::support::with(claims, more))
}

#[test]
fn a_bound_token_is_good_with_its_key_alone() {
    let site = Site::new();
    let token = token(&site);
    let jkt = Jwk::from_key(key(5).verifying_key()).thumbprint();
    assert_eq!(claims(&site, &token, "at+jwt")["cnf"]["jkt"], jkt);
    let good = site.userinfo("DPoP", &token, Some(use_of(&site, &token, &json!({}))));
    assert_eq!((good.status, &good.json["preferred_username"]), (StatusCode::OK, &json!("ada")));
    let refused = |answer: Answer, error: &str| {
        assert_eq!((answer.status, answer.json["error"].as_str()), (StatusCode::UNAUTHORIZED, Some(error)));
        let challenge = answer.headers["www-authenticate"].to_str().unwrap();
        assert!(challenge.starts_with("DPoP algs=\"ES256\"") && challenge.contains(error), "{challenge}");
    };
    refused(site.userinfo("Bearer", &token, None), "invalid_token");
    refused(site.userinfo("DPoP", &token, None), "invalid_token");
    refused(site.userinfo("Bearer", &token, Some(use_of(&site, &token, &json!({})))), "invalid_token");
    let claims = json!({"htm": "GET", "ath": jose::encode(Sha256::digest(&token))});
    let thief = site.proof(&key(6), USERINFO, &claims);
    refused(site.userinfo("DPoP", &token, Some(thief)), "invalid_token");
    for more in [json!({"ath": null}), json!({"ath": "x"}), json!({"htm": "POST"})] {
        refused(site.userinfo("DPoP", &token, Some(use_of(&site, &token, &more))), "invalid_dpop_proof");
    }
}

#[test]
fn a_proof_is_for_one_request_to_one_url_now() {
    let site = Site::new();
    let client = bound(&site);
    let now = site.port.now() / 1000;
    let ask = |proof: String| site.ask_bound(&client, TOKEN, &[("grant_type", "refresh_token")], proof);
    for more in [
        json!({"htu": format!("{ISSUER}{TOKEN}?x=1")}),
        json!({"htu": format!("{ISSUER}{TOKEN}#x")}),
        json!({"htu": format!("{ISSUER}{TOKEN}/")}),
        json!({"htu": format!("{ISSUER}/oauth/par")}),
        json!({"htu": "https://other.example/oauth/token"}),
        json!({"htm": "GET"}),
        json!({"htm": "post"}),
        json!({"iat": now - 301}),
        json!({"iat": now + 301}),
        json!({"jti": ""}),
        json!({"jti": "x".repeat(300)}),
    ] {
        assert_error(&ask(site.proof(&key(5), TOKEN, &more)), "invalid_dpop_proof");
    }
    let proof = site.proof(&key(5), TOKEN, &json!({}));
    assert_error(&ask(proof.clone()), "invalid_request");
    assert_error(&ask(proof), "invalid_dpop_proof");
}

#[test]
fn the_query_of_the_request_does_not_count() {
    let site = Site::new();
    let client = bound(&site);
    let proof = site.proof(&key(5), TOKEN, &json!({}));
    let answer = site.ask_bound(&client, "/oauth/token?x=1", &[("grant_type", "refresh_token")], proof);
    assert_error(&answer, "invalid_request");
}

#[test]
fn a_proof_has_a_nonce_of_now_and_a_client_without_one_is_given_it() {
    let site = Site::new();
    let client = bound(&site);
    let ask = |more: &Value| {
        let proof = site.proof(&key(5), TOKEN, more);
        site.ask_bound(&client, TOKEN, &[("grant_type", "refresh_token")], proof)
    };
    let without = ask(&json!({"nonce": null}));
    assert_eq!(without.status, StatusCode::BAD_REQUEST);
    assert_error(&without, "use_dpop_nonce");
    let nonce = without.headers["dpop-nonce"].to_str().unwrap().to_owned();
    assert_error(&ask(&json!({"nonce": "x"})), "use_dpop_nonce");
    assert_error(&ask(&json!({"nonce": nonce})), "invalid_request");
    site.port.advance_s(300);
    assert_error(&ask(&json!({"nonce": nonce})), "invalid_request");
    site.port.advance_s(300);
    assert_error(&ask(&json!({"nonce": nonce})), "use_dpop_nonce");
    let token = token(&site);
    let answer = site.userinfo("DPoP", &token, Some(use_of(&site, &token, &json!({"nonce": null}))));
    assert_eq!((answer.status, &answer.json["error"]), (StatusCode::UNAUTHORIZED, &json!("use_dpop_nonce")));
    assert!(answer.headers.contains_key("dpop-nonce"));
}

#[test]
fn what_is_no_proof_is_refused() {
    let site = Site::new();
    let client = bound(&site);
    let claims = json!({"jti": "j", "htm": "POST", "htu": format!("{ISSUER}{TOKEN}"), "nonce": site.nonce(),
        "iat": site.port.now() / 1000});
    let own = Jwk::from_key(key(5).verifying_key());
    let private = json!({"kty": "EC", "crv": "P-256", "x": own.x, "y": own.y, "d": jose::encode([5; 32])});
    let good = Header::new("dpop+jwt").with_jwk(own.clone());
    let unsigned = format!("{}.", sign(&good, &claims, &key(5)).rsplit_once('.').unwrap().0);
    for (what, proof) in [
        ("no key", sign(&Header::new("dpop+jwt"), &claims, &key(5))),
        ("another type", sign(&Header::new("JWT").with_jwk(own.clone()), &claims, &key(5))),
        ("another key's signature", sign(&good, &claims, &key(6))),
        ("no signature", unsigned),
        ("no claims", sign(&good, &json!({}), &key(5))),
        ("nonsense", "x".to_owned()),
        ("too long", "x".repeat(5000)),
    ] {
        let answer = site.ask_bound(&client, TOKEN, &[("grant_type", "refresh_token")], proof);
        assert_eq!(answer.json["error"], "invalid_dpop_proof", "{what}");
    }
    let header = jose::encode(json!({"alg": "ES256", "typ": "dpop+jwt", "jwk": private}).to_string());
    let rest = sign(&good, &claims, &key(5));
    let rest = rest.split_once('.').unwrap().1;
    let answer = site.ask_bound(&client, TOKEN, &[("grant_type", "x")], format!("{header}.{rest}"));
    assert_eq!(answer.json["error"], "invalid_dpop_proof", "a private key");
    let proofs = [site.proof(&key(5), TOKEN, &json!({})), site.proof(&key(5), TOKEN, &json!({}))];
    let request: Request<Vec<u8>> = site.call(&client, TOKEN, &[("grant_type", "refresh_token")], &proofs);
    assert_error(&site.port.answer(request), "invalid_dpop_proof");
}

#[test]
fn a_code_that_is_bound_to_a_key_is_redeemed_with_it() {
    let site = Site::new();
    let client = bound(&site);
    let jkt = Jwk::from_key(key(5).verifying_key()).thumbprint();
    let code = Browser::new(&site).code(&client, &[("dpop_jkt", &jkt)]);
    let redeem = |seed: u8| {
        site.ask_bound(&client, TOKEN, &redemption(&code), site.proof(&key(seed), TOKEN, &json!({})))
    };
    assert_error(&redeem(6), "invalid_dpop_proof");
    assert_eq!(redeem(5).status, StatusCode::OK);
}
