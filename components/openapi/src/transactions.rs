//! Assets, accounts, transfers, and the ledger's log. Beside `components/transactions/src/http.rs` and
//! `log.rs` there.

use crate::Api;
use crate::document::key_schemas;
use crate::operation::Caller::{Administrator, Operator, Traveller};
use crate::operation::{Operation, Refusal, get, post, tagged};
use crate::refusals::MISSING;
use crate::schema::{
    Member, Schema, count, day, either, flag, list, member, milliseconds, number, object, optional, refer,
    text, word,
};
use crate::{escrows, exchange, payments, reconciliations, schedules};

/// The longest body that is not a bulk, in bytes.
pub(crate) const BODY: u64 = 16_384;
/// The longest bulk, in bytes.
const BULK: u64 = 4_194_304;
const BYTES: &str = "application/octet-stream";
const TEXT: &str = "text/plain; charset=utf-8";
/// What an asset is called.
const ASSET: &str = r"([a-z0-9-]{1,16}@[a-z0-9.-]{1,63}|[A-Z]{3}|[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}/[-a-z0-9]{3,8}:[-.%a-zA-Z0-9]{1,128}(/[-.%a-zA-Z0-9]{1,78})?)";
/// What a transfer does.
const KINDS: &[&str] = &["plain", "pending", "post", "void", "reverse", "refund", "chargeback"];

/// What a body that an operator signed is refused for.
pub(crate) const SIGNED: &[Refusal] = &[(400, "clock-skew"), (400, "wrong-audience"), (403, "forbidden")];

/// What a transfer is refused for, by the ledger or before it is asked.
const TRANSFER: &[Refusal] = &[
    (400, "idempotency-key-missing"),
    (404, "unknown-world"),
    (404, "unknown-traveller"),
    (404, "unknown-asset"),
    (404, "not-found"),
    (409, "not-pending"),
    (409, "not-returnable"),
    (422, "idempotency-key-reused"),
    (422, "insufficient-funds"),
    (422, "exceeds-cap"),
    (422, "overflow"),
    (422, "zero-amount"),
    (422, "same-account"),
    (422, "exceeds-origin"),
    (422, "wrong-preimage"),
    (422, "effective-date"),
    (424, "linked-failed"),
    (507, "ledger-full"),
];

/// The table.
pub fn api() -> Api {
    let mut operations = tagged("Money", assets());
    operations.extend(tagged("Money", transfers()));
    operations.extend(tagged("Money", accounts()));
    operations.extend(tagged("The ledger's log", log()));
    operations.extend(tagged("The ledger's log", keys()));
    operations.extend(tagged("Money", vec![exchange::split()]));
    operations.extend(tagged("Exchange", exchange::operations()));
    operations.extend(tagged("Schedules", schedules::operations()));
    operations.extend(tagged("Escrow", escrows::operations()));
    operations.extend(tagged("Payments", payments::operations()));
    operations.extend(tagged("Reconciliation", reconciliations::operations()));
    let mut all = schemas();
    all.extend(receipt_schemas());
    all.extend(entry_schemas());
    all.extend(exchange::schemas());
    all.extend(schedules::schemas());
    all.extend(escrows::schemas());
    all.extend(payments::schemas());
    all.extend(reconciliations::schemas());
    all.extend(key_schemas());
    let about = "Assets, accounts and transfers over the ledger; the ledger's log and its proofs; money that comes and \
                 leaves through payment processors; and what banks say beside what the ledger says.";
    Api { name: "transactions", about, operations, schemas: all }
}

fn assets() -> Vec<Operation> {
    vec![
        post("/v1/assets", "createAsset", "Create an asset")
            .about(
                "The operator of the world that an asset is named after signs its definition. Currencies and what is \
                 on chains are the administrator's to create, who sends the definition as JSON.",
            )
            .json(BODY, object(asked_definition()).closed())
            .signed(BODY, "vwp-asset+jws", object(signed_members(definition())).closed())
            .by(&[Administrator])
            .refuses(SIGNED)
            .answers(201, "The asset is new.", refer("Asset"))
            .answers(200, "It exists, with this definition.", refer("Asset"))
            .refuses(&[
                (404, "unknown-world"),
                (409, "asset-exists"),
                (422, "exceeds-cap"),
                (422, "overflow"),
                (507, "ledger-full"),
            ]),
        get("/v1/assets/{asset}", "showAsset", "Show an asset")
            .path("asset", "Its name.", asset())
            .answers(200, "The asset.", refer("Asset"))
            .refuses(&[(400, "bad-request"), (404, "unknown-asset")]),
    ]
}

fn transfers() -> Vec<Operation> {
    let key = text().length(1, 130).pattern("^[!-~]+$").example("ticket-1");
    vec![
        post("/v1/transfers", "transfer", "Make a transfer")
            .about(
                "A traveller sends JSON with its access token and the header `Idempotency-Key`; an operator signs \
                 the order, with the key in it; the administrator issues what no world does as a traveller pays. A repeat with the same key moves nothing and gets the same receipt.",
            )
            .header("Idempotency-Key", "What makes a repeat harmless; of a JSON body.", key)
            .json(BODY, refer("Order"))
            .signed(BODY, "vwp-transfer+jws", object(signed_members(order())).closed())
            .by(&[Traveller, Administrator])
            .refuses(SIGNED)
            .answers(201, "The transfer was made.", refer("Receipt"))
            .telling("Location", "Where the transfer is.")
            .answers(200, "It had been made before.", refer("Receipt"))
            .telling("Location", "Where the transfer is.")
            .refuses(TRANSFER),
        post("/v1/transfers/bulk", "transferBulk", "Make many transfers")
            .about(
                "Up to 8190 transfers, each with its own answer, in JSON or in CBOR (RFC 8949; the notation is in \
                 docs/transfers.md). An operator's assertion names the body that it is for in `content_digest`.",
            )
            .json(BULK, object([member("transfers", list(refer("Order")).items(1, 8190))]).closed())
            .body("application/cbor", BULK, text().with("contentMediaType", "application/cbor"))
            .by(&[Traveller, Operator])
            .answers(200, "What became of each, in their order.", refer("BulkResult"))
            .gives(200, "", "application/cbor", text().with("contentMediaType", "application/cbor"))
            .refuses(TRANSFER),
        get("/v1/transfers/{id}", "showTransfer", "Show a transfer")
            .path("id", "The transfer's id.", id())
            .by(&[Traveller, Operator, Administrator])
            .answers(200, "The transfer, and what has become of it.", refer("Receipt"))
            .refuses(MISSING)
            .refuses(&[(400, "bad-request"), (404, "unknown-world"), (404, "unknown-asset")]),
        get("/v1/transfers/{id}/receipt", "proveTransfer", "Get a receipt that proves itself")
            .path("id", "The transfer's id.", id())
            .by(&[Traveller, Operator, Administrator])
            .answers(200, "The receipt, with its proof (docs/protocol/receipts.md).", refer("ProvenReceipt"))
            .refuses(MISSING)
            .refuses(&[
                (400, "bad-request"),
                (404, "unknown-world"),
                (404, "unknown-asset"),
                (409, "not-provable"),
            ]),
    ]
}

fn accounts() -> Vec<Operation> {
    let of_account = |operation: Operation| {
        operation
            .path("owner", "Whose account it is.", owner())
            .path("asset", "The asset.", asset())
            .by(&[Traveller, Operator, Administrator])
            .refuses(&[
                (400, "bad-request"),
                (404, "unknown-asset"),
                (404, "unknown-world"),
                (404, "unknown-traveller"),
                (404, "not-found"),
            ])
    };
    vec![
        of_account(get("/v1/ledger/accounts/{owner}/{asset}", "showAccount", "Show an account"))
            .about("As it is; or, with one of the parameters, what it held at a moment.")
            .query("position", "After the command with this position in the log.", count())
            .query("time", "At this time.", milliseconds())
            .query("effective_date", "At the end of this day, as statements count.", day())
            .answers(200, "The account.", either([refer("Account"), refer("Balance")])),
        of_account(get(
            "/v1/ledger/accounts/{owner}/{asset}/transfers",
            "listTransfers",
            "List the transfers of an account",
        ))
        .query("start", "The number of the first one.", count().within(0, u32::MAX))
        .query("order", "Which way to go.", word(&["newest-first", "oldest-first"]).default("newest-first"))
        .query("limit", "The most transfers.", count().within(1, 100).default(50))
        .query("kind", "Only those of a kind.", word(KINDS))
        .query("code", "Only those with a code.", code())
        .answers(200, "The transfers, in the order that was asked for.", refer("History")),
        of_account(get("/v1/statements/{owner}/{asset}", "showStatement", "Get an account's statement"))
            .needs("from", "From when on.", milliseconds())
            .needs("until", "Until when, exclusive.", milliseconds())
            .query("start", "With which number the page starts.", count().within(0, u32::MAX))
            .query("limit", "The most transfers.", count().within(1, 100).default(50))
            .answers(200, "The balances, and the transfers between them.", refer("Statement")),
    ]
}

fn log() -> Vec<Operation> {
    let bytes = || text().with("contentMediaType", BYTES);
    let tile = |operation: Operation| {
        operation
            .path(
                "index",
                "Its number in groups of three digits, all but the last with an `x`: `000`, `x001/234`. A tile \
                 that is not full has `.p/` and its width behind it: `000.p/12` (C2SP tlog-tiles).",
                text().pattern(r"^(x[0-9]{3}/)*[0-9]{3}(\.p/[0-9]{1,3})?$").length(3, 64).example("000"),
            )
            .deep()
            .gives(200, "The tile.", BYTES, bytes())
            .refuses(MISSING)
            .refuses(&[(400, "bad-request")])
    };
    let administered = |operation: Operation| operation.by(&[Administrator]).refuses(&[(400, "bad-request")]);
    vec![
        get("/v1/ledger/checkpoint", "showCheckpoint", "Get the signed head of the log")
            .gives(200, "A checkpoint (C2SP tlog-checkpoint).", TEXT, text()),
        tile(
            get("/v1/ledger/tile/{level}/{index}", "showTile", "Get a tile of hashes")
                .path("level", "Its level.", count().within(0, 63)),
        ),
        tile(get("/v1/ledger/tile/entries/{index}", "showEntryTile", "Get a bundle of leaves")),
        get("/v1/ledger/keys", "listLogKeys", "List the keys that sign the log")
            .answers(200, "A JWK Set, whose keys have a `vkey`.", refer("LogKeys")),
        get("/v1/ledger/vkeys", "listVerifierKeys", "List the keys that sign the log, as verifier keys")
            .gives(200, "One C2SP verifier key a line, the newest first.", TEXT, text()),
        administered(get("/v1/ledger/entries", "listEntries", "List the commands of the log"))
            .query("from", "The position of the first one.", count().within(1, u64::MAX).default(1))
            .query("limit", "The most entries.", count().within(1, 1000).default(100))
            .answers(200, "The commands, as JSON.", refer("Entries")),
        administered(get("/v1/ledger/entries/{position}", "showEntry", "Get the bytes of a command"))
            .path("position", "Its position.", count().within(1, u64::MAX))
            .gives(200, "The command.", BYTES, bytes())
            .refuses(MISSING),
        administered(get("/v1/ledger/commands", "listCommands", "Get the bytes of many commands"))
            .query("from", "The position of the first one.", count().within(1, u64::MAX).default(1))
            .query("limit", "The most commands.", count().within(1, 1000).default(100))
            .gives(200, "The commands, each with its position, time and length before it.", BYTES, bytes()),
        administered(post("/v1/ledger/queries", "queryLedger", "Ask the ledger many things at once"))
            .about("For audits: the queries and answers are those of the ledger itself, with lengths before them.")
            .body(BYTES, 65_536, bytes())
            .gives(200, "The answers.", BYTES, bytes()),
    ]
}

fn keys() -> Vec<Operation> {
    vec![
        get("/v1/keys/log", "listLogKeyring", "List the keyring of the log").by(&[Administrator]).answers(
            200,
            "The keys.",
            object([member("keys", list(refer("KeyInfo")))]),
        ),
        post("/v1/keys/log/rotate", "rotateLogKey", "Make a new key that signs the log")
            .by(&[Administrator])
            .answers(201, "The new key.", refer("KeyInfo")),
        post("/v1/keys/log/reseal", "resealLogKeys", "Seal the log's keys under the present master key")
            .by(&[Administrator])
            .answers(200, "How many there were to seal.", refer("Resealed")),
    ]
}

/// What an operator signs, beside what it is about.
pub(crate) fn signed_members(members: impl IntoIterator<Item = Member>) -> Vec<Member> {
    let mut members: Vec<Member> = members.into_iter().collect();
    members.push(member("iat", count().about("When it was signed, in seconds; at most five minutes ago.")));
    members.push(member("aud", text().about("The port's URL.")));
    members
}

/// A page of a list, newest first.
pub(crate) fn paged(operation: Operation, items: &'static str) -> Operation {
    let cursor = text().length(0, 48).pattern("^[0-9a-fA-F]{0,48}$");
    operation
        .query("cursor", "Where the page starts: `next` of the one before.", cursor)
        .query("limit", "The most items.", count().within(1, 100).default(20))
        .answers(200, "A page.", object([member("items", list(refer(items))), optional("next", text())]))
}

pub(crate) fn id() -> Schema {
    text().pattern("^[0-9a-fA-F]{32}$").length(32, 32).example("422cf919d3f140aa5c96f9e0ae983cd4")
}

pub(crate) fn asset() -> Schema {
    text()
        .about("`code@world`, a currency (ISO 4217), or what is on a chain (CAIP-19).")
        .pattern(&format!("^{ASSET}$"))
        .length(3, 160)
        .example("gold@arena")
}

pub(crate) fn owner() -> Schema {
    text()
        .about(
            "`traveller:<id>`, `world:<name>`; `liquidity:<name>` and `rounding:<name>`, which a world exchanges \
             with; `issuance:<asset>`, which owes what others hold; or `processor:<name>`, which has what is at a \
             payment processor.",
        )
        .pattern(&format!(
            "^(traveller:[A-Za-z0-9_-]{{1,64}}|(world|liquidity|rounding):[a-z0-9.-]{{1,63}}|issuance:{ASSET}\
             |processor:[a-z0-9-]{{1,32}})$"
        ))
        .length(7, 170)
        .example("world:arena")
}

/// Whose account an answer names: an escrow's as well, which nobody asks for by name.
pub(crate) fn holder() -> Schema {
    let escrow = text()
        .about("Where an escrow's money waits: `escrow:<id>`, and in a dispute `escrow:<id>:disputed`.")
        .pattern("^escrow:[0-9a-f]{32}(:disputed)?$");
    either([owner(), escrow])
}

pub(crate) fn amount() -> Schema {
    text()
        .about("Minor units, as a decimal string below 2^128.")
        .pattern("^(0|[1-9][0-9]{0,38})$")
        .length(1, 39)
        .example("250")
}

/// 32 bytes, base64url.
pub(crate) fn digest() -> Schema {
    text().length(43, 43).pattern("^[A-Za-z0-9_-]{43}$")
}

pub(crate) fn code() -> Schema {
    count().within(0, u16::MAX).about("The caller's word for why.")
}

fn definition() -> [Member; 4] {
    [
        member("asset", asset()),
        member("scale", count().within(0, 18).about("How many decimal places the minor unit stands for.")),
        optional("cap", amount().about("The most that may be issued and not given back.")),
        optional("title", text().about("What people call it.").example("Arena gold")),
    ]
}

/// What is asked for, where what may be left out may also be null.
fn asked_definition() -> [Member; 4] {
    let [name, scale, cap, title] = definition();
    [name, scale, cap.or_null(), title.or_null()]
}

fn order() -> Vec<Member> {
    vec![
        optional(
            "idempotency_key",
            text().length(1, 128).about("What makes a repeat harmless; in a signed body and in a bulk."),
        ),
        optional("kind", word(KINDS).default("plain").about("What it does.")),
        optional("from", owner().about("The account to debit; a traveller's own if it is left out.")),
        optional("to", owner().about("The account to credit.")),
        optional("asset", asset()),
        optional("origin", id().about("The transfer that it follows.")),
        optional("amount", amount()),
        optional("memo", text().length(1, 48).about("What the caller wants to find with it again.")),
        optional("code", code()),
        optional("effective_date", day().about("From which day on it counts; at most 92 days ago.")),
        optional("balancing", word(&["debit", "credit", "both"]).about("Which account may make it less.")),
        optional("timeout_s", count().within(0, 31_622_400).about("After how many seconds a hold expires.")),
        optional(
            "condition",
            digest().about("The SHA-256 of the preimage that posting it takes, base64url."),
        ),
        optional("preimage", digest().about("The 32 bytes that a hold's condition asks for, base64url.")),
        optional("linked", flag().about("In a bulk: whether it succeeds or fails as one with the next one.")),
    ]
    .into_iter()
    .map(nullable)
    .collect()
}

/// A member that may also be null, which says the same as leaving it out.
fn nullable(member: Member) -> Member {
    match member.name() {
        "kind" | "linked" => member,
        _ => member.or_null(),
    }
}

fn schemas() -> Vec<(&'static str, Schema)> {
    let settled =
        || vec![member("transfer_id", id()), member("position", count()), member("time", milliseconds())];
    let mut created = vec![member("outcome", word(&["created"]))];
    created.extend(settled());
    created.extend([
        member("amount", amount()),
        member("repeated", flag().about("Whether it had been made before.")),
    ]);
    let refused = [
        member("outcome", word(&["refused"])),
        member("transfer_id", id()),
        member("problem", refer("Problem")),
    ];
    let [name, scale, cap, title] = definition();
    let asset = object([
        name,
        scale,
        cap,
        title,
        member("issuer", text().about("The operator who created it; `administrator` if the port did.")),
        member(
            "supply",
            amount().about(
                "How much is in circulation: what was issued and not given back, and what came in through payment \
                 processors and did not leave.",
            ),
        ),
        member("position", count().about("Where in the log it was created.")),
        member("time", milliseconds()),
    ]);
    vec![
        ("Asset", asset),
        ("Order", object(order()).closed().about("A transfer that is asked for.")),
        ("BulkResult", object([member("transfers", list(either([object(created), object(refused)])))])),
        ("Account", object(account_members())),
        ("Balance", object(balance_members()).about("What an account held at a moment.")),
        ("Movement", object(movement_members()).about("A transfer as one of its accounts sees it.")),
        ("History", object([member("transfers", list(refer("Movement"))), optional("next", count())])),
        ("Statement", object(statement_members())),
    ]
}

fn balance_members() -> Vec<Member> {
    vec![
        member("owner", owner()),
        member("asset", asset()),
        member("balance", amount().about("What it holds; of an issuance account, what was issued.")),
        member("debits", amount().about("The sum of all that left it.")),
        member("credits", amount().about("The sum of all that reached it.")),
    ]
}

fn account_members() -> Vec<Member> {
    let mut members = balance_members();
    members.extend([
        member("debits_pending", amount().about("What open holds keep of it for others.")),
        member("credits_pending", amount().about("What open holds of others keep for it.")),
        optional("overdrawn", amount().about("How far it is overdrawn, if it is.")),
        optional("frozen", flag().about("Whether nothing may be debited.")),
        optional("closed", flag().about("Whether nothing may be debited or credited, ever again.")),
    ]);
    members
}

fn movement_members() -> Vec<Member> {
    vec![
        member("number", count().about("Its number among the account's transfers, from 1 on.")),
        member("transfer_id", id()),
        member("kind", word(KINDS)),
        member("side", word(&["debit", "credit"])),
        member("counterparty", holder()),
        member("amount", amount()),
        member("balance", amount().about("What the account held after it.")),
        member("position", count().about("Its command's position in the log.")),
        member("time", milliseconds()),
        optional("effective_date", day()),
        optional("code", code()),
    ]
}

fn statement_members() -> Vec<Member> {
    vec![
        member("owner", owner()),
        member("asset", asset()),
        member("from", milliseconds()),
        member("until", milliseconds()),
        member("opening", amount().about("What it held before.")),
        member("closing", amount().about("What it held after.")),
        member("debits", amount()),
        member("credits", amount()),
        member("transfers", list(refer("Movement"))),
        optional("next", count().about("With which number the next page starts.")),
    ]
}

fn receipt_schemas() -> Vec<(&'static str, Schema)> {
    let settled = |state: &'static str| object([member("state", word(&[state])), member("settled_by", id())]);
    let hold =
        either([object([member("state", word(&["open", "expired"]))]), settled("posted"), settled("voided")]);
    let receipt = object([
        member("transfer_id", id()),
        member("position", count().about("Its command's position in the log.")),
        member("time", milliseconds()),
        optional("kind", word(KINDS)),
        optional("origin", id().about("The transfer that it follows.")),
        member("from", holder()),
        member("to", holder()),
        member("asset", asset()),
        member("amount", amount()),
        optional("memo", text()),
        optional("code", code()),
        optional("effective_date", day()),
        optional("condition", text()),
        optional("expires_at", milliseconds().about("When this hold expires.")),
        optional("hold", hold.about("What has become of this hold; where a transfer is read.")),
        optional("returned", amount().about("How much of it was moved back; where a transfer is read.")),
    ]);
    let block = object([
        member("index", count()),
        member("data", text().about("base64.")),
        member("path", list(text())),
    ]);
    let evidence = object([
        member("leaf", text()),
        member("blocks", list(block)),
        member("proof", text().about("C2SP tlog-proof.")),
    ]);
    let place = object([member("offset", count()), member("length", count())]);
    let proven = object([
        member("format", text()),
        member("transfer", refer("Receipt")),
        member("place", place.about("Where in its command the transfer is, in bytes.")),
        member("evidence", evidence),
    ]);
    let key = object([
        member("kty", word(&["EC"])),
        member("crv", word(&["P-256"])),
        member("x", text()),
        member("y", text()),
        optional("kid", text()),
        member("vkey", text().about("The key as a C2SP verifier key.")),
        member("created_at", milliseconds()),
        member("active", flag()),
    ]);
    vec![
        ("Receipt", receipt.about("That a transfer was made.")),
        ("ProvenReceipt", proven.about("A receipt that proves itself: docs/protocol/receipts.md.")),
        ("LogKeys", object([member("keys", list(key))])),
    ]
}

fn entry_schemas() -> Vec<(&'static str, Schema)> {
    let opening = object([member("account", id()), member("asset", id()), member("owner", text())]);
    let transfer = object([
        member("transfer_id", id()),
        member("debit", id()),
        member("credit", id()),
        member("amount", amount()),
    ]);
    let kind = |name: &'static str| member("kind", word(&[name]));
    let command = either([
        object([kind("create-asset"), member("asset", refer("Asset"))]),
        object([
            kind("create-transfers"),
            member("openings", list(opening)),
            member("transfers", list(transfer)),
        ]),
        object([kind("set-account"), member("account", id())]),
        object([kind("set-rules"), member("digest", text()), member("rules", number())]),
        object([member("kind", word(&["tick", "malformed"]))]),
    ]);
    let entry =
        object([member("position", count()), member("time", milliseconds()), member("command", command)]);
    vec![("Entries", object([member("entries", list(entry)), optional("next", count())]))]
}
