//! Passports for a wallet that this project did not write, over OpenID4VCI.

use serde_json::{Value, json};
use std::process::Command;
use vwp_tests::host::Host;
use vwp_tests::http::{Call, Reply};
use vwp_tests::people::{Operator, Traveller};
use vwp_tests::{libraries, tools};

/// Where the wallet gets its codes.
const CALLBACK: &str = "https://wallet.example/callback";
/// The grant type of credential offers (OpenID4VCI 1.0, section 4.1.1).
const PRE_AUTHORISED: &str = "urn:ietf:params:oauth:grant-type:pre-authorized_code";

/// Asks for a client that belongs to no world.
fn register(host: &Host, token: Option<&str>) -> Reply {
    let metadata = json!({
        "client_name": "A wallet", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", PRE_AUTHORISED],
    });
    host.http.send(&Call::json("/v1/clients", &metadata).maybe_bearer(token))
}

/// A registered wallet, if the administrator of the deployment is known.
fn wallet(host: &Host) -> Option<String> {
    let Some(token) = &host.admin_token else {
        tools::skip("wallets", "the administrator registers them, whose token is not known");
        return None;
    };
    Some(register(host, Some(token)).expect(201).text("client_id"))
}

/// What a traveller is told of an offer that it makes.
#[track_caller]
fn offer(host: &Host, ada: &Traveller, what: &Value) -> Value {
    host.http.send(&Call::json("/v1/passports/offers", what).bearer(&ada.token)).expect(201).json()
}

#[test]
fn openid4vci_takes_an_offer_and_comes_by_itself() {
    let Some(folder) = libraries::node(&["wallet.mjs", "browser.mjs"]) else { return };
    let host = Host::shared();
    let Some(client) = wallet(&host) else { return };
    let (arena, ada) = (Operator::registered(&host, "arena"), Traveller::signed_in(&host));
    let offer = offer(&host, &ada, &json!({"world": arena.world}));
    let everybodys = format!(
        "openid-credential-offer://?credential_offer_uri={}/oauth/offers/authorization-code",
        host.issuer.trim_end_matches('/')
    );
    let task = json!({
        "issuer": host.issuer, "client": client, "redirect_uri": CALLBACK,
        "handle": ada.handle, "password": ada.password, "everybodys": everybodys,
        "by_value": offer["by_value"], "by_reference": offer["by_reference"], "tx_code": offer["tx_code"],
    });
    let mut node = Command::new("node");
    let found = libraries::answer(node.arg("wallet.mjs").current_dir(&folder), &task);

    assert_eq!(found["same"], true, "an offer is the same by value and by reference");
    assert_eq!(found["version"], "V1", "the library finds the final version, and no draft");
    assert_eq!(found["guessed"], "invalid_grant", "another transaction code");
    assert_eq!(found["replayed"], "invalid_grant", "an offer is good once");
    assert_eq!(found["details"][0]["world"], arena.world.as_str());

    let copies = found["batch"]["payloads"].as_array().expect("passports");
    assert_eq!((copies.len(), &found["batch"]["bound"]), (10, &json!(true)), "each bound to its key");
    for copy in copies {
        assert_eq!((&copy["aud"], &copy["handle"]), (&json!(arena.world), &json!(ada.handle)));
        assert_ne!(copy["sub"], ada.id.as_str(), "a name for this world alone");
        assert!(copy.get("traveller").is_none(), "{copy}");
    }
    let place = |copy: &Value| copy["status"]["status_list"]["idx"].as_u64();
    assert_ne!(place(&copies[0]), place(&copies[1]));
    assert_eq!(found["nonceReplayed"], "invalid_nonce");
    assert_eq!(found["atOnce"], json!(["invalid_nonce", "nothing"]), "of two with one nonce, one");
    assert_eq!(found["stolen"], "invalid_token", "the token with another key");

    assert_eq!((&found["scope"], &found["anywhere"]["bound"]), (&json!("passport"), &json!(true)));
    for copy in found["anywhere"]["payloads"].as_array().expect("passports") {
        assert_eq!((copy.get("aud"), &copy["traveller"]), (None, &json!(ada.id)));
    }
}

#[test]
fn the_administrator_alone_registers_wallets() {
    let host = Host::shared();
    let arena = Operator::registered(&host, "arena");
    assert_eq!(register(&host, None).status, 401);
    assert_eq!(register(&host, Some(&arena.token(&host))).status, 403);
    let metadata = json!({
        "client_name": "A wallet", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none",
    });
    let signed = arena.statement(&host, "vwp-client+jws", metadata).sign(&arena.key);
    assert_eq!(host.http.send(&Call::jose("/v1/clients", signed)).status, 403);
}

#[test]
fn an_offer_reaches_a_wallet_through_the_gateway_and_is_kept_by_nobody() {
    let host = Host::shared();
    let ada = Traveller::signed_in(&host);
    let offer = offer(&host, &ada, &json!({}));
    let place = offer["credential_offer_uri"].as_str().expect("a place");
    let path = place.strip_prefix(host.issuer.trim_end_matches('/')).expect("a place of this port");
    let fetched = host.http.send(&Call::get(path)).expect(200);
    assert_eq!(fetched.json(), offer["credential_offer"]);
    assert_eq!(fetched.header("content-type"), "application/json");
    assert_eq!(fetched.header("cache-control"), "no-store");
    host.http.send(&Call::get("/oauth/offers/none")).expect_problem(404, "not-found");
    let metadata = host.http.send(&Call::get("/.well-known/openid-credential-issuer")).expect(200).json();
    assert_eq!(metadata["credential_issuer"], host.issuer.as_str());
    assert_eq!(metadata["credential_configurations_supported"]["passport"]["format"], "dc+sd-jwt");
}
