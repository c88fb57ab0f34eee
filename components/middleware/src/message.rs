//! Requests and answers taken apart and put together. Content goes on as the stream that it is, so that
//! its bytes are never copied into a component that has no business with them.

use crate::bindings::wasi::http::types::{
    ErrorCode, Fields as Resource, Method, Request, Response, Trailers,
};
use crate::bindings::{wit_future, wit_stream};
use crate::fields::{self, Fields};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use wit_bindgen::{FutureReader, FutureWriter, StreamReader, StreamResult, StreamWriter};

/// How much content is read at once, in bytes.
pub const PART_BYTES: usize = 16 * 1024;

/// What content ends with.
pub type End = Result<Option<Trailers>, ErrorCode>;

/// Content as the host gives it: its bytes, and what they end with.
type Contents = (StreamReader<u8>, FutureReader<End>);

/// Content: its bytes, and what they end with.
pub struct Body {
    /// The bytes.
    pub contents: StreamReader<u8>,
    /// Trailers, or why the content broke off.
    pub end: FutureReader<End>,
}

/// Where content goes that is made here.
pub struct BodyWriter {
    contents: StreamWriter<u8>,
    end: FutureWriter<End>,
    /// Whether nobody reads any more. The host ends an instance that writes to nobody twice.
    is_deserted: bool,
}

/// A stretch of content.
pub struct Part {
    /// The bytes; there may be none.
    pub bytes: Vec<u8>,
    /// Whether nothing follows.
    pub is_last: bool,
}

impl Body {
    /// The content of a request.
    pub fn of_request(request: Request) -> Self {
        Self::take(request, Request::consume_body)
    }

    /// The content of an answer.
    pub fn of_answer(answer: Response) -> Self {
        Self::take(answer, Response::consume_body)
    }

    /// A body, and where to write what it shall have. A writer that is dropped before its end breaks the
    /// body off, so that it never looks whole.
    pub fn channel() -> (BodyWriter, Self) {
        let (writer, contents) = wit_stream::new();
        let (end_writer, end) = wit_future::new(|| Err(ErrorCode::InternalError(None)));
        (BodyWriter { contents: writer, end: end_writer, is_deserted: false }, Self { contents, end })
    }

    fn take<T>(message: T, take: fn(T, FutureReader<Result<(), ErrorCode>>) -> Contents) -> Self {
        let (taken, is_taken) = wit_future::new(|| Ok(()));
        let (contents, end) = take(message, is_taken);
        // What becomes of the content further on is not known here; it was taken without an error.
        drop(taken);
        Self { contents, end }
    }

    /// Reads what there is. Where nothing is yet, `idle` is done before it is waited for: what was held
    /// back until then would otherwise wait as well.
    pub async fn read(&mut self, idle: impl AsyncFnOnce()) -> Part {
        let mut reading = pin!(self.contents.read(Vec::with_capacity(PART_BYTES)));
        let mut done = poll_fn(|context| Poll::Ready(reading.as_mut().poll(context))).await;
        if done.is_pending() {
            // Whoever writes may only be waiting for its turn.
            wit_bindgen::yield_async().await;
            done = poll_fn(|context| Poll::Ready(reading.as_mut().poll(context))).await;
        }
        let (status, bytes) = match done {
            Poll::Ready(done) => done,
            Poll::Pending => {
                idle().await;
                reading.await
            }
        };
        Part { bytes, is_last: !matches!(status, StreamResult::Complete(_)) }
    }
}

impl BodyWriter {
    /// Writes bytes; whether anybody still reads.
    pub async fn write(&mut self, bytes: Vec<u8>) -> bool {
        if !self.is_deserted && !bytes.is_empty() {
            self.is_deserted = !self.contents.write_all(bytes).await.is_empty();
        }
        !self.is_deserted
    }

    /// Ends the content as that which it was made of has ended.
    pub async fn finish(self, end: End) {
        drop(self.contents);
        let _ = self.end.write(end).await;
    }
}

/// The end of content that has no trailers.
pub fn no_trailers() -> FutureReader<End> {
    // What a writer was made with is written when it is dropped.
    wit_future::new(|| Ok(None)).1
}

/// The host's resource for header fields.
pub fn resource(fields: &Fields) -> Result<Resource, ErrorCode> {
    // They came from a message or were written here, so only a host that takes fewer than it gave can
    // refuse them.
    Resource::from_list(fields).map_err(|_| ErrorCode::HttpResponseHeaderSectionSize(None))
}

/// An answer with content that comes from elsewhere.
pub fn answer(status: u16, fields: &Fields, body: Body) -> Result<Response, ErrorCode> {
    let (answer, _) = Response::new(resource(fields)?, Some(body.contents), body.end);
    // It was taken from an answer, so that another one takes it.
    let _ = answer.set_status_code(status);
    Ok(answer)
}

/// An answer that is made here, with what is still done to its header fields.
pub fn whole(
    answer: http::Response<Vec<u8>>,
    finish: impl FnOnce(&mut Fields),
) -> Result<Response, ErrorCode> {
    let (parts, body) = answer.into_parts();
    let mut fields = fields::of_answer(&parts.headers, body.len());
    finish(&mut fields);
    let contents = (!body.is_empty()).then(|| {
        let (mut writer, contents) = wit_stream::new();
        // Whoever does not read it all has gone away.
        wit_bindgen::spawn(async move { drop(writer.write_all(body).await) });
        contents
    });
    let (answer, _) = Response::new(resource(&fields)?, contents, no_trailers());
    let _ = answer.set_status_code(parts.status.as_u16());
    Ok(answer)
}

/// The same request with other header fields, and content. A dozen calls of the host, so this is for
/// requests that cannot go on as they are.
pub fn rebuild(
    request: Request,
    fields: &Fields,
    content: impl FnOnce(Request) -> Option<Body>,
) -> Result<Request, ErrorCode> {
    let (method, scheme, authority) = (request.get_method(), request.get_scheme(), request.get_authority());
    let (path, options) = (request.get_path_with_query(), request.get_options());
    let (contents, end) =
        content(request).map_or_else(|| (None, no_trailers()), |body| (Some(body.contents), body.end));
    let (request, _) = Request::new(resource(fields)?, contents, end, options);
    // These were taken from a request, so that another one takes them.
    let _ = request.set_method(&method);
    let _ = request.set_scheme(scheme.as_ref());
    let _ = request.set_authority(authority.as_deref());
    let _ = request.set_path_with_query(path.as_deref());
    Ok(request)
}

/// A method as it is written.
pub fn name(method: &Method) -> &str {
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
