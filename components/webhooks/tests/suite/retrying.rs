//! What becomes of deliveries that fail.

use crate::support::{HOOKS, HOUR_MS, NOW, Port, Way, now, slug};
use http::StatusCode;
use serde_json::{Value, json};

const DAY_MS: u64 = 24 * HOUR_MS;

fn replay(port: &Port, endpoint: &Value, what: &str, body: &Value) -> (StatusCode, Value) {
    port.ask(1, "POST", &format!("/{}{what}", endpoint["endpoint_id"].as_str().unwrap()), body)
}

fn put(port: &Port, endpoint: &Value, enabled: bool) -> Value {
    let body = json!({"url": format!("{HOOKS}/hook"), "enabled": enabled});
    port.ask(1, "PUT", &format!("/{}", endpoint["endpoint_id"].as_str().unwrap()), &body).1
}

#[test]
fn what_fails_is_tried_again_after_the_pauses_and_then_given_up_and_replayed() {
    let port = Port::with_retries("5s,5m,2h");
    let made = port.register(1, &json!({}));
    port.answers("/hook", Way::Status(500));
    let id = port.happens(1, "transfer.created", 1);
    let mut tried_at = Vec::new();
    for _ in 0..2000 {
        if port.run() > 0 {
            tried_at.push(now(&port));
        }
        port.time.pass(5000);
    }
    // Each pause is longer by a tenth at most, and by as much as is looked for.
    let pauses: Vec<u64> = tried_at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses.len(), 3, "{pauses:?}");
    for (pause, least) in pauses.iter().zip([5000, 300_000, 7_200_000]) {
        assert!((least..=least + least / 10 + 6000).contains(pause), "{pauses:?}");
    }
    let arrived = port.arrived();
    assert!(arrived.iter().all(|one| one.id() == id && one.body == arrived[0].body));
    assert!(
        arrived
            .windows(2)
            .all(|pair| pair[0].header("webhook-timestamp") < pair[1].header("webhook-timestamp"))
    );
    let dead = port.deliveries(1, &made, "dead");
    assert_eq!(
        (dead.len(), &dead[0]["attempts"], &dead[0]["last_attempt"]["status"]),
        (1, &json!(4), &json!(500))
    );
    assert_eq!(port.deliveries(1, &made, "pending").len(), 0);
    assert!(port.shown(1, &made)["failing_since"].is_u64());

    port.answers("/hook", Way::Status(200));
    let (status, replayed) = replay(&port, &made, &format!("/deliveries/{id}/replay"), &json!({}));
    assert_eq!(
        (status, &replayed["state"], &replayed["attempts"]),
        (StatusCode::OK, &json!("pending"), &json!(0))
    );
    assert_eq!(port.run(), 1);
    assert_eq!(port.arrived().pop().unwrap().id(), id);
    assert_eq!(
        (port.deliveries(1, &made, "dead").len(), port.deliveries(1, &made, "delivered").len()),
        (0, 1)
    );
    assert_eq!(port.shown(1, &made).get("failing_since"), None);
    // What was delivered can be delivered once more.
    let _ = replay(&port, &made, &format!("/deliveries/{id}/replay"), &json!({}));
    assert_eq!((port.run(), port.arrived().pop().unwrap().id()), (1, &*id));
}

#[test]
fn all_that_was_given_up_since_a_time_is_replayed() {
    let port = Port::with_retries("0s");
    let made = port.register(1, &json!({}));
    port.answers("/hook", Way::Status(302));
    let old = port.happens(1, "transfer.created", 0);
    port.run();
    port.time.pass(HOUR_MS);
    let since = now(&port);
    let ids: Vec<String> = (1..=120).map(|number| port.happens(1, "transfer.created", number)).collect();
    port.run();
    assert_eq!(port.deliveries(1, &made, "dead").len(), 121);
    port.answers("/hook", Way::Status(200));
    port.arrived();
    let since = json!({ "since": since });
    assert_eq!(replay(&port, &made, "/replay", &since).1, json!({"replayed": 100, "more": true}));
    assert_eq!(replay(&port, &made, "/replay", &since).1, json!({"replayed": 20, "more": false}));
    assert_eq!(port.run(), 120);
    let mut arrived: Vec<String> = port.arrived().iter().map(|one| one.id().to_owned()).collect();
    let mut expected = ids;
    arrived.sort();
    expected.sort();
    assert_eq!(arrived, expected);
    let dead = port.deliveries(1, &made, "dead");
    assert_eq!(dead.iter().map(|one| one["webhook_id"].as_str().unwrap()).collect::<Vec<_>>(), [&*old]);
    port.time.pass(31 * DAY_MS);
    assert_eq!(port.deliveries(1, &made, "dead").len(), 0);
}

#[test]
fn an_endpoint_that_says_it_is_gone_is_disabled_and_keeps_what_happens_as_dead_letters() {
    let port = Port::new();
    let made = port.register(1, &json!({}));
    port.answers("/hook", Way::Status(410));
    let first = port.happens(1, "transfer.created", 1);
    assert_eq!(port.run(), 1);
    let shown = port.shown(1, &made);
    assert_eq!((&shown["enabled"], &shown["disabled"]["reason"]), (&json!(false), &json!("gone")));
    let second = port.happens(1, "transfer.created", 2);
    assert_eq!(port.run(), 0);
    assert_eq!(port.deliveries(1, &made, "dead").len(), 2);
    for (what, body) in [("/replay", json!({"since": 0})), ("/test", json!({}))] {
        let (status, said) = replay(&port, &made, what, &body);
        assert_eq!((status, slug(&said)), (StatusCode::CONFLICT, "endpoint-disabled"));
    }
    port.answers("/hook", Way::Status(200));
    port.arrived();
    assert_eq!(put(&port, &made, true)["enabled"], json!(true));
    assert_eq!(
        replay(&port, &made, "/replay", &json!({"since": NOW})).1,
        json!({"replayed": 2, "more": false})
    );
    assert_eq!(port.run(), 2);
    let mut arrived: Vec<String> = port.arrived().iter().map(|one| one.id().to_owned()).collect();
    let mut expected = vec![first, second];
    arrived.sort();
    expected.sort();
    assert_eq!(arrived, expected);
}

#[test]
fn an_endpoint_that_fails_for_days_is_disabled_and_one_that_works_again_is_not() {
    let port = Port::with_retries("1h,1h,1h");
    let made = port.register(1, &json!({}));
    port.answers("/hook", Way::Denied);
    let fail_for = |days: u64| {
        for number in 0..days * 4 {
            port.happens(1, "transfer.created", now(&port) + number);
            port.run();
            port.time.pass(6 * HOUR_MS);
        }
    };
    fail_for(5);
    assert_eq!(port.shown(1, &made)["enabled"], json!(true));
    port.answers("/hook", Way::Status(200));
    port.run();
    assert_eq!(port.shown(1, &made).get("failing_since"), None);
    port.answers("/hook", Way::Denied);
    fail_for(6);
    let shown = port.shown(1, &made);
    assert_eq!((&shown["enabled"], &shown["disabled"]["reason"]), (&json!(false), &json!("failing")));
    // Whoever wants it back enables it, and it has days again.
    assert_eq!(put(&port, &made, true).get("failing_since"), None);
    fail_for(1);
    assert_eq!(port.shown(1, &made)["enabled"], json!(true));
    // Or switches it off.
    assert_eq!(put(&port, &made, false)["disabled"]["reason"], json!("owner"));
}

#[test]
fn an_endpoint_that_asks_to_be_left_alone_is() {
    let port = Port::with_retries("1s,1s");
    port.register(1, &json!({}));
    port.answers("/hook", Way::Later(120));
    port.happens(1, "transfer.created", 1);
    assert_eq!(port.run(), 1);
    port.time.pass(119_000);
    assert_eq!(port.run(), 0);
    port.time.pass(1000);
    assert_eq!(port.run(), 1);
}

#[test]
fn what_a_host_took_and_never_sent_is_sent_when_its_time_is_over() {
    let port = Port::new();
    let made = port.register(1, &json!({}));
    port.answers("/hook", Way::Hang);
    port.happens(1, "transfer.created", 1);
    // The host ends while it waits for the answer.
    let mut turn = Box::pin(port.turn());
    let mut context = std::task::Context::from_waker(futures::task::noop_waker_ref());
    assert!(turn.as_mut().poll(&mut context).is_pending());
    drop(turn);
    assert_eq!(port.arrived().len(), 1);
    port.answers("/hook", Way::Status(200));
    assert_eq!(port.run(), 0, "it is the other host's");
    port.time.pass(60_000);
    assert_eq!(port.run(), 1);
    assert_eq!(port.deliveries(1, &made, "delivered")[0]["attempts"], json!(2));
}
