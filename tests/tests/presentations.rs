//! Passports that a world asks for, from a wallet that this project did not write, over OpenID4VP.

use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;
use vwp_client::key::Key;
use vwp_tests::host::Host;
use vwp_tests::http::Call;
use vwp_tests::people::{Operator, Traveller};
use vwp_tests::{libraries, secrets, tools};

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

/// A wallet of libraries, and what it did with two worlds of a port: what it found, and whose passports it has.
/// `anchor` is the certificate that it trusts, if the port has one that leads to it.
#[track_caller]
fn wallet(folder: &Path, host: &Host, anchor: Option<&str>) -> (Value, Traveller) {
    let (arena, lagoon) = (Operator::registered(host, "arena"), Operator::registered(host, "lagoon"));
    let ada = Traveller::signed_in(host);
    let (client, key, kid) = server(host, &arena);
    let task = json!({
        "issuer": host.issuer, "client": client, "key": key, "kid": kid, "redirect_uri": CALLBACK,
        "world": arena.world, "other": lagoon.world, "token": ada.token, "anchor": anchor,
    });
    let mut node = Command::new("node");
    (libraries::answer(node.arg("presentation.mjs").current_dir(folder), &task), ada)
}

/// Makes a certificate with OpenSSL: files of its name with its key and with itself. Without an issuer, it signs
/// itself.
#[track_caller]
fn certify(folder: &Path, name: &str, issuer: Option<&str>, is_authority: bool) {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-nodes", "-days", "30", "-newkey", "ec"]);
    openssl.args(["-pkeyopt", "ec_paramgen_curve:P-256", "-subj", &format!("/CN={name}")]);
    openssl.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")]);
    openssl.args(["-extensions", if is_authority { "v3_ca" } else { "usr_cert" }]);
    if let Some(issuer) = issuer {
        openssl.args(["-CA", &format!("{issuer}.pem"), "-CAkey", &format!("{issuer}.key")]);
    }
    tools::run(openssl.current_dir(folder));
}

/// Certificates of an authority that wallets know, `anchor.pem`, and what an operator has of it: `chain.pem` and
/// `port.key`.
#[track_caller]
fn certificates() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder for certificates");
    certify(folder.path(), "anchor", None, true);
    certify(folder.path(), "between", Some("anchor"), true);
    certify(folder.path(), "port", Some("between"), false);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("what OpenSSL wrote");
    read("port.key").lines().filter(|line| !line.starts_with('-')).for_each(secrets::note);
    let chain = format!("{}{}", read("port.pem"), read("between.pem"));
    std::fs::write(folder.path().join("chain.pem"), chain).expect("a chain's file");
    folder
}

#[test]
fn openid4vp_shows_a_world_what_it_asked_for_and_nothing_else() {
    let Some(folder) = libraries::node(&["presentation.mjs"]) else { return };
    let host = Host::shared();
    let (found, ada) = wallet(&folder, &host, None);

    assert_eq!(found["version"], 100, "the library finds the final version, and no draft");
    assert_eq!(found["client"]["prefix"], "decentralized_identifier");
    assert_eq!(found["responseMode"], "direct_post");
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
fn wallets_that_want_a_certificate_are_asked_under_that_of_the_port() {
    if std::env::var_os("VWP_URL").is_some_and(|url| !url.is_empty()) {
        tools::skip(
            "presentations under a certificate",
            "the deployment is another one's, and has none of ours",
        );
        return;
    }
    let Some(folder) = libraries::node(&["presentation.mjs"]) else { return };
    if !tools::require("openssl", "openssl") {
        return;
    }
    let made = certificates();
    let file = |name: &str| made.path().join(name).display().to_string();
    let certificates = format!("presentation_certificates=@{}", file("chain.pem"));
    let key = format!("presentation_key=@{}", file("port.key"));
    let host = Host::start_with(&["--variable", &certificates, "--variable", &key]);
    let anchor = std::fs::read_to_string(file("anchor.pem")).expect("what OpenSSL wrote");
    let (found, ada) = wallet(&folder, &host, Some(&anchor));

    assert_eq!(found["version"], 100, "the library finds the final version, and no draft");
    assert_eq!(found["client"]["prefix"], "x509_hash");
    assert_eq!(found["client"]["effective"], found["clientId"]);
    assert_eq!(found["subjects"], json!(["CN=port", "CN=between"]), "and the trust anchor stays away");
    assert_eq!(found["responseMode"], "direct_post.jwt", "a world that says nothing gets encrypted answers");
    let told = &found["across"][2]["body"]["credentials"]["pass"][0];
    assert_eq!(told["claims"], json!({"handle": ada.handle}), "{}", found["across"]);
    assert_eq!(found["here"], json!([CALLBACK, "invalid_grant", "presented"]));
    assert_eq!(found["walletNonce"], "the-wallets-nonce");
    assert_eq!(found["otherAudience"], json!([400, "audience-mismatch"]));
    assert_eq!(found["otherWorld"], json!([400, "passport-audience"]));
    let shown = json!([200, "presented", ada.handle]);
    assert_eq!(found["encrypted"], json!([shown, shown, shown]));
    assert_eq!(found["openly"], json!([400, "answer-unencrypted"]));
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
