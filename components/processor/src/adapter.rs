//! Who asks a processor on transactions' behalf.

use crate::{Fault, LENGTH_MAX, Reply, Request};
use http::{Method, Response, StatusCode};
use std::collections::BTreeMap;
use vwp_core::{Outbound, Problem, reply};

/// An adapter: what a request becomes at a processor. It keeps nothing.
pub trait Adapter {
    /// The variables that it reads.
    const OPTIONS: &'static [&'static str];

    /// Answers a request, with the values of the variables that the manifest gives. `now` is in seconds since the
    /// Unix epoch.
    fn answer(
        network: &impl Outbound,
        options: &BTreeMap<&'static str, String>,
        now: u64,
        request: &Request,
    ) -> impl Future<Output = Result<Reply, Fault>>;
}

/// Answers a request of the application's other components by HTTP. Nobody else reaches an adapter: its route is
/// private. `now` is in seconds since the Unix epoch.
pub async fn serve<A: Adapter>(
    network: &impl Outbound,
    options: &BTreeMap<&'static str, String>,
    now: u64,
    request: &http::Request<Vec<u8>>,
) -> Response<Vec<u8>> {
    let asked = match request.method() {
        &Method::POST => reply::read_json(request.headers(), request.body(), LENGTH_MAX),
        _ => Err(Problem::method_not_allowed("POST")),
    };
    match asked {
        Ok(asked) => reply::json(StatusCode::OK, &A::answer(network, options, now, &asked).await),
        Err(problem) => problem.into_response(),
    }
}
