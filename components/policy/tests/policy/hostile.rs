//! Policies that were written to cost more than they are worth.

use crate::support::{Port, operator, question};
use http::StatusCode;
use serde_json::json;
use vwp_policy::decide::{Sets, decide};
use vwp_policy::limits::{BRACKETS_MAX, JOINTS_MAX, POLICIES_MAX, POLICY_LENGTH_MAX};
use vwp_policy::set::{Severity, Texts, admit, check};

fn texts(policies: impl IntoIterator<Item = (String, String)>) -> Texts {
    policies.into_iter().collect()
}

fn is_refused(text: &str) -> bool {
    let one = texts([("one".to_owned(), text.to_owned())]);
    check(&one).iter().any(|said| said.severity == Severity::Error)
}

fn when(condition: &str) -> String {
    format!("permit (principal, action, resource) when {{ {condition} }};")
}

/// Runs where there is little stack. Natively Cedar is not optimised and takes several times what it takes in
/// the component, which has 1 MiB.
fn with_little_stack(test: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(4 * 1024 * 1024).spawn(test).unwrap().join().unwrap();
}

#[test]
fn what_is_nested_or_chained_too_deeply_is_not_even_parsed() {
    with_little_stack(|| {
        for depth in [JOINTS_MAX, 600, 900] {
            for deep in [
                format!("{}true{}", "(".repeat(depth), ")".repeat(depth)),
                format!("{}true", "!".repeat(depth)),
                format!("{}1 == 1", "-".repeat(depth)),
                format!("true{}", "&&true".repeat(depth)),
                format!("1{} == 1", "+1".repeat(depth)),
                format!("principal{}", ".a".repeat(depth)),
                format!("{}1{}", "[".repeat(depth), "]".repeat(depth)),
                format!("{}1{}", "{a:".repeat(depth), "}".repeat(depth)),
                format!("true{}", " in 1".repeat(depth)),
                format!("{}true", "if true then true else ".repeat(depth)),
                "(".repeat(depth),
            ] {
                assert!(is_refused(&when(&deep)), "{}", &deep[..40]);
            }
        }
    });
}

#[test]
fn a_text_or_a_comment_is_no_place_to_hide() {
    let deep = "(".repeat(JOINTS_MAX);
    assert!(is_refused(&when(&format!("\"\\\"{deep}\" == \"\""))));
    assert!(is_refused(&format!("// {deep}\n{}", when("true"))));
    assert!(is_refused(&format!("{} // \"\n && {deep}", when("true"))));
}

#[test]
fn what_is_as_deep_as_it_may_be_is_checked_and_decided_on_little_stack() {
    with_little_stack(|| {
        for unit in [" && true", " || false", " && !false", " && 1 + 1 > 1"] {
            let room = JOINTS_MAX - 10;
            let cost = vwp_policy::limits::joints(unit);
            let condition = format!("true{}", unit.repeat(room / cost));
            let one = texts([("one".to_owned(), when(&condition))]);
            let set = admit(&one).unwrap_or_else(|said| panic!("{unit}: {said:?}"));
            let decision =
                decide(Sets { port: None, operator: Some(&set) }, &question("enter", None)).unwrap();
            assert!(decision.allow && decision.errors.is_empty());
        }
        let depth = BRACKETS_MAX - 2;
        for open in ["(", "(true && ", "(if true then true else "] {
            let nested = format!("{}true{}", open.repeat(depth), ")".repeat(depth));
            assert!(!is_refused(&when(&nested)), "{open}");
        }
        let too_deep = format!("{}true{}", "(".repeat(depth + 1), ")".repeat(depth + 1));
        assert!(is_refused(&when(&too_deep)));
        let chosen = format!("{}true", "if true then true else ".repeat(28));
        assert!(!is_refused(&when(&chosen)));
    });
}

#[test]
fn a_set_is_bounded_in_number_and_length() {
    let good = "permit (principal, action == Action::\"enter\", resource);";
    let many = |count: usize| texts((0..count).map(|number| (format!("p{number}"), good.to_owned())));
    assert!(admit(&many(POLICIES_MAX)).is_ok());
    assert!(admit(&many(POLICIES_MAX + 1)).is_err());
    let padded = format!("{good}{}", " ".repeat(POLICY_LENGTH_MAX - good.len()));
    assert!(!is_refused(&padded));
    assert!(is_refused(&format!("{padded} ")));
    for id in ["", "a b", "a/b", "é", &"x".repeat(65), "a\"b"] {
        assert!(admit(&texts([(id.to_owned(), good.to_owned())])).is_err(), "{id}");
    }
}

#[test]
fn the_worst_set_that_is_taken_is_decided_with_like_any_other() {
    let wild = "*a".repeat(60);
    let text = format!(
        "permit (principal is Traveller, action, resource is World) when {{ principal has home_world \
         && principal.home_world like \"{}\" }};",
        &wild[..70]
    );
    let set = admit(&texts((0..POLICIES_MAX).map(|number| (format!("p{number}"), text.clone()))));
    let set = set.unwrap_or_else(|said| panic!("{said:?}"));
    let mut request = question("enter", None);
    request.principal.home_world = Some(format!("{}b", "a".repeat(127)));
    let decision = decide(Sets { port: None, operator: Some(&set) }, &request).unwrap();
    assert!(!decision.allow && decision.errors.is_empty());
}

#[test]
fn a_policy_that_fails_takes_no_part_and_is_named() {
    let overflow = when("context.now + 9223372036854775807 > 0");
    let set = admit(&texts([("sum".to_owned(), overflow)])).unwrap();
    let decision = decide(Sets { port: None, operator: Some(&set) }, &question("enter", None)).unwrap();
    assert!(!decision.allow && decision.policies.is_empty());
    assert!(decision.errors[0].contains("operator/sum"), "{:?}", decision.errors);
}

#[test]
fn a_body_that_is_too_large_is_not_read() {
    let port = Port::new();
    let path = format!("/v1/policies/{}", operator(1));
    let large = port.raw("PUT", &path, None, "application/jose", vec![b'a'; 70_000]);
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    let token = Port::assertion(1);
    let body = json!({ "policies": { "one": "x".repeat(70_000) } });
    let large = port.send("POST", "/v1/policies/check", Some(&token), &body);
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    for twice in ["{\"policies\":{},\"policies\":{}}", "{\"policies\":{\"a\":\"x\",\"a\":\"y\"}}"] {
        let twice = twice.as_bytes().to_vec();
        let answer = port.raw("POST", "/v1/policies/check", Some(&token), "application/json", twice);
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "what is said twice says nothing");
    }
}

#[test]
fn diagnostics_are_bounded_too() {
    let bad = |number: usize| {
        (format!("p{number}"), "permit (principal, action, resource is Robot) ;;;".to_owned())
    };
    let said = check(&texts((0..POLICIES_MAX).map(bad)));
    assert!(!said.is_empty() && said.len() <= 64);
    let long = format!("permit (principal, action, resource is {});", "R".repeat(1500));
    let said = check(&texts([("one".to_owned(), long)]));
    assert!(said.iter().all(|said| said.message.chars().count() <= 500));
}
