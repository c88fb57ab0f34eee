//! The guest that the tests of the HTTP server's edges run, on WASI 0.3 itself. The first
//! part of the path says what it does, the second how.

use std::hint::black_box;
use wasip3::clocks::monotonic_clock;
use wasip3::exports::http::handler::Guest;
use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response, Trailers};
use wasip3::wit_bindgen::{StreamReader, StreamResult, spawn};
use wasip3::{wit_future, wit_stream};

wasip3::http::service::export!(Component);

struct Component;

const PART_BYTES: usize = 64 * 1024;

impl Guest for Component {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let path = request.get_path_with_query().unwrap_or_default();
        let (what, how) = path.trim_start_matches('/').split_once('/').unwrap_or((&path[1..], ""));
        match what {
            "hello" => Ok(text(200, &[], "hello".to_owned())),
            "about" => Ok(text(200, &[], about(&request))),
            "header" => Ok(text(200, &[], header(&request, how))),
            "environment" => Ok(text(200, &[], format!("{:?}", std::env::var(how).ok()))),
            "status" => Ok(text(how.parse().unwrap_or(500), &[], String::new())),
            "length" => Ok(text(200, &[("content-length", how)], "hello".to_owned())),
            "field" => Ok(text(200, &[], forbidden_field(how))),
            "refuse" => Err(ErrorCode::InternalError(Some("secret of the guest".to_owned()))),
            "never" => never().await,
            "read" => Ok(read(request).await),
            "echo" => Ok(echo(request)),
            "endless" => Ok(endless()),
            "break" => Ok(break_off()),
            "linger" => Ok(linger(how)),
            "kept" => Ok(kept(&request).await),
            _ => Ok(text(404, &[], "no such edge".to_owned())),
        }
    }
}

/// What the host tells of the request beside its body.
fn about(request: &Request) -> String {
    let path = request.get_path_with_query().unwrap_or_default();
    let authority = request.get_authority().unwrap_or_default();
    format!("{:?} {authority} {path}", request.get_scheme())
}

/// What the request has under this name.
fn header(request: &Request, name: &str) -> String {
    let values = request.get_headers().get(name);
    let values: Vec<_> = values.iter().map(|value| String::from_utf8_lossy(value)).collect();
    values.join(" | ")
}

fn text(status: u16, fields: &[(&str, &str)], text: String) -> Response {
    let fields: Vec<_> =
        fields.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    let (mut writer, contents) = wit_stream::new();
    let (_, no_trailers) = wit_future::new(|| Ok(None));
    let fields = Fields::from_list(&fields).expect("fields that may be set");
    let (response, _) = Response::new(fields, Some(contents), no_trailers);
    if response.set_status_code(status).is_err() {
        println!("status {status} is refused by the host");
    }
    spawn(async move {
        writer.write_all(text.into_bytes()).await;
    });
    response
}

fn forbidden_field(name: &str) -> String {
    match Fields::from_list(&[(name.to_owned(), b"value".to_vec())]) {
        Ok(_) => "taken".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

async fn never() -> ! {
    println!("the guest never answers");
    loop {
        monotonic_clock::wait_for(1_000_000_000_000).await;
    }
}

/// Parts of a body, and what it ended with.
struct Incoming {
    parts: StreamReader<u8>,
    end: wasip3::wit_bindgen::FutureReader<Result<Option<Trailers>, ErrorCode>>,
}

impl Incoming {
    fn of(request: Request) -> Self {
        let (_, processed) = wit_future::new(|| Ok(()));
        let (parts, end) = Request::consume_body(request, processed);
        Self { parts, end }
    }

    async fn part(&mut self) -> Option<Vec<u8>> {
        let (result, part) = self.parts.read(Vec::with_capacity(PART_BYTES)).await;
        match result {
            StreamResult::Complete(_) => Some(part),
            StreamResult::Dropped | StreamResult::Cancelled => (!part.is_empty()).then_some(part),
        }
    }
}

/// Reads the body to its end and says how that was.
async fn read(request: Request) -> Response {
    let mut body = Incoming::of(request);
    println!("the guest reads");
    let mut length = 0;
    while let Some(part) = body.part().await {
        length += part.len();
    }
    match body.end.await {
        Ok(trailers) => {
            let trailers = trailers.map(|trailers| trailers.copy_all().len()).unwrap_or_default();
            text(200, &[], format!("read {length} bytes and {trailers} trailers"))
        }
        Err(error) => {
            println!("the body broke off after {length} bytes: {error:?}");
            text(400, &[], format!("{error:?}"))
        }
    }
}

/// Sends the body back while it arrives, and its trailers behind it.
fn echo(request: Request) -> Response {
    let trailers =
        request.get_headers().get("trailer").into_iter().map(|value| ("trailer".to_owned(), value));
    let fields = Fields::from_list(&trailers.collect::<Vec<_>>()).expect("fields that may be set");
    let mut body = Incoming::of(request);
    let (mut writer, contents) = wit_stream::new();
    let (end, trailers) = wit_future::new(|| Ok(None));
    let (response, _) = Response::new(fields, Some(contents), trailers);
    spawn(async move {
        while let Some(part) = body.part().await {
            if !writer.write_all(part).await.is_empty() {
                println!("the echo's reader is gone");
                return;
            }
        }
        drop(writer);
        let _ = end.write(body.end.await).await;
    });
    response
}

/// Writes until nobody reads any more.
fn endless() -> Response {
    let (mut writer, contents) = wit_stream::new();
    let (_, no_trailers) = wit_future::new(|| Ok(None));
    let (response, _) = Response::new(Fields::new(), Some(contents), no_trailers);
    spawn(async move {
        println!("the endless answer begins");
        while writer.write_all(vec![b'.'; PART_BYTES]).await.is_empty() {}
        println!("the endless answer's reader is gone");
    });
    response
}

/// Writes something, and fails before the end.
fn break_off() -> Response {
    let (mut writer, contents) = wit_stream::new();
    let (_, no_trailers) = wit_future::new(|| Ok(None));
    let (response, _) = Response::new(Fields::new(), Some(contents), no_trailers);
    spawn(async move {
        writer.write_all(vec![b'.'; PART_BYTES]).await;
        monotonic_clock::wait_for(50_000_000).await;
        panic!("the secret of the guest");
    });
    response
}

/// Takes a while for an answer that everybody may have, and that no other one is like.
async fn kept(request: &Request) -> Response {
    monotonic_clock::wait_for(200_000_000).await;
    let made = format!("made at {}", monotonic_clock::now());
    let fields = [("cache-control", "public, max-age=600"), ("vary", "accept-language"), ("etag", "\"v1\"")];
    println!("the guest answers what is kept");
    match request.get_method() {
        Method::Get => text(200, &fields, made),
        _ => text(200, &[], made),
    }
}

/// Answers, and then goes on.
fn linger(how: &str) -> Response {
    let how = how.to_owned();
    spawn(async move {
        monotonic_clock::wait_for(50_000_000).await;
        println!("the guest works after its answer");
        match how.as_str() {
            "loop" => loop {
                black_box(());
            },
            "trap" => panic!("the secret of the guest"),
            _ => println!("the guest is done"),
        }
    });
    text(200, &[], "answered".to_owned())
}
