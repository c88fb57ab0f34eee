//! What the fields of a record have in common: bounded lists, texts, tokens and URLs.

use crate::error::DiscoveryError;
use std::collections::HashSet;
use std::hash::Hash;
use url::Url;

/// The longest URL, in bytes.
pub const URL_LENGTH_MAX: usize = 1024;

/// The result of looking at a part of a record.
pub(crate) type Checked = Result<(), DiscoveryError>;

/// A refusal of a record.
pub(crate) fn bad(why: impl Into<String>) -> DiscoveryError {
    DiscoveryError::BadRecord(why.into())
}

/// A list of at most `count_max` different values, each of which passes `check`.
pub(super) fn list<T: Eq + Hash>(
    what: &str,
    values: &[T],
    count_max: usize,
    check: impl Fn(&T) -> Checked,
) -> Checked {
    if values.len() > count_max {
        return Err(bad(format!("{what} has at most {count_max} entries")));
    }
    let mut seen = HashSet::new();
    if !values.iter().all(|value| seen.insert(value)) {
        return Err(bad(format!("{what} has an entry twice")));
    }
    values.iter().try_for_each(check)
}

/// A text of one line: 1 to `length_max` characters, none of which is a control character.
pub(super) fn text(what: &str, text: &str, length_max: usize) -> Checked {
    // Bytes first: they bound the work of counting characters.
    let is_text = text.len() <= length_max * 4
        && text.chars().count() <= length_max
        && !text.trim().is_empty()
        && !text.chars().any(char::is_control);
    if is_text {
        return Ok(());
    }
    Err(bad(format!("{what} has 1 to {length_max} characters and no control characters")))
}

/// A word for programs: 1 to `length_max` of a-z, 0-9, `.`, `_`, `-`, `+`, and `/` between
/// a name and its version.
pub(super) fn token(what: &str, text: &str, length_max: usize) -> Checked {
    let is_allowed = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-' | b'+' | b'/')
    };
    let is_token = text.len() <= length_max
        && text.bytes().all(is_allowed)
        && text.bytes().filter(|&byte| byte == b'/').count() <= 1
        && text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && !text.ends_with('/');
    if is_token {
        return Ok(());
    }
    Err(bad(format!(
        "{what} has 1 to {length_max} of a-z, 0-9 and . _ - + and starts with a letter or digit"
    )))
}

/// A URL that a browser opens over TLS.
pub(super) fn web_url(what: &str, text: &str) -> Checked {
    match parse_url(text) {
        Some(url) if url.scheme() == "https" && url.host().is_some() && is_without_secrets(&url) => Ok(()),
        _ => {
            Err(bad(format!("{what} is an https URL of at most {URL_LENGTH_MAX} bytes, without a password")))
        }
    }
}

/// The URL of a port. It may be without TLS, because a port on one's own machine is.
pub(super) fn issuer(what: &str, text: &str) -> Checked {
    match parse_url(text) {
        Some(url) if matches!(url.scheme(), "http" | "https") && is_without_secrets(&url) => Ok(()),
        _ => Err(bad(format!("{what} is the URL of a port, at most {URL_LENGTH_MAX} bytes long"))),
    }
}

/// A URI that a program is started with, or that a person is reached by. Schemes with which
/// a browser runs or reads something of its user's are none of those.
pub(super) fn uri(what: &str, text: &str) -> Checked {
    const REFUSED: [&str; 5] = ["blob", "data", "file", "javascript", "vbscript"];
    match parse_url(text) {
        Some(url) if !REFUSED.contains(&url.scheme()) && is_without_secrets(&url) => Ok(()),
        _ => Err(bad(format!("{what} is a URI of at most {URL_LENGTH_MAX} bytes that is safe to open"))),
    }
}

/// The SHA-256 of something, base64url without padding.
pub(super) fn sha256(what: &str, text: &str) -> Checked {
    match vwp_core::jose::decode(text) {
        Ok(bytes) if bytes.len() == 32 => Ok(()),
        _ => Err(bad(format!("{what} is a SHA-256 in base64url without padding"))),
    }
}

/// RFC 3986, section 2: only ASCII, so that the URL is the same for every reader.
fn parse_url(text: &str) -> Option<Url> {
    let is_bounded = text.len() <= URL_LENGTH_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_bounded { Url::parse(text).ok() } else { None }
}

fn is_without_secrets(url: &Url) -> bool {
    url.password().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_would_run_something_or_carry_a_password_are_refused() {
        for good in ["https://a.example", "https://a.example:8443/x?y#z"] {
            assert_eq!(web_url("it", good), Ok(()), "{good}");
        }
        let long = format!("https://a.example/{}", "x".repeat(URL_LENGTH_MAX));
        for bad in [
            "",
            "a.example",
            "http://a.example",
            "https://",
            "https://u:p@a.example",
            "https://ä.example",
            &long,
        ] {
            assert!(web_url("it", bad).is_err(), "{bad}");
        }
        for good in ["steam://run/440", "minecraft://connect?host=a.example", "mailto:help@a.example"] {
            assert_eq!(uri("it", good), Ok(()), "{good}");
        }
        for bad in
            ["", "x", "javascript:alert(1)", "DATA:,x", "file:///etc/passwd", "blob:https://a.example/x"]
        {
            assert!(uri("it", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tokens_are_written_in_one_way() {
        for good in ["a", "vrm/1.0", "c++", "0-9", "a_b.c"] {
            assert_eq!(token("it", good, 8), Ok(()), "{good}");
        }
        for bad in ["", "A", "a b", "/a", "a/", "a/b/c", "-a", "ä", "abcdefghi"] {
            assert!(token("it", bad, 8).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_hash_has_32_bytes() {
        assert_eq!(sha256("it", &vwp_core::jose::encode([7; 32])), Ok(()));
        for bad in ["", "AAAA", "not base64url!"] {
            assert!(sha256("it", bad).is_err(), "{bad}");
        }
    }
}
