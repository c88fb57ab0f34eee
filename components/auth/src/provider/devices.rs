//! The page at which a person lets a device in (RFC 8628, section 3.3). It names who asks and asks
//! for consent even if the code came with the address: somebody else may have sent it (section 5.4).

use super::browser::{Browser, Session};
use super::clients::{self, Client};
use super::codes::access;
use super::device::{self, Asked, Decision, PAGE_PATH};
use super::error::OauthError;
use super::params::Params;
use super::quota::Quota;
use super::sign_in::{self, Place, see_other};
use super::{hashed, pages};
use crate::accounts;
use ::http::{Request, Response};
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;

/// How many codes a traveller types. A guess is right once in 2^34 / (codes that wait).
const QUOTA: Quota = Quota { name: "user-code", count_max: 20, window_ms: 60 * 60 * 1000 };
/// What a form is for.
const TYPED: &str = "device";
/// What is said of a code that nobody waits under.
const UNKNOWN: &str = "No device waits with this code. Look at the device again: it may show a new one.";

type Answer = Result<Response<Vec<u8>>, OauthError>;

/// Shows the form, with the code that the address brought along.
pub(crate) async fn show(kv: &impl Kv, request: &Request<Vec<u8>>, environment: &Environment<'_>) -> Answer {
    let code = code_of(request)?;
    let browser = Browser::of(kv, request.headers(), environment).await?;
    if browser.session.is_none() {
        return sign_in::page(&browser, &place(&code), environment);
    }
    Ok(pages::device_code(&code, &browser.csrf(TYPED), None).answer(None))
}

/// Takes the form of the sign-in page.
pub(crate) async fn sign_in(
    kv: &impl Kv,
    request: &Request<Vec<u8>>,
    environment: &Environment<'_>,
) -> Answer {
    sign_in::submit(kv, request, &place(&code_of(request)?), environment).await
}

/// Takes the typed code, and shows who asks.
pub(crate) async fn typed(kv: &impl Kv, request: &Request<Vec<u8>>, environment: &Environment<'_>) -> Answer {
    let form = Params::form(request)?;
    let browser = Browser::of(kv, request.headers(), environment).await?;
    let Some(session) = &browser.session else { return see_other(PAGE_PATH) };
    browser.require_csrf(request.headers(), form.get("csrf"), TYPED)?;
    let typed = form.get("user_code").unwrap_or_default();
    let Some((code, _, asked, client)) = find(kv, session, typed, environment).await? else {
        return Ok(pages::device_code("", &browser.csrf(TYPED), Some(UNKNOWN)).answer(None));
    };
    let traveller = accounts::traveller(kv, &session.traveller).await?;
    let csrf = browser.csrf(&purpose(&code, session));
    let code = device::shown(&code);
    Ok(pages::device_consent(&client, &asked.scopes, &traveller.handle, &code, &csrf).answer(None))
}

/// Takes what the person said.
pub(crate) async fn decide(
    kv: &impl Kv,
    request: &Request<Vec<u8>>,
    environment: &Environment<'_>,
) -> Answer {
    let form = Params::form(request)?;
    let browser = Browser::of(kv, request.headers(), environment).await?;
    let Some(session) = &browser.session else { return see_other(PAGE_PATH) };
    let typed = form.get("user_code").unwrap_or_default();
    let purpose = purpose(&device::typed(typed).unwrap_or_default(), session);
    browser.require_csrf(request.headers(), form.get("csrf"), &purpose)?;
    let Some((code, key, asked, _)) = find(kv, session, typed, environment).await? else {
        return Ok(pages::device_code("", &browser.csrf(TYPED), Some(UNKNOWN)).answer(None));
    };
    let (decision, text) = match form.get("decision") {
        Some("allow") => {
            let access = access(&asked.scopes, session);
            (Decision::Allowed(access), "Go back to your device: it goes on by itself.")
        }
        Some("deny") => (Decision::Denied, "The device was not let in."),
        _ => return Err(OauthError::Request("the decision is allow or deny")),
    };
    if device::decide(kv, &code, &key, &decision, environment).await? {
        return Ok(pages::done(text).answer(None));
    }
    Ok(pages::device_code("", &browser.csrf(TYPED), Some(UNKNOWN)).answer(None))
}

/// Who waits under a typed code. Each look is counted before it is made.
async fn find(
    kv: &impl Kv,
    session: &Session,
    typed: &str,
    environment: &Environment<'_>,
) -> Result<Option<(String, Vec<u8>, Asked, Client)>, OauthError> {
    if !QUOTA.take(kv, &session.traveller, environment).await? {
        let mut problem = Problem::new(
            ::http::StatusCode::TOO_MANY_REQUESTS,
            "too-many-codes",
            "Too many codes were typed",
            "too many codes were typed; wait an hour before the next one",
        );
        problem.retry_after_s = Some(3600);
        return Err(problem.into());
    }
    let Some(code) = device::typed(typed) else { return Ok(None) };
    let Some((key, asked)) = device::find(kv, &code, environment).await? else { return Ok(None) };
    let client = clients::find(kv, &asked.client_id).await?;
    Ok(client.map(|client| (code, key, asked, client)))
}

/// The code that the address brings along (section 3.3.1), as it is shown; empty if it is none.
fn code_of(request: &Request<Vec<u8>>) -> Result<String, OauthError> {
    let query = Params::parse(request.uri().query().unwrap_or_default().as_bytes())?;
    let code = query.get("user_code").and_then(device::typed);
    Ok(code.map(|code| device::shown(&code)).unwrap_or_default())
}

fn place(code: &str) -> Place {
    let query = if code.is_empty() { String::new() } else { format!("?user_code={code}") };
    Place {
        action: format!("{PAGE_PATH}/sign-in{query}"),
        back: format!("{PAGE_PATH}{query}"),
        answers: hashed(format!("device\n{code}")),
        leads_to: None,
        hint: None,
    }
}

fn purpose(code: &str, session: &Session) -> String {
    format!("device-decision\n{code}\n{}", session.traveller)
}
