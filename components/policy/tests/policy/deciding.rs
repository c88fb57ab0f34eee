//! What is decided, and by what.

use crate::support::{ADA, ADMIN, EVE, NOW_S, Port, one, operator, question};
use http::StatusCode;
use serde_json::json;
use vwp_policy::decide::{PrincipalKind, Request, RequestError, ResourceKind, Role, Sets, decide};

const ENTER: &str = "permit (principal, action == Action::\"enter\", resource);";

fn allows(sets: Sets<'_>, request: &Request) -> bool {
    let decision = decide(sets, request).unwrap();
    assert_eq!(decision.errors, [] as [String; 0]);
    decision.allow
}

#[test]
fn what_no_policy_permits_is_denied() {
    let actions = ["enter", "chat", "trade", "kick", "ban", "view_reports", "edit_world", "issue_asset"];
    for action in actions {
        let decision = decide(Sets::default(), &question(action, None)).unwrap();
        assert!(!decision.allow && decision.policies.is_empty(), "{action}");
    }
}

#[test]
fn a_policy_permits_what_it_says_and_is_named() {
    let enter = one(ENTER);
    let sets = Sets { port: None, operator: Some(&enter) };
    let decision = decide(sets, &question("enter", None)).unwrap();
    assert_eq!((decision.allow, decision.policies), (true, vec!["operator/one".to_owned()]));
    assert!(!allows(sets, &question("chat", None)));
}

#[test]
fn what_is_forbidden_no_other_policy_permits() {
    let enter = one(ENTER);
    let forbid = one(&format!("forbid (principal == Traveller::\"{ADA}\", action, resource);"));
    for (port, operator, by) in [(&enter, &forbid, "operator/one"), (&forbid, &enter, "port/one")] {
        let sets = Sets { port: Some(port), operator: Some(operator) };
        let decision = decide(sets, &question("enter", None)).unwrap();
        assert_eq!((decision.allow, decision.policies), (false, vec![by.to_owned()]));
    }
    // Nor does a role.
    let sets = Sets { port: Some(&forbid), operator: None };
    assert!(!allows(sets, &question("edit_world", Some(Role::Owner))));
}

#[test]
fn a_role_permits_what_it_is_for_and_what_those_below_it_are_for() {
    for (action, lowest) in
        [("view_reports", Role::Support), ("ban", Role::Moderator), ("edit_world", Role::Admin)]
    {
        for role in Role::ALL {
            let allowed = allows(Sets::default(), &question(action, Some(role)));
            assert_eq!(allowed, role <= lowest, "{action} {role:?}");
        }
    }
    for (action, lowest) in
        [("read_team", Role::Support), ("write_policies", Role::Admin), ("write_team", Role::Owner)]
    {
        for role in Role::ALL {
            let mut request = question(action, Some(role));
            request.resource.kind = ResourceKind::Operator;
            request.resource.id = operator(1);
            assert_eq!(allows(Sets::default(), &request), role <= lowest, "{action} {role:?}");
        }
    }
}

#[test]
fn a_role_in_one_team_is_none_in_another() {
    let admin = format!(
        "permit (principal in Role::\"{}/admin\", action == Action::\"enter\", resource);",
        operator(2)
    );
    let admin = one(&admin);
    let sets = Sets { port: None, operator: Some(&admin) };
    assert!(!allows(sets, &question("enter", Some(Role::Owner))));
}

#[test]
fn policies_see_what_a_passport_disclosed() {
    let adult = one("permit (principal is Traveller, action == Action::\"enter\", resource) \
        when { principal has age_over && principal.age_over >= 18 };");
    let sets = Sets { port: None, operator: Some(&adult) };
    let mut request = question("enter", None);
    assert!(!allows(sets, &request), "nothing disclosed is not old enough");
    for (age, allowed) in [(16, false), (18, true), (21, true)] {
        request.principal.age_over = Some(age);
        assert_eq!(allows(sets, &request), allowed, "{age}");
    }
    let german = one("permit (principal is Traveller, action, resource is World) \
        when { principal has languages && principal.languages.contains(\"de\") };");
    let sets = Sets { port: None, operator: Some(&german) };
    assert!(!allows(sets, &request));
    request.principal.languages = Some(vec!["en".into(), "de".into()]);
    assert!(allows(sets, &request));
}

#[test]
fn policies_see_scopes_clients_and_the_time() {
    let scoped = one("permit (principal, action == Action::\"trade\", resource) when { \
        context.scopes.contains(Scope::\"trade\") && context.now < 1800000001 && \
        context has client && context.client in Scope::\"partner\" };");
    let sets = Sets { port: None, operator: Some(&scoped) };
    let mut request = question("trade", None);
    request.scopes = vec!["trade".into()];
    assert!(!allows(sets, &request), "there is no client");
    request.principal.kind = PrincipalKind::Client;
    request.principal.id = "shop".into();
    request.client = Some("shop".into());
    assert!(!allows(sets, &request), "the client has not the scope");
    request.principal.scopes = vec!["partner".into()];
    assert!(allows(sets, &request));
    request.now = NOW_S + 1;
    assert!(!allows(sets, &request), "too late");
}

#[test]
fn whatever_an_id_looks_like_it_is_only_an_id() {
    let enter = one(&format!("permit (principal == Traveller::\"{ADA}\", action, resource);"));
    let sets = Sets { port: None, operator: Some(&enter) };
    for id in [format!("{ADA}\""), format!("x\" || principal == Traveller::\"{ADA}"), "*".into(), "\\".into()]
    {
        let mut request = question("enter", None);
        request.principal.id = id;
        assert!(!allows(sets, &request));
    }
}

#[test]
fn a_request_that_fits_no_schema_or_bound_is_refused() {
    let kinds = |change: fn(&mut Request)| {
        let mut request = question("enter", None);
        change(&mut request);
        decide(Sets::default(), &request).unwrap_err()
    };
    assert!(matches!(kinds(|request| request.action = "fly".into()), RequestError::Schema(_)));
    assert!(matches!(kinds(|request| request.action = "write_team".into()), RequestError::Schema(_)));
    assert!(matches!(kinds(|request| request.action = "moderate".into()), RequestError::Schema(_)));
    assert!(matches!(kinds(|request| request.principal.kind = PrincipalKind::Key), RequestError::Schema(_)));
    assert!(matches!(kinds(|request| request.principal.id = "x".repeat(129)), RequestError::Bounds(_)));
    assert!(matches!(kinds(|request| request.principal.id.clear()), RequestError::Bounds(_)));
    assert!(matches!(kinds(|request| request.scopes = vec!["x".into(); 33]), RequestError::Bounds(_)));
    assert!(matches!(kinds(|request| request.resource.operator = None), RequestError::Bounds(_)));
    assert!(matches!(kinds(|request| request.now = u64::MAX), RequestError::Bounds(_)));
}

#[test]
fn one_operators_policies_permit_nothing_in_anothers_world() {
    let port = Port::new();
    let all = "permit (principal, action, resource);";
    let theirs = format!("permit (principal, action, resource in Operator::\"{}\");", operator(2));
    let named = "permit (principal, action, resource == World::\"garden\");";
    port.policies(1, &json!({ "all": all, "theirs": theirs, "named": named }));
    let own = port.decide(EVE, "enter", "arena");
    assert_eq!(
        (own.json["allow"].clone(), own.json["policies"].clone()),
        (json!(true), json!(["operator/all"]))
    );
    let other = port.decide(EVE, "enter", "garden");
    assert_eq!((other.json["allow"].clone(), other.json["policies"].clone()), (json!(false), json!([])));
    // Nor do they forbid anything there.
    port.policies(2, &json!({ "all": ENTER }));
    assert_eq!(port.decide(EVE, "enter", "garden").json["allow"], true);
}

#[test]
fn a_careless_permission_gives_nobody_the_policies_or_the_team() {
    let port = Port::new();
    port.policies(1, &json!({ "all": "permit (principal, action, resource);" }));
    let token = Port::token(EVE);
    for path in [format!("/v1/policies/{}", operator(1)), format!("/v1/teams/{}", operator(1))] {
        assert_eq!(port.send("GET", &path, Some(&token), &json!(null)).status, StatusCode::FORBIDDEN);
        let body = json!({ "replaces": 0, "policies": {}, "members": [] });
        assert_eq!(port.send("PUT", &path, Some(&token), &body).status, StatusCode::FORBIDDEN);
    }
}

#[test]
fn the_ports_policies_apply_in_every_world() {
    let port = Port::new();
    port.policies(1, &json!({ "enter": ENTER }));
    port.policies(2, &json!({ "enter": ENTER }));
    port.port_policies(
        &json!({ "banned": format!("forbid (principal == Traveller::\"{EVE}\", action, resource);") }),
    );
    for world in ["arena", "garden"] {
        assert_eq!(port.decide(ADA, "enter", world).json["allow"], true);
        let denied = port.decide(EVE, "enter", world).json;
        assert_eq!((&denied["allow"], &denied["policies"]), (&json!(false), &json!(["port/banned"])));
    }
}

#[test]
fn whose_world_it_is_and_what_role_somebody_has_the_port_knows_itself() {
    let port = Port::new();
    port.policies(1, &json!({ "enter": ENTER }));
    let mut question = json!({
        "principal": { "kind": "traveller", "id": EVE, "role": "owner" },
        "action": "edit_world",
        "resource": { "kind": "world", "id": "garden", "operator": operator(1) },
        "now": 1,
    });
    let answer = port.send("POST", "/v1/policies/decide", Some(ADMIN), &question);
    assert_eq!(answer.json["allow"], false, "a claimed role is none");
    question["action"] = json!("enter");
    let answer = port.send("POST", "/v1/policies/decide", Some(ADMIN), &question);
    assert_eq!(answer.json["allow"], false, "a claimed operator is none");
    let unknown = port.decide(EVE, "enter", "nowhere");
    assert_eq!((unknown.status, unknown.problem()), (StatusCode::NOT_FOUND, "unknown-world"));
}

#[test]
fn operators_ask_about_their_own_worlds_and_nobody_else_asks() {
    let port = Port::new();
    let ask = |token: Option<&str>, world: &str| {
        let question = json!({
            "principal": { "kind": "traveller", "id": EVE },
            "action": "enter",
            "resource": { "kind": "world", "id": world },
        });
        port.send("POST", "/v1/policies/decide", token, &question).status
    };
    assert_eq!(ask(Some(&Port::assertion(1)), "arena"), StatusCode::OK);
    assert_eq!(ask(Some(&Port::assertion(1)), "garden"), StatusCode::FORBIDDEN);
    assert_eq!(ask(Some(&Port::token(ADA)), "arena"), StatusCode::FORBIDDEN);
    assert_eq!(ask(None, "arena"), StatusCode::UNAUTHORIZED);
}

#[test]
fn decisions_are_kept_with_the_policy_that_decided() {
    let port = Port::new();
    port.policies(1, &json!({ "enter": ENTER }));
    port.decide(ADA, "enter", "arena");
    port.decide(ADA, "trade", "arena");
    port.decide(ADA, "enter", "garden");
    let path = format!("/v1/policies/{}/decisions", operator(1));
    let page = port.send("GET", &path, Some(&Port::assertion(1)), &json!(null)).json;
    let mut seen: Vec<(bool, String, String)> = page["decisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kept| {
            assert_eq!((&kept["principal"], &kept["version"]), (&json!(ADA), &json!(1)));
            assert_eq!(kept["asked_by"], "administrator");
            (
                kept["allow"].as_bool().unwrap(),
                kept["action"].as_str().unwrap().into(),
                kept["policies"].to_string(),
            )
        })
        .collect();
    seen.sort();
    let expected = [(false, "trade", "[]"), (true, "enter", "[\"operator/enter\"]")];
    assert_eq!(seen, expected.map(|(allow, action, by)| (allow, action.to_owned(), by.to_owned())));
    let other = port.send("GET", &path, Some(&Port::assertion(2)), &json!(null));
    assert_eq!(other.status, StatusCode::FORBIDDEN);
}

#[test]
fn many_decisions_come_in_pages() {
    let port = Port::new();
    for _ in 0..250 {
        port.decide(ADA, "enter", "arena");
    }
    let path = format!("/v1/policies/{}/decisions", operator(1));
    let (mut count, mut next) = (0, path.clone());
    loop {
        let page = port.send("GET", &next, Some(ADMIN), &json!(null)).json;
        count += page["decisions"].as_array().unwrap().len();
        match page["cursor"].as_str() {
            Some(cursor) => next = format!("{path}?cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(count, 250);
    let bad = port.send("GET", &format!("{path}?cursor=a%00"), Some(ADMIN), &json!(null));
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
}
