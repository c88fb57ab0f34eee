//! Money that comes and leaves through payment processors. Beside
//! `components/transactions/src/payments/http.rs`; a part of what transactions serves.

use crate::operation::Caller::{Administrator, Operator, Traveller};
use crate::operation::{Operation, Refusal, get, post};
use crate::schema::{
    Member, Schema, any_object, count, list, member, milliseconds, object, optional, refer, text, url, word,
};
use crate::transactions::{BODY, amount, asset, id, paged};

/// The longest body of a webhook, in bytes.
const WEBHOOK: u64 = 262_144;
/// What has become of a payment.
const STATES: &[&str] =
    &["new", "open", "action-required", "processing", "authorised", "captured", "cancelled", "refused"];
/// What has become of money that leaves.
const MOVEMENTS: &[&str] = &["pending", "paid", "failed", "refused"];
/// What has become of a dispute.
const DISPUTES: &[&str] = &["inquiry", "withdrawn", "reinstated"];

/// Why something with a payment or a payout is not done.
const STEP: &[Refusal] = &[
    (400, "idempotency-key-missing"),
    (404, "not-found"),
    (404, "unknown-asset"),
    (404, "unknown-world"),
    (422, "exceeds-origin"),
    (422, "idempotency-key-reused"),
    (422, "insufficient-funds"),
    (422, "overflow"),
    (422, "payment-refused"),
    (422, "zero-amount"),
    (507, "ledger-full"),
];
/// Why nothing can be asked for.
const NEW: &[Refusal] = &[(404, "unknown-traveller"), (422, "not-payable"), (422, "same-account")];
/// Why nothing is shown.
const SHOWN: &[Refusal] = &[
    (400, "bad-request"),
    (404, "not-found"),
    (404, "unknown-asset"),
    (404, "unknown-world"),
    (422, "overflow"),
    (507, "ledger-full"),
];

/// The operations.
pub(crate) fn operations() -> Vec<Operation> {
    let mut all = payments();
    all.extend(webhooks());
    all.extend(payouts());
    all
}

fn payments() -> Vec<Operation> {
    let a_payment = |operation: Operation| {
        operation.path("id", "The payment's id.", id()).by(&[Traveller, Operator]).answers(
            200,
            "What has become of the payment.",
            refer("Payment"),
        )
    };
    let step = |operation: Operation, about: &'static str, more: Vec<Member>| {
        let members = [member("idempotency_key", key())].into_iter().chain(more);
        a_payment(operation).about(about).json(BODY, object(members).closed()).refuses(STEP)
    };
    let of_confirmation = vec![
        optional("payment_method", place().about("What pays, as the processor calls it.").or_null()),
        optional("return_url", url().length(1, 512).about("Where the payer comes back to; https.").or_null()),
    ];
    vec![
        post("/v1/payments", "createPayment", "Prepare a payment")
            .about("No money moves before it is confirmed. A repeat with the same key is the same payment.")
            .json(BODY, object(new_payment()).closed())
            .by(&[Traveller, Operator])
            .answers(201, "The payment is new.", refer("Payment"))
            .telling("Location", "Where the payment is.")
            .answers(200, "It had been prepared before.", refer("Payment"))
            .telling("Location", "Where the payment is.")
            .refuses(STEP)
            .refuses(NEW),
        listed(get("/v1/payments", "listPayments", "List the payments to an account"), "Payment"),
        paged(get("/v1/payments/disputes", "listDisputes", "List the payments that are disputed"), "Payment")
            .refuses(SHOWN)
            .about("Newest first. What a payee owes is taken from it first, if it has it by now.")
            .by(&[Administrator]),
        a_payment(get("/v1/payments/{id}", "showPayment", "Show a payment"))
            .about("To who asked for it, and to whom it is for. What was broken off goes on first.")
            .refuses(SHOWN),
        step(
            post("/v1/payments/{id}/confirm", "confirmPayment", "Have a means of payment pay"),
            "By who asked for the payment.",
            of_confirmation,
        ),
        step(
            post("/v1/payments/{id}/capture", "capturePayment", "Take what was authorised"),
            "By whom the payment is for: all, or a part.",
            vec![optional("amount", amount().or_null())],
        ),
        step(
            post("/v1/payments/{id}/refund", "refundPayment", "Give back what was taken"),
            "By whom the payment is for: at most what was taken and did not go back.",
            vec![member("amount", amount())],
        ),
        step(
            post("/v1/payments/{id}/cancel", "cancelPayment", "Cancel a payment"),
            "By both, while nothing was taken.",
            Vec::new(),
        ),
    ]
}

fn webhooks() -> Vec<Operation> {
    let name = || text().length(1, 32).pattern("^[a-z0-9-]{1,32}$").example("stripe");
    let replay = object([
        member("since", milliseconds().about("Since when.")),
        optional("after", token().about("The event after which the page starts.").or_null()),
    ]);
    let replayed = object([
        member("events", count().about("How many there were.")),
        optional("next", text().about("After which the next page starts, if there is one.")),
    ]);
    vec![
        post("/v1/payments/webhooks/{processor}", "receiveWebhook", "Tell of something that happened")
            .about("By a processor, which signs the body as it does. The same event settles once.")
            .path("processor", "The processor's name.", name())
            .json(WEBHOOK, any_object())
            .done(204, "It was taken.")
            .refuses(&[
                (401, "unauthorised"),
                (404, "not-found"),
                (404, "unknown-asset"),
                (404, "unknown-world"),
                (422, "payment-refused"),
                (507, "ledger-full"),
            ]),
        post("/v1/payments/webhooks/{processor}/replay", "replayWebhooks", "Have events told again")
            .about("A page of what happened, newest first; what is known already changes nothing.")
            .path("processor", "The processor's name.", name())
            .json(BODY, replay.closed())
            .by(&[Administrator])
            .answers(200, "What was told.", replayed)
            .refuses(&[
                (404, "not-found"),
                (404, "unknown-asset"),
                (404, "unknown-world"),
                (422, "payment-refused"),
                (507, "ledger-full"),
            ]),
    ]
}

fn payouts() -> Vec<Operation> {
    vec![
        post("/v1/payouts", "createPayout", "Pay out")
            .about("What is paid out is held until the processor says that it arrived.")
            .json(BODY, object(new_payout()).closed())
            .by(&[Traveller, Operator])
            .answers(201, "The payout is new.", refer("Payout"))
            .telling("Location", "Where the payout is.")
            .answers(200, "It had been asked for before.", refer("Payout"))
            .telling("Location", "Where the payout is.")
            .refuses(STEP)
            .refuses(NEW),
        listed(get("/v1/payouts", "listPayouts", "List the payouts from an account"), "Payout"),
        get("/v1/payouts/{id}", "showPayout", "Show a payout")
            .path("id", "The payout's id.", id())
            .by(&[Traveller, Operator])
            .answers(200, "What has become of it.", refer("Payout"))
            .refuses(SHOWN),
    ]
}

/// A list of what an account has, newest first.
fn listed(operation: Operation, items: &'static str) -> Operation {
    let operation = operation
        .about("Newest first, as they are known.")
        .needs("owner", "Whose account.", owner())
        .needs("asset", "Of which asset.", asset());
    paged(operation, items).by(&[Traveller, Operator]).refuses(SHOWN)
}

fn key() -> Schema {
    text().length(1, 128).pattern("^[!-~]+$").example("top-up-7").about("What makes a repeat harmless.")
}

fn token() -> Schema {
    text().length(1, 128).pattern("^[A-Za-z0-9_-]+$")
}

/// What a processor calls a means of payment or a destination; it may be a URL.
fn place() -> Schema {
    text().length(1, 240).pattern(r"^[!#-;=?-\[\]-~]+$")
}

fn owner() -> Schema {
    text()
        .about("`traveller:<id>` or `world:<name>`.")
        .pattern("^(traveller:[A-Za-z0-9_-]{1,64}|world:[a-z0-9.-]{1,63})$")
        .length(7, 96)
        .example("world:arena")
}

fn capture() -> Schema {
    word(&["automatic", "manual"])
        .about("Whether it is taken as soon as it is confirmed, or when the payee says.")
}

fn new_payment() -> [Member; 5] {
    [
        member("idempotency_key", key()),
        optional("payee", owner().about("Who is credited; a traveller itself if it is left out.").or_null()),
        member("asset", asset()),
        member("amount", amount()),
        optional("capture", capture()),
    ]
}

fn new_payout() -> [Member; 5] {
    [
        member("idempotency_key", key()),
        optional("from", owner().about("Whose account pays; a traveller's own if it is left out.").or_null()),
        member("asset", asset()),
        member("amount", amount()),
        member("destination", place().about("Where to, as the processor calls it.")),
    ]
}

fn processor() -> [Member; 2] {
    [
        member("processor", text().about("The processor's name.")),
        member("currency", text().about("ISO 4217.").example("EUR")),
    ]
}

fn movement() -> Vec<Member> {
    vec![
        member("amount", amount()),
        member("state", word(MOVEMENTS)),
        optional("reference", text().about("What the processor calls it.")),
        member("hold_id", id().about("The transfer that holds it.")),
        optional("transfer_id", id().about("The transfer that paid it.")),
    ]
}

fn dispute() -> Vec<Member> {
    vec![
        member("amount", amount().about("How much it is about.")),
        member("state", word(DISPUTES)),
        member("reference", text().about("What the processor calls it.")),
        optional("transfer_id", id().about("The transfer that took it from the payee again.")),
        optional("reinstating_id", id().about("The transfer that gave it to the payee again.")),
    ]
}

/// What payments and payouts look like.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let mut payment = vec![
        member("payment_id", id()),
        member("state", word(STATES)),
        member("payee", owner()),
        member("asset", asset()),
        member("amount", amount()),
        member("capture", capture()),
        member("created_at", milliseconds()),
        optional("reference", text().about("What the processor calls it.")),
        optional("redirect_url", text().about("Where the payer has to go.")),
        optional("decline", text().about("Why the last means of payment did not pay.")),
        optional("captured", amount().about("How much was taken.")),
        member("refunded", amount().about("How much went back, or is on its way.")),
        optional("transfer_id", id().about("The transfer that credited the payee.")),
        member("refunds", list(object(movement()))),
        member("disputes", list(object(dispute())).about("What the payer's bank says against it.")),
    ];
    payment.extend(processor());
    let mut payout = vec![
        member("payout_id", id()),
        member("from", owner()),
        member("asset", asset()),
        member("destination", place()),
        member("created_at", milliseconds()),
    ];
    payout.extend(processor());
    payout.extend(movement());
    vec![
        ("Payment", object(payment).about("Money that comes through a processor.")),
        ("Payout", object(payout).about("Money that leaves through a processor.")),
    ]
}
