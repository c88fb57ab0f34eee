//! Requests by `wasi:http/client@0.3.0`, with bodies passed on as the streams that they are.

use crate::failed;
use spin_sdk::http::{BoxBody, EmptyBody, Request, Response, box_body, send};
use spin_sdk::wasip3::http::types::RequestOptions;
use spin_sdk::wasip3::http_compat::RequestOptionsExtension;

pub async fn forward(request: Request) -> Response<BoxBody> {
    let (head, body) = request.into_parts();
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let Some(url) = header("x-url") else { return failed(&"x-url is missing") };
    let options = RequestOptions::new();
    let nanoseconds = |name| Some(header(name)?.parse::<u64>().ok()? * 1_000_000);
    // Setting them cannot fail on options that are new.
    let _ = options.set_connect_timeout(nanoseconds("x-connect-ms"));
    let _ = options.set_first_byte_timeout(nanoseconds("x-first-byte-ms"));
    let _ = options.set_between_bytes_timeout(nanoseconds("x-between-bytes-ms"));
    let request = spin_sdk::http::Request::builder()
        .method(head.method.clone())
        .uri(url)
        .extension(RequestOptionsExtension(options));
    let request = match request.body(box_body(body)) {
        Ok(request) => request,
        Err(error) => return failed(&error),
    };
    pass(send(request).await)
}

/// Calls the component that this is, as another one.
pub async fn call_itself() -> Response<BoxBody> {
    let request = spin_sdk::http::Request::get("http://guest.spin.internal/loop").body(EmptyBody::new());
    match request {
        Ok(request) => pass(send(request).await),
        Err(error) => failed(&error),
    }
}

fn pass<E: std::fmt::Debug>(answer: Result<spin_sdk::http::Response, E>) -> Response<BoxBody> {
    match answer {
        Ok(answer) => {
            let (head, body) = answer.into_parts();
            let mut passed = Response::new(box_body(body));
            *passed.status_mut() = head.status;
            passed
        }
        Err(error) => failed(&error),
    }
}
