//! Errors as the caller sees them: RFC 9457 problem documents.
//!
//! Policy: the domain has typed errors; each is turned into a [`Problem`] in one
//! place (`From`), and a problem into an HTTP answer in one place
//! ([`Problem::into_response`]). A problem's `type` is stable and names the reason; its
//! `detail` is for people. What a caller cannot act on (a fault of ours) becomes
//! [`Problem::internal`], which says nothing of the inside; the cause goes to the log.

use http::{Response, StatusCode, header};
use serde_json::Value;
use std::collections::BTreeMap;
use vwp_storage::StorageError;

/// What the `type` of every problem starts with.
pub const TYPE_PREFIX: &str = "urn:vwp:problem:";

/// A refusal that names its reason.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// The last part of `type`: stable, lower case, hyphens.
    pub slug: &'static str,
    /// The HTTP status that goes with it.
    pub status: StatusCode,
    /// What this kind of problem is, in a few words, the same every time.
    pub title: &'static str,
    /// What is wrong with this request, for a person.
    pub detail: String,
    /// Members beyond the standard ones (RFC 9457, section 3.2).
    pub extensions: BTreeMap<String, Value>,
    /// Seconds after which a retry makes sense, as `Retry-After`.
    pub retry_after_s: Option<u32>,
}

impl Problem {
    /// A problem of a kind, with what is wrong this time.
    pub fn new(
        status: StatusCode,
        slug: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self { slug, status, title, detail: detail.into(), extensions: BTreeMap::new(), retry_after_s: None }
    }

    /// The same problem with one more member.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.extensions.insert(member.to_owned(), value.into());
        self
    }

    /// The request cannot be understood.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", "The request is malformed", detail)
    }

    /// The caller did not prove who it is, or proved it wrongly.
    pub fn unauthorised(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorised", "The caller is not known", detail)
    }

    /// The caller is known and may not do this.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "The caller may not do this", detail)
    }

    /// There is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "There is no such thing", detail)
    }

    /// The thing exists but not for this method; `allow` lists those it takes.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "The resource does not take this method",
            format!("allowed: {allow}"),
        )
        .with("allow", allow)
    }

    /// A fault of ours. Nothing of the inside goes out.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "The server made a mistake",
            "the mistake was logged; quote the request id when you report it",
        )
    }

    /// Cannot serve now; a retry after some seconds may succeed.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        let mut problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "The service cannot answer now",
            detail,
        );
        problem.retry_after_s = Some(1);
        problem
    }

    /// The whole `type`.
    pub fn type_uri(&self) -> String {
        format!("{TYPE_PREFIX}{}", self.slug)
    }

    /// The problem's members (RFC 9457, section 3.1), for an answer that has several problems.
    pub fn document(&self) -> BTreeMap<String, Value> {
        let mut document = self.extensions.clone();
        document.insert("type".into(), self.type_uri().into());
        document.insert("title".into(), self.title.into());
        document.insert("status".into(), self.status.as_u16().into());
        document.insert("detail".into(), self.detail.clone().into());
        document
    }

    /// The problem as an HTTP answer (RFC 9457, section 3).
    pub fn into_response(self) -> Response<Vec<u8>> {
        let mut response = Response::new(serde_json::to_vec(&self.document()).unwrap_or_default());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let media_type = header::HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, media_type);
        headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 9110, section 15.5.2: a 401 names a scheme that would be accepted.
            let challenge = header::HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(Value::String(allow)) = self.extensions.get("allow")
            && let Ok(allow) = header::HeaderValue::from_str(allow)
        {
            // RFC 9110, section 15.5.6: a 405 lists the methods that are allowed.
            headers.insert(header::ALLOW, allow);
        }
        response
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Unavailable(_) => {
                Self::unavailable("the store cannot serve now; nothing was changed")
            }
            StorageError::Unknown(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "outcome-unknown",
                "It is not known whether the change was made",
                "read the resource to learn what became of the request before sending it again",
            ),
            // The bounds of the domain are tighter than the store's, so these are our faults.
            StorageError::Denied(_) | StorageError::Invalid(_) => Self::internal(),
        }
    }
}
