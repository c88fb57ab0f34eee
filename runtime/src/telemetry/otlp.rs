//! Sends spans to a collector: OTLP over HTTP in protobuf
//! (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>).
//!
//! Spans wait in a queue with a bound, for as long as a collector is slow or away; what does not
//! fit is dropped and counted, and nobody waits. The library's own queue counts only for its log,
//! and sends from a thread of its own; this one counts in the metrics, and sends with the client
//! that the host has anyway.

use super::Metrics;
use super::metrics::SpanLabels;
use crate::host::outbound::{self, Connector};
use crate::networks::BlockedNetworks;
use crate::server::stopped;
use anyhow::{Context as _, Result};
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use opentelemetry::Context;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter as _, SpanProcessor};
use prometheus_client::metrics::counter::Counter;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use url::Url;

/// How many spans wait to be sent; the default of `OTEL_BSP_MAX_QUEUE_SIZE`.
const WAITING_MAX: usize = 2048;
/// How many are sent at once; the default of `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`.
const BATCH_MAX: usize = 512;
/// How long a span waits for others to be sent with.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a collector may take, attempts included.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long what waits may take to be sent when the host stops.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer of a collector that is read, in bytes.
const ANSWER_LENGTH_MAX: usize = 64 * 1024;
/// Where a collector takes spans, below its endpoint.
const PATH: &str = "v1/traces";

/// Where spans that ended go.
#[derive(Debug, Clone)]
pub struct Queue {
    spans: mpsc::Sender<SpanData>,
    dropped: Counter,
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.spans.try_send(span).is_err() {
            self.dropped.inc();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Sends what is in the queue.
pub struct Sending {
    task: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl Sending {
    /// Sends what waits, for a while, and takes nothing more.
    pub async fn flush(self) {
        self.stop.send_replace(true);
        if tokio::time::timeout(FLUSH_TIMEOUT, self.task).await.is_err() {
            tracing::warn!("the collector did not take the last spans in time");
        }
    }
}

/// Starts to send spans to the collector at this endpoint.
pub fn start(endpoint: &Url, resource: &Resource, metrics: Option<&Metrics>) -> Result<(Queue, Sending)> {
    let mut url = endpoint.clone();
    // An endpoint without a final slash is a folder all the same (OTLP exporter configuration,
    // "Endpoint URLs for OTLP/HTTP").
    let path = format!("{}/{PATH}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    let client =
        outbound::client(Arc::new(BlockedNetworks::default()), None).context("the exporter's client")?;
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Collector { client })
        .with_endpoint(url.as_str())
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .context("the exporter of spans")?;
    exporter.set_resource(resource);
    let count = |outcome| match metrics {
        Some(metrics) => metrics.spans.get_or_create_owned(&SpanLabels { outcome }),
        None => Counter::default(),
    };
    let (sender, queue) = mpsc::channel(WAITING_MAX);
    let (stopper, stop) = watch::channel(false);
    let sender = Queue { spans: sender, dropped: count("dropped") };
    let worker = Worker { exporter, exported: count("exported"), failed: count("failed"), is_away: false };
    Ok((sender, Sending { task: tokio::spawn(worker.run(queue, stop)), stop: stopper }))
}

struct Worker {
    exporter: SpanExporter,
    exported: Counter,
    failed: Counter,
    is_away: bool,
}

impl Worker {
    async fn run(mut self, mut queue: mpsc::Receiver<SpanData>, mut stop: watch::Receiver<bool>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        loop {
            let received = tokio::select! {
                received = queue.recv_many(&mut batch, BATCH_MAX) => received,
                () = stopped(&mut stop) => {
                    queue.close();
                    queue.recv_many(&mut batch, BATCH_MAX).await
                }
            };
            if received == 0 {
                return;
            }
            tokio::select! {
                _ = tokio::time::timeout(PAUSE, fill(&mut queue, &mut batch)) => {}
                () = stopped(&mut stop) => {}
            }
            self.send(std::mem::take(&mut batch)).await;
        }
    }

    async fn send(&mut self, batch: Vec<SpanData>) {
        let count = batch.len() as u64;
        match self.exporter.export(batch).await {
            Ok(()) => {
                self.exported.inc_by(count);
                if std::mem::take(&mut self.is_away) {
                    tracing::info!("the collector takes spans again");
                }
            }
            Err(error) => {
                self.failed.inc_by(count);
                // Said once, not once a second.
                if !std::mem::replace(&mut self.is_away, true) {
                    tracing::warn!(%error, "the collector takes no spans");
                }
            }
        }
    }
}

/// Adds what comes to the batch until it is full, or nothing more can come.
async fn fill(queue: &mut mpsc::Receiver<SpanData>, batch: &mut Vec<SpanData>) {
    while batch.len() < BATCH_MAX && queue.recv_many(batch, BATCH_MAX - batch.len()).await > 0 {}
}

/// The collector, as the exporter reaches it.
#[derive(Debug)]
struct Collector {
    client: Client<Connector, Full<Bytes>>,
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let exchange = async {
            let (head, body) = self.client.request(request.map(Full::new)).await?.into_parts();
            let body = Limited::new(body, ANSWER_LENGTH_MAX).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        };
        tokio::time::timeout(EXPORT_TIMEOUT, exchange).await?
    }
}
