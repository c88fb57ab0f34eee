//! The HTTP API apart from registering and searching: who may call what, and what
//! does not exist.

use crate::support::{ADMIN_TOKEN, Answer, Operator, Port, record};
use http::{Method, Request, StatusCode, header};
use vwp_core::caller::{OPERATOR_TOKEN_TYPE, OperatorClaims};
use vwp_core::jose::{self, Header};

fn call(port: &Port, method: &Method, uri: &str, token: Option<&str>) -> Answer {
    let mut request = Request::builder().method(method).uri(uri);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    port.send(request.body(Vec::new()).unwrap())
}

fn operator_token(port: &Port, operator: &Operator) -> String {
    let iat = port.environment().now_seconds();
    let claims = OperatorClaims {
        iss: operator.id.clone(),
        sub: operator.id.clone(),
        aud: port.settings.issuer.clone(),
        iat,
        exp: iat + 60,
        content_digest: None,
    };
    let header = Header::new(OPERATOR_TOKEN_TYPE).with_kid(&operator.id);
    jose::sign(&header, &serde_json::to_vec(&claims).unwrap(), &operator.key)
}

#[test]
fn only_the_administrator_lists_and_rotates_keys() {
    let (port, operator) = (Port::new(), Operator::new(1));
    port.register(&operator, &record("arena"));
    let token = operator_token(&port, &operator);
    for (method, uri, status) in [
        (Method::GET, "/v1/keys/zone", StatusCode::OK),
        (Method::POST, "/v1/keys/zone/rotate", StatusCode::CREATED),
    ] {
        assert_eq!(call(&port, &method, uri, None).slug(), "unauthorised");
        assert_eq!(call(&port, &method, uri, Some("wrong")).slug(), "unauthorised");
        assert_eq!(call(&port, &method, uri, Some(&token)).slug(), "forbidden");
        assert_eq!(call(&port, &method, uri, Some(ADMIN_TOKEN)).status, status);
    }
}

#[test]
fn after_a_rotation_new_receipts_have_the_new_key_and_old_ones_still_verify() {
    let (port, operator) = (Port::new(), Operator::new(1));
    port.register(&operator, &record("one"));
    let rotated = call(&port, &Method::POST, "/v1/keys/zone/rotate", Some(ADMIN_TOKEN)).json();
    port.register(&operator, &record("two"));
    let keys = call(&port, &Method::GET, "/v1/keys/zone", Some(ADMIN_TOKEN)).json();
    let keys = keys["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    assert_eq!((&keys[0]["kid"], &keys[0]["active"]), (&rotated["kid"], &true.into()));
    assert_eq!(port.get("/").json()["receipt_keys"]["keys"].as_array().unwrap().len(), 2);
    assert!(!keys.iter().any(|key| key.to_string().contains("sealed") || key["jwk"].get("d").is_some()));
}

#[test]
fn the_index_names_the_resources() {
    let index = Port::new().get("/");
    assert_eq!(index.status, StatusCode::OK);
    assert_eq!(index.json()["zone"], "vwp.test");
    assert_eq!(index.json()["resources"]["world"], "/v1/worlds/{name}{?after,wait}");
}

#[test]
fn what_does_not_exist_is_not_found() {
    let port = Port::new();
    for path in ["/v1", "/v1/worlds/", "/v1/worlds/a/b", "/v2/worlds", "/v1/keys", "/v1/worlds/unknown"] {
        assert_eq!(port.get(path).slug(), "not-found", "{path}");
    }
    for path in ["/v1/worlds/a..b", "/v1/worlds/vwp.test", "/v1/worlds/%FF", "/v1/worlds/_vw", "/v1/worlds/-"]
    {
        assert_eq!(port.get(path).slug(), "bad-name", "{path}");
    }
}

#[test]
fn a_method_that_a_resource_does_not_take_is_refused_with_those_it_takes() {
    let port = Port::new();
    for (method, path, allow) in [
        (Method::POST, "/", "GET, HEAD"),
        (Method::PUT, "/v1/worlds", "GET, HEAD, POST"),
        (Method::DELETE, "/v1/worlds/arena", "GET, HEAD"),
        (Method::PATCH, "/dns-query", "GET, HEAD, POST"),
        (Method::POST, "/v1/keys/zone", "GET, HEAD"),
        (Method::GET, "/v1/keys/zone/rotate", "POST"),
    ] {
        let answer = call(&port, &method, path, None);
        assert_eq!(answer.slug(), "method-not-allowed", "{method} {path}");
        assert_eq!(answer.headers[header::ALLOW], allow);
    }
}
