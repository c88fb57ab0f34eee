//! Tickets from world to world, doors, bans and entitlements.

use crate::operation::Caller::{Operator, Traveller};
use crate::operation::{Operation, Refusal, delete, get, post};
use crate::refusals::MISSING;
use crate::schema::{
    Member, Schema, any_object, count, flag, list, member, milliseconds, object, optional, refer, seconds,
    text, word,
};

/// The longest body with a wish or a ticket, in bytes.
const BODY: u64 = 49_152;
/// The longest statement, in bytes.
const STATEMENT: u64 = 8192;

/// What an operator's statement is refused for.
const STATED: &[Refusal] = &[
    (403, "forbidden"),
    (404, "world-not-found"),
    (404, "not-found"),
    (409, "statement-replayed"),
    (422, "statement-unacceptable"),
    (422, "wrong-audience"),
    (422, "clock-skew"),
];
/// What keeps a traveller out.
const DOOR: &[Refusal] = &[
    (403, "banned"),
    (404, "world-not-found"),
    (409, "world-closed"),
    (409, "world-full"),
    (422, "protocol-mismatch"),
    (429, "throttled"),
];
/// What is wrong with a ticket or with its proof.
const TICKET: &[Refusal] = &[
    (409, "ticket-spent"),
    (422, "ticket-too-long"),
    (422, "ticket-header"),
    (422, "ticket-key-unknown"),
    (422, "ticket-signature"),
    (422, "ticket-claims"),
    (422, "ticket-issuer"),
    (422, "ticket-audience"),
    (422, "ticket-expired"),
    (422, "ticket-not-yet-valid"),
    (422, "ticket-lifetime"),
    (422, "ticket-proof-missing"),
    (422, "ticket-proof"),
];

/// The operations.
pub(super) fn operations() -> Vec<Operation> {
    let world = |operation: Operation| {
        operation
            .path("world", "The world.", text().length(1, 63).example("arena"))
            .by(&[Operator])
            .refuses(MISSING)
            .refuses(&[(404, "world-not-found")])
    };
    vec![
        post("/v1/tickets", "askTicket", "Ask for a ticket to a world")
            .by(&[Traveller])
            .json(BODY, refer("Wish"))
            .answers(
                201,
                "The ticket.",
                object([member("ticket", text()), member("expires_at", milliseconds())]),
            )
            .refuses(DOOR)
            .refuses(STATED)
            .refuses(&[
                (401, "bad-signature"),
                (400, "bad-jws"),
                (422, "claim-unavailable"),
                (422, "proof-too-long"),
                (422, "proof-header"),
                (422, "proof-key"),
                (422, "proof-signature"),
                (422, "proof-claims"),
                (422, "proof-audience"),
                (422, "proof-not-current"),
                (422, "proof-used"),
            ]),
        post("/v1/tickets/redeem", "redeemTicket", "Take a ticket from a traveller who arrives")
            .by(&[Operator])
            .json(BODY, refer("ShownTicket"))
            .answers(200, "Who arrives.", refer("Arrival"))
            .refuses(DOOR)
            .refuses(TICKET)
            .refuses(MISSING),
        post("/v1/tickets/doors", "stateDoor", "Say who gets into a world")
            .signed(STATEMENT, "vwp-door+jws", object(stated(door())))
            .answers(200, "The door.", refer("Door"))
            .refuses(STATED),
        post(
            "/v1/tickets/entitlements",
            "stateEntitlement",
            "Grant something to a traveller, or take it back",
        )
        .signed(STATEMENT, "vwp-entitlement+jws", object(stated(entitlement())))
        .answers(200, "The entitlement.", refer("Entitlement"))
        .refuses(STATED),
        post("/v1/tickets/bans", "ban", "Ban a traveller from a world")
            .signed(STATEMENT, "vwp-ban+jws", object(stated(ban())))
            .answers(200, "The ban.", refer("Ban"))
            .refuses(STATED),
        world(get("/v1/tickets/bans/{world}", "listBans", "List who is banned from a world"))
            .query("after", "The subject after which the page starts.", text().length(0, 64))
            .answers(
                200,
                "The bans, by subject.",
                object([member("bans", list(refer("Ban"))), optional("next", text())]),
            ),
        world(delete("/v1/tickets/bans/{world}/{subject}", "liftBan", "Lift a ban"))
            .path("subject", "Whom it concerns, as the world knows them.", text().length(1, 64))
            .done(204, "It is lifted."),
    ]
}

/// A statement of an operator's, beside what it says.
fn stated(said: Vec<Member>) -> Vec<Member> {
    let mut members = said;
    if !members.iter().any(|member| member.name() == "seq") {
        members.push(member("seq", count().about("Larger in every later statement of the same world.")));
    }
    members.extend([
        member("aud", text().about("The port's URL.")),
        member("iat", seconds()),
        member("world", text()),
    ]);
    members
}

fn door() -> Vec<Member> {
    vec![
        member("seq", count().about("Larger in every later statement of the same world.")),
        member("status", word(&["open", "closed", "full"])),
        optional("protocols", list(text())),
        optional("entry_points", list(text())),
        member("until", seconds()),
    ]
}

fn entitlement() -> Vec<Member> {
    vec![
        member("seq", count().about("Larger in every later statement about the same.")),
        member("code", text().pattern("^[a-z0-9]{1,16}$")),
        member("subject", text()),
        member("granted", flag()),
        optional("until", seconds()),
    ]
}

fn ban() -> Vec<Member> {
    vec![
        member("subject", text().about("What the port calls the traveller at this world.")),
        member("reason", text()),
        optional("until", seconds()),
        member("appeal", text().about("Whom to ask for another decision: an `https:` or `mailto:` URL.")),
    ]
}

/// The schemas.
pub(super) fn schemas() -> Vec<(&'static str, Schema)> {
    let wish = object([
        member("world", text().about("The world to go to.")),
        member("claims", list(text()).about("The claims that it may be told.")),
        optional("entry_point", text().or_null()),
        optional("protocol", text().or_null()),
        optional("request", text().or_null().about("What the world that the traveller is in has signed.")),
        optional("proof", text().or_null().about("A proof of the key to bind the ticket to.")),
    ]);
    let shown = object([
        member("world", text()),
        member("ticket", text()),
        optional("proof", text().or_null()),
        optional("nonce", text()),
    ]);
    let arrival = object([
        member("subject", text().about("What the port calls the traveller at this world.")),
        optional("origin", text()),
        optional("entry_point", text()),
        member("claims", any_object()),
        optional("holder", text()),
    ]);
    vec![
        ("Wish", wish.closed()),
        ("ShownTicket", shown.closed()),
        ("Arrival", arrival),
        ("Door", object(door())),
        ("Entitlement", object(entitlement())),
        ("Ban", object(ban())),
    ]
}
