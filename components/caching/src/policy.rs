//! Which answers are read for their tag, and what becomes of each.

use crate::condition::{self, OF_CONTENT, Verdict};
use crate::directives;
use crate::settings::{Rule, Settings};
use http::{Response, StatusCode};
use vwp_core::{Problem, reply};
use vwp_middleware::fields::{Fields, has, lists, remove, set, text};

/// Media types whose content comes bit by bit: it is not held back.
const STREAMED: [&str; 4] =
    ["application/json-seq", "application/x-ndjson", "multipart/x-mixed-replace", "text/event-stream"];

/// A request whose answer is looked at.
#[derive(Debug)]
pub struct Asked<'a> {
    request: &'a Fields,
    rule: Option<&'a Rule>,
    tagged_bytes_max: usize,
    is_head: bool,
}

/// What becomes of an answer.
#[derive(Debug)]
pub enum Treatment {
    /// Its header fields are as they shall be, and its content goes on.
    Send,
    /// Something else is sent, without its content.
    Instead(Response<Vec<u8>>),
}

impl<'a> Asked<'a> {
    /// The request, unless its answer is none of ours: only what is asked for with GET or HEAD is kept.
    pub fn of(settings: &'a Settings, method: &str, target: &str, request: &'a Fields) -> Option<Self> {
        let path = target.split('?').next().unwrap_or_default();
        matches!(method, "GET" | "HEAD").then(|| Self {
            request,
            rule: settings.rule(path),
            tagged_bytes_max: settings.tagged_bytes_max,
            is_head: method == "HEAD",
        })
    }

    /// How much of an answer is held back for its tag at most, in bytes; none if it gets no tag.
    pub fn held_bytes_max(&self, status: u16, answer: &Fields) -> Option<usize> {
        let media_type = text(answer, "content-type").unwrap_or_default();
        let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let length = text(answer, "content-length").and_then(|length| length.parse::<usize>().ok());
        let is_tagged = status == 200
            && !self.is_head
            && self.rule.is_none_or(|rule| rule.tags)
            && !has(answer, "etag")
            // What nobody may keep is not asked for again.
            && !lists(answer, "cache-control", "no-store")
            && !STREAMED.contains(&essence.as_str())
            && length.is_none_or(|length| length <= self.tagged_bytes_max);
        is_tagged.then_some(self.tagged_bytes_max)
    }

    /// Decides on an answer, and makes its header fields those that go with the decision. `tag` is the one
    /// that was made for it, if it was held back and no longer than that.
    pub fn answered(&self, status: u16, answer: &mut Fields, tag: Option<&str>) -> Treatment {
        if let Some(tag) = tag {
            set(answer, "etag", tag);
        }
        // RFC 9110, section 15.4.5: it says of caches what the whole answer would.
        if let (200 | 304, Some(rule)) = (status, self.rule) {
            directives::add(rule, self.request, answer);
        }
        // RFC 9110, section 13.2.1: preconditions are for what would succeed.
        if status != 200 {
            return Treatment::Send;
        }
        match condition::evaluate(self.request, answer) {
            Verdict::Send => Treatment::Send,
            Verdict::NotModified => {
                for name in OF_CONTENT {
                    remove(answer, name);
                }
                Treatment::Instead(reply::empty(StatusCode::NOT_MODIFIED))
            }
            Verdict::Failed => {
                answer.clear();
                Treatment::Instead(failed())
            }
        }
    }
}

/// The answer when a precondition is false (RFC 9110, section 15.5.13).
fn failed() -> Response<Vec<u8>> {
    let problem = Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "precondition-failed",
        "The resource is not as the request requires",
        "get it again, and look whether the request is still right",
    );
    problem.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vwp_middleware::fields::from_pairs;

    fn settings() -> Settings {
        let rules = r#"[{"prefix": "/kept/", "max_age": 60, "stale_while_revalidate": 600, "shared": true},
                        {"prefix": "/live/", "tags": false}]"#;
        Settings::read(|name| match name {
            "caching_rules" => Some(rules.to_owned()),
            "caching_tagged_bytes_max" => Some("1000".to_owned()),
            _ => None,
        })
        .expect("settings")
    }

    fn page(more: &[(&str, &str)]) -> Fields {
        let mut fields = from_pairs(&[("content-type", "text/plain")]);
        fields.extend(from_pairs(more));
        fields
    }

    #[test]
    fn an_answer_gets_a_tag_and_who_names_it_gets_no_content() {
        let settings = settings();
        let nothing = Fields::new();
        let asked = Asked::of(&settings, "GET", "/kept/map?at=1", &nothing).expect("a GET");
        let mut answer = page(&[("content-length", "7"), ("link", "</>; rel=up")]);
        assert_eq!(asked.held_bytes_max(200, &answer), Some(1000));
        assert!(matches!(asked.answered(200, &mut answer, Some("\"1\"")), Treatment::Send));
        let tag = text(&answer, "etag").expect("a tag").to_owned();
        let control = "public, max-age=60, stale-while-revalidate=600";
        assert_eq!(text(&answer, "cache-control"), Some(control));

        let again = from_pairs(&[("if-none-match", &tag)]);
        let asked = Asked::of(&settings, "GET", "/kept/map", &again).expect("a GET");
        let mut answer = page(&[("content-length", "7"), ("link", "</>; rel=up")]);
        let Treatment::Instead(instead) = asked.answered(200, &mut answer, Some("\"1\"")) else {
            panic!("it was sent again");
        };
        assert_eq!(instead.status(), StatusCode::NOT_MODIFIED);
        let expected = [("link", "</>; rel=up"), ("etag", tag.as_str()), ("cache-control", control)];
        assert_eq!(answer, from_pairs(&expected));
        let mut answer = page(&[]);
        assert!(matches!(asked.answered(200, &mut answer, Some("\"2\"")), Treatment::Send));
    }

    #[test]
    fn only_what_is_asked_for_and_there_is_held_back_for_a_tag() {
        let settings = settings();
        let nothing = Fields::new();
        for method in ["POST", "PUT", "OPTIONS"] {
            assert!(Asked::of(&settings, method, "/", &nothing).is_none(), "{method}");
        }
        let held = |method: &str, path: &str, status: u16, more: &[(&str, &str)]| {
            let asked = Asked::of(&settings, method, path, &nothing).expect("a GET");
            asked.held_bytes_max(status, &page(more))
        };
        assert_eq!(held("GET", "/", 200, &[]), Some(1000));
        assert_eq!(held("HEAD", "/", 200, &[]), None);
        assert_eq!(held("GET", "/live/map", 200, &[]), None);
        for status in [201, 206, 304, 404] {
            assert_eq!(held("GET", "/", status, &[]), None, "{status}");
        }
        for more in [("etag", "\"1\""), ("cache-control", "no-store"), ("content-length", "1001")] {
            assert_eq!(held("GET", "/", 200, &[more]), None, "{more:?}");
        }
        let asked = Asked::of(&settings, "GET", "/", &nothing).expect("a GET");
        let events = from_pairs(&[("content-type", "text/event-stream; charset=utf-8")]);
        assert_eq!(asked.held_bytes_max(200, &events), None);
    }

    #[test]
    fn a_handlers_own_tag_is_believed() {
        let settings = settings();
        let known = from_pairs(&[("if-none-match", "\"mine\"")]);
        let asked = Asked::of(&settings, "HEAD", "/", &known).expect("a HEAD");
        let mut answer = page(&[("etag", "\"mine\"")]);
        assert!(matches!(asked.answered(200, &mut answer, None), Treatment::Instead(_)));
        let mut missing = page(&[("etag", "\"mine\"")]);
        assert!(matches!(asked.answered(404, &mut missing, None), Treatment::Send));
    }

    #[test]
    fn who_requires_another_version_gets_a_problem_and_nothing_of_the_answer() {
        let settings = settings();
        let wanted = from_pairs(&[("if-match", "\"other\"")]);
        let asked = Asked::of(&settings, "GET", "/kept/map", &wanted).expect("a GET");
        let mut answer = page(&[]);
        let Treatment::Instead(instead) = asked.answered(200, &mut answer, Some("\"1\"")) else {
            panic!("it was sent");
        };
        assert_eq!(instead.status(), StatusCode::PRECONDITION_FAILED);
        assert_eq!(answer, Fields::new());
    }
}
