//! Policies over HTTP, as the component decides by them.

use serde_json::{Value, json};
use vwp_tests::host::Host;
use vwp_tests::http::{Call, Reply};
use vwp_tests::people::{Operator, Traveller};

/// As many brackets, and as many operators, as a policy may have.
const DEEPEST: [(&str, usize, &str); 3] =
    [("(", 18, ")"), ("(true && ", 18, ")"), ("(if true then true else ", 18, ")")];

fn policy(condition: &str) -> String {
    format!("permit (principal, action == Action::\"enter\", resource) when {{ {condition} }};")
}

fn nested(open: &str, depth: usize, close: &str) -> String {
    format!("{}true{}", open.repeat(depth), close.repeat(depth))
}

fn put(host: &Host, operator: &Operator, replaces: u64, policies: &Value) -> Reply {
    let id = operator.key.id();
    let claims = json!({"operator": id, "replaces": replaces, "policies": policies});
    let signed = operator.statement(host, "vwp-policies+jws", claims).sign(&operator.key);
    host.http.send(&Call::new("PUT", format!("/v1/policies/{id}")).body("application/jose", signed))
}

fn decide(host: &Host, operator: &Operator, traveller: &Traveller, world: &str) -> Reply {
    let question = json!({
        "principal": {"kind": "traveller", "id": traveller.id}, "action": "enter",
        "resource": {"kind": "world", "id": world},
    });
    let token = operator.token_for(host, question.to_string().as_bytes());
    host.http.send(&Call::json("/v1/policies/decide", &question).bearer(&token))
}

#[test]
fn an_operators_policies_decide_about_its_own_worlds_only() {
    let host = Host::shared();
    let (gate, other) = (Operator::registered(&host, "gate"), Operator::registered(&host, "other"));
    let ada = Traveller::signed_in(&host);
    assert_eq!(decide(&host, &gate, &ada, &gate.world).expect(200).json()["allow"], false);
    let _ = put(&host, &gate, 0, &json!({"enter": policy("true")})).expect(201);
    let decision = decide(&host, &gate, &ada, &gate.world).expect(200).json();
    assert_eq!(decision, json!({"allow": true, "policies": ["operator/enter"], "errors": []}));
    assert_eq!(decide(&host, &other, &ada, &other.world).expect(200).json()["allow"], false);
    decide(&host, &gate, &ada, &other.world).expect_problem(403, "forbidden");
    put(&host, &gate, 0, &json!({})).expect_problem(409, "replaced-meanwhile");
}

#[test]
fn the_deepest_policy_is_decided_with_and_a_deeper_one_is_refused() {
    let host = Host::shared();
    let gate = Operator::registered(&host, "deep");
    let ada = Traveller::signed_in(&host);
    let conditions = DEEPEST.map(|(open, depth, close)| nested(open, depth, close));
    let all: serde_json::Map<String, Value> = conditions
        .iter()
        .enumerate()
        .map(|(number, condition)| (format!("p{number}"), policy(condition).into()))
        .collect();
    let _ = put(&host, &gate, 0, &all.into()).expect(201);
    let decision = decide(&host, &gate, &ada, &gate.world).expect(200).json();
    assert_eq!(decision["policies"], json!(["operator/p0", "operator/p1", "operator/p2"]), "{decision}");
    for (open, depth, close) in DEEPEST {
        for deeper in [depth + 1, 1_900 / (open.len() + close.len())] {
            let policies = json!({"deep": policy(&nested(open, deeper, close))});
            put(&host, &gate, 1, &policies).expect_problem(422, "policies-unacceptable");
        }
    }
    // And the component is as well as before.
    assert_eq!(decide(&host, &gate, &ada, &gate.world).expect(200).json()["allow"], true);
}
