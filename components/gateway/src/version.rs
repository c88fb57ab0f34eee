//! Which version of the HTTP API a request is made for.
//!
//! A path says its version too: `/v1/worlds`. The field is for clients that want to be refused by a port which
//! does not serve what they were written for, instead of being misunderstood.

use http::StatusCode;
use vwp_core::Problem;
use vwp_middleware::fields::{Fields, has, members};

/// In a request the versions that the client knows, the best one first; in an answer the one that it is of.
pub const FIELD: &str = "vwp-version";
/// The versions that are served, the newest first.
pub const SERVED: [&str; 1] = ["1"];

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
}
