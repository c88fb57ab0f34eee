//! Travellers, their sessions, what happened, and the issuer's keys.

use super::{CREDENTIALS, SIGN_IN, id, listed};
use crate::operation::Caller::{Administrator, Traveller};
use crate::operation::{Operation, delete, get, post, put};
use crate::refusals::MISSING;
use crate::schema::{
    Schema, any_object, count, either, flag, list, map, member, milliseconds, object, optional, refer, text,
    url, word,
};

fn handle() -> Schema {
    text().length(1, 128).about("What the traveller is called.").example("ada")
}

fn password() -> Schema {
    text().length(1, 1024).with("format", "password")
}

/// Travellers.
pub(super) fn travellers() -> Vec<Operation> {
    vec![
        post("/v1/travellers", "signUp", "Sign up")
            .json(CREDENTIALS, refer("Credentials"))
            .answers(201, "The traveller.", refer("Traveller"))
            .telling("Location", "Where the traveller is.")
            .refuses(SIGN_IN)
            .refuses(&[(409, "handle-taken"), (422, "handle-unacceptable"), (422, "password-unacceptable")]),
        get("/v1/travellers/me", "showTraveller", "Show who is signed in")
            .by(&[Traveller])
            .answers(200, "The traveller.", refer("Traveller"))
            .refuses(MISSING),
        delete("/v1/travellers/me", "eraseTraveller", "Erase an account and all that is kept of it")
            .about("Within five minutes after signing in, or with the password.")
            .by(&[Traveller])
            .json(CREDENTIALS, object([member("password", password())]).closed())
            .or_no_body()
            .done(204, "It is erased.")
            .refuses(SIGN_IN)
            .refuses(&[(401, "sign-in-again"), (401, "wrong-credentials")])
            .refuses(MISSING),
        post("/v1/travellers/me/password", "changePassword", "Change the password")
            .by(&[Traveller])
            .json(CREDENTIALS, object([member("password", password())]).closed())
            .done(204, "It is changed.")
            .refuses(SIGN_IN)
            .refuses(&[(403, "sign-in-not-recent"), (422, "password-unacceptable")]),
        get("/v1/travellers/me/profile", "showProfile", "Show the profile").by(&[Traveller]).answers(
            200,
            "The profile.",
            refer("Profile"),
        ),
        put("/v1/travellers/me/profile", "putProfile", "Replace the profile")
            .by(&[Traveller])
            .json(4096, refer("Profile"))
            .answers(200, "The profile.", refer("Profile"))
            .refuses(&[(422, "profile-unacceptable")]),
        get("/v1/travellers/me/export", "exportTraveller", "Get everything that is kept of a traveller")
            .by(&[Traveller])
            .answers(200, "Everything.", refer("Export"))
            .refuses(MISSING)
            .refuses(&[(429, "exported-recently")]),
        page_of_log(get("/v1/travellers/me/audit", "listOwnEvents", "List what happened to an account"))
            .by(&[Traveller])
            .answers(200, "The entries, the last one first.", refer("AuditPage")),
    ]
}

/// Sessions.
pub(super) fn sessions() -> Vec<Operation> {
    vec![
        post("/v1/sessions", "signIn", "Sign in with a password")
            .json(CREDENTIALS, refer("Credentials"))
            .answers(200, "The session.", refer("Session"))
            .refuses(SIGN_IN)
            .refuses(&[(401, "wrong-credentials")]),
        get("/v1/sessions", "listSessions", "List the browsers and clients that are signed in")
            .by(&[Traveller])
            .answers(200, "Each can be ended.", listed("sessions", "SignedIn")),
        delete("/v1/sessions", "endSessions", "Sign out of all of them")
            .by(&[Traveller])
            .done(204, "They are ended."),
        delete("/v1/sessions/current", "signOut", "Sign out")
            .by(&[Traveller])
            .done(204, "The session is ended."),
        delete("/v1/sessions/{id}", "endSession", "Sign out of one of them")
            .path("id", "Its id.", id())
            .by(&[Traveller])
            .done(204, "It is ended.")
            .refuses(MISSING),
    ]
}

fn page_of_log(operation: Operation) -> Operation {
    operation
        .query("limit", "The most entries.", count().within(1, 100))
        .query("before", "Only entries before this number.", count())
        // Of the port's list; taken here too, and of no use.
        .query("cursor", "What the page before ended with.", text().length(0, 256))
}

/// The log of what happened.
pub(super) fn audit() -> Vec<Operation> {
    let chain = |operation: Operation| {
        operation
            .path("chain", "`port`, or `traveller:<id>`.", text().length(1, 96).example("port"))
            .by(&[Administrator])
            .refuses(MISSING)
    };
    vec![
        page_of_log(get("/v1/audit", "listEvents", "List what happened on the port"))
            .by(&[Administrator])
            .answers(200, "The entries, the last one first.", refer("AuditPage")),
        chain(get("/v1/audit/chains/{chain}", "verifyChain", "Verify a chain of the log")).answers(
            200,
            "Whether it is whole.",
            refer("VerifiedChain"),
        ),
        page_of_log(chain(get(
            "/v1/audit/chains/{chain}/entries",
            "listChain",
            "List the entries of a chain",
        )))
        .answers(200, "The entries, the last one first.", refer("AuditPage")),
        post("/v1/audit/anchors", "anchorChains", "Note the heads of all chains in the port's own")
            .by(&[Administrator])
            .answers(200, "What was noted.", refer("Anchored")),
        get("/v1/audit/anchors/{seq}", "verifyAnchor", "Verify what was noted once")
            .path("seq", "The number of the entry in the port's chain.", count())
            .by(&[Administrator])
            .answers(200, "What became of it.", refer("Anchor"))
            .refuses(MISSING),
    ]
}

/// The issuer's keys.
pub(super) fn keys() -> Vec<Operation> {
    vec![
        get("/v1/keys/issuer", "listIssuerKeys", "List the keys that sign passports")
            .by(&[Administrator])
            .answers(200, "The keys.", refer("Keyring")),
        post("/v1/keys/issuer/rotate", "rotateIssuerKey", "Make a new key that signs passports")
            .by(&[Administrator])
            .answers(201, "The new key.", refer("KeyInfo")),
        post(
            "/v1/keys/issuer/reseal",
            "resealIssuerKeys",
            "Seal the issuer's keys under the present master key",
        )
        .by(&[Administrator])
        .answers(200, "How many there were to seal.", refer("Resealed")),
        get("/.well-known/jwks.json", "showKeySet", "Get the keys that passports and tokens are signed with")
            .answers(200, "A JWK Set (RFC 7517).", refer("KeySet")),
        get("/.well-known/jwt-vc-issuer", "showIssuer", "Get where the issuer's keys are").answers(
            200,
            "The metadata.",
            object([member("issuer", url()), member("jwks_uri", url())]),
        ),
        get("/.well-known/webauthn", "showRelatedOrigins", "Get the origins that share the port's passkeys")
            .answers(200, "The origins.", object([member("origins", list(text()))])),
    ]
}

/// The schemas.
pub(super) fn schemas() -> Vec<(&'static str, Schema)> {
    let profile = object([
        optional("avatar", text().or_null()),
        optional("languages", list(text()).items(0, 8)),
        optional("birth_date", text().or_null().about("A day, such as 2001-12-31.")),
        optional("home_world", text().or_null()),
        optional("entitlements", list(text()).items(0, 16)),
    ]);
    let key = object([
        member("kty", word(&["EC"])),
        member("crv", word(&["P-256"])),
        member("x", text()),
        member("y", text()),
        optional("kid", text()),
        member("use", text()),
        member("alg", word(&["ES256"])),
    ]);
    let signed_in = object([
        member("id", text()),
        member("created_at", milliseconds()),
        member("expires_at", milliseconds()),
        member("kind", word(&["browser", "world", "wallet"])),
        optional("world", text()),
        optional("client_id", text()),
        optional("client_name", text()),
        optional("scope", text()),
    ]);
    let mut all = vec![
        ("Credentials", object([member("handle", handle()), member("password", password())]).closed()),
        (
            "Traveller",
            object([
                member("traveller", text()),
                member("handle", handle()),
                member("created_at", milliseconds()),
            ]),
        ),
        ("Profile", profile.closed()),
        ("SignedIn", signed_in),
        ("KeySet", object([member("keys", list(key))])),
    ];
    all.extend(session_schemas());
    all.extend(audit_schemas());
    all
}

fn session_schemas() -> Vec<(&'static str, Schema)> {
    let notice = |name: &'static str, members: Vec<crate::schema::Member>| {
        let mut all = vec![member("notice", word(&[name]))];
        all.extend(members);
        object(all)
    };
    let pending = notice(
        "recovery-pending",
        vec![member("requested_at", milliseconds()), member("ready_at", milliseconds())],
    );
    let notices = either([
        pending,
        notice("recovery-code-used", vec![member("left", count())]),
        notice("add-passkey", Vec::new()),
        notice("passkey-counter-regressed", vec![member("passkey", text()), member("at", milliseconds())]),
    ]);
    let session = object([
        member("access_token", text().about("To send as `Authorization: Bearer`.")),
        member("token_type", word(&["Bearer"])),
        member("expires_in", count().about("Seconds until the session ends.")),
        member("traveller", text()),
        optional("notices", list(refer("Notice"))),
    ]);
    let export = object([
        member("issuer", text()),
        member("traveller", text()),
        member("exported_at", milliseconds()),
        member("records", any_object().about("By kind: docs/data.md.")),
        member("audit", list(refer("AuditEntry"))),
        member("elsewhere", list(text())),
    ]);
    vec![("Notice", notices), ("Session", session), ("Export", export)]
}

fn audit_schemas() -> Vec<(&'static str, Schema)> {
    let faults = ["missing", "unreadable", "unlinked", "not-the-head", "detail-changed", "not-anchored"];
    let broken = object([member("chain", text()), member("seq", count()), member("fault", word(&faults))]);
    let head = object([member("seq", count()), member("hash", text()), member("at", milliseconds())]);
    let entry = object([
        member("chain", text()),
        member("seq", count()),
        member("at", milliseconds()),
        member("kind", text()),
        member("detail", map(text()).or_null().about("Null if it was erased.")),
        member("hash", text()),
    ]);
    let page = object([
        member("entries", list(refer("AuditEntry"))),
        member("broken", list(refer("BrokenChain"))),
        optional("cursor", text()),
    ]);
    let verified = object([
        member("chain", text()),
        member("entries", count()),
        member("erased", count()),
        member("head", refer("ChainHead").or_null()),
        member("broken", refer("BrokenChain").or_null()),
    ]);
    let anchored = object([
        member("chains", count()),
        member("more", flag()),
        member("head", refer("ChainHead").or_null()),
        member("signed", text().or_null()),
    ]);
    vec![
        ("BrokenChain", broken),
        ("ChainHead", head),
        ("AuditEntry", entry),
        ("AuditPage", page),
        ("VerifiedChain", verified),
        ("Anchored", anchored),
        ("Anchor", object([member("chains", count()), member("broken", list(refer("BrokenChain")))])),
    ]
}
