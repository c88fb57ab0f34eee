//! `/v1/keys/zone` and `/v1/zone`: what the administrator does with the zone.

use super::{method_not_allowed, require_administrator};
use crate::keys;
use http::{Method, Request, Response, StatusCode};
use serde_json::json;
use vwp_core::{Environment, Problem, keyring, reply};
use vwp_storage::Kv;

/// Answers a request to `/v1/keys/zone` or below it; `rest` is the path behind that.
pub(super) async fn receipt_keys<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    rest: &str,
) -> Result<Response<Vec<u8>>, Problem> {
    let is_get = matches!(*request.method(), Method::GET | Method::HEAD);
    match rest {
        "" if is_get => list_keys(store, environment, request).await,
        "" => method_not_allowed("GET, HEAD"),
        "/rotate" if request.method() == Method::POST => rotate_keys(store, environment, request).await,
        "/rotate" => method_not_allowed("POST"),
        _ => Err(Problem::not_found("no resource has this path")),
    }
}

async fn list_keys<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Result<Response<Vec<u8>>, Problem> {
    require_administrator(store, environment, request).await?;
    let keys = keyring::list(store, keys::ZONE_KEYRING).await?;
    Ok(reply::json(StatusCode::OK, &json!({ "keys": keys })))
}

async fn rotate_keys<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Result<Response<Vec<u8>>, Problem> {
    require_administrator(store, environment, request).await?;
    let key = keyring::rotate(store, keys::ZONE_KEYRING, environment, |_| Vec::new()).await?;
    Ok(reply::json(StatusCode::CREATED, &key))
}
