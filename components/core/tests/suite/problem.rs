//! Refusals as callers see them.

use http::{StatusCode, header};
use serde_json::{Value, json};
use vwp_core::Problem;
use vwp_core::jose::JoseError;
use vwp_storage::StorageError;

#[test]
fn a_problem_is_a_document_with_its_reason() {
    let problem =
        Problem::new(StatusCode::CONFLICT, "name-taken", "Taken", "by \"another\"").with("name", "a");
    let response = problem.into_response();
    assert_eq!(response.status(), StatusCode::CONFLICT);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    let document: Value = serde_json::from_slice(response.body()).unwrap();
    let expected = json!({
        "type": "urn:vwp:problem:name-taken",
        "title": "Taken",
        "status": 409,
        "detail": "by \"another\"",
        "name": "a",
    });
    assert_eq!(document, expected);
}

#[test]
fn no_extra_member_replaces_a_standard_one() {
    let response = Problem::not_found("x").with("status", 200).with("type", "other").into_response();
    let document: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!((&document["status"], &document["type"]), (&json!(404), &json!("urn:vwp:problem:not-found")));
}

#[test]
fn statuses_come_with_the_headers_that_http_asks_for() {
    let unauthorised = Problem::unauthorised("x").into_response();
    assert_eq!(unauthorised.headers()[header::WWW_AUTHENTICATE], "Bearer");
    let not_allowed = Problem::method_not_allowed("GET, HEAD").into_response();
    assert_eq!(not_allowed.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(not_allowed.headers()[header::ALLOW], "GET, HEAD");
    let unavailable = Problem::unavailable("x").into_response();
    assert_eq!(unavailable.headers()[header::RETRY_AFTER], "1");
}

#[test]
fn faults_of_ours_say_nothing_of_the_inside() {
    let secret = || "disk 3 of host 7".to_owned();
    for error in [
        StorageError::Denied(secret()),
        StorageError::Invalid(secret()),
        StorageError::Unavailable(secret()),
        StorageError::Unknown(secret()),
    ] {
        let response = Problem::from(error).into_response();
        assert!(response.status().is_server_error());
        assert!(!String::from_utf8_lossy(response.body()).contains("disk"));
    }
}

#[test]
fn a_caller_can_tell_what_was_not_done_from_what_may_have_been() {
    let slug = |error| Problem::from(error).slug;
    assert_eq!(slug(StorageError::Unavailable(String::new())), "unavailable");
    assert_eq!(slug(StorageError::Unknown(String::new())), "outcome-unknown");
    assert_eq!(slug(StorageError::Invalid(String::new())), "internal");
}

#[test]
fn a_bad_signature_is_told_apart_from_a_bad_form() {
    assert_eq!(Problem::from(JoseError::Signature).slug, "bad-signature");
    for error in [JoseError::Malformed("x"), JoseError::Header("x"), JoseError::Key] {
        assert_eq!(Problem::from(error).slug, "bad-jws");
    }
}
