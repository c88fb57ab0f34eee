//! What a request asks of the cache.

use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, header};
use http_body::Body;
use vwp_caching::condition::{self, OF_CONTENT, Verdict};
use vwp_middleware::fields;

/// The longest target that is looked for, in bytes.
const TARGET_LENGTH_MAX: usize = 4 * 1024;
/// Requests with these are for the component alone: they name somebody, whose answer may be about them (RFC 9111,
/// section 3.5, has this of `Authorization`; cookies name people as well), they want a part, or they depend on more
/// than whether the client has the answer.
const OWN: [HeaderName; 7] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::RANGE,
    header::IF_RANGE,
    header::IF_MATCH,
    header::IF_UNMODIFIED_SINCE,
    header::UPGRADE,
];
/// By these the client says that it has the answer. The cache says whether it does, of an answer for everybody.
const KNOWN: [HeaderName; 2] = [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE];

/// A request that may be answered with an answer to another one.
#[derive(Debug)]
pub(super) struct Asked {
    /// The request, as one with GET: what is kept is the answer to that.
    pub(super) parts: Parts,
    /// What is asked for: the whole URI, because an answer may depend on the host's name.
    pub(super) target: Box<str>,
    /// Whether the answer goes out without its content.
    pub(super) is_head: bool,
}

impl Asked {
    /// The request; none if its answer is for it alone.
    pub(super) fn of<B: Body>(request: &Request<B>) -> Option<Self> {
        let is_head = request.method() == Method::HEAD;
        let headers = request.headers();
        let may_share = (is_head || request.method() == Method::GET)
            && !OWN.iter().any(|name| headers.contains_key(name))
            // RFC 9111, section 5.2.1.5: nothing of it, nor of its answer, is kept.
            && !members(headers, &header::CACHE_CONTROL).any(|directive| directive.eq_ignore_ascii_case("no-store"))
            // Content in GET has no meaning that would be known here (RFC 9110, section 9.3.1).
            && request.body().is_end_stream()
            && request.uri().path_and_query().is_none_or(|target| target.as_str().len() <= TARGET_LENGTH_MAX);
        may_share.then(|| {
            let (mut parts, ()) = Request::new(()).into_parts();
            parts.uri = request.uri().clone();
            parts.headers = headers.clone();
            let target = parts.uri.to_string().into();
            Self { parts, target, is_head }
        })
    }

    /// The same request for an answer that everybody may have.
    pub(super) fn for_everybody<B>(mut request: Request<B>) -> Request<B> {
        for name in KNOWN {
            request.headers_mut().remove(name);
        }
        request
    }

    /// Whether the client has the answer that has these header fields (RFC 9111, section 4.3.2).
    fn knows(&self, answer: &HeaderMap) -> bool {
        let request = &self.parts.headers;
        KNOWN.iter().any(|name| request.contains_key(name)) && {
            let (request, answer) = (fields::of_answer(request, 0), fields::of_answer(answer, 0));
            condition::evaluate(&request, &answer) == Verdict::NotModified
        }
    }

    /// The answer as this client gets it. Nothing is done with content that is not sent.
    pub(super) fn conditioned<B: Default>(&self, mut answer: Response<B>) -> Response<B> {
        if answer.status() != StatusCode::OK || !self.knows(answer.headers()) {
            return answer;
        }
        for name in OF_CONTENT {
            answer.headers_mut().remove(name);
        }
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        answer.map(|_| B::default())
    }
}

/// The members of a field that is a list of words, in one line or in several (RFC 9110, section 5.6.1).
pub(super) fn members<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lists = headers.get_all(name).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{Empty, Full};

    fn asked(method: Method, fields: &[(&str, &str)]) -> Option<Asked> {
        let request = Request::builder().method(method).uri("http://host.test/a");
        let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        Asked::of(&request.body(Empty::<&[u8]>::new()).expect("a request"))
    }

    #[test]
    fn what_is_for_one_client_alone_is_not_asked_of_the_cache() {
        assert!(asked(Method::GET, &[("accept", "*/*"), ("if-none-match", "\"a\"")]).is_some());
        assert!(
            asked(Method::HEAD, &[]).is_some_and(|asked| asked.is_head && asked.parts.method == Method::GET)
        );
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            assert!(asked(method, &[]).is_none());
        }
        for name in
            ["authorization", "cookie", "range", "if-range", "if-match", "if-unmodified-since", "upgrade"]
        {
            assert!(asked(Method::GET, &[(name, "a")]).is_none(), "{name}");
        }
        assert!(asked(Method::GET, &[("cache-control", "max-age=0, No-Store")]).is_none());
        let full = Request::get("http://host.test/a").body(Full::new(&b"content"[..])).expect("a request");
        assert!(Asked::of(&full).is_none());
        let long = format!("http://host.test/{}", "a".repeat(TARGET_LENGTH_MAX));
        let long = Request::get(long).body(Empty::<&[u8]>::new()).expect("a request");
        assert!(Asked::of(&long).is_none());
    }

    #[test]
    fn who_has_the_answer_is_told_so_and_gets_nothing_else() {
        let answer = |status: u16| {
            let fields = [("etag", "\"v2\""), ("content-type", "text/plain"), ("cache-control", "max-age=5")];
            let answer = Response::builder().status(status);
            let answer = fields.iter().fold(answer, |answer, (name, value)| answer.header(*name, *value));
            answer.body("content").expect("an answer")
        };
        let given = |fields: &[(&str, &str)], status: u16| {
            let answer = asked(Method::GET, fields).expect("shared").conditioned(answer(status));
            (answer.status().as_u16(), answer.headers().len(), *answer.body())
        };
        assert_eq!(given(&[("if-none-match", "\"v1\", W/\"v2\"")], 200), (304, 2, ""));
        assert_eq!(given(&[("if-none-match", "\"v1\"")], 200), (200, 3, "content"));
        assert_eq!(given(&[], 200), (200, 3, "content"));
        assert_eq!(given(&[("if-none-match", "*")], 404), (404, 3, "content"));
    }
}
