//! Listeners for who watches the host: probes and scrapes. They have connections of their own and
//! few of them, so that neither a flood of requests shuts them out nor they take anything from
//! requests.

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// How many are answered at once; further ones wait to be accepted.
const PROBES_MAX: usize = 32;
/// How long a probe's connection may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long accepting pauses when the system has no more descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Binds a listener for this.
pub async fn bind(address: SocketAddr, what: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address} ({what})"))
}

/// Answers until the process ends.
pub async fn serve<F>(listener: TcpListener, answer: F)
where
    F: Fn(&Request<Incoming>) -> Response<Full<Bytes>> + Send + Sync + 'static,
{
    let (answer, probes) = (Arc::new(answer), Arc::new(Semaphore::new(PROBES_MAX)));
    // The semaphore is never closed.
    while let Ok(permit) = probes.clone().acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let answer = answer.clone();
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let answer = answer(&request);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PROBE_TIMEOUT)
                // A probe asks once; a connection that is kept would keep its place.
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            // However a probe ends, it knows.
            let _ = tokio::time::timeout(PROBE_TIMEOUT, connection).await;
            drop(permit);
        });
    }
}

/// An answer in JSON that nobody may keep.
pub(crate) fn answer(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(body.to_string())));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// An answer that is only its status (RFC 9457, section 4.2.1).
pub(crate) fn problem(status: StatusCode) -> Response<Full<Bytes>> {
    let title = status.canonical_reason().unwrap_or_default();
    let mut answer =
        answer(status, &json!({"type": "about:blank", "status": status.as_u16(), "title": title}));
    let media_type = HeaderValue::from_static("application/problem+json");
    answer.headers_mut().insert(header::CONTENT_TYPE, media_type);
    answer
}
