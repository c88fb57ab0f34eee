//! DNS messages over HTTP (RFC 8484).

use crate::dns;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use vwp_core::{Environment, Problem, jose, reply};
use vwp_dns::edge::Transport;
use vwp_storage::Kv;

/// The media type of DNS messages (RFC 8484, section 6).
pub const MEDIA_TYPE: &str = "application/dns-message";
/// The longest message that is taken in a body, in bytes: what DNS allows (RFC 1035,
/// section 4.2.2).
pub const MESSAGE_LENGTH_MAX: usize = 65_535;
/// The longest one that is taken in a URL. A query is a question and an OPT record with its
/// options and padding; this is many times that.
const URL_LENGTH_MAX: usize = 4096;

/// Answers a DNS message that came in a GET or a POST (RFC 8484, section 4.1).
pub async fn handle<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Result<Response<Vec<u8>>, Problem> {
    let message = message(request)?;
    if !is_acceptable(request.headers()) {
        return Err(Problem::new(
            StatusCode::NOT_ACCEPTABLE,
            "not-acceptable",
            "The answer has no type that was asked for",
            format!("send Accept: {MEDIA_TYPE}"),
        ));
    }
    let reply = dns::answer(store, environment, &message, Transport::Https).await;
    if let Some(fault) = &reply.fault {
        eprintln!("a question was answered with SERVFAIL: {}", fault.detail);
    }
    // Only a transfer has more than one message, and there is none over HTTP.
    let Some(answer) = reply.messages.into_iter().next() else {
        return Err(Problem::bad_request("this is not a DNS query"));
    };
    let mut response = reply::with_type(StatusCode::OK, MEDIA_TYPE, answer);
    // RFC 8484, section 5.1: HTTP's freshness is the records'.
    let cache_control = match reply.kept_s {
        0 => "no-store".to_owned(),
        age_s => format!("max-age={age_s}"),
    };
    let cache_control = HeaderValue::from_str(&cache_control).map_err(|_| Problem::internal())?;
    response.headers_mut().insert(header::CACHE_CONTROL, cache_control);
    Ok(response)
}

/// Whether the asker takes what is answered (RFC 9110, section 12.5.1); it does if it says
/// nothing about it.
fn is_acceptable(headers: &HeaderMap) -> bool {
    let mut ranges = headers
        .get_all(header::ACCEPT)
        .iter()
        .flat_map(|value| value.to_str().unwrap_or_default().split(','))
        .map(|range| range.split(';').next().unwrap_or_default().trim())
        .peekable();
    let takes =
        |range: &str| ["*/*", "application/*", MEDIA_TYPE].iter().any(|own| own.eq_ignore_ascii_case(range));
    ranges.peek().is_none() || ranges.any(takes)
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
    if value.len() > URL_LENGTH_MAX / 3 * 4 {
        return Err(Problem::new(
            StatusCode::URI_TOO_LONG,
            "uri-too-long",
            "The request's target is too long",
            format!("a DNS message in a URL has at most {URL_LENGTH_MAX} bytes"),
        ));
    }
    jose::decode(&value).map_err(|_| Problem::bad_request("dns is not base64url without padding"))
}
