//! Requests to others, as the host lets this component send them (`wasi:http/client`).

use crate::http_types::{
    ErrorCode, Fields, Method as WasiMethod, Request as WasiRequest, RequestOptions,
    Response as WasiResponse, Scheme,
};
use crate::serve::{PART_BYTES, headers};
use http::header::CONTENT_LENGTH;
use http::{Method, Request, Response};
use spin_sdk::wasip3::clocks::monotonic_clock;
use spin_sdk::wasip3::http::client;
use spin_sdk::wasip3::{wit_bindgen, wit_future, wit_stream};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use vwp_core::outbound::{Limits, Outbound, OutboundError};
use wit_bindgen::StreamResult;

/// The network that the host gives this component.
#[derive(Debug, Clone, Copy, Default)]
pub struct Network;

impl Outbound for Network {
    async fn send(
        &self,
        request: Request<Vec<u8>>,
        limits: Limits,
    ) -> Result<Response<Vec<u8>>, OutboundError> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let exchange = async {
            let answer =
                client::send(to_wasi(request, limits)?).await.map_err(|error| failed(&host, error))?;
            read(answer, limits.body_bytes_max).await
        };
        within(limits.time_max, exchange).await.ok_or(OutboundError::Exceeded("it took too long"))?
    }
}

/// A future's result, unless the time is over first. The host's own limits are for the parts
/// of an exchange; this one is for all of it.
async fn within<T>(time_max: Duration, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut time = pin!(monotonic_clock::wait_for(nanoseconds(time_max)));
    poll_fn(|context| {
        if let Poll::Ready(result) = future.as_mut().poll(context) {
            return Poll::Ready(Some(result));
        }
        time.as_mut().poll(context).map(|()| None)
    })
    .await
}

fn to_wasi(request: Request<Vec<u8>>, limits: Limits) -> Result<WasiRequest, OutboundError> {
    let (head, body) = request.into_parts();
    let malformed =
        |what: &str| OutboundError::Failed(format!("the request has a {what} that cannot be sent"));
    let pair = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.as_str().to_owned(), value.as_bytes().to_owned())
    };
    let mut fields: Vec<_> = head.headers.iter().map(pair).collect();
    // RFC 9110, section 8.6. Not every host says it of a body whose parts it is given one by one, and not every
    // server reads one without a length.
    if !body.is_empty() && !head.headers.contains_key(CONTENT_LENGTH) {
        fields.push((CONTENT_LENGTH.as_str().to_owned(), body.len().to_string().into_bytes()));
    }
    let fields = Fields::from_list(&fields).map_err(|_| malformed("header"))?;
    let options = RequestOptions::new();
    // A host that has no such limits has the one for all of it.
    let time = Some(nanoseconds(limits.time_max));
    let _ = options.set_connect_timeout(time);
    let _ = options.set_first_byte_timeout(time);
    let _ = options.set_between_bytes_timeout(time);
    let (end, trailers) = wit_future::new(|| Ok(None));
    let contents = (!body.is_empty()).then(|| {
        let (mut writer, contents) = wit_stream::new();
        wit_bindgen::spawn(async move {
            // Whoever does not read it all has gone away.
            writer.write_all(body).await;
            drop((writer, end));
        });
        contents
    });
    let (request, _) = WasiRequest::new(fields, contents, trailers, Some(options));
    let method = match head.method {
        Method::GET => WasiMethod::Get,
        Method::POST => WasiMethod::Post,
        other => WasiMethod::Other(other.as_str().to_owned()),
    };
    request.set_method(&method).map_err(|()| malformed("method"))?;
    let scheme = match head.uri.scheme_str() {
        Some("http") => Scheme::Http,
        Some("https") => Scheme::Https,
        _ => return Err(malformed("scheme")),
    };
    request.set_scheme(Some(&scheme)).map_err(|()| malformed("scheme"))?;
    let authority = head.uri.authority().map(http::uri::Authority::as_str);
    request.set_authority(authority).map_err(|()| malformed("host"))?;
    let target = head.uri.path_and_query().map(http::uri::PathAndQuery::as_str);
    request.set_path_with_query(target).map_err(|()| malformed("path"))?;
    Ok(request)
}

async fn read(answer: WasiResponse, body_bytes_max: usize) -> Result<Response<Vec<u8>>, OutboundError> {
    let status = answer.get_status_code();
    let malformed = || OutboundError::Failed("the answer's head is malformed".to_owned());
    let fields = headers(answer.get_headers().copy_all()).map_err(|_| malformed())?;
    let (taken, is_taken) = wit_future::new(|| Ok(()));
    let (mut contents, end) = WasiResponse::consume_body(answer, is_taken);
    drop(taken);
    let (mut body, mut part) = (Vec::new(), Vec::with_capacity(PART_BYTES));
    loop {
        let (status, mut read) = contents.read(part).await;
        if body.len() + read.len() > body_bytes_max {
            return Err(OutboundError::Exceeded("it is too long"));
        }
        body.append(&mut read);
        part = read;
        if !matches!(status, StreamResult::Complete(_)) {
            break;
        }
    }
    end.await.map_err(|error| OutboundError::Failed(format!("the answer broke off: {error:?}")))?;
    let mut response = Response::new(body);
    *response.status_mut() = http::StatusCode::from_u16(status).map_err(|_| malformed())?;
    *response.headers_mut() = fields;
    Ok(response)
}

fn failed(host: &str, error: ErrorCode) -> OutboundError {
    match error {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => {
            OutboundError::Denied(host.to_owned())
        }
        ErrorCode::ConnectionTimeout | ErrorCode::ConnectionReadTimeout | ErrorCode::HttpResponseTimeout => {
            OutboundError::Exceeded("it took too long")
        }
        error => OutboundError::Failed(format!("{error:?}")),
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
