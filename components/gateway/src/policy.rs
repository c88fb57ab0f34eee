//! What the gateway decides, without HTTP plumbing.

use crate::{trace, version};
use http::{Response, StatusCode, header};
use vwp_core::Problem;
use vwp_core::reply::{self, BODY_LENGTH_MAX};
use vwp_middleware::fields::{Fields, set, text, value, vary};

/// The longest request id that is taken from a caller.
pub const REQUEST_ID_LENGTH_MAX: usize = 64;
/// The header that carries the request id in both directions.
pub const REQUEST_ID: &str = "x-request-id";

/// The headers that belong to one connection and must not be forwarded (RFC 9110,
/// section 7.6.1), and `Host`, which WASI carries as the authority.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// What every answer carries. Tokens are sent by scripts and never by the browser itself,
/// so any origin may ask.
const ALWAYS: [(&str, &str); 4] = [
    ("access-control-allow-origin", "*"),
    ("access-control-expose-headers", EXPOSED),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
];
/// What scripts of other origins may read beside the fields that the Fetch standard lets them.
const EXPOSED: &str = "x-request-id, vwp-version, retry-after, location, dpop-nonce, www-authenticate, \
     ratelimit, ratelimit-policy";
const CONTENT_POLICY: &str = "content-security-policy";
const CORS_METHODS: &str = "GET, POST, PUT, DELETE";
const CORS_HEADERS: &str =
    "authorization, content-type, dpop, idempotency-key, traceparent, tracestate, vwp-version, x-request-id";

/// What every answer to one request says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// What it is called in logs.
    pub request_id: String,
    /// The version of the API that it is answered in.
    pub version: &'static str,
}

/// Whether a request goes on to the handler.
pub enum Admission {
    /// It does, with this content, and is answered in this version of the API.
    Pass(Content, &'static str),
    /// It does not; this is the answer.
    Answer(Response<Vec<u8>>),
}

/// What is done with the content of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Nothing: content in GET and HEAD has no meaning, and no handler reads it (RFC 9110,
    /// section 9.3).
    Ignored,
    /// It goes on as it is: its declared length is within the bound, and a message has
    /// no more content than it declares (RFC 9112, section 6.3).
    Declared,
    /// It is counted on its way.
    Counted,
}

/// Decides on a request by its method and headers alone.
pub fn admit(method: &str, headers: &Fields) -> Admission {
    // A preflight is an OPTIONS that says which method it asks for (Fetch, section 3.3.2).
    if method == "OPTIONS" && value(headers, "access-control-request-method").is_some() {
        return Admission::Answer(preflight());
    }
    let version = match version::choose(headers) {
        Ok(version) => version,
        Err(problem) => return Admission::Answer(problem.into_response()),
    };
    let declared: Option<u64> = text(headers, "content-length").and_then(|length| length.parse().ok());
    let content = match declared {
        Some(length) if length > BODY_LENGTH_MAX as u64 => return Admission::Answer(too_large()),
        _ if matches!(method, "GET" | "HEAD") => Content::Ignored,
        Some(_) => Content::Declared,
        None => Content::Counted,
    };
    Admission::Pass(content, version)
}

/// The caller's request id if it is well-formed, else one made from random bytes.
pub fn request_id(headers: &Fields, random: impl FnOnce() -> [u8; 16]) -> String {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let given = text(headers, REQUEST_ID).unwrap_or_default();
    if (1..=REQUEST_ID_LENGTH_MAX).contains(&given.len()) && given.bytes().all(is_allowed) {
        return given.to_owned();
    }
    format!("{:032x}", u128::from_be_bytes(random()))
}

/// Makes a request's headers fit to be forwarded; whether that changed anything. Hosts
/// take away what belongs to the connection, so that mostly it did not. An id that was made
/// here is for the answer: it is worth no new request.
pub fn forward(headers: &mut Fields, request_id: &str) -> bool {
    let length = headers.len();
    headers.retain(|(name, value)| {
        let is_hop = HOP_BY_HOP.iter().any(|hop| name.eq_ignore_ascii_case(hop));
        let is_other_id = name.eq_ignore_ascii_case(REQUEST_ID) && value != request_id.as_bytes();
        !is_hop && !is_other_id
    });
    let is_changed = trace::clean(headers) || headers.len() < length;
    if is_changed {
        set(headers, REQUEST_ID, request_id);
    }
    is_changed
}

/// The problem document that an answer without one should have been, if any.
pub fn mend(status: u16, headers: &Fields) -> Option<Response<Vec<u8>>> {
    if status < 400 {
        return None;
    }
    let media_type = value(headers, "content-type").unwrap_or_default();
    if media_type.starts_with(b"application/problem+json") {
        return None;
    }
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
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
    let allow = value(headers, "allow").and_then(|allow| header::HeaderValue::from_bytes(allow).ok());
    if let Some(allow) = allow {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    Some(response)
}

/// Adds what every answer carries.
pub fn finish(headers: &mut Fields, named: &Named) {
    set(headers, REQUEST_ID, &named.request_id);
    set(headers, version::FIELD, named.version);
    vary(headers, version::FIELD);
    for (name, value) in ALWAYS {
        set(headers, name, value);
    }
    // Nothing here is a page; a browser that renders an answer must load nothing.
    if value(headers, CONTENT_POLICY).is_none() {
        set(headers, CONTENT_POLICY, "default-src 'none'; frame-ancestors 'none'");
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
    let text = header::HeaderValue::from_static;
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, text(CORS_METHODS));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, text(CORS_HEADERS));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, text("86400"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use vwp_middleware::fields::{from_pairs as headers, of_answer};

    fn content(method: &str, pairs: &[(&str, &str)]) -> Option<Content> {
        match admit(method, &headers(pairs)) {
            Admission::Pass(content, _) => Some(content),
            Admission::Answer(_) => None,
        }
    }

    #[test]
    fn a_declared_length_above_the_bound_is_refused_before_the_body_is_read() {
        let bound = BODY_LENGTH_MAX.to_string();
        assert_eq!(content("POST", &[("content-length", &bound)]), Some(Content::Declared));
        let above = (BODY_LENGTH_MAX + 1).to_string();
        let Admission::Answer(response) = admit("POST", &headers(&[("Content-Length", &above)])) else {
            panic!("a body above the bound was let through");
        };
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[test]
    fn content_without_a_length_that_can_be_believed_is_counted() {
        assert_eq!(content("POST", &[]), Some(Content::Counted));
        assert_eq!(content("POST", &[("content-length", "-1")]), Some(Content::Counted));
        assert_eq!(content("POST", &[("content-length", "12, 12")]), Some(Content::Counted));
        assert_eq!(content("GET", &[]), Some(Content::Ignored));
        assert_eq!(content("HEAD", &[("content-length", "3")]), Some(Content::Ignored));
    }

    #[test]
    fn a_preflight_is_answered_and_a_plain_options_goes_on() {
        let asked = headers(&[("access-control-request-method", "POST")]);
        let Admission::Answer(response) = admit("OPTIONS", &asked) else {
            panic!("the preflight went on");
        };
        assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_METHODS], CORS_METHODS);
        assert!(content("OPTIONS", &[]).is_some());
    }

    #[test]
    fn a_callers_request_id_is_kept_only_if_it_is_harmless() {
        assert_eq!(request_id(&headers(&[("x-request-id", "a-1_2.B")]), || [0; 16]), "a-1_2.B");
        let long = "a".repeat(REQUEST_ID_LENGTH_MAX + 1);
        for refused in ["", "a b", "<script>", long.as_str()] {
            let made = request_id(&headers(&[("x-request-id", refused)]), || [0xab; 16]);
            assert_eq!(made, "ab".repeat(16), "for {refused:?}");
        }
    }

    #[test]
    fn connection_headers_stay_behind() {
        let mut map =
            headers(&[("Connection", "close"), ("host", "x"), ("keep-alive", "1"), ("accept", "*/*")]);
        assert!(forward(&mut map, "id"));
        assert_eq!(map, headers(&[("accept", "*/*"), ("x-request-id", "id")]));
    }

    #[test]
    fn a_handler_sees_no_request_id_that_was_refused() {
        let mut map = headers(&[("x-request-id", "<script>"), ("accept", "*/*")]);
        assert!(forward(&mut map, "id"));
        assert_eq!(map, headers(&[("accept", "*/*"), ("x-request-id", "id")]));
    }

    #[test]
    fn a_trace_that_nobody_can_follow_goes_no_further() {
        let mut map = headers(&[("traceparent", "00-0-0-00"), ("accept", "*/*")]);
        assert!(forward(&mut map, "id"));
        assert_eq!(map, headers(&[("accept", "*/*"), ("x-request-id", "id")]));
    }

    #[test]
    fn a_request_for_another_version_is_refused_and_a_preflight_is_not() {
        let asked = [("vwp-version", "2")];
        assert_eq!(content("GET", &asked), None);
        assert_eq!(content("GET", &[("vwp-version", "2, 1")]), Some(Content::Ignored));
    }

    #[test]
    fn a_request_that_is_fit_goes_on_as_it_is() {
        let mut map = headers(&[("x-request-id", "id"), ("accept", "*/*")]);
        assert!(!forward(&mut map, "id"));
        assert!(!forward(&mut headers(&[("accept", "*/*")]), "id"));
    }

    #[test]
    fn a_bare_refusal_becomes_a_problem_and_keeps_its_allow_header() {
        let mended = mend(405, &headers(&[("allow", "GET")])).expect("mended");
        assert_eq!(mended.headers()[header::ALLOW], "GET");
        assert_eq!(mended.headers()[header::CONTENT_TYPE], "application/problem+json");
        let problem = headers(&[("content-type", "application/problem+json")]);
        assert!(mend(404, &problem).is_none());
        assert!(mend(200, &Fields::new()).is_none());
    }

    #[test]
    fn an_answer_carries_each_header_once_and_keeps_its_own_content_policy() {
        let mut answer = headers(&[("referrer-policy", "origin"), ("content-security-policy", "sandbox")]);
        finish(&mut answer, &Named { request_id: "id".to_owned(), version: "1" });
        let all = |name: &str| {
            let named = answer.iter().filter(|(given, _)| given == name);
            named.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(all("referrer-policy"), ["no-referrer"]);
        assert_eq!(all("content-security-policy"), ["sandbox"]);
        assert_eq!(all("x-request-id"), ["id"]);
        assert_eq!(all("vwp-version"), ["1"]);
        // A cache must not give it to who wants another version.
        assert_eq!(all("vary"), ["vwp-version"]);
    }

    #[test]
    fn an_answer_made_here_says_its_length() {
        let answer = too_large();
        let fields = of_answer(answer.headers(), answer.body().len());
        assert_eq!(text(&fields, "content-length"), Some(answer.body().len().to_string().as_str()));
    }
}
