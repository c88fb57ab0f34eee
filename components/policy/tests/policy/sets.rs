//! Policies as they are kept: validated, versioned, and changed by who may.

use crate::support::{ADA, ADMIN, ISSUER, NOW_S, Port, key, operator};
use futures::executor::block_on;
use futures::future::join_all;
use http::StatusCode;
use serde_json::{Value, json};
use vwp_core::jose::{self, Header};
use vwp_policy::decider::{self, Policies};
use vwp_policy::error::PolicyError;
use vwp_policy::set::{self, Severity, Texts};
use vwp_policy::store::{Owner, VERSIONS_KEPT};

const TYPE: &str = "vwp-policies+jws";
const ENTER: &str = "permit (principal, action == Action::\"enter\", resource);";

fn path(seed: u8) -> String {
    format!("/v1/policies/{}", operator(seed))
}

fn said(policies: &[(&str, &str)]) -> Vec<(Severity, String)> {
    let texts: Texts = policies.iter().map(|(id, text)| ((*id).to_owned(), (*text).to_owned())).collect();
    set::check(&texts).into_iter().map(|said| (said.severity, said.message)).collect()
}

#[test]
fn the_ports_own_rules_and_the_schema_hold_together() {
    let base = set::base_texts();
    assert_eq!(base.len(), 6);
    let said: Vec<_> = set::check(&base);
    assert_eq!(said, []);
    let port = Port::new();
    let schema = port.send("GET", "/v1/policies/schema", None, &json!(null));
    assert!(schema.text.contains("entity Traveller"));
    let shown = port.send("GET", "/v1/policies/base", None, &json!(null)).json;
    assert_eq!(shown["policies"].as_object().unwrap().len(), 6);
}

#[test]
fn good_policies_have_nothing_said_about_them() {
    assert_eq!(said(&[("enter", ENTER)]), []);
}

#[test]
fn what_does_not_fit_the_schema_is_an_error() {
    for text in [
        "permit (principal, action == Action::\"fly\", resource);",
        "permit (principal == Robot::\"x\", action, resource);",
        "permit (principal, action, resource) when { principal.age > 1 };",
        "permit (principal is Traveller, action, resource) when { principal.age_over > 1 };",
        "permit (principal is Traveller, action, resource) when { context.now == \"now\" };",
        "permit (principal, action == Action::\"write_team\", resource is World);",
        "permit (principal, action, resource) when { ",
        "permit (principal == ?principal, action, resource);",
        "permit (principal, action, resource); permit (principal, action, resource);",
        "allow everything",
        "",
    ] {
        let said = said(&[("one", text)]);
        assert!(said.iter().any(|(severity, _)| *severity == Severity::Error), "{text}: {said:?}");
    }
}

#[test]
fn whoever_permits_everything_to_everybody_is_warned() {
    let wide = said(&[("all", "permit (principal, action, resource);")]);
    assert!(matches!(wide.as_slice(), [(Severity::Warning, _)]), "{wide:?}");
}

#[test]
fn policies_are_kept_in_versions() {
    let port = Port::new();
    port.policies(1, &json!({ "enter": ENTER }));
    let assertion = Port::assertion(1);
    let first = port.send("GET", &path(1), Some(&assertion), &json!(null)).json;
    assert_eq!((&first["version"], &first["policies"]["enter"]), (&json!(1), &json!(ENTER)));
    assert_eq!(first["written_by"], format!("operator:{}", operator(1)));
    let second = port.put_signed(&path(1), TYPE, 1, &json!({ "replaces": 1, "policies": {} }));
    assert_eq!((second.status, &second.json["version"]), (StatusCode::OK, &json!(2)));
    let old = port.send("GET", &format!("{}/versions/1", path(1)), Some(&assertion), &json!(null)).json;
    assert_eq!(old, first);
    let none = port.send("GET", &format!("{}/versions/3", path(1)), Some(&assertion), &json!(null));
    assert_eq!(none.status, StatusCode::NOT_FOUND);
}

#[test]
fn only_so_many_versions_are_kept() {
    let port = Port::new();
    let owner = Owner::Operator(operator(1));
    for replaces in 0..VERSIONS_KEPT + 5 {
        let environment = port.environment();
        let kept = decider::replace(&port.store, &owner, replaces, Policies::default(), "test", &environment);
        assert!(block_on(kept).is_ok());
    }
    let is_kept = |version| block_on(decider::version(&port.store, &owner, version)).unwrap().is_some();
    let kept: Vec<u64> = (0..=VERSIONS_KEPT + 5).filter(|version| is_kept(*version)).collect();
    assert_eq!(kept, (5..=VERSIONS_KEPT + 5).collect::<Vec<_>>());
}

#[test]
fn policies_with_an_error_replace_nothing() {
    let port = Port::new();
    port.policies(1, &json!({ "enter": ENTER }));
    let bad = json!({ "replaces": 1, "policies": { "enter": ENTER, "bad": "permit (principal, action, resource is Robot);" } });
    let answer = port.put_signed(&path(1), TYPE, 1, &bad);
    assert_eq!(
        (answer.status, answer.problem()),
        (StatusCode::UNPROCESSABLE_ENTITY, "policies-unacceptable")
    );
    assert_eq!(answer.json["diagnostics"][0]["policy"], "bad");
    let base = json!({ "replaces": 1, "policies": { "base.admin": ENTER } });
    let answer = port.put_signed(&path(1), TYPE, 1, &base);
    assert_eq!(answer.problem(), "policies-unacceptable", "nobody writes in the port's name");
    let kept = port.send("GET", &path(1), Some(&Port::assertion(1)), &json!(null)).json;
    assert_eq!(kept["version"], 1);
}

#[test]
fn of_two_who_replace_the_same_version_one_is_told() {
    let port = Port::new();
    let owner = Owner::Operator(operator(1));
    let environment = port.environment();
    let both =
        (0..2).map(|_| decider::replace(&port.store, &owner, 0, Policies::default(), "test", &environment));
    let both = block_on(join_all(both));
    assert_eq!(both.iter().filter(|kept| kept.is_ok()).count(), 1);
    assert!(both.iter().any(|kept| matches!(kept, Err(PolicyError::Replaced { current: 1 }))));
}

#[test]
fn a_statement_takes_effect_once() {
    let port = Port::new();
    let matter = json!({ "replaces": 0, "policies": { "enter": ENTER } });
    assert_eq!(port.put_signed(&path(1), TYPE, 1, &matter).status, StatusCode::CREATED);
    let again = port.put_signed(&path(1), TYPE, 1, &matter);
    assert_eq!((again.status, again.problem()), (StatusCode::CONFLICT, "replaced-meanwhile"));
    assert_eq!(again.json["current"], 1);
}

#[test]
fn an_operator_puts_its_own_policies_and_nobody_elses() {
    let port = Port::new();
    let matter = json!({ "replaces": 0, "policies": {} });
    for other in [path(2), "/v1/policies/port".to_owned()] {
        let answer = port.put_signed(&other, TYPE, 1, &matter);
        assert_eq!((answer.status, answer.problem()), (StatusCode::FORBIDDEN, "wrong-operator"), "{other}");
    }
    // Nor with an assertion, which does not say what it is for, nor with a statement of another kind.
    let asserted = port.send("PUT", &path(1), Some(&Port::assertion(1)), &matter);
    assert_eq!(asserted.status, StatusCode::UNAUTHORIZED);
    assert_eq!(port.put_signed(&path(1), "vwp-team+jws", 1, &matter).status, StatusCode::BAD_REQUEST);
    assert_eq!(port.send("PUT", &path(1), None, &matter).status, StatusCode::UNAUTHORIZED);
    assert_eq!(port.send("GET", &path(1), None, &json!(null)).status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        port.send("GET", &path(1), Some(&Port::assertion(2)), &json!(null)).status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        port.send("PUT", "/v1/policies/port", Some(&Port::token(ADA)), &matter).status,
        StatusCode::FORBIDDEN
    );
}

#[test]
fn a_statement_for_another_port_or_time_or_signed_by_somebody_else_is_refused() {
    let port = Port::new();
    let claims =
        json!({ "iat": NOW_S, "aud": ISSUER, "operator": operator(1), "replaces": 0, "policies": {} });
    let put = |change: &dyn Fn(&mut Value), seed: u8| {
        let mut claims = claims.clone();
        change(&mut claims);
        let header = Header::new(TYPE).with_kid(operator(1));
        let compact = jose::sign(&header, claims.to_string().as_bytes(), &key(seed));
        port.raw("PUT", &path(1), None, "application/jose", compact.into_bytes()).problem().to_owned()
    };
    assert_eq!(put(&|claims| claims["aud"] = json!("https://other.example"), 1), "wrong-audience");
    assert_eq!(put(&|claims| claims["iat"] = json!(NOW_S - 301), 1), "clock-skew");
    assert_eq!(put(&|claims| claims["operator"] = json!(operator(2)), 1), "wrong-operator");
    assert_eq!(put(&|_| (), 2), "bad-signature");
}

#[test]
fn checking_is_for_those_who_say_who_they_are() {
    let port = Port::new();
    let body = json!({ "policies": { "bad": "nonsense" } });
    assert_eq!(port.send("POST", "/v1/policies/check", None, &body).status, StatusCode::UNAUTHORIZED);
    let answer = port.send("POST", "/v1/policies/check", Some(&Port::token(ADA)), &body);
    assert_eq!(answer.json["diagnostics"][0]["severity"], "error");
}

#[test]
fn unknown_paths_and_wrong_methods_are_problems() {
    let port = Port::new();
    for (method, path, status) in [
        ("GET", "/v1/policies", StatusCode::NOT_FOUND),
        ("GET", "/v1/policies/somebody", StatusCode::NOT_FOUND),
        ("GET", "/v1/teams/port", StatusCode::NOT_FOUND),
        ("GET", "/v1/policies/port/versions/1/more/and/more", StatusCode::NOT_FOUND),
        ("POST", "/v1/policies/schema", StatusCode::METHOD_NOT_ALLOWED),
        ("GET", "/v1/policies/decide", StatusCode::METHOD_NOT_ALLOWED),
        ("DELETE", "/v1/policies/port", StatusCode::METHOD_NOT_ALLOWED),
    ] {
        assert_eq!(port.send(method, path, Some(ADMIN), &json!(null)).status, status, "{method} {path}");
    }
}
