//! DNS messages over HTTP (RFC 8484).

use crate::dns::{self, Transport};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use vwp_core::{Environment, Problem, jose, reply};
use vwp_storage::Kv;

/// The media type of DNS messages (RFC 8484, section 6).
pub const MEDIA_TYPE: &str = "application/dns-message";
/// The longest message that is taken, in bytes. A query is a question and an OPT
/// record with its options and padding; this is many times that.
pub const MESSAGE_LENGTH_MAX: usize = 4096;

/// Answers a DNS message that came in a GET or a POST (RFC 8484, section 4.1).
pub async fn handle<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Result<Response<Vec<u8>>, Problem> {
    let message = message(request)?;
    let reply = dns::answer(store, environment, &message, Transport::Https).await;
    if reply.message.is_empty() {
        return Err(reply.fault.unwrap_or_else(|| Problem::bad_request("the body is not a DNS query")));
    }
    let mut response = reply::with_type(StatusCode::OK, MEDIA_TYPE, reply.message);
    // RFC 8484, section 5.1: HTTP's freshness is the records'.
    let cache_control = reply.max_age_s.map_or("no-store".to_owned(), |age| format!("max-age={age}"));
    let cache_control = HeaderValue::from_str(&cache_control).map_err(|_| Problem::internal())?;
    response.headers_mut().insert(header::CACHE_CONTROL, cache_control);
    Ok(response)
}

fn message(request: &Request<Vec<u8>>) -> Result<Vec<u8>, Problem> {
    if request.method() == Method::POST {
        reply::require_media_type(request.headers(), MEDIA_TYPE)?;
        if request.body().len() > MESSAGE_LENGTH_MAX {
            return Err(reply::too_large(MESSAGE_LENGTH_MAX));
        }
        return Ok(request.body().clone());
    }
    let query = request.uri().query().unwrap_or_default();
    let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == "dns");
    let (Some((_, value)), None) = (values.next(), values.next()) else {
        return Err(Problem::bad_request("send the DNS message as one parameter named dns"));
    };
    // Four characters for three bytes.
    if value.len() > MESSAGE_LENGTH_MAX / 3 * 4 {
        return Err(Problem::new(
            StatusCode::URI_TOO_LONG,
            "uri-too-long",
            "The request's target is too long",
            format!("a DNS message has at most {MESSAGE_LENGTH_MAX} bytes"),
        ));
    }
    jose::decode(&value).map_err(|_| Problem::bad_request("dns is not base64url without padding"))
}
