//! `/v1/keys/zone` and `/v1/zone`: what the administrator does with the port's zones.
//!
//! Where a path is about one zone, the parameter `zone` says which; without it, the port's own.

mod keys;
mod peers;
mod text;

use super::{method_not_allowed, require_administrator};
use crate::{keys as places, secondaries};
use http::{Method, Request, Response, StatusCode};
use serde_json::json;
use vwp_core::{Environment, Problem, keyring, reply};
use vwp_dns::authority::Authority;
use vwp_dns::name::OwnName;
use vwp_dns::zone::Zone;
use vwp_dns::{secondaries as peer_servers, tsig};
use vwp_storage::Kv;

/// The longest query string, in bytes: a zone's name and a cursor.
const QUERY_LENGTH_MAX: usize = 2048;

/// Answers a request to `/v1/keys/zone` or below it; `rest` is the path behind that.
pub(super) async fn receipt_keys<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    rest: &str,
) -> Result<Response<Vec<u8>>, Problem> {
    let is_get = matches!(*request.method(), Method::GET | Method::HEAD);
    match rest {
        "" if is_get => list_keys(store, environment, request).await,
        "" => method_not_allowed("GET, HEAD"),
        "/rotate" if request.method() == Method::POST => rotate_keys(store, environment, request).await,
        "/rotate" => method_not_allowed("POST"),
        _ => Err(Problem::not_found("no resource has this path")),
    }
}

async fn list_keys<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Result<Response<Vec<u8>>, Problem> {
    require_administrator(store, environment, request).await?;
    let keys = keyring::list(store, places::ZONE_KEYRING).await?;
    Ok(reply::json(StatusCode::OK, &json!({ "keys": keys })))
}

async fn rotate_keys<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Result<Response<Vec<u8>>, Problem> {
    require_administrator(store, environment, request).await?;
    let key = keyring::rotate(store, places::ZONE_KEYRING, environment, |_| Vec::new()).await?;
    Ok(reply::json(StatusCode::CREATED, &key))
}

/// What a request below `/v1/zone` is about.
struct Call<'a, S> {
    store: &'a S,
    environment: &'a Environment<'a>,
    request: &'a Request<Vec<u8>>,
    authority: Authority,
    zone: Zone,
    parameters: Parameters,
}

/// The parameters of a request.
#[derive(Debug, Default)]
struct Parameters {
    zone: Option<String>,
    format: Option<String>,
    cursor: Option<String>,
}

/// Answers a request to `/v1/zone` or below it; `rest` is the path behind that.
pub(super) async fn route<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    rest: &str,
) -> Result<Response<Vec<u8>>, Problem> {
    require_administrator(store, environment, request).await?;
    let parameters = parameters(request.uri().query().unwrap_or_default())?;
    let authority = secondaries::authority(environment)?;
    let zone = zone(store, &authority, parameters.zone.as_deref()).await?;
    let call = Call { store, environment, request, authority, zone, parameters };
    let segments: Vec<&str> = rest.split('/').skip(1).collect();
    match segments.as_slice() {
        [] if call.is_get() => show(&call).await,
        ["keys", rest @ ..] => keys::route(&call, rest).await,
        ["secondaries", rest @ ..] => peers::secondaries(&call, rest).await,
        ["tsig-keys", rest @ ..] => peers::tsig_keys(&call, rest).await,
        ["export"] if call.is_get() => text::export(&call).await,
        [] | ["export"] => method_not_allowed("GET, HEAD"),
        ["import"] if call.method() == Method::POST => text::import(&call).await,
        ["import"] => method_not_allowed("POST"),
        _ => Err(Problem::not_found("no resource has this path")),
    }
}

impl<S> Call<'_, S> {
    fn method(&self) -> &Method {
        self.request.method()
    }

    fn is_get(&self) -> bool {
        matches!(*self.method(), Method::GET | Method::HEAD)
    }
}

async fn show<S: Kv>(call: &Call<'_, S>) -> Result<Response<Vec<u8>>, Problem> {
    let (store, zone) = (call.store, &call.zone);
    let head = call.authority.publish(store, zone, call.environment).await?;
    let keys = vwp_dns::keys::list(store, zone).await?.len();
    let secondaries = peer_servers::list(store).await?.len();
    let tsig_keys = tsig::keys::list(store).await?.len();
    let body = json!({
        "zone": zone.apex().to_string(),
        "serial": head.serial,
        "published_at": head.published_at,
        "catalog": call.authority.catalog().apex().to_string(),
        "keys": keys,
        "secondaries": secondaries,
        "tsig_keys": tsig_keys,
    });
    Ok(reply::json(StatusCode::OK, &body))
}

/// The zone that a request is about.
async fn zone<S: Kv>(store: &S, authority: &Authority, given: Option<&str>) -> Result<Zone, Problem> {
    let Some(given) = given else {
        return Ok(authority.main().clone());
    };
    let named = Zone::new(given).ok_or_else(|| Problem::bad_request("zone is not the name of a zone"))?;
    let apex: &OwnName = named.apex();
    let found = authority.zone_at(store, apex).await?;
    found.ok_or_else(|| Problem::not_found(format!("the port is no authority for {apex}")))
}

/// Reads the parameters. Those that are not known are refused, so that a misspelt one is
/// not silently ignored.
fn parameters(query: &str) -> Result<Parameters, Problem> {
    if query.len() > QUERY_LENGTH_MAX {
        return Err(Problem::bad_request(format!("the query string is at most {QUERY_LENGTH_MAX} bytes")));
    }
    let mut parameters = Parameters::default();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        let place = match &*key {
            "zone" => &mut parameters.zone,
            "format" => &mut parameters.format,
            "cursor" => &mut parameters.cursor,
            _ => return Err(Problem::bad_request("the parameters are zone, format and cursor")),
        };
        if place.replace(value.into_owned()).is_some() {
            return Err(Problem::bad_request("each parameter may be given once"));
        }
    }
    Ok(parameters)
}

/// An empty answer to a removal; a refusal if there was nothing.
fn removed(was_there: bool, what: &str) -> Result<Response<Vec<u8>>, Problem> {
    if was_there {
        return Ok(reply::empty(StatusCode::NO_CONTENT));
    }
    Err(Problem::not_found(format!("there is no such {what}")))
}

/// An answer that no cache keeps, because it holds a secret.
fn no_store(mut response: Response<Vec<u8>>) -> Response<Vec<u8>> {
    let value = http::HeaderValue::from_static("no-store");
    response.headers_mut().insert(http::header::CACHE_CONTROL, value);
    response
}
