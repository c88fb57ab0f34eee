//! Asking for a world only if it has changed: by its entity tag (RFC 9110, section 13.1.2), or by
//! waiting until it does.

use crate::changes;
use http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use vwp_core::{Problem, reply};
use vwp_storage::Kv;
use vwp_storage::kv::Version;

/// How long an answer waits for a change at most, in seconds. Shorter than hosts let a request
/// run, because whoever asks for a world is not set apart from those who do not wait.
const WAIT_S_MAX: u32 = 8;

/// On what an answer depends.
#[derive(Debug, Default)]
pub(super) struct Condition {
    after: Option<Version>,
    wait_s: u32,
}

impl Condition {
    /// Reads the parameters.
    pub(super) fn read(query: &str) -> Result<Self, Problem> {
        let mut condition = Self::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            let bad =
                || Problem::bad_request(format!("after is a version, and wait is 0 to {WAIT_S_MAX} seconds"));
            match &*key {
                "after" => condition.after = Some(value.parse().map_err(|_| bad())?),
                "wait" => condition.wait_s = value.parse().map_err(|_| bad())?,
                _ => return Err(Problem::bad_request("the parameters are after and wait")),
            }
            if condition.wait_s > WAIT_S_MAX {
                return Err(bad());
            }
        }
        Ok(condition)
    }

    /// Waits until what is under a key is newer than what the client has, or it has waited
    /// long enough.
    pub(super) async fn wait<S: Kv>(&self, store: &S, key: &[u8]) -> Result<(), Problem> {
        match self.after {
            Some(after) => changes::wait_for(store, key, after, self.wait_s * 1000).await,
            None => Ok(()),
        }
    }

    /// The answer, or that there is nothing new. `version` is that of the record, and `shown` that
    /// of all that the answer shows.
    pub(super) fn apply(
        &self,
        request: &Request<Vec<u8>>,
        version: Version,
        shown: Version,
        answer: Response<Vec<u8>>,
    ) -> Response<Vec<u8>> {
        let tag = format!("\"{shown}\"");
        let is_old = self.after.is_some_and(|after| version <= after);
        let mut answer = if is_old || names(request.headers(), &tag) {
            reply::empty(StatusCode::NOT_MODIFIED)
        } else {
            answer
        };
        if let Ok(tag) = HeaderValue::try_from(tag) {
            answer.headers_mut().insert(ETAG, tag);
        }
        // Whoever keeps it has to ask whether it is still right.
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        answer
    }
}

/// Whether `If-None-Match` names a tag. The comparison is the weak one (RFC 9110, section
/// 13.1.2).
fn names(headers: &HeaderMap, tag: &str) -> bool {
    let lines = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|given| {
        let given = given.trim();
        given == "*" || given.strip_prefix("W/").unwrap_or(given) == tag
    })
}
