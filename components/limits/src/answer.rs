//! What answers say of limits (draft-ietf-httpapi-ratelimit-headers-10).

use crate::bucket::Limit;
use crate::settings::Charge;
use http::{Response, StatusCode};
use vwp_core::Problem;
use vwp_middleware::fields::{Fields, append};

/// The field with the rules.
const POLICY: &str = "ratelimit-policy";
/// The field with how they stand.
const LIMIT: &str = "ratelimit";
/// How long whoever meets too many others waits, in microseconds.
const BUSY_US: u64 = 1_000_000;

/// How a rule stands for whom it was charged to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What answers call the rule.
    pub rule: String,
    /// How often it may be charged.
    pub limit: Limit,
    /// How often it may still be charged at once.
    pub remaining: u32,
    /// When nothing would be used any more, in seconds from now.
    pub reset_s: u64,
    /// How long to wait for the next use, in microseconds; zero if there was one.
    pub wait_us: u64,
}

impl Standing {
    /// Of a subject whose bucket was always taken from by others.
    pub(crate) fn busy(charge: &Charge) -> Self {
        let Charge { rule, limit, .. } = charge.clone();
        Self { rule, limit, remaining: 0, reset_s: 1, wait_us: BUSY_US }
    }

    fn wait_s(&self) -> u64 {
        self.wait_us.div_ceil(1_000_000)
    }
}

/// Says how rules stand. A list may be written as several fields (RFC 9651, section 3.1), and the handler
/// may have limits of its own.
pub fn describe(answer: &mut Fields, standings: &[Standing]) {
    for standing in standings {
        let Standing { rule, limit, remaining, reset_s, .. } = standing;
        let Limit { quota, window_s } = limit;
        append(answer, POLICY, &format!("\"{rule}\";q={quota};w={window_s}"));
        let reset_s = standing.wait_s().max(*reset_s);
        append(answer, LIMIT, &format!("\"{rule}\";r={remaining};t={reset_s}"));
    }
}

/// The answer to a request that a rule has nothing left for (RFC 6585, section 4).
pub fn refusal(standing: &Standing) -> Response<Vec<u8>> {
    let Standing { rule, limit, .. } = standing;
    let detail = format!("the limit `{rule}` is {} requests in {} seconds", limit.quota, limit.window_s);
    let mut problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "throttled", "Too many requests", detail);
    problem.retry_after_s = Some(u32::try_from(standing.wait_s().max(1)).unwrap_or(u32::MAX));
    problem.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vwp_middleware::fields::from_pairs;

    fn standing() -> Standing {
        let limit = Limit { quota: 100, window_s: 60 };
        Standing { rule: "write".to_owned(), limit, remaining: 7, reset_s: 56, wait_us: 0 }
    }

    #[test]
    fn an_answer_says_how_each_rule_stands_beside_what_the_handler_says() {
        let mut answer = from_pairs(&[("ratelimit", "\"mine\";r=1;t=2")]);
        describe(&mut answer, &[standing()]);
        let expected = [
            ("ratelimit", "\"mine\";r=1;t=2"),
            ("ratelimit-policy", "\"write\";q=100;w=60"),
            ("ratelimit", "\"write\";r=7;t=56"),
        ];
        assert_eq!(answer, from_pairs(&expected));
    }

    #[test]
    fn a_refusal_says_when_to_come_again_in_whole_seconds() {
        for (wait_us, expected) in [(1, "1"), (1_000_000, "1"), (1_000_001, "2"), (0, "1")] {
            let refusal = refusal(&Standing { wait_us, ..standing() });
            assert_eq!(refusal.status(), StatusCode::TOO_MANY_REQUESTS);
            assert_eq!(refusal.headers()["retry-after"], expected, "{wait_us}");
        }
    }
}
