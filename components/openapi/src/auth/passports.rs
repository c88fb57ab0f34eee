//! Passports, the lists that say which were revoked, and offers to wallets.

use super::id;
use crate::operation::Caller::{Administrator, Holder, Traveller};
use crate::operation::{Operation, Refusal, delete, get, post};
use crate::refusals::MISSING;
use crate::schema::{
    Schema, any_object, count, either, flag, list, member, milliseconds, object, optional, refer, text,
};

/// What a proof of possession is refused for.
const PROOF: &[Refusal] = &[
    (422, "proof-too-long"),
    (422, "proof-header"),
    (422, "proof-key"),
    (422, "proof-signature"),
    (422, "proof-claims"),
    (422, "proof-audience"),
    (422, "proof-not-current"),
    (422, "proof-used"),
    (422, "proof-nonce-missing"),
    (422, "proof-nonce"),
    (422, "proof-client"),
    (422, "proof-key-repeated"),
    (422, "claim-unavailable"),
    (429, "too-many-passports"),
];

/// What a presentation is refused for: `components/verifier/src/verify.rs` and `status.rs` there.
const PRESENTATION: &[&str] = &[
    "presentation-too-long",
    "too-many-disclosures",
    "claims-too-deep",
    "presentation-malformed",
    "disclosure-malformed",
    "member-duplicate",
    "digest-duplicate",
    "disclosure-unreferenced",
    "claim-not-disclosable",
    "claim-duplicate",
    "digest-algorithm-unknown",
    "passport-header",
    "issuer-key-unknown",
    "passport-signature",
    "passport-claims",
    "issuer-mismatch",
    "issuer-not-trusted",
    "passport-type",
    "passport-audience",
    "passport-expired",
    "passport-not-yet-valid",
    "passport-revoked",
    "status-missing",
    "status-index",
    "key-binding-missing",
    "key-binding-header",
    "key-binding-signature",
    "key-binding-claims",
    "key-binding-hash",
    "audience-mismatch",
    "nonce-mismatch",
    "presentation-not-current",
];

/// Passports and status lists.
pub(super) fn operations() -> Vec<Operation> {
    let presentation: Vec<Refusal> = PRESENTATION.iter().map(|slug| (422, *slug)).collect();
    let presented =
        object([member("presentation", text()), member("audience", text()), member("nonce", text())]);
    vec![
        post("/v1/passports", "issuePassport", "Issue a passport, or copies that nobody can link")
            .by(&[Traveller])
            .json(65_536, refer("WantedPassports"))
            .answers(
                200,
                "The passport; or, if proofs were sent, one for each.",
                either([refer("Passport"), object([member("passports", list(refer("Passport")))])]),
            )
            .refuses(PROOF),
        post("/v1/passports/verify", "verifyPassport", "Have a presentation verified")
            .json(49_152, presented.closed())
            .answers(200, "The claims of the passport.", any_object())
            .refuses(&presentation),
        get("/v1/passports/issued", "listPassports", "List the passports that were issued")
            .by(&[Traveller])
            .query("after", "The id after which the page starts.", text().length(0, 64))
            .answers(200, "The passports.", refer("IssuedPassports"))
            .refuses(MISSING),
        delete("/v1/passports/issued", "revokePassports", "Revoke all passports, or those of a session")
            .by(&[Traveller, Administrator])
            .query("session", "Only those that were issued in this session.", text().length(0, 64))
            .query("traveller", "Of whom; for the administrator.", text().length(0, 64))
            .answers(200, "How many.", object([member("revoked", count())])),
        delete("/v1/passports/issued/{id}", "revokePassport", "Revoke a passport")
            .path("id", "Its id.", id())
            .by(&[Traveller, Administrator])
            .done(204, "It is revoked.")
            .refuses(MISSING),
        get("/v1/passports/status/{list}", "showStatusList", "Get which passports of a list were revoked")
            .path("list", "The list, as passports name it.", text().length(1, 64).example("20779-0"))
            .gives(200, "A Token Status List.", "application/statuslist+jwt", text())
            .refuses(MISSING),
    ]
}

/// What wallets use: OpenID4VCI 1.0.
pub(super) fn wallets() -> Vec<Operation> {
    let world = object([optional("world", text().or_null())]).closed();
    let asked = object([
        optional("credential_identifier", text().or_null()),
        optional("credential_configuration_id", text().or_null()),
        optional("proofs", object([member("jwt", list(text()))]).closed().or_null()),
        optional("credential_response_encryption", any_object().or_null()),
    ]);
    let credentials = list(object([member("credential", text())]));
    vec![
        post("/v1/passports/offers", "offerPassports", "Offer passports to a wallet")
            .by(&[Traveller])
            .json(1024, world)
            .answers(201, "The offer.", refer("Offer"))
            .refuses(&[(429, "too-many-offers")])
            .refuses(MISSING),
        get("/oauth/offers/{name}", "fetchOffer", "Fetch an offer (OpenID4VCI 1.0, section 4.1.3)")
            .path("name", "The name of the offer.", text().length(1, 128))
            .answers(200, "The offer.", any_object())
            .refuses(MISSING),
        get(
            "/.well-known/openid-credential-issuer",
            "showCredentialIssuer",
            "Get the metadata of the issuer",
        )
        .answers(200, "The metadata (OpenID4VCI 1.0, section 12.2).", any_object()),
        post("/oauth/nonce", "giveNonce", "Get a nonce for proofs (OpenID4VCI 1.0, section 7)")
            .answers(200, "The nonce.", object([member("c_nonce", text())]))
            .telling("DPoP-Nonce", "The nonce for DPoP proofs (RFC 9449, section 8)."),
        post("/oauth/credential", "issueCredential", "Issue passports (OpenID4VCI 1.0, section 8)")
            .by(&[Holder])
            .json(65_536, asked)
            .answers(200, "The passports.", object([member("credentials", credentials)]))
            .answers(400, "An error of the protocol.", refer("OauthError"))
            .answers(401, "The access token is not good here.", refer("OauthError"))
            .answers(403, "The access token is for something else.", refer("OauthError"))
            .refuses(PROOF)
            .refuses(MISSING),
    ]
}

/// The schemas.
pub(super) fn schemas() -> Vec<(&'static str, Schema)> {
    let wanted = object([
        optional(
            "proof",
            text().or_null().about("A proof of possession: a JWS of type `openid4vci-proof+jwt`."),
        ),
        optional(
            "proofs",
            list(text()).or_null().about("Several, each of another key: copies nobody can link."),
        ),
        optional("world", text().or_null().about("The world that it is for.")),
        optional("claims", list(text()).or_null().about("The claims that it can disclose.")),
    ]);
    let passport = object([
        member("id", text()),
        member("passport", text().about("An SD-JWT VC (RFC 9901), with all disclosures.")),
        member("expires_at", milliseconds()),
    ]);
    let issued = object([
        member("id", text()),
        optional("world", text()),
        member("session", text()),
        member("issued_at", milliseconds()),
        member("expires_at", milliseconds()),
        member("revoked", flag()),
    ]);
    let offer = object([
        member("credential_offer", any_object()),
        member("credential_offer_uri", text()),
        member("by_value", text()),
        member("by_reference", text()),
        member("tx_code", text().about("What the traveller types into the wallet.")),
        member("expires_at", milliseconds()),
    ]);
    vec![
        ("WantedPassports", wanted.closed()),
        ("Passport", passport),
        ("IssuedPassports", object([member("passports", list(issued)), optional("next", text())])),
        ("Offer", offer),
    ]
}
