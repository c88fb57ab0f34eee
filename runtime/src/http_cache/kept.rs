//! The answers that are kept, by target.

use super::asked::{Asked, members};
use crate::settle::{Gathered, gather, whole};
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use http_cache_semantics::{BeforeRequest, CacheOptions, CachePolicy};
use quick_cache::Weighter;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use vwp_gateway::policy::{REQUEST_ID, request_id};
use vwp_middleware::fields;
use wasmtime_wasi_http::{Error, WasiBody};

/// The longest content that is kept, in bytes, where the cache is large enough for eight such.
const CONTENT_BYTES_MAX: usize = 1024 * 1024;
/// How many answers to one target are kept, which differ by what their requests accept.
const VARIANTS_MAX: usize = 8;
/// How long a target is known for answers that may not be kept. So long nobody waits for another one's.
const ALONE: Duration = Duration::from_secs(10);
/// What an entry takes besides its bytes, about.
const OVERHEAD_BYTES: usize = 512;
/// About how many bytes an entry takes, to size the cache's tables.
const ENTRY_BYTES: u64 = 4096;
/// What a component says of one client alone. An answer with one of these is for nobody else, whatever it says of
/// caches.
const OWN: [HeaderName; 4] = [
    header::SET_COOKIE,
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    HeaderName::from_static("dpop-nonce"),
];
/// What is about a connection (RFC 9110, section 7.6.1) is not kept (RFC 9111, section 3.1).
const HOP_BY_HOP: [HeaderName; 3] = [header::CONNECTION, header::TRANSFER_ENCODING, header::TRAILER];
/// A cache of many clients. It keeps what says for how long it may be kept, and guesses nothing.
const OPTIONS: CacheOptions = CacheOptions {
    shared: true,
    cache_heuristic: 0.0,
    immutable_min_time_to_live: Duration::ZERO,
    ignore_cargo_cult: false,
};

/// An answer that is kept.
struct Kept {
    policy: CachePolicy,
    status: StatusCode,
    headers: HeaderMap,
    content: Bytes,
}

/// What is known of a target.
#[derive(Clone, Default)]
struct Resource {
    /// The newest first.
    variants: Vec<Arc<Kept>>,
    /// Until when its answers are taken for such as may not be kept.
    alone_until: Option<SystemTime>,
}

/// What there is for a request.
pub(super) enum Found {
    /// An answer, which is fresh for so much longer.
    Fresh(Response<WasiBody>, Duration),
    /// Nothing, nor is there soon: no answer of this target may be kept.
    Alone,
    /// Nothing.
    Nothing,
}

/// The answers by target. Those that are asked for least make room.
pub(super) struct Shelf {
    resources: quick_cache::sync::Cache<Box<str>, Arc<Resource>, Weight>,
    content_bytes_max: usize,
}

impl Shelf {
    /// Room for so many bytes.
    pub(super) fn new(bytes_max: u64) -> Self {
        let items = usize::try_from(bytes_max / ENTRY_BYTES).unwrap_or(usize::MAX);
        let eighth = usize::try_from(bytes_max / 8).unwrap_or(usize::MAX);
        Self {
            resources: quick_cache::sync::Cache::with_weighter(items, bytes_max, Weight),
            content_bytes_max: eighth.min(CONTENT_BYTES_MAX),
        }
    }

    /// What there is for a request now.
    pub(super) fn find(&self, asked: &Asked, now: SystemTime) -> Found {
        let Some(resource) = self.resources.get(&*asked.target) else { return Found::Nothing };
        let is_fit = |kept: &&Arc<Kept>| {
            // RFC 9111, section 4: the freshness, what the answer varies with, and what the request says of caches.
            !is_ambiguous(asked, &kept.headers)
                && matches!(kept.policy.before_request(&asked.parts, now), BeforeRequest::Fresh(_))
        };
        match resource.variants.iter().find(is_fit) {
            Some(kept) => Found::Fresh(kept.answer(asked, now), kept.policy.time_to_live(now)),
            None if resource.alone_until.is_some_and(|until| now < until) => Found::Alone,
            None => Found::Nothing,
        }
    }

    /// What requests that will have the same answer have in common, as far as that is known: the target, and what the
    /// answer to it varies with.
    pub(super) fn alike(&self, asked: &Asked) -> Vec<u8> {
        let mut alike = asked.target.as_bytes().to_vec();
        let Some(resource) = self.resources.get(&*asked.target) else { return alike };
        let Some(newest) = resource.variants.first() else { return alike };
        for name in varies_with(&newest.headers) {
            for value in asked.parts.headers.get_all(name) {
                // No value has a line feed in it.
                alike.push(b'\n');
                alike.extend_from_slice(value.as_bytes());
            }
            alike.push(b'\n');
        }
        alike
    }

    /// Keeps an answer, if it may be kept; whether it is. The content of one that may be is waited for.
    pub(super) async fn keep(
        &self,
        asked: &Asked,
        answer: Response<WasiBody>,
        now: SystemTime,
    ) -> Result<(Response<WasiBody>, bool), Error> {
        let Some(policy) = policy(asked, &answer, now) else {
            // Only what the component says of the target counts. What a client sends must not have the others ask
            // one by one.
            if !answer.status().is_server_error() && !is_ambiguous(asked, answer.headers()) {
                self.leave_alone(asked, now);
            }
            return Ok((answer, false));
        };
        let (mut head, body) = answer.into_parts();
        let content = match gather(body, self.content_bytes_max).await? {
            Gathered::Whole(content) => content,
            Gathered::Beyond(body) => {
                self.leave_alone(asked, now);
                return Ok((Response::from_parts(head, body), false));
            }
        };
        // RFC 9110, section 6.6.1: the time at which the answer was made, and not that at which it is sent.
        if let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(now)) {
            head.headers.entry(header::DATE).or_insert(date);
        }
        let mut headers = head.headers.clone();
        for name in HOP_BY_HOP {
            headers.remove(name);
        }
        let kept = Arc::new(Kept { policy, status: head.status, headers, content: content.clone() });
        self.put(asked, |resource| {
            // What answers the same request takes the other one's place.
            let is_other = |other: &Arc<Kept>| {
                let fit = other.policy.before_request(&asked.parts, now);
                !matches!(fit, BeforeRequest::Fresh(_) | BeforeRequest::Stale { matches: true, .. })
            };
            resource.variants.retain(is_other);
            resource.variants.insert(0, kept);
            resource.variants.truncate(VARIANTS_MAX);
            resource.alone_until = None;
        });
        Ok((Response::from_parts(head, whole(content)), true))
    }

    /// How many bytes are taken, and by how many targets.
    #[cfg(test)]
    pub(super) fn taken(&self) -> (u64, usize) {
        (self.resources.weight(), self.resources.len())
    }

    /// Forgets what is kept of a target.
    pub(super) fn forget(&self, uri: &http::Uri) {
        self.resources.remove(uri.to_string().as_str());
    }

    /// Changes what is known of a target. Of two changes at once one may be lost, which costs a request.
    fn put(&self, asked: &Asked, change: impl FnOnce(&mut Resource)) {
        let known = self.resources.get(&*asked.target);
        let mut resource = known.map(|known| (*known).clone()).unwrap_or_default();
        change(&mut resource);
        self.resources.insert(asked.target.clone(), Arc::new(resource));
    }

    /// For a while nobody waits for an answer of this target, which may not be kept.
    fn leave_alone(&self, asked: &Asked, now: SystemTime) {
        self.put(asked, |resource| resource.alone_until = now.checked_add(ALONE));
    }
}

/// The names of the request's header fields that an answer depends on (RFC 9110, section 12.5.5).
fn varies_with(answer: &HeaderMap) -> impl Iterator<Item = &str> {
    members(answer, &header::VARY)
}

/// Whether a field that the answer depends on was sent in several lines. The component may have gone by another one
/// of them than the library, which compares the first.
fn is_ambiguous(asked: &Asked, answer: &HeaderMap) -> bool {
    varies_with(answer).any(|name| asked.parts.headers.get_all(name).iter().count() > 1)
}

/// How an answer may be used again; none if it may not be.
fn policy(asked: &Asked, answer: &Response<WasiBody>, now: SystemTime) -> Option<CachePolicy> {
    let headers = answer.headers();
    if OWN.iter().any(|name| headers.contains_key(name)) || is_ambiguous(asked, headers) {
        return None;
    }
    // Of the request only what matters is kept with the answer.
    let given = &asked.parts.headers;
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.uri = asked.parts.uri.clone();
    let fields = varies_with(headers).filter_map(|name| name.parse().ok());
    for name in fields.chain([header::HOST, header::CACHE_CONTROL]) {
        if let Some(value) = given.get(&name) {
            parts.headers.insert(name, value.clone());
        }
    }
    let policy = CachePolicy::new_options(&parts, answer, now, OPTIONS);
    (policy.is_storable() && !policy.is_stale(now)).then_some(policy)
}

impl Kept {
    /// The answer to a request that it is fit for.
    fn answer(&self, asked: &Asked, now: SystemTime) -> Response<WasiBody> {
        let mut headers = self.headers.clone();
        headers.insert(header::AGE, self.policy.age(now).as_secs().into());
        if headers.contains_key(REQUEST_ID)
            && let Ok(id) = HeaderValue::try_from(own_request_id(&asked.parts.headers))
        {
            headers.insert(REQUEST_ID, id);
        }
        let content = if asked.is_head {
            headers.insert(header::CONTENT_LENGTH, self.content.len().into());
            WasiBody::default()
        } else {
            whole(self.content.clone())
        };
        let mut answer = Response::new(content);
        *answer.status_mut() = self.status;
        *answer.headers_mut() = headers;
        asked.conditioned(answer)
    }

    fn bytes(&self) -> usize {
        let fields: usize = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        // The policy has the header fields once more.
        OVERHEAD_BYTES + 2 * fields + self.content.len()
    }
}

/// What this request is called, for an answer that said it of another one.
fn own_request_id(request: &HeaderMap) -> String {
    let given = request.get(REQUEST_ID).map(|id| (REQUEST_ID.to_owned(), id.as_bytes().to_owned()));
    let given: fields::Fields = given.into_iter().collect();
    request_id(&given, || {
        let mut id = [0; 16];
        // It only names the request in logs.
        let _ = getrandom::fill(&mut id);
        id
    })
}

#[derive(Clone)]
struct Weight;

impl Weighter<Box<str>, Arc<Resource>> for Weight {
    fn weight(&self, target: &Box<str>, resource: &Arc<Resource>) -> u64 {
        let variants = resource.variants.iter().map(|kept| kept.bytes());
        let bytes = OVERHEAD_BYTES + 2 * target.len() + variants.sum::<usize>();
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Empty;

    #[tokio::test]
    async fn an_answer_is_used_for_as_long_as_it_says_and_says_how_old_it_is() {
        let shelf = Shelf::new(1 << 20);
        let request = |field: (&str, &str)| {
            let request = Request::get("http://host.test/a").header(field.0, field.1);
            Asked::of(&request.body(Empty::<Bytes>::new()).expect("a request")).expect("shared")
        };
        let asked = request(("accept", "*/*"));
        let answer =
            Response::builder().header("cache-control", "max-age=600, s-maxage=60").header("age", "5");
        let answer = answer.body(whole(Bytes::from_static(b"content"))).expect("an answer");
        let now = SystemTime::now();
        assert!(shelf.keep(&asked, answer, now).await.expect("sound").1);
        let age = |asked: &Asked, seconds| match shelf.find(asked, now + Duration::from_secs(seconds)) {
            Found::Fresh(answer, _) => {
                Some(answer.headers()[header::AGE].to_str().expect("a number").to_owned())
            }
            Found::Alone | Found::Nothing => None,
        };
        assert_eq!(age(&asked, 0).as_deref(), Some("5"));
        assert_eq!(age(&asked, 30).as_deref(), Some("35"));
        assert_eq!(age(&asked, 55), None);
        assert_eq!(age(&request(("cache-control", "max-age=20")), 10).as_deref(), Some("15"));
        assert_eq!(age(&request(("cache-control", "max-age=20")), 30), None);
    }
}
