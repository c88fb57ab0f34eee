//! Money that comes into the port and leaves it.

use crate::support::processor::{CHALLENGED, DECLINED, SIGNATURE};
use crate::support::{ADMIN, Fault, NOW, Port};
use futures::executor::block_on;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use vwp_processor::Event;
use vwp_transactions::ledger;
use vwp_transactions::reference::{Owner, account_id};

const EUR: &str = "eur@arena";
const OK: StatusCode = StatusCode::OK;
const CREATED: StatusCode = StatusCode::CREATED;

/// A port that takes payments.
pub(crate) fn port() -> Port {
    let port = Port::new();
    assert_eq!(port.create_asset(&port.arena, EUR, None).0, CREATED);
    port
}

fn token(port: &Port, who: &str, body: &Value) -> String {
    match who {
        "arena" => port.arena.assertion(Some(body.to_string().as_bytes())),
        traveller => port.session(traveller),
    }
}

pub(crate) fn request(port: &Port, who: &str, path: &str, body: &Value) -> Request<Vec<u8>> {
    Port::request(path, &token(port, who, body), body)
}

pub(crate) fn post(port: &Port, who: &str, path: &str, body: &Value) -> (StatusCode, Value) {
    port.call(request(port, who, path, body))
}

/// Ada's payment of 1,000 to the arena.
fn create(port: &Port, capture: &str) -> String {
    let body = json!({"idempotency_key": "p", "payee": "world:arena", "asset": EUR, "amount": "1000",
                      "capture": capture});
    let (status, payment) = post(port, "ada", "/v1/payments", &body);
    assert_eq!((status, &payment["state"]), (CREATED, &json!("open")), "{payment}");
    payment["payment_id"].as_str().unwrap().to_owned()
}

fn step(port: &Port, who: &str, id: &str, what: &str, body: &Value) -> (StatusCode, Value) {
    post(port, who, &format!("/v1/payments/{id}/{what}"), body)
}

fn confirm(port: &Port, id: &str, key: &str, method: &str) -> (StatusCode, Value) {
    step(port, "ada", id, "confirm", &json!({"idempotency_key": key, "payment_method": method}))
}

fn refund(port: &Port, id: &str, key: &str, amount: &str) -> (StatusCode, Value) {
    step(port, "arena", id, "refund", &json!({"idempotency_key": key, "amount": amount}))
}

fn read(port: &Port, id: &str) -> Value {
    let (status, payment) = port.get(&format!("/v1/payments/{id}"), Some(&port.session("ada")));
    assert_eq!(status, OK, "{payment}");
    payment
}

fn slug(problem: &Value) -> &str {
    problem["type"].as_str().unwrap_or_default().rsplit(':').next().unwrap_or_default()
}

/// What an account holds, and what of it is held; of a processor, what it has.
pub(crate) fn held(port: &Port, owner: &str) -> (u128, u128) {
    let owner: Owner = owner.parse().unwrap();
    let account = account_id(&owner, &EUR.parse().unwrap());
    block_on(ledger::account(&port.store, account))
        .unwrap()
        .map_or((0, 0), |view| (view.balance(), view.debits_pending))
}

pub(crate) fn webhook(event: &Event) -> Request<Vec<u8>> {
    Request::post("/v1/payments/webhooks/model")
        .header("content-type", "application/json")
        .header(SIGNATURE.0, SIGNATURE.1)
        .body(serde_json::to_vec(event).unwrap())
        .unwrap()
}

fn tell(port: &Port, event: &Event) {
    let (status, problem) = port.call(webhook(event));
    assert_eq!(status, StatusCode::NO_CONTENT, "{problem}");
}

#[test]
fn supply_is_what_accounts_hold_whether_it_was_issued_or_came_in() {
    let port = port();
    let supply = || port.get(&format!("/v1/assets/{EUR}"), None).1["supply"].clone();
    assert_eq!(supply(), "0");
    let id = create(&port, "automatic");
    assert_eq!(supply(), "0");
    assert_eq!(confirm(&port, &id, "c", "pm_card").1["state"], "captured");
    assert_eq!((supply(), held(&port, "world:arena").0), (json!("1000"), 1000));
    assert_eq!(
        port.operate(&port.arena, "i", &["issuance:eur@arena", "traveller:eve", EUR, "50"]).0,
        CREATED
    );
    assert_eq!(supply(), "1050");
    // What moves between holders is no more and no less of it.
    assert_eq!(port.operate(&port.arena, "p", &["world:arena", "traveller:eve", EUR, "300"]).0, CREATED);
    assert_eq!(supply(), "1050");
    assert_eq!(port.pay("eve", "b", "issuance:eur@arena", EUR, "50").0, CREATED);
    assert_eq!(supply(), "1000");
    // What leaves is in circulation until the processor says that it has left.
    let under_way = refund(&port, &id, "r", "401").1;
    assert_eq!((&under_way["refunds"][0]["state"], supply()), (&json!("pending"), json!("1000")));
    port.processor.finish();
    port.processor.events().iter().for_each(|event| tell(&port, event));
    assert_eq!(supply(), "599");
    assert_eq!((held(&port, "world:arena").0, held(&port, "traveller:eve").0), (299, 300));
    assert_eq!(held(&port, "processor:model").0, 599);
}

#[test]
fn a_payment_credits_the_payee_once_and_repeats_change_nothing() {
    let port = port();
    let id = create(&port, "automatic");
    assert_eq!(held(&port, "world:arena"), (0, 0));
    let paid = confirm(&port, &id, "c", "pm_card");
    assert_eq!((paid.0, &paid.1["state"], &paid.1["captured"]), (OK, &json!("captured"), &json!("1000")));
    assert_eq!(confirm(&port, &id, "c", "pm_card"), paid);
    assert_eq!(create_again(&port), (OK, paid.1.clone()));
    assert_eq!(port.processor.done(), 2);
    assert_eq!((held(&port, "world:arena").0, held(&port, "processor:model").0), (1000, 1000));

    // The same event thrice, and those before it after it.
    for event in port.processor.events().iter().rev().cycle().take(6) {
        tell(&port, event);
    }
    assert_eq!(read(&port, &id), paid.1);
    assert_eq!(held(&port, "world:arena").0, 1000);

    // The transfer is one like any other, but goes back as a refund only.
    let transfer = paid.1["transfer_id"].as_str().unwrap();
    let (status, receipt) = port.get(&format!("/v1/transfers/{transfer}"), Some(&port.arena.token()));
    assert_eq!((status, &receipt["from"]), (OK, &json!("processor:model")));
    let back = json!({"idempotency_key": "b", "kind": "reverse", "origin": transfer});
    assert_eq!(port.order_signed(&port.arena, &back).0, StatusCode::FORBIDDEN);
    let to = json!({"to": "processor:model", "asset": EUR, "amount": "1"});
    assert_eq!(port.order("ada", "k", &to).0, StatusCode::FORBIDDEN);
    let account = "/v1/ledger/accounts/processor:model/eur@arena";
    assert_eq!(port.get(account, Some(ADMIN)).1["balance"], "1000");
    assert_eq!(port.get(account, Some(&port.arena.token())).0, StatusCode::FORBIDDEN);
}

fn create_again(port: &Port) -> (StatusCode, Value) {
    let body = json!({"idempotency_key": "p", "payee": "world:arena", "asset": EUR, "amount": "1000"});
    post(port, "ada", "/v1/payments", &body)
}

#[test]
fn a_key_belongs_to_what_it_was_used_for_and_a_refusal_is_its_answer() {
    let port = port();
    let id = create(&port, "automatic");
    let other = json!({"idempotency_key": "p", "payee": "world:arena", "asset": EUR, "amount": "999"});
    assert_eq!(slug(&post(&port, "ada", "/v1/payments", &other).1), "idempotency-key-reused");
    let declined = confirm(&port, &id, "c1", DECLINED);
    assert_eq!(
        (slug(&declined.1), declined.1["detail"].as_str().unwrap().contains("card_declined")),
        ("payment-refused", true)
    );
    assert_eq!(confirm(&port, &id, "c1", DECLINED), declined);
    assert_eq!(slug(&confirm(&port, &id, "c1", "pm_card").1), "idempotency-key-reused");
    assert_eq!(confirm(&port, &id, "c2", "pm_card").1["state"], "captured");
    let cancelled = step(&port, "ada", &id, "cancel", &json!({"idempotency_key": "x"}));
    assert_eq!(slug(&cancelled.1), "payment-refused");
    assert_eq!(held(&port, "world:arena").0, 1000);

    let small = json!({"idempotency_key": "s", "asset": EUR, "amount": "13"});
    let refused = post(&port, "ada", "/v1/payments", &small);
    assert_eq!(slug(&refused.1), "payment-refused");
    assert_eq!(post(&port, "ada", "/v1/payments", &small), refused);
    let list = format!("/v1/payments?owner=traveller:ada&asset={EUR}");
    let (_, list) = port.get(&list, Some(&port.session("ada")));
    assert_eq!(list["items"][0]["state"], "refused");
    let id = list["items"][0]["payment_id"].as_str().unwrap();
    assert_eq!(slug(&confirm(&port, id, "c3", "pm_card").1), "payment-refused");
}

#[test]
fn what_is_authorised_is_taken_in_part_by_whom_it_is_for_or_not_at_all() {
    let port = port();
    let id = create(&port, "manual");
    assert_eq!(confirm(&port, &id, "c", "pm_card").1["state"], "authorised");
    let some = json!({"idempotency_key": "t", "amount": "700"});
    assert_eq!(step(&port, "ada", &id, "capture", &some).0, StatusCode::FORBIDDEN);
    let more = json!({"idempotency_key": "t", "amount": "1001"});
    assert_eq!(slug(&step(&port, "arena", &id, "capture", &more).1), "exceeds-origin");
    let taken = step(&port, "arena", &id, "capture", &some);
    assert_eq!((taken.0, &taken.1["captured"]), (OK, &json!("700")));
    assert_eq!((held(&port, "world:arena").0, held(&port, "processor:model").0), (700, 700));

    let body = json!({"idempotency_key": "q", "asset": EUR, "amount": "5", "capture": "manual"});
    let (_, own) = post(&port, "eve", "/v1/payments", &body);
    let own = own["payment_id"].as_str().unwrap().to_owned();
    assert_eq!(step(&port, "bob", &own, "cancel", &json!({"idempotency_key": "x"})).0, StatusCode::FORBIDDEN);
    let cancelled = step(&port, "eve", &own, "cancel", &json!({"idempotency_key": "x"}));
    assert_eq!(cancelled.1["state"], "cancelled");
    assert_eq!(port.balance("eve", EUR), "0");
}

#[test]
fn no_more_goes_back_than_was_taken_and_what_is_on_its_way_is_held() {
    let port = port();
    let id = create(&port, "automatic");
    assert_eq!(slug(&refund(&port, &id, "r", "1").1), "exceeds-origin");
    confirm(&port, &id, "c", "pm_card");
    assert_eq!(slug(&refund(&port, &id, "r", "1001").1), "exceeds-origin");
    let back = refund(&port, &id, "r1", "400");
    assert_eq!((&back.1["refunded"], &back.1["refunds"][0]["state"]), (&json!("400"), &json!("paid")));
    assert_eq!(refund(&port, &id, "r1", "400"), back);
    assert_eq!((held(&port, "world:arena"), held(&port, "processor:model").0), ((600, 0), 600));
    let under_way = refund(&port, &id, "r2", "501").1;
    assert_eq!(under_way["refunds"][1]["state"], "pending");
    assert_eq!(held(&port, "world:arena"), (600, 501));
    assert_eq!(slug(&refund(&port, &id, "r3", "100").1), "exceeds-origin");
    port.processor.finish();
    port.processor.events().iter().for_each(|event| tell(&port, event));
    assert_eq!(read(&port, &id)["refunds"][1]["state"], "paid");
    assert_eq!((held(&port, "world:arena"), port.processor.cash()), ((99, 0), 99));

    // One that fails leaves the money where it was, and may be asked for again.
    assert_eq!(refund(&port, &id, "r4", "92").0, OK);
    port.processor.finish();
    port.processor.events().iter().for_each(|event| tell(&port, event));
    assert_eq!(
        (read(&port, &id)["refunds"][2]["state"].as_str(), held(&port, "world:arena")),
        (Some("failed"), (99, 0))
    );
    assert_eq!(slug(&refund(&port, &id, "r5", "97").1), "payment-refused");
    assert_eq!(held(&port, "world:arena"), (99, 0));
    assert_eq!(refund(&port, &id, "r6", "95").1["refunds"][4]["state"], "paid");
    assert_eq!((held(&port, "world:arena").0, port.processor.cash()), (4, 4));
}

#[test]
fn who_has_spent_the_money_gives_none_back() {
    let port = port();
    let id = create(&port, "automatic");
    confirm(&port, &id, "c", "pm_card");
    assert_eq!(port.operate(&port.arena, "spend", &["world:arena", "traveller:bob", EUR, "900"]).0, CREATED);
    let refused = refund(&port, &id, "r", "200");
    assert_eq!(slug(&refused.1), "insufficient-funds");
    port.operate(&port.arena, "issue", &["issuance:eur@arena", "world:arena", EUR, "900"]);
    assert_eq!(refund(&port, &id, "r", "200"), refused);
    assert_eq!(port.processor.cash(), 1000);
    assert_eq!(refund(&port, &id, "r2", "200").1["refunded"], "200");
}

#[test]
fn a_payout_is_held_until_it_arrives_and_comes_back_if_the_bank_sends_it_back() {
    let port = port();
    let id = create(&port, "automatic");
    confirm(&port, &id, "c", "pm_card");
    let ask = |key: &str, amount: &str| {
        let body = json!({"idempotency_key": key, "from": "world:arena", "asset": EUR, "amount": amount,
                          "destination": "ba_1"});
        post(&port, "arena", "/v1/payouts", &body)
    };
    let (status, payout) = ask("o1", "303");
    assert_eq!((status, &payout["state"]), (CREATED, &json!("pending")));
    assert_eq!(ask("o1", "303"), (OK, payout.clone()));
    assert_eq!(held(&port, "world:arena"), (1000, 303));
    let settled = || {
        port.processor.finish();
        port.processor.events().iter().for_each(|event| tell(&port, event));
        let path = format!("/v1/payouts/{}", payout["payout_id"].as_str().unwrap());
        port.get(&path, Some(&port.arena.token())).1["state"].as_str().map(str::to_owned)
    };
    assert_eq!(settled().as_deref(), Some("paid"));
    assert_eq!((held(&port, "world:arena"), port.processor.cash()), ((697, 0), 697));
    assert_eq!(settled().as_deref(), Some("failed"));
    assert_eq!((held(&port, "world:arena"), port.processor.cash()), ((1000, 0), 1000));
    assert_eq!(held(&port, "processor:model").0, 1000);

    // What the port does not have at the processor it cannot pay out.
    port.operate(&port.arena, "issue", &["issuance:eur@arena", "world:arena", EUR, "500"]);
    assert_eq!(slug(&ask("o2", "1001").1), "insufficient-funds");
    let foreign = json!({"idempotency_key": "o", "from": "world:arena", "asset": EUR, "amount": "1",
                         "destination": "ba_1"});
    assert_eq!(post(&port, "ada", "/v1/payouts", &foreign).0, StatusCode::FORBIDDEN);
    let list = port.get("/v1/payouts?owner=world:arena&asset=eur@arena", Some(&port.arena.token())).1;
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
}

#[test]
fn what_nobody_knows_the_same_request_finds_out() {
    let port = port();
    let id = create(&port, "automatic");
    port.processor.is_mute.set(true);
    let lost = confirm(&port, &id, "c", "pm_card");
    assert_eq!((lost.0, slug(&lost.1)), (StatusCode::SERVICE_UNAVAILABLE, "outcome-unknown"));
    // The event says it before the repeat does.
    let event = port.processor.events().pop().unwrap();
    tell(&port, &event);
    assert_eq!(held(&port, "world:arena").0, 1000);
    port.processor.is_mute.set(false);
    assert_eq!(confirm(&port, &id, "c", "pm_card").1["state"], "captured");
    assert_eq!((port.processor.done(), held(&port, "world:arena").0), (2, 1000));

    port.store.fault.set(Fault::AnswerLost);
    assert_eq!(refund(&port, &id, "r", "100").0, StatusCode::SERVICE_UNAVAILABLE);
    port.store.fault.set(Fault::None);
    assert_eq!(refund(&port, &id, "r", "100").1["refunded"], "100");
    assert_eq!((held(&port, "world:arena"), port.processor.cash()), ((900, 0), 900));
}

#[test]
fn a_payer_who_has_to_go_somewhere_pays_when_it_comes_back() {
    let port = port();
    let id = create(&port, "automatic");
    let sent = confirm(&port, &id, "c", CHALLENGED).1;
    assert_eq!(
        (&sent["state"], &sent["redirect_url"]),
        (&json!("action-required"), &json!("https://bank.test/"))
    );
    port.processor.pass_challenges();
    // No webhook came, so the administrator has the events told again, page by page.
    let replay = |after: Value| {
        let body = json!({"since": NOW, "after": after});
        post_as(&port, ADMIN, "/v1/payments/webhooks/model/replay", &body)
    };
    let (status, page) = replay(Value::Null);
    assert_eq!((status, &page["events"]), (OK, &json!(2)));
    assert_eq!(read(&port, &id)["state"], "captured");
    assert_eq!(held(&port, "world:arena").0, 1000);
    assert_eq!(replay(Value::Null).1, page);
    let body = json!({"since": NOW});
    let forbidden = post_as(&port, &port.session("ada"), "/v1/payments/webhooks/model/replay", &body);
    assert_eq!(forbidden.0, StatusCode::FORBIDDEN);
}

fn post_as(port: &Port, token: &str, path: &str, body: &Value) -> (StatusCode, Value) {
    port.call(Port::request(path, token, body))
}

fn tell_last(port: &Port) {
    let event = port.processor.events().pop().unwrap();
    // The same event twice.
    tell(port, &event);
    tell(port, &event);
}

#[test]
fn what_a_bank_takes_back_is_charged_back_and_comes_again_if_the_bank_decides_so() {
    let port = port();
    let id = create(&port, "automatic");
    let paid = confirm(&port, &id, "c", "pm_card").1;
    port.processor.dispute(0, 600);
    let withdrawn = port.processor.events().pop().unwrap();
    tell_last(&port);
    let seen = read(&port, &id);
    let dispute = &seen["disputes"][0];
    assert_eq!((dispute["state"].as_str(), &dispute["amount"]), (Some("withdrawn"), &json!("600")));
    assert_eq!((held(&port, "world:arena"), held(&port, "processor:model").0), ((400, 0), 400));
    let transfer = dispute["transfer_id"].as_str().unwrap();
    let (_, receipt) = port.get(&format!("/v1/transfers/{transfer}"), Some(&port.arena.token()));
    assert_eq!((&receipt["kind"], &receipt["origin"]), (&json!("chargeback"), &paid["transfer_id"]));
    // It cannot be given back twice.
    assert_eq!(slug(&refund(&port, &id, "r", "401").1), "exceeds-origin");

    port.processor.dispute(0, 600);
    tell_last(&port);
    // What was told first may arrive last.
    tell(&port, &Event { id: "evt_late".into(), ..withdrawn });
    let seen = read(&port, &id);
    assert_eq!(seen["disputes"][0]["state"], "reinstated");
    assert!(seen["disputes"][0]["reinstating_id"].is_string());
    assert_eq!((held(&port, "world:arena").0, port.processor.cash()), (1000, 1000));
    assert_eq!(refund(&port, &id, "r2", "995").1["refunded"], "995");
}

#[test]
fn who_has_spent_what_a_bank_takes_back_owes_it_and_the_administrator_sees_that() {
    let port = port();
    let id = create(&port, "automatic");
    confirm(&port, &id, "c", "pm_card");
    assert_eq!(port.operate(&port.arena, "spend", &["world:arena", "traveller:bob", EUR, "900"]).0, CREATED);
    port.processor.dispute(0, 1000);
    tell_last(&port);
    let owed = || port.get("/v1/payments/disputes?limit=5", Some(ADMIN)).1["items"][0]["disputes"][0].clone();
    assert_eq!((owed()["state"].as_str(), &owed()["transfer_id"]), (Some("withdrawn"), &Value::Null));
    assert_eq!(held(&port, "world:arena").0, 100);
    port.operate(&port.arena, "issue", &["issuance:eur@arena", "world:arena", EUR, "950"]);
    assert!(owed()["transfer_id"].is_string());
    assert_eq!((held(&port, "world:arena").0, held(&port, "processor:model").0), (50, 0));
    let path = "/v1/payments/disputes";
    assert_eq!(port.get(path, Some(&port.session("ada"))).0, StatusCode::FORBIDDEN);
    assert_eq!(port.get("/v1/payments/disputes?limit=0", Some(ADMIN)).0, StatusCode::BAD_REQUEST);
}

#[test]
fn money_that_comes_again_before_it_was_charged_back_moves_nothing() {
    let port = port();
    let id = create(&port, "automatic");
    confirm(&port, &id, "c", "pm_card");
    port.processor.dispute(0, 600);
    port.processor.dispute(0, 600);
    let events = port.processor.events();
    events.iter().rev().take(2).for_each(|event| tell(&port, event));
    assert_eq!(read(&port, &id)["disputes"][0]["state"], "reinstated");
    assert_eq!((held(&port, "world:arena").0, held(&port, "processor:model").0), (1000, 1000));
}

#[test]
fn a_webhook_that_is_not_signed_or_about_nothing_of_ours_changes_nothing() {
    let port = port();
    let id = create(&port, "automatic");
    confirm(&port, &id, "c", CHALLENGED);
    port.processor.pass_challenges();
    let event = port.processor.events().pop().unwrap();
    let mut forged = webhook(&event);
    forged.headers_mut().remove(SIGNATURE.0);
    assert_eq!(port.call(forged).0, StatusCode::UNAUTHORIZED);
    let mut elsewhere = webhook(&event);
    *elsewhere.uri_mut() = "/v1/payments/webhooks/other".parse().unwrap();
    assert_eq!(port.call(elsewhere).0, StatusCode::NOT_FOUND);
    assert_eq!(held(&port, "world:arena").0, 0);
    tell(&port, &Event { id: "evt_x".into(), notice: None });
    let mut foreign = event.clone();
    foreign.notice.as_mut().unwrap().key = "order-7".into();
    tell(&port, &foreign);
    assert_eq!(held(&port, "world:arena").0, 0);
    tell(&port, &event);
    assert_eq!(held(&port, "world:arena").0, 1000);
}

#[test]
fn only_what_the_administrator_lists_is_paid_for_and_only_whom_it_concerns_sees_it() {
    let port = port();
    port.create_asset(&port.arena, "gold@arena", None);
    let body = json!({"idempotency_key": "g", "asset": "gold@arena", "amount": "5"});
    assert_eq!(slug(&post(&port, "ada", "/v1/payments", &body).1), "not-payable");
    let nobody = json!({"idempotency_key": "n", "payee": "traveller:zed", "asset": EUR, "amount": "5"});
    assert_eq!(slug(&post(&port, "ada", "/v1/payments", &nobody).1), "unknown-traveller");
    let id = create(&port, "automatic");
    let path = format!("/v1/payments/{id}");
    assert_eq!(port.get(&path, Some(&port.session("eve"))).0, StatusCode::FORBIDDEN);
    assert_eq!(port.get(&path, None).0, StatusCode::UNAUTHORIZED);
    assert_eq!(port.get(&path, Some(&port.arena.token())).0, OK);
    for key in ["a", "b"] {
        let body = json!({"idempotency_key": key, "payee": "world:arena", "asset": EUR, "amount": "5"});
        assert_eq!(post(&port, "eve", "/v1/payments", &body).0, CREATED);
    }
    let path = "/v1/payments?owner=world:arena&asset=eur@arena&limit=2";
    let (_, first) = port.get(path, Some(&port.arena.token()));
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    let rest = format!("{path}&cursor={}", first["next"].as_str().unwrap());
    let (_, rest) = port.get(&rest, Some(&port.arena.token()));
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
    assert_eq!(port.get(path, Some(&port.session("eve"))).0, StatusCode::FORBIDDEN);
}
