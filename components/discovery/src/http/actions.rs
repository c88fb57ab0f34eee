//! `/v1/actions` and `/v1/operators`: what operators do, and who they are.

use super::method_not_allowed;
use crate::actions::{self, ACTION_LENGTH_MAX};
use crate::operators;
use http::{Method, Request, Response, StatusCode};
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;

/// Answers a request to `/v1/actions`.
pub(super) async fn act<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Result<Response<Vec<u8>>, Problem> {
    if request.method() != Method::POST {
        return method_not_allowed("POST");
    }
    let signed = super::signed(request, ACTION_LENGTH_MAX)?;
    let done = actions::act(store, environment, signed).await?;
    Ok(reply::json(StatusCode::OK, &done))
}

/// Answers a request below `/v1/operators`; `rest` is the path behind that.
pub(super) async fn operators<S: Kv>(
    store: &S,
    request: &Request<Vec<u8>>,
    rest: &str,
) -> Result<Response<Vec<u8>>, Problem> {
    let id = rest.strip_prefix('/').filter(|id| !id.is_empty() && !id.contains('/'));
    let id = id.ok_or_else(|| Problem::not_found("no resource has this path"))?;
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return method_not_allowed("GET, HEAD");
    }
    let operator = operators::lookup(store, id).await?;
    let operator = operator.ok_or_else(|| Problem::not_found("no operator with this id is known here"))?;
    Ok(reply::json(StatusCode::OK, &operator))
}
