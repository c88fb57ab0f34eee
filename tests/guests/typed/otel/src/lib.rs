//! A handler that makes spans and records of its own, by `wasi:otel`, as the libraries of OpenTelemetry for
//! components do: it tells the host of a span's beginning and its end, and works in between.

mod bindings {
    spin_sdk::wit_bindgen::generate!({
        inline: "
            package vwp:otel-test;
            world telling {
                import wasi:otel/tracing@0.2.0-rc.2;
                import wasi:otel/logs@0.2.0-rc.2;
                import wasi:otel/metrics@0.2.0-rc.2;
                import vwp:storage/kv@0.1.0;
            }
        ",
        path: [
            "../../../../wit/deps/wasi-io@0.2.0",
            "../../../../wit/deps/wasi-clocks@0.2.0",
            "../../../../wit/deps/wasi-otel@0.2.0-rc.2",
            "../../../../wit/storage",
        ],
        runtime_path: "::spin_sdk::wit_bindgen::rt",
        generate_all,
    });
}

use bindings::vwp::storage::kv;
use bindings::wasi::otel::logs::{self, LogRecord};
use bindings::wasi::otel::metrics::{self, ResourceMetrics};
use bindings::wasi::otel::tracing::{self, Datetime, Event, SpanContext, SpanData, SpanKind, Status};
use bindings::wasi::otel::types::{InstrumentationScope, KeyValue, Resource};
use spin_sdk::http::{IntoResponse, Request};
use spin_sdk::{http_service, variables};

/// A trace that the request is no part of.
const FOREIGN_TRACE: &str = "11111111111111111111111111111111";

#[http_service]
async fn handle(_: Request) -> impl IntoResponse {
    let secret = variables::get("secret").await.unwrap_or_default();
    let outer = tracing::outer_span_context();
    let work = below(&outer, "00000000000000a1");
    let step = below(&outer, "00000000000000a2");
    tracing::on_start(&work);
    tracing::on_start(&step);
    let _ = kv::get_many(vec![b"spans/inside".to_vec()]).await;
    tracing::on_end(&ended(step, &work.span_id, "step", vec![]));
    let _ = kv::get_many(vec![b"spans/outside".to_vec()]).await;
    let said = vec![
        attribute("town", "\"Jena\""),
        attribute("people", "110000"),
        attribute("key", &format!("\"it is {secret}\"")),
        attribute("long", &format!("\"{}\"", "x".repeat(5000))),
    ];
    tracing::on_end(&ended(work, &outer.span_id, "work", said));
    // Nobody hears of one that never began, nor of one in a trace of others.
    tracing::on_end(&ended(below(&outer, "00000000000000a3"), &outer.span_id, "never begun", vec![]));
    let foreign = SpanContext { trace_id: FOREIGN_TRACE.to_owned(), ..below(&outer, "00000000000000a4") };
    tracing::on_start(&foreign);
    tracing::on_end(&ended(foreign, "", "foreign", vec![]));
    logs::on_emit(&LogRecord {
        severity_number: Some(17),
        body: Some(serde_json::json!(format!("the oven is cold; {secret}")).to_string()),
        timestamp: None,
        observed_timestamp: None,
        severity_text: None,
        attributes: None,
        event_name: None,
        resource: None,
        instrumentation_scope: None,
        trace_id: None,
        span_id: None,
        trace_flags: None,
    });
    let resource = Resource { attributes: vec![], schema_url: None };
    let refusal = metrics::export(&ResourceMetrics { resource, scope_metrics: vec![] });
    format!("{} {refusal:?}", outer.trace_id)
}

fn below(outer: &SpanContext, span_id: &str) -> SpanContext {
    SpanContext { span_id: span_id.to_owned(), is_remote: false, ..outer.clone() }
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value: value.to_owned() }
}

fn ended(span_context: SpanContext, parent: &str, name: &str, attributes: Vec<KeyValue>) -> SpanData {
    let at = |seconds| Datetime { seconds, nanoseconds: 0 };
    SpanData {
        span_context,
        parent_span_id: parent.to_owned(),
        span_kind: SpanKind::Internal,
        name: name.to_owned(),
        start_time: at(1_700_000_000),
        end_time: at(1_700_000_001),
        attributes,
        events: vec![Event { name: "warm".to_owned(), time: at(1_700_000_000), attributes: vec![] }],
        links: vec![],
        status: Status::Ok,
        instrumentation_scope: InstrumentationScope {
            name: "bakery".to_owned(),
            version: Some("1".to_owned()),
            schema_url: None,
            attributes: vec![],
        },
        dropped_attributes: 0,
        dropped_events: 0,
        dropped_links: 0,
    }
}
