//! A handler that knows nothing of the port, nor of what stands before it. It answers with what it was sent,
//! the values of each header in a list of their own; at `/echo` with the content alone, as it comes; at
//! `/pages/LENGTH` with as many bytes of text. A header `answer-NAME` is sent back as NAME, and
//! `answer-status` is the status.

use http_body_util::{BodyExt, Full};
use serde_json::{Map, Value, json};
use spin_sdk::http::{BoxBody, HeaderMap, HeaderName, Request, Response, StatusCode, box_body};
use spin_sdk::http_service;

/// How the names of headers begin that are to be sent back.
const ANSWER: &str = "answer-";

#[http_service]
async fn handle(request: Request) -> Response<BoxBody> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let length = path.strip_prefix("/pages/").and_then(|length| length.parse().ok());
    let content = match (path, length) {
        ("/echo", _) => box_body(body),
        (_, Some(length)) => text(page(length)),
        _ => match body.collect().await {
            Ok(content) => {
                let target = head.uri.path_and_query().map(|target| target.as_str());
                let method = head.method.as_str();
                text(seen(method, target, &head.headers, &content.to_bytes()))
            }
            Err(error) => {
                let mut answer = Response::new(text(format!("{error:?}")));
                *answer.status_mut() = StatusCode::BAD_REQUEST;
                return answer;
            }
        },
    };
    let mut answer = Response::new(content);
    for (name, value) in &head.headers {
        match name.as_str().strip_prefix(ANSWER) {
            Some("status") => *answer.status_mut() = StatusCode::from_bytes(value.as_bytes()).unwrap_or_default(),
            Some(name) => {
                if let Ok(name) = HeaderName::try_from(name) {
                    answer.headers_mut().append(name, value.clone());
                }
            }
            None => {}
        }
    }
    answer
}

fn seen(method: &str, target: Option<&str>, headers: &HeaderMap, content: &[u8]) -> String {
    let mut fields = Map::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let values = fields.entry(name.as_str()).or_insert_with(|| json!([]));
        if let Value::Array(values) = values {
            values.push(value.into());
        }
    }
    let content = String::from_utf8_lossy(content);
    json!({ "method": method, "path": target, "headers": fields, "content": content }).to_string()
}

/// Text of a length, every line of which is another.
fn page(length: usize) -> String {
    let mut text = String::with_capacity(length + 80);
    let mut line = 0;
    while text.len() < length {
        text.push_str(&format!("line {line} of a page that tells of a world\n"));
        line += 1;
    }
    text.truncate(length);
    text
}

fn text(text: String) -> BoxBody {
    box_body(Full::new(text.into()))
}
