//! The guest that reaches out. `/wasi3` and `/wasi2` send the request on to the URL in the
//! header `x-url`, by the interface of that version; other paths say what the guest sees.

mod wasi2;
mod wasi3;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use spin_sdk::http::{BoxBody, Request, Response, StatusCode, box_body};
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> Response<BoxBody> {
    let path = request.uri().path().to_owned();
    let path = path.strip_prefix("/inline").unwrap_or(&path);
    match path.split_once('/').map_or("", |(_, path)| path).split_once('/').unwrap_or((&path[1..], "")) {
        ("wasi3", _) => wasi3::forward(request).await,
        ("wasi2", _) => {
            let (head, body) = request.into_parts();
            match body.collect().await {
                Ok(body) => {
                    let header = |name: &str| Some(head.headers.get(name)?.to_str().ok()?.to_owned());
                    wasi2::forward(head.method.as_str(), header, &body.to_bytes())
                }
                Err(error) => failed(&error),
            }
        }
        ("loop", _) => wasi3::call_itself().await,
        ("host", _) => text(request.uri().authority().map_or(String::new(), ToString::to_string)),
        ("environment", _) => {
            let variables: Vec<String> =
                std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
            text(variables.join(","))
        }
        ("read", file) => outcome(std::fs::read_to_string(format!("/{file}"))),
        ("write", file) => outcome(std::fs::write(format!("/{file}"), "x").map(|()| "written".to_owned())),
        ("remove", file) => outcome(std::fs::remove_file(format!("/{file}")).map(|()| "removed".to_owned())),
        _ => answer(StatusCode::NOT_FOUND, "no such route"),
    }
}

fn outcome(result: std::io::Result<String>) -> Response<BoxBody> {
    text(result.unwrap_or_else(|error| format!("error {:?}", error.kind())))
}

fn text(text: impl Into<Bytes>) -> Response<BoxBody> {
    answer(StatusCode::OK, text)
}

/// What is answered when a request that was sent on fails: the error's name.
fn failed(error: &impl std::fmt::Debug) -> Response<BoxBody> {
    answer(StatusCode::BAD_GATEWAY, format!("{error:?}"))
}

fn answer(status: StatusCode, text: impl Into<Bytes>) -> Response<BoxBody> {
    let mut answer = Response::new(box_body(Full::new(text.into())));
    *answer.status_mut() = status;
    answer
}
