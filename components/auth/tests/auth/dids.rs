//! Signing in with a decentralised identifier.

use crate::clients::Meeting;
use crate::support::{Answer, ISSUER, Port, key, sign};
use futures::executor::block_on;
use futures::future::join;
use http::StatusCode;
use p256::ecdsa::SigningKey;
use serde_json::{Value, json};
use vwp_auth::dids::identifier::Did;
use vwp_auth::dids::link;
use vwp_auth::limits::Client;
use vwp_core::jose::{self, Header, Jwk};
use vwp_core::outbound::Offline;

fn did_key(key: &SigningKey) -> String {
    Did::of_key(key.verifying_key()).as_str().to_owned()
}

fn did_jwk(key: &SigningKey) -> String {
    format!("did:jwk:{}", jose::encode(serde_json::to_vec(&Jwk::from_key(key.verifying_key())).unwrap()))
}

fn nonce(port: &Port) -> String {
    let challenge = port.post("/v1/dids/challenges", None, &json!({}));
    assert_eq!((challenge.status, &challenge.json["expires_in"]), (StatusCode::CREATED, &300.into()));
    challenge.json["nonce"].as_str().unwrap().to_owned()
}

fn claims(port: &Port, did: &str, nonce: &str) -> Value {
    json!({ "iss": did, "aud": ISSUER, "nonce": nonce, "iat": port.now() / 1000 })
}

fn signed(did: &str, claims: &Value, key: &SigningKey) -> String {
    sign(&Header::new("vwp-did+jwt").with_kid(did), claims, key)
}

fn proof(port: &Port, did: &str, key: &SigningKey) -> String {
    signed(did, &claims(port, did, &nonce(port)), key)
}

fn link(port: &Port, token: &str, proof: &str) -> Answer {
    port.post("/v1/dids", Some(token), &json!({ "proof": proof }))
}

fn sign_in(port: &Port, proof: &str) -> Answer {
    port.post("/v1/dids/sessions", None, &json!({ "proof": proof }))
}

#[test]
fn a_traveller_links_identifiers_and_signs_in_with_each() {
    let port = Port::new();
    let token = port.arrive("ada");
    let me = port.get("/v1/travellers/me", Some(&token)).json;
    for (seed, did) in [(3, did_key(&key(3))), (4, did_jwk(&key(4)))] {
        let linked = link(&port, &token, &proof(&port, &did, &key(seed)));
        assert_eq!(linked.status, StatusCode::CREATED, "{}", linked.text);
        // A key of a DID document may be named too.
        let claims = claims(&port, &did, &nonce(&port));
        let session = sign_in(
            &port,
            &sign(&Header::new("vwp-did+jwt").with_kid(format!("{did}#0")), &claims, &key(seed)),
        );
        assert_eq!(session.json["traveller"], me["traveller"], "{}", session.text);
    }
    let listed = port.get("/v1/dids", Some(&token)).json;
    assert_eq!(listed["dids"].as_array().unwrap().len(), 2);
}

#[test]
fn an_identifier_that_nobody_linked_and_one_that_was_unlinked_sign_nobody_in() {
    let port = Port::new();
    let token = port.arrive("ada");
    let did = did_key(&key(3));
    assert_eq!(sign_in(&port, &proof(&port, &did, &key(3))).problem(), "did-unknown");
    link(&port, &token, &proof(&port, &did, &key(3)));
    let path = format!("/v1/dids/{did}");
    assert_eq!(port.send("DELETE", &path, Some(&token), "").status, StatusCode::NO_CONTENT);
    assert_eq!(port.send("DELETE", &path, Some(&token), "").status, StatusCode::NOT_FOUND);
    assert_eq!(sign_in(&port, &proof(&port, &did, &key(3))).problem(), "did-unknown");
}

#[test]
fn a_challenge_is_answered_once_even_at_once() {
    let port = Port::new();
    let token = port.arrive("ada");
    let did = did_key(&key(3));
    link(&port, &token, &proof(&port, &did, &key(3)));
    let first = proof(&port, &did, &key(3));
    assert_eq!(sign_in(&port, &first).status, StatusCode::OK);
    assert_eq!(sign_in(&port, &first).problem(), "challenge-ended");
    let twice = proof(&port, &did, &key(3));
    let store = Meeting::new(&port.store);
    let (environment, client) = (port.environment(), Client::default());
    let attempt = || link::sign_in(&store, &Offline, &twice, &client, &environment);
    let (one, other) = block_on(join(attempt(), attempt()));
    assert_eq!([one.is_ok(), other.is_ok()].iter().filter(|is_ok| **is_ok).count(), 1);
}

#[test]
fn a_proof_for_somebody_else_by_somebody_else_or_of_another_time_is_refused() {
    let port = Port::new();
    let did = did_key(&key(3));
    let good = claims(&port, &did, &nonce(&port));
    let with = |member: &str, value: Value| {
        let mut claims = good.clone();
        claims[member] = value;
        claims
    };
    let header = || Header::new("vwp-did+jwt").with_kid(&did);
    for (what, proof) in [
        ("another key", signed(&did, &good, &key(4))),
        ("another port", signed(&did, &with("aud", "https://other.example".into()), &key(3))),
        ("another identifier", signed(&did, &with("iss", did_key(&key(4)).into()), &key(3))),
        ("another time", signed(&did, &with("iat", 1.into()), &key(3))),
        ("more than a proof says", signed(&did, &with("sub", "ada".into()), &key(3))),
        ("another type", sign(&Header::new("jwt").with_kid(&did), &good, &key(3))),
        (
            "a key in the token",
            sign(&header().with_jwk(Jwk::from_key(key(3).verifying_key())), &good, &key(3)),
        ),
        ("no key named", sign(&Header::new("vwp-did+jwt"), &good, &key(3))),
        ("nothing", String::new()),
    ] {
        let answer = sign_in(&port, &proof);
        assert_eq!(
            (answer.status, answer.problem()),
            (StatusCode::UNAUTHORIZED, "did-proof-refused"),
            "{what}"
        );
    }
    let own = signed(&did, &with("nonce", jose::encode([1; 32]).into()), &key(3));
    assert_eq!(sign_in(&port, &own).problem(), "challenge-ended", "a challenge of the client's own");
    let late = proof(&port, &did, &key(3));
    port.advance_s(299);
    assert_eq!(sign_in(&port, &late).problem(), "did-unknown");
    let late = nonce(&port);
    port.advance_s(300);
    assert_eq!(
        sign_in(&port, &signed(&did, &claims(&port, &did, &late), &key(3))).problem(),
        "challenge-ended"
    );
}

#[test]
fn an_identifier_belongs_to_one_traveller_who_linked_it_just_after_signing_in() {
    let port = Port::new();
    let (ada, eve) = (port.arrive("ada"), port.arrive("eve"));
    let did = did_key(&key(3));
    assert_eq!(link(&port, &ada, &proof(&port, &did, &key(3))).status, StatusCode::CREATED);
    assert_eq!(link(&port, &eve, &proof(&port, &did, &key(3))).problem(), "did-linked");
    assert_eq!(port.send("DELETE", &format!("/v1/dids/{did}"), Some(&eve), "").status, StatusCode::NOT_FOUND);
    port.advance_s(301);
    let other = did_key(&key(4));
    assert_eq!(link(&port, &ada, &proof(&port, &other, &key(4))).problem(), "sign-in-not-recent");
}

#[test]
fn a_traveller_links_at_most_twenty() {
    let port = Port::new();
    let token = port.arrive("ada");
    for seed in 1..=21 {
        let linked = link(&port, &token, &proof(&port, &did_key(&key(seed)), &key(seed)));
        let expected = if seed <= 20 { "" } else { "too-many-dids" };
        assert_eq!(linked.problem(), expected, "{seed}");
    }
}
