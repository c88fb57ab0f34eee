//! What people see in a browser. Forms are the pages' own, and no interface for programs.

use crate::operation::{Operation, get, post};
use crate::schema::{any_object, text};

const HTML: &str = "text/html; charset=utf-8";
const FORM: &str = "application/x-www-form-urlencoded";

/// A page, which refuses with a page.
fn page(operation: Operation) -> Operation {
    let refused = "A page that says why not.";
    let operation = operation
        .gives(200, "The page.", HTML, text())
        .done(303, "The browser goes on elsewhere.")
        .telling("Location", "Where.");
    [400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 503]
        .into_iter()
        .fold(operation, |operation, status| operation.gives(status, refused, HTML, text()))
}

fn submitted(operation: Operation) -> Operation {
    page(operation.body(FORM, 16_384, any_object()))
}

/// With a client's request in the query.
fn authorizing(operation: Operation) -> Operation {
    let operation = operation.query("client_id", "The client.", text().length(1, 64)).query(
        "request_uri",
        "A request that was pushed (RFC 9126).",
        text().length(1, 256),
    );
    super::oauth::AUTHORIZATION.iter().fold(operation, |operation, name| {
        operation.query(name, "A parameter of the request.", text().length(0, 2048))
    })
}

fn asset(operation: Operation, media_type: &'static str) -> Operation {
    operation.gives(200, "The file.", media_type, text())
}

/// The operations.
pub(super) fn operations() -> Vec<Operation> {
    let script = "text/javascript; charset=utf-8";
    let style = "text/css; charset=utf-8";
    vec![
        get("/signin", "showSignIn", "The page to sign in on").gives(200, "The page.", HTML, text()),
        get("/signin/upstream/{provider}", "showReturn", "Where other providers send browsers back to")
            .path("provider", "The provider.", text().length(1, 64))
            .query("code", "The code (RFC 6749, section 4.1.2).", text().length(0, 2048))
            .query("state", "Which request it is for.", text().length(0, 2048))
            .query("iss", "Who sends the browser back (RFC 9207).", text().length(0, 2048))
            .query("error", "Why there is no code.", text().length(0, 2048))
            .query("error_description", "The same in words.", text().length(0, 2048))
            .gives(200, "The page.", HTML, text())
            .refuses(&[(404, "not-found")]),
        asset(get("/signin/page.js", "showSignInScript", "The script of that page"), script),
        asset(get("/signin/page.css", "showSignInStyle", "The style of that page"), style),
        asset(get("/oauth/style.css", "showStyle", "The style of the provider's pages"), style),
        asset(get("/oauth/passkey.js", "showPasskeyScript", "The script for passkeys there"), script),
        authorizing(page(get(
            "/oauth/authorize",
            "authorize",
            "Ask a person to log in (RFC 6749, section 3.1)",
        ))),
        submitted(post("/oauth/authorize", "authorizeByPost", "Ask a person to log in")),
        authorizing(submitted(post("/oauth/sign-in", "submitSignIn", "The form to sign in with"))),
        authorizing(submitted(post("/oauth/consent", "submitConsent", "The form to agree with"))),
        page(get("/oauth/account", "showAccountPage", "The page with everything that is signed in")),
        submitted(post("/oauth/account", "submitAccount", "The form that ends one of them")),
        submitted(post("/oauth/account/sign-in", "submitAccountSignIn", "The form to sign in with there")),
        page(get("/device", "showDevice", "The page to type a device's code on")).query(
            "user_code",
            "The code.",
            text().length(1, 64),
        ),
        submitted(post("/device", "submitDevice", "The form with the code")),
        submitted(post("/device/sign-in", "submitDeviceSignIn", "The form to sign in with there")),
        submitted(post("/device/decision", "submitDeviceDecision", "The form to agree with there")),
    ]
}
