//! One asset for another, and amounts in shares. Beside `components/transactions/src/exchange/http.rs`; a part
//! of what transactions serves.

use crate::operation::Caller::{Administrator, Operator, Traveller};
use crate::operation::{Operation, get, post};
use crate::schema::{
    Member, Schema, count, flag, list, member, milliseconds, object, optional, refer, text, word,
};
use crate::transactions::{BODY, SIGNED, amount, asset, code, holder, id, owner, paged, signed_members};

/// The operations about quotes.
pub(crate) fn operations() -> Vec<Operation> {
    let a_quote = |operation: Operation| {
        operation.path("id", "The quote's id.", id()).refuses(&[(400, "bad-request"), (404, "not-found")])
    };
    vec![
        post("/v1/quotes", "publishQuote", "Publish a quote")
            .about(
                "What the operator of a provider signed. Anybody who has it may send it, so that a provider can hand \
                 it to who asked. The same terms under the same key are the same quote.",
            )
            .signed(BODY, "vwp-quote+jws", object(signed_members(terms())).closed())
            .answers(201, "The quote is new.", refer("Quote"))
            .telling("Location", "Where the quote is.")
            .answers(200, "It had been published before.", refer("Quote"))
            .telling("Location", "Where the quote is.")
            .refuses(SIGNED)
            .refuses(&[
                (400, "idempotency-key-missing"),
                (404, "unknown-world"),
                (404, "unknown-traveller"),
                (404, "unknown-asset"),
                (409, "quote-expired"),
                (422, "idempotency-key-reused"),
            ]),
        listed(),
        a_quote(get("/v1/quotes/{id}", "showQuote", "Show a quote"))
            .about(
                "To anybody who is known; one that names its taker, to that one and to the provider. One that nobody \
                 accepted is not found any more 7 days after its end.",
            )
            .query("amount", "What this amount would buy.", amount())
            .by(&[Traveller, Operator, Administrator])
            .answers(200, "The quote.", refer("Quote"))
            .refuses(&[(404, "unknown-world"), (422, "quote-bounds"), (422, "overflow")]),
        a_quote(post("/v1/quotes/{id}/accept", "acceptQuote", "Exchange as a quote says"))
            .about(
                "Both assets move, or neither. A quote is filled once, and a standing one once for each key of a \
                 payer; a repeat gets the first answer, also after the quote has ended.",
            )
            .json(BODY, object(acceptance()).closed())
            .by(&[Traveller, Operator])
            .answers(201, "The money has moved.", refer("Fill"))
            .answers(200, "It had moved before.", refer("Fill"))
            .refuses(&[
                (400, "idempotency-key-missing"),
                (404, "unknown-world"),
                (404, "unknown-traveller"),
                (404, "unknown-asset"),
                (409, "quote-expired"),
                (409, "quote-filled"),
                (409, "quote-withdrawn"),
                (409, "liquidity-exhausted"),
                (422, "quote-bounds"),
                (422, "insufficient-funds"),
                (422, "idempotency-key-reused"),
                (422, "overflow"),
                (422, "exceeds-cap"),
                (422, "same-account"),
                (507, "ledger-full"),
            ]),
        a_quote(post("/v1/quotes/{id}/withdraw", "withdrawQuote", "Take a quote back"))
            .about("By the operator who signed it. What was accepted stays.")
            .json(BODY, object([]).closed())
            .by(&[Traveller, Operator])
            .answers(200, "The quote.", refer("Quote")),
    ]
}

/// The operation that lists quotes.
fn listed() -> Operation {
    paged(get("/v1/quotes", "listQuotes", "List the caller's quotes"), "Quote")
        .about(
            "Newest first: what the caller signed, and what is for it alone. A quote for a world is listed for \
             who ran the world when it was published. A page may have fewer than `limit` and be followed by \
             another.",
        )
        .by(&[Traveller, Operator])
        .refuses(&[(400, "bad-request")])
}

/// The operation that splits an amount.
pub(crate) fn split() -> Operation {
    let members = vec![
        member("idempotency_key", key()),
        optional("from", owner().about("The account to debit; a traveller's own if it is left out."))
            .or_null(),
        member("asset", asset()),
        member("amount", amount().about("All that is split.")),
        member("shares", list(share()).items(1, 64)),
        optional("memo", text().length(1, 48).about("What the caller wants to find with it again."))
            .or_null(),
        optional("code", code()).or_null(),
    ];
    post("/v1/transfers/split", "splitTransfer", "Split an amount")
        .about(
            "Each share is credited its part by largest remainder, and the parts are all of the amount. All of it is \
             moved, or nothing. An operator's assertion names the body that it is for in `content_digest`.",
        )
        .json(BODY, object(members).closed())
        .by(&[Traveller, Operator])
        .answers(201, "The money has moved.", refer("Split"))
        .answers(200, "It had moved before.", refer("Split"))
        .refuses(&[
            (400, "idempotency-key-missing"),
            (404, "unknown-world"),
            (404, "unknown-traveller"),
            (404, "unknown-asset"),
            (422, "idempotency-key-reused"),
            (422, "insufficient-funds"),
            (422, "exceeds-cap"),
            (422, "overflow"),
            (422, "zero-amount"),
            (422, "same-account"),
            (507, "ledger-full"),
        ])
}

fn key() -> Schema {
    text().length(1, 128).pattern("^[!-~]+$").example("lunch-7").about("What makes a repeat harmless.")
}

fn share() -> Schema {
    let weight = count().within(1, u32::MAX).about("How large the part is beside the others'.");
    object([member("to", owner()), member("weight", weight)]).closed()
}

fn terms() -> Vec<Member> {
    let side = || text().pattern("^[1-9][0-9]{0,19}$").length(1, 20).example("3");
    let rate = object([
        member("take", side().about("So many minor units of what is paid …")),
        member("give", side().about("… buy so many of what is given.")),
    ]);
    let fee = object([
        member("ppm", count().within(1, 999_999).about("How many millionths of what is paid, rounded up.")),
        member("shares", list(share()).items(1, 16).about("Who gets it, by largest remainder.")),
    ]);
    vec![
        member("idempotency_key", key()),
        member("provider", person().about("Whose liquidity it is: `world:<name>`.")),
        member("takes", asset().about("What is paid.")),
        member("gives", asset().about("What is bought with it.")),
        member("rate", rate.closed().about("Each side is below 2^64.")),
        optional("min", amount().about("The least that is paid at once; 1 if it is left out.")),
        member("max", amount().about("The most that is paid at once.")),
        optional("fee", fee.closed().about("What others get of what is paid.")),
        optional("taker", person().about("Who alone may accept it.")),
        optional("standing", flag().about("Whether it may be accepted again and again.")),
        member("exp", count().about("When it ends, in seconds: within a day.")),
    ]
}

fn person() -> Schema {
    text()
        .pattern("^(traveller:[A-Za-z0-9_-]{1,64}|world:[a-z0-9.-]{1,63})$")
        .length(7, 96)
        .example("world:exchange")
}

fn acceptance() -> Vec<Member> {
    vec![
        optional("payer", person().about("Who pays; a traveller itself if it is left out.")).or_null(),
        member("amount", amount().about("How much is paid.")),
        optional("idempotency_key", key().about("What makes a repeat harmless, of a standing quote."))
            .or_null(),
    ]
}

/// What quotes, fills and splits look like.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let price = object([
        member("paid", amount()),
        member("fee", amount().about("A part of what is paid.")),
        member("received", amount().about("What the payer would get.")),
    ]);
    let quote = object([
        member("quote_id", id()),
        member("state", word(&["open", "filled", "expired", "withdrawn"])),
        member("expires_at", milliseconds()),
        member("operator", text().about("The operator who signed it.")),
        member("terms", object(terms()).about("What is quoted.")),
        member("signed", text().about("What the operator signed.")),
        optional("price", price.about("What an amount buys, if one was asked for.")),
    ]);
    let leg = object([
        member("transfer_id", id()),
        member("from", holder()),
        member("to", holder()),
        member("asset", asset()),
        member("amount", amount()),
    ]);
    let fill = object([
        member("quote_id", id()),
        member("payer", person()),
        member("paid", amount().about("What was paid, with the fee.")),
        member("fee", amount()),
        member("received", amount().about("What the payer got.")),
        member("rounding", amount().about("What went to the provider's rounding account: 0 or 1.")),
        member("position", count().about("The chain's position in the log.")),
        member("time", milliseconds()),
        member("transfers", list(leg)),
    ]);
    let part = object([
        member("to", owner()),
        member("amount", amount()),
        optional("transfer_id", id().about("None if the part is of nothing.")),
    ]);
    let split = object([
        member("from", owner()),
        member("asset", asset()),
        member("amount", amount()),
        member("position", count().about("The chain's position in the log.")),
        member("time", milliseconds()),
        member("parts", list(part)),
    ]);
    vec![
        ("Quote", quote.about("What a provider would exchange.")),
        ("Fill", fill.about("What was exchanged.")),
        ("Split", split.about("What was split.")),
    ]
}
