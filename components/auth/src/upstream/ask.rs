//! Asking a provider. The host lets a component reach only what its manifest lists, follows no
//! redirect, and blocks the networks that its runtime configuration names.

use super::UpstreamError;
use http::{Request, Response, StatusCode, Uri, header};
use std::time::Duration;
use vwp_core::outbound::{Limits, Outbound};

/// What any answer of a provider may cost.
const LIMITS: Limits = Limits { body_bytes_max: 64 * 1024, time_max: Duration::from_secs(10) };

/// Gets a document. Anything but a 200 is a failure, a redirect among it.
pub(super) async fn document(
    outbound: &impl Outbound,
    what: &str,
    url: &str,
) -> Result<Vec<u8>, UpstreamError> {
    let request = Request::get(uri(what, url)?).header(header::ACCEPT, "application/json");
    let answer = send(outbound, what, request.body(Vec::new())).await?;
    if answer.status() == StatusCode::OK {
        return Ok(answer.into_body());
    }
    Err(failed(what, &format!("{url} answers {}", answer.status())))
}

/// Sends a request that was built.
pub(super) async fn send(
    outbound: &impl Outbound,
    what: &str,
    request: http::Result<Request<Vec<u8>>>,
) -> Result<Response<Vec<u8>>, UpstreamError> {
    let request = request.map_err(|error| failed(what, &error.to_string()))?;
    outbound.send(request, LIMITS).await.map_err(|error| failed(what, &error.to_string()))
}

/// Reads a URL that a request goes to.
pub(super) fn uri(what: &str, url: &str) -> Result<Uri, UpstreamError> {
    url.parse().map_err(|_| failed(what, "it names something that is no URL"))
}

/// Says in the log, for whoever runs the port, what a caller has no use for. Never what was sent, in
/// which there are secrets.
pub(super) fn failed(what: &str, why: &str) -> UpstreamError {
    eprintln!("provider {what}: {why}");
    UpstreamError::Failed
}
