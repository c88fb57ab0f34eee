//! HTTP middleware in front of every handler: request ids, a bound on bodies, CORS,
//! security headers, and problem documents for refusals that have none.
//!
//! What it decides is in [`policy`], natively tested; this file connects it to
//! `wasi:http/handler`. It imports nothing but HTTP and randomness.

pub mod policy;

#[cfg(target_family = "wasm")]
mod component {
    #![allow(unsafe_code, reason = "the export macro generates it")]

    use crate::policy::{self, Admission};
    use bytes::Bytes;
    use http_body_util::{BodyExt, Empty, Full, Limited};
    use spin_sdk::http::{BoxBody, Request, Response, box_body};
    use spin_sdk::http_service;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[http_service]
    async fn handle(request: Request) -> Response<BoxBody> {
        let mut seed = [0; 16];
        // WASI's random never fails; an id of zeroes would still be a valid id.
        let _ = getrandom::fill(&mut seed);
        let request_id = policy::request_id(request.headers(), seed);
        let mut response = match policy::admit(request.method(), request.headers()) {
            Admission::Answer(response) => whole(response),
            Admission::Pass => pass(request, &request_id).await,
        };
        policy::finish(response.headers_mut(), &request_id);
        response
    }

    /// Sends the request to the handler and mends an answer that is no problem document.
    async fn pass(request: Request, request_id: &str) -> Response<BoxBody> {
        let has_body = policy::may_have_body(request.method());
        let (mut parts, body) = request.into_parts();
        policy::forward(&mut parts.headers, request_id);
        let overrun = Arc::new(AtomicBool::new(false));
        let body = if has_body {
            let overrun = overrun.clone();
            box_body(Limited::new(body, policy::BODY_LENGTH_MAX).map_err(move |error| {
                overrun.store(error.is::<http_body_util::LengthLimitError>(), Ordering::Relaxed);
                anyhow(error)
            }))
        } else {
            box_body(Empty::<Bytes>::new())
        };
        let answer = spin_sdk::http::next(Request::from_parts(parts, body)).await;
        if overrun.load(Ordering::Relaxed) {
            return whole(policy::too_large());
        }
        let Ok(answer) = answer else {
            return whole(policy::internal());
        };
        if let Some(problem) = policy::mend(answer.status(), answer.headers()) {
            return whole(problem);
        }
        answer.map(box_body)
    }

    fn anyhow(error: Box<dyn std::error::Error + Send + Sync>) -> std::io::Error {
        std::io::Error::other(error.to_string())
    }

    fn whole(response: http::Response<Vec<u8>>) -> Response<BoxBody> {
        response.map(|body| box_body(Full::new(Bytes::from(body))))
    }
}
