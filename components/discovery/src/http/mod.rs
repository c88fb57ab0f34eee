//! The component's HTTP API.
//!
//! | path | methods | who may call it |
//! |---|---|---|
//! | `/` | GET | anybody |
//! | `/v1/worlds` | GET | anybody |
//! | `/v1/worlds` | POST | the operator who signed the record |
//! | `/v1/worlds/changes` | GET | anybody |
//! | `/v1/worlds/{name}` | GET | anybody |
//! | `/v1/worlds/{name}/challenge` | GET | anybody |
//! | `/v1/worlds/{name}/lease` | PUT | the world, or its operator, who signed the live state |
//! | `/v1/actions` | POST | the operator who signed the action |
//! | `/v1/operators/{id}` | GET | anybody |
//! | `/v1/delegations`, `/v1/delegations/{label}` | GET | anybody |
//! | `/v1/delegations/{label}` | PUT, DELETE | the administrator |
//! | `/v1/maintenance` | GET, POST | the administrator |
//! | `/dns-query` | GET, POST | anybody |
//! | `/v1/keys/zone` | GET | the administrator |
//! | `/v1/keys/zone/rotate` | POST | the administrator |
//! | `/v1/zone{?zone}` | GET | the administrator |
//! | `/v1/zone/keys{?zone}` | GET | the administrator |
//! | `/v1/zone/keys/roll{?zone}` | POST | the administrator |
//! | `/v1/zone/keys/{tag}/ds-seen{?zone}` | POST | the administrator |
//! | `/v1/zone/secondaries` | GET | the administrator |
//! | `/v1/zone/secondaries/{name}` | GET, PUT, DELETE | the administrator |
//! | `/v1/zone/tsig-keys` | GET, POST | the administrator |
//! | `/v1/zone/tsig-keys/{name}` | DELETE | the administrator |
//! | `/v1/zone/export{?format,zone,cursor}` | GET | the administrator |
//! | `/v1/zone/import{?zone}` | POST | the administrator |

mod actions;
mod changes;
mod condition;
mod delegations;
mod maintenance;
mod search;
mod worlds;
mod zone;

pub use changes::EventStream;
pub use worlds::WorldView;

use crate::{doh, keys};
use http::{Method, Request, Response, StatusCode};
use serde_json::json;
use vwp_core::caller::{self, Caller};
use vwp_core::outbound::Outbound;
use vwp_core::{Environment, Problem, keyring, reply};
use vwp_storage::Kv;

/// Where the registry is watched. No world has this name.
const CHANGES: &str = "/v1/worlds/changes";

/// Answers a request.
pub async fn handle<S: Kv, O: Outbound>(
    store: &S,
    outbound: &O,
    environment: &Environment<'_>,
    request: Request<Vec<u8>>,
) -> Response<Vec<u8>> {
    reply::finish(request.method(), route(store, outbound, environment, &request).await)
}

async fn route<S: Kv, O: Outbound>(
    store: &S,
    outbound: &O,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Result<Response<Vec<u8>>, Problem> {
    let path = request.uri().path();
    let is_get = matches!(*request.method(), Method::GET | Method::HEAD);
    if path == CHANGES {
        return if is_get { changes::list(store, request).await } else { method_not_allowed("GET, HEAD") };
    }
    if let Some(rest) = below(path, "/v1/worlds") {
        return worlds::route(store, outbound, environment, request, rest).await;
    }
    if let Some(rest) = below(path, "/v1/keys/zone") {
        return zone::receipt_keys(store, environment, request, rest).await;
    }
    if let Some(rest) = below(path, "/v1/operators") {
        return actions::operators(store, request, rest).await;
    }
    if let Some(rest) = below(path, "/v1/delegations") {
        return delegations::route(store, environment, request, rest).await;
    }
    if let Some(rest) = below(path, "/v1/zone") {
        return zone::route(store, environment, request, rest).await;
    }
    match path {
        "/v1/actions" => actions::act(store, environment, request).await,
        "/v1/maintenance" => maintenance::route(store, environment, request).await,
        "/" if is_get => index(store, environment).await,
        "/" => method_not_allowed("GET, HEAD"),
        "/dns-query" if is_get || request.method() == Method::POST => {
            doh::handle(store, environment, request).await
        }
        "/dns-query" => method_not_allowed("GET, HEAD, POST"),
        _ => Err(Problem::not_found("no resource has this path")),
    }
}

/// The path behind a resource's: empty, or with a slash at its start.
fn below<'a>(path: &'a str, resource: &str) -> Option<&'a str> {
    path.strip_prefix(resource).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn method_not_allowed<T>(allow: &'static str) -> Result<T, Problem> {
    Err(Problem::method_not_allowed(allow))
}

/// The media type of a compact JWS (RFC 7515, section 9.2.1).
const JOSE_MEDIA_TYPE: &str = "application/jose";

/// The signed object in a request's body, of at most `length_max` bytes.
fn signed(request: &Request<Vec<u8>>, length_max: usize) -> Result<&str, Problem> {
    reply::require_media_type(request.headers(), JOSE_MEDIA_TYPE)?;
    if request.body().len() > length_max {
        return Err(reply::too_large(length_max));
    }
    let signed = std::str::from_utf8(request.body());
    Ok(signed.map_err(|_| Problem::bad_request("the body is not a compact JWS"))?.trim_ascii())
}

async fn index<S: Kv>(store: &S, environment: &Environment<'_>) -> Result<Response<Vec<u8>>, Problem> {
    // The public keys are here so that anybody can verify a receipt.
    let keys = keyring::list(store, keys::ZONE_KEYRING).await?;
    let keys: Vec<_> = keys.into_iter().map(|key| key.jwk).collect();
    let settings = environment.settings;
    let body = json!({
        "issuer": settings.issuer,
        "zone": settings.zone,
        "resources": {
            "worlds": "/v1/worlds{?q,tag*,language*,region*,software*,protocol*,rating,accepting,near,within_km,sort,facets,limit,cursor}",
            "world": "/v1/worlds/{name}{?after,wait}",
            "challenge": "/v1/worlds/{name}/challenge{?operator}",
            "lease": "/v1/worlds/{name}/lease",
            "actions": "/v1/actions",
            "operator": "/v1/operators/{id}",
            "delegations": "/v1/delegations{?cursor}",
            "changes": "/v1/worlds/changes{?since,limit,wait}",
            "dns": "/dns-query{?dns}",
        },
        "receipt_keys": { "keys": keys },
    });
    Ok(reply::json(StatusCode::OK, &body))
}

async fn require_administrator<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Result<(), Problem> {
    match caller::authenticate(store, request.headers(), environment).await? {
        Caller::Administrator => Ok(()),
        Caller::Nobody => Err(Problem::unauthorised("this is for the administrator")),
        Caller::Traveller { .. } | Caller::Operator { .. } => {
            Err(Problem::forbidden("this is for the administrator"))
        }
    }
}
