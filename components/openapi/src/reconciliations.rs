//! What banks and payment processors say, matched with the ledger. Beside
//! `components/reconciliation/src/http`; a part of what transactions serves.

use crate::operation::Caller::{Administrator, Operator};
use crate::operation::{Operation, Refusal, delete, get, post, put};
use crate::schema::{
    Member, Schema, count, day, either, flag, list, member, milliseconds, object, optional, refer, text, word,
};

/// The longest body that is not a statement, in bytes.
const BODY: u64 = 32_768;
/// The longest statement, in bytes.
const STATEMENT: u64 = 4_194_304;
const KINDS: &[&str] =
    &["missing-in-ledger", "missing-in-statement", "amount-differs", "duplicate", "ambiguous"];
const STATUSES: &[&str] = &["open", "assigned", "explained", "resolved"];

/// What everything about a source may be refused for.
const SOURCE: &[Refusal] = &[
    (400, "bad-request"),
    (404, "unknown-source"),
    (404, "unknown-world"),
    (404, "unknown-asset"),
    (404, "not-found"),
    (503, "busy"),
];

/// The operations.
pub(crate) fn operations() -> Vec<Operation> {
    let mut all = vec![
        get("/v1/reconciliations", "listSources", "List the sources of statements")
            .by(&[Operator, Administrator])
            .query("cursor", "The name after which the page starts.", text().length(0, 64))
            .query("limit", "The most sources.", count().within(1, 200).default(50))
            .answers(200, "Those of which the caller may see the account.", refer("Sources"))
            .refuses(&[(404, "unknown-world"), (404, "unknown-asset"), (404, "not-found")]),
    ];
    all.extend(sources());
    all.extend(work());
    all.extend(lists());
    all
}

fn of_source(operation: Operation) -> Operation {
    let name = text().pattern("^[a-z0-9-]{1,48}$").length(1, 48).example("bank-eur");
    operation.path("source", "The source's name.", name).by(&[Operator, Administrator]).refuses(SOURCE)
}

fn sources() -> Vec<Operation> {
    let source = "/v1/reconciliations/{source}";
    let raw = || text().with("contentMediaType", "application/octet-stream");
    vec![
        of_source(get(source, "showSource", "Show a source")).answers(200, "The source.", refer("Source")),
        of_source(put(source, "putSource", "Put a source"))
            .json(BODY, refer("NewSource"))
            .answers(201, "The source is new.", refer("Source"))
            .answers(200, "It was replaced.", refer("Source"))
            .refuses(&[(409, "source-in-use"), (409, "replaced"), (404, "unknown-traveller")]),
        of_source(post("/v1/reconciliations/{source}/statements", "importStatements", "Import statements"))
            .about("camt.053, MT940, or a table that the source's mapping describes; possibly `Content-Encoding: deflate`.")
            .body("application/xml", STATEMENT, raw())
            .body("text/xml", STATEMENT, raw())
            .body("application/vnd.swift.mt940", STATEMENT, raw())
            .body("text/plain", STATEMENT, raw())
            .body("text/csv", STATEMENT, raw())
            .answers(201, "Some of it is new.", refer("ImportedStatements"))
            .answers(200, "It had been imported before.", refer("ImportedStatements"))
            .refuses(&[
                (422, "statement-unreadable"),
                (422, "statement-unbalanced"),
                (422, "wrong-currency"),
                (422, "too-much"),
            ]),
    ]
}

fn work() -> Vec<Operation> {
    let id = || text().length(1, 64).pattern("^[A-Za-z0-9-]+$");
    vec![
        of_source(post("/v1/reconciliations/{source}/runs", "runReconciliation", "Match what has no match"))
            .query("as_of", "What counts as today.", day())
            .answers(200, "What was done.", refer("Run"))
            .refuses(&[(422, "too-much"), (404, "unknown-traveller")]),
        of_source(post("/v1/reconciliations/{source}/matches", "matchByHand", "Match by hand"))
            .json(BODY, refer("ByHand"))
            .answers(201, "The match.", refer("Match"))
            .refuses(&[(409, "already-matched"), (409, "sums-differ"), (422, "too-much")]),
        of_source(delete("/v1/reconciliations/{source}/matches/{id}", "undoMatch", "Undo a match"))
            .path("id", "The match's id.", id())
            .answers(200, "The match, and who undid it.", refer("Match"))
            .refuses(&[(409, "already-matched")]),
        of_source(get("/v1/reconciliations/{source}/breaks/{id}", "showBreak", "Show a break"))
            .path("id", "The break's id.", id())
            .answers(200, "The break.", refer("Break")),
        of_source(post("/v1/reconciliations/{source}/breaks/{id}", "stepBreak", "Work on a break"))
            .path("id", "The break's id.", id())
            .json(BODY, refer("Step"))
            .answers(200, "The break after it.", refer("Break"))
            .refuses(&[
                (409, "replaced"),
                (409, "illegal-step"),
                (409, "already-matched"),
                (409, "sums-differ"),
                (422, "too-much"),
            ]),
        of_source(get("/v1/reconciliations/{source}/report", "reportReconciliation", "Report by day"))
            .query("from", "The first day.", day())
            .query("to", "The last day.", day())
            .query("as_of", "What counts as today.", day())
            .query("format", "How it is written.", word(&["json", "csv"]).default("json"))
            .answers(200, "The report.", refer("Report"))
            .gives(200, "", "text/csv; charset=utf-8", text())
            .refuses(&[(422, "too-much")]),
    ]
}

fn lists() -> Vec<Operation> {
    let listed = |operation: Operation, items: &'static str| {
        of_source(operation)
            .query(
                "cursor",
                "The id after which the page starts.",
                text().length(0, 41).pattern("^[A-Za-z0-9-]*$"),
            )
            .query("limit", "The most items.", count().within(1, 200).default(50))
            .query("from", "The first day.", day())
            .query("to", "The last day.", day())
            .query("state", "Lines and entries: whether they have a match.", word(&["open", "matched"]))
            .query("status", "Breaks: how far people have come.", word(STATUSES))
            .query("kind", "Breaks: what is wrong.", word(KINDS))
            .answers(200, "A page.", object([member("items", list(refer(items))), optional("next", text())]))
    };
    vec![
        listed(
            get("/v1/reconciliations/{source}/statements", "listStatements", "List statements"),
            "BankStatement",
        ),
        listed(get("/v1/reconciliations/{source}/lines", "listLines", "List lines of statements"), "Line"),
        listed(
            get("/v1/reconciliations/{source}/entries", "listLedgerEntries", "List entries"),
            "LedgerEntry",
        ),
        listed(get("/v1/reconciliations/{source}/matches", "listMatches", "List matches"), "Match"),
        listed(get("/v1/reconciliations/{source}/breaks", "listBreaks", "List breaks"), "Break"),
    ]
}

fn money() -> Schema {
    text().about("Minor units with a sign, as a decimal string.").pattern("^-?[0-9]{1,39}$").example("-1250")
}

fn ids() -> Schema {
    list(text())
}

/// What a source is put as.
fn definition() -> Vec<Member> {
    let account = object([member("owner", text()), member("asset", text())]).closed();
    let rules = object([
        optional("tolerance", count()),
        optional("window_days", count().within(0, 90)),
        optional("reference_window_days", count().within(0, 90)),
        optional("similarity_min", count().within(1, 1000)),
        optional("unreferenced", flag()),
        optional("members_max", count().within(0, 12)),
    ])
    .closed();
    vec![
        member("kind", word(&["bank", "processor"])),
        optional("title", text().about("What people call it.")),
        member("currency", text().about("ISO 4217, or an asset's code.").example("EUR")),
        member("account", account.about("The account in the ledger.")),
        optional("inverted", flag().about("Whether what reaches the source leaves the ledger's account.")),
        optional("statement_account", text().about("The account as statements write it, such as an IBAN.")),
        optional("rules", rules.about("How both sides are compared.")),
        optional("mt940_charset", charset()),
        optional("csv", refer("Mapping")),
    ]
}

fn charset() -> Schema {
    word(&["utf-8", "windows-1252"]).default("utf-8")
}

/// The schemas.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let mut new = vec![optional("replaces", count().about("The version that was seen.").or_null())];
    new.extend(definition().into_iter().map(|member| match member.name() {
        "statement_account" | "csv" => member.or_null(),
        _ => member,
    }));
    let mut source = vec![
        member("name", text()),
        member("scale", count().within(0, 18)),
        member("version", count()),
        member("updated_at", milliseconds()),
        member("updated_by", text()),
    ];
    source.extend(definition());
    let mut imported = statement_members();
    imported.extend([member("new", count()), member("repeated", flag())]);
    let mut all = vec![
        ("NewSource", object(new).closed()),
        ("Source", object(source)),
        ("Sources", object([member("sources", list(refer("Source"))), optional("next", text())])),
        ("Mapping", mapping()),
        ("BankStatement", object(statement_members())),
        (
            "ImportedStatements",
            object([member("statements", list(object(imported))), member("left_out", count())]),
        ),
    ];
    all.extend(item_schemas());
    all.extend(break_schemas());
    all.extend(report_schemas());
    all
}

fn mapping() -> Schema {
    let column = || either([text(), count().within(0, u16::MAX)]);
    let mark =
        object([member("column", column()), member("debit", text()), member("credit", text())]).closed();
    let amount = either([
        object([member("column", column()), optional("mark", mark.or_null())]).closed(),
        object([member("debit", column()), member("credit", column())]).closed(),
    ]);
    let character = || text().length(1, 1);
    object([
        optional("charset", charset()),
        optional("delimiter", character().default(",")),
        optional("header_rows", count().default(1)),
        optional("decimal_separator", character().default(".")),
        optional("thousands_separator", character().or_null()),
        optional("date_format", text().default("%Y-%m-%d")),
        member("date", column()),
        optional("value_date", column().or_null()),
        member("amount", amount),
        optional("currency", column().or_null()),
        optional("bank_reference", column().or_null()),
        optional("references", list(column())),
        optional("description", list(column())),
        optional("counterparty", column().or_null()),
        optional("balance", column().or_null()),
    ])
    .closed()
    .about("How the source's tables are read.")
}

fn statement_members() -> Vec<Member> {
    let balance = || object([member("date", day()), member("amount", money())]);
    vec![
        member("id", text()),
        optional("statement", text().about("The id that its sender gave it.")),
        optional("sequence", text()),
        optional("account", text()),
        member("format", word(&["camt053", "mt940", "csv"])),
        member("from", day()),
        member("to", day()),
        optional("opening", balance()),
        optional("closing", balance()),
        member("lines", count()),
        member("sum", money()),
        member("pending", count()),
        member("imported_at", milliseconds()),
        member("imported_by", text()),
        member("complete", flag()),
    ]
}

fn item_schemas() -> Vec<(&'static str, Schema)> {
    let line = object([
        member("id", text()),
        member("booked", day()),
        member("value", day()),
        member("amount", money()),
        optional("reversal", flag()),
        optional("bank_reference", text()),
        optional("references", list(text())),
        optional("batch", text()),
        optional("counterparty", text()),
        optional("text", text()),
        optional("ordered", text()),
        optional("match", text().about("The match that it is in.")),
    ]);
    let entry = object([
        member("id", text()),
        member("transfer", text()),
        member("position", count()),
        member("time", milliseconds()),
        member("date", day()),
        member("amount", money()),
        optional("memo", text()),
        optional("counterparty", text()),
        optional("match", text().about("The match that it is in.")),
    ]);
    let rules = [
        "reference",
        "similarity",
        "amount-and-day",
        "batch",
        "one-to-many",
        "many-to-one",
        "tolerance",
        "manual",
    ];
    let made = object([
        member("id", text()),
        member("rule", word(&rules)),
        member("why", text()),
        member("lines", ids()),
        member("entries", ids()),
        member("difference", money()),
        member("made_at", milliseconds()),
        member("made_by", text()),
        optional("undone_by", text()),
    ]);
    let by_hand = object([
        optional("lines", ids()),
        optional("entries", ids()),
        member("explanation", text().length(1, 500)),
    ]);
    vec![("Line", line), ("LedgerEntry", entry), ("Match", made), ("ByHand", by_hand.closed())]
}

fn break_schemas() -> Vec<(&'static str, Schema)> {
    let done = object([
        member("at", milliseconds()),
        member("by", text()),
        member("step", text()),
        optional("note", text()),
    ]);
    let broken = object([
        member("id", text()),
        member("kind", word(KINDS)),
        member("status", word(STATUSES)),
        member("date", day()),
        member("amount", money()),
        optional("line", text()),
        optional("entry", text()),
        optional("difference_of", text()),
        optional("candidates", list(ids())),
        optional("assignee", text()),
        optional("explanation", text()),
        optional("resolved_by", text()),
        member("version", count()),
        member("steps", list(done)),
    ]);
    let step = |name: &'static str, members: Vec<Member>| {
        let mut all = vec![
            member("step", word(&[name])),
            member("version", count().about("The version that was seen.")),
        ];
        all.extend(members);
        object(all).closed()
    };
    let steps = either([
        step("assign", vec![member("to", text())]),
        step("explain", vec![member("explanation", text())]),
        step(
            "resolve",
            vec![
                optional("transfer", text().or_null()),
                optional("lines", ids()),
                optional("entries", ids()),
            ],
        ),
        step("reopen", vec![member("explanation", text())]),
    ]);
    vec![("Break", broken), ("Step", steps)]
}

fn report_schemas() -> Vec<(&'static str, Schema)> {
    let total = || object([member("count", count()), member("sum", money())]);
    let half = || {
        object([
            member("matched", total()),
            member("unmatched", total()),
            optional("opening", money()),
            optional("closing", money()),
        ])
    };
    let breaks = || object(STATUSES.iter().map(|status| member(status, count())));
    let of_day = || {
        vec![
            member("lines", half()),
            member("entries", half()),
            member("differences", total()),
            member("breaks", breaks()),
        ]
    };
    let run = object([
        member("at", milliseconds()),
        member("by", text()),
        member("as_of", day()),
        member("entries", count()),
        member("matches", count()),
        member("breaks", count()),
        member("open_lines", count()),
        member("open_entries", count()),
        member("complete", flag()),
    ]);
    let mut dated = vec![member("date", day())];
    dated.extend(of_day());
    let report = object([
        member("source", text()),
        member("kind", word(&["bank", "processor"])),
        member("currency", text()),
        member("scale", count()),
        member("account", object([member("owner", text()), member("asset", text())])),
        member("from", day()),
        member("to", day()),
        member("clean", flag().about("Nothing is overdue, no break unsettled, and there is no warning.")),
        member("overdue", count()),
        member("unsettled", count()),
        member("warnings", list(text())),
        optional("last_run", refer("Run")),
        member("days", list(object(dated))),
        member("total", object(of_day())),
    ]);
    vec![("Run", run), ("Report", report)]
}
