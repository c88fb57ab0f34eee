//! What arrives at endpoints.

use crate::support::{HOOKS, HOUR_MS, NOW, Port, Received, Way, slug};
use http::StatusCode;
use serde_json::{Value, json};

#[test]
fn an_event_arrives_signed_at_each_endpoint_that_wants_it() {
    let port = Port::new();
    let all = port.register(1, &json!({}));
    let money = port.register(1, &json!({"url": format!("{HOOKS}/money"), "types": ["transfer.created"]}));
    let other = port.register(2, &json!({"url": format!("{HOOKS}/other")}));
    let created = port.happens(1, "transfer.created", 1);
    let funded = port.happens(1, "escrow.funded", 2);
    assert_eq!(port.run(), 3);
    let arrived = port.arrived();
    let at = |path: &str| -> Vec<_> {
        arrived.iter().filter(|one| one.url == format!("{HOOKS}{path}")).map(Received::id).collect()
    };
    assert_eq!(at("/money"), [&*created]);
    let mut both = at("/hook");
    both.sort_unstable();
    let mut expected = [&*created, &*funded];
    expected.sort_unstable();
    assert_eq!(both, expected);
    assert_eq!(at("/other").len() + port.deliveries(2, &other, "delivered").len(), 0);
    let one = arrived.iter().find(|one| one.url.ends_with("/money")).unwrap();
    assert_eq!(
        one.body,
        r#"{"type":"transfer.created","timestamp":"2027-01-15T08:00:00Z","data":{"number":"1"}}"#
    );
    assert_eq!(one.header("webhook-timestamp"), (NOW / 1000).to_string());
    assert_eq!(one.header("content-type"), "application/json");
    assert!(one.is_signed_with(money["secret"].as_str().unwrap()));
    assert!(!one.is_signed_with(all["secret"].as_str().unwrap()));

    let delivered = port.deliveries(1, &money, "delivered");
    assert_eq!(delivered.len(), 1);
    assert_eq!(
        (&delivered[0]["attempts"], &delivered[0]["last_attempt"]["status"]),
        (&json!(1), &json!(204))
    );
    let path = format!("/{}/deliveries/{created}", money["endpoint_id"].as_str().unwrap());
    let (_, shown) = port.ask(1, "GET", &path, &Value::Null);
    assert_eq!(shown["payload"], json!(one.body));
    // What was delivered is forgotten after a while.
    port.time.pass(73 * HOUR_MS);
    assert_eq!(port.ask(1, "GET", &path, &Value::Null).0, StatusCode::NOT_FOUND);
    assert_eq!(port.deliveries(1, &money, "delivered").len(), 0);
    assert_eq!(port.keys("outbox/event/"), Vec::<String>::new());
}

#[test]
fn one_that_does_not_answer_holds_up_nobody_else() {
    let port = Port::new();
    let slow = port.register(1, &json!({"url": format!("{HOOKS}/slow")}));
    port.answers("/slow", Way::Hang);
    let quick = port.register(2, &json!({}));
    for number in 0..40 {
        port.happens(1, "transfer.created", number);
        port.happens(2, "transfer.created", number);
    }
    port.run();
    let arrived = port.arrived();
    let (waiting, served): (Vec<_>, Vec<_>) = arrived.iter().partition(|one| one.url.ends_with("/slow"));
    assert_eq!((served.len(), port.deliveries(2, &quick, "delivered").len()), (40, 40));
    // All of them while the first four of the other one's still waited.
    assert!(served.iter().all(|one| one.time < NOW + 15_000));
    let first = waiting.iter().filter(|one| one.time < NOW + 15_000).count();
    assert_eq!(first, 4);
    assert!(port.shown(1, &slow)["failing_since"].is_u64());
    assert_eq!(port.deliveries(1, &slow, "pending").len(), 40);
    // From then on it has one attempt at a time, however many are due.
    port.time.pass(HOUR_MS);
    let begun = crate::support::now(&port);
    futures::executor::block_on(port.turn());
    let again = port.arrived();
    assert!(again.len() == 1 && again[0].time >= begun, "{again:?}");
}

#[test]
fn an_endpoint_is_tried_out_with_an_event_that_says_nothing() {
    let port = Port::new();
    let made = port.register(1, &json!({"types": ["payment.captured"]}));
    let id = made["endpoint_id"].as_str().unwrap();
    let (status, sent) = port.ask(1, "POST", &format!("/{id}/test"), &json!({}));
    assert_eq!(
        (status, &sent["state"], &sent["type"]),
        (StatusCode::CREATED, &json!("pending"), &json!("webhook.test"))
    );
    assert_eq!(port.run(), 1);
    let arrived = port.arrived().pop().unwrap();
    assert_eq!(
        (arrived.id(), &arrived.json()["type"]),
        (sent["webhook_id"].as_str().unwrap(), &json!("webhook.test"))
    );
    assert_eq!(arrived.json()["data"], json!({"endpoint_id": id}));
}

#[test]
fn what_was_to_be_sent_to_an_endpoint_that_is_deleted_is_forgotten() {
    let port = Port::new();
    port.answers("/hook", Way::Status(500));
    let made = port.register(1, &json!({}));
    port.happens(1, "transfer.created", 1);
    assert_eq!(port.run(), 1);
    let path = format!("/{}", made["endpoint_id"].as_str().unwrap());
    assert_eq!(port.ask(1, "DELETE", &path, &Value::Null).0, StatusCode::NO_CONTENT);
    port.time.pass(HOUR_MS);
    assert_eq!(port.run(), 0);
    assert_eq!(port.keys("webhooks/"), Vec::<String>::new());
}

#[test]
fn nothing_is_sent_where_the_administrator_does_not_want_it_any_more() {
    let mut port = Port::new();
    let made = port.register(1, &json!({}));
    port.happens(1, "transfer.created", 1);
    port.settings.options.insert(vwp_webhooks::destination::HOSTS, String::new());
    assert_eq!(port.run(), 0);
    assert!(port.arrived().is_empty());
    let dead = port.deliveries(1, &made, "dead");
    assert_eq!(dead[0]["last_attempt"]["error"], json!("not-allowed"));
    let (status, said) = port.ask(1, "POST", "", &json!({"url": HOOKS}));
    assert_eq!((status, slug(&said)), (StatusCode::UNPROCESSABLE_ENTITY, "destination-refused"));
}
