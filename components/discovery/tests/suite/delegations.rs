//! Subtrees of the zone that other ports serve.

use crate::support::{Operator, Port, record};
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

const DS: &str = "60485 13 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A";

fn delegation() -> Value {
    json!({
        "nameservers": ["ns1.sub.vwp.test", "ns.other.example"],
        "addresses": {"ns1.sub.vwp.test": ["192.0.2.1", "2001:db8::1"]},
        "ds": [DS],
        "url": "https://other.example",
    })
}

fn delegate(port: &Port, label: &str, body: &Value) -> crate::support::Answer {
    port.administer(Method::PUT, &format!("/v1/delegations/{label}"), body)
}

#[test]
fn lookups_in_a_delegated_subtree_are_sent_on_and_registrations_refused() {
    let (port, operator) = (Port::new(), Operator::new(1));
    assert_eq!(port.get("/v1/worlds/arena.sub.vwp.test").slug(), "not-found");
    assert_eq!(delegate(&port, "sub", &delegation()).status, StatusCode::CREATED);
    for name in ["arena.sub.vwp.test", "sub", "sub.vwp.test", "ARENA.sub.vwp.test."] {
        let answer = port.get(&format!("/v1/worlds/{name}"));
        assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT, "{name}");
        let location = answer.headers[header::LOCATION].to_str().unwrap();
        let expected =
            if name.to_lowercase().starts_with("arena") { "arena.sub.vwp.test" } else { "sub.vwp.test" };
        assert_eq!(location, format!("https://other.example/v1/worlds/{expected}"));
    }
    let refused = port.post_record(&operator.sign(&record("sub")));
    assert_eq!(refused.slug(), "name-delegated");
    assert!(refused.json()["detail"].as_str().unwrap().contains("https://other.example"));
    assert!(port.names_in("vwp.test", "sub\0") > 0);
}

#[test]
fn a_delegation_is_shown_listed_changed_and_ended() {
    let port = Port::new();
    delegate(&port, "sub", &delegation());
    delegate(&port, "b", &json!({"nameservers": ["ns.b.example"], "url": "https://b.example"}));
    assert_eq!(port.get("/v1/delegations/sub").json()["ds"], json!([DS]));
    let list = port.get("/v1/delegations").json();
    assert_eq!(
        (&list["delegations"][0]["label"], &list["delegations"][1]["label"]),
        (&json!("b"), &json!("sub"))
    );
    assert_eq!(port.get("/v1/delegations?cursor=b").json()["delegations"].as_array().unwrap().len(), 1);
    let changed = json!({"nameservers": ["ns.other.example"], "url": "https://moved.example:8443"});
    assert_eq!(delegate(&port, "sub", &changed).status, StatusCode::OK);
    assert_eq!(port.get("/v1/delegations/sub").json()["url"], "https://moved.example:8443");
    let ended = port.administer(Method::DELETE, "/v1/delegations/sub", &Value::Null);
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    assert_eq!(port.administer(Method::DELETE, "/v1/delegations/sub", &Value::Null).slug(), "not-found");
    assert_eq!(port.names_in("vwp.test", "sub\0"), 0);
    port.register(&Operator::new(1), &record("sub"));
}

#[test]
fn a_name_that_an_operator_holds_is_not_delegated() {
    let port = Port::new();
    port.register(&Operator::new(1), &record("arena"));
    assert_eq!(delegate(&port, "arena", &delegation()).slug(), "name-taken");
}

#[test]
fn only_the_administrator_delegates() {
    let port = Port::new();
    for method in [Method::PUT, Method::DELETE] {
        let request = Request::builder().method(method).uri("/v1/delegations/sub").body(Vec::new()).unwrap();
        assert_eq!(port.send(request).slug(), "unauthorised");
    }
    assert_eq!(
        port.administer(Method::POST, "/v1/delegations/sub", &delegation()).slug(),
        "method-not-allowed"
    );
}

#[test]
fn what_is_no_delegation_is_refused() {
    let port = Port::new();
    let with = |field: &str, value: Value| {
        let mut body = delegation();
        body[field] = value;
        body
    };
    for body in [
        with("nameservers", json!([])),
        with("nameservers", json!(vec!["ns.other.example"; 14])),
        with("nameservers", json!(["192.0.2.1"])),
        with("addresses", json!({})),
        with("addresses", json!({"ns1.sub.vwp.test": []})),
        with("addresses", json!({"ns1.sub.vwp.test": ["192.0.2.1"], "ns.other.example": ["192.0.2.1"]})),
        with("ds", json!(["60485 13 1 00"])),
        with("ds", json!(["60485 13 2 00"])),
        with("ds", json!(["60485 13 2"])),
        with("ds", json!(["70000 13 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A"])),
        with("ds", json!(vec![DS; 9])),
        with("url", json!("https://other.example/path")),
        with("url", json!("ftp://other.example")),
        with("url", json!("other.example")),
        with("note", json!("x")),
    ] {
        assert_eq!(delegate(&port, "sub", &body).slug(), "bad-request", "{body}");
    }
    assert_eq!(delegate(&port, "arena.example", &delegation()).slug(), "bad-request");
    assert_eq!(delegate(&port, "a.b.vwp.test", &delegation()).slug(), "bad-name");
}
