//! Signing in at a port with an account at a provider that this project did not write, and that signs
//! with RS256 as most do.

use serde_json::json;
use std::net::TcpListener;
use std::process::Command;
use vwp_tests::host::Host;
use vwp_tests::{libraries, tools, unique};

const CLIENT: &str = "port";
const SECRET: &str = "a secret with a : and a +";

#[test]
fn a_person_signs_up_and_in_with_an_account_at_oidc_provider() {
    if std::env::var_os("VWP_URL").is_some_and(|url| !url.is_empty()) {
        tools::skip("another provider", "the deployment is another one's, and knows no provider of ours");
        return;
    }
    let Some(folder) = libraries::node(&["upstream.mjs"]) else { return };
    // Free again for the provider, which the port has to know before it starts.
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let issuer = format!("http://{}", free.expect("an address for the provider"));
    let providers = json!([{
        "name": "op", "issuer": issuer, "client_id": CLIENT, "id_token_signed_response_alg": "RS256",
    }]);
    let variables = [
        ("upstream_providers", providers.to_string()),
        ("upstream_secrets", json!({ "op": SECRET }).to_string()),
        ("upstream_hosts", issuer.clone()),
    ];
    let arguments: Vec<String> = variables
        .iter()
        .flat_map(|(name, value)| ["--variable".to_owned(), format!("{name}={value}")])
        .collect();
    let host = Host::start_with(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let task = json!({
        "issuer": issuer, "port": host.issuer, "client": CLIENT, "secret": SECRET,
        "handle": unique("ada").replace('-', ""),
    });
    let mut node = Command::new("node");
    let found = libraries::answer(node.arg("upstream.mjs").current_dir(&folder), &task);

    assert_eq!(found["iss"], issuer.as_str(), "it names itself in its answers (RFC 9207)");
    assert_eq!(found["unknown"], 202);
    assert_eq!(found["signedUp"][0], 200, "{found}");
    assert_eq!(found["again"], found["signedUp"], "the same traveller in another browser");
    assert_eq!(found["other"], 202, "another account is nobody's");
    assert_eq!(found["replayed"], "urn:vwp:problem:sign-in-ended");
    assert_eq!(found["elsewhere"], "urn:vwp:problem:sign-in-ended", "another browser");
}
