//! What people see. Pages load nothing but one style sheet of this port, and run no script; only
//! where people sign in there is one, for passkeys. Every text from outside is escaped by the macro
//! that builds them.

use super::authorize::AuthorizationRequest;
use super::clients::Client;
use super::redirect_uri;
use super::scope::Scope;
use crate::openid4vci::details::Details;
use ::http::{HeaderValue, Response, StatusCode, header};
use maud::{DOCTYPE, Markup, html};
use vwp_core::reply;

/// Where the style sheet is.
pub(crate) const STYLE_PATH: &str = "/oauth/style.css";
/// The style sheet.
pub(crate) const STYLE: &str = "\
:root{color-scheme:light dark;font:1rem/1.5 system-ui,sans-serif}
body{margin:0 auto;max-width:28rem;padding:2rem 1rem}
h1{font-size:1.4rem}
label{display:block;margin:1rem 0}
input:not([type=hidden]){box-sizing:border-box;display:block;font:inherit;padding:.5rem;width:100%}
button{font:inherit;margin:1rem .5rem 0 0;padding:.5rem 1.25rem}
.alert{border-left:.3rem solid #c33;padding-left:.75rem}
.fine{font-size:.875rem;overflow-wrap:anywhere}
.code{font-size:1.5rem;letter-spacing:.2rem}
";

/// Where the script of passkeys is.
pub(crate) const PASSKEY_PATH: &str = "/oauth/passkey.js";
/// The script of passkeys.
pub(crate) const PASSKEY: &str = include_str!("passkey.js");

/// A page.
pub(crate) struct Page {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its title and heading.
    pub(crate) title: &'static str,
    /// What stands below the heading.
    pub(crate) body: Markup,
    /// Where its forms may lead in the end, beside this port.
    pub(crate) leads_to: Option<String>,
}

impl Page {
    /// The answer with this page, and a cookie if the browser needs one.
    pub(crate) fn answer(self, cookie: Option<HeaderValue>) -> Response<Vec<u8>> {
        self.answer_under("", cookie)
    }

    /// The same for a page with the script of passkeys, which talks with this port.
    pub(crate) fn answer_with_passkeys(self, cookie: Option<HeaderValue>) -> Response<Vec<u8>> {
        self.answer_under("script-src 'self'; connect-src 'self'; ", cookie)
    }

    fn answer_under(self, more: &str, cookie: Option<HeaderValue>) -> Response<Vec<u8>> {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) }
                    link rel="stylesheet" href=(STYLE_PATH);
                }
                body { main { h1 { (self.title) } (self.body) } }
            }
        };
        let mut response =
            reply::with_type(self.status, "text/html; charset=utf-8", page.into_string().into());
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        if let Ok(policy) = HeaderValue::from_str(&content_policy(more, self.leads_to.as_deref())) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        if let Some(cookie) = cookie {
            headers.insert(header::SET_COOKIE, cookie);
        }
        response
    }
}

/// No script but what is said, no frame around the page, and forms that lead nowhere else. Browsers
/// apply `form-action` to where the answer to a form redirects, too, so the client's origin is in it.
fn content_policy(more: &str, leads_to: Option<&str>) -> String {
    let origin = leads_to.map(|origin| format!(" {origin}")).unwrap_or_default();
    format!(
        "default-src 'none'; {more}style-src 'self'; form-action 'self'{origin}; base-uri 'none'; \
         frame-ancestors 'none'"
    )
}

/// The page that says that something cannot be done.
pub(crate) fn refusal(status: StatusCode, text: &str) -> Page {
    let body = html! {
        p.alert role="alert" { (text) }
        p { "Nothing was changed. Go back to where you came from and try again." }
    };
    Page { status, title: "That does not work", body, leads_to: None }
}

/// The page that says that something was done.
pub(crate) fn done(text: &str) -> Page {
    Page { status: StatusCode::OK, title: "Done", body: html! { p { (text) } }, leads_to: None }
}

/// What a sign-in page shows.
pub(crate) struct SignIn<'a> {
    pub(crate) action: &'a str,
    pub(crate) csrf: &'a str,
    pub(crate) handle: &'a str,
    pub(crate) message: Option<&'a str>,
}

/// The form with handle and password, and the one of passkeys, which its script shows.
pub(crate) fn sign_in(what: &SignIn<'_>) -> Markup {
    html! {
        @if let Some(message) = what.message { p.alert role="alert" { (message) } }
        form method="post" action=(what.action) {
            input type="hidden" name="csrf" value=(what.csrf);
            label { "Handle"
                input name="handle" value=(what.handle) autocomplete="username" required
                    autocapitalize="none" spellcheck="false" maxlength="128";
            }
            label { "Password"
                input type="password" name="password" autocomplete="current-password" required;
            }
            button type="submit" { "Sign in" }
        }
        form id="passkey-form" method="post" action=(what.action) hidden {
            input type="hidden" name="csrf" value=(what.csrf);
            button id="passkey" type="button" { "Sign in with a passkey" }
            p id="passkey-message" role="status" {}
        }
        script type="module" src=(PASSKEY_PATH) {}
    }
}

/// The page on which a person lets a world in, by a browser.
pub(crate) fn consent(request: &AuthorizationRequest, handle: &str, csrf: &str) -> Page {
    let action = format!("/oauth/consent?{}", request.query);
    let place = redirect_uri::origin(&request.redirect_uri);
    let body = html! {
        (asked(&request.client, &request.scopes, request.passports.as_ref(), handle))
        form method="post" action=(action) { (decision(csrf)) }
        @if let Some(place) = &place { p.fine { "Afterwards you go to " (place) "." } }
    };
    let title = if request.client.world.is_some() { "Let this world in?" } else { "Let this wallet in?" };
    Page { status: StatusCode::OK, title, body, leads_to: place }
}

/// The page on which a person lets a world in, by a code that a device shows.
pub(crate) fn device_consent(
    client: &Client,
    scopes: &[Scope],
    handle: &str,
    code: &str,
    csrf: &str,
) -> Page {
    let body = html! {
        p { "Does your device show this code?" }
        p.code { (code) }
        p.alert { "If you did not start this on a device of your own just now, say no: somebody else would "
            "play under your name." }
        (asked(client, scopes, None, handle))
        form method="post" action="/device/decision" {
            input type="hidden" name="user_code" value=(code);
            (decision(csrf))
        }
    };
    Page { status: StatusCode::OK, title: "Let this device in?", body, leads_to: None }
}

/// Who asks, and for exactly what.
fn asked(client: &Client, scopes: &[Scope], passports: Option<&Details>, handle: &str) -> Markup {
    html! {
        p {
            @match &client.world {
                Some(world) => { strong { (client.client_name) } " of the world " strong { (world) } }
                None => { "The wallet " strong { (client.client_name) } }
            }
            " asks to know you, " strong { (handle) } "."
        }
        p { "It learns:" }
        ul {
            @for scope in scopes { li { (scope.explained()) } }
            @match passports.map(|details| details.world.as_deref()) {
                Some(Some(world)) => li { "Passports of yours for the world " strong { (world) }
                    " alone, which tell it what is in your profile" }
                Some(None) => li { (Scope::Passport.explained()) }
                None => {}
            }
        }
        p { "It learns nothing else: not your password, and not where else you travel." }
        @if let Some(operator) = &client.operator {
            p.fine { "The world is run by the operator " code { (operator) } "." }
        }
    }
}

fn decision(csrf: &str) -> Markup {
    html! {
        input type="hidden" name="csrf" value=(csrf);
        button type="submit" name="decision" value="allow" { "Allow" }
        button type="submit" name="decision" value="deny" { "Deny" }
    }
}

/// The page on which a person types the code that a device shows.
pub(crate) fn device_code(code: &str, csrf: &str, message: Option<&str>) -> Page {
    let body = html! {
        @if let Some(message) = message { p.alert role="alert" { (message) } }
        form method="post" action="/device" {
            input type="hidden" name="csrf" value=(csrf);
            label { "The code that your device shows"
                input name="user_code" value=(code) autocomplete="off" autocapitalize="characters"
                    spellcheck="false" required maxlength="16";
            }
            button type="submit" { "Continue" }
        }
    };
    let status = if message.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Page { status, title: "Connect a device", body, leads_to: None }
}

/// Something that a traveller can end.
pub(crate) struct Ending<'a> {
    pub(crate) id: &'a str,
    pub(crate) text: String,
    pub(crate) csrf: String,
}

/// The page on which a traveller sees where it is signed in.
pub(crate) fn account(handle: &str, endings: &[Ending<'_>]) -> Page {
    let body = html! {
        p { "You are signed in as " strong { (handle) } "." }
        @for ending in endings {
            form method="post" action="/oauth/account" {
                (ending.text)
                input type="hidden" name="csrf" value=(ending.csrf);
                input type="hidden" name="end" value=(ending.id);
                " " button type="submit" { "End" }
            }
        }
    };
    Page { status: StatusCode::OK, title: "Where you are signed in", body, leads_to: None }
}
