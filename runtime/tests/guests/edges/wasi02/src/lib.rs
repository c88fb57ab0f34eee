//! The guest that the tests of the HTTP server's edges run, on WASI 0.2. What it does is
//! said by the path.

use std::hint::black_box;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::{OutputStream, StreamError};

struct Component;
wasip2::http::proxy::export!(Component);

const PART_BYTES: u64 = 4096;

impl Guest for Component {
    fn handle(request: IncomingRequest, answer: ResponseOutparam) {
        match request.path_with_query().unwrap_or_default().as_str() {
            "/trap" => panic!("the secret of the guest"),
            "/loop" => {
                println!("the guest loops");
                loop {
                    black_box(());
                }
            }
            "/never" => drop(answer),
            "/refuse" => {
                let error = ErrorCode::InternalError(Some("secret of the guest".to_owned()));
                ResponseOutparam::set(answer, Err(error));
            }
            "/echo" => echo(request, answer),
            "/endless" => stream(answer, endless),
            "/linger" => {
                stream(answer, |stream| write(stream, b"answered"));
                println!("the guest works after its answer");
            }
            _ => stream(answer, |stream| write(stream, b"hello")),
        }
    }
}

fn stream(answer: ResponseOutparam, fill: impl FnOnce(&OutputStream) -> Result<(), StreamError>) {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(answer, Ok(response));
    let stream = body.write().expect("the stream is taken once");
    if fill(&stream).is_err() {
        println!("the reader is gone");
    }
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}

fn write(stream: &OutputStream, part: &[u8]) -> Result<(), StreamError> {
    stream.blocking_write_and_flush(part)
}

fn endless(stream: &OutputStream) -> Result<(), StreamError> {
    println!("the endless answer begins");
    loop {
        write(stream, &[b'.'; PART_BYTES as usize])?;
    }
}

/// Sends the body back while it arrives.
fn echo(request: IncomingRequest, answer: ResponseOutparam) {
    let incoming = request.consume().expect("the body is taken once");
    stream(answer, |stream| {
        let input = incoming.stream().expect("the stream is taken once");
        loop {
            match input.blocking_read(PART_BYTES) {
                Ok(part) => write(stream, &part)?,
                Err(StreamError::Closed) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    });
}
