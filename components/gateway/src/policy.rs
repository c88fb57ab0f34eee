//! What the gateway decides, without HTTP plumbing.

use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Response, StatusCode};
use vwp_core::{Problem, reply};

/// The longest request body that is let through, in bytes.
pub const BODY_LENGTH_MAX: usize = 1_048_576;
/// The longest request id that is taken from a caller.
pub const REQUEST_ID_LENGTH_MAX: usize = 64;
/// The header that carries the request id in both directions.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The headers that belong to one connection and must not be forwarded (RFC 9110,
/// section 7.6.1), and `Host`, which WASI carries as the authority.
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    header::HOST,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

const CORS_METHODS: &str = "GET, POST, DELETE";
const CORS_HEADERS: &str = "authorization, content-type, idempotency-key, x-request-id";
const CORS_EXPOSED: &str = "x-request-id, retry-after, location";

/// Whether a request goes on to the handler.
pub enum Admission {
    /// It does.
    Pass,
    /// It does not; this is the answer.
    Answer(Response<Vec<u8>>),
}

/// Decides on a request by its method and headers alone.
pub fn admit(method: &Method, headers: &HeaderMap) -> Admission {
    // A preflight is an OPTIONS that says which method it asks for (Fetch, section 3.3.2).
    if method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        return Admission::Answer(preflight());
    }
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: u64| length > BODY_LENGTH_MAX as u64) {
        return Admission::Answer(too_large());
    }
    Admission::Pass
}

/// The caller's request id if it is well-formed, else one made from `seed`.
pub fn request_id(headers: &HeaderMap, seed: [u8; 16]) -> String {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if (1..=REQUEST_ID_LENGTH_MAX).contains(&given.len()) && given.bytes().all(is_allowed) {
        return given.to_owned();
    }
    format!("{:032x}", u128::from_be_bytes(seed))
}

/// Whether a request with this method has a body worth reading (RFC 9110, section
/// 9.3: content in GET and HEAD has no meaning).
pub fn may_have_body(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}

/// Makes a request's headers fit to be forwarded.
pub fn forward(headers: &mut HeaderMap, request_id: &str) {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    headers.remove("proxy-connection");
    headers.remove("http2-settings");
    set(headers, REQUEST_ID, request_id);
}

/// The problem document that an answer without one should have been, if any.
pub fn mend(status: StatusCode, headers: &HeaderMap) -> Option<Response<Vec<u8>>> {
    let is_problem = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/problem+json"));
    if is_problem {
        return None;
    }
    let problem = match status {
        StatusCode::NOT_FOUND => Problem::not_found("no resource has this path"),
        StatusCode::METHOD_NOT_ALLOWED => Problem::new(
            status,
            "method-not-allowed",
            "The resource does not take this method",
            "see the Allow header",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => return Some(too_large()),
        _ if status.is_server_error() => Problem::internal(),
        _ => return None,
    };
    let mut response = problem.into_response();
    if let Some(allow) = headers.get(header::ALLOW) {
        response.headers_mut().insert(header::ALLOW, allow.clone());
    }
    Some(response)
}

/// Adds what every answer carries.
pub fn finish(headers: &mut HeaderMap, request_id: &str) {
    set(headers, REQUEST_ID, request_id);
    // Tokens are sent by scripts and never by the browser itself, so any origin may ask.
    set(headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    set(headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, CORS_EXPOSED);
    set(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(headers, header::REFERRER_POLICY, "no-referrer");
    // Nothing here is a page; a browser that renders an answer must load nothing.
    let policy = "default-src 'none'; frame-ancestors 'none'";
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        set(headers, header::CONTENT_SECURITY_POLICY, policy);
    }
}

/// The answer to a body that is too large.
pub fn too_large() -> Response<Vec<u8>> {
    reply::too_large(BODY_LENGTH_MAX).into_response()
}

/// The answer when the handler failed without one.
pub fn internal() -> Response<Vec<u8>> {
    Problem::internal().into_response()
}

fn preflight() -> Response<Vec<u8>> {
    let mut response = reply::empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    set(headers, header::ACCESS_CONTROL_ALLOW_METHODS, CORS_METHODS);
    set(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, CORS_HEADERS);
    set(headers, header::ACCESS_CONTROL_MAX_AGE, "86400");
    response
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header value"))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn a_declared_length_above_the_bound_is_refused_before_the_body_is_read() {
        let bound = BODY_LENGTH_MAX.to_string();
        assert!(matches!(admit(&Method::POST, &headers(&[("content-length", &bound)])), Admission::Pass));
        let above = (BODY_LENGTH_MAX + 1).to_string();
        let Admission::Answer(response) = admit(&Method::POST, &headers(&[("content-length", &above)]))
        else {
            panic!("a body above the bound was let through");
        };
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[test]
    fn a_preflight_is_answered_and_a_plain_options_goes_on() {
        let asked = headers(&[("access-control-request-method", "POST")]);
        let Admission::Answer(response) = admit(&Method::OPTIONS, &asked) else {
            panic!("the preflight went on");
        };
        assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_METHODS], CORS_METHODS);
        assert!(matches!(admit(&Method::OPTIONS, &HeaderMap::new()), Admission::Pass));
    }

    #[test]
    fn a_callers_request_id_is_kept_only_if_it_is_harmless() {
        assert_eq!(request_id(&headers(&[("x-request-id", "a-1_2.B")]), [0; 16]), "a-1_2.B");
        let long = "a".repeat(REQUEST_ID_LENGTH_MAX + 1);
        for refused in ["", "a b", "<script>", long.as_str()] {
            let made = request_id(&headers(&[("x-request-id", refused)]), [0xab; 16]);
            assert_eq!(made, "ab".repeat(16), "for {refused:?}");
        }
    }

    #[test]
    fn connection_headers_stay_behind() {
        let mut map =
            headers(&[("connection", "close"), ("host", "x"), ("keep-alive", "1"), ("accept", "*/*")]);
        forward(&mut map, "id");
        assert_eq!(map, headers(&[("accept", "*/*"), ("x-request-id", "id")]));
    }

    #[test]
    fn a_bare_refusal_becomes_a_problem_and_keeps_its_allow_header() {
        let mended = mend(StatusCode::METHOD_NOT_ALLOWED, &headers(&[("allow", "GET")])).expect("mended");
        assert_eq!(mended.headers()[header::ALLOW], "GET");
        assert_eq!(mended.headers()[header::CONTENT_TYPE], "application/problem+json");
        let problem = headers(&[("content-type", "application/problem+json")]);
        assert!(mend(StatusCode::NOT_FOUND, &problem).is_none());
        assert!(mend(StatusCode::OK, &HeaderMap::new()).is_none());
    }
}
