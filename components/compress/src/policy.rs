//! Which answers are compressed, and what is said of it.

use crate::negotiation::{self, Coding};
use vwp_middleware::fields::{Fields, has, lists, remove, set, text, vary};

/// The shortest answer that is compressed, in bytes, if it says how long it is: a shorter one fits into the
/// packet that its head takes anyway.
pub const LENGTH_MIN: u64 = 1024;

/// What answers depend on that may be compressed.
const NEGOTIATED: &str = "accept-encoding";

/// Media types, beside `text/` and those that end in `+json` or `+xml`, that become much shorter.
const COMPRESSIBLE: [&str; 11] = [
    "application/graphql",
    "application/javascript",
    "application/json",
    "application/toml",
    "application/wasm",
    "application/x-ndjson",
    "application/xml",
    "application/yaml",
    "font/otf",
    "font/ttf",
    "image/bmp",
];
/// Server-sent events go on as they are: each is to be read when it comes, and most are short.
const EVENTS: &str = "text/event-stream";
/// Digests of the content or the representation, which compressing would make untrue (RFC 9530; RFC 1864).
const DIGESTS: [&str; 4] = ["content-digest", "repr-digest", "digest", "content-md5"];

/// What counts of a request.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    coding: Coding,
    /// Whether the answer has content, and all of it.
    is_whole: bool,
    /// Whether it carries cookies.
    has_cookies: bool,
}

/// What becomes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// It goes on as it is.
    Pass,
    /// It goes on with other header fields.
    Describe,
    /// It is compressed.
    Compress,
}

impl Asked {
    /// Reads a request by its method and header fields.
    pub fn of(method: &str, request: &Fields) -> Self {
        Self {
            coding: negotiation::choose(request),
            is_whole: method != "HEAD" && !has(request, "range"),
            has_cookies: has(request, "cookie"),
        }
    }

    /// Decides on an answer, and makes its header fields those that go with the decision.
    pub fn answered(self, status: u16, answer: &mut Fields) -> Treatment {
        let treatment = self.treatment(status, answer);
        if treatment == Treatment::Pass {
            return treatment;
        }
        vary(answer, NEGOTIATED);
        if treatment == Treatment::Compress {
            set(answer, "content-encoding", "gzip");
            remove(answer, "content-length");
            // Ranges would be of the compressed bytes, which are not the same each time.
            remove(answer, "accept-ranges");
        }
        // What is not modified may be what was sent compressed.
        if treatment == Treatment::Compress || (status == 304 && self.coding != Coding::Identity) {
            weaken(answer);
        }
        treatment
    }

    fn treatment(self, status: u16, answer: &Fields) -> Treatment {
        match status {
            // RFC 9110, section 15.4.5: what varies is said as it would be with the content.
            304 if has(answer, "etag") && !is_kept_so(answer) => return Treatment::Describe,
            // They have no content, or a part of it.
            100..=199 | 204..=206 | 304 => return Treatment::Pass,
            _ => {}
        }
        // Somebody who sees how long an answer is, and can have a browser ask in another's name, learns
        // what is in it (BREACH). A browser does that with its cookies.
        if is_kept_so(answer) || self.has_cookies {
            return Treatment::Pass;
        }
        let length = text(answer, "content-length").and_then(|length| length.parse::<u64>().ok());
        let is_worth = length.is_none_or(|length| length >= LENGTH_MIN) && is_compressible(answer);
        match self.coding {
            _ if length == Some(0) => Treatment::Pass,
            Coding::GzipOnly if self.is_whole => Treatment::Compress,
            _ if !is_worth => Treatment::Pass,
            Coding::Gzip if self.is_whole => Treatment::Compress,
            _ => Treatment::Describe,
        }
    }
}

/// Whether an answer says by itself that it must be left as it is.
fn is_kept_so(answer: &Fields) -> bool {
    // RFC 9111, sections 5.2.2.6 and 5.2.2.5. What nobody may store is a secret.
    lists(answer, "cache-control", "no-transform")
        || lists(answer, "cache-control", "no-store")
        || has(answer, "set-cookie")
        || has(answer, "content-encoding")
        || has(answer, "content-range")
        || DIGESTS.iter().any(|digest| has(answer, digest))
}

fn is_compressible(answer: &Fields) -> bool {
    let media_type = text(answer, "content-type").unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_text = essence.starts_with("text/") && essence != EVENTS;
    let is_structured = ["+json", "+xml"].iter().any(|suffix| essence.ends_with(suffix));
    is_text || is_structured || COMPRESSIBLE.contains(&essence.as_str())
}

/// Makes an entity tag a weak one: it names what the handler made, and not its compressed bytes (RFC 9110,
/// section 8.8.3.3).
fn weaken(answer: &mut Fields) {
    let strong = text(answer, "etag").filter(|tag| tag.starts_with('"'));
    if let Some(weak) = strong.map(|tag| format!("W/{tag}")) {
        set(answer, "etag", &weak);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vwp_middleware::fields::from_pairs;

    /// A page that is worth compressing, with more fields.
    fn page(more: &[(&str, &str)]) -> Fields {
        let mut fields = from_pairs(&[("content-type", "text/html; charset=utf-8")]);
        fields.extend(from_pairs(more));
        fields
    }

    fn asked(method: &str, request: &[(&str, &str)]) -> Asked {
        let mut fields = from_pairs(&[("accept-encoding", "br, gzip")]);
        fields.extend(from_pairs(request));
        Asked::of(method, &fields)
    }

    fn treated(status: u16, mut answer: Fields) -> Treatment {
        asked("GET", &[]).answered(status, &mut answer)
    }

    #[test]
    fn a_compressed_answer_says_so_and_its_tag_is_weak() {
        let mut answer = page(&[
            ("Content-Length", "5000"),
            ("ETag", "\"v1\""),
            ("accept-ranges", "bytes"),
            ("vary", "origin"),
        ]);
        assert_eq!(asked("GET", &[]).answered(200, &mut answer), Treatment::Compress);
        let expected = page(&[
            ("vary", "origin"),
            ("vary", "accept-encoding"),
            ("content-encoding", "gzip"),
            ("etag", "W/\"v1\""),
        ]);
        assert_eq!(answer, expected);
    }

    #[test]
    fn what_is_made_text_for_people_or_programs_is_compressed() {
        for media_type in [
            "text/plain",
            "Text/HTML;charset=utf-8",
            "application/json",
            "application/problem+json",
            "image/svg+xml",
            "application/wasm",
        ] {
            let answer = from_pairs(&[("content-type", media_type)]);
            assert_eq!(treated(200, answer), Treatment::Compress, "{media_type}");
        }
        for media_type in ["image/png", "application/octet-stream", "text/event-stream; charset=utf-8", ""] {
            let answer = from_pairs(&[("content-type", media_type)]);
            assert_eq!(treated(200, answer), Treatment::Pass, "{media_type}");
        }
        assert_eq!(treated(200, Fields::new()), Treatment::Pass, "of no type");
    }

    #[test]
    fn an_answer_that_must_stay_as_it_is_does() {
        for more in [
            ("content-encoding", "br"),
            ("cache-control", "public, no-transform"),
            ("cache-control", "no-store"),
            ("set-cookie", "a=b"),
            ("content-range", "bytes 0-1/2"),
            ("content-digest", "sha-256=:AA==:"),
            ("content-length", "1023"),
            ("content-length", "0"),
        ] {
            let mut answer = page(&[more]);
            let before = answer.clone();
            assert_eq!(asked("GET", &[]).answered(200, &mut answer), Treatment::Pass, "{more:?}");
            assert_eq!(answer, before, "{more:?}");
        }
        for status in [101, 204, 205, 206, 304] {
            assert_eq!(treated(status, page(&[])), Treatment::Pass, "{status}");
        }
        assert_eq!(treated(404, page(&[("content-length", "1024")])), Treatment::Compress);
    }

    #[test]
    fn an_answer_to_a_request_with_cookies_stays_as_it_is() {
        let answered = asked("GET", &[("Cookie", "session=1")]).answered(200, &mut page(&[]));
        assert_eq!(answered, Treatment::Pass);
    }

    #[test]
    fn an_answer_that_could_have_been_compressed_says_what_it_depends_on() {
        for (method, request) in [("HEAD", vec![]), ("GET", vec![("range", "bytes=0-9")])] {
            let mut answer = page(&[("content-length", "5000"), ("etag", "\"v1\"")]);
            assert_eq!(asked(method, &request).answered(200, &mut answer), Treatment::Describe, "{method}");
            let expected =
                page(&[("content-length", "5000"), ("etag", "\"v1\""), ("vary", "accept-encoding")]);
            assert_eq!(answer, expected);
        }
        let mut answer = page(&[("etag", "\"v1\"")]);
        let plain = Asked::of("GET", &from_pairs(&[("accept-encoding", "br")]));
        assert_eq!(plain.answered(200, &mut answer), Treatment::Describe);
        assert_eq!(answer, page(&[("etag", "\"v1\""), ("vary", "accept-encoding")]));
    }

    #[test]
    fn what_is_not_modified_is_named_as_it_was_sent() {
        let mut answer = from_pairs(&[("etag", "\"v1\"")]);
        assert_eq!(asked("GET", &[]).answered(304, &mut answer), Treatment::Describe);
        assert_eq!(answer, from_pairs(&[("vary", "accept-encoding"), ("etag", "W/\"v1\"")]));
        let mut weak = from_pairs(&[("etag", "W/\"v1\"")]);
        let _ = asked("GET", &[]).answered(304, &mut weak);
        assert_eq!(text(&weak, "etag"), Some("W/\"v1\""));
    }

    #[test]
    fn who_refuses_it_as_it_is_gets_even_what_is_short_or_a_picture_compressed() {
        let only = Asked::of("GET", &from_pairs(&[("accept-encoding", "gzip, identity;q=0")]));
        for mut answer in
            [page(&[("content-length", "5")]), from_pairs(&[("content-type", "image/png")]), Fields::new()]
        {
            assert_eq!(only.answered(200, &mut answer), Treatment::Compress, "{answer:?}");
        }
        assert_eq!(only.answered(200, &mut page(&[("cache-control", "no-store")])), Treatment::Pass);
    }
}
