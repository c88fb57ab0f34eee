//! The functions as HTTP resources. A handler reads and bounds the request, calls the
//! function, and writes its answer; what it refuses becomes a problem in one place.

use crate::history::{self, Page};
use crate::{
    Error, accounts, assets, authority, bulk, compact, entries, escrows, exchange, log, orders, payments,
    reconciliations, schedules, splits, transfers,
};
use ::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use vwp_core::caller::{self, Caller};
use vwp_core::{Environment, Problem, reply};
use vwp_ledger::codec::Moment;
use vwp_processor::Processor;
use vwp_storage::{Kv, Machines};

/// The longest body that is not a bulk, in bytes.
pub const BODY_LENGTH_MAX: usize = 16_384;
/// The header of draft-ietf-httpapi-idempotency-key-header.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// How many entries of the log an answer has unless it is told.
const ENTRIES_DEFAULT: u32 = 100;

pub(crate) type Answer = Result<Response<Vec<u8>>, Error>;

/// A body that says nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// Answers a request.
pub async fn handle<S: Kv + Machines>(
    store: &S,
    processor: &impl Processor,
    environment: &Environment<'_>,
    request: Request<Vec<u8>>,
) -> Response<Vec<u8>> {
    reply::finish(request.method(), route(store, processor, environment, &request).await)
}

async fn route<S: Kv + Machines>(
    store: &S,
    processor: &impl Processor,
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
        ["v1", "transfers", id] if is_get && !matches!(*id, "bulk" | "split") => {
            let caller = known_caller(store, environment, request).await?;
            Ok(about(&transfers::get_transfer(store, &caller, id).await?))
        }
        ["v1", "transfers", "bulk"] if is_post => transfer_bulk(store, environment, request).await,
        ["v1", "transfers", "split"] if is_post => {
            let (caller, wanted) = asked::<S, splits::Split>(store, environment, request).await?;
            let (made, repeated) = splits::split(store, &caller, &wanted).await?;
            Ok(private(reply::json(status(repeated), &made)))
        }
        ["v1", "ledger", "accounts", owner, asset] if is_get => {
            account(store, environment, request, (owner, asset)).await
        }
        ["v1", "ledger", "accounts", owner, asset, "transfers"] if is_get => {
            account_transfers(store, environment, request, (owner, asset)).await
        }
        ["v1", "statements", owner, asset] if is_get => {
            statement(store, environment, request, (owner, asset)).await
        }
        ["v1", "ledger", "entries"] if is_get => entries(store, environment, request).await,
        ["v1", "escrows", path @ ..] => escrows::http::handle(store, environment, request, path).await,
        ["v1", "quotes", path @ ..] => exchange::http::handle(store, environment, request, path).await,
        ["v1", "schedules", path @ ..] => schedules::http::handle(store, environment, request, path).await,
        ["v1", "payments", path @ ..] => {
            payments::http::handle(store, processor, environment, request, path).await
        }
        ["v1", "payouts", path @ ..] => {
            payments::http::handle_payouts(store, processor, environment, request, path).await
        }
        ["v1", "reconciliations", path @ ..] => {
            let caller = known_caller(store, environment, request).await?;
            reconciliations::handle(store, environment, &caller, request, path).await
        }
        ["v1", "assets" | "transfers"] | ["v1", "transfers", "bulk" | "split"] => {
            Err(Problem::method_not_allowed("POST").into())
        }
        ["v1", "assets" | "transfers", _]
        | ["v1", "ledger", "accounts", _, _]
        | ["v1", "ledger", "accounts", _, _, "transfers"]
        | ["v1", "statements", _, _]
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
    let headers = request.headers();
    // An operator signs what it creates, and the administrator shows its token.
    let is_signed = reply::require_media_type(headers, "application/jose").is_ok();
    let created = if is_signed || !headers.contains_key(header::AUTHORIZATION) {
        assets::create_asset(store, environment, jose_body(request)?).await?
    } else {
        let caller = known_caller(store, environment, request).await?;
        let definition = reply::read_json(headers, request.body(), BODY_LENGTH_MAX)?;
        assets::create_port_asset(store, &caller, &definition).await?
    };
    Ok(reply::json(status(created.repeated), &created.info))
}

async fn transfer<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Answer {
    let done = if reply::require_media_type(request.headers(), "application/jose").is_ok() {
        transfers::transfer_signed(store, environment, jose_body(request)?).await?
    } else {
        let caller = known_caller(store, environment, request).await?;
        let key = idempotency_key(request.headers())?;
        let order = reply::read_json(request.headers(), request.body(), BODY_LENGTH_MAX)?;
        transfers::transfer(store, &caller, key, order).await?
    };
    let location = format!("/v1/transfers/{}", done.receipt.transfer_id);
    Ok(made(done.repeated, &location, &done.receipt))
}

/// Makes many transfers. A traveller shows its token, and an operator an assertion for this body.
async fn transfer_bulk<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Answer {
    let (headers, body) = (request.headers(), request.body());
    if body.len() > reply::BODY_LENGTH_MAX {
        return Err(reply::too_large(reply::BODY_LENGTH_MAX).into());
    }
    let caller = authority::asker(store, environment, headers, body).await?;
    if reply::require_media_type(headers, compact::MEDIA_TYPE).is_ok() {
        let settled = bulk::transfer_bulk(store, &caller, &compact::read(body)?.transfers).await?;
        let answer = reply::with_type(StatusCode::OK, compact::MEDIA_TYPE, compact::write(&settled));
        return Ok(private(answer));
    }
    let wanted: bulk::Bulk = reply::read_json(headers, body, reply::BODY_LENGTH_MAX)?;
    let settled = bulk::transfer_bulk(store, &caller, &wanted.transfers).await?;
    let transfers = settled.into_iter().map(Into::into).collect();
    Ok(about(&bulk::BulkResult { transfers }))
}

/// An account as it is, or what it held at the moment that the query names.
async fn account<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    of: (&str, &str),
) -> Answer {
    let caller = known_caller(store, environment, request).await?;
    match reply::read_query::<At>(request.uri())?.moment()? {
        Some(moment) => Ok(about(&history::balance_at(store, &caller, of, moment).await?)),
        None => Ok(about(&accounts::get_account(store, &caller, of.0, of.1).await?)),
    }
}

async fn account_transfers<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    of: (&str, &str),
) -> Answer {
    let caller = known_caller(store, environment, request).await?;
    Ok(about(&history::transfers(store, &caller, of, reply::read_query::<Page>(request.uri())?).await?))
}

async fn statement<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    of: (&str, &str),
) -> Answer {
    let caller = known_caller(store, environment, request).await?;
    let Period { from, until, start, limit } = reply::read_query(request.uri())?;
    let page = Page { start, limit, ..Page::default() };
    Ok(about(&history::statement(store, &caller, of, (from, until), page).await?))
}

/// The moment that an account is looked at.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct At {
    position: Option<u64>,
    time: Option<u64>,
    effective_date: Option<String>,
}

impl At {
    fn moment(&self) -> Result<Option<Moment>, Error> {
        match (self.position, self.time, &self.effective_date) {
            (None, None, None) => Ok(None),
            (Some(position), None, None) => Ok(Some(Moment::Position(position))),
            (None, Some(time), None) => Ok(Some(Moment::Time(time))),
            (None, None, Some(date)) => Ok(Some(Moment::EffectiveDay(orders::day_of(date)?))),
            _ => Err(Error::Invalid("the query takes position, time or effective_date".to_owned())),
        }
    }
}

/// The time that a statement is about.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Period {
    from: u64,
    until: u64,
    start: Option<u32>,
    limit: Option<u32>,
}

async fn entries<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Answer {
    let caller = known_caller(store, environment, request).await?;
    let (from, limit) = numbers(request.uri().query(), ENTRIES_DEFAULT)?;
    Ok(about(&entries::entries(store, &caller, from, limit).await?))
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

/// Who asks, and for what. A traveller shows its token, and an operator an assertion for this body.
pub(crate) async fn asked<S: Kv, T: serde::de::DeserializeOwned>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Result<(Caller, T), Error> {
    let (headers, body) = (request.headers(), request.body());
    if body.len() > BODY_LENGTH_MAX {
        return Err(reply::too_large(BODY_LENGTH_MAX).into());
    }
    let caller = authority::asker(store, environment, headers, body).await?;
    Ok((caller, reply::read_json(headers, body, BODY_LENGTH_MAX)?))
}

/// A body of `application/jose` (RFC 7515, section 9.2.1).
pub(crate) fn jose_body(request: &Request<Vec<u8>>) -> Result<&str, Error> {
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
pub(crate) fn status(repeated: bool) -> StatusCode {
    if repeated { StatusCode::OK } else { StatusCode::CREATED }
}

/// An answer about somebody.
pub(crate) fn about(body: &impl Serialize) -> Response<Vec<u8>> {
    private(reply::json(StatusCode::OK, body))
}

/// An answer about what was made, or had been made before, and where it is from then on.
pub(crate) fn made(repeated: bool, location: &str, body: &impl Serialize) -> Response<Vec<u8>> {
    let mut response = private(reply::json(status(repeated), body));
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// For answers about somebody (RFC 9111, section 5.2.2.5).
pub(crate) fn private(mut response: Response<Vec<u8>>) -> Response<Vec<u8>> {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
