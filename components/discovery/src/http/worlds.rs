//! `/v1/worlds`: registering, finding and showing worlds.

use super::{method_not_allowed, search};
use crate::error::DiscoveryError;
use crate::registry::{self, World};
use crate::{names, record};
use http::{Method, Request, Response, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;

/// The media type of a compact JWS (RFC 7515, section 9.2.1).
const JOSE_MEDIA_TYPE: &str = "application/jose";

/// A world as the API shows it: what its operator said, and the proof.
#[derive(Debug, Serialize)]
pub struct WorldView<'a> {
    /// The world's name in DNS, without a final dot.
    pub fqdn: String,
    /// The name as people read it, in its own script.
    pub unicode_name: String,
    /// The operator's id.
    pub operator: &'a str,
    /// What the operator said.
    #[serde(flatten)]
    pub fields: &'a record::Record,
    /// The signed record.
    pub record: &'a str,
}

impl<'a> WorldView<'a> {
    pub(super) fn new(world: &'a World, environment: &Environment<'_>) -> Self {
        let name = &world.fields.name;
        Self {
            fqdn: registry::fqdn(name, environment),
            unicode_name: name.parse().map(|name| names::to_unicode(&name)).unwrap_or_default(),
            operator: &world.operator,
            fields: &world.fields,
            record: &world.record,
        }
    }
}

/// Answers a request to `/v1/worlds` or below it; `rest` is the path behind that.
pub(super) async fn route<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    rest: &str,
) -> Result<Response<Vec<u8>>, Problem> {
    let is_get = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_post = request.method() == Method::POST;
    match rest.strip_prefix('/') {
        None if is_get => search::find(store, environment, request).await,
        None if is_post => register_world(store, environment, request).await,
        None => method_not_allowed("GET, HEAD, POST"),
        Some(name) if name.is_empty() || name.contains('/') => {
            Err(Problem::not_found("no resource has this path"))
        }
        Some(name) if is_get => show_world(store, environment, name).await,
        Some(_) => method_not_allowed("GET, HEAD"),
    }
}

async fn register_world<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Result<Response<Vec<u8>>, Problem> {
    reply::require_media_type(request.headers(), JOSE_MEDIA_TYPE)?;
    if request.body().len() > record::RECORD_LENGTH_MAX {
        return Err(reply::too_large(record::RECORD_LENGTH_MAX));
    }
    let signed = std::str::from_utf8(request.body())
        .map_err(|_| Problem::bad_request("the body is not a compact JWS"))?
        .trim_ascii();
    let registration = registry::register(store, environment, signed).await?;
    let mut response = reply::json(registration.status(), &registration);
    if registration.is_new {
        let location = format!("/v1/worlds/{}", registration.name);
        let location = location.parse().map_err(|_| Problem::internal())?;
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

async fn show_world<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    name: &str,
) -> Result<Response<Vec<u8>>, Problem> {
    let name = percent_decode_str(name)
        .decode_utf8()
        .map_err(|_| DiscoveryError::BadName("the name is not UTF-8".to_owned()))?;
    let name = names::world(&name)?;
    let world = registry::lookup(store, environment, &name)
        .await?
        .ok_or_else(|| Problem::not_found(format!("no world is registered as {name}")))?;
    Ok(reply::json(StatusCode::OK, &WorldView::new(&world, environment)))
}
