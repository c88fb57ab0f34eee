//! Redirect URIs: where a browser may be sent with a code. They are compared as strings (RFC
//! 9700, section 4.1.3), so a registered one is required to be in the very form in which browsers
//! write it: then no two parsers can disagree about where it leads.

use url::{Host, Url};

/// The longest redirect URI, in bytes.
pub const LENGTH_MAX: usize = 512;

/// Why a text cannot be a redirect URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedirectUriError {
    /// Too long.
    #[error("a redirect URI has at most {LENGTH_MAX} bytes")]
    Length,
    /// Not in the form that browsers give it: dot segments, backslashes, upper-case hosts, spaces.
    #[error("a redirect URI is an absolute URL in the form in which a browser shows it")]
    Form,
    /// Neither `https` nor `http` on the loopback interface.
    #[error("a redirect URI is https, or http on 127.0.0.1 or [::1]")]
    Scheme,
    /// A user name or password.
    #[error("a redirect URI has no user name or password")]
    Userinfo,
    /// A fragment (RFC 6749, section 3.1.2).
    #[error("a redirect URI has no fragment")]
    Fragment,
    /// Encoded separators or dots, or dots beside a semicolon: servers disagree about what they mean.
    #[error("the path of a redirect URI has no encoded slashes or dots and no dot segments")]
    Path,
    /// A query that has what this port adds.
    #[error("the query of a redirect URI has none of code, state, iss and error")]
    Query,
}

/// Checks a redirect URI that a client registers.
pub fn check(text: &str) -> Result<(), RedirectUriError> {
    read(text).map(|_| ())
}

fn read(text: &str) -> Result<Url, RedirectUriError> {
    if text.len() > LENGTH_MAX {
        return Err(RedirectUriError::Length);
    }
    let url = Url::parse(text).map_err(|_| RedirectUriError::Form)?;
    if !url.username().is_empty() || url.password().is_some() || authority(text).contains('@') {
        return Err(RedirectUriError::Userinfo);
    }
    if text.contains('#') {
        return Err(RedirectUriError::Fragment);
    }
    if url.as_str() != text {
        return Err(RedirectUriError::Form);
    }
    if url.scheme() != "https" && !is_loopback(&url) {
        return Err(RedirectUriError::Scheme);
    }
    let path = url.path().to_ascii_lowercase();
    let is_encoded = ["%2f", "%5c", "%2e", "%00", "%25"].iter().any(|encoded| path.contains(encoded));
    // `..;` is a dot segment with a parameter to some servers, and a name to others.
    let is_dots = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
    if is_encoded || path.contains('\\') || path.split('/').any(is_dots) {
        return Err(RedirectUriError::Path);
    }
    if url.query_pairs().any(|(name, _)| matches!(&*name, "code" | "state" | "iss" | "error")) {
        return Err(RedirectUriError::Query);
    }
    Ok(url)
}

/// Whether a request's URI is one that was registered: the same string, or, for `http` on the
/// loopback interface, the same but for the port (RFC 8252, section 7.3).
pub fn matches(registered: &str, given: &str) -> bool {
    if registered == given {
        return true;
    }
    let (Ok(mut registered), Ok(mut given)) = (read(registered), read(given)) else { return false };
    let is_native = is_loopback(&registered) && is_loopback(&given);
    is_native
        && registered.set_port(None).is_ok()
        && given.set_port(None).is_ok()
        && registered.as_str() == given.as_str()
}

/// Whether a URI is `http` on an address of the loopback interface. `localhost` is a name, which
/// may lead elsewhere (RFC 8252, section 8.3).
pub(crate) fn is_loopback(url: &Url) -> bool {
    let is_here = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        _ => false,
    };
    url.scheme() == "http" && is_here
}

/// What stands between the scheme and the path.
fn authority(text: &str) -> &str {
    let rest = text.split_once("//").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// A redirect URI with the parameters of an answer; none if it is no URI after all.
pub(crate) fn with(text: &str, answer: &[(&str, &str)]) -> Option<String> {
    let mut url = Url::parse(text).ok()?;
    url.query_pairs_mut().extend_pairs(answer);
    Some(url.into())
}

/// The origin of a redirect URI, as a content policy names it.
pub(crate) fn origin(text: &str) -> Option<String> {
    Some(Url::parse(text).ok()?.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_and_the_loopback_interface_are_taken() {
        for good in [
            "https://world.example/",
            "https://world.example/callback",
            "https://world.example:8443/a/b?tenant=1",
            "http://127.0.0.1/callback",
            "http://127.0.0.1:9000/callback",
            "http://[::1]:9000/callback",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_parsers_disagree_about_is_refused() {
        use RedirectUriError::{Form, Fragment, Path, Query, Scheme, Userinfo};
        for (bad, why) in [
            ("https://world.example@evil.example/cb", Userinfo),
            ("https://user:secret@world.example/cb", Userinfo),
            ("https://@world.example/cb", Userinfo),
            ("https://world.example/cb#fragment", Fragment),
            ("https://world.example/cb#", Fragment),
            ("https://world.example/a/..;/cb", Path),
            ("https://world.example/a/.;x/cb", Path),
            ("https://world.example/a%2fcb", Path),
            ("https://world.example/a%2Fcb", Path),
            ("https://world.example/a%5Ccb", Path),
            ("https://world.example/a%252fcb", Path),
            ("https://world.example/x%2e%2ey", Path),
            ("https://world.example/a/../cb", Form),
            ("https://world.example/a/%2e%2e/cb", Form),
            ("https://world.example/a\\cb", Form),
            ("https:\\\\world.example/cb", Form),
            ("https://World.example/cb", Form),
            ("https://world.example", Form),
            ("https://world.example:443/cb", Form),
            (" https://world.example/cb", Form),
            ("https://world.example/c\tb", Form),
            ("/cb", Form),
            ("http://world.example/cb", Scheme),
            ("http://localhost/cb", Scheme),
            ("http://127.0.0.1.evil.example/cb", Scheme),
            ("javascript:alert(1)", Scheme),
            ("com.example.app:/cb", Scheme),
            ("https://world.example/cb?code=1", Query),
        ] {
            assert_eq!(check(bad), Err(why), "{bad}");
        }
        assert_eq!(
            check(&format!("https://world.example/{}", "a".repeat(LENGTH_MAX))),
            Err(RedirectUriError::Length)
        );
    }

    #[test]
    fn only_the_port_of_the_loopback_interface_may_differ() {
        assert!(matches("https://world.example/cb", "https://world.example/cb"));
        assert!(matches("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb"));
        assert!(matches("http://[::1]:9000/cb", "http://[::1]:51004/cb"));
        for given in [
            "https://world.example/cb/",
            "https://world.example/cb?x=1",
            "https://world.example:8443/cb",
            "https://world.example/a/../cb",
            "https://world.example/%63b",
            "HTTPS://world.example/cb",
        ] {
            assert!(!matches("https://world.example/cb", given), "{given}");
        }
        for given in [
            "http://127.0.0.1:1/other",
            "http://127.0.0.2:1/cb",
            "http://u@127.0.0.1:1/cb",
            "https://127.0.0.1/cb",
        ] {
            assert!(!matches("http://127.0.0.1/cb", given), "{given}");
        }
    }
}
