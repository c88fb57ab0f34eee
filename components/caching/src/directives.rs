//! What `Cache-Control` an answer gets whose handler says nothing of caches.

use crate::settings::Rule;
use std::fmt::Write as _;
use vwp_middleware::fields::{Fields, has, set};

/// What says how an answer may be kept (RFC 9111, sections 5.2 to 5.4). Where a handler says one of them,
/// nothing is added.
const SAID: [&str; 3] = ["cache-control", "expires", "pragma"];
/// What names somebody. What they get may be about them, so that it is for their own cache alone (RFC 9111,
/// section 3.5, has this of `Authorization`; cookies name people as well).
const NAMING: [&str; 2] = ["authorization", "cookie"];

/// Adds the directives of a rule.
pub fn add(rule: &Rule, request: &Fields, answer: &mut Fields) {
    let Some(max_age) = rule.max_age else { return };
    if SAID.iter().any(|name| has(answer, name)) || has(answer, "set-cookie") {
        return;
    }
    let is_named = NAMING.iter().any(|name| has(request, name));
    let scope = if rule.shared && !is_named { "public" } else { "private" };
    let mut directives = format!("{scope}, max-age={max_age}");
    let stale =
        [("stale-while-revalidate", rule.stale_while_revalidate), ("stale-if-error", rule.stale_if_error)];
    for (name, seconds) in stale {
        if let Some(seconds) = seconds {
            // Writing to a text does not fail.
            let _ = write!(directives, ", {name}={seconds}");
        }
    }
    set(answer, "cache-control", &directives);
}

#[cfg(test)]
mod tests {
    use super::*;
    use vwp_middleware::fields::{from_pairs, text};

    fn rule() -> Rule {
        Rule {
            prefix: "/".to_owned(),
            max_age: Some(60),
            stale_while_revalidate: Some(600),
            stale_if_error: Some(86_400),
            shared: true,
            tags: true,
        }
    }

    fn added(rule: &Rule, request: &[(&str, &str)], answer: &[(&str, &str)]) -> Option<String> {
        let mut answer = from_pairs(answer);
        add(rule, &from_pairs(request), &mut answer);
        text(&answer, "cache-control").map(str::to_owned)
    }

    #[test]
    fn an_answer_of_which_nothing_is_said_gets_what_the_rule_says() {
        let all = "public, max-age=60, stale-while-revalidate=600, stale-if-error=86400";
        assert_eq!(added(&rule(), &[], &[]).as_deref(), Some(all));
        let plain = Rule { stale_while_revalidate: None, stale_if_error: None, shared: false, ..rule() };
        assert_eq!(added(&plain, &[], &[]).as_deref(), Some("private, max-age=60"));
        assert_eq!(added(&Rule { max_age: None, ..plain }, &[], &[]), None);
    }

    #[test]
    fn what_somebody_who_is_named_gets_is_for_nobody_else() {
        for request in [("Authorization", "Bearer a"), ("Cookie", "session=1")] {
            let given = added(&rule(), &[request], &[]).expect("directives");
            assert!(given.starts_with("private, max-age=60"), "{request:?}: {given}");
        }
    }

    #[test]
    fn what_the_handler_says_stands() {
        assert_eq!(added(&rule(), &[], &[("Cache-Control", "no-cache")]).as_deref(), Some("no-cache"));
        for answer in [("Expires", "0"), ("pragma", "no-cache"), ("set-cookie", "a=b")] {
            assert_eq!(added(&rule(), &[], &[answer]), None, "{answer:?}");
        }
    }
}
