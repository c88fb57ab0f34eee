//! `/v1/worlds`: registering, finding and showing worlds.

use super::condition::Condition;
use super::{method_not_allowed, search};
use crate::error::DiscoveryError;
use crate::lease::{self, Statement};
use crate::live::LIVE_LENGTH_MAX;
use crate::place::{self, Place};
use crate::registry::{self, Shown, World};
use crate::{control, delegation, keys, names, record};
use http::{Method, Request, Response, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use std::borrow::Cow;
use vwp_core::outbound::Outbound;
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;

/// A world as the API shows it: what its operator said, and the proof.
#[derive(Debug, Serialize)]
pub struct WorldView<'a> {
    /// The world's name in DNS, without a final dot.
    pub fqdn: String,
    /// The name as people read it, in its own script.
    pub unicode_name: String,
    /// The id of the operator who signed the record.
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

/// A world as the API shows it by itself: with what changes more often than its record.
#[derive(Debug, Serialize)]
struct ShownView<'a> {
    #[serde(flatten)]
    world: WorldView<'a>,
    /// The commit that registered the record.
    version: u64,
    /// Whether the lease has ended, and the world is served only for the time being.
    stale: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_ends_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<&'a Statement>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transferred_to: Option<&'a str>,
}

impl<'a> ShownView<'a> {
    fn new(shown: &'a Shown, environment: &Environment<'_>) -> Self {
        Self {
            world: WorldView::new(&shown.world, environment),
            version: shown.version,
            stale: shown.is_stale,
            lease_ends_at: shown.lease_ends_at,
            live: shown.live.as_ref(),
            transferred_to: shown.transferred_to.as_deref(),
        }
    }
}

/// Answers a request to `/v1/worlds` or below it; `rest` is the path behind that.
pub(super) async fn route<S: Kv, O: Outbound>(
    store: &S,
    outbound: &O,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    rest: &str,
) -> Result<Response<Vec<u8>>, Problem> {
    let is_get = matches!(*request.method(), Method::GET | Method::HEAD);
    let Some(rest) = rest.strip_prefix('/') else {
        return match *request.method() {
            Method::POST => register_world(store, outbound, environment, request).await,
            _ if is_get => search::find(store, environment, request).await,
            _ => method_not_allowed("GET, HEAD, POST"),
        };
    };
    let (name, part) = rest.split_once('/').map_or((rest, None), |(name, part)| (name, Some(part)));
    if name.is_empty() {
        return Err(Problem::not_found("no resource has this path"));
    }
    match part {
        None if is_get => show_world(store, environment, request, name).await,
        Some("challenge") if is_get => challenge(environment, request, name),
        None | Some("challenge") => method_not_allowed("GET, HEAD"),
        Some("lease") if request.method() == Method::PUT => renew(store, environment, request, name).await,
        Some("lease") => method_not_allowed("PUT"),
        Some(_) => Err(Problem::not_found("no resource has this path")),
    }
}

async fn register_world<S: Kv, O: Outbound>(
    store: &S,
    outbound: &O,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
) -> Result<Response<Vec<u8>>, Problem> {
    let signed = super::signed(request, record::RECORD_LENGTH_MAX)?;
    let registration = registry::register(store, outbound, environment, signed).await?;
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
    request: &Request<Vec<u8>>,
    name: &str,
) -> Result<Response<Vec<u8>>, Problem> {
    let condition = Condition::read(request.uri().query().unwrap_or_default())?;
    let (label, fqdn) = match place::of(&decoded(name)?, environment.settings)? {
        Place::World(name) => {
            condition.wait(store, &keys::world(&name)).await?;
            if let Some(shown) = registry::show(store, environment, &name).await? {
                let answer = reply::json(StatusCode::OK, &ShownView::new(&shown, environment));
                return Ok(condition.apply(request, shown.version, shown.shown_version, answer));
            }
            let fqdn = registry::fqdn(name.as_str(), environment);
            (name, fqdn)
        }
        Place::Below { label, fqdn } => (label, fqdn),
    };
    // Only a label of the zone can be delegated.
    let delegation = if label.is_domain() { None } else { delegation::lookup(store, &label).await? };
    let delegation =
        delegation.ok_or_else(|| Problem::not_found(format!("no world is registered as {fqdn}")))?;
    let location = format!("{}/v1/worlds/{fqdn}", delegation.url);
    let mut response = reply::empty(StatusCode::TEMPORARY_REDIRECT);
    let location = location.parse().map_err(|_| Problem::internal())?;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

fn challenge(
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    name: &str,
) -> Result<Response<Vec<u8>>, Problem> {
    let mut parameters = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
    let operator = match (parameters.next(), parameters.next()) {
        (Some((key, value)), None) if key == "operator" => value,
        _ => return Err(Problem::bad_request("the parameter is operator, an operator's id")),
    };
    Ok(reply::json(StatusCode::OK, &control::challenge_of(environment, &decoded(name)?, &operator)?))
}

async fn renew<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    name: &str,
) -> Result<Response<Vec<u8>>, Problem> {
    let name = place::world(&decoded(name)?, environment.settings)?;
    let signed = super::signed(request, LIVE_LENGTH_MAX)?;
    let heartbeat = lease::heartbeat(store, environment, &name, signed).await?;
    Ok(reply::json(StatusCode::OK, &heartbeat))
}

fn decoded(name: &str) -> Result<Cow<'_, str>, DiscoveryError> {
    let name = percent_decode_str(name).decode_utf8();
    name.map_err(|_| DiscoveryError::BadName("the name is not UTF-8".to_owned()))
}
