//! `/v1/worlds`: registering, finding and showing worlds.

use super::method_not_allowed;
use crate::error::DiscoveryError;
use crate::registry::{self, World};
use crate::search::{self, Question};
use crate::{names, record};
use http::{Method, Request, Response, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::json;
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;

/// The longest query string, in bytes: the longest question and cursor, encoded.
const QUERY_LENGTH_MAX: usize = 2048;
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
    fn new(world: &'a World, environment: &Environment<'_>) -> Self {
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
        None if is_get => search_worlds(store, environment, request).await,
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

async fn search_worlds<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Result<Response<Vec<u8>>, Problem> {
    let question = question(request.uri().query().unwrap_or_default())?;
    let page = search::search(store, environment, &question).await?;
    let worlds: Vec<_> = page.worlds.iter().map(|world| WorldView::new(world, environment)).collect();
    Ok(reply::json(StatusCode::OK, &json!({ "worlds": worlds, "next": page.next })))
}

/// Reads the parameters. Those that are not known are refused, so that a misspelt one
/// is not silently ignored.
fn question(query: &str) -> Result<Question, Problem> {
    if query.len() > QUERY_LENGTH_MAX {
        return Err(Problem::bad_request(format!("the query string is at most {QUERY_LENGTH_MAX} bytes")));
    }
    let mut question = Question::default();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        let is_new = match &*key {
            "q" => question.text.replace(value.into_owned()).is_none(),
            "cursor" => question.cursor.replace(value.into_owned()).is_none(),
            "limit" => {
                let limit = value.parse().map_err(|_| Problem::bad_request("limit is 1 to 100"))?;
                question.limit.replace(limit).is_none()
            }
            _ => return Err(Problem::bad_request("the parameters are q, limit and cursor")),
        };
        if !is_new {
            return Err(Problem::bad_request("each parameter may be given once"));
        }
    }
    Ok(question)
}
