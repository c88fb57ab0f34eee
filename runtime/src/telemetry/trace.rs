//! Spans, as OpenTelemetry has them, and the context by which a trace goes on from one process to
//! the next (W3C Trace Context, <https://www.w3.org/TR/trace-context/>).
//!
//! A span that hangs under a trace which is not sampled is not made. Attributes follow the semantic
//! conventions where there is one, except that no path, query or address is told.

use http::HeaderMap;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Span as _, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, SpanProcessor};
use std::borrow::Cow;

pub use opentelemetry::trace::SpanContext;
pub use opentelemetry_sdk::trace::SpanData as Ended;

/// What the service is called, unless `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` say
/// otherwise.
const SERVICE: &str = "virtualworldport";
/// The field that belongs to `traceparent` and may be left out (W3C Trace Context, section 3.3).
const TRACESTATE: &str = "tracestate";

/// Makes spans.
pub struct Tracing {
    tracer: SdkTracer,
    /// Takes spans that others have made.
    processor: Box<dyn SpanProcessor>,
    propagator: TraceContextPropagator,
}

/// What spans say of the process that they are from.
pub fn resource() -> Resource {
    let named = Resource::builder_empty()
        .with_service_name(SERVICE)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_detectors(&[Box::new(TelemetryResourceDetector), Box::new(EnvResourceDetector::new())]);
    match std::env::var("OTEL_SERVICE_NAME") {
        Ok(name) if !name.is_empty() => named.with_service_name(name).build(),
        _ => named.build(),
    }
}

impl Tracing {
    /// Samples this share of the traces that begin here. Those that others began are sampled if
    /// they say so, because a trace is worth something only whole.
    pub fn new(processor: impl SpanProcessor + Clone + 'static, resource: Resource, ratio: f64) -> Self {
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio)));
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor.clone())
            .with_resource(resource)
            .with_sampler(sampler)
            .build();
        let propagator = TraceContextPropagator::new();
        Self { tracer: provider.tracer("vwp"), processor: Box::new(processor), propagator }
    }

    /// The span of a request that arrived with these headers: under the one that they name, if any.
    pub fn arrived(&self, headers: &HeaderMap, name: String) -> Span {
        let parent = self.propagator.extract_with_context(&Context::new(), &HeaderExtractor(headers));
        let builder = self.tracer.span_builder(name).with_kind(SpanKind::Server);
        Span(self.tracer.build_with_context(builder, &parent))
    }

    /// A span under another one, if that is sampled.
    pub fn child(
        &self,
        parent: &SpanContext,
        kind: SpanKind,
        name: impl Into<Cow<'static, str>>,
    ) -> Option<Span> {
        if !parent.is_sampled() {
            return None;
        }
        let parent = Context::new().with_remote_span_context(parent.clone());
        let builder = self.tracer.span_builder(name).with_kind(kind);
        Some(Span(self.tracer.build_with_context(builder, &parent)))
    }

    /// Takes a span that somebody else made and that has ended, as one of the same process.
    pub fn ended(&self, span: Ended) {
        self.processor.on_end(span);
    }

    /// Tells whoever gets these headers which span they come from, in place of what they said.
    pub fn inject(&self, span: &SpanContext, headers: &mut HeaderMap) {
        let context = Context::new().with_remote_span_context(span.clone());
        self.propagator.inject_context(&context, &mut HeaderInjector(headers));
        // The library writes the field even if there is nothing to say in it.
        if headers.get(TRACESTATE).is_some_and(http::HeaderValue::is_empty) {
            headers.remove(TRACESTATE);
        }
    }
}

/// A span that has begun. It ends when it is dropped.
pub struct Span(opentelemetry_sdk::trace::Span);

impl Span {
    /// What others need to hang a span under this one.
    pub fn context(&self) -> &SpanContext {
        self.0.span_context()
    }

    /// Says something of what the span stands for.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if self.0.is_recording() {
            self.0.set_attribute(KeyValue::new(key, value));
        }
    }

    /// Says that it failed, and how: one of few words (`error.type`).
    pub fn fail(&mut self, kind: &'static str) {
        self.set("error.type", kind);
        self.0.set_status(Status::error(""));
    }
}

/// What to make of a span that may not have been made.
pub fn set(span: &mut Option<Span>, key: &'static str, value: impl Into<Value>) {
    if let Some(span) = span {
        span.set(key, value);
    }
}

/// The same for its failure.
pub fn fail(span: &mut Option<Span>, kind: &'static str) {
    if let Some(span) = span {
        span.fail(kind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::trace::{Span as Started, SpanData};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    #[derive(Debug, Clone, Default)]
    struct Kept(Arc<Mutex<Vec<SpanData>>>);

    impl SpanProcessor for Kept {
        fn on_start(&self, _: &mut Started, _: &Context) {}

        fn on_end(&self, span: SpanData) {
            self.0.lock().expect("no panic before").push(span);
        }

        fn force_flush(&self) -> OTelSdkResult {
            Ok(())
        }

        fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
            Ok(())
        }
    }

    fn headers(traceparent: &'static str) -> HeaderMap {
        let value = ::http::HeaderValue::from_static(traceparent);
        HeaderMap::from_iter([(::http::HeaderName::from_static("traceparent"), value)])
    }

    #[test]
    fn a_trace_that_others_began_goes_on_as_they_said() {
        let kept = Kept::default();
        let tracing = Tracing::new(kept.clone(), resource(), 0.0);
        let sampled = headers("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let request = tracing.arrived(&sampled, "GET /...".to_owned());
        let child = tracing.child(request.context(), SpanKind::Internal, "component").expect("sampled");
        let mut sent = headers("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        tracing.inject(child.context(), &mut sent);
        let expected = format!("00-0af7651916cd43dd8448eb211c80319c-{}-01", child.context().span_id());
        assert_eq!(sent["traceparent"], expected.as_str());
        assert!(!sent.contains_key(TRACESTATE));
        drop((child, request));
        let spans = kept.0.lock().expect("no panic before");
        assert_eq!(spans.len(), 2);
        assert_eq!(spans[0].parent_span_id, spans[1].span_context.span_id());
        assert_eq!(spans[1].parent_span_id.to_string(), "b7ad6b7169203331");
    }

    #[test]
    fn a_trace_that_is_not_sampled_makes_no_spans_and_says_so() {
        let kept = Kept::default();
        let tracing = Tracing::new(kept.clone(), resource(), 0.0);
        for sent in [headers("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"), HeaderMap::new()] {
            let request = tracing.arrived(&sent, "GET /...".to_owned());
            assert!(tracing.child(request.context(), SpanKind::Internal, "component").is_none());
            let mut out = HeaderMap::new();
            tracing.inject(request.context(), &mut out);
            assert!(out["traceparent"].to_str().expect("text").ends_with("-00"), "{out:?}");
        }
        assert!(kept.0.lock().expect("no panic before").is_empty());
    }
}
