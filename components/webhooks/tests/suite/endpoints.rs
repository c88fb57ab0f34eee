//! Registering endpoints, and looking after them.

use crate::support::{ADMIN, HOOKS, HOUR_MS, NOW, Port, operator, owner, slug};
use http::StatusCode;
use serde_json::{Value, json};
use vwp_webhooks::endpoints::ENDPOINTS_MAX;

fn path(endpoint: &Value, more: &str) -> String {
    format!("/{}{more}", endpoint["endpoint_id"].as_str().unwrap())
}

#[test]
fn an_endpoint_is_its_owners_and_shows_its_secret_once() {
    let port = Port::new();
    let made = port.register(1, &json!({"types": ["transfer.created"], "description": "the shop"}));
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_") && secret.len() == 6 + 44, "{secret}");
    let shown = port.shown(1, &made);
    assert_eq!(shown.get("secret"), None);
    assert_eq!(
        (&shown["url"], &shown["description"], &shown["enabled"]),
        (&json!(format!("{HOOKS}/hook")), &json!("the shop"), &json!(true))
    );
    let (_, listed) = port.ask(1, "GET", "", &Value::Null);
    assert_eq!(listed, json!({"items": [shown]}));
    // The other operator has none, and does not see this one.
    assert_eq!(port.ask(2, "GET", "", &Value::Null).1, json!({"items": []}));
    for (method, more) in [("GET", ""), ("DELETE", ""), ("GET", "/deliveries?state=dead")] {
        assert_eq!(port.ask(2, method, &path(&made, more), &Value::Null).0, StatusCode::NOT_FOUND);
    }
    // Nothing in the store is the secret.
    let kept = port.kept("webhooks/");
    assert!(!kept.contains(&secret[6..]) && kept.contains(&owner(1)) && kept.contains("the shop"), "{kept}");
}

#[test]
fn the_administrator_has_endpoints_and_travellers_and_strangers_have_none() {
    let port = Port::new();
    let wanted = json!({"url": format!("{HOOKS}/admin")});
    let all = "/v1/webhooks/endpoints";
    let (status, made) = port.send("POST", all, ADMIN, &wanted);
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert_eq!(port.send("GET", all, ADMIN, &Value::Null).1["items"].as_array().unwrap().len(), 1);
    assert_eq!(port.send("GET", all, "nonsense", &Value::Null).0, StatusCode::UNAUTHORIZED);
    // An assertion that is not for this body changes nothing.
    let token = port.assertion(1, None);
    assert_eq!(port.send("POST", all, &token, &wanted).0, StatusCode::UNAUTHORIZED);
    assert_eq!(port.send("GET", all, &token, &Value::Null).0, StatusCode::OK);
    for path in ["/v1/webhooks/run", "/v1/webhooks/reseal"] {
        assert_eq!(port.send("POST", path, &port.assertion(1, None), &Value::Null).0, StatusCode::FORBIDDEN);
        assert_eq!(port.send("POST", path, ADMIN, &Value::Null).0, StatusCode::OK);
        assert_eq!(port.send("GET", path, ADMIN, &Value::Null).0, StatusCode::METHOD_NOT_ALLOWED);
    }
}

#[test]
fn who_has_an_endpoint_listens_and_who_has_none_does_not() {
    let port = Port::new();
    assert_eq!(port.keys("outbox/"), Vec::<String>::new());
    let made = [port.register(1, &json!({})), port.register(1, &json!({}))];
    assert_eq!(port.keys("outbox/"), [format!("outbox/listener/operator:{}", operator(1))]);
    for endpoint in &made {
        assert_eq!(port.keys("outbox/").len(), 1);
        assert_eq!(port.ask(1, "DELETE", &path(endpoint, ""), &Value::Null).0, StatusCode::NO_CONTENT);
    }
    assert_eq!(port.keys("outbox/"), Vec::<String>::new());
    assert_eq!(port.keys("webhooks/"), Vec::<String>::new());
    assert_eq!(port.ask(1, "DELETE", &path(&made[0], ""), &Value::Null).0, StatusCode::NOT_FOUND);
}

#[test]
fn what_is_asked_for_is_bounded() {
    let port = Port::new();
    let long = format!("{HOOKS}/{}", "a".repeat(512));
    for (wanted, status, problem) in [
        (json!({"url": "https://elsewhere.test/"}), 422, "destination-refused"),
        (json!({"url": "http://127.0.0.1/"}), 422, "destination-refused"),
        (json!({"url": "http://hooks.test:8081/"}), 422, "destination-refused"),
        (json!({"url": "nonsense"}), 400, "bad-request"),
        (json!({"url": "http://user@hooks.test:8080/"}), 400, "bad-request"),
        (json!({"url": long}), 400, "bad-request"),
        (json!({"types": ["transfer.invented"]}), 400, "bad-request"),
        (json!({"description": "a\nb"}), 400, "bad-request"),
        (json!({"description": "a".repeat(257)}), 400, "bad-request"),
        (json!({"enabled": false}), 400, "bad-request"),
        (json!({"surprise": 1}), 400, "bad-request"),
        (json!({"description": "a".repeat(10_000)}), 413, "body-too-large"),
    ] {
        let mut body = json!({"url": format!("{HOOKS}/hook")});
        body.as_object_mut().unwrap().extend(wanted.as_object().unwrap().clone());
        let (answered, said) = port.ask(1, "POST", "", &body);
        assert_eq!((answered.as_u16(), slug(&said)), (status, problem), "{body}");
    }
    for _ in 0..ENDPOINTS_MAX {
        port.register(1, &json!({}));
    }
    let (status, said) = port.ask(1, "POST", "", &json!({"url": HOOKS}));
    assert_eq!((status, slug(&said)), (StatusCode::UNPROCESSABLE_ENTITY, "too-many-endpoints"));
    port.register(2, &json!({}));
}

#[test]
fn a_rotated_secret_signs_beside_the_one_before_for_a_day() {
    let port = Port::new();
    let made = port.register(1, &json!({}));
    let (status, rotated) = port.ask(1, "POST", &path(&made, "/rotate"), &json!({}));
    assert_eq!((status, &rotated["previous_secret_until"]), (StatusCode::OK, &json!(NOW + 24 * HOUR_MS)));
    let [before, after] = [&made, &rotated].map(|shown| shown["secret"].as_str().unwrap());
    assert_ne!(before, after);
    port.happens(1, "transfer.created", 1);
    assert_eq!(port.run(), 1);
    let first = port.arrived().pop().unwrap();
    assert!(first.is_signed_with(before) && first.is_signed_with(after));

    port.time.pass(24 * HOUR_MS);
    assert_eq!(port.shown(1, &made).get("previous_secret_until"), None);
    port.happens(1, "transfer.created", 2);
    assert_eq!(port.run(), 1);
    let second = port.arrived().pop().unwrap();
    assert!(!second.is_signed_with(before) && second.is_signed_with(after));
}

#[test]
fn secrets_outlive_the_master_key() {
    let mut port = Port::new();
    let made = port.register(1, &json!({}));
    let rotated = port.ask(1, "POST", &path(&made, "/rotate"), &json!({})).1;
    port.settings.master_key_previous = Some(port.settings.master_key);
    port.settings.master_key = [2; 32];
    let reseal = || port.send("POST", "/v1/webhooks/reseal", ADMIN, &Value::Null).1;
    assert_eq!([reseal(), reseal()], [json!({"resealed": 1}), json!({"resealed": 0})]);
    port.settings.master_key_previous = None;
    port.happens(1, "transfer.created", 1);
    assert_eq!(port.run(), 1);
    let arrived = port.arrived().pop().unwrap();
    assert!([&made, &rotated].iter().all(|shown| arrived.is_signed_with(shown["secret"].as_str().unwrap())));
}
