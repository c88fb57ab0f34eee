//! Being told of what happens. Beside `components/webhooks/src/http.rs`.

use crate::Api;
use crate::operation::Caller::{Administrator, Operator};
use crate::operation::{Operation, Refusal, delete, get, post, put, tagged};
use crate::schema::{
    Member, Schema, count, flag, list, member, milliseconds, object, optional, refer, text, url, word,
};

/// The longest body, in bytes.
const BODY: u64 = 8192;
/// What events are called (`vwp_core::outbox`).
const TYPES: &[&str] = &[
    "escrow.disputed",
    "escrow.expired",
    "escrow.funded",
    "escrow.refunded",
    "escrow.released",
    "payment.action_required",
    "payment.authorised",
    "payment.cancelled",
    "payment.captured",
    "payment.declined",
    "payment.disputed",
    "payment.processing",
    "payment.refund_failed",
    "payment.refunded",
    "payment.refused",
    "payment.reinstated",
    "payout.failed",
    "payout.paid",
    "payout.refused",
    "schedule.ended",
    "schedule.refused",
    "schedule.skipped",
    "transfer.chargeback",
    "transfer.created",
    "transfer.held",
    "transfer.posted",
    "transfer.refunded",
    "transfer.reversed",
    "transfer.voided",
];
/// Why an endpoint is not registered or changed.
const WANTED: &[Refusal] = &[(422, "destination-refused")];

/// The table.
pub fn api() -> Api {
    let mut operations = endpoints();
    operations.extend(endpoint());
    operations.extend(deliveries());
    operations.extend(administration());
    let about = "Being told of what happens, as Standard Webhooks 1.0.0 says: docs/webhooks.md.";
    Api { name: "webhooks", about, operations: tagged("Webhooks", operations), schemas: schemas() }
}

fn endpoints() -> Vec<Operation> {
    let items = object([member("items", list(refer("WebhookEndpoint")).about("The oldest first."))]);
    vec![
        post("/v1/webhooks/endpoints", "createWebhookEndpoint", "Register an endpoint")
            .about(
                "What the caller could read is told there as it happens. The secret is shown this once. An operator's \
                 assertion names the body that it is for in `content_digest`, as in all of these that change something.",
            )
            .json(BODY, object(wanted()).closed())
            .by(&[Operator, Administrator])
            .answers(201, "The endpoint, with its secret.", refer("RevealedWebhookEndpoint"))
            .telling("Location", "Where the endpoint is.")
            .refuses(WANTED)
            .refuses(&[(422, "too-many-endpoints")]),
        get("/v1/webhooks/endpoints", "listWebhookEndpoints", "List the caller's endpoints")
            .by(&[Operator, Administrator])
            .answers(200, "All of them; at most 16.", items),
    ]
}

fn of_endpoint(operation: Operation) -> Operation {
    operation
        .path("id", "The endpoint's id.", endpoint_id())
        .by(&[Operator, Administrator])
        .refuses(&[(404, "not-found")])
}

fn endpoint() -> Vec<Operation> {
    let mut changed = wanted();
    changed.push(optional("enabled", flag().about("Whether anything is sent there.").default(true)));
    let replayed = object([
        member("replayed", count().about("How many deliveries; at most 100.")),
        member("more", flag().about("Whether there are more, for the same call again.")),
    ]);
    let since = object([member("since", milliseconds().about("Since when they were made."))]);
    vec![
        of_endpoint(get("/v1/webhooks/endpoints/{id}", "showWebhookEndpoint", "Show an endpoint")).answers(
            200,
            "The endpoint.",
            refer("WebhookEndpoint"),
        ),
        of_endpoint(put("/v1/webhooks/endpoints/{id}", "changeWebhookEndpoint", "Change an endpoint"))
            .json(BODY, object(changed).closed())
            .answers(200, "The endpoint.", refer("WebhookEndpoint"))
            .refuses(WANTED),
        of_endpoint(delete("/v1/webhooks/endpoints/{id}", "deleteWebhookEndpoint", "Delete an endpoint"))
            .about("What was to be sent there is forgotten.")
            .done(204, "It is gone.")
            .refuses(&[(413, "body-too-large")]),
        of_endpoint(post("/v1/webhooks/endpoints/{id}/rotate", "rotateWebhookSecret", "Make a new secret"))
            .about("The one before signs as well for 24 hours.")
            .json(BODY, object([]).closed())
            .answers(200, "The endpoint, with its new secret.", refer("RevealedWebhookEndpoint")),
        of_endpoint(post("/v1/webhooks/endpoints/{id}/test", "testWebhookEndpoint", "Try an endpoint out"))
            .about("Sends an event of the type `webhook.test`.")
            .json(BODY, object([]).closed())
            .answers(201, "The delivery.", refer("WebhookDelivery"))
            .refuses(&[(409, "endpoint-disabled")]),
        of_endpoint(post(
            "/v1/webhooks/endpoints/{id}/replay",
            "replayDeadWebhookDeliveries",
            "Make deliveries again that were given up",
        ))
        .json(BODY, since.closed())
        .answers(200, "How many.", replayed)
        .refuses(&[(409, "endpoint-disabled")]),
    ]
}

fn deliveries() -> Vec<Operation> {
    let cursor = text().length(0, 64).pattern("^[A-Za-z0-9_]{0,64}$");
    let page = object([member("items", list(refer("WebhookDelivery"))), optional("next", text())]);
    let of_delivery =
        |operation: Operation| of_endpoint(operation).path("webhook_id", "The `webhook-id`.", webhook_id());
    vec![
        of_endpoint(get(
            "/v1/webhooks/endpoints/{id}/deliveries",
            "listWebhookDeliveries",
            "List deliveries to an endpoint",
        ))
        .about("Newest first. What was delivered is kept for 3 days, what was given up for 30.")
        .needs("state", "What has become of them.", word(STATES))
        .query("cursor", "Where the page starts: `next` of the one before.", cursor)
        .query("limit", "The most items.", count().within(1, 100).default(20))
        .answers(200, "A page.", page),
        of_delivery(get(
            "/v1/webhooks/endpoints/{id}/deliveries/{webhook_id}",
            "showWebhookDelivery",
            "Show a delivery, and what is sent",
        ))
        .answers(200, "The delivery.", refer("WebhookDelivery")),
        of_delivery(post(
            "/v1/webhooks/endpoints/{id}/deliveries/{webhook_id}/replay",
            "replayWebhookDelivery",
            "Make a delivery again",
        ))
        .about("With the same `webhook-id`. One that is pending stays as it is.")
        .json(BODY, object([]).closed())
        .answers(200, "The delivery.", refer("WebhookDelivery"))
        .refuses(&[(409, "endpoint-disabled")]),
    ]
}

fn administration() -> Vec<Operation> {
    let report = object([
        member("events", count().about("How many events became deliveries.")),
        member("attempts", count().about("How many attempts were made.")),
        member("next_ms", count().about("After how many milliseconds there may be more.")),
    ]);
    vec![
        post("/v1/webhooks/run", "runWebhooks", "Have what is due sent now")
            .about("For hosts that have no timer.")
            .by(&[Administrator])
            .answers(200, "What was done.", report),
        post("/v1/webhooks/reseal", "resealWebhookSecrets", "Seal secrets under the present master key")
            .by(&[Administrator])
            .answers(200, "Of how many owners.", object([member("resealed", count())])),
    ]
}

const STATES: &[&str] = &["pending", "delivered", "dead"];

fn endpoint_id() -> Schema {
    text().length(32, 32).pattern("^[0-9a-f]{32}$").example("3f2a1c9be07d4c5f8a6b1d2e3f405162")
}

fn webhook_id() -> Schema {
    text().length(36, 36).pattern("^msg_[0-9a-f]{32}$").example("msg_5a0fc9cdc5960ad4065b2a5e4e449f23")
}

fn types() -> Schema {
    list(word(TYPES)).about("Of which types of events; of all if there are none.")
}

fn wanted() -> Vec<Member> {
    vec![
        member("url", url().length(1, 512).about("Where; https.").example("https://world.example/hooks")),
        optional("types", types().default(Vec::<String>::new())),
        optional("description", text().length(0, 256).about("For whom it reads the list.").default("")),
    ]
}

fn shown() -> Vec<Member> {
    let reasons = ["owner", "gone", "failing"];
    vec![
        member("endpoint_id", endpoint_id()),
        member("url", url()),
        member("types", types()),
        member("description", text()),
        member("created_at", milliseconds()),
        member("enabled", flag()),
        optional("disabled", object([member("reason", word(&reasons)), member("time", milliseconds())])),
        optional("failing_since", milliseconds().about("Since when nothing arrived there.")),
        optional("previous_secret_until", milliseconds().about("Until when the secret before signs too.")),
    ]
}

fn schemas() -> Vec<(&'static str, Schema)> {
    let mut revealed = shown();
    revealed.push(member("secret", text().about("`whsec_` and base64. It is shown this once.")));
    let attempt = object([
        member("time", milliseconds().about("When it ended.")),
        optional("status", count().about("What the endpoint answered.")),
        optional("error", text().about("Why there is no answer, in a word.")),
    ]);
    let kinds = text().about("The type of the event.").example("transfer.created");
    let delivery = object([
        member("webhook_id", webhook_id()),
        member("type", kinds),
        member("state", word(STATES)),
        member("attempts", count().about("How many were begun since it was made or replayed.")),
        member("created_at", milliseconds()),
        optional("next_at", milliseconds().about("When it is tried next.")),
        optional("last_attempt", attempt.about("How the last attempt ended.")),
        optional("payload", text().about("What is sent, byte for byte; where one delivery is read.")),
    ]);
    vec![
        ("WebhookEndpoint", object(shown()).about("Where somebody is told of what happens.")),
        ("RevealedWebhookEndpoint", object(revealed).about("The same with the secret.")),
        ("WebhookDelivery", delivery.about("An event on its way to an endpoint.")),
    ]
}
