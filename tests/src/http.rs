//! Requests as the suites need them: no redirect is followed, no status is an error, and
//! nothing is added but what a test asks for.

use crate::secrets;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use ureq::http::{HeaderMap, Request};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, SendBody};

/// The longest answer that is read, in bytes.
const ANSWER_LENGTH_MAX: u64 = 16 * 1024 * 1024;

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A client. Connections are kept, as clients do.
#[derive(Debug, Clone)]
pub struct Http {
    agent: Agent,
    url: String,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

/// A request that is being put together.
#[derive(Debug, Clone)]
pub struct Call {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    chunked: bool,
}

impl Call {
    /// A request without a body.
    pub fn new(method: &str, path: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            path: path.into(),
            headers: Vec::new(),
            body: Vec::new(),
            chunked: false,
        }
    }

    /// A GET.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    /// A POST with a JSON body.
    pub fn json(path: impl Into<String>, body: &Value) -> Self {
        Self::new("POST", path).body("application/json", body.to_string())
    }

    /// A POST with a signed body.
    pub fn jose(path: impl Into<String>, compact: impl Into<String>) -> Self {
        Self::new("POST", path).body("application/jose", compact.into())
    }

    /// The same with a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same with a body of a media type.
    #[must_use]
    pub fn body(mut self, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("content-type", media_type)
    }

    /// The same, with the body's length not declared.
    #[must_use]
    pub fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    /// The same from somebody with a token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// The same from somebody with a token, or from nobody.
    #[must_use]
    pub fn maybe_bearer(self, token: Option<&str>) -> Self {
        match token {
            Some(token) => self.bearer(token),
            None => self,
        }
    }

    /// What is asked for, to name it in a failure.
    pub fn target(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

impl Http {
    /// A client of the deployment at a URL.
    pub fn new(url: &str) -> Self {
        Self::with_timeout(url, TIMEOUT)
    }

    /// A client that gives up after some time.
    pub fn with_timeout(url: &str, timeout: Duration) -> Self {
        Self::with(url, timeout, TlsConfig::default())
    }

    /// A client that trusts the certificate in a file, in PEM, and no other.
    pub fn trusting(url: &str, certificate: &Path) -> Self {
        let pem = std::fs::read(certificate).expect("the certificate's file");
        let certificate = Certificate::from_pem(&pem).expect("a certificate");
        let roots = RootCerts::new_with_certs(&[certificate]);
        Self::with(url, TIMEOUT, TlsConfig::builder().root_certs(roots).build())
    }

    fn with(url: &str, timeout: Duration, tls: TlsConfig) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(timeout))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .tls_config(tls)
            .max_idle_connections_per_host(128)
            // The deployment is on this machine; a proxy of the environment is not meant.
            .proxy(None);
        Self { agent: config.build().new_agent(), url: url.trim_end_matches('/').to_owned() }
    }

    /// Sends a request; an error means that no answer came.
    pub fn try_send(&self, call: &Call) -> Result<Reply, ureq::Error> {
        for (name, value) in &call.headers {
            secrets::note_header(name, value);
        }
        secrets::note_body(&call.body);
        let mut request =
            Request::builder().method(call.method.as_str()).uri(format!("{}{}", self.url, call.path));
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let mut answer = if call.chunked {
            let mut body = call.body.as_slice();
            self.agent.run(request.body(SendBody::from_reader(&mut body))?)?
        } else if call.body.is_empty() && !matches!(call.method.as_str(), "POST" | "PUT" | "PATCH") {
            self.agent.run(request.body(())?)?
        } else {
            self.agent.run(request.body(call.body.as_slice())?)?
        };
        let body = answer.body_mut().with_config().limit(ANSWER_LENGTH_MAX).read_to_vec()?;
        let (head, _) = answer.into_parts();
        secrets::note_answer(&head.headers, &body);
        Ok(Reply { status: head.status.as_u16(), headers: head.headers, body })
    }

    /// Sends a request that must be answered.
    pub fn send(&self, call: &Call) -> Reply {
        match self.try_send(call) {
            Ok(reply) => reply,
            Err(error) => panic!("{}: no answer: {error}", call.target()),
        }
    }
}

impl Reply {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A text member of the JSON body.
    pub fn text(&self, member: &str) -> String {
        self.json()[member].as_str().unwrap_or_default().to_owned()
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The kind of problem, if the answer is a problem document: the last part of its type.
    pub fn problem(&self) -> Option<String> {
        if self.header("content-type") != "application/problem+json" {
            return None;
        }
        self.text("type").strip_prefix("urn:vwp:problem:").map(str::to_owned)
    }

    /// Whether the request was carried out.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The same answer, if it has a status.
    #[must_use]
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "the answer was {}", self.shown());
        self
    }

    /// The same answer, if it is a problem document of a status and kind.
    #[track_caller]
    pub fn expect_problem(&self, status: u16, slug: &str) {
        let kind = self.problem();
        let is_expected = self.status == status && kind.as_deref() == Some(slug);
        assert!(is_expected, "expected {status} {slug}, the answer was {}", self.shown());
        assert_eq!(self.json()["status"], status, "status in the document");
        assert!(!self.text("title").is_empty() && !self.text("detail").is_empty(), "{}", self.shown());
    }

    /// The answer in one line.
    pub fn shown(&self) -> String {
        let body: String = String::from_utf8_lossy(&self.body).chars().take(600).collect();
        format!("{} {} {body}", self.status, self.header("content-type"))
    }
}
