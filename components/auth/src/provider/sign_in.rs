//! Signing in at a page. How a traveller proves who it is stands here alone: with a password, or with
//! the token of a sign-in that just happened, which is how a passkey's ceremony ends.

use super::browser::{self, Browser};
use super::error::OauthError;
use super::pages::{self, Page};
use super::params::Params;
use crate::limits::Client;
use crate::{AuthError, accounts, sessions};
use ::http::{HeaderValue, Request, Response, StatusCode, header};
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;
use vwp_storage::kv::Outcome;

/// How old the token of a sign-in may be, in milliseconds: a client that asks for a new sign-in
/// (`prompt=login`) is not satisfied by an old one.
const TOKEN_AGE_MAX_MS: u64 = 60 * 1000;

/// What somebody signs in for.
pub(crate) struct Place {
    /// Where the form goes.
    pub(crate) action: String,
    /// Where the browser goes afterwards: a path of this port.
    pub(crate) back: String,
    /// What tells this from everything else that one signs in for.
    pub(crate) answers: String,
    /// Where the journey may end, beside this port.
    pub(crate) leads_to: Option<String>,
    /// Who is probably signing in.
    pub(crate) hint: Option<String>,
}

/// The page with the form.
pub(crate) fn page(
    browser: &Browser,
    place: &Place,
    environment: &Environment<'_>,
) -> Result<Response<Vec<u8>>, OauthError> {
    let hint = place.hint.as_deref().unwrap_or_default();
    shown(browser, place, hint, None, environment)
}

fn shown(
    browser: &Browser,
    place: &Place,
    handle: &str,
    refusal: Option<Problem>,
    environment: &Environment<'_>,
) -> Result<Response<Vec<u8>>, OauthError> {
    let body = pages::sign_in(&pages::SignIn {
        action: &place.action,
        csrf: &browser.csrf(&purpose(place)),
        handle,
        message: refusal.as_ref().map(|problem| problem.detail.as_str()),
    });
    let status = refusal.as_ref().map_or(StatusCode::OK, |problem| problem.status);
    let page = Page { status, title: "Sign in", body, leads_to: place.leads_to.clone() };
    let mut response = page.answer_with_passkeys(browser.cookie(environment)?);
    if let Some(seconds) = refusal.and_then(|problem| problem.retry_after_s) {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    Ok(response)
}

/// Takes the form: the browser gets a new session and goes back to what it came for.
pub(crate) async fn submit(
    kv: &impl Kv,
    request: &Request<Vec<u8>>,
    place: &Place,
    environment: &Environment<'_>,
) -> Result<Response<Vec<u8>>, OauthError> {
    let form = Params::form(request)?;
    let browser = Browser::of(kv, request.headers(), environment).await?;
    browser.require_csrf(request.headers(), form.get("csrf"), &purpose(place))?;
    let handle = form.get("handle").unwrap_or_default();
    let proved = if let Some(token) = form.get("access_token") {
        with_token(kv, token, environment).await
    } else {
        let password = form.get("password").unwrap_or_default();
        let client = Client::of(request.headers(), environment.settings);
        with_password(kv, handle, password, &client, environment).await
    };
    let Proved { traveller, amr } = match proved {
        Ok(proved) => proved,
        Err(error @ (AuthError::WrongCredentials | AuthError::TooManyAttempts { .. })) => {
            return shown(&browser, place, handle, Some(error.into()), environment);
        }
        Err(error) => return Err(error.into()),
    };
    let answers = place.answers.clone();
    let opened = browser::open(kv, &browser, &traveller, amr, answers, environment).await?;
    let Outcome::Committed(_) = kv.commit(&[], &opened.writes).await? else {
        return Err(Problem::internal().into());
    };
    let mut response = see_other(&place.back)?;
    response.headers_mut().insert(header::SET_COOKIE, opened.cookie);
    Ok(response)
}

/// Who proved to be somebody, and how (RFC 8176).
struct Proved {
    traveller: String,
    amr: &'static [&'static str],
}

/// The traveller to whom a handle and a password belong.
async fn with_password(
    kv: &impl Kv,
    handle: &str,
    password: &str,
    client: &Client,
    environment: &Environment<'_>,
) -> Result<Proved, AuthError> {
    let session = accounts::sign_in(kv, handle, password, client, environment).await?.session;
    let traveller = taken(kv, &session.access_token, environment).await?;
    Ok(Proved { traveller, amr: &["pwd"] })
}

/// The traveller who just got a token from this page's script. How it was proved the token does not
/// say, so neither does this.
async fn with_token(kv: &impl Kv, token: &str, environment: &Environment<'_>) -> Result<Proved, AuthError> {
    Ok(Proved { traveller: taken(kv, token, environment).await?, amr: &[] })
}

/// The traveller of a token that was just given out. It is for programs; a browser has its cookie, so
/// the token's session ends unseen, and whoever sees the token later has nothing.
async fn taken(kv: &impl Kv, token: &str, environment: &Environment<'_>) -> Result<String, AuthError> {
    let (traveller, id) = sessions::authenticate(kv, token, environment).await?;
    if sessions::take(kv, &id, TOKEN_AGE_MAX_MS, environment).await? {
        Ok(traveller)
    } else {
        Err(AuthError::WrongCredentials)
    }
}

fn purpose(place: &Place) -> String {
    format!("sign-in\n{}", place.answers)
}

/// Sends the browser elsewhere with a GET, whatever it sent here: never 307, which would send a
/// password on (RFC 9700, section 4.12).
pub(crate) fn see_other(location: &str) -> Result<Response<Vec<u8>>, OauthError> {
    let mut response = reply::empty(StatusCode::SEE_OTHER);
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, HeaderValue::from_str(location).map_err(|_| Problem::internal())?);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
