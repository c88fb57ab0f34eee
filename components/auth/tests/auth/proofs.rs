//! Proofs of possession that do not get a passport.

use crate::support::{ISSUER, Port, key, sign};
use http::StatusCode;
use serde_json::{Value, json};
use vwp_core::jose::{self, Header, Jwk};

fn header() -> Header {
    Header::new("openid4vci-proof+jwt").with_jwk(Jwk::from_key(key(1).verifying_key()))
}

/// A compact JWS whose header is any JSON, signed with key 1.
fn with_header(header: &Value, claims: &Value) -> String {
    use p256::ecdsa::Signature;
    use p256::ecdsa::signature::Signer;
    let input = format!("{}.{}", jose::encode(header.to_string()), jose::encode(claims.to_string()));
    let signature: Signature = key(1).sign(input.as_bytes());
    format!("{input}.{}", jose::encode(signature.to_bytes()))
}

#[test]
fn a_proof_that_is_not_a_fresh_one_for_this_port_is_refused_with_the_reason() {
    let port = Port::new();
    let token = port.arrive("ada");
    let now = port.now() / 1000;
    let good = json!({ "aud": ISSUER, "iat": now });
    let jwk = serde_json::to_value(Jwk::from_key(key(1).verifying_key())).unwrap();
    let named = |alg: &str, extra: &str| {
        let mut header = json!({ "alg": alg, "typ": "openid4vci-proof+jwt", "jwk": jwk });
        if !extra.is_empty() {
            header[extra] = json!(["x"]);
        }
        with_header(&header, &good)
    };
    let mut private = json!({ "alg": "ES256", "typ": "openid4vci-proof+jwt", "jwk": jwk });
    private["jwk"]["d"] = "AQ".into();
    let twice = format!(r#"{{"aud":"{ISSUER}","iat":{now},"iat":{now}}}"#);
    let cases = [
        (String::new(), "proof-header"),
        ("x".repeat(5000), "proof-too-long"),
        (
            sign(&Header::new("jwt").with_jwk(Jwk::from_key(key(1).verifying_key())), &good, &key(1)),
            "proof-header",
        ),
        (named("none", ""), "proof-header"),
        (named("HS256", ""), "proof-header"),
        (named("ES256", "crit"), "proof-header"),
        (with_header(&private, &good), "proof-key"),
        (sign(&Header::new("openid4vci-proof+jwt"), &good, &key(1)), "proof-key"),
        (sign(&header().with_kid("other"), &good, &key(1)), "proof-key"),
        (sign(&header(), &good, &key(2)), "proof-signature"),
        (sign(&header(), &json!({ "iat": now }), &key(1)), "proof-claims"),
        (sign(&header(), &json!({ "aud": [ISSUER], "iat": now }), &key(1)), "proof-claims"),
        (jose::sign(&header(), twice.as_bytes(), &key(1)), "proof-claims"),
        (sign(&header(), &json!([ISSUER, now]), &key(1)), "proof-claims"),
        (sign(&header(), &json!({ "aud": "https://other.example", "iat": now }), &key(1)), "proof-audience"),
        (sign(&header(), &json!({ "aud": ISSUER, "iat": now - 301 }), &key(1)), "proof-not-current"),
        (sign(&header(), &json!({ "aud": ISSUER, "iat": now + 301 }), &key(1)), "proof-not-current"),
        (sign(&header(), &json!({ "aud": ISSUER, "iat": u64::MAX }), &key(1)), "proof-not-current"),
    ];
    for (index, (proof, problem)) in cases.into_iter().enumerate() {
        let answer = port.post("/v1/passports", Some(&token), &json!({ "proof": proof }));
        assert_eq!(
            (answer.status, answer.problem()),
            (StatusCode::UNPROCESSABLE_ENTITY, problem),
            "case {index}"
        );
    }
}

#[test]
fn a_proof_serves_one_traveller_so_that_nobody_binds_the_key_to_another_name() {
    let port = Port::new();
    let ada = port.arrive("ada");
    let eve = port.arrive("eve");
    let proof = port.proof(&key(1));
    let send = |token: &str, proof: &str| port.post("/v1/passports", Some(token), &json!({ "proof": proof }));
    assert_eq!(send(&ada, &proof).status, StatusCode::OK);
    assert_eq!(send(&ada, &proof).status, StatusCode::OK, "a request may be repeated");
    assert_eq!(send(&eve, &proof).problem(), "proof-used");
    // The same signature in its other form: s replaced by n - s.
    let (input, signature) = proof.rsplit_once('.').unwrap();
    let signature = p256::ecdsa::Signature::from_slice(&jose::decode(signature).unwrap()).unwrap();
    let (r, s) = signature.split_scalars();
    let other = p256::ecdsa::Signature::from_scalars(*r, -*s).unwrap();
    let other = format!("{input}.{}", jose::encode(other.to_bytes()));
    assert_eq!(send(&eve, &other).problem(), "proof-used");
    port.advance_s(299);
    assert_eq!(send(&eve, &proof).problem(), "proof-used");
}
