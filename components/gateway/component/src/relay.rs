//! Passing requests to the handler and answers back. Headers are taken and given; bodies
//! go on as the streams that they are, so that their bytes are never copied into this
//! component, unless somebody has to count them.

use std::cell::Cell;
use std::rc::Rc;
use vwp_core::reply::BODY_LENGTH_MAX;
use vwp_gateway::policy::{self, Admission, Content, Named};
use vwp_gateway::version::SERVED;
use vwp_middleware::Fields;
use vwp_middleware::bindings::wasi::http::handler;
use vwp_middleware::bindings::wasi::http::types::{ErrorCode, Request, Response};
use vwp_middleware::message::{self, Body, BodyWriter};

/// Answers a request, here or by the handler behind.
pub(crate) async fn handle(request: Request) -> Result<Response, ErrorCode> {
    let headers = request.get_headers().copy_all();
    let request_id = policy::request_id(&headers, || {
        let mut bytes = [0; 16];
        // WASI's random never fails; an id of zeroes would still be a valid id.
        let _ = getrandom::fill(&mut bytes);
        bytes
    });
    match policy::admit(message::name(&request.get_method()), &headers) {
        Admission::Answer(answer) => whole(answer, &Named { request_id, version: SERVED[0] }),
        Admission::Pass(content, version) => {
            pass(request, headers, content, &Named { request_id, version }).await
        }
    }
}

/// Sends the request to the handler and finishes its answer.
async fn pass(
    request: Request,
    mut headers: Fields,
    content: Content,
    named: &Named,
) -> Result<Response, ErrorCode> {
    let is_exceeded = Rc::new(Cell::new(false));
    let is_changed = policy::forward(&mut headers, &named.request_id);
    let request = if is_changed || content == Content::Counted {
        message::rebuild(request, &headers, |request| take(request, content, &is_exceeded))?
    } else {
        request
    };
    let answer = handler::handle(request).await;
    // A handler cannot know why a body broke off, and so its answer says something else.
    if is_exceeded.get() {
        return whole(policy::too_large(), named);
    }
    match answer {
        Ok(answer) => finish(answer, named),
        Err(_) => whole(policy::internal(), named),
    }
}

/// What the handler gets of a request's content.
fn take(request: Request, content: Content, is_exceeded: &Rc<Cell<bool>>) -> Option<Body> {
    match content {
        Content::Ignored => None,
        Content::Declared => Some(Body::of_request(request)),
        Content::Counted => {
            let (writer, counted) = Body::channel();
            wit_bindgen::spawn(count(Body::of_request(request), writer, is_exceeded.clone()));
            Some(counted)
        }
    }
}

/// The handler's answer with the headers that every answer has, or a problem in its stead.
fn finish(answer: Response, named: &Named) -> Result<Response, ErrorCode> {
    let status = answer.get_status_code();
    let mut headers = answer.get_headers().copy_all();
    if let Some(problem) = policy::mend(status, &headers) {
        return whole(problem, named);
    }
    policy::finish(&mut headers, named);
    message::answer(status, &headers, Body::of_answer(answer))
}

/// An answer that is made here.
fn whole(answer: http::Response<Vec<u8>>, named: &Named) -> Result<Response, ErrorCode> {
    message::whole(answer, |fields| policy::finish(fields, named))
}

/// Passes a body on, part by part, and breaks it off when it is longer than the bound.
async fn count(mut from: Body, mut to: BodyWriter, is_exceeded: Rc<Cell<bool>>) {
    let mut length = 0;
    loop {
        let part = from.read(async || ()).await;
        length += part.bytes.len();
        if length > BODY_LENGTH_MAX {
            is_exceeded.set(true);
            return to.finish(Err(ErrorCode::HttpRequestBodySize(None))).await;
        }
        if !to.write(part.bytes).await {
            // The handler has read enough.
            return to.finish(Ok(None)).await;
        }
        if part.is_last {
            break;
        }
    }
    to.finish(from.end.await).await;
}
