//! Transfers whose time comes, over HTTP, also while nobody is there.

use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use vwp_tests::host::Host;
use vwp_tests::http::{Call, Reply};
use vwp_tests::people::{Operator, Traveller};
use vwp_tests::{eventually, unique};

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time");
    u64::try_from(now.as_millis()).expect("a time in this age")
}

fn schedule(host: &Host, ada: &Traveller, terms: &Value) -> Reply {
    host.http.send(&Call::json("/v1/schedules", terms).bearer(&ada.token))
}

fn read(host: &Host, ada: &Traveller, id: &str) -> Value {
    host.http.send(&Call::get(format!("/v1/schedules/{id}")).bearer(&ada.token)).expect(200).json()
}

#[test]
fn what_is_due_is_paid_once_and_a_cancelled_rest_is_not() {
    let host = Host::shared();
    let shop = Operator::registered(&host, "shop");
    let ada = Traveller::signed_in(&host);
    let asset = shop.issue(&host, "gold", &ada.account(), "100");
    let terms = json!({"idempotency_key": unique("s"), "to": format!("world:{}", shop.world), "asset": asset,
                       "amount": "30", "start_at": now_ms() + 500, "every": {"unit": "month", "count": 1}});
    let id = schedule(&host, &ada, &terms).expect(201).text("schedule_id");
    assert_eq!(schedule(&host, &ada, &terms).expect(200).text("schedule_id"), id);
    // A host without a timer does what is due when somebody looks.
    eventually("the first occurrence is made", || {
        read(&host, &ada, &id)["occurrences"][0]["outcome"] == "made"
    });
    let cancel = Call::json(format!("/v1/schedules/{id}/cancel"), &json!({})).bearer(&ada.token);
    assert_eq!(host.http.send(&cancel).expect(200).text("state"), "cancelled");
    assert_eq!(read(&host, &ada, &id)["occurrences"].as_array().unwrap().len(), 1);
    assert_eq!(ada.balance(&host, &asset), 70);
}

#[test]
fn what_fell_due_while_nobody_was_there_is_made_late_and_once() {
    let mut host = Host::start_own();
    let shop = Operator::registered(&host, "shop");
    let ada = Traveller::signed_in(&host);
    let asset = shop.issue(&host, "gold", &ada.account(), "100");
    let due = now_ms() + 2000;
    let terms = json!({"idempotency_key": "once", "to": format!("world:{}", shop.world), "asset": asset,
                       "amount": "30", "start_at": due});
    let id = schedule(&host, &ada, &terms).expect(201).text("schedule_id");
    host.kill();
    eventually("its time is over", || now_ms() > due);
    let host = host.restarted();
    eventually("the occurrence is made", || read(&host, &ada, &id)["state"] == "ended");
    assert_eq!(read(&host, &ada, &id)["occurrences"][0]["outcome"], "made");
    assert_eq!(ada.balance(&host, &asset), 70);
    let again = host.http.send(&Call::json("/v1/schedules", &terms).bearer(&ada.token)).expect(200);
    assert_eq!(again.text("state"), "ended");
}
