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
    use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
    use spin_sdk::http::{BoxBody, Request, Response, box_body};
    use spin_sdk::http_service;
    use vwp_core::Problem;

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
        // The body is read here and not while the handler reads it: every handler reads all
        // of it before it does anything, and none should begin with one that breaks off.
        let body = if has_body { read(body).await } else { Ok(Bytes::new()) };
        let body = match body {
            Ok(body) => box_body(Full::new(body)),
            Err(refusal) => return whole(refusal),
        };
        let Ok(answer) = spin_sdk::http::next(Request::from_parts(parts, body)).await else {
            return whole(policy::internal());
        };
        if let Some(problem) = policy::mend(answer.status(), answer.headers()) {
            return whole(problem);
        }
        answer.map(box_body)
    }

    /// Reads a body to its end or to the bound.
    async fn read<B>(body: B) -> Result<Bytes, http::Response<Vec<u8>>>
    where
        B: BodyExt<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        match Limited::new(body, policy::BODY_LENGTH_MAX).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(policy::too_large()),
            Err(_) => Err(Problem::bad_request("the body broke off").into_response()),
        }
    }

    fn whole(response: http::Response<Vec<u8>>) -> Response<BoxBody> {
        response.map(|body| box_body(Full::new(Bytes::from(body))))
    }
}
