//! The same functions as HTTP resources. A handler reads and bounds the request, calls
//! the function, and writes its answer; what it refuses becomes a problem in one place.

use crate::error::AuthError;
use crate::limits::{Client, guard};
use crate::sessions::traveller_of;
use crate::sign_ins::SignedIn;
use crate::{
    accounts, audit, data, devices, dids, keys, openid4vci, openid4vp, pages, passkeys, passports, profile,
    provider, recovery, sessions, tickets, upstream,
};
use ::http::{HeaderValue, Request, Response, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use vwp_core::caller::{self, Caller};
use vwp_core::outbound::{Offline, Outbound};
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;
use vwp_storage::ahead::ReadAhead;

/// The longest body with a handle and a password, in bytes.
pub const CREDENTIALS_LENGTH_MAX: usize = 8192;
/// The longest body with a presentation, in bytes.
pub const PRESENTATION_BODY_LENGTH_MAX: usize = 49_152;

/// For answers about somebody, or with a token (RFC 9111, section 5.2.2.5).
pub(crate) const NO_STORE: &str = "no-store";
/// For the issuer's keys. A verifier that meets an unknown key asks again anyway.
const CACHEABLE: &str = "public, max-age=300";

pub(crate) type Answer = Result<Response<Vec<u8>>, AuthError>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    handle: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Presented {
    presentation: String,
    audience: String,
    nonce: String,
}

/// Answers a request without asking anybody else.
pub async fn handle<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    request: Request<Vec<u8>>,
) -> Response<Vec<u8>> {
    handle_online(store, &Offline, environment, request).await
}

/// Answers a request, for which others may be asked: providers, and hosts that have a `did:web`.
pub async fn handle_online<S: Kv, O: Outbound>(
    store: &S,
    outbound: &O,
    environment: &Environment<'_>,
    request: Request<Vec<u8>>,
) -> Response<Vec<u8>> {
    let store = &ReadAhead::new(store);
    guard::within(store, environment, &request, async || {
        reply::finish(request.method(), route(store, outbound, environment, &request).await)
    })
    .await
}

async fn route(
    store: &impl Kv,
    outbound: &impl Outbound,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Answer {
    // HEAD is answered wherever GET is.
    let method = match request.method().as_str() {
        "HEAD" => "GET",
        other => other,
    };
    let path = request.uri().path();
    if let Some(answer) = audit::http::route(store, environment, request).await {
        return answer;
    }
    if let Some(answer) = data::http::route(store, environment, request).await {
        return answer;
    }
    if openid4vci::http::owns(path) {
        return Ok(openid4vci::http::route(store, environment, request, method).await);
    }
    if openid4vp::http::owns(path) {
        return Ok(openid4vp::http::route(store, environment, request, method).await);
    }
    if provider::http::is_ours(request.method(), path) {
        return Ok(provider::http::handle(store, environment, request).await);
    }
    if let Some(rest) = below(path, "/v1/passkeys") {
        return passkeys::http::route(store, environment, request, method, rest).await;
    }
    if let Some(rest) = below(path, "/v1/recovery") {
        return recovery::http::route(store, environment, request, method, rest).await;
    }
    if let Some(rest) = below(path, "/v1/dids") {
        return dids::http::route(store, outbound, environment, request, method, rest).await;
    }
    if let Some(rest) = below(path, "/v1/upstream") {
        return upstream::http::route(store, outbound, environment, request, method, rest).await;
    }
    match (path, method) {
        ("/signin", "GET") => Ok(pages::page()),
        (path, "GET") if upstream::http::is_return(path, environment) => Ok(pages::page()),
        ("/signin/page.js", "GET") => Ok(pages::script()),
        ("/signin/page.css", "GET") => Ok(pages::style()),
        ("/.well-known/webauthn", "GET") => {
            let origins = passkeys::related_origins_document(environment.settings);
            Ok(cached(reply::json(StatusCode::OK, &origins), CACHEABLE))
        }
        ("/v1/travellers/me/password", "POST") => change_password(store, environment, request).await,
        ("/v1/travellers", "POST") => sign_up(store, environment, request).await,
        ("/v1/travellers/me", "GET") => me(store, environment, request).await,
        ("/v1/sessions", "POST") => sign_in(store, environment, request).await,
        ("/v1/sessions/current", "DELETE") => sign_out(store, environment, request).await,
        ("/v1/passports/verify", "POST") => verify(store, environment, request).await,
        ("/v1/keys/issuer", "GET") => list_keys(store, environment, request).await,
        ("/v1/keys/issuer/reseal", "POST") => reseal_keys(store, environment, request).await,
        ("/v1/keys/issuer/rotate", "POST") => rotate_keys(store, environment, request).await,
        ("/.well-known/jwks.json", "GET") => key_set(store, environment).await,
        ("/.well-known/jwt-vc-issuer", "GET") => {
            Ok(cached(reply::json(StatusCode::OK, &keys::metadata(environment)), CACHEABLE))
        }
        (profile::PATH, method) => profile::route(store, environment, request, method).await,
        (path, method) if passports::http::owns(path) => {
            passports::http::route(store, environment, request, method).await
        }
        (path, method) if tickets::http::owns(path) => {
            tickets::http::route(store, environment, request, method).await
        }
        (path, _) => Err(match allowed(path) {
            Some(allow) => Problem::method_not_allowed(allow),
            None => Problem::not_found("no resource has this path"),
        }
        .into()),
    }
}

/// The methods of a resource, if there is one at a path.
fn allowed(path: &str) -> Option<&'static str> {
    match path {
        "/v1/travellers"
        | "/v1/travellers/me/password"
        | "/v1/sessions"
        | "/v1/passports/verify"
        | "/v1/keys/issuer/reseal"
        | "/v1/keys/issuer/rotate" => Some("POST"),
        "/v1/sessions/current" => Some("DELETE"),
        "/v1/travellers/me" => Some("GET, HEAD, DELETE"),
        "/signin"
        | "/signin/page.js"
        | "/signin/page.css"
        | "/v1/keys/issuer"
        | "/.well-known/jwks.json"
        | "/.well-known/jwt-vc-issuer"
        | "/.well-known/webauthn" => Some("GET, HEAD"),
        _ => None,
    }
}

async fn sign_up(store: &impl Kv, environment: &Environment<'_>, request: &Request<Vec<u8>>) -> Answer {
    let body: Credentials = read(request, CREDENTIALS_LENGTH_MAX)?;
    let traveller = accounts::sign_up(store, &body.handle, &body.password, environment).await?;
    let mut response = reply::json(StatusCode::CREATED, &traveller);
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/v1/travellers/me"));
    Ok(cached(response, NO_STORE))
}

async fn sign_in(store: &impl Kv, environment: &Environment<'_>, request: &Request<Vec<u8>>) -> Answer {
    let body: Credentials = read(request, CREDENTIALS_LENGTH_MAX)?;
    let client = Client::of(request.headers(), environment.settings);
    signed_in(&accounts::sign_in(store, &body.handle, &body.password, &client, environment).await?)
}

/// What every way of signing in is answered with.
pub(crate) fn signed_in(signed_in: &SignedIn) -> Answer {
    let mut response = cached(reply::json(StatusCode::OK, &signed_in.session), NO_STORE);
    if let Some(device) = &signed_in.device {
        response.headers_mut().insert(header::SET_COOKIE, devices::cookie(device)?);
    }
    Ok(response)
}

async fn change_password(
    store: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Answer {
    let (id, session) = traveller(store, environment, request).await?;
    let body: NewPassword = read(request, CREDENTIALS_LENGTH_MAX)?;
    accounts::change_password(store, &id, &session, &body.password, environment).await?;
    Ok(cached(reply::empty(StatusCode::NO_CONTENT), NO_STORE))
}

async fn sign_out(store: &impl Kv, environment: &Environment<'_>, request: &Request<Vec<u8>>) -> Answer {
    let (_, session) = traveller(store, environment, request).await?;
    sessions::sign_out(store, &session, environment).await?;
    Ok(cached(reply::empty(StatusCode::NO_CONTENT), NO_STORE))
}

async fn me(store: &impl Kv, environment: &Environment<'_>, request: &Request<Vec<u8>>) -> Answer {
    let (id, _) = traveller(store, environment, request).await?;
    let traveller = accounts::traveller(store, &id).await?;
    Ok(cached(reply::json(StatusCode::OK, &traveller), NO_STORE))
}

async fn verify(store: &impl Kv, environment: &Environment<'_>, request: &Request<Vec<u8>>) -> Answer {
    let body: Presented = read(request, PRESENTATION_BODY_LENGTH_MAX)?;
    let passport =
        passports::verify(store, &body.presentation, &body.audience, &body.nonce, environment).await?;
    Ok(cached(reply::json(StatusCode::OK, &passport.claims), NO_STORE))
}

async fn key_set(store: &impl Kv, environment: &Environment<'_>) -> Answer {
    let keys = keys::published(store, environment).await?;
    Ok(cached(reply::json(StatusCode::OK, &keys.to_json()), CACHEABLE))
}

async fn list_keys(store: &impl Kv, environment: &Environment<'_>, request: &Request<Vec<u8>>) -> Answer {
    administrator(store, environment, request).await?;
    let keys = serde_json::json!({ "keys": keys::list(store).await? });
    Ok(cached(reply::json(StatusCode::OK, &keys), NO_STORE))
}

async fn rotate_keys(store: &impl Kv, environment: &Environment<'_>, request: &Request<Vec<u8>>) -> Answer {
    administrator(store, environment, request).await?;
    let key = keys::rotate(store, environment).await?;
    Ok(cached(reply::json(StatusCode::CREATED, &key), NO_STORE))
}

async fn reseal_keys(store: &impl Kv, environment: &Environment<'_>, request: &Request<Vec<u8>>) -> Answer {
    administrator(store, environment, request).await?;
    let answer = serde_json::json!({ "resealed": keys::reseal(store, environment).await? });
    Ok(cached(reply::json(StatusCode::OK, &answer), NO_STORE))
}

/// The traveller and the session that a request is from.
pub(crate) async fn traveller(
    store: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Result<(String, String), AuthError> {
    traveller_of(caller::authenticate(store, request.headers(), environment).await?)
}

/// Requires that a request is from who runs this port.
pub(crate) async fn administrator(
    store: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Result<(), AuthError> {
    match caller::authenticate(store, request.headers(), environment).await? {
        Caller::Administrator => Ok(()),
        Caller::Nobody => Err(Problem::unauthorised("send Authorization: Bearer and the admin token").into()),
        _ => Err(Problem::forbidden("this is for the administrator").into()),
    }
}

/// Reads a JSON body. What is wrong is said by place and never by quoting, because the
/// body may hold a password.
pub(crate) fn read<T: DeserializeOwned>(request: &Request<Vec<u8>>, length_max: usize) -> Result<T, Problem> {
    reply::require_media_type(request.headers(), "application/json")?;
    if request.body().len() > length_max {
        return Err(reply::too_large(length_max));
    }
    // A derived reader also takes an array of the members' values, which is no object.
    if !request.body().trim_ascii_start().starts_with(b"{") {
        return Err(Problem::bad_request("the body is not a JSON object"));
    }
    serde_json::from_slice(request.body()).map_err(|error| {
        let what = if error.is_data() { "has other members than expected" } else { "is not JSON" };
        Problem::bad_request(format!("the body {what}, at line {} column {}", error.line(), error.column()))
    })
}

/// The path below a resource, which is empty for the resource itself.
fn below<'a>(path: &'a str, resource: &str) -> Option<&'a str> {
    path.strip_prefix(resource).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

pub(crate) fn cached(mut response: Response<Vec<u8>>, directive: &'static str) -> Response<Vec<u8>> {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(directive));
    response
}
