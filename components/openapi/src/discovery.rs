//! The registry of worlds: finding, registering and watching. Beside `components/discovery/src/http`.

use crate::document::key_schemas;
use crate::operation::Caller::Administrator;
use crate::operation::{Operation, Refusal, delete, get, post, put, tagged};
use crate::refusals::MISSING;
use crate::schema::{
    Member, Schema, count, flag, list, map, member, milliseconds, number, object, optional, refer, seconds,
    text, url, word,
};
use crate::{Api, zone};

/// The longest signed record, in bytes.
const RECORD: u64 = 24_576;
const DNS: &str = "application/dns-message";

/// What a signed object is refused for before it is believed.
const SIGNED: &[Refusal] = &[
    (400, "clock-skew"),
    (400, "wrong-audience"),
    (401, "unknown-operator"),
    (401, "operator-mismatch"),
    (401, "bad-signature"),
];
/// What is done with a name is refused for.
const NAME: &[Refusal] =
    &[(400, "bad-name"), (403, "name-reserved"), (403, "not-holder"), (409, "name-delegated")];

/// The table.
pub fn api() -> Api {
    let mut operations = tagged("Worlds", finding());
    operations.extend(tagged("Worlds", registering()));
    operations.extend(tagged("Operators", operators()));
    operations.extend(tagged("The zone", delegations()));
    operations.extend(tagged("The zone", dns()));
    operations.extend(tagged("The zone", zone::operations()));
    operations.extend(tagged("Running the port", running()));
    let mut all = schemas();
    all.extend(record_schemas());
    all.extend(operator_schemas());
    all.extend(zone::schemas());
    all.extend(key_schemas());
    let about =
        "The registry of worlds, what operators do with their names, and the zone that DNS answers from.";
    Api { name: "discovery", about, operations, schemas: all }
}

fn finding() -> Vec<Operation> {
    let words = || list(text()).items(0, 16);
    vec![
        get("/v1/worlds", "findWorlds", "Find worlds")
            .query("q", "Words of the title, the description or the name.", text().length(0, 256))
            .query("tag", "A tag; may be given several times.", words())
            .query("language", "A language tag (BCP 47).", words())
            .query("region", "A region of an endpoint.", words())
            .query("software", "The program that the world runs on.", words())
            .query("protocol", "A protocol that it speaks, such as `minecraft/1.21.4`.", words())
            .query("rating", "For this age, in years.", count().within(0, u8::MAX))
            .query("accepting", "Whether it takes further users now.", flag())
            .query(
                "near",
                "A latitude and a longitude in degrees.",
                text().pattern("^-?[0-9.]+,-?[0-9.]+$").example("52.5,13.4"),
            )
            .query("within_km", "How far from there at most.", number())
            .query("sort", "In which order.", word(&["relevance", "popularity", "distance", "name"]))
            .query("facets", "Whether to count the values of filters.", flag())
            .query("limit", "The most worlds.", count().within(1, 100))
            .query("cursor", "What the page before ended with.", text().length(1, 256))
            .answers(200, "A page of worlds.", refer("Worlds"))
            .refuses(&[(400, "bad-cursor")]),
        get("/v1/worlds/changes", "watchWorlds", "Watch the registry")
            .about("A long poll; or, for who accepts `text/event-stream`, server-sent events.")
            .query("since", "The cursor that the last answer ended with.", text().length(1, 64))
            .query("limit", "The most changes.", count().within(1, 500).default(100))
            .query("wait", "For how long to wait for a change, in seconds.", count().within(0, 25).default(0))
            .answers(200, "What has changed since.", refer("Changes"))
            .gives(200, "", "text/event-stream", text())
            .refuses(&[(400, "bad-cursor"), (410, "changes-gone")]),
        of_world(get("/v1/worlds/{name}", "showWorld", "Show a world"))
            .query("after", "Only if its record is newer than this version.", count())
            .query("wait", "For how long to wait for that, in seconds.", count().within(0, 8).default(0))
            .header("If-None-Match", "The tag of what the caller has.", text())
            .answers(200, "The world.", refer("World"))
            .telling("ETag", "The tag of this answer.")
            .done(304, "There is nothing new.")
            .done(307, "Another port serves this part of the zone.")
            .telling("Location", "The world at that port.")
            .refuses(MISSING),
    ]
}

fn registering() -> Vec<Operation> {
    vec![
        post("/v1/worlds", "registerWorld", "Register a world, or renew its record")
            .signed(RECORD, "vwp-world+jws", refer("Record"))
            .answers(201, "The name is new.", refer("Registration"))
            .telling("Location", "Where the world is.")
            .answers(200, "The record replaced the one before.", refer("Registration"))
            .refuses(SIGNED)
            .refuses(NAME)
            .refuses(&[
                (400, "bad-record"),
                (400, "record-expired"),
                (403, "domains-not-taken"),
                (403, "control-unproven"),
                (409, "name-taken"),
                (409, "name-confusable"),
                (409, "record-replayed"),
                (409, "uuid-changed"),
                (409, "uuid-taken"),
            ]),
        of_world(get("/v1/worlds/{name}/challenge", "showChallenge", "Get what proves control of a domain"))
            .needs("operator", "The operator's id.", text().length(43, 43).pattern("^[A-Za-z0-9_-]{43}$"))
            .answers(200, "What to publish, and where.", refer("Challenge"))
            .refuses(&[(403, "name-reserved"), (403, "domains-not-taken")]),
        of_world(put("/v1/worlds/{name}/lease", "renewLease", "Say that a world is there, and how it is"))
            .signed(2048, "vwp-live+jws", refer("Live"))
            .answers(200, "The lease.", refer("Heartbeat"))
            .refuses(SIGNED)
            .refuses(NAME)
            .refuses(MISSING)
            .refuses(&[
                (400, "bad-record"),
                (400, "record-expired"),
                (403, "not-speaker"),
                (409, "record-replayed"),
                (409, "name-taken"),
                (409, "name-confusable"),
            ]),
    ]
}

fn operators() -> Vec<Operation> {
    vec![
        post("/v1/actions", "act", "Do something with a name or a key")
            .about("Withdraw, transfer or accept a name; add, revoke or recover keys.")
            .signed(8192, "vwp-action+jws", refer("Action"))
            .answers(200, "What was done.", refer("Done"))
            .refuses(SIGNED)
            .refuses(NAME)
            .refuses(MISSING)
            .refuses(&[
                (400, "bad-action"),
                (400, "record-expired"),
                (403, "not-offered"),
                (403, "not-recoverable"),
                (409, "action-replayed"),
                (409, "record-replayed"),
                (409, "known-key"),
                (409, "unknown-key"),
                (409, "too-many-keys"),
                (409, "last-key"),
                (409, "nothing-to-object"),
                (409, "name-taken"),
                (409, "name-confusable"),
            ]),
        get("/v1/operators/{id}", "showOperator", "Show an operator's keys")
            .path("id", "The operator's id.", text().length(1, 64))
            .answers(200, "The operator.", refer("Operator"))
            .refuses(MISSING),
    ]
}

fn delegations() -> Vec<Operation> {
    let of_label =
        |operation: Operation| {
            operation
                .path("label", "The label in the zone.", text().length(1, 63).example("north"))
                .refuses(&[(400, "bad-name"), (400, "bad-request"), (403, "name-reserved")])
        };
    vec![
        get("/v1/delegations", "listDelegations", "List the parts of the zone that other ports serve")
            .query("cursor", "Where the page starts.", text().length(1, 63))
            .answers(200, "A page, by label.", refer("Delegations"))
            .refuses(&[(400, "bad-name"), (403, "name-reserved")]),
        of_label(get("/v1/delegations/{label}", "showDelegation", "Show a delegation"))
            .answers(200, "The delegation.", refer("Delegated"))
            .refuses(MISSING),
        of_label(put("/v1/delegations/{label}", "putDelegation", "Delegate a part of the zone"))
            .by(&[Administrator])
            .json(16_384, refer("Delegation"))
            .answers(201, "It is new.", refer("Delegated"))
            .answers(200, "It was replaced.", refer("Delegated"))
            .refuses(&[(409, "name-taken"), (409, "name-delegated")]),
        of_label(delete("/v1/delegations/{label}", "deleteDelegation", "Take a delegation back"))
            .by(&[Administrator])
            .done(204, "It is gone.")
            .refuses(MISSING),
    ]
}

fn dns() -> Vec<Operation> {
    let message = || text().with("contentMediaType", DNS);
    vec![
        get("/dns-query", "askDns", "Ask a DNS question (RFC 8484)")
            .needs(
                "dns",
                "The message, base64url without padding.",
                text().length(1, 5464).pattern("^[A-Za-z0-9_-]+$"),
            )
            .gives(200, "The answer.", DNS, message())
            .refuses(&[(406, "not-acceptable"), (414, "uri-too-long")]),
        post("/dns-query", "askDnsByPost", "Ask a DNS question (RFC 8484)")
            .body(DNS, 65_535, message())
            .gives(200, "The answer.", DNS, message())
            .refuses(&[(406, "not-acceptable")]),
    ]
}

fn running() -> Vec<Operation> {
    vec![
        get("/", "showIndex", "What the port is, and where its resources are").answers(
            200,
            "The port.",
            refer("Index"),
        ),
        get("/v1/maintenance", "showMaintenance", "Show the state of leases").by(&[Administrator]).answers(
            200,
            "The leases.",
            object([member("leases", refer("Leases"))]),
        ),
        post("/v1/maintenance", "maintain", "Do the scheduled work now")
            .by(&[Administrator])
            .json(1024, object([optional("evict", flag().default(false))]).closed())
            .or_no_body()
            .answers(200, "What was done.", refer("MaintenanceReport")),
        get("/v1/keys/zone", "listReceiptKeys", "List the keys that sign receipts of registrations")
            .by(&[Administrator])
            .answers(200, "The keys.", refer("Keyring")),
        post("/v1/keys/zone/rotate", "rotateReceiptKey", "Make a new key that signs receipts")
            .by(&[Administrator])
            .answers(201, "The new key.", refer("KeyInfo")),
    ]
}

fn of_world(operation: Operation) -> Operation {
    let name = text().length(1, 253).example("arena");
    operation
        .path("name", "The world's name: a label in the port's zone, or a domain, in any script.", name)
        .refuses(&[(400, "bad-name"), (400, "bad-request"), (403, "name-reserved")])
}

fn schemas() -> Vec<(&'static str, Schema)> {
    let index = object([
        member("issuer", url()),
        member("zone", text()),
        member("resources", map(text()).about("URI templates (RFC 6570) by name.")),
        member("receipt_keys", object([member("keys", list(refer("Jwk")))])),
    ]);
    let counted = object([member("value", text()), member("worlds", count())]);
    let facets = object([
        member("is_complete", flag().about("Whether every value was considered.")),
        member("counts", map(list(counted)).about("By filter.")),
    ]);
    let worlds = object([
        member("worlds", list(refer("FoundWorld"))),
        member("next", text().or_null().about("The cursor of the next page.")),
        optional("matches", count().about("How many worlds there are.")),
        optional("facets", facets),
    ]);
    let mut shown = world_members();
    shown.extend([
        member("version", count().about("The commit that registered the record.")),
        member("stale", flag().about("Whether the lease has ended.")),
        optional("lease_ends_at", seconds()),
        optional("live", refer("LiveStatement")),
        optional("transferred_to", text().about("Who holds the name now, if that is another operator.")),
    ]);
    let kinds =
        ["registered", "updated", "withdrawn", "lapsed", "expired", "revived", "transferred", "recovering"];
    let change = object([
        member("cursor", text()),
        member("version", count()),
        member("kind", word(&kinds)),
        optional("name", text()),
        member("operator", text()),
        optional("seq", count()),
        member("at", milliseconds()),
    ]);
    let changes = object([member("changes", list(change)), member("next", text())]);
    let leases = object([
        member("held", count()),
        member("lapsing", count()),
        member("evicted", count()),
        member("is_guarded", flag()),
    ]);
    let report = object([
        member("next_ms", count().about("After how many milliseconds there is more to do.")),
        member("ended", count()),
        member("leases", refer("Leases")),
    ]);
    vec![
        ("Index", index),
        ("Worlds", worlds),
        ("FoundWorld", extended(object(world_members()))),
        ("World", extended(object(shown))),
        ("Changes", changes),
        ("Leases", leases),
        ("MaintenanceReport", report),
    ]
}

fn world_members() -> Vec<Member> {
    let mut members = vec![
        member("fqdn", text().about("The name in DNS, without a final dot.")),
        member("unicode_name", text().about("The name as people read it.")),
        member("operator", text().about("The id of the operator who signed the record.")),
        member("record", text().about("The signed record.")),
    ];
    members.extend(record());
    members
}

/// Records may have members of anybody's, whose names start with `x-`.
fn extended(schema: Schema) -> Schema {
    schema.with("patternProperties", serde_json::json!({ "^x-": {} }))
}

fn seq() -> Schema {
    count().about("Larger in every later one.")
}

fn languages() -> Schema {
    map(text()).about("A text by language tag (BCP 47).").example(serde_json::json!({ "en": "Arena" }))
}

/// What an operator says of a world: docs/protocol/discovery.md.
fn record() -> Vec<Member> {
    let profile = object([optional("name", text()), optional("did", text()), optional("domain", text())]);
    let rating = object([
        member("level", count().within(0, u8::MAX)),
        optional("descriptors", list(text())),
        optional("authority", text()),
    ]);
    let software = object([member("name", text()), optional("version", text())]);
    let location = object([
        member("latitude", number().within(-90, 90)),
        member("longitude", number().within(-180, 180)),
        optional("altitude", number()),
    ]);
    let mut members = vec![
        member("v", count()),
        member("name", text()),
        member("uuid", text().with("format", "uuid")),
        member("seq", seq()),
        member("iat", seconds()),
        member("exp", seconds()),
        member("aud", text().about("The port's URL.")),
        optional("default_language", text()),
        member("title", languages()),
        optional("description", languages()),
        optional("operator_profile", profile),
        optional("tags", list(text())),
        optional("rating", rating),
        optional("software", software),
        optional("protocols", list(text())),
        member("endpoints", list(refer("Endpoint")).items(1, 16)),
        optional("addresses", list(text())),
        optional("alias", text()),
        optional("location", location),
        optional("languages", list(text())),
    ];
    members.extend(record_entry());
    members
}

fn record_entry() -> Vec<Member> {
    let client = object([
        member("name", text()),
        optional("platforms", list(text())),
        optional("download", text()),
        optional("launch", text()),
    ]);
    let media = object([
        member("kind", text()),
        member("url", text()),
        member("sha256", text()),
        optional("type", text()),
    ]);
    let economy = object([
        optional("currencies", list(text())),
        optional("escrow", flag()),
        optional("refund_policy", text()),
    ]);
    let access = object([
        member("admission", word(&["open", "invite", "paid", "closed"])),
        optional("minimum_age", count()),
        optional("url", text()),
    ]);
    let passports = object([
        optional("issuers", list(text())),
        optional("claims", list(text())),
        optional("minimum_age", count()),
        optional("guests", flag()),
    ]);
    vec![
        optional("clients", list(client)),
        optional("entry_points", list(object([member("id", text()), member("title", languages())]))),
        optional("media", list(media)),
        optional("avatar_formats", list(text())),
        optional("economy", economy),
        optional("access", access),
        optional("passports", passports),
        optional("contacts", list(object([member("role", text()), member("uri", text())]))),
        optional("same_as", list(text())),
        optional("live_key", refer("Jwk")),
        optional("lease_s", count()),
        optional("browse", flag()),
        optional("crit", list(text())),
    ]
}

fn record_schemas() -> Vec<(&'static str, Schema)> {
    let port = || count().within(0, u16::MAX);
    let endpoint = object([
        member("transport", text()),
        member("host", text()),
        member("port", port()),
        optional("priority", port()),
        optional("weight", port()),
        optional("region", text()),
        optional("path", text()),
        optional("alpn", list(text())),
        optional("hints", list(text())),
    ]);
    let registration = object([
        member("name", text()),
        member("fqdn", text()),
        member("operator", text()),
        member("seq", seq()),
        member("version", count().about("The commit that made it durable.")),
        member("expires_at", seconds()),
        optional("lease_ends_at", seconds()),
        member("receipt", text().about("The port's signed proof of the registration.")),
    ]);
    let challenge = object([
        member("name", text()),
        member("operator", text()),
        member("text", text().about("The text of a TXT record, or a line of a file.")),
        member("txt_name", text()),
        member("url", text()),
        member("expires_at", seconds()),
    ]);
    let mut statement = live();
    statement.push(member("signed", text().about("The signed statement.")));
    let heartbeat = object([
        member("name", text()),
        member("seq", seq()),
        member("lease_ends_at", seconds().or_null()),
        member("is_revived", flag()),
        member("version", count()),
    ]);
    vec![
        ("Endpoint", endpoint),
        ("Record", extended(object(record()))),
        ("Registration", registration),
        ("Challenge", challenge),
        ("Live", object(live()).closed()),
        ("LiveStatement", object(statement)),
        ("Heartbeat", heartbeat),
    ]
}

fn live() -> Vec<Member> {
    vec![
        member("name", text()),
        member("seq", seq()),
        member("iat", seconds()),
        member("exp", seconds()),
        member("aud", text()),
        member("status", word(&["open", "closed", "maintenance"])),
        member("accepting", flag()),
        member("users", count()),
        optional("capacity", count()),
        optional("queue", count()),
    ]
}

fn operator_schemas() -> Vec<(&'static str, Schema)> {
    let kinds = || {
        word(&[
            "withdraw",
            "transfer",
            "accept",
            "add-key",
            "revoke-key",
            "set-recovery",
            "recover",
            "object",
        ])
    };
    let action = object([
        member("action", kinds()),
        optional("name", text()),
        optional("to", text()),
        optional("key", refer("Jwk")),
        optional("thumbprint", text()),
        member("seq", seq()),
        member("iat", seconds()),
        member("exp", seconds()),
        member("aud", text()),
    ]);
    let done = object([
        member("action", kinds()),
        member("operator", text()),
        optional("name", text()),
        member("seq", seq()),
        member("version", count()),
    ]);
    let pending = object([
        member("key", refer("Jwk")),
        member("requested_at", seconds()),
        member("effective_at", seconds()),
    ]);
    let operator = object([
        member("id", text()),
        member("keys", list(refer("Jwk")).about("The keys that may sign for it, the newest last.")),
        member("seq", seq()),
        optional("recovery", text()),
        optional("pending", pending),
    ]);
    let delegation = || {
        vec![
            member("nameservers", list(text()).items(1, 13)),
            optional("addresses", map(list(text()))),
            optional("ds", list(text()).about("DS records, as in a master file.")),
            member("url", text().about("The URL of the other port.")),
        ]
    };
    let mut delegated = vec![member("label", text())];
    delegated.extend(delegation());
    vec![
        ("Action", action.closed()),
        ("Done", done),
        ("Operator", operator),
        ("Delegation", object(delegation()).closed()),
        ("Delegated", object(delegated)),
        (
            "Delegations",
            object([member("delegations", list(refer("Delegated"))), member("next", text().or_null())]),
        ),
    ]
}
