//! Scheduled and recurring transfers. Beside `components/transactions/src/schedules/http.rs`; a part of what
//! transactions serves.

use crate::operation::Caller::{Administrator, Operator, Traveller};
use crate::operation::{Operation, get, post};
use crate::schema::{
    Member, Schema, count, either, list, member, milliseconds, object, optional, refer, text, word,
};
use crate::transactions::{BODY, amount, asset, code, id, owner, paged};

/// The operations.
pub(crate) fn operations() -> Vec<Operation> {
    let a_schedule = |operation: Operation| {
        operation
            .path("id", "The schedule's id.", id())
            .by(&[Traveller, Operator])
            .answers(200, "The schedule.", refer("Schedule"))
            .refuses(&[(400, "bad-request"), (404, "not-found")])
    };
    vec![
        post("/v1/schedules", "createSchedule", "Schedule a transfer")
            .about(
                "Once, or again and again. Each occurrence is a transfer whose id follows from the schedule and the \
                 occurrence's number, so it is made once. An operator's assertion names the body that it is for in \
                 `content_digest`.",
            )
            .json(BODY, object(terms(true)).closed())
            .by(&[Traveller, Operator])
            .answers(201, "The schedule is new.", refer("Schedule"))
            .telling("Location", "Where the schedule is.")
            .answers(200, "It had been made before.", refer("Schedule"))
            .telling("Location", "Where the schedule is.")
            .refuses(&[
                (400, "idempotency-key-missing"),
                (404, "unknown-world"),
                (404, "unknown-traveller"),
                (404, "unknown-asset"),
                (422, "idempotency-key-reused"),
                (422, "same-account"),
                (422, "zero-amount"),
                (422, "too-many-schedules"),
            ]),
        paged(get("/v1/schedules", "listSchedules", "List the caller's schedules"), "Schedule")
            .about("Newest first, as they are known and without their occurrences.")
            .by(&[Traveller, Operator])
            .refuses(&[(400, "bad-request")]),
        a_schedule(get("/v1/schedules/{id}", "showSchedule", "Show a schedule"))
            .about("To who asked for it.")
            .refuses(&[(507, "ledger-full")]),
        a_schedule(post("/v1/schedules/{id}/cancel", "cancelSchedule", "Cancel a schedule"))
            .about("By who asked for it. What was made stays.")
            .json(BODY, object([]).closed()),
        post("/v1/schedules/run", "runSchedules", "Have what is due done now")
            .about("For hosts that have no timer. It also forgets quotes that ended long ago.")
            .by(&[Administrator])
            .answers(
                200,
                "What was done.",
                object([
                    member("done", count().about("How many occurrences were dealt with.")),
                    member("failed", count().about("How many could not be for now, and stay due.")),
                    member("next_ms", count().about("After how many milliseconds there may be more.")),
                ]),
            )
            .refuses(&[(507, "ledger-full")]),
    ]
}

/// What is asked for, where members may also be null, or shown.
fn terms(is_request: bool) -> Vec<Member> {
    let units = ["minute", "hour", "day", "week", "month", "year"];
    let every = object([
        member("unit", word(&units)),
        member("count", count().within(1, 1000).about("How many units.")),
    ]);
    let mut members = vec![
        optional("from", owner().about("The account to debit; a traveller's own if it is left out.")),
        optional("memo", text().length(1, 48).about("What the caller wants to find with it again.")),
        optional("code", code()),
        optional("every", every.closed().about("How long after one occurrence the next one is due, in UTC.")),
        optional(
            "times",
            count().within(1, u32::MAX).about("How many there are; until it is cancelled if left out."),
        ),
    ];
    if is_request {
        members = members.into_iter().map(Member::or_null).collect();
        let key = text().length(1, 128).pattern("^[!-~]+$").example("rent");
        members.push(member("idempotency_key", key.about("What makes a repeat harmless.")));
    }
    members.extend([
        member("to", owner().about("The account to credit.")),
        member("asset", asset()),
        member("amount", amount().about("How much each time.")),
        member("start_at", milliseconds().about("When the first occurrence is due: within 10 years.")),
    ]);
    members
}

/// What a schedule looks like.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let occurrence = |outcome: &'static str, more: Vec<Member>| {
        let mut members = vec![
            member("number", count().about("From 1 on.")),
            member("due_at", milliseconds()),
            member("outcome", word(&[outcome])),
        ];
        members.extend(more);
        object(members)
    };
    let made = vec![
        member("transfer_id", id()),
        member("position", count().about("The transfer's position in the log.")),
        member("time", milliseconds()),
    ];
    let refused = vec![member("transfer_id", id()), member("problem", refer("Problem"))];
    let occurrences = either([
        occurrence("made", made),
        occurrence("refused", refused),
        occurrence("skipped", Vec::new()).about("Payer or payee had gone."),
    ]);
    let schedule = object([
        member("schedule_id", id()),
        member("state", word(&["active", "ended", "cancelled"])),
        optional("next_at", milliseconds().about("When the next occurrence is due.")),
        member("terms", object(terms(false)).about("What was asked for.")),
        optional(
            "occurrences",
            list(occurrences)
                .about("The last ones, at most 10, the latest first; where one schedule is read."),
        ),
    ]);
    vec![("Schedule", schedule.about("Transfers that are made when their time comes."))]
}
