//! One way to serve a request: bound the body, read the settings, call a handler
//! that knows nothing of the host.

use crate::http_types::{
    ErrorCode, Fields, Method as WasiMethod, Request as WasiRequest, Response as WasiResponse,
};
use crate::settings;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use spin_sdk::wasip3::{wit_bindgen, wit_future, wit_stream};
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};
use vwp_core::environment::{Environment, Random, Timestamp};
use vwp_core::{Problem, reply};
use wit_bindgen::{FutureReader, StreamReader, StreamResult};

/// How much of a body is read at once.
pub(crate) const PART_BYTES: usize = 16 * 1024;

struct HostRandom;

impl Random for HostRandom {
    fn fill(&self, buffer: &mut [u8]) {
        // WASI's random never fails; without randomness there is nothing safe to do.
        getrandom::fill(buffer).expect("the host provides randomness");
    }
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

/// Reads the settings, which an [`Environment`] borrows.
pub async fn environment<T>(
    call: impl AsyncFnOnce(&Environment<'_>) -> Result<T, Problem>,
) -> Result<T, Problem> {
    environment_with(&[], call).await
}

/// The same with the component's own options. A component always names the same ones.
pub async fn environment_with<T>(
    options: &[&'static str],
    call: impl AsyncFnOnce(&Environment<'_>) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let now = now();
    let settings = settings::current(now, options).await?;
    call(&Environment { now, random: &HostRandom, settings: &settings }).await
}

/// Serves one request with a handler.
pub async fn serve<H>(request: WasiRequest, handler: H) -> Result<WasiResponse, ErrorCode>
where
    H: AsyncFnOnce(&Environment<'_>, Request<Vec<u8>>) -> Response<Vec<u8>>,
{
    serve_with(&[], request, handler).await
}

/// The same with the component's own options.
pub async fn serve_with<H>(
    options: &[&'static str],
    request: WasiRequest,
    handler: H,
) -> Result<WasiResponse, ErrorCode>
where
    H: AsyncFnOnce(&Environment<'_>, Request<Vec<u8>>) -> Response<Vec<u8>>,
{
    let answer = match read(request).await {
        Ok(request) => {
            environment_with(options, async |environment| Ok(handler(environment, request).await)).await
        }
        Err(problem) => Err(problem),
    };
    write(answer.unwrap_or_else(Problem::into_response))
}

/// Serves one request without the application's settings, which not every component may see: with the time and
/// the values of the component's own variables.
pub async fn serve_apart<H>(
    names: &[&'static str],
    request: WasiRequest,
    handler: H,
) -> Result<WasiResponse, ErrorCode>
where
    H: AsyncFnOnce(Timestamp, &BTreeMap<&'static str, String>, Request<Vec<u8>>) -> Response<Vec<u8>>,
{
    let answer = match read(request).await {
        Ok(request) => {
            let (now, options) = options(names).await;
            handler(now, &options, request).await
        }
        Err(problem) => problem.into_response(),
    };
    write(answer)
}

/// The time, and the values of a component's own variables. One that the manifest does not give has none.
pub async fn options(names: &[&'static str]) -> (Timestamp, BTreeMap<&'static str, String>) {
    (now(), settings::values(names).await)
}

/// An answer whose body comes in parts, one after the other.
#[allow(async_fn_in_trait, reason = "a guest has one thread")]
pub trait Parts {
    /// What the answer begins with.
    fn head(&self) -> Response<()>;
    /// The next part, when there is one; none at the end.
    async fn next(&mut self, environment: &Environment<'_>) -> Option<Vec<u8>>;
}

/// What a handler answers with.
#[derive(Debug)]
pub enum Answer<P> {
    /// All at once.
    Whole(Response<Vec<u8>>),
    /// Part by part.
    Stream(P),
}

/// The same with a handler that may answer part by part. Whoever reads such an answer holds
/// the instance until its end.
pub async fn serve_streaming<H, P>(
    options: &'static [&'static str],
    request: WasiRequest,
    handler: H,
) -> Result<WasiResponse, ErrorCode>
where
    H: AsyncFnOnce(&Environment<'_>, Request<Vec<u8>>) -> Answer<P>,
    P: Parts + 'static,
{
    let answer = match read(request).await {
        Ok(request) => {
            environment_with(options, async |environment| Ok(handler(environment, request).await)).await
        }
        Err(problem) => Err(problem),
    };
    match answer {
        Ok(Answer::Whole(answer)) => write(answer),
        Ok(Answer::Stream(parts)) => stream(options, parts),
        Err(problem) => write(problem.into_response()),
    }
}

/// Gives an answer to the host part by part.
fn stream<P: Parts + 'static>(
    options: &'static [&'static str],
    mut parts: P,
) -> Result<WasiResponse, ErrorCode> {
    let (head, ()) = parts.head().into_parts();
    let (end, trailers) = wit_future::new(|| Ok(None));
    let (mut writer, contents) = wit_stream::new();
    wit_bindgen::spawn(async move {
        while let Ok(Some(part)) =
            environment_with(options, async |environment| Ok(parts.next(environment).await)).await
        {
            // Whoever does not read it all has gone away.
            if !writer.write_all(part).await.is_empty() {
                break;
            }
        }
        drop((writer, end));
    });
    respond(&head, &[], Some(contents), trailers)
}

/// Takes a request out of the host's types. Straight from them, because each question to
/// the host costs as much as answering some of the requests that ask it.
async fn read(request: WasiRequest) -> Result<Request<Vec<u8>>, Problem> {
    let method = method(request.get_method())?;
    let target = request.get_path_with_query().unwrap_or_default();
    let target: Uri = target.try_into().map_err(|_| Problem::bad_request("the target is malformed"))?;
    let headers = headers(request.get_headers().copy_all())?;
    // Content in GET and HEAD has no meaning (RFC 9110, section 9.3).
    let body = if matches!(method, Method::GET | Method::HEAD) { Vec::new() } else { body(request).await? };
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = target;
    *request.headers_mut() = headers;
    Ok(request)
}

fn method(method: WasiMethod) -> Result<Method, Problem> {
    Ok(match method {
        WasiMethod::Get => Method::GET,
        WasiMethod::Head => Method::HEAD,
        WasiMethod::Post => Method::POST,
        WasiMethod::Put => Method::PUT,
        WasiMethod::Delete => Method::DELETE,
        WasiMethod::Connect => Method::CONNECT,
        WasiMethod::Options => Method::OPTIONS,
        WasiMethod::Trace => Method::TRACE,
        WasiMethod::Patch => Method::PATCH,
        WasiMethod::Other(name) => Method::from_bytes(name.as_bytes())
            .map_err(|_| Problem::bad_request("the method is malformed"))?,
    })
}

pub(crate) fn headers(given: Vec<(String, Vec<u8>)>) -> Result<HeaderMap, Problem> {
    let malformed = || Problem::bad_request("a header is malformed");
    let mut headers = HeaderMap::with_capacity(given.len());
    for (name, value) in given {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| malformed())?;
        headers.append(name, HeaderValue::try_from(value).map_err(|_| malformed())?);
    }
    Ok(headers)
}

/// Reads a body to its end or to the bound.
async fn body(request: WasiRequest) -> Result<Vec<u8>, Problem> {
    let (taken, is_taken) = wit_future::new(|| Ok(()));
    let (mut contents, end) = WasiRequest::consume_body(request, is_taken);
    drop(taken);
    let (mut body, mut part) = (Vec::new(), Vec::with_capacity(PART_BYTES));
    loop {
        let (status, mut read) = contents.read(part).await;
        if body.len() + read.len() > reply::BODY_LENGTH_MAX {
            return Err(reply::too_large(reply::BODY_LENGTH_MAX));
        }
        body.append(&mut read);
        part = read;
        if !matches!(status, StreamResult::Complete(_)) {
            break;
        }
    }
    match end.await {
        Ok(_) => Ok(body),
        Err(_) => Err(Problem::bad_request("the body broke off")),
    }
}

/// Gives an answer to the host, with its length, so that the host need not wait for its
/// end to know it.
fn write(answer: Response<Vec<u8>>) -> Result<WasiResponse, ErrorCode> {
    let (parts, body) = answer.into_parts();
    let (end, trailers) = wit_future::new(|| Ok(None));
    let length =
        (!body.is_empty()).then(|| ("content-length".to_owned(), body.len().to_string().into_bytes()));
    let contents = (!body.is_empty()).then(|| {
        let (mut writer, contents) = wit_stream::new();
        wit_bindgen::spawn(async move {
            // Whoever does not read it all has gone away.
            writer.write_all(body).await;
            // The end is written as it is dropped, when it is certain that somebody reads it.
            drop((writer, end));
        });
        contents
    });
    respond(&parts, length.as_slice(), contents, trailers)
}

/// An answer of the host's type.
fn respond(
    head: &http::response::Parts,
    more: &[(String, Vec<u8>)],
    contents: Option<StreamReader<u8>>,
    trailers: FutureReader<Result<Option<Fields>, ErrorCode>>,
) -> Result<WasiResponse, ErrorCode> {
    let pair =
        |(name, value): (&HeaderName, &HeaderValue)| (name.as_str().to_owned(), value.as_bytes().to_owned());
    let headers: Vec<_> = head.headers.iter().map(pair).chain(more.iter().cloned()).collect();
    let headers = Fields::from_list(&headers)
        .map_err(|error| ErrorCode::InternalError(Some(format!("the answer's headers: {error:?}"))))?;
    let (response, _) = WasiResponse::new(headers, contents, trailers);
    response
        .set_status_code(head.status.as_u16())
        .map_err(|()| ErrorCode::InternalError(Some("the answer's status".to_owned())))?;
    Ok(response)
}
