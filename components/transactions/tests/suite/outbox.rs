//! What is written for those who want to be told of what happens.

use crate::payments::post;
use crate::support::{ADMIN, NOW, Port, Signer};
use futures::executor::block_on;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use vwp_core::caller::Caller;
use vwp_core::outbox::{EVENTS, Event, TYPES, listener_key};
use vwp_storage::Kv;
use vwp_storage::kv::{Direction, KeyRange, Write};
use vwp_transactions::outbox::log;

const GOLD: &str = "gold@arena";
const EUR: &str = "eur@arena";
const CREATED: StatusCode = StatusCode::CREATED;

/// An operator wants to be told.
pub(crate) fn listen(port: &Port, owner: &str) {
    let write = Write::put(listener_key(owner), json!({ "since": NOW }).to_string());
    block_on(port.store.kv.commit(&[], &[write])).unwrap();
}

pub(crate) fn owner(signer: &Signer) -> String {
    format!("operator:{}", signer.id)
}

/// Reads the log to its end; in how many calls.
pub(crate) fn read_log(port: &Port) -> u32 {
    let mut calls = 1;
    while block_on(log::run(&port.store)).unwrap() < 250 {
        calls += 1;
    }
    calls
}

/// Takes all that was written out of the outbox.
pub(crate) fn taken(port: &Port) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let page = block_on(port.store.kv.scan(&KeyRange::prefix(EVENTS), 200, Direction::Forward)).unwrap();
        if page.items.is_empty() {
            return events;
        }
        let writes: Vec<Write> = page.items.iter().map(|item| Write::delete(item.key.clone())).collect();
        block_on(port.store.kv.commit(&[], &writes)).unwrap();
        let read = |value: &[u8]| serde_json::from_slice::<Event>(value).unwrap();
        events.extend(page.items.iter().map(|item| read(&item.entry.value)));
    }
}

/// All that was told since the last time, after the log was read.
fn told(port: &Port) -> Vec<Event> {
    read_log(port);
    let events = taken(port);
    assert!(events.iter().all(|event| TYPES.contains(&&*event.kind)), "{events:?}");
    events
}

fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

/// A port whose arena listens, on which ada has 1,000 of its gold.
fn port() -> Port {
    let port = Port::new();
    listen(&port, &owner(&port.arena));
    for asset in [GOLD, EUR] {
        assert_eq!(port.create_asset(&port.arena, asset, None).0, CREATED);
    }
    let issued = port.operate(&port.arena, "issue", &["issuance:gold@arena", "traveller:ada", GOLD, "1000"]);
    assert_eq!(issued.0, CREATED);
    assert_eq!(kinds(&told(&port)), ["transfer.created"]);
    port
}

#[test]
fn what_moves_on_accounts_of_a_world_is_told_as_its_operator_could_read_it() {
    let port = port();
    assert_eq!(port.pay("ada", "a", "world:arena", GOLD, "10").0, CREATED);
    // This is nothing to the arena, and this is refused, and this is a repeat.
    assert_eq!(port.pay("ada", "b", "traveller:bob", GOLD, "20").0, CREATED);
    assert_eq!(port.pay("ada", "c", "world:arena", GOLD, "5000").0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(port.pay("ada", "a", "world:arena", GOLD, "10").0, StatusCode::OK);
    let hold = json!({"kind": "pending", "to": "world:arena", "asset": GOLD, "amount": "30",
                      "timeout_s": 600});
    let holds = ["d", "e"].map(|key| port.order("ada", key, &hold).1["transfer_id"].clone());
    let follow = |key: &str, kind: &str, origin: &Value| {
        let order = json!({"idempotency_key": key, "kind": kind, "origin": origin});
        assert_eq!(port.order_signed(&port.arena, &order).0, CREATED);
    };
    follow("f", "post", &holds[0]);
    follow("g", "void", &holds[1]);
    assert_eq!(port.operate(&port.arena, "h", &["world:arena", "traveller:bob", GOLD, "7"]).0, CREATED);

    let mut events = told(&port);
    // Those of one commit come in any order.
    events.sort_by_key(|event| event.data["position"].as_u64());
    let expected = [
        "transfer.created",
        "transfer.held",
        "transfer.held",
        "transfer.posted",
        "transfer.voided",
        "transfer.created",
    ];
    assert_eq!(kinds(&events), expected);
    for event in &events {
        assert_eq!(event.owner, owner(&port.arena));
        let path = format!("/v1/transfers/{}", event.data["transfer_id"].as_str().unwrap());
        let (status, mut receipt) = port.get(&path, Some(&port.arena.token()));
        assert_eq!(status, StatusCode::OK, "{receipt}");
        receipt.as_object_mut().unwrap().remove("hold");
        assert_eq!(event.data, receipt);
        assert_eq!(event.time, receipt["time"].as_u64());
    }
    assert_eq!(events[0].data["from"], "traveller:ada");
    // Who does not listen is told nothing, and nothing is told twice.
    assert_eq!(told(&port), []);
}

#[test]
fn what_happened_before_anybody_listened_is_not_told() {
    let port = Port::new();
    port.create_asset(&port.arena, GOLD, None);
    for number in 0..300 {
        let key = number.to_string();
        port.operate(&port.arena, &key, &["issuance:gold@arena", "traveller:ada", GOLD, "10"]);
    }
    assert_eq!(told(&port), []);
    listen(&port, &owner(&port.bazaar));
    assert_eq!(port.pay("ada", "a", "world:bazaar", GOLD, "10").0, CREATED);
    let events = told(&port);
    assert_eq!((kinds(&events), events[0].owner.as_str()), (vec!["transfer.created"], &*owner(&port.bazaar)));
}

#[test]
fn a_bulk_of_many_is_told_transfer_by_transfer_in_several_calls() {
    let port = port();
    let transfers: Vec<Value> = (0..500)
        .map(|number| {
            let key = format!("k{number}");
            json!({"idempotency_key": key, "to": "world:arena", "asset": GOLD, "amount": "1"})
        })
        .collect();
    assert_eq!(port.bulk(&port.session("ada"), &transfers.into()).0, StatusCode::OK);
    assert!(read_log(&port) > 3);
    let mut ids: Vec<String> = taken(&port).into_iter().map(|event| event.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 500);
}

#[test]
fn an_escrow_tells_its_parties_what_was_done_once_for_all_milestones() {
    let port = port();
    listen(&port, &owner(&port.bazaar));
    let terms = json!({"arbiter": "world:arena"});
    let body = crate::escrows::terms(&terms);
    let (status, escrow) = post(&port, "ada", "/v1/escrows", &body);
    assert_eq!(status, CREATED, "{escrow}");
    let events = told(&port);
    let by_owner = |events: &[Event]| -> BTreeMap<String, Vec<String>> {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for event in events {
            all.entry(event.owner.clone()).or_default().push(event.kind.clone());
        }
        all
    };
    let funded = || vec!["escrow.funded".to_owned()];
    assert_eq!(
        by_owner(&events),
        BTreeMap::from([(owner(&port.arena), funded()), (owner(&port.bazaar), funded())])
    );
    assert_eq!(events[0].data, escrow);

    let path = format!("/v1/escrows/{}/release", escrow["escrow_id"].as_str().unwrap());
    let (status, released) = post(&port, "ada", &path, &json!({}));
    assert_eq!((status, &released["state"]), (StatusCode::OK, &json!("released")));
    let events = told(&port);
    let by_owner = by_owner(&events);
    assert_eq!(by_owner[&owner(&port.arena)], ["escrow.released"]);
    // The payee has three milestones more, and is told of each.
    let mut payee = by_owner[&owner(&port.bazaar)].clone();
    payee.sort();
    assert_eq!(payee, ["escrow.released", "transfer.created", "transfer.created", "transfer.created"]);
    assert!(
        events.iter().filter(|event| event.kind == "escrow.released").all(|event| event.data == released)
    );
}

#[test]
fn a_payment_tells_its_payee_what_becomes_of_it_in_the_commit_in_which_it_does() {
    let port = port();
    let body = json!({"idempotency_key": "p", "payee": "world:arena", "asset": EUR, "amount": "1000"});
    let payment = post(&port, "ada", "/v1/payments", &body).1;
    let step = |who: &str, what: &str, body: &Value| {
        let path = format!("/v1/payments/{}/{what}", payment["payment_id"].as_str().unwrap());
        let (status, said) = post(&port, who, &path, body);
        assert_eq!(status, StatusCode::OK, "{said}");
    };
    assert_eq!(taken(&port), []);
    step("ada", "confirm", &json!({"idempotency_key": "c", "payment_method": "pm_card"}));
    let events = taken(&port);
    assert_eq!(kinds(&events), ["payment.captured"]);
    assert_eq!(
        (&events[0].data["captured"], &events[0].data["payee"]),
        (&json!("1000"), &json!("world:arena"))
    );
    assert_eq!(kinds(&told(&port)), ["transfer.created"]);
    step("arena", "refund", &json!({"idempotency_key": "r", "amount": "100"}));
    let mut kinds: Vec<String> = told(&port).into_iter().map(|event| event.kind).collect();
    kinds.sort();
    assert_eq!(kinds, ["payment.refunded", "transfer.held", "transfer.posted"]);
    // A payout is told to whose account pays, and what the processor says later too.
    let payout = json!({"idempotency_key": "o", "from": "world:arena", "asset": EUR, "amount": "101",
                        "destination": "ba_1"});
    assert_eq!(post(&port, "arena", "/v1/payouts", &payout).0, CREATED);
    assert_eq!(taken(&port), []);
    port.processor.finish();
    for event in port.processor.events() {
        let _ = port.call(crate::payments::webhook(&event));
    }
    let events = taken(&port);
    assert_eq!((events.len(), events[0].kind.as_str()), (1, "payout.paid"));
    assert_eq!(events[0].data["destination"], "ba_1");
    told(&port);
    // So is what the payer's bank says.
    for (kind, moved) in
        [("payment.disputed", "transfer.chargeback"), ("payment.reinstated", "transfer.created")]
    {
        port.processor.dispute(0, 50);
        let event = port.processor.events().pop().unwrap();
        let _ = port.call(crate::payments::webhook(&event));
        let mut kinds: Vec<String> = told(&port).into_iter().map(|event| event.kind).collect();
        kinds.sort();
        assert_eq!(kinds, [kind, moved]);
    }
}

#[test]
fn a_schedule_tells_who_asked_for_it_what_was_refused_and_that_it_ended() {
    let mut port = port();
    let terms = json!({"idempotency_key": "wages", "from": "world:arena", "to": "traveller:bob", "asset": GOLD,
                       "amount": "600", "start_at": NOW + 60_000, "times": 2,
                       "every": {"unit": "minute", "count": 1}});
    assert_eq!(post(&port, "arena", "/v1/schedules", &terms).0, CREATED);
    assert_eq!(port.pay("ada", "a", "world:arena", GOLD, "700").0, CREATED);
    assert_eq!(kinds(&told(&port)), ["transfer.created"]);
    port.pass(120_000);
    let run = || {
        let request = Request::post("/v1/schedules/run").header("authorization", format!("Bearer {ADMIN}"));
        port.call(request.body(Vec::new()).unwrap()).1
    };
    assert_eq!(run()["done"], 1);
    assert_eq!(run()["done"], 1);
    let events = told(&port);
    let mut kinds = kinds(&events);
    kinds.sort_unstable();
    assert_eq!(kinds, ["schedule.ended", "schedule.refused", "transfer.created"]);
    let ended = events.iter().find(|event| event.kind == "schedule.ended").unwrap();
    assert_eq!(
        (&ended.data["state"], &ended.data["occurrences"][0]["outcome"]),
        (&json!("ended"), &json!("refused"))
    );
}

#[test]
fn whom_something_is_told_is_who_may_read_it() {
    let port = port();
    listen(&port, "administrator");
    let body = json!({"asset": "EUR", "scale": 2});
    let request = Port::request("/v1/assets", ADMIN, &body);
    assert_eq!(port.call(request).0, CREATED);
    let order = json!({"from": "issuance:EUR", "to": "world:arena", "asset": "EUR", "amount": "5"});
    let request = Request::post("/v1/transfers")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {ADMIN}"))
        .header("idempotency-key", "mint")
        .body(order.to_string().into_bytes());
    assert_eq!(port.call(request.unwrap()).0, CREATED);
    let mut owners: Vec<String> = told(&port).into_iter().map(|event| event.owner).collect();
    owners.sort();
    assert_eq!(owners, ["administrator".to_owned(), owner(&port.arena)]);
    // A world that has gone has nobody who is told.
    assert_eq!(vwp_core::outbox::owner_of(&Caller::Nobody), None);
    port.forget_world("arena");
    assert_eq!(port.pay("ada", "z", "traveller:bob", GOLD, "1").0, CREATED);
    assert_eq!(told(&port), []);
}
