//! A component's request to others, as it is told: its span, and its time by the host that the
//! manifest allows it to reach.

use crate::handler::Origin;
use crate::host::Grants;
use crate::telemetry::metrics::{Class, TraceLabel, method_name};
use crate::telemetry::trace::{self, Span};
use http::{Request, Response};
use opentelemetry::trace::SpanKind;
use std::time::Instant;
use wasmtime_wasi_http::{Error, WasiBody};

/// A request that was sent. If it is dropped before it ended, whoever sent it has given it up.
pub(super) struct Sent {
    start: Instant,
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
        (Self { start: Instant::now(), host, span }, origin)
    }

    /// It was answered, or failed.
    pub(super) fn ended(mut self, grants: &Grants, answer: &Result<Response<WasiBody>, Error>) {
        let class = answer.as_ref().map_or(Class::Aborted, |answer| Class::of(answer.status()));
        match answer {
            Ok(answer) => {
                let status = answer.status();
                trace::set(&mut self.span, "http.response.status_code", i64::from(status.as_u16()));
                // A client's span fails with every error (semantic conventions, HTTP spans, "Status").
                if status.is_client_error() || status.is_server_error() {
                    trace::fail(&mut self.span, class.name());
                }
            }
            Err(_) => trace::fail(&mut self.span, class.name()),
        }
        if let (Some(metrics), Some(host)) = (&grants.observed.metrics, self.host.take()) {
            let exemplar = self.span.as_ref().map(|span| TraceLabel::new(span.context().trace_id()));
            metrics.reached(host, class, self.start.elapsed(), exemplar);
        }
    }
}
