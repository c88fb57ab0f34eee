//! What OAuth and OpenID clients talk to, and how they are registered.

use crate::operation::Caller::{Administrator, Client, Holder, Operator};
use crate::operation::{Operation, Refusal, delete, get, post};
use crate::refusals::MISSING;
use crate::schema::{
    Member, Schema, any_object, count, either, flag, list, member, object, optional, refer, seconds, text,
    url, word,
};

const FORM: &str = "application/x-www-form-urlencoded";
/// The longest form, in bytes.
const FORM_LENGTH: u64 = 16_384;
const NONCE: &str = "DPoP-Nonce";
const NONCE_ABOUT: &str = "The nonce for DPoP proofs (RFC 9449, section 8).";
/// How clients get tokens.
const GRANT_TYPES: &[&str] = &[
    "authorization_code",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:pre-authorized_code",
];

/// What a registration is refused for.
const REGISTERED: &[Refusal] = &[
    (403, "forbidden"),
    (409, "too-many-clients"),
    (409, "registration-replayed"),
    (409, "unknown-world"),
    (422, "client-unacceptable"),
];

/// Clients.
pub(super) fn clients() -> Vec<Operation> {
    let registrar = |operation: Operation| operation.by(&[Operator, Administrator]);
    vec![
        registrar(get("/v1/clients", "listClients", "List the clients of an operator, or the wallets"))
            .query("after", "The id after which the page starts.", text().length(0, 64))
            .answers(200, "The clients.", object([member("clients", list(refer("Client")))])),
        registrar(post("/v1/clients", "registerClient", "Register a client (RFC 7591)"))
            .about("An operator signs the registration; the administrator sends JSON.")
            .json(16_384, refer("ClientRegistration"))
            .signed(16_384, "vwp-client+jws", refer("ClientRegistration"))
            .answers(201, "The client.", refer("Client"))
            .telling("Location", "Where the client is.")
            .refuses(REGISTERED),
        registrar(get("/v1/clients/{id}", "showClient", "Show a client"))
            .path("id", "Its id.", text().length(1, 64))
            .answers(200, "The client.", refer("Client"))
            .refuses(MISSING),
        registrar(delete("/v1/clients/{id}", "removeClient", "Remove a client"))
            .path("id", "Its id.", text().length(1, 64))
            .done(204, "It is removed, and its tokens with it.")
            .refuses(MISSING),
    ]
}

/// A form that a client sends.
fn form(operation: Operation, members: Vec<Member>) -> Operation {
    let mut all = vec![
        optional("client_id", text()),
        optional("client_assertion_type", text()),
        optional("client_assertion", text()),
    ];
    all.extend(members);
    operation.body(FORM, FORM_LENGTH, object(all))
}

/// The ways in which OAuth refuses (RFC 6749, section 5.2).
fn refusing(operation: Operation) -> Operation {
    let about = "An error of OAuth (RFC 6749, section 5.2).";
    operation.answers(400, about, refer("OauthError")).answers(401, about, refer("OauthError")).answers(
        429,
        about,
        refer("OauthError"),
    )
}

/// What a client may ask a person for.
pub(super) const AUTHORIZATION: &[&str] = &[
    "response_type",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "prompt",
    "max_age",
    "login_hint",
    "dpop_jkt",
    "authorization_details",
];

/// The endpoints.
pub(super) fn operations() -> Vec<Operation> {
    let mut all = vec![
        get(
            "/.well-known/openid-configuration",
            "showOpenidConfiguration",
            "Get the metadata of the provider",
        )
        .answers(200, "The metadata (OpenID Connect Discovery).", any_object()),
        get(
            "/.well-known/oauth-authorization-server",
            "showOauthMetadata",
            "Get the metadata of the provider",
        )
        .answers(200, "The metadata (RFC 8414).", any_object()),
    ];
    all.extend(tokens());
    all
}

fn tokens() -> Vec<Operation> {
    let granted: Vec<Member> =
        ["code", "redirect_uri", "code_verifier", "refresh_token", "device_code", "scope"]
            .into_iter()
            .chain(["pre-authorized_code", "tx_code"])
            .map(|name| optional(name, text()))
            .chain([member("grant_type", word(GRANT_TYPES))])
            .collect();
    let authorization = AUTHORIZATION.iter().map(|name| optional(name, text())).collect();
    let token = || vec![member("token", text()), optional("token_type_hint", text())];
    let pushed = object([member("request_uri", text()), member("expires_in", count())]);
    let device = object([
        member("device_code", text()),
        member("user_code", text()),
        member("verification_uri", url()),
        member("verification_uri_complete", url()),
        member("expires_in", count()),
        member("interval", count()),
    ]);
    let userinfo = |operation: Operation| {
        refusing(operation.by(&[Holder]))
            .answers(
                200,
                "Who it is.",
                object([member("sub", text()), optional("preferred_username", text())]),
            )
            .telling(NONCE, NONCE_ABOUT)
            .answers(403, "The token is for something else.", refer("OauthError"))
    };
    let client = |operation: Operation| Operation { callers: vec![Client], ..operation };
    vec![
        client(refusing(form(
            post("/oauth/token", "giveTokens", "Get tokens (RFC 6749, section 3.2)"),
            granted,
        )))
        .header("DPoP", "A proof that binds the tokens to a key (RFC 9449).", text())
        .answers(200, "The tokens.", refer("Tokens"))
        .telling(NONCE, NONCE_ABOUT),
        client(refusing(form(post("/oauth/par", "pushRequest", "Push a request (RFC 9126)"), authorization)))
            .answers(201, "Where it is.", pushed)
            .telling(NONCE, NONCE_ABOUT),
        client(refusing(form(
            post("/oauth/device_authorization", "authorizeDevice", "Begin to log a device in (RFC 8628)"),
            vec![optional("scope", text())],
        )))
        .answers(200, "The codes.", device),
        client(refusing(form(
            post("/oauth/introspect", "introspect", "Look into a token (RFC 7662)"),
            token(),
        )))
        .answers(200, "What it is.", refer("Introspection")),
        client(refusing(form(post("/oauth/revoke", "revoke", "End a token (RFC 7009)"), token())))
            .done(200, "It is ended."),
        userinfo(get(
            "/oauth/userinfo",
            "showUserinfo",
            "Get who logged in (OpenID Connect Core, section 5.3)",
        )),
        userinfo(post("/oauth/userinfo", "showUserinfoByPost", "Get who logged in")),
    ]
}

/// Presentations (OpenID4VP 1.0).
pub(super) fn presentations() -> Vec<Operation> {
    let client = |operation: Operation| Operation { callers: vec![Client], ..operation };
    let begun = object([
        member("transaction_id", text()),
        member("client_id", text()),
        member("request_uri", url()),
        member("link", text()),
        member("expires_in", count()),
        member("result_uri", url()),
    ]);
    let query = vec![
        optional("dcql_query", text()),
        optional("redirect_uri", text()),
        optional("response_mode", word(&["direct_post", "direct_post.jwt"])),
    ];
    let result = vec![optional("transaction_id", text()), optional("response_code", text())];
    let request = "application/oauth-authz-req+jwt";
    let fetched = |operation: Operation| {
        refusing(operation.path("state", "The transaction.", text().length(1, 128)))
            .gives(200, "The request, signed.", request, text())
            .refuses(MISSING)
            .refuses(&[(413, "body-too-large")])
    };
    let start = post("/oauth/presentations", "beginPresentation", "Ask a wallet for passports");
    let fetch = post("/oauth/presentations/result", "fetchPresentation", "Fetch what the wallet presented");
    let respond = post("/oauth/presentations/response", "respond", "Answer a request, as a wallet");
    let did = "/oauth/verifiers/{world}/did.json";
    vec![
        client(refusing(form(start, query))).answers(201, "The request.", begun),
        client(refusing(form(fetch, result))).answers(200, "What came of it.", refer("Presented")).answers(
            202,
            "The wallet has not answered yet.",
            refer("Presented"),
        ),
        fetched(get("/oauth/presentations/requests/{state}", "fetchRequest", "Fetch a request, as a wallet")),
        fetched(post(
            "/oauth/presentations/requests/{state}",
            "fetchRequestByPost",
            "Fetch a request with a nonce",
        ))
        .body(FORM, FORM_LENGTH, any_object())
        .or_no_body(),
        refusing(respond.body(FORM, 262_144, any_object())).answers(
            200,
            "It was taken.",
            object([optional("redirect_uri", text())]),
        ),
        get(did, "showVerifier", "Get the keys that a world's requests are signed with")
            .path("world", "The world.", text().length(1, 63))
            .answers(200, "A DID document.", any_object())
            .refuses(MISSING),
    ]
}

fn registration() -> Vec<Member> {
    vec![
        member("client_name", text()),
        optional("redirect_uris", list(text()).items(0, 8)),
        member("token_endpoint_auth_method", word(&["none", "private_key_jwt"])),
        optional("jwks", object([member("keys", list(refer("Jwk")))])),
        optional("grant_types", list(word(GRANT_TYPES))),
        optional("dpop_bound_access_tokens", flag()),
        optional("require_pushed_authorization_requests", flag()),
    ]
}

/// The schemas.
pub(super) fn schemas() -> Vec<(&'static str, Schema)> {
    let mut wanted = registration();
    wanted.extend([
        optional("world", text().or_null().about("The world whose client this is; none: a wallet.")),
        optional("iat", seconds().or_null().about("When it was signed.")),
        optional("aud", text().or_null().about("The port's URL, of what is signed.")),
    ]);
    let mut client = registration();
    client.extend([
        member("client_id", text()),
        member("client_id_issued_at", seconds()),
        optional("world", text()),
        optional("operator", text()),
    ]);
    let tokens = object([
        member("access_token", text()),
        member("token_type", word(&["Bearer", "DPoP"])),
        member("expires_in", count()),
        optional("scope", text()),
        optional("refresh_token", text()),
        optional("id_token", text()),
        optional("authorization_details", list(any_object())),
    ]);
    let error = object([member("error", text()), optional("error_description", text())]);
    let presented = either([
        object([member("status", word(&["presented"])), member("credentials", any_object())]),
        object([
            member("status", word(&["refused"])),
            member("reason", text()),
            member("credential", text().or_null()),
        ]),
        object([member("status", word(&["declined"])), member("error", text())]),
        object([member("status", word(&["pending"]))]),
    ]);
    vec![
        ("ClientRegistration", object(wanted).closed()),
        ("Client", object(client)),
        ("Tokens", tokens),
        ("Introspection", object([member("active", flag())]).open()),
        ("OauthError", error.about("An error of OAuth (RFC 6749, section 5.2).")),
        ("Presented", presented),
    ]
}
