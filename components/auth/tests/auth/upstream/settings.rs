//! What a deployment configures, and what a provider says of itself.

use super::support::{Browser, OP, Provider, port};
use crate::support::Port;
use http::StatusCode;
use serde_json::{Value, json};
use vwp_auth::upstream::providers::{PROVIDERS, SECRETS};

fn configured(list: &str, secrets: &str) -> Port {
    let mut port = Port::new();
    port.settings.options.insert(PROVIDERS, list.to_owned());
    port.settings.options.insert(SECRETS, secrets.to_owned());
    port
}

#[test]
fn the_page_offers_the_providers_and_is_where_they_send_browsers_back_to() {
    let port = port(&json!({}));
    let offered = port.get("/v1/upstream", None).json;
    assert_eq!(offered, json!({ "providers": [{ "name": "op", "title": "The OP", "issuer": OP }] }));
    let page = port.get("/signin/upstream/op?code=a&state=b", None);
    assert_eq!((page.status, page.text), (StatusCode::OK, port.get("/signin", None).text));
    assert_eq!(port.get("/signin/upstream/other", None).status, StatusCode::NOT_FOUND);
    assert_eq!(Port::new().get("/v1/upstream", None).json, json!({ "providers": [] }));
    for (method, path) in [
        ("DELETE", "/v1/upstream"),
        ("GET", "/v1/upstream/sessions"),
        ("PUT", "/v1/upstream/links"),
        ("POST", "/v1/upstream/links/x"),
    ] {
        assert_eq!(
            port.send(method, path, None, "{}").status,
            StatusCode::METHOD_NOT_ALLOWED,
            "{method} {path}"
        );
    }
    assert_eq!(port.get("/v1/upstream/other", None).status, StatusCode::NOT_FOUND);
}

#[test]
fn a_configuration_that_is_wrong_serves_nobody() {
    let entry = |member: &str, value: Value| {
        let mut entry = json!({ "name": "op", "issuer": OP, "client_id": "port" });
        entry[member] = value;
        json!([entry]).to_string()
    };
    for list in [
        "nothing".to_owned(),
        "{}".to_owned(),
        entry("name", "Op/".into()),
        entry("name", "".into()),
        entry("issuer", "http://op.example".into()),
        entry("issuer", "https://user@op.example".into()),
        entry("issuer", "https://op.example?tenant=1".into()),
        entry("issuer", "https://op.example#tenant".into()),
        entry("issuer", "op.example".into()),
        entry("client_id", "".into()),
        entry("scope", "profile".into()),
        entry("id_token_signed_response_alg", "HS256".into()),
        entry("id_token_signed_response_alg", "none".into()),
        entry("token_endpoint_auth_method", "client_secret_basic".into()),
        entry("client_secret", "here".into()),
    ] {
        let answer = configured(&list, "").get("/v1/upstream", None);
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{list}");
        assert!(!answer.text.contains("op.example"), "{}", answer.text);
    }
    let unused = configured(&entry("title", "OP".into()), r#"{"other":"secret"}"#).get("/v1/upstream", None);
    assert_eq!(unused.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(
        configured(&entry("issuer", "http://127.0.0.1:4000".into()), "").get("/v1/upstream", None).status,
        StatusCode::OK
    );
}

#[test]
fn a_provider_whose_metadata_is_of_another_one_or_leads_astray_is_not_used() {
    for (member, value) in [
        ("issuer", json!("https://evil.example")),
        ("issuer", json!("https://op.example/")),
        ("token_endpoint", json!("http://op.example/token")),
        ("token_endpoint", json!("https://user:secret@op.example/token")),
        ("jwks_uri", json!("http://127.0.0.1/keys")),
        ("jwks_uri", json!("file:///etc/passwd")),
        ("authorization_endpoint", json!("javascript:alert(1)")),
        ("authorization_endpoint", json!("https://op.example/authorize#")),
        ("code_challenge_methods_supported", json!(["plain"])),
        ("token_endpoint", Value::Null),
    ] {
        let (port, provider) = (port(&json!({})), Provider::new());
        provider.metadata.borrow_mut()[member] = value.clone();
        let browser = Browser::new(&port, &provider);
        let begun = browser.post("/v1/upstream/authorizations", None, &json!({ "provider": "op" }));
        assert_eq!(begun.problem(), "upstream-failed", "{member} {value}");
    }
    let (port, provider) = (port(&json!({})), Provider::new());
    provider.status.set(StatusCode::FOUND);
    let browser = Browser::new(&port, &provider);
    let begin = |name: &str| browser.post("/v1/upstream/authorizations", None, &json!({ "provider": name }));
    assert_eq!(begin("op").problem(), "upstream-failed", "a redirect is not followed");
    assert_eq!(begin("other").problem(), "upstream-unknown");
}

#[test]
fn metadata_is_asked_for_once_an_hour() {
    let (port, provider) = (port(&json!({})), Provider::new());
    let browser = Browser::new(&port, &provider);
    let path = "/.well-known/openid-configuration";
    browser.begin();
    browser.begin();
    assert_eq!(provider.asked_for(path), 1);
    port.advance_s(3600);
    browser.begin();
    assert_eq!(provider.asked_for(path), 2);
}

#[test]
fn a_port_that_is_reached_in_the_open_takes_no_accounts_of_others() {
    let mut port = port(&json!({}));
    let provider = Provider::new();
    port.settings.issuer = "http://port.example".into();
    let begin = |port: &Port| {
        Browser::new(port, &provider).post("/v1/upstream/authorizations", None, &json!({ "provider": "op" }))
    };
    assert_eq!(begin(&port).problem(), "upstream-insecure");
    // On one machine it does, for whoever develops there.
    port.settings.issuer = "http://127.0.0.1:3000".into();
    let cookie = begin(&port).headers["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.starts_with("vwp-upstream=") && !cookie.contains("Secure"), "{cookie}");
}

#[test]
fn beginning_and_ending_sign_ins_is_limited_like_other_ceremonies() {
    let (port, provider) = (port(&json!({})), Provider::new());
    let mut last = None;
    for _ in 0..121 {
        let mut request = Browser::new(&port, &provider).request(
            "/v1/upstream/authorizations",
            None,
            &json!({ "provider": "op" }),
        );
        request.headers_mut().insert("spin-client-addr", "192.0.2.1:49152".parse().unwrap());
        last = Some(port.answer_online(&provider, request));
    }
    assert_eq!(last.unwrap().problem(), "throttled");
}
