//! A collector of OpenTelemetry, as far as a test needs one: it takes traces over OTLP/HTTP, with
//! the messages that OpenTelemetry's own library has for it. What is asked of it besides it answers
//! with 404, and keeps the headers of.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// A span that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The trace, in hexadecimal digits.
    pub trace: String,
    /// Its own id.
    pub id: String,
    /// The id of the span above it; empty if there is none.
    pub parent: String,
    /// What it is called.
    pub name: String,
    /// What is said of it.
    pub attributes: Vec<(String, String)>,
}

/// A request for something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The request line.
    pub line: String,
    /// The headers, with names in small letters.
    pub headers: Vec<(String, String)>,
}

#[derive(Debug, Default)]
struct Received {
    spans: Vec<Span>,
    asked: Vec<Asked>,
    bytes: Vec<u8>,
}

/// A collector. It serves until the test ends.
#[derive(Debug)]
pub struct Collector {
    /// Where it is reached.
    pub url: String,
    received: Arc<Mutex<Received>>,
}

impl Collector {
    /// Starts one.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let received = Arc::<Mutex<Received>>::default();
        let kept = received.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = kept.clone();
                std::thread::spawn(move || while serve(&stream, &kept).is_some() {});
            }
        });
        Self { url, received }
    }

    /// The spans that it has.
    pub fn spans(&self) -> Vec<Span> {
        self.lock().spans.clone()
    }

    /// What else it was asked for.
    pub fn asked(&self) -> Vec<Asked> {
        self.lock().asked.clone()
    }

    /// Everything that it was sent, as text as far as it is text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock().bytes).into_owned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers one request of a connection; none if there is no other one.
fn serve(stream: &TcpStream, received: &Mutex<Received>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap_or(0))];
    reader.read_exact(&mut body).ok()?;
    let is_trace = line.starts_with("POST /v1/traces ");
    let mut kept = received.lock().unwrap_or_else(PoisonError::into_inner);
    if is_trace {
        let spans = spans(&body);
        kept.spans.extend(spans);
        kept.bytes.extend(&body);
    } else {
        kept.asked.push(Asked { line: line.trim().to_owned(), headers });
    }
    drop(kept);
    // An empty message says that everything was taken.
    let status = if is_trace { "200 OK" } else { "404 Not Found" };
    let answer =
        format!("HTTP/1.1 {status}\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n");
    let mut stream = stream;
    stream.write_all(answer.as_bytes()).ok()
}

fn spans(body: &[u8]) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(body).expect("a message of OTLP");
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    let spans = scopes.flat_map(|scope| scope.spans);
    let span = |span: opentelemetry_proto::tonic::trace::v1::Span| Span {
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        name: span.name,
        attributes: span
            .attributes
            .into_iter()
            .map(|attribute| {
                let value = match attribute.value.and_then(|value| value.value) {
                    Some(Value::StringValue(text)) => text,
                    Some(Value::IntValue(number)) => number.to_string(),
                    Some(Value::BoolValue(is_so)) => is_so.to_string(),
                    other => format!("{other:?}"),
                };
                (attribute.key, value)
            })
            .collect(),
    };
    spans.map(span).collect()
}

impl Span {
    /// What is said of it under a key.
    pub fn attribute(&self, key: &str) -> &str {
        let found = self.attributes.iter().find(|(name, _)| name == key);
        found.map_or("", |(_, value)| value)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |digits, byte| format!("{digits}{byte:02x}"))
}
