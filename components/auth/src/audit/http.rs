//! The log as HTTP resources.
//!
//! | path | methods | who may call it |
//! |---|---|---|
//! | `/v1/audit{?limit,cursor}` | GET | the administrator |
//! | `/v1/audit/chains/{chain}` | GET | the administrator |
//! | `/v1/audit/chains/{chain}/entries{?limit,before}` | GET | the administrator |
//! | `/v1/audit/anchors` | POST | the administrator |
//! | `/v1/audit/anchors/{seq}` | GET | the administrator |
//! | `/v1/travellers/me/audit{?limit,before}` | GET | the traveller |

use super::read::{self, PAGE_MAX};
use super::{Chain, anchor};
use crate::error::AuthError;
use crate::http::{administrator, traveller};
use ::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde::Serialize;
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;

type Answer = Result<Response<Vec<u8>>, AuthError>;

/// Answers a request, if its path is one of the log's.
pub(crate) async fn route(
    store: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Option<Answer> {
    let path = request.uri().path();
    if path == "/v1/travellers/me/audit" {
        return Some(own(store, environment, request).await);
    }
    let rest = path.strip_prefix("/v1/audit").filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
    Some(administrators(store, environment, request, rest).await)
}

async fn own(store: &impl Kv, environment: &Environment<'_>, request: &Request<Vec<u8>>) -> Answer {
    require_get(request)?;
    let (id, _) = traveller(store, environment, request).await?;
    entries(store, environment, request, &Chain::Traveller(id)).await
}

async fn administrators(
    store: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    rest: &str,
) -> Answer {
    administrator(store, environment, request).await?;
    let segments: Vec<&str> = rest.split('/').skip(1).collect();
    let chain = |text: &str| {
        let text = text.replace("%3A", ":").replace("%3a", ":");
        text.parse::<Chain>().map_err(|error| Problem::not_found(error.to_string()))
    };
    match segments.as_slice() {
        [] => {
            require_get(request)?;
            let query = Query::parse(request)?;
            let page = read::latest(store, query.limit, query.cursor.as_deref(), environment).await?;
            Ok(private(&page))
        }
        ["chains", name] => {
            require_get(request)?;
            Ok(private(&read::verify(store, &chain(name)?, environment).await?))
        }
        ["chains", name, "entries"] => {
            require_get(request)?;
            entries(store, environment, request, &chain(name)?).await
        }
        ["anchors"] if request.method() == Method::POST => {
            // Who runs the port calls this regularly, so what was left half done is done here too.
            crate::data::erase::finish_left(store).await?;
            Ok(private(&anchor::anchor(store, environment).await?))
        }
        ["anchors"] => Err(Problem::method_not_allowed("POST").into()),
        ["anchors", seq] => {
            require_get(request)?;
            let unknown = || Problem::not_found("no entry of this number notes other chains");
            let seq = seq.parse().map_err(|_| unknown())?;
            Ok(private(&anchor::verify(store, seq, environment).await?.ok_or_else(unknown)?))
        }
        _ => Err(Problem::not_found("no resource has this path").into()),
    }
}

async fn entries(
    store: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    chain: &Chain,
) -> Answer {
    let query = Query::parse(request)?;
    Ok(private(&read::of_chain(store, chain, query.limit, query.before, environment).await?))
}

fn require_get(request: &Request<Vec<u8>>) -> Result<(), Problem> {
    match *request.method() {
        Method::GET | Method::HEAD => Ok(()),
        _ => Err(Problem::method_not_allowed("GET, HEAD")),
    }
}

/// For answers about somebody (RFC 9111, section 5.2.2.5).
fn private(body: &impl Serialize) -> Response<Vec<u8>> {
    let mut response = reply::json(StatusCode::OK, body);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Which part of the log is asked for.
struct Query {
    limit: u32,
    cursor: Option<String>,
    before: Option<u64>,
}

impl Query {
    fn parse(request: &Request<Vec<u8>>) -> Result<Self, Problem> {
        let invalid = || Problem::bad_request("the query takes limit, and the cursor of the page before");
        let mut query = Self { limit: PAGE_MAX, cursor: None, before: None };
        for pair in request.uri().query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("limit", value)) => query.limit = value.parse().map_err(|_| invalid())?,
                Some(("before", value)) => query.before = Some(value.parse().map_err(|_| invalid())?),
                Some(("cursor", value)) if value.len() <= 256 => {
                    // A cursor has no other characters that a query would encode.
                    let value = value.replace("%2F", "/").replace("%2f", "/");
                    query.cursor = Some(value.replace("%3A", ":").replace("%3a", ":"));
                }
                _ => return Err(invalid()),
            }
        }
        Ok(query)
    }
}
