//! Which version of the HTTP API a request is made for, and what ends.
//!
//! A path says its version too: `/v1/worlds`. The field is for clients that want to be refused by a port which
//! does not serve what they were written for, instead of being misunderstood.

use http::StatusCode;
use vwp_core::Problem;
use vwp_middleware::fields::{Fields, append, has, members, set};

/// In a request the versions that the client knows, the best one first; in an answer the one that it is of.
pub const FIELD: &str = "vwp-version";
/// The versions that are served, the newest first.
pub const SERVED: [&str; 1] = ["1"];

/// What is served no longer than until some day. Nothing is, so far.
pub const ENDINGS: [Ending; 0] = [];

/// The end of something that is still served.
#[derive(Debug, Clone, Copy)]
pub struct Ending {
    /// How the paths begin that end.
    pub prefix: &'static str,
    /// Since when nobody should begin to use them, in seconds since the Unix epoch (RFC 9745, section 2.1).
    pub deprecated_at: i64,
    /// From when on they may be gone, as a date of HTTP (RFC 8594, section 3).
    pub sunset: &'static str,
    /// What tells people about it (RFC 9745, section 3).
    pub about: &'static str,
}

/// The version that a request is answered in: the first of those that it names that is served, or the newest
/// if it names none. If none of those is served, the refusal.
pub fn choose(request: &Fields) -> Result<&'static str, Problem> {
    if !has(request, FIELD) {
        return Ok(SERVED[0]);
    }
    let served = |asked: &str| SERVED.into_iter().find(|version| *version == asked);
    members(request, FIELD).find_map(served).ok_or_else(|| {
        let detail = format!("the versions of the API that this port serves: {}", SERVED.join(", "));
        let title = "The port does not serve this version of the API";
        let problem = Problem::new(StatusCode::BAD_REQUEST, "version-unknown", title, detail);
        problem.with("served", SERVED.to_vec())
    })
}

/// Says in an answer that what was asked for ends, if it does.
pub fn announce(answer: &mut Fields, path: &str, endings: &[Ending]) {
    let Some(ending) = endings.iter().find(|ending| path.starts_with(ending.prefix)) else { return };
    set(answer, "deprecation", &format!("@{}", ending.deprecated_at));
    set(answer, "sunset", ending.sunset);
    append(answer, "link", &format!("<{}>; rel=\"deprecation\"", ending.about));
}

#[cfg(test)]
mod tests {
    use super::*;
    use vwp_middleware::fields::from_pairs;

    #[test]
    fn a_request_is_answered_in_a_version_that_it_names_or_in_the_newest() {
        assert_eq!(choose(&Fields::new()), Ok("1"));
        for asked in ["1", "2, 1", "3,2,1"] {
            assert_eq!(choose(&from_pairs(&[("Vwp-Version", asked)])), Ok("1"), "{asked}");
        }
        assert_eq!(choose(&from_pairs(&[("vwp-version", "2"), ("vwp-version", "1")])), Ok("1"));
    }

    #[test]
    fn a_request_for_versions_that_are_not_served_is_told_which_are() {
        for asked in ["2", "", "1.0", "v1", "0, 2"] {
            let problem = choose(&from_pairs(&[("vwp-version", asked)])).expect_err(asked);
            assert_eq!((problem.status, problem.slug), (StatusCode::BAD_REQUEST, "version-unknown"));
            assert_eq!(problem.extensions["served"][0], "1");
        }
    }

    #[test]
    fn what_ends_says_so_and_nothing_else_does() {
        let endings = [Ending {
            prefix: "/v1/",
            deprecated_at: 1_800_000_000,
            sunset: "Wed, 01 Mar 2028 00:00:00 GMT",
            about: "https://port.example/docs",
        }];
        let mut answer = from_pairs(&[("link", "</>; rel=up")]);
        announce(&mut answer, "/v1/worlds", &endings);
        let expected = [
            ("link", "</>; rel=up"),
            ("deprecation", "@1800000000"),
            ("sunset", "Wed, 01 Mar 2028 00:00:00 GMT"),
            ("link", "<https://port.example/docs>; rel=\"deprecation\""),
        ];
        assert_eq!(answer, from_pairs(&expected));
        let mut other = Fields::new();
        announce(&mut other, "/v2/worlds", &endings);
        assert_eq!(other, Fields::new());
    }
}
