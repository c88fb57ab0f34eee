//! What requests become at Stripe, and what its answers mean. The answers are those of Stripe's documentation.
#![allow(missing_docs, clippy::unwrap_used)]

use futures::executor::block_on;
use http::{Request, Response};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use vwp_core::Outbound;
use vwp_core::outbound::{Limits, OutboundError};
use vwp_processor::{
    Command, Dispute, DisputeState, Event, Fault, Movement, MovementState, Notice, PaymentState, Reply,
    Subject, serve,
};
use vwp_stripe::{Settings, Stripe, answer};

const KEY: &str = "sk_test_secret";
const NOW: u64 = 1_795_372_619;

/// A network that answers in turn, and keeps what was sent.
#[derive(Default)]
struct Network {
    answers: RefCell<Vec<(u16, Value)>>,
    sent: RefCell<Vec<Request<Vec<u8>>>>,
}

impl Network {
    fn new(answers: &[(u16, Value)]) -> Self {
        let answers = RefCell::new(answers.iter().rev().cloned().collect());
        Self { answers, ..Self::default() }
    }

    /// The method and the target of each request, and its body as it was sent.
    fn sent(&self) -> Vec<String> {
        let shown = |request: &Request<Vec<u8>>| {
            let body = String::from_utf8(request.body().clone()).unwrap();
            format!("{} {} {body}", request.method(), request.uri()).trim().to_owned()
        };
        self.sent.borrow().iter().map(shown).collect()
    }
}

impl Outbound for Network {
    async fn send(&self, request: Request<Vec<u8>>, _: Limits) -> Result<Response<Vec<u8>>, OutboundError> {
        self.sent.borrow_mut().push(request);
        let (status, body) =
            self.answers.borrow_mut().pop().ok_or_else(|| OutboundError::Failed("no route".to_owned()))?;
        Ok(Response::builder().status(status).body(body.to_string().into_bytes()).unwrap())
    }
}

fn options() -> BTreeMap<&'static str, String> {
    let values =
        [("stripe_url", "https://stripe.test/"), ("stripe_key", KEY), ("stripe_webhook_secret", " a, b ")];
    BTreeMap::from(values.map(|(name, value)| (name, value.to_owned())))
}

fn settings() -> Settings {
    Settings::new(&options())
}

fn ask(network: &Network, is_repeat: bool, command: Command) -> Result<Reply, Fault> {
    let request = vwp_processor::Request { key: "7-0".to_owned(), is_repeat, command };
    block_on(answer(network, &settings(), NOW, &request))
}

fn intent(status: &str) -> Value {
    json!({"id": "pi_1", "object": "payment_intent", "status": status, "amount_received": 70, "livemode": true,
           "metadata": {"vwp": "7-0"}, "next_action": null, "last_payment_error": null})
}

fn state(reply: Result<Reply, Fault>) -> PaymentState {
    match reply {
        Ok(Reply::Payment(payment)) => payment.state,
        other => panic!("{other:?}"),
    }
}

fn create(currency: &str) -> Command {
    Command::CreatePayment { amount: 70, currency: currency.to_owned(), is_captured_at_once: false }
}

fn confirm() -> Command {
    Command::Confirm { reference: "pi_1".into(), payment_method: Some("pm_1".into()), return_url: None }
}

fn refund() -> Command {
    Command::Refund { reference: "pi_1".into(), amount: 5, currency: "EUR".into(), payment_method: None }
}

fn payout() -> Command {
    Command::Payout { amount: 5, currency: "EUR".into(), destination: "ba_1".into() }
}

#[test]
fn a_payment_is_prepared_under_its_key_and_carries_it() {
    let network = Network::new(&[(200, intent("requires_payment_method"))]);
    assert_eq!(state(ask(&network, false, create("EUR"))), PaymentState::Open);
    let form =
        "amount=70&currency=eur&capture_method=manual&payment_method_types%5B%5D=card&metadata%5Bvwp%5D=7-0";
    assert_eq!(network.sent(), [format!("POST https://stripe.test/v1/payment_intents {form}")]);
    let sent = network.sent.borrow();
    assert_eq!(sent[0].headers()["idempotency-key"], "7-0");
    assert_eq!(sent[0].headers()["authorization"], format!("Bearer {KEY}"));
    assert_eq!(sent[0].headers()["stripe-version"], "2024-06-20");
}

#[test]
fn a_currency_whose_minor_unit_is_another_one_is_refused() {
    let network = Network::default();
    for currency in ["ISK", "UGX", "EURO"] {
        assert!(matches!(ask(&network, false, create(currency)), Err(Fault::Refused(_))));
    }
    assert!(network.sent().is_empty());
}

#[test]
fn a_card_is_named_first_and_then_pays() {
    let challenge = json!({"redirect_to_url": {"url": "https://bank.test/"}});
    let mut asked = intent("requires_action");
    asked["next_action"] = challenge;
    let network = Network::new(&[(200, intent("requires_confirmation")), (200, asked)]);
    let Ok(Reply::Payment(payment)) = ask(&network, false, confirm()) else { panic!("no payment") };
    assert_eq!((payment.state, payment.received), (PaymentState::ActionRequired, None));
    assert_eq!(payment.redirect_url.as_deref(), Some("https://bank.test/"));
    let sent = network.sent();
    assert_eq!(sent[0], "POST https://stripe.test/v1/payment_intents/pi_1 payment_method=pm_1");
    assert_eq!(sent[1], "POST https://stripe.test/v1/payment_intents/pi_1/confirm");
}

#[test]
fn what_stripe_refuses_is_refused_and_what_may_be_tried_again_is_unknown() {
    let error =
        |kind: &str, code: Value| json!({"error": {"type": kind, "code": code, "message": "Bad luck."}});
    let refused = [
        (402, error("card_error", "card_declined".into()), "card_declined"),
        (400, error("invalid_request_error", Value::Null), "invalid_request_error"),
        (404, error("invalid_request_error", "resource_missing".into()), "resource_missing"),
    ];
    for (status, body, why) in refused {
        let found = ask(&Network::new(&[(status, body)]), false, refund());
        assert_eq!(found, Err(Fault::Refused(why.to_owned())), "{status}");
    }
    let unknown = [
        (400, error("idempotency_error", Value::Null)),
        (400, json!("no JSON of Stripe's")),
        (401, error("invalid_request_error", Value::Null)),
        (409, error("invalid_request_error", "lock_timeout".into())),
        (429, error("invalid_request_error", "rate_limit".into())),
        (500, error("api_error", Value::Null)),
        (200, json!({"id": "re_1"})),
        (200, json!({"id": "re_1", "status": "invented"})),
    ];
    for (status, body) in unknown {
        let found = ask(&Network::new(&[(status, body.clone())]), false, refund());
        assert!(matches!(found, Err(Fault::Unknown(_))), "{status} {body}");
    }
    let Err(Fault::Unknown(why)) = ask(&Network::default(), false, refund()) else { panic!("known") };
    assert!(!why.contains(KEY), "{why}");
    assert!(!format!("{:?}", settings()).contains(KEY));
}

#[test]
fn a_repeat_that_is_refused_because_it_was_done_is_done() {
    let error =
        json!({"error": {"type": "invalid_request_error", "code": "payment_intent_unexpected_state"}});
    let done = Network::new(&[(400, error.clone()), (200, intent("succeeded"))]);
    assert_eq!(state(ask(&done, true, confirm())), PaymentState::Captured);
    let capture = || Command::Capture { reference: "pi_1".into(), amount: 70 };
    let taken = Network::new(&[(400, error.clone()), (200, intent("succeeded"))]);
    let Ok(Reply::Payment(payment)) = ask(&taken, true, capture()) else { panic!("no payment") };
    assert_eq!(payment.received, Some(70));
    let cancelled = Network::new(&[(400, error.clone()), (200, intent("succeeded"))]);
    assert!(ask(&cancelled, true, Command::Cancel { reference: "pi_1".into() }).is_err());
    let first = Network::new(&[(400, error)]);
    assert_eq!(
        ask(&first, false, capture()),
        Err(Fault::Refused("payment_intent_unexpected_state".to_owned()))
    );
}

#[test]
fn a_repeated_refund_or_payout_is_looked_for_before_it_is_made() {
    let made =
        |id: &str, key: &str, status: &str| json!({"id": id, "status": status, "metadata": {"vwp": key}});
    let page = |data: Value, has_more: bool| json!({"object": "list", "data": data, "has_more": has_more});
    let known = Network::new(&[(
        200,
        page(json!([made("re_0", "6-0", "succeeded"), made("re_1", "7-0", "pending")]), false),
    )]);
    let pending = Movement { reference: "re_1".into(), state: MovementState::Pending };
    assert_eq!(ask(&known, true, refund()), Ok(Reply::Movement(pending)));
    assert_eq!(known.sent(), ["GET https://stripe.test/v1/refunds?payment_intent=pi_1&limit=100"]);
    let new = Network::new(&[(200, page(json!([]), false)), (200, made("re_2", "7-0", "succeeded"))]);
    let done = Movement { reference: "re_2".into(), state: MovementState::Done };
    assert_eq!(ask(&new, true, refund()), Ok(Reply::Movement(done)));

    let first = page(json!([made("po_9", "9-0", "paid")]), true);
    let second = page(json!([made("po_1", "7-0", "in_transit")]), false);
    let payouts = Network::new(&[(200, first.clone()), (200, second)]);
    let moving = Movement { reference: "po_1".into(), state: MovementState::Pending };
    assert_eq!(ask(&payouts, true, payout()), Ok(Reply::Movement(moving)));
    assert_eq!(payouts.sent()[1], "GET https://stripe.test/v1/payouts?limit=100&starting_after=po_9");
    // What cannot be looked through to its end is not made again.
    let endless = Network::new(&vec![(200, first); 10]);
    assert!(matches!(ask(&endless, true, payout()), Err(Fault::Unknown(_))));
    let sent = Network::new(&[(200, made("po_2", "7-0", "failed"))]);
    let failed = Movement { reference: "po_2".into(), state: MovementState::Failed };
    assert_eq!(ask(&sent, false, payout()), Ok(Reply::Movement(failed)));
    let form = "amount=5&currency=eur&destination=ba_1&metadata%5Bvwp%5D=7-0";
    assert_eq!(sent.sent(), [format!("POST https://stripe.test/v1/payouts {form}")]);
}

#[test]
fn a_reference_that_is_no_name_goes_nowhere() {
    let network = Network::default();
    for reference in ["", "pi_1/cancel", "../events", "pi 1", &"a".repeat(256)] {
        let command = Command::Cancel { reference: reference.to_owned() };
        assert!(matches!(ask(&network, false, command), Err(Fault::Refused(_))), "{reference}");
    }
    assert!(network.sent().is_empty());
}

#[test]
fn events_are_about_what_carries_a_key() {
    let event = |id: &str, object: Value| json!({"id": id, "object": "event", "type": "x", "data": {"object": object}});
    let refund = json!({"id": "re_1", "object": "refund", "status": "failed", "metadata": {"vwp": "7-2"}});
    let page = json!({"has_more": true, "data": [
        event("evt_4", intent("succeeded")),
        event("evt_3", refund),
        event("evt_2", json!({"id": "pi_2", "object": "payment_intent", "status": "succeeded", "metadata": {}})),
        event("evt_1", json!({"id": "cus_1", "object": "customer"})),
    ]});
    let network = Network::new(&[(200, page)]);
    let told = ask(&network, false, Command::Events { since: 5, after: Some("evt_5".into()) });
    let Ok(Reply::Events(told)) = told else { panic!("{told:?}") };
    assert_eq!(
        network.sent(),
        ["GET https://stripe.test/v1/events?created[gte]=5&limit=100&starting_after=evt_5"]
    );
    assert_eq!(told.next.as_deref(), Some("evt_1"));
    let keys = told.events.iter().map(|event| event.notice.as_ref().map(|notice| notice.key.as_str()));
    assert_eq!(keys.collect::<Vec<_>>(), [Some("7-0"), Some("7-2"), None, None]);
    let Event { notice: Some(notice), .. } = &told.events[1] else { panic!("no notice") };
    assert!(
        matches!(&notice.subject, Subject::Movement(movement) if movement.state == MovementState::Failed)
    );
}

#[test]
fn a_dispute_is_about_the_payment_that_it_is_against() {
    let dispute = |status: &str| {
        let object = json!({"id": "dp_1", "object": "dispute", "amount": 60, "charge": "ch_1", "reason": "fraudulent",
                            "status": status, "payment_intent": "pi_1", "metadata": {}});
        json!({"id": "evt_1", "object": "event", "type": "x", "data": {"object": object}})
    };
    let told = |status: &str, payment: (u16, Value)| {
        let network = Network::new(&[(200, json!({"data": [dispute(status)]})), payment]);
        let told = ask(&network, false, Command::Events { since: 5, after: None });
        assert_eq!(network.sent()[1..], ["GET https://stripe.test/v1/payment_intents/pi_1"]);
        told.map(|told| match told {
            Reply::Events(events) => events.events[0].notice.clone(),
            other => panic!("{other:?}"),
        })
    };
    let states = [
        ("warning_needs_response", DisputeState::Inquiry),
        ("needs_response", DisputeState::Withdrawn),
        ("lost", DisputeState::Withdrawn),
        ("won", DisputeState::Reinstated),
    ];
    for (status, state) in states {
        let subject = Subject::Dispute(Dispute { reference: "dp_1".into(), amount: 60, state });
        let notice = Notice { key: "7-0".into(), subject };
        assert_eq!(told(status, (200, intent("succeeded"))), Ok(Some(notice)));
    }
    assert_eq!(told("prevented", (200, intent("succeeded"))), Ok(None));
    // It was made with another account's key, and Stripe does not answer: then the event comes again.
    let missing = json!({"error": {"type": "invalid_request_error", "code": "resource_missing"}});
    assert_eq!(told("lost", (404, missing)), Ok(None));
    assert!(matches!(told("lost", (500, json!({}))), Err(Fault::Unknown(_))));
}

#[test]
fn the_other_components_ask_with_json_and_get_json() {
    let network = Network::new(&[(200, intent("canceled"))]);
    let body = json!({"key": "7-0", "is_repeat": false, "command": {"cancel": {"reference": "pi_1"}}});
    let request = |body: &Value| {
        Request::post("/")
            .header("content-type", "application/json")
            .body(body.to_string().into_bytes())
            .unwrap()
    };
    let response = block_on(serve::<Stripe>(&network, &options(), NOW, &request(&body)));
    let found: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(
        (response.status().as_u16(), &found["Ok"]["payment"]["state"]),
        (200, &json!("cancelled")),
        "{found}"
    );
    let response = block_on(serve::<Stripe>(&network, &options(), NOW, &request(&json!({"key": 7}))));
    assert_eq!(response.status().as_u16(), 400);
}
