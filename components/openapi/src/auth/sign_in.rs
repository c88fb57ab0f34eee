//! Other ways to sign in: passkeys, recovery, DIDs, and accounts of other OpenID providers.

use super::{SIGN_IN, id, listed};
use crate::operation::Caller::Traveller;
use crate::operation::{Operation, Refusal, delete, get, post};
use crate::refusals::MISSING;
use crate::schema::{
    Schema, any_object, count, flag, list, member, milliseconds, object, optional, refer, text, url,
};

/// What a ceremony of a passkey is refused for.
const CEREMONY: &[Refusal] = &[
    (401, "wrong-challenge"),
    (401, "wrong-origin"),
    (401, "user-not-verified"),
    (401, "passkey-refused"),
    (409, "ceremony-ended"),
    (422, "passkey-algorithm"),
    (501, "passkeys-unavailable"),
];
const RECENT: &[Refusal] = &[(403, "sign-in-not-recent")];
/// What the proof of a DID is refused for.
const DID: &[Refusal] = &[
    (401, "did-unresolved"),
    (401, "did-proof-refused"),
    (409, "challenge-ended"),
    (422, "did-unsupported"),
    (501, "did-web-unavailable"),
];
/// What an account of another provider is refused for.
const UPSTREAM: &[Refusal] = &[
    (401, "upstream-refused"),
    (401, "upstream-mixed-up"),
    (401, "id-token-refused"),
    (404, "upstream-unknown"),
    (409, "sign-in-ended"),
    (409, "registration-ended"),
    (501, "upstream-insecure"),
    (502, "upstream-failed"),
];

/// Passkeys.
pub(super) fn passkeys() -> Vec<Operation> {
    let name = || object([member("name", text().length(1, 64))]).closed();
    let finished = || object([member("ceremony", text()), member("credential", any_object())]).closed();
    let options = || any_object().about("What `navigator.credentials` takes, and the ceremony's name.");
    vec![
        get("/v1/passkeys", "listPasskeys", "List the passkeys of who is signed in")
            .by(&[Traveller])
            .answers(200, "The passkeys.", listed("passkeys", "Passkey")),
        post("/v1/passkeys/options", "beginPasskey", "Begin to add a passkey")
            .by(&[Traveller])
            .json(16_384, name())
            .answers(200, "The options.", options())
            .refuses(RECENT)
            .refuses(&[
                (409, "too-many-passkeys"),
                (422, "name-unacceptable"),
                (501, "passkeys-unavailable"),
            ]),
        post("/v1/passkeys", "addPasskey", "Add a passkey")
            .by(&[Traveller])
            .json(16_384, finished())
            .answers(201, "The passkey.", refer("Passkey"))
            .refuses(CEREMONY)
            .refuses(RECENT)
            .refuses(&[(409, "passkey-registered"), (409, "too-many-passkeys")]),
        post("/v1/passkeys/sessions/options", "beginPasskeySession", "Begin to sign in with a passkey")
            .answers(200, "The options.", options())
            .refuses(&[(501, "passkeys-unavailable")]),
        post("/v1/passkeys/sessions", "signInWithPasskey", "Sign in with a passkey")
            .json(16_384, finished())
            .answers(200, "The session.", refer("Session"))
            .refuses(CEREMONY)
            .refuses(SIGN_IN)
            .refuses(&[(401, "passkey-unknown"), (401, "passkey-counter-regressed")]),
        post("/v1/passkeys/{id}", "renamePasskey", "Rename a passkey")
            .path("id", "Its id.", id())
            .by(&[Traveller])
            .json(16_384, name())
            .done(204, "It is renamed.")
            .refuses(MISSING)
            .refuses(&[(422, "name-unacceptable")]),
        delete("/v1/passkeys/{id}", "removePasskey", "Remove a passkey")
            .path("id", "Its id.", id())
            .by(&[Traveller])
            .done(204, "It is removed.")
            .refuses(MISSING)
            .refuses(RECENT)
            .refuses(&[(409, "last-method")]),
    ]
}

/// Recovery.
pub(super) fn recovery() -> Vec<Operation> {
    let one = |name: &'static str| object([member(name, text())]).closed();
    vec![
        get("/v1/recovery", "showRecovery", "Show what an account can be recovered with")
            .by(&[Traveller])
            .answers(
                200,
                "How many codes are left, and whether a recovery was asked for.",
                object([member("codes_left", count()), member("pending", refer("Notice").or_null())]),
            ),
        post("/v1/recovery/codes", "makeRecoveryCodes", "Make recovery codes, in place of those before")
            .by(&[Traveller])
            .answers(201, "The codes, which are shown only here.", object([member("codes", list(text()))]))
            .refuses(RECENT)
            .refuses(SIGN_IN),
        post("/v1/recovery/sessions", "signInWithCode", "Sign in with a recovery code")
            .json(2048, object([member("handle", text()), member("code", text())]).closed())
            .answers(200, "The session.", refer("Session"))
            .refuses(SIGN_IN)
            .refuses(&[(401, "wrong-recovery-code")]),
        post("/v1/recovery/requests", "requestRecovery", "Ask for a recovery, which takes days")
            .json(2048, one("handle"))
            .answers(202, "It was asked for, if there is such an account.", refer("RecoveryRequest"))
            .refuses(SIGN_IN)
            .refuses(&[(422, "handle-unacceptable")]),
        post("/v1/recovery/requests/complete", "completeRecovery", "Complete a recovery after its wait")
            .json(2048, one("request"))
            .answers(200, "The session.", refer("Session"))
            .refuses(SIGN_IN)
            .refuses(&[(403, "recovery-refused"), (409, "recovery-not-yet")]),
        delete("/v1/recovery/requests/current", "cancelRecovery", "Cancel a recovery")
            .by(&[Traveller])
            .done(204, "It is cancelled.")
            .refuses(MISSING),
    ]
}

/// DIDs.
pub(super) fn dids() -> Vec<Operation> {
    let proof = || object([member("proof", text().about("A JWS of type `vwp-did+jwt`."))]).closed();
    vec![
        get("/v1/dids", "listDids", "List the DIDs of who is signed in").by(&[Traveller]).answers(
            200,
            "The DIDs.",
            listed("dids", "LinkedDid"),
        ),
        post("/v1/dids", "linkDid", "Link a DID")
            .by(&[Traveller])
            .json(8192, proof())
            .answers(201, "The DID.", refer("LinkedDid"))
            .refuses(DID)
            .refuses(RECENT)
            .refuses(SIGN_IN)
            .refuses(&[(409, "did-linked"), (409, "too-many-dids")]),
        post("/v1/dids/challenges", "challengeDid", "Get what a proof has to carry").answers(
            201,
            "The challenge.",
            object([member("nonce", text()), member("expires_in", count())]),
        ),
        post("/v1/dids/sessions", "signInWithDid", "Sign in with a DID")
            .json(8192, proof())
            .answers(200, "The session.", refer("Session"))
            .refuses(DID)
            .refuses(SIGN_IN)
            .refuses(&[(401, "did-unknown")]),
        delete("/v1/dids/{did}", "unlinkDid", "Unlink a DID")
            .path(
                "did",
                "The DID, with its own escapes escaped.",
                text().length(1, 1024).example("did:web:ada.example"),
            )
            .by(&[Traveller])
            .done(204, "It is unlinked.")
            .refuses(MISSING)
            .refuses(RECENT)
            .refuses(&[(409, "last-method")]),
    ]
}

/// Accounts of other providers.
pub(super) fn upstream() -> Vec<Operation> {
    let provider = object([member("name", text()), member("title", text()), member("issuer", text())]);
    let returned = object([
        member("provider", text()),
        member("state", text()),
        optional("code", text().or_null()),
        optional("iss", text().or_null()),
        optional("error", text().or_null()),
    ]);
    let unknown = object([
        member("registration", text().about("To sign up or to link with.")),
        member("provider", text()),
        member("title", text()),
        member("expires_in", count()),
    ]);
    vec![
        get("/v1/upstream", "listProviders", "List the providers whose accounts sign in here").answers(
            200,
            "The providers.",
            object([member("providers", list(provider))]),
        ),
        post(
            "/v1/upstream/authorizations",
            "beginUpstream",
            "Begin to sign in with an account of a provider",
        )
        .json(8192, object([member("provider", text())]).closed())
        .answers(
            201,
            "Where to send the browser.",
            object([member("authorization_url", url()), member("expires_in", count())]),
        )
        .refuses(UPSTREAM),
        post("/v1/upstream/sessions", "signInWithUpstream", "Sign in with what the provider sent back")
            .json(8192, returned.closed())
            .answers(200, "The session.", refer("Session"))
            .answers(202, "No traveller has this account yet.", unknown)
            .refuses(UPSTREAM)
            .refuses(SIGN_IN),
        post("/v1/upstream/travellers", "signUpWithUpstream", "Sign up with an account of a provider")
            .json(8192, object([member("registration", text()), member("handle", text())]).closed())
            .answers(200, "The session.", refer("Session"))
            .refuses(UPSTREAM)
            .refuses(SIGN_IN)
            .refuses(&[(409, "handle-taken"), (409, "upstream-linked"), (422, "handle-unacceptable")]),
        get("/v1/upstream/links", "listLinks", "List the accounts that are linked").by(&[Traveller]).answers(
            200,
            "The accounts.",
            listed("links", "LinkedAccount"),
        ),
        post("/v1/upstream/links", "linkAccount", "Link an account of a provider")
            .by(&[Traveller])
            .json(8192, object([member("registration", text())]).closed())
            .answers(201, "The link.", refer("LinkedAccount"))
            .refuses(UPSTREAM)
            .refuses(RECENT)
            .refuses(&[(409, "upstream-linked"), (409, "too-many-upstream-links")]),
        delete("/v1/upstream/links/{id}", "unlinkAccount", "Unlink an account of a provider")
            .path("id", "Its id.", id())
            .by(&[Traveller])
            .done(204, "It is unlinked.")
            .refuses(MISSING)
            .refuses(RECENT)
            .refuses(&[(409, "last-method")]),
    ]
}

/// The schemas.
pub(super) fn schemas() -> Vec<(&'static str, Schema)> {
    let passkey = object([
        member("id", text()),
        member("name", text()),
        member("created_at", milliseconds()),
        member("last_used_at", milliseconds().or_null()),
        member("backup_eligible", flag()),
        member("backed_up", flag()),
        member("counter_regressed_at", milliseconds().or_null()),
    ]);
    let request = object([
        member("request", text().about("What completes it. A secret.")),
        member("ready_at", milliseconds()),
    ]);
    let account = object([
        member("id", text()),
        member("provider", text()),
        member("issuer", text()),
        member("subject", text()),
        member("linked_at", milliseconds()),
    ]);
    vec![
        ("Passkey", passkey),
        ("RecoveryRequest", request),
        ("LinkedDid", object([member("did", text()), member("linked_at", milliseconds())])),
        ("LinkedAccount", account),
    ]
}
