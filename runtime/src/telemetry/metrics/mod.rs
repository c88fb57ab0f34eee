//! What is counted and timed, under Prometheus' names: base units, `_total` for what only grows
//! (<https://prometheus.io/docs/practices/naming/>).
//!
//! Whoever counts holds handles that were looked up once, so that counting takes an atomic
//! addition, and timing one lock of one series for the time of an addition. The registry is read by
//! a scrape alone; while it writes a series' lines, it holds that series and no other.
//!
//! Labels are bounded: by the manifest (components, routes, machines, hosts that may be reached), or
//! by an enumeration here (methods, classes of status, reasons, outcomes). [`Metrics::register`]
//! says which there are; docs/observability.md says what they are for.

mod component;
mod dns;
mod edge;
mod host;
mod http;
mod outbound;
mod store;

pub use component::{Component, Failure, InUse, Run};
pub use dns::{Dns, Source};
pub use edge::{Connected, Edge, Ended, Listener, Protocol, Reload};
pub use http::{Class, InFlight, Refused, Route, method_name};
pub use outbound::{Breaker, Open, Outbound, OutboundRefused, Retry};

use crate::operate::health::Health;
use opentelemetry::trace::TraceId;
use prometheus_client::encoding::{EncodeLabelSet, prometheus_text, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// The bounds of buckets of times, in seconds: from a cached answer to a request's deadline.
const SECONDS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// What an exemplar says: the trace in which the value was measured.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TraceLabel {
    trace_id: String,
}

impl TraceLabel {
    /// The exemplar of a trace.
    pub fn new(trace: TraceId) -> Self {
        Self { trace_id: trace.to_string() }
    }
}

/// Times of which some name the trace that they were measured in.
type Traced = HistogramWithExemplars<TraceLabel>;

fn traced() -> Traced {
    HistogramWithExemplars::new(SECONDS.into_iter())
}

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

/// A family of histograms is made with a function; so is its type.
type Make<T> = fn() -> T;

/// The formats in which the metrics can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics text, version 1.0.0, which alone carries exemplars.
    OpenMetrics,
    /// Prometheus' text, version 0.0.4.
    Text,
}

impl Format {
    /// The media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => prometheus_text::CONTENT_TYPE,
        }
    }
}

/// The metrics of a host.
pub struct Metrics {
    registry: Registry,
    http: http::Families,
    components: component::Families,
    outbound: outbound::Families,
    /// What is counted of DNS.
    pub dns: Arc<Dns>,
    edge: Arc<Edge>,
    store: store::Families,
    /// What became of spans.
    pub spans: Family<SpanLabels, Counter>,
}

/// What became of a span.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SpanLabels {
    /// `exported`, `dropped` (the queue was full) or `failed` (the collector did not take it).
    pub outcome: &'static str,
}

impl Metrics {
    /// The metrics of a host that is as this says.
    pub fn register(health: &Arc<Health>) -> Arc<Self> {
        let mut registry = Registry::with_prefix("vwp");
        let spans = Family::default();
        registry.register("trace_spans", "Spans that were sampled, by what became of them", spans.clone());
        let metrics = Self {
            http: http::Families::register(&mut registry),
            components: component::Families::register(&mut registry),
            outbound: outbound::Families::register(&mut registry),
            dns: Arc::new(Dns::register(&mut registry)),
            edge: Arc::new(Edge::register(&mut registry)),
            store: store::Families::register(&mut registry),
            spans,
            registry,
        };
        Arc::new(metrics.with_host(health))
    }

    fn with_host(mut self, health: &Arc<Health>) -> Self {
        host::register(&mut self.registry, health);
        self
    }

    /// There is a connection to another host, until what this gives out is dropped.
    pub fn connected_out(&self) -> Open {
        self.outbound.connected()
    }

    /// Everything as it is now.
    pub fn write(&self, format: Format) -> Result<String, std::fmt::Error> {
        let mut written = String::new();
        match format {
            Format::OpenMetrics => text::encode(&mut written, &self.registry)?,
            Format::Text => prometheus_text::encode(&mut written, &self.registry)?,
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::{Method, StatusCode};

    #[test]
    fn a_request_is_counted_under_what_is_known_of_it() {
        let metrics = Metrics::register(&Health::starting());
        let route = metrics.route("discovery", "/v1/worlds/...");
        let odd = Method::from_bytes(b"BREW").expect("a method");
        route.answered(&Method::GET, Class::of(StatusCode::OK), 0.02, None);
        route.answered(
            &odd,
            Class::of(StatusCode::NOT_FOUND),
            0.02,
            Some(TraceLabel::new(TraceId::from(0x4bf9_u128))),
        );
        route.answered(&odd, Class::Aborted, 0.02, None);
        let written = metrics.write(Format::OpenMetrics).expect("text");
        let series = |method: &str, status: &str| {
            format!(
                "vwp_http_server_request_duration_seconds_count{{component=\"discovery\",\
                 route=\"/v1/worlds/...\",method=\"{method}\",status=\"{status}\"}} 1\n"
            )
        };
        for (method, status) in [("GET", "2xx"), ("other", "4xx"), ("other", "aborted")] {
            assert!(written.contains(&series(method, status)), "{method} {status}: {written}");
        }
        assert!(written.contains("# {trace_id=\"00000000000000000000000000004bf9\"} 0.02"), "{written}");
        assert!(written.ends_with("# EOF\n"));
        let plain = metrics.write(Format::Text).expect("text");
        assert!(!plain.contains("trace_id") && !plain.contains("# EOF"), "{plain}");
    }
}
