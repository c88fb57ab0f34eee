//! Registering clients.

use super::support::{
    Browser, Client, Site, as_administrator, operator, query, registration, run_world, with,
};
use crate::support::{ISSUER, key, sign};
use http::StatusCode;
use p256::ecdsa::SigningKey;
use serde_json::{Value, json};
use vwp_core::jose::{Header, Jwk};

fn operator_token(site: &Site, key: &SigningKey) -> String {
    let id = Jwk::from_key(key.verifying_key()).thumbprint();
    let now = site.port.now() / 1000;
    let claims = json!({"iss": id, "sub": id, "aud": ISSUER, "iat": now, "exp": now + 60});
    sign(&Header::new("vwp-operator+jwt").with_kid(id), &claims, key)
}

#[test]
fn an_operator_registers_lists_and_ends_the_clients_of_its_world_and_nobody_else_does() {
    let site = Site::new();
    run_world(&site.port, "keep", &key(3));
    let answer = site.send_registration(&registration(), &operator());
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    let id = answer.json["client_id"].as_str().unwrap();
    let path = format!("/v1/clients/{id}");
    assert_eq!(answer.headers["location"], path.as_str());
    assert_eq!(answer.json["world"], "arena");
    assert_eq!(answer.json["operator"], Jwk::from_key(operator().verifying_key()).thumbprint());

    let (own, other) = (operator_token(&site, &operator()), operator_token(&site, &key(3)));
    assert_eq!(site.port.get("/v1/clients", Some(&own)).json["clients"][0]["client_id"], id);
    assert_eq!(site.port.get("/v1/clients", Some(&other)).json["clients"], json!([]));
    assert_eq!(site.port.get(&path, Some(&own)).status, StatusCode::OK);
    assert_eq!(site.port.get(&path, Some(&other)).status, StatusCode::NOT_FOUND);
    assert_eq!(site.port.send("DELETE", &path, Some(&other), "").status, StatusCode::NOT_FOUND);
    assert_eq!(site.port.get(&path, None).status, StatusCode::UNAUTHORIZED);
    let traveller = site.port.sign_in("ada", crate::support::PASSWORD).json["access_token"].clone();
    assert_eq!(site.port.get(&path, traveller.as_str()).status, StatusCode::FORBIDDEN);
    assert_eq!(as_administrator(&site, "GET", "/v1/clients", &json!({})).json["clients"][0]["client_id"], id);

    assert_eq!(site.port.send("DELETE", &path, Some(&own), "").status, StatusCode::NO_CONTENT);
    assert_eq!(site.port.get(&path, Some(&own)).status, StatusCode::NOT_FOUND);
    let client = Client { id: id.to_owned(), key: None };
    let page = Browser::new(&site).get(&format!("/oauth/authorize?{}", query(&client, &[])));
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
}

#[test]
fn the_administrator_registers_for_any_world_and_an_operator_must_sign() {
    let site = Site::new();
    assert_eq!(as_administrator(&site, "POST", "/v1/clients", &registration()).status, StatusCode::CREATED);
    let token = operator_token(&site, &operator());
    assert_eq!(site.port.post("/v1/clients", Some(&token), &registration()).status, StatusCode::FORBIDDEN);
    assert_eq!(site.port.post("/v1/clients", None, &registration()).status, StatusCode::UNAUTHORIZED);
    let answer = site.send_registration(&registration(), &key(9));
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "an operator whom nobody knows");
    run_world(&site.port, "keep", &key(3));
    let answer = site.send_registration(&registration(), &key(3));
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "another operator's world");
}

#[test]
fn a_registration_is_taken_once_and_only_while_it_is_current() {
    let site = Site::new();
    let first = site.send_registration(&registration(), &operator());
    assert_eq!(first.status, StatusCode::CREATED);
    let again = site.send_registration(&registration(), &operator());
    assert_eq!((again.status, again.problem()), (StatusCode::CONFLICT, "registration-replayed"));
    let old = with(registration(), &json!({"iat": site.port.now() / 1000 - 301}));
    assert_eq!(site.send_registration(&old, &operator()).status, StatusCode::BAD_REQUEST);
    let elsewhere = with(registration(), &json!({"aud": "https://other.example"}));
    assert_eq!(site.send_registration(&elsewhere, &operator()).status, StatusCode::BAD_REQUEST);
}

#[test]
fn what_breaks_a_rule_is_not_registered() {
    let site = Site::new();
    let own_key = json!({"keys": [Jwk::from_key(key(2).verifying_key())]});
    let wrong: [Value; 14] = [
        json!({"redirect_uris": []}),
        json!({"redirect_uris": vec!["https://a.example/"; 9]}),
        json!({"redirect_uris": ["https://user@arena.example/callback"]}),
        json!({"redirect_uris": ["https://arena.example/a/..;/callback"]}),
        json!({"redirect_uris": ["https://arena.example/a%2fcallback"]}),
        json!({"redirect_uris": ["https://arena.example/a/../callback"]}),
        json!({"redirect_uris": ["https://arena.example/#"]}),
        json!({"redirect_uris": ["http://arena.example/"]}),
        json!({"client_name": ""}),
        json!({"client_name": "x".repeat(65)}),
        json!({"grant_types": ["refresh_token"]}),
        json!({"jwks": {"keys": []}}),
        json!({"token_endpoint_auth_method": "none", "jwks": own_key}),
        json!({"jwks": {"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}}),
    ];
    for more in wrong {
        let answer = site.send_registration(&with(registration(), &more), &operator());
        assert_eq!(
            (answer.status, answer.problem()),
            (StatusCode::UNPROCESSABLE_ENTITY, "client-unacceptable"),
            "{more}"
        );
    }
    for more in [json!({"surprise": 1}), json!({"token_endpoint_auth_method": "client_secret_basic"})] {
        let answer = site.send_registration(&with(registration(), &more), &operator());
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{more}");
    }
    let answer = site.send_registration(&with(registration(), &json!({"world": "nowhere"})), &operator());
    assert_eq!((answer.status, answer.problem()), (StatusCode::CONFLICT, "unknown-world"));
}

#[test]
fn an_operator_has_a_bounded_number_of_clients() {
    let site = Site::new();
    for number in 0..64 {
        site.client(&json!({"client_name": format!("Client {number}")}));
    }
    let answer = site.send_registration(&registration(), &operator());
    assert_eq!((answer.status, answer.problem()), (StatusCode::CONFLICT, "too-many-clients"));
    // Who ends one has room for another one; and the list goes on where it is told.
    let list = |after: &str| {
        let clients = as_administrator(&site, "GET", &format!("/v1/clients?after={after}"), &json!({})).json;
        clients["clients"].as_array().unwrap().clone()
    };
    let all = list("");
    assert_eq!(all.len(), 64);
    let before = all[62]["client_id"].as_str().unwrap();
    assert_eq!(list(before), all[63..]);
    let path = format!("/v1/clients/{before}");
    assert_eq!(as_administrator(&site, "DELETE", &path, &json!({})).status, StatusCode::NO_CONTENT);
    let answer = site.send_registration(&with(registration(), &json!({"client_name": "New"})), &operator());
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
}

#[test]
fn a_world_that_changes_hands_takes_no_client_along() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let tokens = site.tokens(&client, "openid offline_access");
    run_world(&site.port, "arena", &key(3));
    let page = Browser::new(&site).get(&format!("/oauth/authorize?{}", query(&client, &[])));
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    let refreshed = site.refresh(&client, tokens["refresh_token"].as_str().unwrap());
    assert_eq!(
        (refreshed.status, &refreshed.json["error"]),
        (StatusCode::UNAUTHORIZED, &json!("invalid_client"))
    );
    assert!(!site.is_good(tokens["access_token"].as_str().unwrap()));
}

#[test]
fn an_assertion_is_taken_once_from_its_client_for_this_port_alone() {
    let site = Site::new();
    let client = site.client(&json!({}));
    let now = site.port.now() / 1000;
    let ask = |assertion: &str| {
        let pairs = super::support::form(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", "x"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
        ]);
        let request = http::Request::post("/oauth/token")
            .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        site.port.answer(request.body(pairs.into_bytes()).unwrap()).json["error"].clone()
    };
    let good = site.assertion(&client, &json!({}));
    assert_eq!(ask(&good), "invalid_grant", "it is the refresh token that is wrong");
    assert_eq!(ask(&good), "invalid_client", "a second time");
    for more in [
        json!({"aud": "https://other.example"}),
        json!({"aud": [ISSUER, "https://other.example"]}),
        json!({"aud": format!("{ISSUER}/oauth/token")}),
        json!({"exp": now}),
        json!({"exp": now + 7200}),
        json!({"iat": now + 3600}),
        json!({"iss": "somebody"}),
        json!({"sub": "somebody"}),
        json!({"jti": ""}),
    ] {
        assert_eq!(ask(&site.assertion(&client, &more)), "invalid_client", "{more}");
    }
    let stranger = Client { key: Some(key(9)), ..client.clone() };
    assert_eq!(ask(&site.assertion(&stranger, &json!({}))), "invalid_client", "another key");
    let embedded = Header::new("JWT").with_jwk(Jwk::from_key(key(9).verifying_key()));
    let claims = json!({"iss": client.id, "sub": client.id, "aud": ISSUER, "exp": now + 60, "jti": "j"});
    assert_eq!(ask(&sign(&embedded, &claims, &key(9))), "invalid_client", "a key that it brings along");
    let keyless = Client { key: None, ..client };
    assert_eq!(site.refresh(&keyless, "x").json["error"], "invalid_client", "no assertion at all");
}
