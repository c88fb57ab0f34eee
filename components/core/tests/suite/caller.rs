//! Who is calling: nobody, the wrong one, the right one.

use crate::support::{ISSUER, NOW_S, Seeded, environment, key, settings};
use futures::executor::block_on;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use p256::ecdsa::SigningKey;
use serde::Serialize;
use vwp_core::Problem;
use vwp_core::caller::{
    self, ACCESS_TOKEN_TYPE, AccessClaims, Caller, OPERATOR_TOKEN_TYPE, OperatorClaims, authenticate,
};
use vwp_core::directory::{self, Issuer, Operator};
use vwp_core::environment::Settings;
use vwp_core::jose::{Header, Jwk, sign};
use vwp_storage::Kv;
use vwp_storage::kv::Write;
use vwp_storage::memory::Memory;

fn jwk(key: &SigningKey) -> Jwk {
    Jwk::from_key(key.verifying_key())
}

/// The port's issuer has key 1, the operator keys 2 and 3.
fn store() -> Memory {
    let store = Memory::default();
    let issuer = Issuer { jwk: jwk(&key(1)) };
    let operator = Operator { keys: vec![jwk(&key(2)), jwk(&key(3))] };
    let writes = [
        Write::put(directory::issuer_key("issuer-kid"), serde_json::to_vec(&issuer).unwrap()),
        Write::put(directory::operator_key(&operator_id()), serde_json::to_vec(&operator).unwrap()),
        Write::put(directory::revoked_session_key("revoked"), "1"),
    ];
    block_on(store.commit(&[], &writes)).unwrap();
    store
}

fn operator_id() -> String {
    jwk(&key(2)).thumbprint()
}

fn call_with(settings: &Settings, authorization: Option<&str>) -> Result<Caller, Problem> {
    let mut headers = HeaderMap::new();
    if let Some(value) = authorization {
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
    }
    let random = Seeded::new(9);
    block_on(authenticate(&store(), &headers, &environment(settings, &random)))
}

fn call(token: &str) -> Result<Caller, Problem> {
    call_with(&settings(), Some(&format!("Bearer {token}")))
}

fn assert_refused(answer: Result<Caller, Problem>) {
    let problem = answer.unwrap_err();
    assert_eq!((problem.status, problem.slug), (StatusCode::UNAUTHORIZED, "unauthorised"));
}

fn token(typ: &str, kid: &str, claims: &impl Serialize, key: &SigningKey) -> String {
    sign(&Header::new(typ).with_kid(kid), &serde_json::to_vec(claims).unwrap(), key)
}

fn access_claims() -> AccessClaims {
    AccessClaims {
        iss: ISSUER.into(),
        aud: ISSUER.into(),
        sub: "traveller".into(),
        client_id: ISSUER.into(),
        jti: "session".into(),
        iat: NOW_S,
        exp: NOW_S + 1,
    }
}

fn access_token(claims: &AccessClaims) -> String {
    token(ACCESS_TOKEN_TYPE, "issuer-kid", claims, &key(1))
}

fn operator_claims() -> OperatorClaims {
    let id = operator_id();
    OperatorClaims {
        iss: id.clone(),
        sub: id,
        aud: ISSUER.into(),
        iat: NOW_S,
        exp: NOW_S + 300,
        content_digest: None,
    }
}

fn operator_token(claims: &OperatorClaims) -> String {
    token(OPERATOR_TOKEN_TYPE, &operator_id(), claims, &key(2))
}

#[test]
fn without_a_header_the_caller_is_nobody() {
    assert_eq!(call_with(&settings(), None).unwrap(), Caller::Nobody);
}

#[test]
fn a_header_that_proves_nothing_is_refused() {
    for value in ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer x", "Bearer a.b.c", "admin-secret"] {
        assert_refused(call_with(&settings(), Some(value)));
    }
}

#[test]
fn the_administrator_shows_the_secret() {
    assert_eq!(call("admin-secret").unwrap(), Caller::Administrator);
    assert_eq!(call_with(&settings(), Some("bearer admin-secret")).unwrap(), Caller::Administrator);
    for wrong in ["admin-secre", "admin-secret2", "Admin-secret"] {
        assert_refused(call(wrong));
    }
}

#[test]
fn a_port_without_a_secret_has_no_administrator() {
    let settings = Settings { admin_token: String::new(), ..settings() };
    assert_refused(call_with(&settings, Some("Bearer ")));
}

#[test]
fn a_traveller_shows_an_access_token_of_this_port() {
    let caller = call(&access_token(&access_claims())).unwrap();
    assert_eq!(caller, Caller::Traveller { id: "traveller".into(), session: "session".into() });
}

#[test]
fn access_tokens_that_are_not_good_are_refused() {
    let base = access_claims;
    let other = || "https://other.example".to_owned();
    for claims in [
        AccessClaims { exp: NOW_S, ..base() },
        AccessClaims { iss: other(), ..base() },
        AccessClaims { aud: other(), ..base() },
        AccessClaims { jti: "revoked".into(), ..base() },
    ] {
        assert_refused(call(&access_token(&claims)));
    }
    assert_refused(call(&token(ACCESS_TOKEN_TYPE, "issuer-kid", &base(), &key(2))));
    assert_refused(call(&token(ACCESS_TOKEN_TYPE, "unknown", &base(), &key(1))));
    assert_refused(call(&token("JWT", "issuer-kid", &base(), &key(1))));
    // The operator's key signs no access tokens, even under the operator's id.
    assert_refused(call(&token(ACCESS_TOKEN_TYPE, &operator_id(), &base(), &key(2))));
}

#[test]
fn an_operator_shows_an_assertion_signed_with_any_of_its_keys() {
    let expected = Caller::Operator { id: operator_id() };
    assert_eq!(call(&operator_token(&operator_claims())).unwrap(), expected);
    let newer = token(OPERATOR_TOKEN_TYPE, &operator_id(), &operator_claims(), &key(3));
    assert_eq!(call(&newer).unwrap(), expected);
}

#[test]
fn assertions_that_are_not_good_are_refused() {
    let base = operator_claims;
    for claims in [
        OperatorClaims { iss: "other".into(), ..base() },
        OperatorClaims { sub: "other".into(), ..base() },
        OperatorClaims { aud: "https://other.example".into(), ..base() },
        OperatorClaims { iat: NOW_S - 10, exp: NOW_S, ..base() },
        OperatorClaims { exp: NOW_S + 301, ..base() },
        OperatorClaims { iat: NOW_S + 301, exp: NOW_S + 400, ..base() },
        OperatorClaims { iat: NOW_S - 301, exp: NOW_S - 1, ..base() },
    ] {
        assert_refused(call(&operator_token(&claims)));
    }
    assert_refused(call(&token(OPERATOR_TOKEN_TYPE, "unknown", &base(), &key(2))));
    let stranger = call(&token(OPERATOR_TOKEN_TYPE, &operator_id(), &base(), &key(4))).unwrap_err();
    assert_eq!((stranger.status, stranger.slug), (StatusCode::UNAUTHORIZED, "bad-signature"));
}

#[test]
fn a_body_is_an_operators_if_one_of_its_keys_signed_it() {
    let body = |kid: &str, key: &SigningKey| sign(&Header::new("test+jws").with_kid(kid), b"body", key);
    let verify = |body: &str, typ: &str| block_on(caller::verify_operator_body(&store(), body, typ));
    let good = body(&operator_id(), &key(3));
    assert_eq!(verify(&good, "test+jws").unwrap(), (operator_id(), b"body".to_vec()));
    assert_eq!(verify(&good, "other+jws").unwrap_err().slug, "bad-jws");
    assert_eq!(verify(&body(&operator_id(), &key(4)), "test+jws").unwrap_err().slug, "bad-signature");
    assert_eq!(verify(&body("unknown", &key(3)), "test+jws").unwrap_err().slug, "unauthorised");
}
