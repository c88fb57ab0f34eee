//! The ledger's log as HTTP resources:
//!
//! | path | method | who |
//! |---|---|---|
//! | `/v1/ledger/checkpoint` | GET | anyone |
//! | `/v1/ledger/tile/<level>/<index>[.p/<width>]` | GET | anyone |
//! | `/v1/ledger/tile/entries/<index>[.p/<width>]` | GET | anyone |
//! | `/v1/ledger/keys`, `/v1/ledger/vkeys` | GET | anyone |
//! | `/v1/ledger/entries/<position>` | GET | the administrator |
//! | `/v1/ledger/commands` | GET | the administrator |
//! | `/v1/ledger/queries` | POST | the administrator |
//! | `/v1/transfers/<id>/receipt` | GET | the owners of its accounts |
//! | `/v1/keys/log` | GET | the administrator |
//! | `/v1/keys/log/rotate`, `/v1/keys/log/reseal` | POST | the administrator |

use crate::http::{Answer, known_caller, numbers, private};
use crate::{Error, checkpoints, log_keys, receipts, tiles};
use ::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::json;
use vwp_core::caller::Caller;
use vwp_core::{Environment, Problem, reply};
use vwp_storage::{Kv, Machines};

const BYTES: &str = "application/octet-stream";
const TEXT: &str = "text/plain; charset=utf-8";
/// For what changes with every command (C2SP tlog-tiles: not beyond a few seconds).
const MOMENT: &str = "public, max-age=1";
/// For what never changes (RFC 8246).
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// For partial tiles, which never change either but are soon of no use.
const FOR_A_DAY: &str = "public, max-age=86400";
/// For keys, which are rotated.
const FOR_MINUTES: &str = "public, max-age=300";
/// What precedes the path of a tile.
const TILES: &str = "/v1/ledger/tile/";
/// How many commands an answer has at most unless it is told.
const COMMANDS_DEFAULT: u32 = 100;
/// The longest body of queries, in bytes.
const QUERIES_LENGTH_MAX: usize = 65_536;

/// Answers a request for one of these resources; none if the path names another.
pub(crate) async fn route<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    segments: &[&str],
) -> Option<Answer> {
    let is_get = request.method() == Method::GET || request.method() == Method::HEAD;
    let is_post = request.method() == Method::POST;
    let answer = match segments {
        ["v1", "ledger", "tile", ..] if is_get => tile(store, request.uri().path()).await,
        ["v1", "ledger", "checkpoint"] if is_get => checkpoint(store, environment).await,
        ["v1", "ledger", "keys"] if is_get => keys(store, environment).await,
        ["v1", "ledger", "vkeys"] if is_get => verifier_keys(store, environment).await,
        ["v1", "ledger", "entries", position] if is_get => {
            command(store, environment, request, position).await
        }
        ["v1", "ledger", "commands"] if is_get => commands(store, environment, request).await,
        ["v1", "ledger", "queries"] if is_post => queries(store, environment, request).await,
        ["v1", "transfers", id, "receipt"] if is_get => receipt(store, environment, request, id).await,
        ["v1", "keys", "log"] if is_get => administered(store, environment, request, Keyring::List).await,
        ["v1", "keys", "log", "rotate"] if is_post => {
            administered(store, environment, request, Keyring::Rotate).await
        }
        ["v1", "keys", "log", "reseal"] if is_post => {
            administered(store, environment, request, Keyring::Reseal).await
        }
        ["v1", "ledger", "queries"] | ["v1", "keys", "log", "rotate" | "reseal"] => {
            Err(Problem::method_not_allowed("POST").into())
        }
        ["v1", "ledger", "tile", ..]
        | ["v1", "ledger", "checkpoint" | "keys" | "vkeys" | "commands"]
        | ["v1", "ledger", "entries", _]
        | ["v1", "transfers", _, "receipt"]
        | ["v1", "keys", "log"] => Err(Problem::method_not_allowed("GET, HEAD").into()),
        _ => return None,
    };
    Some(answer)
}

/// A tile's path is taken as it came: there is one way to write it, without escapes.
async fn tile(store: &impl Machines, path: &str) -> Answer {
    let (tile, bytes) = tiles::tile(store, path.strip_prefix(TILES).unwrap_or_default()).await?;
    let cached_for = if tile.is_full() { FOR_EVER } else { FOR_A_DAY };
    Ok(cached(reply::with_type(StatusCode::OK, BYTES, bytes), cached_for))
}

async fn checkpoint<S: Kv + Machines>(store: &S, environment: &Environment<'_>) -> Answer {
    let signed = checkpoints::latest(store, environment).await?;
    Ok(cached(reply::with_type(StatusCode::OK, TEXT, signed.note.into_bytes()), MOMENT))
}

/// A JWK Set (RFC 7517, section 5), whose keys have a member `vkey` of ours.
async fn keys(store: &impl Kv, environment: &Environment<'_>) -> Answer {
    let keys = log_keys::published(store, environment).await?;
    Ok(cached(reply::json(StatusCode::OK, &json!({ "keys": keys })), FOR_MINUTES))
}

/// C2SP verifier keys, one a line, newest first.
async fn verifier_keys(store: &impl Kv, environment: &Environment<'_>) -> Answer {
    let keys = log_keys::published(store, environment).await?;
    let text: String = keys.iter().flat_map(|key| [&key.vkey, "\n"]).collect();
    Ok(cached(reply::with_type(StatusCode::OK, TEXT, text.into_bytes()), FOR_MINUTES))
}

async fn command<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    position: &str,
) -> Answer {
    let caller = known_caller(store, environment, request).await?;
    let command = tiles::command(store, &caller, position).await?;
    Ok(private(reply::with_type(StatusCode::OK, BYTES, command)))
}

async fn commands<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Answer {
    let caller = known_caller(store, environment, request).await?;
    let (from, limit) = numbers(request.uri().query(), COMMANDS_DEFAULT)?;
    let commands = tiles::commands(store, &caller, from, limit).await?;
    Ok(private(reply::with_type(StatusCode::OK, BYTES, commands)))
}

async fn queries<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Answer {
    let caller = known_caller(store, environment, request).await?;
    reply::require_media_type(request.headers(), BYTES)?;
    if request.body().len() > QUERIES_LENGTH_MAX {
        return Err(reply::too_large(QUERIES_LENGTH_MAX).into());
    }
    let answer = tiles::queries(store, &caller, request.body()).await?;
    Ok(private(reply::with_type(StatusCode::OK, BYTES, answer)))
}

async fn receipt<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    id: &str,
) -> Answer {
    let caller = known_caller(store, environment, request).await?;
    let receipt = receipts::prove_transfer(store, environment, &caller, id).await?;
    Ok(private(reply::json(StatusCode::OK, &receipt)))
}

/// What the administrator does with the keyring.
#[derive(Clone, Copy)]
enum Keyring {
    List,
    Rotate,
    Reseal,
}

async fn administered(
    store: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    what: Keyring,
) -> Answer {
    if known_caller(store, environment, request).await? != Caller::Administrator {
        return Err(Error::Forbidden("only the administrator looks after the port's keys".to_owned()));
    }
    Ok(private(match what {
        Keyring::List => reply::json(StatusCode::OK, &json!({ "keys": log_keys::list(store).await? })),
        Keyring::Rotate => reply::json(StatusCode::CREATED, &log_keys::rotate(store, environment).await?),
        Keyring::Reseal => {
            let resealed = log_keys::reseal(store, environment).await?;
            reply::json(StatusCode::OK, &json!({ "resealed": resealed }))
        }
    }))
}

fn cached(mut response: Response<Vec<u8>>, control: &'static str) -> Response<Vec<u8>> {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(control));
    response
}
