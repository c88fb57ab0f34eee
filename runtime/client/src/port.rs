//! A small HTTP client for one port. Every request has a time limit, every answer a
//! bound, and a refusal is the problem document that the port sent (RFC 9457).

use crate::output::plain;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use ureq::Agent;
use ureq::http::{HeaderMap, Method, Request, Response, StatusCode, header};
use vwp_core::problem::TYPE_PREFIX;

/// The longest answer that is read, in bytes.
pub const ANSWER_LENGTH_MAX: usize = 4 * 1024 * 1024;
/// How long a request may take from its beginning to the answer's end.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a request was not answered as asked.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// There was no answer, and nothing was changed: the request only reads, or it never
    /// left.
    #[error("no answer from {url}: {cause}")]
    NoAnswer {
        /// Where the request went.
        url: String,
        /// What went wrong.
        cause: ureq::Error,
    },
    /// There was no answer, so it is not known whether the request was carried out.
    #[error("no answer from {url}, which may have done what was asked: {cause}")]
    Unknown {
        /// Where the request went.
        url: String,
        /// What went wrong.
        cause: ureq::Error,
    },
    /// The port refused.
    #[error("{0}")]
    Refused(Refusal),
    /// The answer is not one of a port.
    #[error("{url} did not answer as a port does: {what}")]
    NotAPort {
        /// Where the request went.
        url: String,
        /// What was wrong with the answer.
        what: String,
    },
}

/// A problem document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The answer's status.
    pub status: StatusCode,
    /// The kind of problem: the last part of its `type`.
    pub slug: String,
    /// What this kind of problem is.
    pub title: String,
    /// What is wrong this time.
    pub detail: String,
    /// After how many seconds a retry makes sense, if the port said so.
    pub retry_after_s: Option<u64>,
}

impl Refusal {
    /// Whether the port would answer the same request later.
    pub fn is_busy(&self) -> bool {
        matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {} ({})", self.title, self.detail, self.slug)
    }
}

/// An answer that is not a refusal.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Where the next part of something long is (RFC 8288), if it is at the same port.
    pub fn next(&self) -> Option<String> {
        let link = self.headers.get(header::LINK)?.to_str().ok()?;
        let (target, parameters) = link.strip_prefix('<')?.split_once('>')?;
        let is_next = parameters.split(';').any(|parameter| parameter.trim() == "rel=\"next\"");
        // A path, and not the name of another host.
        let is_here = target.starts_with('/') && !target.starts_with("//");
        (is_next && is_here).then(|| target.to_owned())
    }
}

/// A name as one segment of a path (RFC 3986, section 2.3).
pub fn segment(name: &str) -> impl std::fmt::Display + '_ {
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(name, RESERVED)
}

/// A path with those parameters that are given.
pub(crate) fn with_query(path: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let given = parameters.iter().filter_map(|(name, value)| Some((*name, (*value)?)));
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// What a request carries.
#[derive(Debug, Clone, Copy)]
pub struct Body<'a> {
    /// Its media type.
    pub media_type: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// How the bytes are coded (RFC 9110, section 8.4), if they are.
    pub coding: Option<&'a str>,
}

impl<'a> Body<'a> {
    /// A compact JWS (RFC 7515, section 9.2.1).
    pub fn jose(compact: &'a str) -> Self {
        Self { media_type: "application/jose", bytes: compact.as_bytes(), coding: None }
    }

    /// A JSON document.
    pub fn json(document: &'a str) -> Self {
        Self { media_type: "application/json", bytes: document.as_bytes(), coding: None }
    }
}

/// A port, by its URL.
#[derive(Clone)]
pub struct Port {
    agent: Agent,
    url: String,
    token: Option<String>,
}

impl std::fmt::Debug for Port {
    /// Shows the URL alone, so that no log can hold the token.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Port").field(&self.url).finish()
    }
}

/// What a port says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Index {
    /// The port's public URL: whom statements to it are for.
    pub issuer: String,
    /// The DNS zone of its worlds.
    pub zone: String,
}

impl Port {
    /// A port at a URL.
    pub fn new(url: &str) -> Self {
        Self { agent: agent(), url: url.trim_end_matches('/').to_owned(), token: None }
    }

    /// The same port, told with every request who asks (RFC 6750, section 2.1).
    #[must_use]
    pub fn with_token(mut self, token: String) -> Self {
        self.token = Some(token);
        self
    }

    /// What the port says about itself.
    pub fn index(&self) -> Result<Index, PortError> {
        self.json(&Method::GET, "/", None)
    }

    /// Reads JSON.
    pub fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, PortError> {
        self.json(&Method::GET, path, None)
    }

    /// Sends a request and reads a JSON answer.
    pub fn json<T: serde::de::DeserializeOwned>(
        &self,
        method: &Method,
        path: &str,
        body: Option<Body<'_>>,
    ) -> Result<T, PortError> {
        let answer = self.send(method, path, body)?;
        let not_a_port =
            |error| PortError::NotAPort { url: format!("{}{path}", self.url), what: format!("{error}") };
        // What has no content (RFC 9110, section 15.3.5) says nothing.
        let body = if answer.body.is_empty() { b"null" } else { answer.body.as_slice() };
        serde_json::from_slice(body).map_err(not_a_port)
    }

    /// Sends a request.
    pub fn send(&self, method: &Method, path: &str, body: Option<Body<'_>>) -> Result<Answer, PortError> {
        let url = format!("{}{path}", self.url);
        let mut request = Request::builder().method(method).uri(&url);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(body) = body {
            request = request.header(header::CONTENT_TYPE, body.media_type);
            if let Some(coding) = body.coding {
                request = request.header(header::CONTENT_ENCODING, coding);
            }
        }
        let no_answer = |cause| {
            let url = url.clone();
            if method.is_safe() || never_left(&cause) {
                PortError::NoAnswer { url, cause }
            } else {
                PortError::Unknown { url, cause }
            }
        };
        let bytes = body.map_or(&[][..], |body| body.bytes);
        let request = request.body(bytes).map_err(|error| no_answer(error.into()))?;
        let (status, headers, body) =
            self.agent.run(request).and_then(|answer| read(answer, ANSWER_LENGTH_MAX)).map_err(no_answer)?;
        if status.is_success() {
            return Ok(Answer { status, headers, body });
        }
        match refusal(status, &headers, &body) {
            Some(refusal) => Err(PortError::Refused(refusal)),
            None => Err(PortError::NotAPort { url, what: format!("status {status}") }),
        }
    }
}

/// Whether a request failed before any of it was sent.
fn never_left(cause: &ureq::Error) -> bool {
    use ureq::{Error, Timeout};
    match cause {
        Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        Error::Timeout(timeout) => matches!(timeout, Timeout::Resolve | Timeout::Connect),
        Error::Http(_) | Error::BadUri(_) | Error::HostNotFound | Error::ConnectionFailed => true,
        _ => false,
    }
}

/// Reads what is at a URL.
pub fn fetch(url: &str, length_max: usize) -> Result<Vec<u8>, PortError> {
    let no_answer = |cause| PortError::NoAnswer { url: url.to_owned(), cause };
    let (status, headers, body) =
        agent().get(url).call().and_then(|answer| read(answer, length_max)).map_err(no_answer)?;
    if status.is_success() {
        return Ok(body);
    }
    let what = format!("status {status}");
    Err(refusal(status, &headers, &body)
        .map_or(PortError::NotAPort { url: url.to_owned(), what }, PortError::Refused))
}

fn agent() -> Agent {
    let config = Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .timeout_connect(Some(CONNECT_TIMEOUT))
        // Tokens and signatures are for the port that they were sent to and no other.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .user_agent(concat!("vwp/", env!("CARGO_PKG_VERSION")));
    config.build().new_agent()
}

fn read(
    mut answer: Response<ureq::Body>,
    length_max: usize,
) -> Result<(StatusCode, HeaderMap, Vec<u8>), ureq::Error> {
    let body = answer.body_mut().with_config().limit(length_max as u64).read_to_vec()?;
    let (head, _) = answer.into_parts();
    Ok((head.status, head.headers, body))
}

/// Reads a problem document, if the answer is one.
fn refusal(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<Refusal> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if !text(header::CONTENT_TYPE)?.starts_with("application/problem+json") {
        return None;
    }
    let document: Value = serde_json::from_slice(body).ok()?;
    let member = |name: &str| plain(document.get(name).and_then(Value::as_str).unwrap_or_default());
    let kind = member("type");
    Some(Refusal {
        status,
        slug: kind.strip_prefix(TYPE_PREFIX).unwrap_or(&kind).to_owned(),
        title: member("title"),
        detail: member("detail"),
        retry_after_s: text(header::RETRY_AFTER).and_then(|seconds| seconds.parse().ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// Answers one connection with fixed bytes, and gives out the URL.
    fn answering(answer: String) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(answer.as_bytes());
        });
        url
    }

    fn response(status: &str, media_type: &str, body: &str) -> String {
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\nretry-after: 7\r\nconnection: close\r\n\r\n{body}"
        )
    }

    #[test]
    fn a_refusal_is_shown_with_its_title_and_detail() {
        let body =
            r#"{"type":"urn:vwp:problem:name-taken","title":"The name is taken","detail":"by another"}"#;
        let url = answering(response("409 Conflict", "application/problem+json", body));
        let error = Port::new(&url).send(&Method::GET, "/v1/worlds/arena", None).unwrap_err();
        assert_eq!(error.to_string(), "The name is taken: by another (name-taken)");
        let PortError::Refused(refusal) = error else { panic!("{error}") };
        assert_eq!(refusal.status, StatusCode::CONFLICT);
        assert_eq!(refusal.retry_after_s, Some(7));
    }

    #[test]
    fn something_else_than_a_port_is_named_as_such() {
        let url = answering(response("502 Bad Gateway", "text/html", "<h1>oops</h1>"));
        let error = Port::new(&url).index().unwrap_err();
        assert!(matches!(error, PortError::NotAPort { .. }), "{error}");
        let url = answering(response("200 OK", "text/html", "<h1>hello</h1>"));
        assert!(matches!(Port::new(&url).index().unwrap_err(), PortError::NotAPort { .. }));
    }

    #[test]
    fn an_answer_above_the_bound_is_not_read_to_its_end() {
        let url = answering(response("200 OK", "application/json", &"x".repeat(5000)));
        assert!(matches!(fetch(&url, 1000), Err(PortError::NoAnswer { .. })));
    }

    #[test]
    fn a_token_does_not_follow_a_redirect() {
        let answer = "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let url = answering(answer.to_owned());
        let port = Port::new(&url).with_token("secret".into());
        assert!(!format!("{port:?}").contains("secret"));
        let error = port.send(&Method::GET, "/", None).unwrap_err();
        assert!(matches!(error, PortError::NotAPort { .. }), "{error}");
    }

    #[test]
    fn a_change_without_an_answer_is_said_to_be_unknown() {
        let url = answering(String::new());
        let error = Port::new(&url).send(&Method::POST, "/", Some(Body::json("{}"))).unwrap_err();
        assert!(matches!(error, PortError::Unknown { .. }), "{error}");
        assert_eq!(crate::exit::code(&error.into()), crate::exit::UNKNOWN);
        let url = answering(String::new());
        let error = Port::new(&url).send(&Method::GET, "/", None).unwrap_err();
        assert_eq!(crate::exit::code(&error.into()), crate::exit::TRY_AGAIN);
    }

    #[test]
    fn the_next_part_is_followed_only_at_the_same_port() {
        let cases = [
            ("</v1/zone/export?cursor=a>; rel=\"next\"", Some("/v1/zone/export?cursor=a")),
            ("</v1/zone>; rel=\"prev\"", None),
            ("<https://elsewhere.example/>; rel=\"next\"", None),
            ("<//elsewhere.example/>; rel=\"next\"", None),
            ("next", None),
        ];
        for (link, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::LINK, link.parse().unwrap());
            let answer = Answer { status: StatusCode::OK, headers, body: Vec::new() };
            assert_eq!(answer.next().as_deref(), expected, "{link}");
        }
    }

    #[test]
    fn a_name_is_one_segment_of_a_path() {
        assert_eq!(segment("arena-1.example").to_string(), "arena-1.example");
        assert_eq!(segment("a/../b?c").to_string(), "a%2F..%2Fb%3Fc");
    }

    #[test]
    fn only_parameters_that_are_given_are_sent() {
        assert_eq!(with_query("/a", &[("b", None)]), "/a");
        assert_eq!(with_query("/a", &[("b", None), ("c", Some("d e"))]), "/a?c=d+e");
    }

    #[test]
    fn each_kind_of_refusal_has_an_exit_status() {
        let cases = [
            ("404 Not Found", "not-found", crate::exit::NOT_FOUND),
            ("410 Gone", "world-withdrawn", crate::exit::NOT_FOUND),
            ("409 Conflict", "name-taken", crate::exit::FAILED),
            ("429 Too Many Requests", "busy", crate::exit::TRY_AGAIN),
            ("503 Service Unavailable", "unavailable", crate::exit::TRY_AGAIN),
            ("503 Service Unavailable", "outcome-unknown", crate::exit::UNKNOWN),
        ];
        for (status, slug, code) in cases {
            let body = format!(r#"{{"type":"urn:vwp:problem:{slug}"}}"#);
            let url = answering(response(status, "application/problem+json", &body));
            let error = Port::new(&url).index().unwrap_err();
            assert_eq!(crate::exit::code(&error.into()), code, "{status} {slug}");
        }
    }

    #[test]
    fn a_port_that_does_not_answer_is_said_to_be_out_of_reach() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let error = Port::new(&url).index().unwrap_err();
        assert!(error.to_string().starts_with(&format!("no answer from {url}")), "{error}");
    }
}
