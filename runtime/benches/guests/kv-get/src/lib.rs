//! Answers with a value of the key-value store: what is measured is the host's way to it.

use spin_sdk::http::{FullBody, Response, StatusCode};
use spin_sdk::http_service;
use spin_sdk::key_value::{Error, Store};

const KEY: &str = "key";

#[http_service]
async fn handle(_: spin_sdk::http::Request) -> Response<FullBody<bytes::Bytes>> {
    let (status, body) = match value().await {
        Ok(value) => (StatusCode::OK, value),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string().into_bytes()),
    };
    let mut response = Response::new(FullBody::new(body.into()));
    *response.status_mut() = status;
    response
}

/// The value; the first request puts it there.
async fn value() -> Result<Vec<u8>, Error> {
    let store = Store::open_default().await?;
    if let Some(value) = store.get(KEY).await? {
        return Ok(value);
    }
    let value = vec![b'v'; 200];
    store.set(KEY, &value).await?;
    Ok(value)
}
