//! One request, from its arrival to its answer: its span, its place in the metrics, and its line in
//! the log.

use super::metrics::{Class, InFlight, Refused, Route, TraceLabel, method_name};
use super::trace::{Span, SpanContext};
use super::{Telemetry, Tracing};
use crate::http_cache::Outcome;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use std::sync::Arc;
use std::time::Instant;

/// The header in which an answer says its request's id.
const REQUEST_ID: &str = "x-request-id";
/// The longest id that is logged, in bytes.
const REQUEST_ID_LENGTH_MAX: usize = 64;
/// What a request is told under that no route takes.
const NONE: &str = "none";

/// A route as it is told.
pub struct Told {
    component: String,
    pattern: String,
    metrics: Option<Route>,
    tracing: Option<Arc<Tracing>>,
}

impl Told {
    /// A component's route.
    pub fn route(telemetry: &Telemetry, component: &str, pattern: &str) -> Self {
        Self {
            component: component.to_owned(),
            pattern: pattern.to_owned(),
            metrics: telemetry.metrics.as_ref().map(|metrics| metrics.route(component, pattern)),
            tracing: telemetry.tracing.clone(),
        }
    }

    /// What stands for all paths that no route takes.
    pub fn no_route(telemetry: &Telemetry) -> Self {
        Self::route(telemetry, NONE, NONE)
    }

    /// A request was not admitted.
    pub fn refused(&self, reason: Refused) {
        if let Some(metrics) = &self.metrics {
            metrics.refused(reason);
        }
    }

    /// The cache was asked, and did this.
    pub fn cached(&self, outcome: Outcome) {
        if let Some(metrics) = &self.metrics {
            metrics.cached(outcome);
        }
    }

    /// A request was admitted; it is in flight until what this gives out is dropped.
    pub fn admitted(&self) -> Option<InFlight> {
        self.metrics.as_ref().map(Route::admitted)
    }

    /// A request has arrived on the route. None if nothing of it is told.
    pub fn arrived<B>(&self, request: &Request<B>) -> Option<Watched<'_>> {
        let is_logged = tracing::enabled!(target: "request", tracing::Level::DEBUG);
        if self.metrics.is_none() && self.tracing.is_none() && !is_logged {
            return None;
        }
        let method = request.method().clone();
        let span = self.tracing.as_ref().map(|tracing| {
            let name = format!("{} {}", method_name(&method), self.pattern);
            let mut span = tracing.arrived(request.headers(), name);
            span.set("http.request.method", method_name(&method));
            span.set("http.route", self.pattern.clone());
            span.set("vwp.component", self.component.clone());
            span
        });
        Some(Watched { told: self, start: Instant::now(), method, span, has_ended: false })
    }
}

/// A request that is being answered. If it is dropped before that, its client has gone away.
pub struct Watched<'a> {
    told: &'a Told,
    start: Instant,
    method: Method,
    span: Option<Span>,
    has_ended: bool,
}

impl Watched<'_> {
    /// The request's span, for those under it.
    pub fn span(&self) -> Option<SpanContext> {
        self.span.as_ref().map(|span| span.context().clone())
    }

    /// It is answered.
    pub fn answered<B>(mut self, answer: &Response<B>) {
        self.end(Some(answer.status()), request_id(answer.headers()));
    }

    fn end(&mut self, status: Option<StatusCode>, request_id: &str) {
        self.has_ended = true;
        let took = self.start.elapsed();
        let class = status.map_or(Class::Aborted, Class::of);
        let trace = self.span.as_ref().map(|span| span.context().trace_id());
        if let Some(metrics) = &self.told.metrics {
            let is_sampled = self.span.as_ref().is_some_and(|span| span.context().is_sampled());
            let exemplar = trace.filter(|_| is_sampled).map(TraceLabel::new);
            metrics.answered(&self.method, class, took.as_secs_f64(), exemplar);
        }
        tracing::debug!(
            target: "request",
            request_id,
            component = self.told.component,
            method = method_name(&self.method),
            route = self.told.pattern,
            status = status.map(|status| status.as_u16()),
            duration_ms = took.as_secs_f64() * 1000.0,
            trace_id = trace.map(tracing::field::display),
            "{}",
            if status.is_some() { "answered" } else { "the client went away" },
        );
        let Some(span) = &mut self.span else { return };
        match status {
            Some(status) => span.set("http.response.status_code", i64::from(status.as_u16())),
            None => span.fail(class.name()),
        }
        // Only the server's own errors are (semantic conventions, HTTP spans, "Status").
        if status.is_some_and(|status| status.is_server_error()) {
            span.fail(class.name());
        }
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.end(None, "");
        }
    }
}

/// The request's id, if it looks like one. Whatever else a component answers there stays out of
/// the log.
fn request_id(headers: &HeaderMap) -> &str {
    let id = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if id.len() <= REQUEST_ID_LENGTH_MAX && id.bytes().all(is_id) { id } else { "" }
}
