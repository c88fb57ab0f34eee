//! The functions as HTTP resources. A handler reads and bounds the request, calls the
//! function, and writes its answer; what it refuses becomes a problem in one place.

use crate::{Error, accounts, assets, entries, log, reconciliations, transfers};
use ::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use vwp_core::caller::{self, Caller};
use vwp_core::{Environment, Problem, reply};
use vwp_storage::{Kv, Machines};

/// The longest body, in bytes.
pub const BODY_LENGTH_MAX: usize = 16_384;
/// The header of draft-ietf-httpapi-idempotency-key-header.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// How many entries of the log an answer has unless it is told.
const ENTRIES_DEFAULT: u32 = 100;

pub(crate) type Answer = Result<Response<Vec<u8>>, Error>;

/// Answers a request.
pub async fn handle<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    request: Request<Vec<u8>>,
) -> Response<Vec<u8>> {
    reply::finish(request.method(), route(store, environment, &request).await)
}

async fn route<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Answer {
    let segments = segments(request.uri().path())?;
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    if let Some(answer) = log::route(store, environment, request, &segments).await {
        return answer;
    }
    // HEAD is answered wherever GET is.
    let is_get = request.method() == Method::GET || request.method() == Method::HEAD;
    let is_post = request.method() == Method::POST;
    match segments.as_slice() {
        ["v1", "assets"] if is_post => create_asset(store, environment, request).await,
        ["v1", "transfers"] if is_post => transfer(store, environment, request).await,
        ["v1", "assets", asset] if is_get => {
            Ok(reply::json(StatusCode::OK, &assets::get_asset(store, asset).await?))
        }
        ["v1", "transfers", id] if is_get => {
            let caller = known_caller(store, environment, request).await?;
            Ok(private(reply::json(StatusCode::OK, &transfers::get_transfer(store, &caller, id).await?)))
        }
        ["v1", "ledger", "accounts", owner, asset] if is_get => {
            let caller = known_caller(store, environment, request).await?;
            let account = accounts::get_account(store, &caller, owner, asset).await?;
            Ok(private(reply::json(StatusCode::OK, &account)))
        }
        ["v1", "ledger", "entries"] if is_get => entries(store, environment, request).await,
        ["v1", "reconciliations", path @ ..] => {
            let caller = known_caller(store, environment, request).await?;
            reconciliations::handle(store, environment, &caller, request, path).await
        }
        ["v1", "assets" | "transfers"] => Err(Problem::method_not_allowed("POST").into()),
        ["v1", "assets" | "transfers", _]
        | ["v1", "ledger", "accounts", _, _]
        | ["v1", "ledger", "entries"] => Err(Problem::method_not_allowed("GET, HEAD").into()),
        _ => Err(Problem::not_found("no resource has this path").into()),
    }
}

/// The parts of a path, each decoded by itself (RFC 3986, section 2.4), because `@`
/// and `:` in names may come either way.
fn segments(path: &str) -> Result<Vec<Cow<'_, str>>, Error> {
    let path = path.strip_prefix('/').unwrap_or(path);
    // No path of ours has more parts, and a longer one has one too many.
    let parts = path.splitn(7, '/').map(|part| percent_decode_str(part).decode_utf8());
    parts.collect::<Result<_, _>>().map_err(|_| Error::Invalid("the path is not UTF-8".to_owned()))
}

async fn create_asset<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Answer {
    let created = assets::create_asset(store, environment, jose_body(request)?).await?;
    Ok(reply::json(status(created.repeated), &created.info))
}

async fn transfer<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Answer {
    let made = if reply::require_media_type(request.headers(), "application/jose").is_ok() {
        transfers::transfer_signed(store, environment, jose_body(request)?).await?
    } else {
        let caller = known_caller(store, environment, request).await?;
        let key = idempotency_key(request.headers())?;
        let order = reply::read_json(request.headers(), request.body(), BODY_LENGTH_MAX)?;
        transfers::transfer(store, &caller, key, order).await?
    };
    let mut response = private(reply::json(status(made.repeated), &made.receipt));
    let location = format!("/v1/transfers/{}", made.receipt.transfer_id);
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

async fn entries<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Answer {
    let caller = known_caller(store, environment, request).await?;
    let (from, limit) = numbers(request.uri().query(), ENTRIES_DEFAULT)?;
    let entries = entries::entries(store, &caller, from, limit).await?;
    Ok(private(reply::json(StatusCode::OK, &entries)))
}

/// From where on a query asks for entries, and for how many.
pub(crate) fn numbers(query: Option<&str>, default: u32) -> Result<(u64, u32), Error> {
    let (mut from, mut limit) = (1, default);
    let invalid = || Error::Invalid("the query takes from and limit, both numbers".to_owned());
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("from", value)) => from = value.parse().map_err(|_| invalid())?,
            Some(("limit", value)) => limit = value.parse().map_err(|_| invalid())?,
            _ => return Err(invalid()),
        }
    }
    Ok((from, limit))
}

/// Who is calling; nobody is refused before anything else is looked at.
pub(crate) async fn known_caller(
    store: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Result<Caller, Error> {
    match caller::authenticate(store, request.headers(), environment).await? {
        Caller::Nobody => {
            Err(Problem::unauthorised("sign in, or send an operator's assertion or signed body").into())
        }
        caller => Ok(caller),
    }
}

/// A body of `application/jose` (RFC 7515, section 9.2.1).
fn jose_body(request: &Request<Vec<u8>>) -> Result<&str, Error> {
    reply::require_media_type(request.headers(), "application/jose")?;
    if request.body().len() > BODY_LENGTH_MAX {
        return Err(reply::too_large(BODY_LENGTH_MAX).into());
    }
    let body = std::str::from_utf8(request.body());
    Ok(body.map_err(|_| Error::Invalid("the body is not a compact JWS".to_owned()))?.trim())
}

/// The key, which the draft writes as a quoted string (section 2.1) and many clients
/// without the quotes; both name the same key.
fn idempotency_key(headers: &HeaderMap) -> Result<&str, Error> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let value = values.next().ok_or(Error::IdempotencyKeyMissing)?;
    let invalid = || Error::Invalid("send one Idempotency-Key of visible ASCII characters".to_owned());
    let value = value.to_str().map_err(|_| invalid())?;
    if values.next().is_some() {
        return Err(invalid());
    }
    Ok(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

/// RFC 9110, section 15.3.2: 201 says that something new is there.
fn status(repeated: bool) -> StatusCode {
    if repeated { StatusCode::OK } else { StatusCode::CREATED }
}

/// For answers about somebody (RFC 9111, section 5.2.2.5).
pub(crate) fn private(mut response: Response<Vec<u8>>) -> Response<Vec<u8>> {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
