//! A handler of WASI 0.2: it answers with the request's method, path and body.

use std::io::{Read, Write};
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

struct Component;
wasip2::http::proxy::export!(Component);

impl Guest for Component {
    fn handle(request: IncomingRequest, answer: ResponseOutparam) {
        let method = if matches!(request.method(), Method::Post) { "POST" } else { "another method" };
        let path = request.path_with_query().unwrap_or_default();
        let mut content = String::new();
        let body = request.consume().expect("the body is taken once");
        body.stream().expect("the stream is taken once").read_to_string(&mut content).expect("text");

        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().expect("the body is taken once");
        ResponseOutparam::set(answer, Ok(response));
        let mut stream = body.write().expect("the stream is taken once");
        write!(stream, "{method} {path} {content}").expect("the answer is written");
        stream.flush().expect("the answer is written");
        drop(stream);
        OutgoingBody::finish(body, None).expect("the answer ends");
    }
}
