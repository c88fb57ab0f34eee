//! Entity tags (RFC 9110, section 8.8.3).

use sha2::{Digest, Sha256};
use vwp_core::jose;
use vwp_middleware::fields::{Fields, value};

/// What of an answer is part of the representation beside its content: where one of them is another, so
/// is the tag (RFC 9110, section 8.8.1).
const REPRESENTATION: [&str; 3] = ["content-type", "content-encoding", "content-language"];

/// The strong tag of an answer: half a SHA-256 of its content, and of what says how to read that.
pub fn of(answer: &Fields, content: &[u8]) -> String {
    let mut hash = Sha256::new();
    for name in REPRESENTATION {
        let value = value(answer, name).unwrap_or_default();
        hash.update((value.len() as u64).to_be_bytes());
        hash.update(value);
    }
    hash.update(content);
    format!("\"{}\"", jose::encode(&hash.finalize()[..16]))
}

/// Whether two tags are the same for who wants the same bytes (RFC 9110, section 8.8.3.2).
pub fn is_same_strongly(one: &str, other: &str) -> bool {
    one == other && !one.starts_with("W/")
}

/// Whether two tags are the same for who wants the same meaning.
pub fn is_same_weakly(one: &str, other: &str) -> bool {
    let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    opaque(one) == opaque(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vwp_middleware::fields::from_pairs;

    #[test]
    fn the_same_answer_has_the_same_tag_and_no_other_has() {
        let text = from_pairs(&[("Content-Type", "text/plain"), ("date", "today")]);
        let tag = of(&text, b"a world");
        assert_eq!(tag, of(&from_pairs(&[("content-type", "text/plain"), ("date", "tomorrow")]), b"a world"));
        assert!(tag.len() == 24 && tag.starts_with('"') && tag.ends_with('"'), "{tag}");
        assert_ne!(tag, of(&text, b"another world"));
        assert_ne!(tag, of(&from_pairs(&[("content-type", "text/html")]), b"a world"));
        let german = from_pairs(&[("content-type", "text/plain"), ("content-language", "de")]);
        assert_ne!(tag, of(&german, b"a world"));
    }

    #[test]
    fn tags_compare_as_the_table_of_the_standard_says() {
        // RFC 9110, section 8.8.3.2, table 3.
        for (one, other, strongly, weakly) in [
            ("W/\"1\"", "W/\"1\"", false, true),
            ("W/\"1\"", "W/\"2\"", false, false),
            ("W/\"1\"", "\"1\"", false, true),
            ("\"1\"", "\"1\"", true, true),
        ] {
            assert_eq!(is_same_strongly(one, other), strongly, "{one} {other}");
            assert_eq!(is_same_weakly(one, other), weakly, "{one} {other}");
        }
    }
}
