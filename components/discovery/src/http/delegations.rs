//! `/v1/delegations`: subtrees of the zone that other ports serve.

use super::{method_not_allowed, require_administrator};
use crate::delegation::{self, Delegated, Delegation};
use crate::place;
use http::{Method, Request, Response, StatusCode};
use vwp_core::name::WorldName;
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;

/// The longest body, in bytes.
const BODY_LENGTH_MAX: usize = 16_384;

/// Answers a request to `/v1/delegations` or below it; `rest` is the path behind that.
pub(super) async fn route<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    rest: &str,
) -> Result<Response<Vec<u8>>, Problem> {
    let is_get = matches!(*request.method(), Method::GET | Method::HEAD);
    let Some(label) = rest.strip_prefix('/') else {
        return if is_get {
            list(store, environment, request).await
        } else {
            method_not_allowed("GET, HEAD")
        };
    };
    let label = label_of(label, environment)?;
    match *request.method() {
        _ if is_get => show(store, &label).await,
        Method::PUT => put(store, environment, request, &label).await,
        Method::DELETE => delete(store, environment, request, &label).await,
        _ => method_not_allowed("GET, HEAD, PUT, DELETE"),
    }
}

fn label_of(text: &str, environment: &Environment<'_>) -> Result<WorldName, Problem> {
    let label = place::world(text, environment.settings)?;
    if label.is_domain() {
        return Err(Problem::bad_request("a delegation is of one label in the port's zone"));
    }
    Ok(label)
}

async fn list<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Result<Response<Vec<u8>>, Problem> {
    let mut cursor = None;
    for (key, value) in form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()) {
        match &*key {
            "cursor" if cursor.is_none() => cursor = Some(label_of(&value, environment)?.to_string()),
            _ => return Err(Problem::bad_request("the parameter is cursor, once")),
        }
    }
    let page = delegation::list(store, delegation::LIMIT_MAX, cursor.as_deref()).await?;
    Ok(reply::json(StatusCode::OK, &page))
}

async fn show<S: Kv>(store: &S, label: &WorldName) -> Result<Response<Vec<u8>>, Problem> {
    let delegation = delegation::lookup(store, label).await?.ok_or_else(|| not_delegated(label))?;
    Ok(reply::json(StatusCode::OK, &Delegated { label: label.to_string(), delegation }))
}

async fn put<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    label: &WorldName,
) -> Result<Response<Vec<u8>>, Problem> {
    require_administrator(store, environment, request).await?;
    let delegation: Delegation = reply::read_json(request.headers(), request.body(), BODY_LENGTH_MAX)?;
    let (is_new, _) = delegation::delegate(store, environment, label, &delegation).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(reply::json(status, &Delegated { label: label.to_string(), delegation }))
}

async fn delete<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    label: &WorldName,
) -> Result<Response<Vec<u8>>, Problem> {
    require_administrator(store, environment, request).await?;
    delegation::revoke(store, environment, label).await?.ok_or_else(|| not_delegated(label))?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

fn not_delegated(label: &WorldName) -> Problem {
    Problem::not_found(format!("{label} is not delegated"))
}
