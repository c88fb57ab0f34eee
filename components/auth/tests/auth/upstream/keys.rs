//! What a provider signs with, and when it is asked for its keys.

use super::support::{Browser, Issue, Provider, ec_jwk, es256, port, refused, rs256, rsa_jwk, unsigned};
use crate::clients::Meeting;
use crate::support::Port;
use futures::executor::block_on;
use futures::future::join;
use hmac::{Hmac, KeyInit, Mac};
use http::StatusCode;
use p256::elliptic_curve::scalar::IsHigh;
use serde_json::{Value, json};
use sha2::Sha256;
use vwp_auth::http::handle_online;
use vwp_core::jose;

/// Why a sign-in with tokens of this kind is refused.
fn why(port: &Port, keys: &Value, issue: Issue) -> String {
    let provider = Provider::new();
    *provider.keys.borrow_mut() = json!({ "keys": keys });
    let (problem, detail) = refused(port, &provider, |provider| *provider.issue.borrow_mut() = issue);
    if problem.is_empty() {
        return problem;
    }
    assert_eq!(problem, "id-token-refused", "{detail}");
    detail.rsplit(": ").next().unwrap().to_owned()
}

const ALGORITHM: &str = "it is not signed with the algorithm that is configured for the provider";
const HEADER: &str = "its header carries a key, is of another type, or has extensions";
const UNKNOWN: &str = "the provider has not published exactly one key for it";
const SIGNATURE: &str = "the signature does not match";

#[test]
fn a_provider_signs_with_the_algorithm_that_is_configured_for_it_and_with_no_other() {
    let both = json!([ec_jwk(9, "ec"), rsa_jwk("rsa")]);
    let (ec, rsa) = (json!({ "alg": "ES256", "kid": "ec" }), json!({ "alg": "RS256", "kid": "rsa" }));
    let by_ec = || -> Issue {
        let ec = ec.clone();
        Box::new(move |claims| es256(&ec, &claims, 9))
    };
    let by_rsa = || -> Issue {
        let rsa = rsa.clone();
        Box::new(move |claims| rs256(&rsa, &claims))
    };
    let default = port(&json!({}));
    assert_eq!(why(&default, &both, by_ec()), "");
    assert_eq!(why(&default, &both, by_rsa()), ALGORITHM);
    let with_rsa = port(&json!({ "id_token_signed_response_alg": "RS256" }));
    assert_eq!(why(&with_rsa, &both, by_rsa()), "");
    assert_eq!(why(&with_rsa, &both, by_ec()), ALGORITHM);
    // A header that names the one algorithm and the key of the other.
    assert_eq!(
        why(&with_rsa, &both, Box::new(|claims| es256(&json!({ "alg": "RS256", "kid": "ec" }), &claims, 9))),
        UNKNOWN
    );
    assert_eq!(
        why(&default, &both, Box::new(|claims| rs256(&json!({ "alg": "ES256", "kid": "rsa" }), &claims))),
        UNKNOWN
    );
    assert_eq!(
        why(&default, &both, Box::new(|claims| rs256(&json!({ "alg": "ES256", "kid": "ec" }), &claims))),
        SIGNATURE
    );
}

#[test]
fn a_token_that_is_not_signed_or_signed_with_what_everybody_knows_is_refused() {
    for alg in ["ES256", "RS256"] {
        let port = port(&json!({ "id_token_signed_response_alg": alg }));
        let keys = json!([ec_jwk(9, "one"), rsa_jwk("one")]);
        for none in ["none", "None", "NONE", "nOnE", ""] {
            let issue = move |claims| unsigned(&json!({ "alg": none, "kid": "one" }), &claims, b"");
            assert_eq!(why(&port, &keys, Box::new(issue)), ALGORITHM, "{none:?}");
        }
        let nothing = move |claims| unsigned(&json!({ "alg": alg, "kid": "one" }), &claims, b"");
        assert_eq!(why(&port, &keys, Box::new(nothing)), SIGNATURE);
        // The public key as the secret of an HMAC.
        let public = rsa_jwk("one")["n"].as_str().unwrap().to_owned();
        let symmetric = move |claims: Value| {
            let header = json!({ "alg": "HS256", "kid": "one" });
            let input = unsigned(&header, &claims, b"");
            let mut mac = Hmac::<Sha256>::new_from_slice(public.as_bytes()).unwrap();
            mac.update(input.trim_end_matches('.').as_bytes());
            unsigned(&header, &claims, &mac.finalize().into_bytes())
        };
        assert_eq!(why(&port, &keys, Box::new(symmetric)), ALGORITHM);
    }
}

#[test]
fn a_key_that_a_token_brings_along_or_points_at_is_not_looked_at() {
    let port = port(&json!({}));
    let keys = json!([ec_jwk(9, "one")]);
    for (name, value) in [
        ("jwk", ec_jwk(8, "one")),
        ("jku", "https://evil.example/keys".into()),
        ("x5u", "https://evil.example/certificate".into()),
        ("x5c", json!(["AAAA"])),
        ("crit", json!(["b64"])),
        ("typ", "at+jwt".into()),
    ] {
        let mut header = json!({ "alg": "ES256", "kid": "one" });
        header[name] = value;
        // Even if the signature is right.
        let issue = move |claims| es256(&header, &claims, 9);
        assert_eq!(why(&port, &keys, Box::new(issue)), HEADER, "{name}");
    }
}

#[test]
fn a_key_is_one_of_the_providers_by_its_exact_name() {
    let port = port(&json!({}));
    let one = json!([ec_jwk(9, "one")]);
    for kid in ["../one", "one\u{0}", "ONE", "one' OR '1'='1", "/dev/null", "", "https://evil.example/keys"] {
        let issue = move |claims| es256(&json!({ "alg": "ES256", "kid": kid }), &claims, 9);
        assert_eq!(why(&port, &one, Box::new(issue)), UNKNOWN, "{kid:?}");
    }
    let by = |header: Value, seed| -> Issue { Box::new(move |claims| es256(&header, &claims, seed)) };
    let (named, nameless) = (json!({ "alg": "ES256", "kid": "one" }), json!({ "alg": "ES256" }));
    let fresh = || super::support::port(&json!({}));
    assert_eq!(why(&fresh(), &one, by(named.clone(), 8)), SIGNATURE, "another key of that name");
    assert_eq!(why(&fresh(), &one, by(nameless.clone(), 9)), "", "a provider with one key need not name it");
    let two = json!([ec_jwk(9, "one"), ec_jwk(8, "two")]);
    assert_eq!(why(&fresh(), &two, by(nameless, 9)), UNKNOWN, "one with two must");
    let twins = json!([ec_jwk(9, "one"), ec_jwk(8, "one")]);
    assert_eq!(why(&fresh(), &twins, by(named.clone(), 9)), UNKNOWN, "two keys of one name are none");
    let mut for_encryption = ec_jwk(9, "one");
    for_encryption["use"] = "enc".into();
    assert_eq!(why(&fresh(), &json!([for_encryption]), by(named.clone(), 9)), UNKNOWN);
    let mut for_another = ec_jwk(9, "one");
    for_another["alg"] = "ES384".into();
    assert_eq!(why(&fresh(), &json!([for_another]), by(named, 9)), UNKNOWN);
}

#[test]
fn a_short_rsa_key_is_none() {
    let port = port(&json!({ "id_token_signed_response_alg": "RS256" }));
    let mut short = rsa_jwk("one");
    short["n"] = jose::encode([0xff; 128]).into();
    let issue = |claims| rs256(&json!({ "alg": "RS256", "kid": "one" }), &claims);
    assert_eq!(why(&port, &json!([short]), Box::new(issue)), UNKNOWN);
}

#[test]
fn both_forms_of_a_signature_are_right_because_many_providers_make_either() {
    let issue = |claims: Value| {
        let token = es256(&json!({ "alg": "ES256", "kid": "one" }), &claims, 9);
        let (input, signature) = token.rsplit_once('.').unwrap();
        let signature = p256::ecdsa::Signature::from_slice(&jose::decode(signature).unwrap()).unwrap();
        let (r, s) = signature.split_scalars();
        let other = p256::ecdsa::Signature::from_scalars(r, -s).unwrap();
        assert_ne!(bool::from(s.is_high()), bool::from(other.s().is_high()));
        format!("{input}.{}", jose::encode(other.to_bytes()))
    };
    assert_eq!(why(&port(&json!({})), &json!([ec_jwk(9, "one")]), Box::new(issue)), "");
}

#[test]
fn a_key_that_is_not_known_is_looked_for_once_a_minute() {
    let (port, provider) = (port(&json!({})), Provider::new());
    let browser = Browser::new(&port, &provider);
    browser.prove("ada");
    assert_eq!(provider.asked_for("/keys"), 1);
    browser.prove("ada");
    assert_eq!(provider.asked_for("/keys"), 1, "known keys are not asked for");
    let unknown = |kid: &'static str, seed| -> Issue {
        Box::new(move |claims| es256(&json!({ "alg": "ES256", "kid": kid }), &claims, seed))
    };
    *provider.issue.borrow_mut() = unknown("two", 8);
    assert_eq!(browser.sign_in("ada").problem(), "id-token-refused");
    assert_eq!(provider.asked_for("/keys"), 1, "they were asked for a moment ago");
    port.advance_s(60);
    // Two at once, of which one asks.
    let attempts = [Browser::new(&port, &provider), Browser::new(&port, &provider)];
    let returned = attempts.each_ref().map(|browser| browser.consent(&browser.begin(), "ada"));
    let (store, environment) = (Meeting::new(&port.store), port.environment());
    let attempt = |index: usize| {
        let request = attempts[index].request("/v1/upstream/sessions", None, &returned[index]);
        handle_online(&store, &provider, &environment, request)
    };
    let (one, other) = block_on(join(attempt(0), attempt(1)));
    assert_eq!([one.status(), other.status()], [StatusCode::UNAUTHORIZED; 2]);
    assert_eq!(provider.asked_for("/keys"), 2);
    // What the provider has published by then is known from then on.
    port.advance_s(60);
    *provider.keys.borrow_mut() = json!({ "keys": [ec_jwk(9, "one"), ec_jwk(8, "two")] });
    assert_eq!(browser.sign_in("ada").status, StatusCode::ACCEPTED);
    *provider.issue.borrow_mut() = unknown("one", 9);
    assert_eq!(browser.sign_in("ada").status, StatusCode::ACCEPTED);
    assert_eq!(provider.asked_for("/keys"), 3);
}

#[test]
fn a_key_that_the_provider_took_back_is_believed_for_an_hour_at_most() {
    let (port, provider) = (port(&json!({})), Provider::new());
    let browser = Browser::new(&port, &provider);
    browser.prove("ada");
    *provider.keys.borrow_mut() = json!({ "keys": [ec_jwk(8, "two")] });
    port.advance_s(3599);
    assert_eq!(browser.sign_in("ada").status, StatusCode::ACCEPTED);
    port.advance_s(1);
    assert_eq!(browser.sign_in("ada").problem(), "id-token-refused");
}
