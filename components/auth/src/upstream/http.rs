//! Accounts of other providers as HTTP resources, under `/v1/upstream`.

use super::browser::{self, Browser};
use super::links;
use super::providers;
use super::registrations;
use super::sign_in::{self, Ended, RETURN, Returned};
use crate::http::{Answer, NO_STORE, cached, read, signed_in, traveller};
use crate::limits::Client;
use http::{Request, StatusCode, header};
use serde::Deserialize;
use serde_json::json;
use vwp_core::outbound::Outbound;
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;

const BODY_LENGTH_MAX: usize = 8192;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chosen {
    provider: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Registered {
    registration: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    registration: String,
    handle: String,
}

/// Whether a path is one to which a provider sends browsers back.
pub(crate) fn is_return(path: &str, environment: &Environment<'_>) -> bool {
    path.strip_prefix(RETURN).is_some_and(|name| providers::named(environment.settings, name).is_ok())
}

/// Answers a request below `/v1/upstream`; `rest` is the path from there on.
pub(crate) async fn route(
    kv: &impl Kv,
    outbound: &impl Outbound,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    method: &str,
    rest: &str,
) -> Answer {
    match (rest, method) {
        ("", "GET") => {
            let providers = providers::all(environment.settings)?;
            let shown = |provider: &providers::Provider| json!({ "name": provider.name, "title": provider.title(), "issuer": provider.issuer });
            let providers: Vec<_> = providers.iter().map(shown).collect();
            Ok(cached(reply::json(StatusCode::OK, &json!({ "providers": providers })), NO_STORE))
        }
        ("/authorizations", "POST") => begin(kv, outbound, environment, request).await,
        ("/sessions", "POST") => end(kv, outbound, environment, request).await,
        ("/travellers", "POST") => sign_up(kv, environment, request).await,
        ("/links", "GET") => {
            let (owner, _) = traveller(kv, environment, request).await?;
            let links = json!({ "links": links::list(kv, &owner).await? });
            Ok(cached(reply::json(StatusCode::OK, &links), NO_STORE))
        }
        ("/links", "POST") => link(kv, environment, request).await,
        ("", _) => Err(Problem::method_not_allowed("GET, HEAD").into()),
        ("/links", _) => Err(Problem::method_not_allowed("GET, HEAD, POST").into()),
        ("/authorizations" | "/sessions" | "/travellers", _) => {
            Err(Problem::method_not_allowed("POST").into())
        }
        (path, method) => {
            let id = path.strip_prefix("/links/").filter(|id| !id.contains('/'));
            let id = id.ok_or_else(|| Problem::not_found("no resource has this path"))?;
            if method != "DELETE" {
                return Err(Problem::method_not_allowed("DELETE").into());
            }
            let (owner, session) = traveller(kv, environment, request).await?;
            links::unlink(kv, (&owner, &session), id, environment).await?;
            Ok(cached(reply::empty(StatusCode::NO_CONTENT), NO_STORE))
        }
    }
}

async fn begin(
    kv: &impl Kv,
    outbound: &impl Outbound,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Answer {
    let body: Chosen = read(request, BODY_LENGTH_MAX)?;
    let browser = Browser::new(environment);
    let cookie = browser.cookie(environment.settings)?;
    let begun = sign_in::begin(kv, outbound, &body.provider, &browser, environment).await?;
    let mut response = cached(reply::json(StatusCode::CREATED, &begun), NO_STORE);
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}

async fn end(
    kv: &impl Kv,
    outbound: &impl Outbound,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Answer {
    let returned: Returned = read(request, BODY_LENGTH_MAX)?;
    let browser = Browser::of(request.headers(), environment.settings)?;
    let client = Client::of(request.headers(), environment.settings);
    match sign_in::end(kv, outbound, &returned, (&browser, &client), environment).await? {
        Ended::SignedIn(session) => without_cookie(signed_in(&session), environment),
        Ended::Unknown { registration, provider } => {
            let unknown = json!({
                "registration": registration,
                "provider": provider.name,
                "title": provider.title(),
                "expires_in": registrations::LIFETIME_S,
            });
            Ok(cached(reply::json(StatusCode::ACCEPTED, &unknown), NO_STORE))
        }
    }
}

async fn sign_up(kv: &impl Kv, environment: &Environment<'_>, request: &Request<Vec<u8>>) -> Answer {
    let body: Named = read(request, BODY_LENGTH_MAX)?;
    let browser = Browser::of(request.headers(), environment.settings)?;
    let client = Client::of(request.headers(), environment.settings);
    let registered = (body.registration.as_str(), &browser);
    let session = links::sign_up(kv, &body.handle, registered, &client, environment).await?;
    without_cookie(signed_in(&session), environment)
}

async fn link(kv: &impl Kv, environment: &Environment<'_>, request: &Request<Vec<u8>>) -> Answer {
    let (owner, session) = traveller(kv, environment, request).await?;
    let body: Registered = read(request, BODY_LENGTH_MAX)?;
    let browser = Browser::of(request.headers(), environment.settings)?;
    let registered = (body.registration.as_str(), &browser);
    let linked = links::link(kv, (&owner, &session), registered, environment).await?;
    without_cookie(Ok(cached(reply::json(StatusCode::CREATED, &linked), NO_STORE)), environment)
}

/// The same answer, after which the browser has no sign-in any more.
fn without_cookie(answer: Answer, environment: &Environment<'_>) -> Answer {
    let mut response = answer?;
    response.headers_mut().append(header::SET_COOKIE, browser::no_cookie(environment.settings)?);
    Ok(response)
}
