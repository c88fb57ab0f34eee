//! Payments and payouts as HTTP resources.
//!
//! | path | method | who |
//! |---|---|---|
//! | `/v1/payments` | POST | a traveller, an operator |
//! | `/v1/payments`, `/v1/payouts` | GET | the account's owner |
//! | `/v1/payments/disputes` | GET | the administrator |
//! | `/v1/payments/<id>` | GET | see [`super::actions`] |
//! | `/v1/payments/<id>/confirm`, `…/capture`, `…/refund`, `…/cancel` | POST | see [`super::actions`] |
//! | `/v1/payments/webhooks/<processor>` | POST | the processor |
//! | `/v1/payments/webhooks/<processor>/replay` | POST | the administrator |
//! | `/v1/payouts` | POST | the account's owner |
//! | `/v1/payouts/<id>` | GET | the account's owner |

use super::payouts::{self, PayoutInfo};
use super::record::{self, Act, Direct};
use super::views::{self, PaymentInfo};
use super::{actions, assets, money, webhooks};
use crate::Error;
use crate::accounts::require_readable;
use crate::http::{Answer, BODY_LENGTH_MAX, about, asked, known_caller, made};
use crate::listing::{Listing, Paged};
use ::http::{HeaderMap, Method, Request, StatusCode, header};
use serde::{Deserialize, Serialize};
use vwp_core::caller::Caller;
use vwp_core::{Environment, Problem, reply};
use vwp_processor::{Command, Processor};
use vwp_storage::{Kv, Machines};

/// The most headers of a webhook that an adapter sees, and the longest of them in bytes.
const HEADERS_MAX: (usize, usize) = (64, 4096);

/// Which of an account's are listed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    owner: String,
    asset: String,
    cursor: Option<String>,
    limit: Option<u32>,
}

/// Which events a processor is to tell again.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Replay {
    /// In milliseconds since the Unix epoch.
    since: u64,
    after: Option<String>,
}

/// What was told again.
#[derive(Serialize)]
struct Replayed {
    events: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Answers a request for what is below `/v1/payments`; `path` are the parts after it.
pub(crate) async fn handle<S: Kv + Machines>(
    store: &S,
    processor: &impl Processor,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    path: &[&str],
) -> Answer {
    // HEAD is answered wherever GET is.
    let is_get = request.method() == Method::GET || request.method() == Method::HEAD;
    let is_post = request.method() == Method::POST;
    match path {
        [] if is_post => {
            let (caller, wanted) = asked(store, environment, request).await?;
            let (info, repeated) = actions::create(store, processor, environment, &caller, wanted).await?;
            Ok(made(repeated, &format!("/v1/payments/{}", info.payment_id), &info))
        }
        [] if is_get => list(store, environment, request, Direct::Payment).await,
        ["webhooks", name] if is_post => {
            assets::require_processor(environment, name)?;
            let command = webhook(request)?;
            webhooks::receive(store, processor, environment, name, command).await?;
            Ok(reply::empty(StatusCode::NO_CONTENT))
        }
        ["webhooks", name, "replay"] if is_post => replay(store, processor, environment, request, name).await,
        ["disputes"] if is_get => disputes(store, environment, request).await,
        [id] if is_get => {
            let caller = known_caller(store, environment, request).await?;
            Ok(about(&actions::get(store, processor, &caller, id).await?))
        }
        [id, what @ ("confirm" | "capture" | "refund" | "cancel")] if is_post => {
            let act = match *what {
                "confirm" => Act::Confirm,
                "capture" => Act::Capture,
                "refund" => Act::Refund,
                _ => Act::Cancel,
            };
            let (caller, step) = asked(store, environment, request).await?;
            Ok(about(&actions::act(store, processor, &caller, id, (act, step)).await?))
        }
        [] => Err(Problem::method_not_allowed("GET, HEAD, POST").into()),
        ["webhooks", _] | ["webhooks", _, "replay"] | [_, "confirm" | "capture" | "refund" | "cancel"] => {
            Err(Problem::method_not_allowed("POST").into())
        }
        [_] => Err(Problem::method_not_allowed("GET, HEAD").into()),
        _ => Err(Problem::not_found("no resource has this path").into()),
    }
}

/// Answers a request for what is below `/v1/payouts`; `path` are the parts after it.
pub(crate) async fn handle_payouts<S: Kv + Machines>(
    store: &S,
    processor: &impl Processor,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    path: &[&str],
) -> Answer {
    let is_get = request.method() == Method::GET || request.method() == Method::HEAD;
    match path {
        [] if request.method() == Method::POST => {
            let (caller, wanted) = asked(store, environment, request).await?;
            let (info, repeated) = payouts::create(store, processor, environment, &caller, wanted).await?;
            Ok(made(repeated, &format!("/v1/payouts/{}", info.payout_id), &info))
        }
        [] if is_get => list(store, environment, request, Direct::Payout).await,
        [id] if is_get => {
            let caller = known_caller(store, environment, request).await?;
            Ok(about(&payouts::get(store, processor, &caller, id).await?))
        }
        [] => Err(Problem::method_not_allowed("GET, HEAD, POST").into()),
        [_] => Err(Problem::method_not_allowed("GET, HEAD").into()),
        _ => Err(Problem::not_found("no resource has this path").into()),
    }
}

/// An account's payments or payouts, newest first, as they are kept: looking at one makes it go on.
async fn list<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    direct: Direct,
) -> Answer {
    let caller = known_caller(store, environment, request).await?;
    let Listed { owner, asset, cursor, limit } = reply::read_query(request.uri())?;
    let (owner, asset) = require_readable(store, &caller, &owner, &asset).await?;
    let prefix = record::listed_prefix(direct, &owner.to_string(), &asset.to_string());
    let (records, next) = record::list(store, &prefix, &Paged { cursor, limit }).await?;
    if direct == Direct::Payment {
        let mut items: Vec<PaymentInfo> = Vec::with_capacity(records.len());
        for record in &records {
            items.push(views::info(store, record).await?);
        }
        return Ok(about(&Listing { items, next }));
    }
    let mut items: Vec<PayoutInfo> = Vec::with_capacity(records.len());
    for record in &records {
        items.push(payouts::info(store, record).await?);
    }
    Ok(about(&Listing { items, next }))
}

/// All payments that are disputed, newest first. What a payee owes is taken from it first, if it has it by now.
async fn disputes<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Answer {
    if known_caller(store, environment, request).await? != Caller::Administrator {
        return Err(Error::Forbidden("only the administrator sees all disputes".to_owned()));
    }
    let page: Paged = reply::read_query(request.uri())?;
    let (records, next) = record::list(store, record::DISPUTED, &page).await?;
    let mut items = Vec::with_capacity(records.len());
    for record in &records {
        money::settle(store, record).await?;
        items.push(views::info(store, record).await?);
    }
    Ok(about(&Listing { items, next }))
}

/// What an adapter has to verify.
fn webhook(request: &Request<Vec<u8>>) -> Result<Command, Error> {
    if request.body().len() > webhooks::BODY_LENGTH_MAX {
        return Err(reply::too_large(webhooks::BODY_LENGTH_MAX).into());
    }
    let body = std::str::from_utf8(request.body());
    let body = body.map_err(|_| Error::Invalid("the body is not UTF-8".to_owned()))?.to_owned();
    Ok(Command::VerifyWebhook { headers: shown(request.headers()), body })
}

/// The headers that may be a signature. Secrets of callers are not.
fn shown(headers: &HeaderMap) -> Vec<(String, String)> {
    let is_shown = |name: &header::HeaderName| *name != header::AUTHORIZATION && *name != header::COOKIE;
    let pairs = headers.iter().filter(|(name, _)| is_shown(name));
    let texts = pairs.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let fit = texts.filter(|(_, value)| value.len() <= HEADERS_MAX.1).take(HEADERS_MAX.0);
    fit.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

async fn replay<S: Kv + Machines>(
    store: &S,
    processor: &impl Processor,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    name: &str,
) -> Answer {
    if known_caller(store, environment, request).await? != Caller::Administrator {
        return Err(Error::Forbidden("only the administrator has events told again".to_owned()));
    }
    assets::require_processor(environment, name)?;
    let Replay { since, after } = reply::read_json(request.headers(), request.body(), BODY_LENGTH_MAX)?;
    if let Some(after) = &after {
        actions::require_token(after, "after")?;
    }
    let command = Command::Events { since: since / 1000, after };
    let (events, next) = webhooks::replay(store, processor, environment, name, command).await?;
    Ok(about(&Replayed { events, next }))
}
