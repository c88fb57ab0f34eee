//! The authorization endpoint as a person walks through it: sign in, agree, and go back to the
//! world with a code. A page carries its request in its own address and every step checks it
//! anew, so nothing is kept between steps that somebody could have changed.

use super::authorize::{self, AuthorizationRequest, Refusal};
use super::browser::{Browser, Session};
use super::error::OauthError;
use super::params::Params;
use super::sign_in::{self, Place, see_other};
use super::{codes, consents, pages, redirect_uri};
use crate::accounts;
use crate::audit::{self, Kind};
use ::http::{HeaderMap, Request, Response, StatusCode};
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Outcome, Write};

/// Where clients send browsers.
pub(crate) const PATH: &str = "/oauth/authorize";
/// How long a sign-in counts as made for a request, in seconds.
const ANSWERS_S: u64 = 600;

type Answer = Result<Response<Vec<u8>>, Refusal>;

/// Answers a request to the authorization endpoint.
pub(crate) async fn authorize(
    kv: &impl Kv,
    request: &Request<Vec<u8>>,
    environment: &Environment<'_>,
) -> Response<Vec<u8>> {
    if request.method() == "POST" {
        // OpenID Connect Core, section 3.1.2.1. A form of another site comes without the cookie,
        // so the browser is asked to come again by itself.
        let form = Params::form(request).map(|form| format!("{PATH}?{}", form.without(&[])));
        let answer = form.and_then(|location| see_other(&location)).map_err(Refusal::Page);
        return finish(answer, environment);
    }
    finish(show(kv, request, environment).await, environment)
}

async fn show(kv: &impl Kv, request: &Request<Vec<u8>>, environment: &Environment<'_>) -> Answer {
    let asked = authorize::read(kv, request.uri().query().unwrap_or_default()).await?;
    let browser = Browser::of(kv, request.headers(), environment).await?;
    let Some(session) = signed_in(&asked, &browser, environment) else {
        if asked.prompt.none {
            return Err(refused(asked, OauthError::LoginRequired));
        }
        return Ok(sign_in::page(&browser, &place(&asked), environment)?);
    };
    if !asked.prompt.consent && consents::covers(kv, &session.traveller, &asked).await? {
        return send(kv, asked, session, false, environment).await;
    }
    if asked.prompt.none {
        return Err(refused(asked, OauthError::ConsentRequired));
    }
    let traveller = accounts::traveller(kv, &session.traveller).await.map_err(OauthError::from)?;
    let csrf = browser.csrf(&purpose(&asked, session));
    Ok(pages::consent(&asked, &traveller.handle, &csrf).answer(None))
}

/// Takes the form of the sign-in page.
pub(crate) async fn sign_in(
    kv: &impl Kv,
    request: &Request<Vec<u8>>,
    environment: &Environment<'_>,
) -> Response<Vec<u8>> {
    let answer = async {
        let asked = authorize::read(kv, request.uri().query().unwrap_or_default()).await?;
        Ok(sign_in::submit(kv, request, &place(&asked), environment).await?)
    };
    finish(answer.await, environment)
}

/// Takes the form of the consent page.
pub(crate) async fn consent(
    kv: &impl Kv,
    request: &Request<Vec<u8>>,
    environment: &Environment<'_>,
) -> Response<Vec<u8>> {
    let query = request.uri().query().unwrap_or_default();
    finish(decide(kv, query, request, environment).await, environment)
}

async fn decide(
    kv: &impl Kv,
    query: &str,
    request: &Request<Vec<u8>>,
    environment: &Environment<'_>,
) -> Answer {
    let form = Params::form(request)?;
    let asked = authorize::read(kv, query).await?;
    let browser = Browser::of(kv, request.headers(), environment).await?;
    let Some(session) = signed_in(&asked, &browser, environment) else {
        return Ok(see_other(&format!("{PATH}?{query}"))?);
    };
    require_csrf(&browser, request.headers(), &form, &purpose(&asked, session))?;
    match form.get("decision") {
        Some("allow") => send(kv, asked, session, true, environment).await,
        Some("deny") => {
            if let Some((key, _)) = &asked.pushed {
                kv.commit(&[], &[Write::delete(key.clone())]).await.map_err(OauthError::from)?;
            }
            Err(refused(asked, OauthError::AccessDenied))
        }
        _ => Err(OauthError::Request("the decision is allow or deny").into()),
    }
}

fn require_csrf(
    browser: &Browser,
    headers: &HeaderMap,
    form: &Params,
    purpose: &str,
) -> Result<(), OauthError> {
    Ok(browser.require_csrf(headers, form.get("csrf"), purpose)?)
}

/// Who is signed in, as far as that is enough for a request.
fn signed_in<'a>(
    asked: &AuthorizationRequest,
    browser: &'a Browser,
    environment: &Environment<'_>,
) -> Option<&'a Session> {
    let session = browser.session.as_ref()?;
    let age_s = environment.now_seconds().saturating_sub(session.auth_time);
    let is_for_this = session.answers == asked.digest() && age_s <= ANSWERS_S;
    let is_too_old = asked.max_age.is_some_and(|max_age| age_s > max_age);
    if (asked.prompt.login || is_too_old) && !is_for_this { None } else { Some(session) }
}

/// Sends the browser back to the world with a code. The code, the note of the agreement and the end
/// of the pushed request are one commit.
async fn send(
    kv: &impl Kv,
    asked: AuthorizationRequest,
    session: &Session,
    is_agreed_now: bool,
    environment: &Environment<'_>,
) -> Answer {
    let (code, put) = codes::make(&asked, session, environment).map_err(OauthError::from)?;
    let (mut checks, mut writes) = (Vec::new(), vec![put]);
    if is_agreed_now {
        let (check, noted) = consents::noted(kv, &session.traveller, &asked).await?;
        checks.push(check);
        writes.push(noted);
    }
    if let Some((key, entry)) = &asked.pushed {
        checks.push(Check::unchanged(key.clone(), Some(entry)));
        writes.push(Write::delete(key.clone()));
    }
    let outcome = if is_agreed_now {
        let event = consents::event(Kind::ConsentGiven, &session.traveller, &asked.client.client_id);
        audit::commit(kv, &event, &checks, &writes, environment).await.map_err(OauthError::from)?
    } else {
        kv.commit(&checks, &writes).await.map_err(OauthError::from)?
    };
    match outcome {
        Outcome::Committed(_) => {
            let location =
                located(&asked.redirect_uri, asked.state.as_deref(), &[("code", &code)], environment);
            Ok(see_other(&location.ok_or_else(|| OauthError::from(Problem::internal()))?)?)
        }
        _ => Err(OauthError::Request("this request was answered just now").into()),
    }
}

/// Where the answer to a client goes. It always says which port it is from, so that a client that
/// talks to several cannot be made to mix them up (RFC 9207, section 2).
fn located(
    redirect_uri: &str,
    state: Option<&str>,
    answer: &[(&str, &str)],
    environment: &Environment<'_>,
) -> Option<String> {
    let mut answer = answer.to_vec();
    answer.extend(state.map(|state| ("state", state)));
    answer.push(("iss", &environment.settings.issuer));
    redirect_uri::with(redirect_uri, &answer)
}

fn refused(asked: AuthorizationRequest, error: OauthError) -> Refusal {
    Refusal::Answer { redirect_uri: asked.redirect_uri, state: asked.state, error: Box::new(error) }
}

/// A form of the consent page is good for this request and this traveller alone.
fn purpose(asked: &AuthorizationRequest, session: &Session) -> String {
    format!("consent\n{}\n{}", asked.digest(), session.traveller)
}

fn place(asked: &AuthorizationRequest) -> Place {
    Place {
        action: format!("/oauth/sign-in?{}", asked.query),
        back: format!("{PATH}?{}", asked.query),
        answers: asked.digest(),
        leads_to: redirect_uri::origin(&asked.redirect_uri),
        hint: asked.login_hint.clone(),
    }
}

fn finish(answer: Answer, environment: &Environment<'_>) -> Response<Vec<u8>> {
    let refusal = match answer {
        Ok(response) => return response,
        Err(refusal) => refusal,
    };
    let (redirect_uri, state, error) = match refusal {
        Refusal::Page(error) => return page(&error),
        Refusal::Answer { redirect_uri, state, error } => (redirect_uri, state, error),
    };
    let text = error.to_string();
    let parameters = [("error", error.code()), ("error_description", text.as_str())];
    let location = located(&redirect_uri, state.as_deref(), &parameters, environment);
    location.and_then(|location| see_other(&location).ok()).unwrap_or_else(|| page(&error))
}

/// The page that tells a person why it does not go on.
pub(crate) fn page(error: &OauthError) -> Response<Vec<u8>> {
    let status = match error {
        OauthError::Shared(problem) => problem.status,
        _ => StatusCode::BAD_REQUEST,
    };
    pages::refusal(status, &error.to_string()).answer(None)
}
