//! The files, and which one a request gets.

use http::{HeaderValue, Method, Response, StatusCode, header};
use std::sync::OnceLock;
use vwp_core::{Problem, digest, reply};

/// The page has a style of its own and nothing else, and no other page may frame it.
const CONTENT_POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// A port that was upgraded is asked again soon; until then nobody has to.
const CACHEABLE: &str = "public, max-age=300";

struct File {
    path: &'static str,
    media_type: &'static str,
    text: &'static str,
    tag: OnceLock<String>,
}

static FILES: [File; 3] = [
    File {
        path: "/openapi.json",
        media_type: "application/json",
        text: include_str!("../../../../openapi/vwp.json"),
        tag: OnceLock::new(),
    },
    File {
        path: "/docs",
        media_type: "text/html; charset=utf-8",
        text: include_str!("../../../../openapi/docs.html"),
        tag: OnceLock::new(),
    },
    File {
        path: "/docs/style.css",
        media_type: "text/css; charset=utf-8",
        text: include_str!("style.css"),
        tag: OnceLock::new(),
    },
];

impl File {
    /// Its entity tag (RFC 9110, section 8.8.3), made when it is asked for first.
    fn tag(&self) -> &str {
        self.tag.get_or_init(|| format!("\"{:032x}\"", digest::digest("vwp-openapi", &[self.text])))
    }
}

/// Answers a request by its method, its target and the values of its `If-None-Match`.
pub fn answer(method: &Method, target: &str, known: &[Vec<u8>]) -> Response<Vec<u8>> {
    let path = target.split('?').next().unwrap_or_default();
    let Some(file) = FILES.iter().find(|file| file.path == path) else {
        return Problem::not_found("no resource has this path").into_response();
    };
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Problem::method_not_allowed("GET, HEAD").into_response();
    }
    let mut response = if names(known, file.tag()) {
        reply::empty(StatusCode::NOT_MODIFIED)
    } else {
        reply::with_type(StatusCode::OK, file.media_type, file.text.as_bytes().to_vec())
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHEABLE));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_POLICY));
    if let Ok(tag) = HeaderValue::from_str(file.tag()) {
        headers.insert(header::ETAG, tag);
    }
    reply::finish(method, Ok::<_, Problem>(response))
}

/// Whether `If-None-Match` names a tag, weakly compared (RFC 9110, section 13.1.2).
fn names(known: &[Vec<u8>], tag: &str) -> bool {
    let lines = known.iter().filter_map(|line| std::str::from_utf8(line).ok());
    lines.flat_map(|line| line.split(',')).any(|given| {
        let given = given.trim();
        given == "*" || given.strip_prefix("W/").unwrap_or(given) == tag
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;
    use vwp_openapi::{check, port};

    fn asked(method: &Method, target: &str, known: &[Vec<u8>]) -> Response<Vec<u8>> {
        let answer = answer(method, target, known);
        let request = Request::builder().method(method).uri(target).body(Vec::new()).expect("a request");
        check::assert_documented(&port::api(), &request, &answer);
        answer
    }

    #[test]
    fn the_document_the_page_and_its_style_are_served_and_only_once_to_who_keeps_them() {
        for path in ["/openapi.json", "/docs", "/docs/style.css"] {
            let first = asked(&Method::GET, path, &[]);
            assert_eq!(first.status(), StatusCode::OK, "{path}");
            let tag = first.headers()[header::ETAG].as_bytes().to_vec();
            let weak = [b"\"other\", W/".to_vec(), tag.clone()].concat();
            for known in [tag, weak, b"*".to_vec()] {
                let again = asked(&Method::GET, path, &[known]);
                assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
                assert!(again.body().is_empty(), "{path}");
            }
            assert_eq!(
                asked(&Method::GET, path, &[b"\"other\"".to_vec()]).status(),
                StatusCode::OK,
                "{path}"
            );
            assert!(asked(&Method::HEAD, path, &[]).body().is_empty(), "{path}");
        }
    }

    #[test]
    fn a_query_changes_nothing() {
        // It is in no table, so the answer is not held against them.
        let with = answer(&Method::GET, "/docs?theme=dark", &[]);
        assert_eq!(with.body(), asked(&Method::GET, "/docs", &[]).body());
    }

    #[test]
    fn other_paths_and_methods_are_refused() {
        assert_eq!(asked(&Method::GET, "/docs/other", &[]).status(), StatusCode::NOT_FOUND);
        assert_eq!(asked(&Method::POST, "/docs", &[]).status(), StatusCode::METHOD_NOT_ALLOWED);
    }

    #[test]
    fn the_page_loads_nothing_but_its_style_and_has_no_script() {
        let page = asked(&Method::GET, "/docs", &[]);
        let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap_or_default();
        assert!(policy.contains("default-src 'none'"), "{policy}");
        let text = String::from_utf8_lossy(page.body());
        assert!(text.contains("href=\"/docs/style.css\""));
        for forbidden in ["<script", "style=\"", "src=\"", "javascript:"] {
            assert!(!text.contains(forbidden), "the page has {forbidden}");
        }
    }
}
