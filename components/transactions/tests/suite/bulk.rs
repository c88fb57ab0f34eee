//! Many transfers in one request.

use crate::support::{Port, bulk_request, transfers_body};
use ciborium::Value as Cbor;
use futures::executor::block_on;
use http::StatusCode;
use serde_json::{Value, json};

const GOLD: &str = "gold@arena";
const OK: StatusCode = StatusCode::OK;

/// A port on which ada holds 1,000 and the arena 1,000,000.
fn port() -> Port {
    let port = Port::new();
    port.create_asset(&port.arena, GOLD, None);
    for (key, to, amount) in [("1", "traveller:ada", "1000"), ("2", "world:arena", "1000000")] {
        port.operate(&port.arena, key, &["issuance:gold@arena", to, GOLD, amount]);
    }
    port
}

fn item(key: &str, to: &str, amount: &str) -> Value {
    json!({"idempotency_key": key, "to": to, "asset": GOLD, "amount": amount})
}

fn linked(mut item: Value) -> Value {
    item["linked"] = true.into();
    item
}

fn outcomes(answer: &Value) -> Vec<String> {
    let outcome = |item: &Value| match item["problem"]["type"].as_str() {
        Some(slug) => slug.rsplit(':').next().unwrap().to_owned(),
        None => item["outcome"].as_str().unwrap().to_owned(),
    };
    answer["transfers"].as_array().unwrap().iter().map(outcome).collect()
}

#[test]
fn each_transfer_has_its_own_answer_and_a_repeat_has_the_same_ones() {
    let port = port();
    let transfers = json!([
        item("a", "traveller:bob", "300"),
        item("b", "traveller:eve", "5000"),
        item("c", "traveller:eve", "700")
    ]);
    let (status, answer) = port.bulk(&port.session("ada"), &transfers);
    assert_eq!(status, OK, "{answer}");
    assert_eq!(outcomes(&answer), ["created", "insufficient-funds", "created"]);
    let (_, again) = port.bulk(&port.session("ada"), &transfers);
    assert_eq!(outcomes(&again), outcomes(&answer));
    assert_eq!(again["transfers"][0]["repeated"], true);
    assert_eq!(again["transfers"][0]["position"], answer["transfers"][0]["position"]);
    assert_eq!(["ada", "bob", "eve"].map(|who| port.balance(who, GOLD)), ["0", "300", "700"]);
    // The key is the one of the single transfer as well.
    let (status, single) = port.pay("ada", "a", "traveller:bob", GOLD, "300");
    assert_eq!((status, &single["transfer_id"]), (OK, &answer["transfers"][0]["transfer_id"]));
}

#[test]
fn what_is_linked_succeeds_or_fails_as_one() {
    let port = port();
    let transfers = json!([
        linked(item("a", "traveller:bob", "300")),
        item("b", "traveller:eve", "701"),
        linked(item("c", "traveller:bob", "1")),
        item("d", "traveller:eve", "2")
    ]);
    let (_, answer) = port.bulk(&port.session("ada"), &transfers);
    assert_eq!(outcomes(&answer), ["linked-failed", "insufficient-funds", "created", "created"]);
    assert_eq!(["ada", "bob", "eve"].map(|who| port.balance(who, GOLD)), ["997", "1", "2"]);
    for transfers in [
        json!([linked(item("e", "traveller:bob", "1"))]),
        Value::Array((0..256).map(|n| linked(item(&n.to_string(), "traveller:bob", "1"))).collect()),
    ] {
        assert_eq!(port.bulk(&port.session("ada"), &transfers).0, StatusCode::BAD_REQUEST);
    }
}

#[test]
fn a_bulk_that_may_not_be_or_pays_nobody_does_nothing() {
    let port = port();
    let ada = port.session("ada");
    let good = item("a", "traveller:bob", "1");
    let from = |from: &str| {
        json!({"idempotency_key": "x", "from": from, "to": "traveller:bob",
                                   "asset": GOLD, "amount": "1"})
    };
    let refused = [
        (json!([good, from("traveller:eve")]), StatusCode::FORBIDDEN),
        (json!([good, from("world:arena")]), StatusCode::FORBIDDEN),
        (json!([good, item("b", "traveller:nobody", "1")]), StatusCode::NOT_FOUND),
        (json!([good, item("b", "world:nowhere", "1")]), StatusCode::NOT_FOUND),
        (json!([good, {"to": "traveller:bob", "asset": GOLD, "amount": "1"}]), StatusCode::BAD_REQUEST),
        (json!([good, item("b", "traveller:bob", "-1")]), StatusCode::BAD_REQUEST),
        (json!([]), StatusCode::BAD_REQUEST),
    ];
    for (transfers, expected) in refused {
        let (status, problem) = port.bulk(&ada, &transfers);
        assert_eq!(status, expected, "{transfers}: {problem}");
    }
    let (_, problem) = port.bulk(&ada, &json!([good, item("b", "traveller:", "1")]));
    assert!(problem["detail"].as_str().unwrap().starts_with("transfers[1]: "), "{problem}");
    assert_eq!(port.balance("bob", GOLD), "0");
    let request = bulk_request("x", "application/json", transfers_body(&json!([good])));
    assert_eq!(port.call(request).0, StatusCode::UNAUTHORIZED);
}

#[test]
fn an_operators_assertion_is_for_one_body_only() {
    let port = port();
    let transfer = json!({"idempotency_key": "a", "from": "world:arena", "to": "traveller:bob",
                          "asset": GOLD, "amount": "7"});
    let body = transfers_body(&json!([transfer]));
    let send = |token: &str, body: &[u8]| port.call(bulk_request(token, "application/json", body.to_vec()));
    assert_eq!(send(&port.arena.token(), &body).0, StatusCode::UNAUTHORIZED);
    assert_eq!(send(&port.arena.assertion(Some(b"another")), &body).0, StatusCode::UNAUTHORIZED);
    assert_eq!(send(&port.bazaar.assertion(Some(&body)), &body).0, StatusCode::FORBIDDEN);
    let (status, answer) = send(&port.arena.assertion(Some(&body)), &body);
    assert_eq!((status, outcomes(&answer)), (OK, vec!["created".to_owned()]));
    assert_eq!(port.balance("bob", GOLD), "7");
}

#[test]
fn a_bulk_takes_and_gives_back_what_the_caller_was_credited() {
    let port = port();
    let hold =
        json!({"kind": "pending", "to": "world:arena", "asset": GOLD, "amount": "40", "timeout_s": 60});
    let (_, pending) = port.order("ada", "h", &hold);
    let (_, paid) = port.pay("ada", "p", "world:arena", GOLD, "60");
    let transfers = json!([
        {"idempotency_key": "take", "kind": "post", "origin": pending["transfer_id"], "amount": "30"},
        {"idempotency_key": "back", "kind": "refund", "origin": paid["transfer_id"], "amount": "20"}
    ]);
    let body = transfers_body(&transfers);
    let request = bulk_request(&port.arena.assertion(Some(&body)), "application/json", body);
    let (_, answer) = port.call(request);
    assert_eq!(outcomes(&answer), ["created", "created"], "{answer}");
    assert_eq!(port.balance("ada", GOLD), "930");
    let (status, _) = port.bulk(&port.session("ada"), &transfers);
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[test]
fn as_many_as_there_may_be_are_made_and_one_more_is_not() {
    let port = port();
    let transfers: Vec<Value> =
        (0..8190).map(|n| item(&n.to_string(), ["traveller:bob", "traveller:eve"][n % 2], "0")).collect();
    let mut transfers: Vec<Value> = transfers;
    for transfer in transfers.iter_mut().take(1000) {
        transfer["amount"] = "1".into();
    }
    let (status, answer) = port.bulk(&port.session("ada"), &json!(transfers));
    assert_eq!(status, OK);
    let made = outcomes(&answer).iter().filter(|outcome| *outcome == "created").count();
    assert_eq!((made, port.balance("ada", GOLD).as_str()), (1000, "0"));
    transfers.push(item("more", "traveller:bob", "1"));
    assert_eq!(port.bulk(&port.session("ada"), &json!(transfers)).0, StatusCode::BAD_REQUEST);
}

fn cbor(value: &Cbor) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

#[test]
fn a_bulk_in_cbor_does_the_same() {
    let port = port();
    let text = |text: &str| Cbor::Text(text.to_owned());
    let account = |owner: &str| Cbor::Array(vec![text(owner), text(GOLD)]);
    let transfer = |key: &str, to: u32, amount: u64| {
        let amount = Cbor::Integer(amount.into());
        let parts = vec![text(key), Cbor::Integer(0.into()), Cbor::Integer(to.into()), amount];
        Cbor::Array([parts, vec![Cbor::Null, Cbor::Integer(9.into()), Cbor::Bool(false)]].concat())
    };
    let accounts = Cbor::Array(["traveller:ada", "traveller:bob", "traveller:eve"].map(account).to_vec());
    let bulk = |transfers: Vec<Cbor>| cbor(&Cbor::Array(vec![accounts.clone(), Cbor::Array(transfers)]));
    let body = bulk(vec![transfer("a", 1, 10), transfer("b", 2, 5000)]);
    let ada = port.session("ada");
    let response = block_on(port.send(bulk_request(&ada, "application/cbor", body)));
    assert_eq!(
        (response.status(), &response.headers()["content-type"]),
        (OK, &"application/cbor".parse().unwrap())
    );
    let answers: Cbor = ciborium::from_reader(response.body().as_slice()).unwrap();
    let refusals: Vec<Cbor> =
        answers.as_array().unwrap().iter().map(|answer| answer.as_array().unwrap()[0].clone()).collect();
    assert_eq!(refusals, [Cbor::Null, text("insufficient-funds")]);
    assert_eq!(port.balance("bob", GOLD), "10");
    let (status, again) = port.bulk(
        &ada,
        &json!([{"idempotency_key": "a", "from": "traveller:ada",
        "to": "traveller:bob", "asset": GOLD, "amount": "10", "code": 9}]),
    );
    assert_eq!((status, &again["transfers"][0]["repeated"]), (OK, &json!(true)), "{again}");

    let mut longer = bulk(vec![transfer("c", 1, 1)]);
    longer.push(0);
    let nested = [vec![0x81; 100], vec![0]].concat();
    for body in [bulk(vec![transfer("c", 3, 1)]), longer, nested, vec![0x9f], b"{}".to_vec()] {
        let (status, problem) = port.call(bulk_request(&ada, "application/cbor", body));
        assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
    }
    assert_eq!(port.balance("bob", GOLD), "10");
}
