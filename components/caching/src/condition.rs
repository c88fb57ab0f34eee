//! What a GET or HEAD depends on (RFC 9110, section 13), held against the answer that it would have without.

use crate::tag;
use std::time::SystemTime;
use vwp_middleware::fields::{Fields, has, members, text};

/// What describes content that is not sent with [`Verdict::NotModified`] (RFC 9110, section 15.4.5).
pub const OF_CONTENT: [&str; 6] = [
    "accept-ranges",
    "content-encoding",
    "content-language",
    "content-length",
    "content-range",
    "content-type",
];

/// What becomes of a request with preconditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is answered.
    Send,
    /// The client has what it would be answered.
    NotModified,
    /// What it was sent for is no longer there.
    Failed,
}

/// Holds the preconditions of a request against an answer, in the order of RFC 9110, section 13.2.2. What
/// the answer has no tag or date for is not known to be false.
pub fn evaluate(request: &Fields, answer: &Fields) -> Verdict {
    let current = text(answer, "etag");
    let modified = date(answer, "last-modified");
    // Step 1, or 2 if there is none such.
    if has(request, "if-match") {
        let names = |current| names(request, "if-match", current, tag::is_same_strongly);
        if current.is_some_and(|current| !names(current)) {
            return Verdict::Failed;
        }
    } else if let (Some(modified), Some(since)) = (modified, date(request, "if-unmodified-since"))
        && modified > since
    {
        return Verdict::Failed;
    }
    // Step 3, or 4 if there is none such.
    let is_known = if has(request, "if-none-match") {
        current.is_some_and(|current| names(request, "if-none-match", current, tag::is_same_weakly))
    } else {
        let since = date(request, "if-modified-since");
        modified.zip(since).is_some_and(|(modified, since)| modified <= since)
    };
    if is_known { Verdict::NotModified } else { Verdict::Send }
}

/// Whether a field of the request names a tag.
fn names(request: &Fields, name: &str, current: &str, is_same: fn(&str, &str) -> bool) -> bool {
    members(request, name).any(|given| given == "*" || is_same(given, current))
}

/// A date (RFC 9110, section 5.6.7). One that cannot be read is not there (sections 13.1.3 and 13.1.4), and
/// neither is one of several.
fn date(fields: &Fields, name: &str) -> Option<SystemTime> {
    let mut values = vwp_middleware::fields::values(fields, name);
    let only = values.next().filter(|_| values.next().is_none())?;
    httpdate::parse_http_date(std::str::from_utf8(only).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Failed, NotModified, Send};
    use vwp_middleware::fields::from_pairs;

    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATER: &str = "Sunday, 06-Nov-94 08:49:38 GMT";

    fn check(request: &[(&str, &str)], expected: Verdict) {
        let answer = from_pairs(&[("ETag", "\"v2\""), ("Last-Modified", THEN)]);
        assert_eq!(evaluate(&from_pairs(request), &answer), expected, "{request:?}");
    }

    #[test]
    fn who_names_the_tag_has_the_answer() {
        check(&[], Send);
        for known in ["\"v2\"", "W/\"v2\"", "\"v1\", \"v2\"", "*"] {
            check(&[("If-None-Match", known)], NotModified);
        }
        check(&[("if-none-match", "\"v1\""), ("if-none-match", "\"v2\"")], NotModified);
        for other in ["\"v1\"", "v2", "\"v1\", \"v3\"", ""] {
            check(&[("if-none-match", other)], Send);
        }
    }

    #[test]
    fn who_had_it_since_it_was_modified_has_the_answer() {
        check(&[("if-modified-since", THEN)], NotModified);
        check(&[("if-modified-since", LATER)], NotModified);
        check(&[("if-modified-since", EARLIER)], Send);
        check(&[("if-modified-since", "yesterday")], Send);
        check(&[("if-modified-since", LATER), ("if-modified-since", LATER)], Send);
    }

    #[test]
    fn a_tag_counts_more_than_a_date() {
        check(&[("if-none-match", "\"v1\""), ("if-modified-since", LATER)], Send);
        check(&[("if-none-match", "\"v2\""), ("if-modified-since", EARLIER)], NotModified);
        check(&[("if-match", "\"v2\""), ("if-unmodified-since", EARLIER)], Send);
    }

    #[test]
    fn who_wants_another_one_is_refused_before_anything_else_counts() {
        for wanted in ["\"v1\"", "W/\"v2\"", ""] {
            check(&[("if-match", wanted)], Failed);
            check(&[("if-match", wanted), ("if-none-match", "\"v2\"")], Failed);
        }
        check(&[("if-match", "\"v1\", \"v2\"")], Send);
        check(&[("if-match", "*")], Send);
        check(&[("if-unmodified-since", EARLIER)], Failed);
        check(&[("if-unmodified-since", THEN)], Send);
    }

    #[test]
    fn an_answer_without_tag_or_date_is_sent() {
        let request =
            from_pairs(&[("if-none-match", "*"), ("if-match", "\"a\""), ("if-modified-since", THEN)]);
        assert_eq!(evaluate(&request, &Fields::new()), Send);
    }
}
