//! Small helpers that read HTTP requests and build answers.

use crate::Problem;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest body of a request that a port takes, in bytes. Handlers have tighter bounds of their own.
pub const BODY_LENGTH_MAX: usize = 4_194_304;

/// An answer with a JSON body.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response<Vec<u8>> {
    match serde_json::to_vec(body) {
        Ok(body) => with_type(status, "application/json", body),
        Err(_) => Problem::internal().into_response(),
    }
}

/// An answer with a body of a media type.
pub fn with_type(status: StatusCode, media_type: &'static str, body: Vec<u8>) -> Response<Vec<u8>> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Response<Vec<u8>> {
    let mut response = Response::new(Vec::new());
    *response.status_mut() = status;
    response
}

/// What is sent for what a resource answered: a refusal as its problem document, and to HEAD
/// what GET gets, without the content (RFC 9110, section 9.3.2).
pub fn finish(method: &Method, answer: Result<Response<Vec<u8>>, impl Into<Problem>>) -> Response<Vec<u8>> {
    let mut response = answer.unwrap_or_else(|refusal| refusal.into().into_response());
    if method == Method::HEAD {
        response.body_mut().clear();
    }
    response
}

/// Reads a JSON body of at most `length_max` bytes. The type decides whether
/// unknown members are refused; serde refuses duplicate ones.
pub fn read_json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: &[u8],
    length_max: usize,
) -> Result<T, Problem> {
    require_media_type(headers, "application/json")?;
    if body.len() > length_max {
        return Err(too_large(length_max));
    }
    serde_json::from_slice(body)
        .map_err(|error| Problem::bad_request(format!("the body is not the expected JSON: {error}")))
}

/// Reads the query of a request: no parameter is unknown, if the type says so, and none is there twice.
pub fn read_query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    serde_urlencoded::from_str(uri.query().unwrap_or_default())
        .map_err(|error| Problem::bad_request(format!("the query is not as expected: {error}")))
}

/// Requires a `Content-Type`, parameters aside (RFC 9110, section 8.3).
pub fn require_media_type(headers: &HeaderMap, expected: &str) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported-media-type",
        "The body has another type than this resource takes",
        format!("send Content-Type: {expected}"),
    ))
}

/// The body is longer than this resource takes.
pub fn too_large(length_max: usize) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body-too-large",
        "The body is too large",
        format!("at most {length_max} bytes"),
    )
}
