//! Money that waits until it is decided whose it is. Beside `components/transactions/src/escrows/http.rs`; a
//! part of what transactions serves.

use crate::operation::Caller::{Administrator, Operator, Traveller};
use crate::operation::{Operation, Refusal, get, post};
use crate::schema::{
    Member, Schema, count, either, list, member, milliseconds, object, optional, refer, text, word,
};
use crate::transactions::{BODY, SIGNED, amount, asset, digest, id, signed_members};

/// What has become of an escrow, or of a milestone.
const STATES: &[&str] = &["funded", "released", "disputed", "refunded", "expired"];
/// The most milestones.
const MILESTONES: u64 = 32;
/// The most approvers.
const APPROVERS: u64 = 16;

/// What the ledger refuses where an escrow's money moves, and what moved already.
const MOVES: &[Refusal] =
    &[(404, "unknown-asset"), (409, "escrow-settled"), (422, "insufficient-funds"), (507, "ledger-full")];

/// The operations.
pub(crate) fn operations() -> Vec<Operation> {
    let an_escrow = |operation: Operation| {
        operation
            .path("id", "The escrow's id.", id())
            .refuses(&[(400, "bad-request"), (404, "not-found"), (404, "unknown-world")])
            .refuses(MOVES)
    };
    let decided = |operation: Operation, about: &'static str| {
        an_escrow(operation)
            .about(about)
            .json(BODY, object(choice()).closed())
            .signed(BODY, "vwp-escrow-vote+jws", object(signed_members(vote())).closed())
            .by(&[Traveller, Operator])
            .answers(200, "What has become of the escrow.", refer("Escrow"))
            .refuses(SIGNED)
            .refuses(&[(422, "wrong-preimage")])
    };
    vec![
        post("/v1/escrows", "createEscrow", "Pay into an escrow")
            .about(
                "The payer pays all milestones, which wait until it is decided whose they are. An operator's assertion \
                 names the body that it is for in `content_digest`. A repeat with the same key moves nothing.",
            )
            .json(BODY, object(terms(true)).closed())
            .by(&[Traveller, Operator])
            .answers(201, "The escrow is new.", refer("Escrow"))
            .telling("Location", "Where the escrow is.")
            .answers(200, "It had been made before.", refer("Escrow"))
            .telling("Location", "Where the escrow is.")
            .refuses(MOVES)
            .refuses(&[
                (400, "idempotency-key-missing"),
                (404, "unknown-world"),
                (404, "unknown-traveller"),
                (422, "idempotency-key-reused"),
                (422, "exceeds-cap"),
                (422, "overflow"),
                (422, "same-account"),
                (422, "zero-amount"),
            ]),
        an_escrow(get("/v1/escrows/{id}", "showEscrow", "Show an escrow"))
            .about("To those whom its terms name.")
            .by(&[Traveller, Operator, Administrator])
            .answers(200, "The escrow.", refer("Escrow")),
        decided(
            post("/v1/escrows/{id}/release", "releaseEscrow", "Release to the payee"),
            "By the payer, by the payee with the preimage, or by those who decide. An approver with a key signs a vote.",
        ),
        decided(
            post("/v1/escrows/{id}/refund", "refundEscrow", "Give back to the payer"),
            "By the payee, or in a dispute by those who decide. An approver with a key signs a vote.",
        ),
        an_escrow(post("/v1/escrows/{id}/dispute", "disputeEscrow", "Dispute what waits"))
            .about("By the payer or the payee, where the terms say who decides.")
            .json(BODY, object([]).closed())
            .by(&[Traveller, Operator])
            .answers(200, "What has become of the escrow.", refer("Escrow")),
    ]
}

fn person() -> Schema {
    text()
        .about("`traveller:<id>` or `world:<name>`.")
        .pattern("^(traveller:[A-Za-z0-9_-]{1,64}|world:[a-z0-9.-]{1,63})$")
        .length(7, 96)
        .example("world:court")
}

fn timeout() -> Schema {
    count().within(1, 31_622_400).about("After how many seconds what waits goes back to the payer.")
}

fn approver() -> Schema {
    let owner = object([member("owner", person())]).closed();
    let key = object([member("key", refer("Jwk"))]).closed();
    either([owner, key])
}

/// What is agreed on: as it is asked for, where members may also be null, or as it is shown.
fn terms(is_request: bool) -> Vec<Member> {
    let milestones = list(amount()).items(1, MILESTONES).about("How much each is worth.");
    let more = vec![
        optional("payer", person().about("Who pays; a traveller itself if it is left out.")),
        optional("arbiter", person().about("Who decides a dispute; instead of approvers.")),
        optional("approvals", count().within(0, APPROVERS).about("How many approvers have to agree.")),
        optional("condition", digest().about("The SHA-256 of what the payee shows to be paid, base64url.")),
        optional("memo", text().length(1, 256).about("What it is for, in words; at most 256 bytes.")),
    ];
    let mut members = vec![
        member("payee", person()),
        member("asset", asset()),
        member("milestones", milestones),
        member("timeout_s", timeout()),
        optional("approvers", list(approver()).items(0, APPROVERS)),
    ];
    if is_request {
        let key = text().length(1, 128).pattern("^[!-~]+$").example("quest-7");
        members.push(member("idempotency_key", key.about("What makes a repeat harmless.")));
        members.extend(more.into_iter().map(Member::or_null));
    } else {
        members.extend(more);
    }
    members
}

/// What is done with milestones.
fn choice() -> [Member; 2] {
    let preimage = digest().about("The 32 bytes that the condition asks for, base64url.");
    [optional("milestone", milestone().or_null()), optional("preimage", preimage.or_null())]
}

/// Which milestone is meant.
fn milestone() -> Schema {
    count().within(1, MILESTONES).about("Which milestone, from 1 on; all that wait if it is left out.")
}

fn vote() -> Vec<Member> {
    vec![
        member("escrow", id()),
        member("decision", word(&["release", "refund"])),
        optional("milestone", milestone().or_null()),
    ]
}

/// What an escrow looks like.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let votes = object([member("release", count()), member("refund", count())]);
    let state = || word(STATES);
    let milestone = object([
        member("number", count().about("From 1 on.")),
        member("amount", amount()),
        member("state", state()),
        optional("transfer_id", id().about("The last transfer that moved it.")),
        optional("votes", votes.about("How many have decided what, while it waits for them.")),
    ]);
    let escrow = object([
        member("escrow_id", id()),
        member("state", state()),
        member("amount", amount().about("How much all milestones are worth.")),
        optional(
            "expires_at",
            milliseconds().about("When what waits goes back to the payer, if something waits."),
        ),
        member("transfer_id", id().about("The transfer that funded it.")),
        member("position", count().about("That one's position in the log.")),
        member("time", milliseconds().about("When it was funded.")),
        member("terms", object(terms(false)).about("What was agreed on.")),
        member("milestones", list(milestone)),
        optional("preimage", digest().about("What the payee showed, base64url.")),
    ]);
    vec![("Escrow", escrow.about("Money that waits, or what became of it."))]
}
