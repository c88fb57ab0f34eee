//! Sessions, and who may do what.

use crate::support::{ADMIN, ISSUER, Port, key, sign};
use futures::executor::block_on;
use http::{StatusCode, header};
use serde_json::json;
use vwp_auth::sessions;
use vwp_core::jose::Header;

#[test]
fn signing_out_ends_the_session_at_once_and_no_other() {
    let port = Port::new();
    let first = port.arrive("ada");
    let second = port.sign_in("ada", crate::support::PASSWORD);
    let second = second.json["access_token"].as_str();
    let out = port.send("DELETE", "/v1/sessions/current", Some(&first), "");
    assert_eq!((out.status, out.text.as_str()), (StatusCode::NO_CONTENT, ""));
    for _ in 0..2 {
        assert_eq!(port.get("/v1/travellers/me", Some(&first)).status, StatusCode::UNAUTHORIZED);
        assert_eq!(port.get("/v1/travellers/me", second).status, StatusCode::OK);
        // Nor does it come back when the note of its end is no longer kept.
        port.advance_s(1800);
    }
    port.advance_s(3600);
    assert_eq!(port.get("/v1/travellers/me", Some(&first)).status, StatusCode::UNAUTHORIZED);
}

#[test]
fn a_session_ends_after_an_hour() {
    let port = Port::new();
    let token = port.arrive("ada");
    port.advance_s(3599);
    assert_eq!(port.get("/v1/travellers/me", Some(&token)).status, StatusCode::OK);
    port.advance_s(1);
    assert_eq!(port.get("/v1/travellers/me", Some(&token)).status, StatusCode::UNAUTHORIZED);
}

#[test]
fn a_token_that_somebody_else_signed_is_nobodys() {
    let port = Port::new();
    let genuine = port.arrive("ada");
    let kid = port.get("/.well-known/jwks.json", None).json["keys"][0]["kid"].as_str().unwrap().to_owned();
    let now = port.now() / 1000;
    let claims = json!({ "iss": ISSUER, "aud": ISSUER, "sub": "ada", "client_id": ISSUER, "jti": "s",
        "iat": now, "exp": now + 60 });
    let forged = sign(&Header::new("at+jwt").with_kid(kid), &claims, &key(9));
    let unsigned = format!("{}.", genuine.rsplit_once('.').unwrap().0);
    for token in [forged.as_str(), &unsigned, "", "x", "a.b.c"] {
        let answer = port.get("/v1/travellers/me", Some(token));
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{token}");
        assert_eq!(answer.headers[header::WWW_AUTHENTICATE], "Bearer");
        let environment = port.environment();
        assert!(block_on(sessions::authenticate(&port.store, token, &environment)).is_err());
    }
}

#[test]
fn what_is_for_travellers_is_for_nobody_else_and_what_is_for_the_administrator_neither() {
    let port = Port::new();
    let traveller = port.arrive("ada");
    let for_travellers =
        [("GET", "/v1/travellers/me"), ("DELETE", "/v1/sessions/current"), ("POST", "/v1/passports")];
    for (method, path) in for_travellers {
        assert_eq!(port.send(method, path, None, "{}").status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(port.send(method, path, Some(ADMIN), "{}").status, StatusCode::FORBIDDEN, "{path}");
    }
    let for_the_administrator =
        [("GET", "/v1/keys/issuer", StatusCode::OK), ("POST", "/v1/keys/issuer/rotate", StatusCode::CREATED)];
    for (method, path, done) in for_the_administrator {
        assert_eq!(port.send(method, path, None, "").status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(port.send(method, path, Some("guess"), "").status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(port.send(method, path, Some(&traveller), "").status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(port.send(method, path, Some(ADMIN), "").status, done, "{path}");
    }
}

#[test]
fn unknown_paths_and_wrong_methods_are_problems() {
    let port = Port::new();
    let answer = port.get("/v1/nothing", None);
    assert_eq!((answer.status, answer.problem()), (StatusCode::NOT_FOUND, "not-found"));
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
    for (method, path, allow) in [
        ("PUT", "/v1/sessions", "GET, HEAD, POST, DELETE"),
        ("POST", "/v1/sessions/current", "DELETE"),
        ("PUT", "/.well-known/jwks.json", "GET, HEAD"),
        ("GET", "/v1/passports/verify", "POST"),
    ] {
        let answer = port.send(method, path, None, "");
        assert_eq!((answer.status, answer.problem()), (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"));
        assert_eq!(answer.headers[header::ALLOW], allow);
    }
}

#[test]
fn head_is_answered_like_get_without_a_body() {
    let port = Port::new();
    let answer = port.send("HEAD", "/.well-known/jwt-vc-issuer", None, "");
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, ""));
}
