//! What others got wrong: tokens that choose how they are verified, and tokens that are shown
//! twice in another form.

use p256::ecdsa::SigningKey;
use p256::ecdsa::signature::Signer;
use serde_json::{Value, json};
use vwp_core::jose::{self, Header, Jwk};
use vwp_verifier::gate::Gate;
use vwp_verifier::keys::KeySet;
use vwp_verifier::status::{STATUS_LIST_TYPE, StatusError, StatusList, StatusReference};
use vwp_verifier::ticket::{Expected, TicketError, Unproven, verify};
use vwp_verifier::trust::{TRUST_LIST_TYPE, Trust, TrustError};
use vwp_verifier::verify::{Asking, PresentationError};

const NOW: u64 = 1_800_000_000_000;
const NOW_S: u64 = NOW / 1000;
const PORT: &str = "https://port.example";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

fn jwk(seed: u8) -> Jwk {
    Jwk::from_key(key(seed).verifying_key())
}

fn pinned() -> KeySet {
    KeySet::new(vec![jwk(1).with_kid("k1")])
}

/// A compact JWS whose header and payload are any texts.
fn raw(header: &str, payload: &str, seed: u8) -> String {
    let input = format!("{}.{}", jose::encode(header), jose::encode(payload));
    let signature: p256::ecdsa::Signature = key(seed).sign(input.as_bytes());
    format!("{input}.{}", jose::encode(signature.to_bytes()))
}

fn claims() -> Value {
    json!({ "ver": 1, "iss": PORT, "aud": "lagoon", "sub": "s", "jti": "t1", "iat": NOW_S, "exp": NOW_S + 120 })
}

fn ticket(claims: &Value) -> String {
    raw(r#"{"alg":"ES256","typ":"vwp-ticket+jwt","kid":"k1"}"#, &claims.to_string(), 1)
}

fn here() -> Expected<'static> {
    Expected { issuer: PORT, world: "lagoon", nonce: "n", now: NOW }
}

#[track_caller]
fn refused(compact: &str, reason: &str) {
    let error = verify(compact, None, &pinned(), &here()).unwrap_err();
    assert_eq!(error.slug(), reason, "{error}");
}

#[test]
fn a_ticket_does_not_choose_how_it_is_verified() {
    let payload = claims().to_string();
    let own = serde_json::to_string(&jwk(9)).unwrap();
    let unsigned = format!(
        "{}.{}.",
        jose::encode(r#"{"alg":"none","typ":"vwp-ticket+jwt","kid":"k1"}"#),
        jose::encode(&payload)
    );
    refused(&unsigned, "ticket-header");
    for (header, seed, reason) in [
        (r#"{"alg":"none","typ":"vwp-ticket+jwt","kid":"k1"}"#, 1, "ticket-header"),
        (r#"{"alg":"HS256","typ":"vwp-ticket+jwt","kid":"k1"}"#, 1, "ticket-header"),
        (r#"{"alg":"ES384","typ":"vwp-ticket+jwt","kid":"k1"}"#, 1, "ticket-header"),
        (r#"{"alg":"ES256","typ":"dc+sd-jwt","kid":"k1"}"#, 1, "ticket-header"),
        (r#"{"alg":"ES256","kid":"k1"}"#, 1, "ticket-header"),
        (r#"{"alg":"ES256","typ":"vwp-ticket+jwt","kid":"k1","crit":["exp"]}"#, 1, "ticket-header"),
        (r#"{"alg":"ES256","typ":"vwp-ticket+jwt","kid":"k1","kid":"k1"}"#, 1, "ticket-header"),
        (r#"{"alg":"ES256","typ":"vwp-ticket+jwt"}"#, 1, "ticket-key-unknown"),
        (r#"{"alg":"ES256","typ":"vwp-ticket+jwt","kid":"../../k1"}"#, 1, "ticket-key-unknown"),
        (
            r#"{"alg":"ES256","typ":"vwp-ticket+jwt","kid":"https://evil.example/k1"}"#,
            9,
            "ticket-key-unknown",
        ),
        (r#"{"alg":"ES256","typ":"vwp-ticket+jwt","kid":"k1"}"#, 9, "ticket-signature"),
    ] {
        refused(&raw(header, &payload, seed), reason);
    }
    // A key that the token brings along is not looked at, whatever its id.
    for kid in ["k1", "k9"] {
        let header = format!(r#"{{"alg":"ES256","typ":"vwp-ticket+jwt","kid":"{kid}","jwk":{own}}}"#);
        let reason = if kid == "k1" { "ticket-signature" } else { "ticket-key-unknown" };
        refused(&raw(&header, &payload, 9), reason);
    }
}

#[test]
fn a_tickets_claims_are_what_was_agreed_each_once() {
    assert!(verify(&ticket(&claims()), None, &pinned(), &here()).is_ok());
    let with = |member: &str, value: Value| {
        let mut claims = claims();
        claims[member] = value;
        ticket(&claims)
    };
    refused(&with("aud", json!("arena")), "ticket-audience");
    refused(&with("aud", json!(["lagoon"])), "ticket-claims");
    refused(&with("iss", json!("https://other.example")), "ticket-issuer");
    refused(&with("exp", json!(NOW_S)), "ticket-expired");
    refused(&with("exp", json!(NOW_S + 121)), "ticket-lifetime");
    refused(&with("exp", json!(u64::MAX)), "ticket-lifetime");
    refused(&with("ver", json!(2)), "protocol-mismatch");
    refused(&with("jti", json!("")), "ticket-claims");
    refused(&with("jti", json!("x".repeat(65))), "ticket-claims");
    refused(&with("sub", json!("")), "ticket-claims");
    let mut later = claims();
    later["iat"] = json!(NOW_S + 301);
    later["exp"] = json!(NOW_S + 401);
    refused(&ticket(&later), "ticket-not-yet-valid");
    for member in ["ver", "iss", "aud", "sub", "jti", "iat", "exp"] {
        refused(&with(member, Value::Null), "ticket-claims");
    }
    let twice = claims().to_string().replacen('{', r#"{"aud":"arena","#, 1);
    refused(&raw(r#"{"alg":"ES256","typ":"vwp-ticket+jwt","kid":"k1"}"#, &twice, 1), "ticket-claims");
    refused(&"x".repeat(20_000), "ticket-too-long");
}

#[test]
fn the_other_form_of_a_signature_is_no_new_ticket() {
    let first = ticket(&claims());
    let (input, signature) = first.rsplit_once('.').unwrap();
    let signature = p256::ecdsa::Signature::from_slice(&jose::decode(signature).unwrap()).unwrap();
    let (r, s) = signature.split_scalars();
    let twin = p256::ecdsa::Signature::from_scalars(*r, -*s).unwrap();
    let twin = format!("{input}.{}", jose::encode(twin.to_bytes()));
    assert_ne!(first, twin);
    let mut gate = Gate::new(10);
    let believed = verify(&first, None, &pinned(), &here()).unwrap();
    assert_eq!(gate.admit(&believed, NOW), Ok(()));
    let again = verify(&twin, None, &pinned(), &here()).unwrap();
    assert_eq!(gate.admit(&again, NOW), Err(TicketError::TicketSpent));
}

#[test]
fn a_key_binding_cannot_be_left_out() {
    let mut bound = claims();
    bound["cnf"] = json!({ "jwk": jwk(5) });
    refused(&ticket(&bound), "ticket-proof-missing");
    // Nor by a confirmation that is not understood.
    for cnf in [json!({}), json!({ "jkt": "x" }), json!({ "jwk": { "kty": "RSA" } })] {
        bound["cnf"] = cnf;
        refused(&ticket(&bound), "ticket-claims");
    }
}

fn list(claims: &Value, header: &str, seed: u8) -> String {
    raw(header, &claims.to_string(), seed)
}

#[test]
fn a_status_list_is_believed_of_its_issuer_for_its_place_and_time_alone() {
    let header = format!(r#"{{"alg":"ES256","typ":"{STATUS_LIST_TYPE}","kid":"k1"}}"#);
    let uri = "https://port.example/list/1";
    let good = json!({ "sub": uri, "iat": NOW_S, "exp": NOW_S + 600, "ttl": 60,
        "status_list": { "bits": 1, "lst": "eNrbuRgAAhcBXQ" } });
    let check = |compact: &str| StatusList::verify(compact, &pinned(), uri, NOW);
    let with = |member: &str, value: Value| {
        let mut claims = good.clone();
        claims[member] = value;
        check(&list(&claims, &header, 1)).unwrap_err()
    };
    let believed = check(&list(&good, &header, 1)).unwrap();
    assert_eq!((believed.ttl_s, believed.issued_at_s), (Some(60), NOW_S));
    let status = |index: u64, age_max_s: u64, now: u64| {
        believed.check(&StatusReference { uri: uri.into(), index }, age_max_s, now)
    };
    assert_eq!(status(1, 300, NOW), Ok(()));
    assert_eq!(status(0, 300, NOW), Err(StatusError::Revoked));
    assert_eq!(status(16, 300, NOW), Err(StatusError::Index), "what is not in the list is not good");
    assert_eq!(status(1, 300, NOW + 300_000), Ok(()));
    assert_eq!(status(1, 300, NOW + 301_000), Err(StatusError::Stale));
    assert_eq!(status(1, 10_000, NOW + 301_000), Ok(()), "a verifier may choose to serve on");
    assert_eq!(status(1, 10_000, NOW + 600_000), Err(StatusError::Stale), "but not for ever");
    let elsewhere = StatusReference { uri: "https://evil.example/list/1".into(), index: 1 };
    assert_eq!(believed.check(&elsewhere, 300, NOW), Err(StatusError::List));
    assert_eq!(with("sub", json!("https://port.example/list/2")), StatusError::List);
    assert_eq!(with("exp", json!(NOW_S)), StatusError::Stale);
    assert_eq!(with("iat", json!(NOW_S + 301)), StatusError::NotYetValid);
    assert_eq!(
        with("status_list", json!({ "bits": 3, "lst": "eNrbuRgAAhcBXQ" })).slug(),
        "status-list-claims"
    );
    assert_eq!(with("status_list", json!({ "bits": 1, "lst": "AAAA" })), StatusError::Compression);
    assert_eq!(with("status_list", json!({ "bits": 1 })).slug(), "status-list-claims");
    assert_eq!(check(&list(&good, &header, 9)), Err(StatusError::Signature));
    let unknown = header.replace("k1", "k9");
    assert_eq!(check(&list(&good, &unknown, 1)), Err(StatusError::UnknownKey));
    for other in
        [r#"{"alg":"ES256","typ":"JWT","kid":"k1"}"#, r#"{"alg":"none","typ":"statuslist+jwt","kid":"k1"}"#]
    {
        assert_eq!(check(&list(&good, other, 1)).unwrap_err().slug(), "status-list-header");
    }
}

#[test]
fn a_status_that_is_told_in_an_unknown_way_is_not_taken_for_a_good_one() {
    let of = |claims: Value| StatusReference::from_claims(claims.as_object().unwrap());
    assert_eq!(of(json!({})), Ok(None));
    for status in
        [json!({}), json!({ "other": 1 }), json!({ "status_list": { "idx": -1, "uri": "u" } }), json!("x")]
    {
        assert!(of(json!({ "status": status })).is_err());
    }
}

fn trust_list(keys: &Value, iat: u64, exp: u64, seed: u8) -> String {
    let header = format!(
        r#"{{"alg":"ES256","typ":"{TRUST_LIST_TYPE}","jwk":{}}}"#,
        serde_json::to_string(&jwk(seed)).unwrap()
    );
    let claims = json!({ "iat": iat, "exp": exp, "issuers": [{ "issuer": PORT, "keys": keys }] });
    raw(&header, &claims.to_string(), seed)
}

#[test]
fn issuers_come_from_a_list_whose_signer_is_pinned() {
    let keys = json!([jwk(1).with_kid("k1")]);
    let good = trust_list(&keys, NOW_S, NOW_S + 3600, 7);
    let trust = Trust::from_list(&good, &jwk(7), NOW).unwrap();
    assert!(trust.verify_ticket(&ticket(&claims()), None, &here()).is_ok());
    assert_eq!(
        Trust::from_list(&good, &jwk(8), NOW),
        Err(TrustError::Signature),
        "not by the key that it carries"
    );
    for (iat, exp) in [(NOW_S + 301, NOW_S + 3600), (NOW_S - 10, NOW_S)] {
        let other = trust_list(&keys, iat, exp, 7);
        assert_eq!(Trust::from_list(&other, &jwk(7), NOW), Err(TrustError::Time));
    }
    // A list that was good when it was read does not count for ever.
    let late = Expected { now: NOW + 3_600_000, ..here() };
    assert_eq!(trust.verify_ticket(&ticket(&claims()), None, &late), Err(Unproven::Issuer.into()));
    let without_id = trust_list(&json!([jwk(1)]), NOW_S, NOW_S + 3600, 7);
    assert_eq!(Trust::from_list(&without_id, &jwk(7), NOW), Err(TrustError::Form));
}

#[test]
fn keys_are_rotated_with_overlap() {
    let mut old = serde_json::to_value(jwk(1).with_kid("k1")).unwrap();
    old["exp"] = json!(NOW_S + 100);
    let mut new = serde_json::to_value(jwk(2).with_kid("k2")).unwrap();
    new["nbf"] = json!(NOW_S + 350);
    let list = trust_list(&json!([old, new]), NOW_S, NOW_S + 3600, 7);
    let trust = Trust::from_list(&list, &jwk(7), NOW).unwrap();
    let ids = |now: u64| -> Vec<String> {
        trust.keys(PORT, now).unwrap().keys().iter().filter_map(|key| key.kid.clone()).collect()
    };
    assert_eq!(ids(NOW), ["k1"]);
    assert_eq!(ids(NOW + 60_000), ["k1", "k2"], "the new one counts early, for a clock that is behind");
    assert_eq!(ids(NOW + 100_000), ["k2"]);
}

#[test]
fn a_world_trusts_whom_its_record_names_and_otherwise_its_port() {
    let mut trust = Trust::new();
    trust.pin(PORT, &pinned()).pin("https://other.example", &KeySet::new(vec![jwk(2).with_kid("k2")]));
    let named = |issuers: &[&str]| {
        let issuers: Vec<String> = issuers.iter().map(ToString::to_string).collect();
        let trust = trust.for_world(&issuers, PORT);
        [PORT, "https://other.example"].map(|issuer| trust.keys(issuer, NOW).is_some())
    };
    assert_eq!(named(&[]), [true, false]);
    assert_eq!(named(&["https://other.example"]), [false, true]);
    assert_eq!(named(&[PORT, "https://other.example", "https://unknown.example"]), [true, true]);
}

#[test]
fn a_passport_of_an_issuer_that_is_not_pinned_is_refused_whatever_it_brings() {
    let payload = json!({ "iss": "https://evil.example", "vct": "urn:vwp:passport:1" }).to_string();
    let header = format!(
        r#"{{"alg":"ES256","typ":"dc+sd-jwt","kid":"k1","jwk":{}}}"#,
        serde_json::to_string(&jwk(9)).unwrap()
    );
    let shown = format!("{}~x.y.z", raw(&header, &payload, 9));
    let mut trust = Trust::new();
    trust.pin(PORT, &pinned());
    let asking = Asking { audience: "lagoon", world: "lagoon", nonce: "n", now: NOW };
    assert_eq!(trust.verify(&shown, &asking), Err(PresentationError::Untrusted));
    let impostor = shown.replacen(
        &jose::encode(&payload),
        &jose::encode(payload.replace("https://evil.example", PORT)),
        1,
    );
    assert_eq!(trust.verify(&impostor, &asking), Err(PresentationError::PassportSignature));
}

#[test]
fn a_did_document_pins_the_keys_that_assert_and_no_others() {
    let did = "did:web:port.example";
    let method = |id: &str, seed: u8, controller: &str| json!({ "id": id, "type": "JsonWebKey2020", "controller": controller, "publicKeyJwk": jwk(seed) });
    let document = json!({
        "id": did,
        "verificationMethod": [
            method("did:web:port.example#k1", 1, did),
            method("#k2", 2, did),
            method("#k3", 3, did),
            method("#k4", 4, "did:web:evil.example"),
        ],
        "assertionMethod": ["#k1", "did:web:port.example#k2", "#k4", method("#k5", 5, did), "#missing"],
        "authentication": ["#k3"],
    });
    let mut trust = Trust::new();
    trust.pin_did(PORT, did, &document.to_string()).unwrap();
    let keys = trust.keys(PORT, NOW).unwrap();
    let known: Vec<&str> = keys.keys().iter().filter_map(|key| key.kid.as_deref()).collect();
    assert_eq!(known, ["k1", "k2", "k5"]);
    assert!(trust.verify_ticket(&ticket(&claims()), None, &here()).is_ok());
    for (issuer_did, text) in [
        ("did:web:other.example", document.to_string()),
        (did, json!({ "id": did }).to_string()),
        (did, document.to_string().replacen('{', r#"{"id":"x","#, 1)),
        (did, " ".repeat(70_000)),
    ] {
        assert_eq!(Trust::new().pin_did(PORT, issuer_did, &text), Err(TrustError::Form));
    }
}

#[test]
fn a_header_made_by_the_project_itself_is_one_that_it_believes() {
    let header = Header::new("vwp-ticket+jwt").with_kid("k1");
    let compact = jose::sign(&header, claims().to_string().as_bytes(), &key(1));
    assert_eq!(verify(&compact, None, &pinned(), &here()).unwrap().id, "t1");
}
