//! Requests of the application's other components. Nobody else reaches this one: its route is private.

use crate::{Settings, answer};
use ::http::{Method, Request, Response, StatusCode};
use vwp_core::{Outbound, Problem, reply};
use vwp_processor::LENGTH_MAX;

/// Answers a request. `now` is in milliseconds since the Unix epoch.
pub async fn handle(
    network: &impl Outbound,
    settings: &Settings,
    now: u64,
    request: &Request<Vec<u8>>,
) -> Response<Vec<u8>> {
    let asked = match request.method() {
        &Method::POST => reply::read_json(request.headers(), request.body(), LENGTH_MAX),
        _ => Err(Problem::method_not_allowed("POST")),
    };
    match asked {
        Ok(asked) => reply::json(StatusCode::OK, &answer(network, settings, now / 1000, &asked).await),
        Err(problem) => problem.into_response(),
    }
}
