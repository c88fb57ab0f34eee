//! `GET /v1/worlds/changes`: watching the registry, as a long poll or as server-sent events.

use crate::changes::{self, Cursor};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use vwp_core::environment::Timestamp;
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;

/// The changes in an answer unless told otherwise.
const LIMIT_DEFAULT: u32 = 100;
/// How long a long poll waits at most, in seconds. Shorter than what proxies allow a request.
const WAIT_S_MAX: u32 = 25;
/// The media type of server-sent events.
const EVENT_STREAM: &str = "text/event-stream";
/// After how long a stream says something when nothing happens, so that proxies do not take it
/// for dead, in milliseconds.
const PULSE_MS: u32 = 10_000;
/// After how long a stream is to end, in milliseconds; it ends with its next part, and so before
/// the 30 seconds that hosts let an answer take. The client connects again and goes on where it
/// was. A stream occupies an instance of the component for as long as it lasts.
const STREAM_MS_MAX: u64 = 15_000;
/// How many events are sent at once.
const EVENTS_AT_ONCE: u32 = 100;

/// What was asked for.
struct Watch {
    since: Option<Cursor>,
    limit: u32,
    wait_s: u32,
}

impl Watch {
    fn read(query: &str) -> Result<Self, Problem> {
        let mut watch = Self { since: None, limit: LIMIT_DEFAULT, wait_s: 0 };
        let bad_limit = || Problem::bad_request(format!("limit is 1 to {}", changes::LIMIT_MAX));
        let bad_wait = || Problem::bad_request(format!("wait is 0 to {WAIT_S_MAX} seconds"));
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "since" => watch.since = Some(value.parse()?),
                "limit" => watch.limit = value.parse().map_err(|_| bad_limit())?,
                "wait" => watch.wait_s = value.parse().map_err(|_| bad_wait())?,
                _ => return Err(Problem::bad_request("the parameters are since, limit and wait")),
            }
        }
        if !(1..=changes::LIMIT_MAX).contains(&watch.limit) {
            return Err(bad_limit());
        }
        if watch.wait_s > WAIT_S_MAX {
            return Err(bad_wait());
        }
        Ok(watch)
    }
}

/// Answers a long poll. Without a cursor it tells where the list ends now, and waits for nothing.
pub(super) async fn list<S: Kv>(store: &S, request: &Request<Vec<u8>>) -> Result<Response<Vec<u8>>, Problem> {
    let watch = Watch::read(request.uri().query().unwrap_or_default())?;
    let found = match watch.since {
        Some(since) => changes::list(store, since, watch.limit, watch.wait_s * 1000).await?,
        None => changes::Changes { changes: Vec::new(), next: changes::latest(store).await? },
    };
    let mut response = reply::json(StatusCode::OK, &found);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The changes of the registry as server-sent events (WHATWG HTML, section 9.2): the id of an
/// event is a cursor, and a client that lost its connection goes on after the last one that it
/// has, which its browser sends as `Last-Event-ID`.
#[derive(Debug)]
pub struct EventStream {
    since: Option<Cursor>,
    started_at: Timestamp,
    is_greeted: bool,
}

impl EventStream {
    /// The stream that a request asks for, if it asks for one; refused if it asks badly.
    pub async fn wanted<S: Kv>(
        store: &S,
        environment: &Environment<'_>,
        request: &Request<Vec<u8>>,
    ) -> Option<Result<Self, Problem>> {
        let is_asked = request.uri().path() == super::CHANGES && request.method() == Method::GET;
        let accept = request.headers().get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let accepts = accept.flat_map(|value| value.split(',')).any(is_event_stream);
        if !is_asked || !accepts {
            return None;
        }
        Some(Self::start(store, environment, request).await)
    }

    async fn start<S: Kv>(
        store: &S,
        environment: &Environment<'_>,
        request: &Request<Vec<u8>>,
    ) -> Result<Self, Problem> {
        let watch = Watch::read(request.uri().query().unwrap_or_default())?;
        // The last event is newer than where the client once began.
        let last = request.headers().get("last-event-id").and_then(|value| value.to_str().ok());
        let since = match last.filter(|last| !last.is_empty()) {
            Some(last) => Some(last.parse()?),
            None => watch.since,
        };
        let since = match since {
            Some(since) => {
                // Whether it is still kept is said by the answer's status, or never.
                changes::list(store, since, 1, 0).await?;
                since
            }
            None => changes::latest(store).await?,
        };
        Ok(Self { since: Some(since), started_at: environment.now, is_greeted: false })
    }

    /// What the answer begins with.
    pub fn head(&self) -> Response<()> {
        let mut response = Response::new(());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// The next part of the answer, after some time; none at its end.
    pub async fn next<S: Kv>(&mut self, store: &S, environment: &Environment<'_>) -> Option<Vec<u8>> {
        let since = self.since?;
        if !self.is_greeted {
            self.is_greeted = true;
            // A cursor before any event, for a client that is cut off before it has one; and
            // how long it waits before it connects again.
            return Some(format!("retry: 1000\nid: {since}\n\n").into_bytes());
        }
        if environment.now.saturating_sub(self.started_at) >= STREAM_MS_MAX {
            return None;
        }
        // A fault ends the stream; what is wrong is the answer to the next request.
        let found = changes::list(store, since, EVENTS_AT_ONCE, PULSE_MS).await.ok()?;
        self.since = Some(found.next);
        if found.changes.is_empty() {
            return Some(b":\n\n".to_vec());
        }
        let mut events = Vec::new();
        for listed in found.changes {
            let data = serde_json::to_string(&listed).ok()?;
            events.extend(format!("id: {}\nevent: change\ndata: {data}\n\n", listed.cursor).into_bytes());
        }
        Some(events)
    }
}

fn is_event_stream(range: &str) -> bool {
    range.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(EVENT_STREAM)
}
