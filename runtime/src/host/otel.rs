//! `wasi:otel`: the spans that a guest makes itself, under the host's span of the component's work, and the
//! records of its log (<https://github.com/WebAssembly/wasi-otel>).
//!
//! A guest's span is sent where the request's own trace is sampled and it belongs to that trace: what others
//! trace is not for a guest to add to. As long as it has not ended, what the host does for the guest stands
//! under it. Everything is bounded, and the values of secret variables are left out. A guest's metrics are
//! refused, because nothing here collects them.

use super::{State, logs};
use crate::telemetry::trace::{Ended, SpanContext};
use bindings::wasi::otel::{logs as wasi_logs, metrics, tracing as wasi_tracing, types};
use opentelemetry::trace::{Event, Link, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};
use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use wasi_tracing::{Datetime, SpanData};
use wasmtime::component::{HasSelf, Linker};

mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]
    wasmtime::component::bindgen!({
        path: [
            "../wit/deps/wasi-io@0.2.0",
            "../wit/deps/wasi-clocks@0.2.0",
            "../wit/deps/wasi-otel@0.2.0-rc.2",
        ],
        world: "wasi:otel/imports",
    });
}

/// How many spans of a request may be open at once.
const OPEN_MAX: usize = 64;
/// How many spans of a request are sent.
const SPANS_MAX: usize = 512;
/// How many attributes, events or links one span has at most; what OpenTelemetry's own libraries have unless
/// they are told otherwise (`OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT` and its like).
const ITEMS_MAX: usize = 128;
/// The longest name, in bytes.
const NAME_LENGTH_MAX: usize = 256;
/// The longest value, in bytes.
const VALUE_LENGTH_MAX: usize = 4 * 1024;
/// How much may be said of one span, in bytes. With more of it, none of it is told.
const SPAN_BYTES_MAX: usize = 64 * 1024;
/// How many members a trace state has at most (W3C Trace Context, section 3.3.1.1).
const STATE_MEMBERS_MAX: usize = 32;
/// The severity from which a record warns (OpenTelemetry, logs data model, "SeverityNumber").
const SEVERITY_WARN: u8 = 13;
/// The severity from which a record informs.
const SEVERITY_INFO: u8 = 9;

/// Offers the interfaces to guests.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasi_tracing::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    wasi_logs::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    metrics::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

/// The spans of a guest, while it works on one request.
#[derive(Default)]
pub(super) struct Spans {
    /// The host's, under which the guest works.
    above: Option<SpanContext>,
    /// Those of the guest that have not ended, in the order of their beginning.
    open: Vec<SpanContext>,
    /// How many have been sent.
    sent: usize,
}

impl Spans {
    /// The guest works on another request, under this span.
    pub(super) fn begin(&mut self, above: Option<SpanContext>) {
        *self = Self { above, ..Self::default() };
    }

    /// The span under which the guest works now.
    fn innermost(&self) -> Option<&SpanContext> {
        self.open.last().or(self.above.as_ref())
    }
}

impl State {
    /// Has what the host does for the guest stand under the guest's innermost span.
    fn move_under_innermost(&mut self) {
        let innermost = self.spans.innermost().cloned();
        self.storage.span.clone_from(&innermost);
        self.outbound.origin.span = innermost;
    }
}

impl wasi_tracing::Host for State {
    fn outer_span_context(&mut self) -> wasi_tracing::SpanContext {
        let none = SpanContext::NONE;
        let context = self.spans.above.as_ref().unwrap_or(&none);
        let state = context.trace_state().header();
        let members = state.split(',').filter_map(|member| member.split_once('='));
        let flags = if context.is_sampled() {
            wasi_tracing::TraceFlags::SAMPLED
        } else {
            wasi_tracing::TraceFlags::empty()
        };
        wasi_tracing::SpanContext {
            trace_id: context.trace_id().to_string(),
            span_id: context.span_id().to_string(),
            trace_flags: flags,
            is_remote: context.is_remote(),
            trace_state: members.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        }
    }

    fn on_start(&mut self, context: wasi_tracing::SpanContext) {
        let Some(above) = &self.spans.above else { return };
        let context = span_context(&context);
        let is_told = above.is_sampled() && context.is_valid() && context.trace_id() == above.trace_id();
        if is_told && self.spans.open.len() < OPEN_MAX {
            self.spans.open.push(context);
            self.move_under_innermost();
        }
    }

    fn on_end(&mut self, span: SpanData) {
        let id = span_context(&span.span_context).span_id();
        // One that never began, as far as the host heard, is none.
        let Some(at) = self.spans.open.iter().position(|open| open.span_id() == id) else { return };
        let context = self.spans.open.remove(at);
        self.move_under_innermost();
        let Some(tracing) = &self.grants.observed.tracing else { return };
        if self.spans.sent < SPANS_MAX {
            self.spans.sent += 1;
            let telling = Telling { secrets: &self.grants.secrets };
            tracing.ended(telling.span(span, context, &self.grants.component));
        }
    }
}

impl wasi_logs::Host for State {
    fn on_emit(&mut self, record: wasi_logs::LogRecord) {
        let body = record.body.unwrap_or_default();
        let text = match serde_json::from_str(&body) {
            Ok(serde_json::Value::String(text)) => text,
            _ => body,
        };
        let level = match record.severity_number.unwrap_or(SEVERITY_INFO) {
            SEVERITY_WARN.. => tracing::Level::WARN,
            SEVERITY_INFO.. => tracing::Level::INFO,
            _ => tracing::Level::DEBUG,
        };
        let trace = self.spans.above.as_ref().map(SpanContext::trace_id);
        logs::record(&self.grants.component, &self.grants.secrets, level, trace, &text);
    }
}

impl metrics::Host for State {
    fn export(&mut self, _: metrics::ResourceMetrics) -> Result<(), metrics::Error> {
        Err("this host collects no metrics of components".to_owned())
    }
}

/// What a guest says of itself, within bounds and without secrets.
struct Telling<'a> {
    secrets: &'a [String],
}

impl Telling<'_> {
    fn span(&self, span: SpanData, context: SpanContext, component: &str) -> Ended {
        let span = bounded(span);
        let given = span.attributes.len();
        let mut attributes = self.attributes(span.attributes);
        let dropped = span.dropped_attributes.saturating_add(dropped(given, attributes.len()));
        attributes.push(KeyValue::new("vwp.component", component.to_owned()));
        let mut events = SpanEvents::default();
        events.dropped_count = span.dropped_events.saturating_add(over(span.events.len()));
        events.events = span.events.into_iter().take(ITEMS_MAX).map(|event| self.event(event)).collect();
        let mut links = SpanLinks::default();
        links.dropped_count = span.dropped_links.saturating_add(over(span.links.len()));
        links.links = span.links.into_iter().take(ITEMS_MAX).map(|link| self.link(link)).collect();
        Ended {
            span_context: context,
            parent_span_id: SpanId::from_hex(&span.parent_span_id).unwrap_or(SpanId::INVALID),
            parent_span_is_remote: false,
            span_kind: kind(span.span_kind),
            name: self.text(span.name, NAME_LENGTH_MAX).into(),
            start_time: time(span.start_time),
            end_time: time(span.end_time),
            attributes,
            dropped_attributes_count: dropped,
            events,
            links,
            status: match span.status {
                wasi_tracing::Status::Unset => Status::Unset,
                wasi_tracing::Status::Ok => Status::Ok,
                wasi_tracing::Status::Error(text) => Status::error(self.text(text, VALUE_LENGTH_MAX)),
            },
            instrumentation_scope: self.scope(span.instrumentation_scope),
        }
    }

    fn event(&self, event: wasi_tracing::Event) -> Event {
        let given = event.attributes.len();
        let attributes = self.attributes(event.attributes);
        let dropped = dropped(given, attributes.len());
        Event::new(self.text(event.name, NAME_LENGTH_MAX), time(event.time), attributes, dropped)
    }

    fn link(&self, link: wasi_tracing::Link) -> Link {
        let given = link.attributes.len();
        let attributes = self.attributes(link.attributes);
        let dropped = dropped(given, attributes.len());
        Link::new(span_context(&link.span_context), attributes, dropped)
    }

    fn scope(&self, scope: types::InstrumentationScope) -> InstrumentationScope {
        let name = self.text(scope.name, NAME_LENGTH_MAX);
        let mut builder =
            InstrumentationScope::builder(name).with_attributes(self.attributes(scope.attributes));
        if let Some(version) = scope.version {
            builder = builder.with_version(self.text(version, NAME_LENGTH_MAX));
        }
        if let Some(url) = scope.schema_url {
            builder = builder.with_schema_url(self.text(url, NAME_LENGTH_MAX));
        }
        builder.build()
    }

    /// Those that are within the bounds.
    fn attributes(&self, attributes: Vec<types::KeyValue>) -> Vec<KeyValue> {
        let is_short = |attribute: &types::KeyValue| {
            attribute.key.len() <= NAME_LENGTH_MAX && attribute.value.len() <= VALUE_LENGTH_MAX
        };
        let short = attributes.into_iter().take(ITEMS_MAX).filter(is_short);
        short.map(|attribute| KeyValue::new(attribute.key, self.value(attribute.value))).collect()
    }

    /// A value, which is JSON because WIT has no recursive types.
    fn value(&self, json: String) -> Value {
        match serde_json::from_str(&json) {
            Ok(serde_json::Value::Bool(is_so)) => Value::Bool(is_so),
            Ok(serde_json::Value::String(text)) => self.text(text, VALUE_LENGTH_MAX).into(),
            Ok(serde_json::Value::Number(number)) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => Value::I64(whole),
                (None, Some(fraction)) => Value::F64(fraction),
                (None, None) => self.text(json, VALUE_LENGTH_MAX).into(),
            },
            Ok(serde_json::Value::Array(items)) if items.iter().all(serde_json::Value::is_string) => {
                let texts = items.iter().filter_map(serde_json::Value::as_str);
                let texts = texts.map(|text| self.text(text.to_owned(), VALUE_LENGTH_MAX).into());
                Value::Array(Array::String(texts.collect::<Vec<StringValue>>()))
            }
            // The rest, which is rare, as it was written.
            _ => self.text(json, VALUE_LENGTH_MAX).into(),
        }
    }

    fn text(&self, text: String, length_max: usize) -> String {
        let mut text = logs::redacted(Cow::Owned(text), self.secrets).into_owned();
        text.truncate(text.floor_char_boundary(length_max));
        text
    }
}

/// The span, without what is said of it where that is too much: what is told waits in memory to be sent.
fn bounded(mut span: SpanData) -> SpanData {
    let texts = |attributes: &[types::KeyValue]| -> usize {
        attributes.iter().map(|attribute| attribute.key.len() + attribute.value.len()).sum()
    };
    let state = |context: &wasi_tracing::SpanContext| -> usize {
        context.trace_state.iter().map(|(key, value)| key.len() + value.len()).sum()
    };
    let events = span.events.iter().map(|event| event.name.len() + texts(&event.attributes));
    let links = span.links.iter().map(|link| state(&link.span_context) + texts(&link.attributes));
    let scope = texts(&span.instrumentation_scope.attributes);
    let bytes = texts(&span.attributes) + scope + events.chain(links).sum::<usize>();
    if bytes > SPAN_BYTES_MAX {
        let more = |before: u32, given: usize| before.saturating_add(self::dropped(given, 0));
        span.dropped_attributes = more(span.dropped_attributes, span.attributes.len());
        span.dropped_events = more(span.dropped_events, span.events.len());
        span.dropped_links = more(span.dropped_links, span.links.len());
        span.attributes.clear();
        span.events.clear();
        span.links.clear();
        span.instrumentation_scope.attributes.clear();
    }
    span
}

/// How many of the given ones are not among those that were taken.
fn dropped(given: usize, taken: usize) -> u32 {
    u32::try_from(given - taken).unwrap_or(u32::MAX)
}

/// How many are too many.
fn over(given: usize) -> u32 {
    dropped(given, given.min(ITEMS_MAX))
}

/// A context of a guest. What is no id becomes one that is not valid.
fn span_context(context: &wasi_tracing::SpanContext) -> SpanContext {
    let is_sampled = context.trace_flags.contains(wasi_tracing::TraceFlags::SAMPLED);
    let members = context.trace_state.iter().take(STATE_MEMBERS_MAX).cloned();
    SpanContext::new(
        TraceId::from_hex(&context.trace_id).unwrap_or(TraceId::INVALID),
        SpanId::from_hex(&context.span_id).unwrap_or(SpanId::INVALID),
        TraceFlags::default().with_sampled(is_sampled),
        context.is_remote,
        // What is not valid counts as an empty list, says the interface.
        TraceState::from_key_value(members).unwrap_or_default(),
    )
}

fn kind(kind: wasi_tracing::SpanKind) -> SpanKind {
    match kind {
        wasi_tracing::SpanKind::Client => SpanKind::Client,
        wasi_tracing::SpanKind::Server => SpanKind::Server,
        wasi_tracing::SpanKind::Producer => SpanKind::Producer,
        wasi_tracing::SpanKind::Consumer => SpanKind::Consumer,
        wasi_tracing::SpanKind::Internal => SpanKind::Internal,
    }
}

/// A time that no clock has is the beginning of time.
fn time(at: Datetime) -> SystemTime {
    let since = Duration::from_secs(at.seconds).checked_add(Duration::from_nanos(at.nanoseconds.into()));
    since.and_then(|since| UNIX_EPOCH.checked_add(since)).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(value: &str) -> types::KeyValue {
        types::KeyValue { key: "key".to_owned(), value: value.to_owned() }
    }

    /// What is told of a span with these attributes, of which each is on an event as well.
    fn told(attributes: &[types::KeyValue]) -> Ended {
        let at = |seconds| Datetime { seconds, nanoseconds: 0 };
        let event = |attribute: &types::KeyValue| wasi_tracing::Event {
            name: "event".to_owned(),
            time: at(1),
            attributes: vec![attribute.clone()],
        };
        let span = SpanData {
            span_context: wasi_tracing::SpanContext {
                trace_id: String::new(),
                span_id: String::new(),
                trace_flags: wasi_tracing::TraceFlags::empty(),
                is_remote: false,
                trace_state: vec![],
            },
            parent_span_id: "no id".to_owned(),
            span_kind: wasi_tracing::SpanKind::Internal,
            name: "n".repeat(NAME_LENGTH_MAX) + "ame",
            start_time: at(1),
            end_time: at(u64::MAX),
            attributes: attributes.to_vec(),
            events: attributes.iter().map(event).collect(),
            links: vec![],
            status: wasi_tracing::Status::Error("it failed with a secret".to_owned()),
            instrumentation_scope: types::InstrumentationScope {
                name: "scope".to_owned(),
                version: None,
                schema_url: None,
                attributes: vec![],
            },
            dropped_attributes: 1,
            dropped_events: 0,
            dropped_links: 0,
        };
        Telling { secrets: &["a secret".to_owned()] }.span(span, SpanContext::NONE, "guest")
    }

    #[test]
    fn values_are_what_their_json_says() {
        let values = ["true", "7", "0.5", r#""a secret""#, r#"["a","b"]"#, r#"{"a":1}"#, "no JSON"];
        let told = told(&values.map(attribute));
        let values: Vec<String> = told.attributes.iter().map(|told| told.value.to_string()).collect();
        let expected = ["true", "7", "0.5", "[redacted]", r#"["a","b"]"#, r#"{"a":1}"#, "no JSON", "guest"];
        assert_eq!(values, expected);
        assert!(matches!(told.attributes[1].value, Value::I64(7)));
        assert_eq!((told.name.len(), told.parent_span_id), (NAME_LENGTH_MAX, SpanId::INVALID));
        assert_eq!(told.status, Status::error("it failed with [redacted]"));
        assert_eq!(told.end_time, UNIX_EPOCH, "no clock has it");
    }

    #[test]
    fn what_is_too_much_is_counted_and_not_told() {
        let many = told(&vec![attribute("1"); ITEMS_MAX + 7]);
        // The component's own attribute is one more.
        assert_eq!((many.attributes.len(), many.dropped_attributes_count), (ITEMS_MAX + 1, 1 + 7));
        assert_eq!((many.events.len(), many.events.dropped_count), (ITEMS_MAX, 7));
        let long = attribute(&"1".repeat(VALUE_LENGTH_MAX + 1));
        assert_eq!(told(&[long, attribute("1")]).dropped_attributes_count, 1 + 1);
        let much = told(&vec![attribute(&"1".repeat(VALUE_LENGTH_MAX)); 8]);
        assert_eq!((much.attributes.len(), much.dropped_attributes_count), (1, 1 + 8));
        assert_eq!((much.events.len(), much.events.dropped_count), (0, 8));
    }
}
