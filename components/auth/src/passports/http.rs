//! Passports as HTTP resources.

use super::issue::{self, COPIES_MAX, Order};
use super::{PassportError, issued};
use crate::error::AuthError;
use crate::http::{self, Answer};
use crate::sessions::traveller_of;
use crate::status::{self, ListId};
use ::http::{HeaderValue, Request, StatusCode, header};
use form_urlencoded::parse;
use serde::Deserialize;
use vwp_core::caller::{self, Caller};
use vwp_core::name::WorldName;
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;

/// The longest body with proofs, in bytes.
pub const PROOFS_BODY_LENGTH_MAX: usize = 65_536;
/// The media type of a status list (draft-ietf-oauth-status-list, section 8.1).
pub const STATUS_LIST_MEDIA_TYPE: &str = "application/statuslist+jwt";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    proof: Option<String>,
    proofs: Option<Vec<String>>,
    world: Option<String>,
    claims: Option<Vec<String>>,
}

/// Whether a path is one of these resources.
pub(crate) fn owns(path: &str) -> bool {
    path == "/v1/passports" || path == "/v1/passports/issued" || under(path).is_some()
}

/// What a path names under a collection.
fn under(path: &str) -> Option<(&'static str, &str)> {
    let status = path.strip_prefix(status::PATH).map(|list| (status::PATH, list));
    let issued = || path.strip_prefix("/v1/passports/issued/").map(|id| ("issued", id));
    status.or_else(issued)
}

/// Answers a request.
pub(crate) async fn route(
    store: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    method: &str,
) -> Answer {
    let path = request.uri().path();
    match (under(path), path, method) {
        (None, "/v1/passports", "POST") => order(store, environment, request).await,
        (None, "/v1/passports", _) => Err(Problem::method_not_allowed("POST").into()),
        (None, _, "GET") => list(store, environment, request).await,
        (None, _, "DELETE") => revoke_all(store, environment, request).await,
        (None, ..) => Err(Problem::method_not_allowed("GET, HEAD, DELETE").into()),
        (Some(("issued", id)), _, "DELETE") => revoke(store, environment, request, id).await,
        (Some(("issued", _)), ..) => Err(Problem::method_not_allowed("DELETE").into()),
        (Some((_, list)), _, "GET") => status_list(store, environment, list).await,
        (Some(_), ..) => Err(Problem::method_not_allowed("GET, HEAD").into()),
    }
}

async fn order(store: &impl Kv, environment: &Environment<'_>, request: &Request<Vec<u8>>) -> Answer {
    let (traveller, session) = http::traveller(store, environment, request).await?;
    let body: Wanted = http::read(request, PROOFS_BODY_LENGTH_MAX)?;
    let is_batch = body.proofs.is_some();
    let proofs = match (body.proof, body.proofs) {
        (Some(proof), None) => vec![proof],
        (None, Some(proofs)) if proofs.len() <= COPIES_MAX => proofs,
        _ => return Err(PassportError::Copies.into()),
    };
    let order = Order { proofs, world: body.world.as_deref().map(world).transpose()?, claims: body.claims };
    let copies = issue::issue(store, (&traveller, &session), &order, environment).await?;
    let answer = match copies.first() {
        Some(first) if !is_batch => serde_json::to_value(first).map_err(|_| Problem::internal())?,
        _ => serde_json::json!({ "passports": copies }),
    };
    Ok(http::cached(reply::json(StatusCode::OK, &answer), http::NO_STORE))
}

fn world(name: &str) -> Result<WorldName, Problem> {
    name.parse().map_err(|error: vwp_core::name::NameError| Problem::bad_request(error.0))
}

async fn list(store: &impl Kv, environment: &Environment<'_>, request: &Request<Vec<u8>>) -> Answer {
    let (traveller, _) = http::traveller(store, environment, request).await?;
    let after = parameter(request, &["after"])?.map(|(_, value)| value);
    let page = issued::list(store, &traveller, after.as_deref(), environment).await?;
    Ok(http::cached(reply::json(StatusCode::OK, &page), http::NO_STORE))
}

async fn revoke(
    store: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    id: &str,
) -> Answer {
    let traveller = match caller::authenticate(store, request.headers(), environment).await? {
        Caller::Administrator => None,
        caller => Some(traveller_of(caller)?.0),
    };
    issued::revoke(store, id, traveller.as_deref(), environment).await?;
    Ok(http::cached(reply::empty(StatusCode::NO_CONTENT), http::NO_STORE))
}

/// Revokes everything of the caller's, or of one session (`session`); the administrator says of
/// which traveller (`traveller`).
async fn revoke_all(store: &impl Kv, environment: &Environment<'_>, request: &Request<Vec<u8>>) -> Answer {
    let given = parameter(request, &["session", "traveller"])?;
    let count = match (caller::authenticate(store, request.headers(), environment).await?, given) {
        (Caller::Administrator, Some(("traveller", traveller))) => {
            issued::revoke_all(store, &traveller, None, environment).await?
        }
        (Caller::Administrator, _) => {
            return Err(Problem::bad_request("say whose passports, with traveller=").into());
        }
        (_, Some(("traveller", _))) => {
            return Err(Problem::forbidden("traveller= is for the administrator").into());
        }
        (caller, given) => {
            let (traveller, _) = traveller_of(caller)?;
            let session = given.map(|(_, session)| session);
            issued::revoke_all(store, &traveller, session.as_deref(), environment).await?
        }
    };
    let answer = serde_json::json!({ "revoked": count });
    Ok(http::cached(reply::json(StatusCode::OK, &answer), http::NO_STORE))
}

/// The only parameter of a query, which has one of these names.
fn parameter(
    request: &Request<Vec<u8>>,
    names: &[&'static str],
) -> Result<Option<(&'static str, String)>, AuthError> {
    let refused = || Problem::bad_request(format!("the query takes one of: {}", names.join(", ")));
    let mut pairs = parse(request.uri().query().unwrap_or_default().as_bytes());
    let Some((name, value)) = pairs.next() else {
        return Ok(None);
    };
    let name = names.iter().find(|known| **known == name).ok_or_else(refused)?;
    if pairs.next().is_some() || value.len() > 64 {
        return Err(refused().into());
    }
    Ok(Some((name, value.into_owned())))
}

async fn status_list(store: &impl Kv, environment: &Environment<'_>, list: &str) -> Answer {
    let missing = || Problem::not_found("there is no status list of this name");
    let list: ListId = list.parse().map_err(|()| missing())?;
    let token = status::publish(store, &list, environment).await?.ok_or_else(missing)?;
    let mut response = reply::with_type(StatusCode::OK, STATUS_LIST_MEDIA_TYPE, token.into_bytes());
    let directive = HeaderValue::from_str(&format!("public, max-age={}", status::CACHE_S));
    response.headers_mut().insert(header::CACHE_CONTROL, directive.map_err(|_| Problem::internal())?);
    Ok(response)
}
