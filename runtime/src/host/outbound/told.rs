//! A component's request to others, as it is told: its span, and its time by the host that the
//! manifest allows it to reach.

use crate::handler::Origin;
use crate::host::Grants;
use crate::telemetry::metrics::{Class, Component, TraceLabel, method_name};
use crate::telemetry::trace::{self, Span};
use http::{Request, Response, StatusCode};
use opentelemetry::trace::SpanKind;
use std::sync::Arc;
use std::time::Instant;
use wasmtime_wasi_http::{Error, WasiBody};

/// A request that was sent. If it is dropped before it ended, whoever sent it has given it up: it had
/// no answer, which is told as well.
pub(super) struct Sent {
    start: Instant,
    metrics: Option<Arc<Component>>,
    /// The manifest's entry for where it goes; none once it was told.
    host: Option<String>,
    span: Option<Span>,
}

impl Sent {
    /// Begins to watch a request; what it comes from is then the request's own span.
    pub(super) fn begin(grants: &Grants, mut origin: Origin, request: &Request<WasiBody>) -> (Self, Origin) {
        let observed = &grants.observed;
        let is_told = observed.metrics.is_some() || observed.tracing.is_some();
        // As the manifest has it. What it does not allow may be anything a caller asked for.
        let host =
            is_told.then(|| grants.outbound.rule(request.uri()).unwrap_or_else(|| "denied".to_owned()));
        let span = observed.tracing.as_ref().zip(origin.span.as_ref()).and_then(|(tracing, above)| {
            let method = method_name(request.method());
            let mut span = tracing.child(above, SpanKind::Client, method)?;
            span.set("http.request.method", method);
            span.set("server.address", host.clone().unwrap_or_default());
            Some(span)
        });
        if let Some(span) = &span {
            origin.span = Some(span.context().clone());
        }
        (Self { start: Instant::now(), metrics: observed.metrics.clone(), host, span }, origin)
    }

    /// It was answered, or failed.
    pub(super) fn ended(mut self, answer: &Result<Response<WasiBody>, Error>) {
        self.end(answer.as_ref().ok().map(Response::status));
    }

    fn end(&mut self, status: Option<StatusCode>) {
        let Some(host) = self.host.take() else { return };
        let class = status.map_or(Class::Aborted, Class::of);
        if let Some(status) = status {
            trace::set(&mut self.span, "http.response.status_code", i64::from(status.as_u16()));
        }
        // A client's span fails with every error (semantic conventions, HTTP spans, "Status").
        if status.is_none_or(|status| status.is_client_error() || status.is_server_error()) {
            trace::fail(&mut self.span, class.name());
        }
        if let Some(metrics) = &self.metrics {
            let exemplar = self.span.as_ref().map(|span| TraceLabel::new(span.context().trace_id()));
            metrics.reached(host, class, self.start.elapsed(), exemplar);
        }
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.end(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operate::health::Health;
    use crate::telemetry::Metrics;
    use crate::telemetry::metrics::Format;

    #[test]
    fn a_request_that_is_given_up_is_counted_and_one_that_ended_is_counted_once() {
        let metrics = Metrics::register(&Health::starting());
        let component = Arc::new(metrics.component("auth"));
        let sent = || Sent {
            start: Instant::now(),
            metrics: Some(component.clone()),
            host: Some("a.test".to_owned()),
            span: None,
        };
        drop(sent());
        sent().end(Some(StatusCode::OK));
        let written = metrics.write(Format::Text).expect("text");
        for status in ["aborted", "2xx"] {
            let series = format!(
                "vwp_http_client_request_duration_seconds_count{{component=\"auth\",host=\"a.test\",\
                 status=\"{status}\"}} 1\n"
            );
            assert!(written.contains(&series), "{status}: {written}");
        }
    }
}
