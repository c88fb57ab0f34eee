//! Logging in to a world with an account of the port, by clients that this project did not write.

use serde_json::{Value, json};
use std::process::Command;
use vwp_client::key::Key;
use vwp_tests::host::Host;
use vwp_tests::http::Call;
use vwp_tests::people::{Operator, Traveller};
use vwp_tests::{libraries, tools};

/// Where the world's web server gets its codes.
const CALLBACK: &str = "https://arena.example/callback";
/// The grant type of devices (RFC 8628, section 3.4).
const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Registers a client of an operator's world; gives out its id.
#[track_caller]
fn register(host: &Host, operator: &Operator, metadata: Value) -> String {
    let signed = operator.statement(host, "vwp-client+jws", metadata).sign(&operator.key);
    host.http.send(&Call::jose("/v1/clients", signed)).expect(201).text("client_id")
}

/// A client that proves who it is with a key, and that key as a JWK with its private part.
#[track_caller]
fn confidential(host: &Host, operator: &Operator, is_bound: bool) -> (String, Value) {
    let folder = tempfile::tempdir().expect("a folder for a key");
    let file = folder.path().join("client.jwk");
    let key = Key::create(&file).expect("a key");
    let private = std::fs::read(&file).expect("the key's file");
    let client = register(
        host,
        operator,
        json!({
            "world": operator.world, "client_name": "A server", "redirect_uris": [CALLBACK],
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": {"keys": [key.jwk().with_kid(key.id())]},
            "grant_types": ["authorization_code", "refresh_token"],
            "dpop_bound_access_tokens": is_bound,
        }),
    );
    (client, serde_json::from_slice(&private).expect("a JWK"))
}

/// What a client with a key is told.
fn task(host: &Host, ada: &Traveller, (client, key): (String, Value)) -> Value {
    let jwk: vwp_core::jose::Jwk =
        serde_json::from_value(json!({"kty": "EC", "crv": "P-256", "x": key["x"], "y": key["y"]})).unwrap();
    json!({
        "issuer": host.issuer, "client": client, "redirect_uri": CALLBACK, "key": key,
        "kid": jwk.thumbprint(), "handle": ada.handle, "password": ada.password,
    })
}

#[test]
fn openid_client_logs_in_with_pushed_requests_and_bound_tokens() {
    let Some(folder) = libraries::node(&["openid-client.mjs", "browser.mjs"]) else { return };
    let host = Host::shared();
    let (operator, ada) = (Operator::registered(&host, "arena"), Traveller::signed_in(&host));
    let task = task(&host, &ada, confidential(&host, &operator, true));
    let mut node = Command::new("node");
    let found = libraries::answer(node.arg("openid-client.mjs").current_dir(&folder), &task);

    assert_eq!(found["claims"]["iss"], host.issuer.as_str());
    assert_ne!(found["claims"]["sub"], ada.id.as_str(), "a name for this world alone");
    assert_eq!(found["user"]["preferred_username"], ada.handle.as_str());
    assert_eq!(found["token_type"], "dpop");
    assert_eq!(found["active"]["active"], true);
    assert_eq!(found["active"]["sub"], found["claims"]["sub"]);
    assert_eq!(found["bearer"], 401, "a bound token is no bearer token");
    assert_eq!(found["reused"], "invalid_grant");
    assert_eq!(found["family"], false, "a reused refresh token ends the family");
    assert_eq!(found["same"], true, "the same name at the next visit");
    assert_eq!(found["replayed"], "invalid_grant");
    assert_eq!(found["replayedToken"], false, "a reused code ends what it gave");
    assert_eq!(found["revoked"], false);
}

#[test]
fn oauth4webapi_logs_in_from_a_browser_and_from_a_console() {
    let Some(folder) = libraries::node(&["oauth4webapi.mjs", "browser.mjs"]) else { return };
    let host = Host::shared();
    let (operator, ada) = (Operator::registered(&host, "arena"), Traveller::signed_in(&host));
    let public = |more: &Value| {
        let mut metadata = json!({
            "world": operator.world, "client_name": "A game", "token_endpoint_auth_method": "none",
            "dpop_bound_access_tokens": false,
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            metadata[name] = value.clone();
        }
        register(&host, &operator, metadata)
    };
    let task = json!({
        "issuer": host.issuer, "redirect_uri": CALLBACK, "handle": ada.handle, "password": ada.password,
        "client": public(&json!({"redirect_uris": [CALLBACK]})),
        "device_client": public(&json!({"grant_types": [DEVICE, "refresh_token"]})),
        "audience": format!("urn:vwp:world:{}", operator.world),
    });
    let mut node = Command::new("node");
    let found = libraries::answer(node.arg("oauth4webapi.mjs").current_dir(&folder), &task);

    assert_eq!(found["user"], json!({"sub": found["claims"]["sub"], "preferred_username": ada.handle}));
    assert_eq!(found["mix"], "OAUTH_INVALID_RESPONSE", "an answer that another server would have given");
    assert_eq!(found["wrong"], "invalid_grant", "another PKCE verifier");
    assert_eq!(found["access"]["sub"], found["claims"]["sub"], "verified offline by the world's server");
    assert_eq!(found["elsewhere"], "OAUTH_JWT_CLAIM_COMPARISON_FAILED", "another world's server");
    assert_eq!((&found["pending"], &found["early"]), (&json!("authorization_pending"), &json!("slow_down")));
    assert_eq!(found["done"], true);
    assert_eq!(found["device"], found["claims"]["sub"], "the same name on every device of a world");
    assert_eq!(found["refresh"], "string");
}

#[test]
fn authlib_logs_in_and_manages_its_tokens() {
    let Some((python, folder)) = libraries::python(&["provider.py"]) else { return };
    let host = Host::shared();
    let (operator, ada) = (Operator::registered(&host, "arena"), Traveller::signed_in(&host));
    let task = task(&host, &ada, confidential(&host, &operator, false));
    let mut client = Command::new(&python);
    let client = client.arg("provider.py").current_dir(&folder).env("no_proxy", "*");
    let found = libraries::answer(client, &task);

    assert_eq!(found["user"]["sub"], found["claims"]["sub"]);
    assert_eq!(found["user"]["preferred_username"], ada.handle.as_str());
    assert_eq!(found["scope"], "openid profile offline_access");
    assert_eq!(found["rotated"], true);
    assert_eq!(found["active"]["active"], true);
    assert_eq!(found["revoked"], 200);
    assert_eq!(found["ended"], json!([false, false]), "all tokens of the family");
}

#[test]
fn pages_reach_a_browser_with_their_policy_and_cookie_through_the_gateway() {
    let host = Host::shared();
    let operator = Operator::registered(&host, "arena");
    let (client, _) = confidential(&host, &operator, true);
    let query = format!(
        "client_id={client}&response_type=code&redirect_uri=https%3A%2F%2Farena.example%2Fcallback&scope=openid\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
    );
    let page = host.http.send(&Call::get(format!("/oauth/authorize?{query}"))).expect(200);
    let policy = page.header("content-security-policy");
    assert!(policy.contains("frame-ancestors 'none'") && policy.contains("style-src 'self'"), "{policy}");
    assert!(page.header("set-cookie").contains("HttpOnly; SameSite=Lax"), "{}", page.header("set-cookie"));
    let style = host.http.send(&Call::get("/oauth/style.css")).expect(200);
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");

    let elsewhere = query.replace("arena.example", "evil.example");
    let refused = host.http.send(&Call::get(format!("/oauth/authorize?{elsewhere}"))).expect(400);
    assert_eq!(refused.header("location"), "", "nobody is sent to a place that was not registered");
    let form = Call::new("POST", format!("/oauth/sign-in?{query}"))
        .body("application/x-www-form-urlencoded", "handle=ada&password=x");
    assert_eq!(host.http.send(&form).status, 403, "a form from nowhere");
    assert_eq!(host.http.send(&Call::get("/device")).expect(200).header("x-frame-options"), "DENY");
}

#[test]
fn curl_finds_the_metadata_of_both_standards() {
    if !tools::require("curl", "curl") {
        return;
    }
    let host = Host::shared();
    for name in ["openid-configuration", "oauth-authorization-server"] {
        let mut curl = Command::new("curl");
        let url = format!("{}/.well-known/{name}", host.url);
        let printed = tools::run(curl.args(["--silent", "--fail", "--noproxy", "*", &url]));
        let metadata: Value = serde_json::from_str(&printed).expect("JSON");
        assert_eq!(metadata["issuer"], host.issuer.as_str());
        assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
    }
}
