//! Passkeys, from the first ceremony to the last.

use crate::authenticator::{Authenticator, BACKED_UP, BACKUP_ELIGIBLE, USER_PRESENT, USER_VERIFIED};
use crate::clients::Meeting;
use crate::support::{Answer, Port};
use futures::executor::block_on;
use futures::future::join;
use http::StatusCode;
use serde_json::{Value, json};
use vwp_auth::AuthError;
use vwp_auth::limits::Client;
use vwp_auth::passkeys::{PasskeyError, authenticate};

fn begin_registration(port: &Port, token: &str, name: &str) -> Value {
    let begun = port.post("/v1/passkeys/options", Some(token), &json!({ "name": name }));
    assert_eq!(begun.status, StatusCode::OK, "{}", begun.text);
    begun.json
}

fn finish_registration(port: &Port, token: &str, begun: &Value, credential: &Value) -> Answer {
    let body = json!({ "ceremony": begun["ceremony"], "credential": credential });
    port.post("/v1/passkeys", Some(token), &body)
}

fn register(port: &Port, token: &str, name: &str, authenticator: &mut Authenticator) -> Answer {
    let begun = begin_registration(port, token, name);
    finish_registration(port, token, &begun, &authenticator.create(&begun["publicKey"]))
}

fn begin(port: &Port) -> Value {
    let begun = port.post("/v1/passkeys/sessions/options", None, &json!({}));
    assert_eq!(begun.status, StatusCode::OK, "{}", begun.text);
    begun.json
}

fn finish(port: &Port, begun: &Value, credential: &Value) -> Answer {
    let body = json!({ "ceremony": begun["ceremony"], "credential": credential });
    port.post("/v1/passkeys/sessions", None, &body)
}

fn sign_in(port: &Port, authenticator: &mut Authenticator) -> Answer {
    let begun = begin(port);
    finish(port, &begun, &authenticator.get(&begun["publicKey"]))
}

/// A port, a traveller's token, and the traveller's passkey.
fn registered() -> (Port, String, Authenticator) {
    let port = Port::new();
    let token = port.arrive("ada");
    let mut authenticator = Authenticator::new(7);
    let answer = register(&port, &token, "phone", &mut authenticator);
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    (port, token, authenticator)
}

#[test]
fn a_traveller_signs_in_with_a_passkey_without_saying_who_it_is() {
    let (port, token, mut phone) = registered();
    let me = port.get("/v1/travellers/me", Some(&token)).json;
    let session = sign_in(&port, &mut phone);
    assert_eq!(session.status, StatusCode::OK, "{}", session.text);
    assert_eq!(session.json["traveller"], me["traveller"]);
    let again = port.get("/v1/travellers/me", session.json["access_token"].as_str());
    assert_eq!(again.json, me);
}

#[test]
fn a_browser_is_asked_for_a_discoverable_passkey_that_verifies_its_user() {
    let port = Port::new();
    let token = port.arrive("ada");
    let begun = begin_registration(&port, &token, "phone");
    let options = &begun["publicKey"];
    assert_eq!(options["rp"]["id"], "port.example");
    assert_eq!(options["authenticatorSelection"]["residentKey"], "required");
    assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
    assert_eq!(options["attestation"], "none");
    assert_eq!(options["pubKeyCredParams"], json!([{ "type": "public-key", "alg": -7 }]));
    let begun = begin(&port);
    assert_eq!(begun["publicKey"]["userVerification"], "required");
    assert_eq!(begun["publicKey"]["allowCredentials"], json!([]));
    assert_ne!(begun["ceremony"], begun["publicKey"]["challenge"]);
}

#[test]
fn an_answer_is_taken_once() {
    let (port, _, mut phone) = registered();
    let begun = begin(&port);
    let credential = phone.get(&begun["publicKey"]);
    assert_eq!(finish(&port, &begun, &credential).status, StatusCode::OK);
    let replayed = finish(&port, &begun, &credential);
    assert_eq!((replayed.status, replayed.problem()), (StatusCode::CONFLICT, "ceremony-ended"));
    // Nor is it taken for another challenge.
    assert_eq!(finish(&port, &begin(&port), &credential).problem(), "wrong-challenge");
}

#[test]
fn of_two_answers_to_one_challenge_at_once_one_is_taken() {
    let (port, _, mut phone) = registered();
    let begun = begin(&port);
    let name = begun["ceremony"].as_str().unwrap();
    let credentials = [phone.get(&begun["publicKey"]), phone.get(&begun["publicKey"])];
    let [one, other] = credentials.map(|credential| serde_json::from_value(credential).unwrap());
    let store = Meeting::new(&port.store);
    let (environment, client) = (port.environment(), Client::default());
    let outcomes = block_on(join(
        authenticate::finish(&store, name, &one, &client, &environment),
        authenticate::finish(&store, name, &other, &client, &environment),
    ));
    let outcomes = [outcomes.0, outcomes.1];
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let refused = outcomes.into_iter().find_map(Result::err);
    assert_eq!(refused, Some(AuthError::Passkey(PasskeyError::CeremonyEnded)));
}

#[test]
fn two_sign_ins_of_one_traveller_at_once_both_succeed() {
    let (port, _, mut phone) = registered();
    let begun = [begin(&port), begin(&port)];
    let credentials =
        begun.each_ref().map(|begun| serde_json::from_value(phone.get(&begun["publicKey"])).unwrap());
    let names = begun.each_ref().map(|begun| begun["ceremony"].as_str().unwrap());
    let store = Meeting::new(&port.store);
    let (environment, client) = (port.environment(), Client::default());
    let (one, other) = block_on(join(
        authenticate::finish(&store, names[0], &credentials[0], &client, &environment),
        authenticate::finish(&store, names[1], &credentials[1], &client, &environment),
    ));
    assert!(one.is_ok() && other.is_ok());
}

#[test]
fn the_challenge_is_never_taken_from_the_client() {
    let (port, _, mut phone) = registered();
    let own = jose_random();
    phone.challenge = Some(own.clone());
    assert_eq!(sign_in(&port, &mut phone).problem(), "wrong-challenge");
    // A ceremony that the port did not begin is none.
    let forged = json!({ "ceremony": own, "publicKey": { "challenge": own } });
    assert_eq!(finish(&port, &forged, &phone.get(&forged["publicKey"])).problem(), "ceremony-ended");
}

fn jose_random() -> String {
    vwp_core::jose::encode([9; 32])
}

#[test]
fn a_challenge_ends_with_its_first_answer_right_or_wrong_and_after_five_minutes() {
    let (port, _, mut phone) = registered();
    let begun = begin(&port);
    let mut elsewhere = phone.clone();
    elsewhere.origin = "https://port.example.evil.example".into();
    assert_eq!(finish(&port, &begun, &elsewhere.get(&begun["publicKey"])).problem(), "wrong-origin");
    assert_eq!(finish(&port, &begun, &phone.get(&begun["publicKey"])).problem(), "ceremony-ended");
    let late = begin(&port);
    port.advance_s(300);
    assert_eq!(finish(&port, &late, &phone.get(&late["publicKey"])).problem(), "ceremony-ended");
}

#[test]
fn an_answer_to_another_origin_or_relying_party_is_refused() {
    let (port, _, phone) = registered();
    for (origin, relying_party) in [
        ("https://evil.example", "port.example"),
        ("http://port.example", "port.example"),
        ("https://port.example:8443", "port.example"),
        ("https://sub.port.example", "port.example"),
        ("https://port.example", "evil.example"),
    ] {
        let mut lured = phone.clone();
        (lured.origin, lured.relying_party) = (origin.into(), relying_party.into());
        let answer = sign_in(&port, &mut lured);
        assert_eq!((answer.status, answer.problem()), (StatusCode::UNAUTHORIZED, "wrong-origin"), "{origin}");
    }
}

#[test]
fn a_user_who_was_not_verified_is_refused_at_registration_and_at_sign_in() {
    let (port, token, mut phone) = registered();
    phone.flags = USER_PRESENT;
    assert_eq!(sign_in(&port, &mut phone).problem(), "user-not-verified");
    let mut other = Authenticator::new(8);
    other.flags = USER_PRESENT;
    assert_eq!(register(&port, &token, "key", &mut other).problem(), "user-not-verified");
}

#[test]
fn somebody_elses_key_and_an_unknown_passkey_are_refused() {
    let (port, token, phone) = registered();
    let user = port.get("/v1/travellers/me", Some(&token)).json["traveller"].clone();
    let mut impostor = Authenticator::new(9);
    impostor.create(&json!({ "challenge": "", "user": { "id": user } }));
    assert_eq!(sign_in(&port, &mut impostor).problem(), "passkey-unknown");
    let begun = begin(&port);
    let mut forged = phone.clone().get(&begun["publicKey"]);
    let other = impostor.get(&begun["publicKey"]);
    forged["response"]["signature"] = other["response"]["signature"].clone();
    assert_eq!(finish(&port, &begun, &forged).problem(), "passkey-refused");
}

#[test]
fn a_counter_that_goes_backwards_is_refused_and_told_at_every_sign_in() {
    let (port, token, mut phone) = registered();
    let mut copy = phone.clone();
    phone.counter = 40;
    assert_eq!(sign_in(&port, &mut phone).status, StatusCode::OK);
    copy.counter = 7;
    let refused = sign_in(&port, &mut copy);
    assert_eq!((refused.status, refused.problem()), (StatusCode::UNAUTHORIZED, "passkey-counter-regressed"));
    let listed = port.get("/v1/passkeys", Some(&token));
    assert_eq!(listed.json["passkeys"][0]["counter_regressed_at"], port.now());
    let session = sign_in(&port, &mut phone);
    let notice = &session.json["notices"][0];
    assert_eq!(
        (&notice["notice"], &notice["passkey"]),
        (&"passkey-counter-regressed".into(), &"phone".into())
    );
}

#[test]
fn a_passkey_without_a_counter_is_used_again_and_again() {
    let port = Port::new();
    let token = port.arrive("ada");
    let mut synced = Authenticator::new(3);
    synced.flags = USER_PRESENT | USER_VERIFIED | BACKUP_ELIGIBLE;
    synced.counter = 0;
    assert_eq!(register(&port, &token, "synced", &mut synced).status, StatusCode::CREATED);
    for _ in 0..3 {
        synced.counter = 0;
        assert_eq!(sign_in(&port, &mut synced).status, StatusCode::OK);
    }
    synced.counter = 0;
    synced.flags |= BACKED_UP;
    assert_eq!(sign_in(&port, &mut synced).status, StatusCode::OK);
    let listed = &port.get("/v1/passkeys", Some(&token)).json["passkeys"][0];
    assert_eq!((&listed["backup_eligible"], &listed["backed_up"]), (&true.into(), &true.into()));
    assert_eq!(listed["last_used_at"], port.now());
}

#[test]
fn passkeys_have_names_and_can_be_removed() {
    let (port, token, mut phone) = registered();
    let mut laptop = Authenticator::new(8);
    register(&port, &token, "laptop", &mut laptop);
    let listed = port.get("/v1/passkeys", Some(&token)).json;
    let names: Vec<_> = listed["passkeys"].as_array().unwrap().iter().map(|key| &key["name"]).collect();
    assert_eq!(names, ["phone", "laptop"]);
    let path = format!("/v1/passkeys/{}", listed["passkeys"][0]["id"].as_str().unwrap());
    let renamed = port.post(&path, Some(&token), &json!({ "name": "old phone" }));
    assert_eq!(renamed.status, StatusCode::NO_CONTENT);
    assert_eq!(port.get("/v1/passkeys", Some(&token)).json["passkeys"][0]["name"], "old phone");
    assert_eq!(port.send("DELETE", &path, Some(&token), "").status, StatusCode::NO_CONTENT);
    assert_eq!(port.send("DELETE", &path, Some(&token), "").status, StatusCode::NOT_FOUND);
    assert_eq!(sign_in(&port, &mut phone).problem(), "passkey-unknown");
    assert_eq!(sign_in(&port, &mut laptop).status, StatusCode::OK);
}

#[test]
fn a_passkey_belongs_to_one_traveller() {
    let (port, token, phone) = registered();
    let eve = port.arrive("eve");
    let mut stolen = phone.clone();
    assert_eq!(register(&port, &eve, "mine now", &mut stolen).problem(), "passkey-registered");
    let path = format!(
        "/v1/passkeys/{}",
        port.get("/v1/passkeys", Some(&token)).json["passkeys"][0]["id"].as_str().unwrap()
    );
    assert_eq!(port.send("DELETE", &path, Some(&eve), "").status, StatusCode::NOT_FOUND);
    // Nor does a ceremony of one traveller serve another.
    let begun = begin_registration(&port, &token, "phone");
    let credential = Authenticator::new(4).create(&begun["publicKey"]);
    assert_eq!(finish_registration(&port, &eve, &begun, &credential).problem(), "ceremony-ended");
}

#[test]
fn linking_and_removing_need_a_sign_in_of_the_last_five_minutes() {
    let (port, token, _) = registered();
    let begun = begin_registration(&port, &token, "laptop");
    let credential = Authenticator::new(8).create(&begun["publicKey"]);
    let id = port.get("/v1/passkeys", Some(&token)).json["passkeys"][0]["id"].clone();
    port.advance_s(301);
    for answer in [
        port.post("/v1/passkeys/options", Some(&token), &json!({ "name": "laptop" })),
        finish_registration(&port, &token, &begun, &credential),
        port.send("DELETE", &format!("/v1/passkeys/{}", id.as_str().unwrap()), Some(&token), ""),
        port.post("/v1/travellers/me/password", Some(&token), &json!({ "password": "another good one" })),
        port.post("/v1/recovery/codes", Some(&token), &json!({})),
    ] {
        assert_eq!((answer.status, answer.problem()), (StatusCode::FORBIDDEN, "sign-in-not-recent"));
    }
    assert_eq!(port.get("/v1/passkeys", Some(&token)).status, StatusCode::OK);
}

#[test]
fn a_traveller_has_at_most_twenty_passkeys() {
    let port = Port::new();
    let token = port.arrive("ada");
    for seed in 1..=20 {
        let name = format!("key {seed}");
        let answer = register(&port, &token, &name, &mut Authenticator::new(seed));
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    }
    let more = port.post("/v1/passkeys/options", Some(&token), &json!({ "name": "one more" }));
    assert_eq!(more.problem(), "too-many-passkeys");
}

#[test]
fn other_origins_are_believed_only_if_the_deployment_lists_them() {
    let (mut port, _, mut phone) = registered();
    phone.origin = "https://port.example.org".into();
    assert_eq!(sign_in(&port, &mut phone).problem(), "wrong-origin");
    assert_eq!(port.get("/.well-known/webauthn", None).json, json!({ "origins": [] }));
    let listed = "https://port.example.org, http://plain.example, nonsense";
    port.settings.options.insert("related_origins", listed.into());
    assert_eq!(sign_in(&port, &mut phone).status, StatusCode::OK);
    let document = port.get("/.well-known/webauthn", None).json;
    assert_eq!(document, json!({ "origins": ["https://port.example.org"] }));
}

#[test]
fn a_port_without_a_domain_says_that_it_has_no_passkeys() {
    let mut port = Port::new();
    port.settings.issuer = "http://127.0.0.1:3000".into();
    let answer = port.post("/v1/passkeys/sessions/options", None, &json!({}));
    assert_eq!((answer.status, answer.problem()), (StatusCode::NOT_IMPLEMENTED, "passkeys-unavailable"));
}

#[test]
fn names_that_break_a_rule_are_refused() {
    let port = Port::new();
    let token = port.arrive("ada");
    for name in ["", "   ", "a\u{0}b", &"x".repeat(65)] {
        let answer = port.post("/v1/passkeys/options", Some(&token), &json!({ "name": name }));
        assert_eq!(answer.problem(), "name-unacceptable", "{name:?}");
    }
}

#[test]
fn the_page_has_no_script_of_its_own_and_allows_none_from_elsewhere() {
    let port = Port::new();
    let page = port.get("/signin", None);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(page.text.contains("autocomplete=\"username webauthn\""));
    let scripts: Vec<&str> = page.text.matches("<script").collect();
    assert_eq!(scripts.len(), 1);
    assert!(page.text.contains("<script type=\"module\" src=\"/signin/page.js\"></script>"));
    assert!(!page.text.contains("style=") && !page.text.contains(" onclick"));
    for (path, media_type) in [("/signin/page.js", "text/javascript"), ("/signin/page.css", "text/css")] {
        let asset = port.get(path, None);
        assert!(asset.headers["content-type"].to_str().unwrap().starts_with(media_type));
    }
}
