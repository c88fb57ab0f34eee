//! What an ID Token has to say (OpenID Connect Core 1.0, section 3.1.3.7).

use super::support::{Browser, CLIENT, Provider, es256, port, refused};
use http::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use vwp_core::jose;

/// Why a sign-in with one claim changed is refused.
fn with(member: &str, value: Value) -> String {
    let (port, provider) = (port(&json!({})), Provider::new());
    let (problem, detail) = refused(&port, &provider, |provider| {
        let mut claims = provider.claims.borrow_mut();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(member);
        } else {
            claims[member] = value;
        }
    });
    if problem.is_empty() {
        return problem;
    }
    assert_eq!(problem, "id-token-refused", "{detail}");
    detail.rsplit(": ").next().unwrap().to_owned()
}

fn seconds() -> u64 {
    crate::support::START / 1000
}

#[test]
fn an_id_token_of_another_issuer_is_refused() {
    let expected = "it is of another issuer";
    for issuer in
        ["https://evil.example", "https://op.example/", "https://OP.example", "http://op.example", ""]
    {
        assert_eq!(with("iss", issuer.into()), expected, "{issuer}");
    }
    assert_eq!(with("iss", Value::Null), expected);
    assert_eq!(with("iss", json!(["https://op.example"])), expected);
}

#[test]
fn an_id_token_for_somebody_else_is_refused() {
    let expected = "it is for another client";
    for audience in [
        json!("other"),
        json!(["other"]),
        json!([CLIENT, "other"]),
        json!([]),
        json!(1),
        json!(""),
        Value::Null,
    ] {
        assert_eq!(with("aud", audience.clone()), expected, "{audience}");
    }
    assert_eq!(with("aud", json!([CLIENT])), "");
    assert_eq!(with("azp", "other".into()), expected);
    assert_eq!(with("azp", CLIENT.into()), "");
}

#[test]
fn others_whom_the_deployment_trusts_may_read_an_id_token_that_was_made_for_the_port() {
    let port = port(&json!({ "trusted_audiences": ["project"] }));
    for (party, expected) in
        [(json!(CLIENT), ""), (json!("project"), "id-token-refused"), (Value::Null, "id-token-refused")]
    {
        let provider = Provider::new();
        let (problem, detail) = refused(&port, &provider, |provider| {
            let mut claims = provider.claims.borrow_mut();
            claims["aud"] = json!([CLIENT, "project"]);
            if !party.is_null() {
                claims["azp"] = party.clone();
            }
        });
        assert_eq!(problem, expected, "{party} {detail}");
    }
}

#[test]
fn an_id_token_is_of_this_moment_give_or_take_five_minutes() {
    let (expired, issued) = ("it has expired", "it was not issued just now");
    assert_eq!(with("exp", (seconds() - 300).into()), expired);
    assert_eq!(with("exp", (seconds() - 299).into()), "", "a clock that is behind");
    assert_eq!(with("exp", Value::Null), expired);
    assert_eq!(with("exp", json!("4102444800")), expired);
    assert_eq!(with("exp", json!(-1)), expired);
    assert_eq!(with("iat", (seconds() - 301).into()), issued);
    assert_eq!(with("iat", (seconds() + 301).into()), issued);
    assert_eq!(with("iat", (seconds() + 299).into()), "");
    assert_eq!(with("iat", Value::Null), issued);
}

#[test]
fn an_id_token_is_for_the_sign_in_that_it_ends() {
    let expected = "it is for another sign-in";
    for nonce in [json!("x".repeat(43)), json!(""), json!(1), Value::Null] {
        assert_eq!(with("nonce", nonce.clone()), expected, "{nonce}");
    }
}

#[test]
fn an_id_token_goes_with_the_access_token_beside_it_if_it_says_so() {
    let half = |text: &str| jose::encode(&Sha256::digest(text)[..16]);
    assert_eq!(with("at_hash", half("an access token").into()), "");
    let expected = "it goes with another access token";
    assert_eq!(with("at_hash", half("another one").into()), expected);
    assert_eq!(with("at_hash", json!(1)), expected);
}

#[test]
fn a_subject_is_a_short_text_and_there_once() {
    let expected = "it names no acceptable subject";
    for subject in [json!("a".repeat(256)), json!("bücher"), json!(""), json!(7), Value::Null] {
        assert_eq!(with("sub", subject.clone()), expected, "{subject}");
    }
    assert_eq!(with("sub", json!("a".repeat(255))), "");
    let (port, provider) = (port(&json!({})), Provider::new());
    let (_, detail) = refused(&port, &provider, |provider| {
        *provider.issue.borrow_mut() = Box::new(|claims| {
            // The payload of a second one, with the subject there twice.
            let header = json!({ "alg": "ES256", "kid": "one" });
            let twice = format!(r#"{{"sub":"eve",{}"#, &claims.to_string()[1..]);
            let input = format!("{}.{}", jose::encode(header.to_string()), jose::encode(twice));
            sign(&input)
        });
    });
    assert!(detail.ends_with("it is not an object of claims"), "{detail}");
}

fn sign(input: &str) -> String {
    use p256::ecdsa::signature::Signer;
    let signature: p256::ecdsa::Signature = crate::support::key(9).sign(input.as_bytes());
    format!("{input}.{}", jose::encode(signature.to_bytes()))
}

#[test]
fn an_email_address_says_nothing_about_who_it_is() {
    let (port, provider) = (port(&json!({})), Provider::new());
    let browser = Browser::new(&port, &provider);
    *provider.issue.borrow_mut() = Box::new(|mut claims| {
        claims["email"] = "ada@example.com".into();
        claims["email_verified"] = true.into();
        es256(&json!({ "alg": "ES256", "kid": "one" }), &claims, 9)
    });
    browser.arrive("ada at op", "ada");
    let other = Browser::new(&port, &provider).sign_in("somebody else");
    assert_eq!(other.status, StatusCode::ACCEPTED, "the same address is another account: {}", other.text);
}
