//! A handler that knows nothing of the port: it answers with what it was sent, the values of each
//! header in a list of their own.

use http_body_util::BodyExt;
use serde_json::{Map, Value, json};
use spin_sdk::http::{IntoResponse, Request, StatusCode};
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    let (head, body) = request.into_parts();
    let content = match body.collect().await {
        Ok(content) => content.to_bytes(),
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{error:?}")),
    };
    let mut headers = Map::new();
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let values = headers.entry(name.as_str()).or_insert_with(|| json!([]));
        if let Value::Array(values) = values {
            values.push(value.into());
        }
    }
    let seen = json!({
        "method": head.method.as_str(),
        "path": head.uri.path_and_query().map(|path| path.as_str()),
        "headers": headers,
        "content": String::from_utf8_lossy(&content),
    });
    (StatusCode::OK, seen.to_string())
}
