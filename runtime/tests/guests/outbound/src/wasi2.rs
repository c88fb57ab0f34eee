//! Requests by `wasi:http/outgoing-handler@0.2`.

use crate::{answer, failed};
use spin_sdk::http::{BoxBody, Response, StatusCode};
use wasip2::http::outgoing_handler;
use wasip2::http::types::{ErrorCode, Fields, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme};
use wasip2::io::streams::StreamError;

/// How much is written and read at a time, in bytes.
const CHUNK: usize = 4096;

pub fn forward(method: &str, header: impl Fn(&str) -> Option<String>, body: &[u8]) -> Response<BoxBody> {
    let Some(url) = header("x-url") else { return failed(&"x-url is missing") };
    let options = RequestOptions::new();
    let milliseconds = header("x-first-byte-ms").and_then(|value| value.parse::<u64>().ok());
    let _ = options.set_first_byte_timeout(milliseconds.map(|value| value * 1_000_000));
    match send(method, &url, body, options) {
        Ok((status, body)) => answer(StatusCode::from_u16(status).unwrap_or_default(), body),
        Err(error) => failed(&error),
    }
}

fn send(method: &str, url: &str, body: &[u8], options: RequestOptions) -> Result<(u16, Vec<u8>), ErrorCode> {
    let request = OutgoingRequest::new(Fields::new());
    let internal = |()| ErrorCode::InternalError(None);
    request.set_method(&Method::Other(method.to_owned())).map_err(internal)?;
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
            request.set_scheme(Some(&scheme)).map_err(internal)?;
            request.set_authority(Some(authority)).map_err(internal)?;
            request.set_path_with_query(Some(&format!("/{path}"))).map_err(internal)?;
        }
        None => request.set_path_with_query(Some(url)).map_err(internal)?,
    }
    let outgoing = request.body().map_err(internal)?;
    let answer = outgoing_handler::handle(request, Some(options))?;
    if let Ok(stream) = outgoing.write() {
        for part in body.chunks(CHUNK) {
            // A request that failed takes no more; the answer says why.
            if stream.blocking_write_and_flush(part).is_err() {
                break;
            }
        }
    }
    OutgoingBody::finish(outgoing, None)?;
    answer.subscribe().block();
    let Some(Ok(answer)) = answer.get() else { return Err(ErrorCode::InternalError(None)) };
    let answer = answer?;
    let incoming = answer.consume().map_err(internal)?;
    let stream = incoming.stream().map_err(internal)?;
    let mut read = Vec::new();
    loop {
        match stream.blocking_read(CHUNK as u64) {
            Ok(part) => read.extend(part),
            Err(StreamError::Closed) => return Ok((answer.status(), read)),
            Err(StreamError::LastOperationFailed(_)) => return Err(ErrorCode::HttpResponseIncomplete),
        }
    }
}
