//! Passing requests to the handler and answers back. Headers are taken and given; bodies
//! go on as the streams that they are, so that their bytes are never copied into this
//! component, unless somebody has to count them.

use crate::bindings::wasi::http::handler;
use crate::bindings::wasi::http::types::{ErrorCode, Fields, Method, Request, Response, Trailers};
use crate::bindings::{wit_future, wit_stream};
use std::cell::Cell;
use std::rc::Rc;
use vwp_core::reply::BODY_LENGTH_MAX;
use vwp_gateway::policy::{self, Admission, Content};
use wit_bindgen::{FutureReader, FutureWriter, StreamReader, StreamResult, StreamWriter};

/// How much of a body that is counted is held at once, in bytes.
const PART_BYTES: usize = 16 * 1024;

/// What a body ends with.
type End = Result<Option<Trailers>, ErrorCode>;

/// A body: what it holds and what it ends with.
type Body = (StreamReader<u8>, FutureReader<End>);

/// Answers a request, here or by the handler behind.
pub(crate) async fn handle(request: Request) -> Result<Response, ErrorCode> {
    let headers = request.get_headers().copy_all();
    let request_id = policy::request_id(&headers, || {
        let mut bytes = [0; 16];
        // WASI's random never fails; an id of zeroes would still be a valid id.
        let _ = getrandom::fill(&mut bytes);
        bytes
    });
    let method = request.get_method();
    match policy::admit(name(&method), &headers) {
        Admission::Answer(answer) => whole(answer, &request_id),
        Admission::Pass(content) => pass(request, &method, headers, content, &request_id).await,
    }
}

/// Sends the request to the handler and finishes its answer.
async fn pass(
    request: Request,
    method: &Method,
    mut headers: policy::Fields,
    content: Content,
    request_id: &str,
) -> Result<Response, ErrorCode> {
    let is_exceeded = Rc::new(Cell::new(false));
    let is_changed = policy::forward(&mut headers, request_id);
    let request = if is_changed || content == Content::Counted {
        rebuild(request, method, &headers, content, &is_exceeded)?
    } else {
        request
    };
    let answer = handler::handle(request).await;
    // A handler cannot know why a body broke off, and so its answer says something else.
    if is_exceeded.get() {
        return whole(policy::too_large(), request_id);
    }
    match answer {
        Ok(answer) => finish(answer, request_id),
        Err(_) => whole(policy::internal(), request_id),
    }
}

/// The same request with other headers, or with content that is counted. A dozen calls of
/// the host, so this is for requests that cannot go on as they are.
fn rebuild(
    request: Request,
    method: &Method,
    headers: &policy::Fields,
    content: Content,
    is_exceeded: &Rc<Cell<bool>>,
) -> Result<Request, ErrorCode> {
    let (scheme, authority) = (request.get_scheme(), request.get_authority());
    let (path, options) = (request.get_path_with_query(), request.get_options());
    let (contents, trailers) = match content {
        Content::Ignored => {
            drop(request);
            (None, no_trailers())
        }
        Content::Declared => {
            let (contents, trailers) = consume(request, Request::consume_body);
            (Some(contents), trailers)
        }
        Content::Counted => {
            let (contents, trailers) = consume(request, Request::consume_body);
            let (writer, counted) = wit_stream::new();
            let (end, counted_trailers) = wit_future::new(|| Ok(None));
            wit_bindgen::spawn(count(contents, trailers, writer, end, is_exceeded.clone()));
            (Some(counted), counted_trailers)
        }
    };
    let (request, _) = Request::new(fields(headers)?, contents, trailers, options);
    // These were taken from a request, so that another one takes them.
    let _ = request.set_method(method);
    let _ = request.set_scheme(scheme.as_ref());
    let _ = request.set_authority(authority.as_deref());
    let _ = request.set_path_with_query(path.as_deref());
    Ok(request)
}

/// The handler's answer with the headers that every answer has, or a problem in its stead.
fn finish(answer: Response, request_id: &str) -> Result<Response, ErrorCode> {
    let status = answer.get_status_code();
    let mut headers = answer.get_headers().copy_all();
    if let Some(problem) = policy::mend(status, &headers) {
        return whole(problem, request_id);
    }
    policy::finish(&mut headers, request_id);
    let headers = fields(&headers)?;
    let (contents, trailers) = consume(answer, Response::consume_body);
    let (answer, _) = Response::new(headers, Some(contents), trailers);
    // It was taken from an answer, so that another one takes it.
    let _ = answer.set_status_code(status);
    Ok(answer)
}

/// An answer that is made here.
fn whole(answer: http::Response<Vec<u8>>, request_id: &str) -> Result<Response, ErrorCode> {
    let (parts, body) = answer.into_parts();
    let mut headers = policy::fields(&parts.headers, body.len());
    policy::finish(&mut headers, request_id);
    let contents = (!body.is_empty()).then(|| {
        let (mut writer, contents) = wit_stream::new();
        // Whoever does not read it all has gone away.
        wit_bindgen::spawn(async move { drop(writer.write_all(body).await) });
        contents
    });
    let (answer, _) = Response::new(fields(&headers)?, contents, no_trailers());
    let _ = answer.set_status_code(parts.status.as_u16());
    Ok(answer)
}

/// The end of a body that has no trailers.
fn no_trailers() -> FutureReader<End> {
    // What a writer was made with is written when it is dropped.
    wit_future::new(|| Ok(None)).1
}

fn fields(headers: &policy::Fields) -> Result<Fields, ErrorCode> {
    // They came from a message or were written here, so only a host that takes fewer
    // than it gave can refuse them.
    Fields::from_list(headers).map_err(|_| ErrorCode::HttpResponseHeaderSectionSize(None))
}

/// Takes the body out of a message.
fn consume<T>(message: T, take: fn(T, FutureReader<Result<(), ErrorCode>>) -> Body) -> Body {
    let (taken, is_taken) = wit_future::new(|| Ok(()));
    let body = take(message, is_taken);
    // What becomes of the body further on is not known here; it was taken without an error.
    drop(taken);
    body
}

/// The method as it is written.
fn name(method: &Method) -> &str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(name) => name,
    }
}

/// Passes a body on, part by part, and breaks it off when it is longer than the bound.
async fn count(
    mut from: StreamReader<u8>,
    trailers: FutureReader<End>,
    mut to: StreamWriter<u8>,
    end: FutureWriter<End>,
    is_exceeded: Rc<Cell<bool>>,
) {
    let (mut length, mut part) = (0, Vec::with_capacity(PART_BYTES));
    loop {
        let (status, read) = from.read(part).await;
        length += read.len();
        if length > BODY_LENGTH_MAX {
            is_exceeded.set(true);
            drop(to);
            let _ = end.write(Err(ErrorCode::HttpRequestBodySize(None))).await;
            return;
        }
        part = to.write_all(read).await;
        if !part.is_empty() {
            // The handler has read enough.
            return;
        }
        if !matches!(status, StreamResult::Complete(_)) {
            break;
        }
    }
    drop(to);
    let _ = end.write(trailers.await).await;
}
