//! Where Prometheus fetches the metrics: `GET /metrics` on a listener of its own.
//!
//! Exemplars are in OpenMetrics only, which Prometheus asks for when it may
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>); others get plain text.

use super::Metrics;
use super::metrics::Format;
use crate::operate::probes::{self, problem};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Answers scrapes until the process ends.
pub async fn serve(metrics: Arc<Metrics>, listener: TcpListener) {
    probes::serve(listener, move |request| answer(&metrics, request)).await;
}

fn answer(metrics: &Metrics, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if request.uri().path() != "/metrics" {
        return problem(StatusCode::NOT_FOUND);
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return problem(StatusCode::METHOD_NOT_ALLOWED);
    }
    let format = wanted(request.headers());
    let Ok(written) = metrics.write(format) else {
        tracing::error!("the metrics could not be written");
        return problem(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let mut answer = Response::new(Full::new(Bytes::from(written)));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// The richest format that the client knows.
fn wanted(headers: &HeaderMap) -> Format {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let open = accepts
        .flat_map(|value| value.split(','))
        .any(|range| range.trim_start().starts_with("application/openmetrics-text"));
    if open { Format::OpenMetrics } else { Format::Text }
}
