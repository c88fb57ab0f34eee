//! `/v1/maintenance`: the scheduled work, for hosts that have no timer, and for an
//! administrator who wants it done now.

use super::{method_not_allowed, require_administrator};
use crate::lease::guard::Leases;
use crate::lease::sweep;
use crate::maintenance;
use http::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;

/// The longest body, in bytes.
const BODY_LENGTH_MAX: usize = 1024;

/// What is to be done besides what is due.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    /// Whether worlds are evicted whose lease has ended by now, whatever the guard says.
    #[serde(default)]
    evict: bool,
}

/// Answers a request to `/v1/maintenance`.
pub(super) async fn route<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Result<Response<Vec<u8>>, Problem> {
    match *request.method() {
        Method::GET | Method::HEAD => {
            require_administrator(store, environment, request).await?;
            let leases = Leases::read(store, environment).await?;
            Ok(reply::json(StatusCode::OK, &serde_json::json!({ "leases": leases })))
        }
        Method::POST => {
            require_administrator(store, environment, request).await?;
            let order: Order = if request.body().is_empty() {
                Order::default()
            } else {
                reply::read_json(request.headers(), request.body(), BODY_LENGTH_MAX)?
            };
            if order.evict {
                sweep::evict(store, environment).await?;
            }
            let report = maintenance::run(store, environment).await?;
            Ok(reply::json(StatusCode::OK, &report))
        }
        _ => method_not_allowed("GET, HEAD, POST"),
    }
}
