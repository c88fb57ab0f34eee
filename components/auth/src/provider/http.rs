//! The paths of the provider. An endpoint that clients talk to refuses as OAuth says; a page
//! refuses with a page; what the operators talk to refuses with a problem document.

use super::error::OauthError;
use super::{clients, device, devices, dpop, flow, metadata, pages, par, params, resources, sessions, token};
use crate::sessions::traveller_of;
use ::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use vwp_core::caller::{self, Caller};
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;

/// The longest registration, in bytes.
const REGISTRATION_LENGTH_MAX: usize = 16_384;
/// For documents that everybody may keep for a while.
const CACHEABLE: &str = "public, max-age=300";

type Answer = Result<Response<Vec<u8>>, Problem>;

/// Whether a path is the provider's.
pub fn is_ours(method: &Method, path: &str) -> bool {
    let is_below =
        |root: &str| path.strip_prefix(root).is_some_and(|rest| matches!(rest.get(..1), None | Some("/")));
    let is_list = path == "/v1/sessions" && *method != Method::POST;
    let is_session = path.starts_with("/v1/sessions/") && path != "/v1/sessions/current";
    is_list
        || is_session
        || ["/oauth", "/device", "/v1/clients"].into_iter().any(is_below)
        || matches!(path, "/.well-known/openid-configuration" | "/.well-known/oauth-authorization-server")
}

/// Answers a request to one of these paths.
pub async fn handle(
    store: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Response<Vec<u8>> {
    let path = request.uri().path();
    let answer = match path.split('/').nth(1) {
        Some("v1") => resource(store, environment, request).await,
        Some(".well-known") => document(environment, request),
        _ => match endpoint(store, environment, request).await {
            Some(answer) => Ok(answer),
            None => page(store, environment, request).await,
        },
    };
    answer.unwrap_or_else(Problem::into_response)
}

fn document(environment: &Environment<'_>, request: &Request<Vec<u8>>) -> Answer {
    if !is_get(request) {
        return Err(Problem::method_not_allowed("GET, HEAD"));
    }
    let mut response = reply::json(StatusCode::OK, &metadata::document(environment));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHEABLE));
    Ok(response)
}

/// The endpoints that clients talk to; none if the path is a page's.
async fn endpoint(
    store: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Option<Response<Vec<u8>>> {
    let path = request.uri().path();
    let is_post = request.method() == Method::POST;
    if path == resources::USERINFO_PATH && (is_post || is_get(request)) {
        let answer = resources::userinfo(store, request, environment).await;
        let response = answer.unwrap_or_else(OauthError::into_challenge);
        return Some(dpop::with_nonce(store, response, environment).await);
    }
    if !is_post {
        return None;
    }
    let answer = match path {
        token::PATH => {
            // First, because a proof in the request is checked with the same secret.
            let nonce = dpop::next_nonce(store, environment).await;
            let answer = token::answer(store, request, environment).await;
            return Some(dpop::with(nonce, answer.unwrap_or_else(OauthError::into_response)));
        }
        par::PATH => {
            let answer = par::push(store, request, environment).await;
            let response = answer.unwrap_or_else(OauthError::into_response);
            return Some(dpop::with_nonce(store, response, environment).await);
        }
        device::PATH => device::authorize(store, request, environment).await,
        metadata::INTROSPECTION_PATH => resources::introspect(store, request, environment).await,
        metadata::REVOCATION_PATH => resources::revoke(store, request, environment).await,
        _ => return None,
    };
    Some(answer.unwrap_or_else(OauthError::into_response))
}

/// The pages that people see.
async fn page(store: &impl Kv, environment: &Environment<'_>, request: &Request<Vec<u8>>) -> Answer {
    let path = request.uri().path();
    let is_post = request.method() == Method::POST;
    let answer = match path {
        flow::PATH if is_post || is_get(request) => Ok(flow::authorize(store, request, environment).await),
        "/oauth/sign-in" if is_post => Ok(flow::sign_in(store, request, environment).await),
        "/oauth/consent" if is_post => Ok(flow::consent(store, request, environment).await),
        device::PAGE_PATH if is_get(request) => devices::show(store, request, environment).await,
        device::PAGE_PATH if is_post => devices::typed(store, request, environment).await,
        "/device/sign-in" if is_post => devices::sign_in(store, request, environment).await,
        "/device/decision" if is_post => devices::decide(store, request, environment).await,
        sessions::PAGE_PATH if is_get(request) => sessions::show(store, request, environment).await,
        sessions::PAGE_PATH if is_post => sessions::submit(store, request, environment).await,
        "/oauth/account/sign-in" if is_post => sessions::sign_in(store, request, environment).await,
        pages::STYLE_PATH if is_get(request) => Ok(asset("text/css; charset=utf-8", pages::STYLE)),
        pages::PASSKEY_PATH if is_get(request) => Ok(asset("text/javascript; charset=utf-8", pages::PASSKEY)),
        _ => return Err(unserved(path)),
    };
    Ok(answer.unwrap_or_else(|error| flow::page(&error)))
}

fn asset(media_type: &'static str, text: &str) -> Response<Vec<u8>> {
    let mut response = reply::with_type(StatusCode::OK, media_type, text.into());
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHEABLE));
    response
}

/// Why a path of these has no answer to a method.
fn unserved(path: &str) -> Problem {
    match path {
        flow::PATH | device::PAGE_PATH | sessions::PAGE_PATH | resources::USERINFO_PATH => {
            Problem::method_not_allowed("GET, HEAD, POST")
        }
        token::PATH
        | par::PATH
        | device::PATH
        | metadata::INTROSPECTION_PATH
        | metadata::REVOCATION_PATH
        | "/oauth/sign-in"
        | "/oauth/consent"
        | "/oauth/account/sign-in"
        | "/device/sign-in"
        | "/device/decision" => Problem::method_not_allowed("POST"),
        pages::STYLE_PATH | pages::PASSKEY_PATH => Problem::method_not_allowed("GET, HEAD"),
        _ => Problem::not_found("no resource has this path"),
    }
}

/// What operators and travellers manage.
async fn resource(store: &impl Kv, environment: &Environment<'_>, request: &Request<Vec<u8>>) -> Answer {
    let parts: Vec<&str> = request.uri().path().split('/').skip(2).take(3).collect();
    let is_delete = request.method() == Method::DELETE;
    match parts.as_slice() {
        ["clients"] if request.method() == Method::POST => register(store, environment, request).await,
        ["clients"] if is_get(request) => {
            let caller = registrar(store, environment, request).await?;
            let query = params::Params::parse(request.uri().query().unwrap_or_default().as_bytes());
            let query = query.map_err(|error| Problem::bad_request(error.to_string()))?;
            let clients = clients::list(store, &caller, query.get("after").unwrap_or_default()).await?;
            Ok(private(reply::json(StatusCode::OK, &serde_json::json!({ "clients": clients }))))
        }
        ["clients", id] if is_get(request) => {
            let caller = registrar(store, environment, request).await?;
            Ok(private(reply::json(StatusCode::OK, &clients::show(store, &caller, id).await?)))
        }
        ["clients", id] if is_delete => {
            let caller = registrar(store, environment, request).await?;
            clients::delete(store, &caller, id, environment).await?;
            Ok(private(reply::empty(StatusCode::NO_CONTENT)))
        }
        ["sessions"] if is_get(request) => {
            let traveller = traveller(store, environment, request).await?;
            let list = sessions::list(store, &traveller).await.map_err(problem)?;
            Ok(private(reply::json(StatusCode::OK, &serde_json::json!({ "sessions": list }))))
        }
        ["sessions"] if is_delete => {
            let traveller = traveller(store, environment, request).await?;
            sessions::end_all(store, &traveller, environment).await.map_err(problem)?;
            Ok(private(reply::empty(StatusCode::NO_CONTENT)))
        }
        ["sessions", id] if is_delete => {
            let traveller = traveller(store, environment, request).await?;
            sessions::end(store, &traveller, id, environment).await.map_err(problem)?;
            Ok(private(reply::empty(StatusCode::NO_CONTENT)))
        }
        ["clients"] => Err(Problem::method_not_allowed("GET, HEAD, POST")),
        ["sessions"] => Err(Problem::method_not_allowed("GET, HEAD, POST, DELETE")),
        ["clients", _] => Err(Problem::method_not_allowed("GET, HEAD, DELETE")),
        ["sessions", _] => Err(Problem::method_not_allowed("DELETE")),
        _ => Err(Problem::not_found("no resource has this path")),
    }
}

/// Registers a client: an operator signs the body, and the administrator sends its token.
async fn register(store: &impl Kv, environment: &Environment<'_>, request: &Request<Vec<u8>>) -> Answer {
    if request.body().len() > REGISTRATION_LENGTH_MAX {
        return Err(reply::too_large(REGISTRATION_LENGTH_MAX));
    }
    let client = if reply::require_media_type(request.headers(), "application/jose").is_ok() {
        let body =
            std::str::from_utf8(request.body()).map_err(|_| Problem::bad_request("not a compact JWS"))?;
        let (operator, payload) =
            caller::verify_operator_body(store, body.trim(), clients::REGISTRATION_TYPE).await?;
        clients::register_signed(store, &operator, &payload, environment).await?
    } else {
        reply::require_media_type(request.headers(), "application/json")?;
        match registrar(store, environment, request).await? {
            Caller::Administrator => {
                clients::register_for_administrator(store, request.body(), environment).await?
            }
            _ => return Err(Problem::forbidden("an operator signs the registration (application/jose)")),
        }
    };
    let mut response = private(reply::json(StatusCode::CREATED, &client));
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/clients/{}", client.client_id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// An operator or the administrator.
async fn registrar(
    store: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Result<Caller, Problem> {
    match caller::authenticate(store, request.headers(), environment).await? {
        caller @ (Caller::Operator { .. } | Caller::Administrator) => Ok(caller),
        Caller::Nobody => Err(Problem::unauthorised("send an operator's assertion or the admin token")),
        Caller::Traveller { .. } => Err(Problem::forbidden("this is for operators")),
    }
}

/// The traveller whom a request is from.
async fn traveller(
    store: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Result<String, Problem> {
    let caller = caller::authenticate(store, request.headers(), environment).await?;
    Ok(traveller_of(caller)?.0)
}

fn problem(error: OauthError) -> Problem {
    match error {
        OauthError::Shared(problem) => problem,
        error => Problem::bad_request(error.to_string()),
    }
}

fn is_get(request: &Request<Vec<u8>>) -> bool {
    request.method() == Method::GET || request.method() == Method::HEAD
}

/// For answers about somebody (RFC 9111, section 5.2.2.5).
fn private(mut response: Response<Vec<u8>>) -> Response<Vec<u8>> {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
