//! Requests to the adapters of the application.

use crate::{Fault, Processor, Reply, Request, is_name};
use http::{StatusCode, header};
use std::time::Duration;
use vwp_core::Outbound;
use vwp_core::outbound::Limits;

/// The type of what goes to an adapter and comes back.
pub const CONTENT_TYPE: &str = "application/json";
/// The longest request or answer, in bytes: a webhook or a page of events.
pub const LENGTH_MAX: usize = 1_048_576;
/// How long an answer may take; less than a request to transactions may. What takes longer has an outcome that
/// nobody knows.
const TIME_MAX: Duration = Duration::from_secs(8);

/// The adapters that are components of this application.
#[derive(Debug, Clone, Copy)]
pub struct Adapters<N>(pub N);

impl<N: Outbound> Processor for Adapters<N> {
    async fn ask(&self, name: &str, request: &Request) -> Result<Reply, Fault> {
        if !is_name(name) {
            return Err(Fault::Unknown(format!("{name} is no name of an adapter")));
        }
        let body = serde_json::to_vec(request).map_err(|error| Fault::Unknown(error.to_string()))?;
        let request = http::Request::post(format!("http://{name}.spin.internal/"))
            .header(header::CONTENT_TYPE, CONTENT_TYPE)
            .body(body)
            .map_err(|error| Fault::Unknown(error.to_string()))?;
        let limits = Limits { body_bytes_max: LENGTH_MAX, time_max: TIME_MAX };
        let answer = self.0.send(request, limits).await.map_err(|error| Fault::Unknown(error.to_string()))?;
        if answer.status() != StatusCode::OK {
            return Err(Fault::Unknown(format!("the adapter answered {}", answer.status())));
        }
        let answer: Result<Reply, Fault> = serde_json::from_slice(answer.body())
            .map_err(|error| Fault::Unknown(format!("the adapter's answer is not one: {error}")))?;
        answer
    }
}
