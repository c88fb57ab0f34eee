//! Passports that a world asks for, from a wallet that this project did not write, over OpenID4VP.

use serde_json::{Value, json};
use std::process::Command;
use vwp_client::key::Key;
use vwp_tests::host::Host;
use vwp_tests::http::Call;
use vwp_tests::libraries;
use vwp_tests::people::{Operator, Traveller};

/// Where the world's web server takes browsers back.
const CALLBACK: &str = "https://arena.example/callback";

/// A server of a world, its key as a JWK with the private part, and the key's id.
#[track_caller]
fn server(host: &Host, operator: &Operator) -> (String, Value, String) {
    let folder = tempfile::tempdir().expect("a folder for a key");
    let file = folder.path().join("server.jwk");
    let key = Key::create(&file).expect("a key");
    let metadata = json!({
        "world": operator.world, "client_name": "A server", "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [key.jwk().with_kid(key.id())]},
    });
    let signed = operator.statement(host, "vwp-client+jws", metadata).sign(&operator.key);
    let client = host.http.send(&Call::jose("/v1/clients", signed)).expect(201).text("client_id");
    let private = std::fs::read(&file).expect("the key's file");
    (client, serde_json::from_slice(&private).expect("a JWK"), key.id())
}

#[test]
fn openid4vp_shows_a_world_what_it_asked_for_and_nothing_else() {
    let Some(folder) = libraries::node(&["presentation.mjs"]) else { return };
    let host = Host::shared();
    let (arena, lagoon) = (Operator::registered(&host, "arena"), Operator::registered(&host, "lagoon"));
    let ada = Traveller::signed_in(&host);
    let (client, key, kid) = server(&host, &arena);
    let task = json!({
        "issuer": host.issuer, "client": client, "key": key, "kid": kid, "redirect_uri": CALLBACK,
        "world": arena.world, "other": lagoon.world, "token": ada.token,
    });
    let mut node = Command::new("node");
    let found = libraries::answer(node.arg("presentation.mjs").current_dir(&folder), &task);

    assert_eq!(found["version"], 100, "the library finds the final version, and no draft");
    assert_eq!(found["client"]["prefix"], "decentralized_identifier");
    assert_eq!(found["client"]["effective"], found["clientId"]);
    assert_eq!(found["waiting"], json!([202, "pending"]));
    let [answered, again, told] = found["across"].as_array().expect("answers").as_slice() else { panic!() };
    assert_eq!((answered, again), (&json!({"status": 200, "body": {}}), &json!(400)), "one answer counts");
    let pass = &told["body"]["credentials"]["pass"][0];
    assert_eq!(pass["claims"], json!({"handle": ada.handle}), "{told}");
    assert_eq!(pass["issuer"], host.issuer.as_str());
    assert_ne!(pass["subject"], ada.id.as_str(), "a name for this world alone");
    assert_eq!(found["fetchedTwice"], "invalid_grant");
    assert_eq!(found["here"], json!([CALLBACK, "invalid_grant", "presented"]));
    assert_eq!(found["contentType"], "application/oauth-authz-req+jwt");
    assert_eq!(found["walletNonce"], "the-wallets-nonce");

    assert_eq!(found["otherAudience"], json!([400, "audience-mismatch"]));
    assert_eq!(found["otherNonce"], json!([400, "nonce-mismatch"]));
    assert_eq!(found["nothing"], json!([400, "presentation-unmatched"]));
    assert_eq!(found["otherWorld"], json!([400, "passport-audience"]));
    assert_eq!(found["tooMuch"]["credentials"]["pass"][0]["claims"], json!({"handle": ada.handle}));
    assert!(!found["tooMuch"].to_string().contains(&ada.id), "{}", found["tooMuch"]);
    assert_eq!(found["no"], json!([200, {"status": "declined", "error": "access_denied"}]));

    let shown = json!([200, "presented", ada.handle]);
    assert_eq!(found["encrypted"], json!([shown, shown, shown]), "with both encryptions, and parties named");
    assert_eq!(found["encryptedNo"], found["no"]);
    assert_eq!(found["openly"], json!([400, "answer-unencrypted"]));
    let refused =
        json!([[400, "jwe-algorithm"], [400, "jwe-encryption"], [400, "jwe-encryption"], [400, "pending"]]);
    assert_eq!(found["otherEncryption"], refused);
}

#[test]
fn nobody_but_a_world_begins_and_the_worlds_did_is_there_for_everybody() {
    let host = Host::shared();
    let arena = Operator::registered(&host, "arena");
    let form =
        |path: &str| Call::new("POST", path).body("application/x-www-form-urlencoded", "dcql_query=%7B%7D");
    for path in ["/oauth/presentations", "/oauth/presentations/result"] {
        let refused = host.http.send(&form(path)).expect(401).json();
        assert_eq!(refused["error"], "invalid_client", "{path}");
    }
    let path = format!("/oauth/verifiers/{}/did.json", arena.world);
    let document = host.http.send(&Call::get(path)).expect(200).json();
    let did = document["id"].as_str().expect("an id");
    assert!(did.starts_with("did:web:") && did.ends_with(&arena.world), "{did}");
    assert_eq!(document["authentication"][0], document["verificationMethod"][0]["id"]);
    host.http.send(&Call::get("/oauth/presentations/requests/none")).expect_problem(404, "not-found");
}
