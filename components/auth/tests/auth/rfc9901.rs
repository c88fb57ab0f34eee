//! The examples of RFC 9901, as the RFC prints them: keys, presentations and the
//! claims that come out.

use serde_json::Value;
use vwp_auth::sd_jwt::Presentation;
use vwp_auth::verify::{Expected, PresentationError, believe, check_key_binding};
use vwp_core::jose::{Jwk, Unverified};

fn vectors() -> Value {
    serde_json::from_str(include_str!("../vectors/rfc9901.json")).unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

#[test]
fn the_examples_are_believed_and_give_the_claims_that_the_rfc_shows() {
    let vectors = vectors();
    let issuer: Jwk = serde_json::from_value(vectors["issuer"].clone()).unwrap();
    for example in vectors["examples"].as_array().unwrap() {
        let presentation = Presentation::parse(text(example, "presentation")).unwrap();
        let token = Unverified::parse(presentation.issuer_jwt, text(example, "typ")).unwrap();
        let claims = believe(token, &issuer.to_key().unwrap(), &presentation).unwrap();
        assert_eq!(Value::Object(claims), example["claims"], "section {}", example["section"]);
    }
}

#[test]
fn the_key_bindings_of_the_examples_hold_for_their_verifier_and_no_other() {
    let vectors = vectors();
    let now = vectors["made_at_s"].as_u64().unwrap() * 1000;
    let (audience, nonce) = (text(&vectors, "audience"), text(&vectors, "nonce"));
    let expected = Expected { issuer: "", audience, world: audience, nonce, now };
    let mut checked = 0;
    for example in vectors["examples"].as_array().unwrap() {
        let presentation = Presentation::parse(text(example, "presentation")).unwrap();
        if presentation.key_binding.is_none() {
            continue;
        }
        let holder: Jwk = serde_json::from_value(example["claims"]["cnf"]["jwk"].clone()).unwrap();
        let check = |expected: Expected<'_>| check_key_binding(&presentation, &holder, &expected);
        assert_eq!(check(expected), Ok(()));
        assert_eq!(
            check(Expected { audience: "https://other.example", ..expected }),
            Err(PresentationError::Audience)
        );
        assert_eq!(check(Expected { nonce: "0", ..expected }), Err(PresentationError::Nonce));
        assert_eq!(check(Expected { now: now + 300_001, ..expected }), Err(PresentationError::Time));
        checked += 1;
    }
    assert_eq!(checked, 2);
}

#[test]
fn an_example_with_one_changed_byte_is_not_believed() {
    let vectors = vectors();
    let issuer: Jwk = serde_json::from_value(vectors["issuer"].clone()).unwrap();
    let changed = text(&vectors["examples"][0], "presentation").replacen("Rfc2Q", "Rfc2R", 1);
    let changed = changed.replacen("CrQe7", "CrQe8", 1).replacen("eyJfc2Qi", "eyJfc2Rj", 1);
    let presentation = Presentation::parse(&changed).unwrap();
    let token = Unverified::parse(presentation.issuer_jwt, "example+sd-jwt").unwrap();
    let answer = believe(token, &issuer.to_key().unwrap(), &presentation);
    assert_eq!(answer, Err(PresentationError::PassportSignature));
}
