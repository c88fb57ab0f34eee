//! What the administrator does with the port's zones. Beside `components/discovery/src/http/zone`; a part of
//! what discovery serves.

use crate::operation::Caller::Administrator;
use crate::operation::{Operation, delete, get, post, put};
use crate::refusals::MISSING;
use crate::schema::{
    Schema, count, either, flag, list, member, milliseconds, object, optional, refer, seconds, text, word,
};

/// The media type of a master file (RFC 4027).
const MASTER: &str = "text/dns";
/// The longest zone that is imported, in bytes.
const ZONE: u64 = 1_048_576;

/// The operations.
pub(crate) fn operations() -> Vec<Operation> {
    let mut all =
        vec![of_zone(get("/v1/zone", "showZone", "Show a zone")).answers(200, "The zone.", refer("Zone"))];
    all.extend(keys());
    all.extend(peers());
    all.extend(text_forms());
    all
}

/// All of them take the same parameters, and say so if there is another one.
fn of_zone(operation: Operation) -> Operation {
    operation
        .by(&[Administrator])
        .query("zone", "The zone; without it, the port's own.", text().length(1, 253).example("vwp.test"))
        .refuses(MISSING)
}

fn keys() -> Vec<Operation> {
    let roll = object([member("role", word(&["ksk", "zsk", "csk"]))]).closed();
    vec![
        of_zone(get("/v1/zone/keys", "listZoneKeys", "List the keys that sign a zone")).answers(
            200,
            "The keys.",
            refer("ZoneKeys"),
        ),
        of_zone(post("/v1/zone/keys/roll", "rollZoneKey", "Begin to roll a key over"))
            .json(256, roll)
            .answers(201, "The new key.", refer("ZoneKey"))
            .refuses(&[
                (409, "rollover-under-way"),
                (409, "conflict"),
                (409, "no-such-role"),
                (409, "rolling"),
            ]),
        of_zone(post("/v1/zone/keys/{tag}/ds-seen", "confirmDs", "Say that the parent zone names a key"))
            .path("tag", "The key's tag.", count().within(0, u16::MAX))
            .answers(200, "The keys.", refer("ZoneKeys")),
    ]
}

fn peers() -> Vec<Operation> {
    let named = |operation: Operation| {
        of_zone(operation).path("name", "Its name.", text().length(1, 253).example("ns1"))
    };
    vec![
        of_zone(get("/v1/zone/secondaries", "listSecondaries", "List the secondaries")).answers(
            200,
            "The secondaries.",
            object([member("secondaries", list(refer("Secondary")))]),
        ),
        named(get("/v1/zone/secondaries/{name}", "showSecondary", "Show a secondary")).answers(
            200,
            "The secondary.",
            refer("Secondary"),
        ),
        named(put("/v1/zone/secondaries/{name}", "putSecondary", "Put a secondary"))
            .json(
                8192,
                object([member("address", text().example("192.0.2.53:53")), member("key", text())]).closed(),
            )
            .answers(201, "It is new.", refer("Secondary"))
            .answers(200, "It was replaced.", refer("Secondary")),
        named(delete("/v1/zone/secondaries/{name}", "deleteSecondary", "Remove a secondary"))
            .done(204, "It is gone."),
        of_zone(get("/v1/zone/tsig-keys", "listTsigKeys", "List the keys of other name servers")).answers(
            200,
            "The keys, without their secrets.",
            object([member("keys", list(refer("TsigKey")))]),
        ),
        of_zone(post("/v1/zone/tsig-keys", "createTsigKey", "Make a key"))
            .json(8192, refer("NewTsigKey"))
            .answers(201, "The key. Its secret is shown only here.", refer("MadeTsigKey")),
        named(delete("/v1/zone/tsig-keys/{name}", "deleteTsigKey", "Remove a key")).done(204, "It is gone."),
    ]
}

fn text_forms() -> Vec<Operation> {
    vec![
        of_zone(get("/v1/zone/export", "exportZone", "Export a zone, page by page"))
            .query("format", "How it is written.", word(&["master", "json"]).default("master"))
            .query("cursor", "What the page before ended with.", text().length(1, 1024))
            .gives(200, "A page.", MASTER, text())
            .gives(200, "", "application/json", refer("ZonePage"))
            .telling("Link", "The next page (RFC 8288)."),
        of_zone(post("/v1/zone/import", "importZone", "Import a zone"))
            .body(MASTER, ZONE, text())
            .json(ZONE, object([member("records", list(refer("ZoneRecord")))]))
            .answers(200, "What became of each name.", refer("ImportedZone")),
    ]
}

/// The schemas.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let zone = object([
        member("zone", text()),
        member("serial", count()),
        member("published_at", count()),
        member("catalog", text()),
        member("keys", count()),
        member("secondaries", count()),
        member("tsig_keys", count()),
    ]);
    let moment = || seconds().or_null();
    let key = object([
        member("tag", count().within(0, u16::MAX)),
        member("role", word(&["ksk", "zsk", "csk"])),
        member("state", word(&["published", "active", "retired"])),
        member("published_at", count()),
        member("active_at", moment()),
        member("retired_at", moment()),
        member("announced_at", moment()),
        member("superseded_at", moment()),
        member("dnskey", text()),
        member("ds", text().or_null()),
    ]);
    let secondary = object([
        member("name", text()),
        member("address", text()),
        member("key", text()),
        member("zone", text()),
        member("serial", count().or_null()),
        member("transferred_at", milliseconds().or_null()),
    ]);
    let tsig = || {
        vec![
            member("name", text()),
            member("algorithm", text()),
            member("transfer", flag()),
            member("update", list(text())),
            member("created_at", milliseconds()),
        ]
    };
    let mut made = tsig();
    made.push(member("secret", text().about("base64.")));
    let new = object([
        member("name", text()),
        optional("algorithm", text().or_null()),
        optional("secret", text().or_null()),
        optional("transfer", flag()),
        optional("update", list(text())),
    ]);
    vec![
        ("Zone", zone),
        ("ZoneKey", key),
        ("ZoneKeys", object([member("zone", text()), member("keys", list(refer("ZoneKey")))])),
        ("Secondary", secondary),
        ("TsigKey", object(tsig())),
        ("MadeTsigKey", object(made)),
        ("NewTsigKey", new.closed()),
        ("ZoneRecord", zone_record()),
        ("ZonePage", zone_page()),
        ("ImportedZone", imported()),
    ]
}

fn zone_record() -> Schema {
    object([member("name", text()), member("ttl", count()), member("type", text()), member("data", text())])
        .closed()
        .about("A record; its data as in a master file.")
}

fn zone_page() -> Schema {
    object([
        member("zone", text()),
        member("serial", count()),
        member("records", list(refer("ZoneRecord"))),
        member("next", text().or_null()),
    ])
}

fn imported() -> Schema {
    let fate = either([
        object([member("name", text()), member("outcome", word(&["changed", "unchanged"]))]),
        object([member("name", text()), member("outcome", word(&["refused"])), member("detail", text())]),
    ]);
    object([
        member("zone", text()),
        member("changed", count()),
        member("unchanged", count()),
        member("refused", count()),
        member("names", list(fate)),
        member("left_out", list(object([member("name", text()), member("type", text())]))),
    ])
}
