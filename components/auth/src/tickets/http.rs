//! Tickets, doors, bans and entitlements as HTTP resources.

use super::ask::{self, Wish};
use super::redeem::{self, Arrival, Shown};
use super::statement::STATEMENT_LENGTH_MAX;
use super::{doors, entitlements, require_operator};
use crate::bans;
use crate::error::AuthError;
use crate::http::{self, Answer, NO_STORE};
use ::http::{Request, Response, StatusCode};
use serde::Serialize;
use vwp_core::name::WorldName;
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;

/// The longest body with a wish or a ticket, in bytes.
pub const BODY_LENGTH_MAX: usize = 49_152;

/// Whether a path is one of these resources.
pub(crate) fn owns(path: &str) -> bool {
    path == "/v1/tickets" || path.starts_with("/v1/tickets/")
}

/// Answers a request.
pub(crate) async fn route(
    store: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    method: &str,
) -> Answer {
    let path = request.uri().path().strip_prefix("/v1/tickets").unwrap_or_default();
    // No path of ours has more parts, and a longer one has one too many.
    let parts: Vec<&str> = path.splitn(6, '/').skip(1).collect();
    match (parts.as_slice(), method) {
        ([], "POST") => wish(store, environment, request).await,
        (["redeem"], "POST") => arrive(store, environment, request).await,
        (["doors"], "POST") => {
            Ok(stated(StatusCode::OK, &doors::state(store, statement(request)?, environment).await?))
        }
        (["entitlements"], "POST") => {
            Ok(stated(StatusCode::OK, &entitlements::state(store, statement(request)?, environment).await?))
        }
        (["bans"], "POST") => {
            Ok(stated(StatusCode::OK, &bans::ban(store, statement(request)?, environment).await?))
        }
        (["bans", world], "GET") => {
            let world = own_world(store, environment, request, world).await?;
            let after = request.uri().query().and_then(|query| query.strip_prefix("after="));
            Ok(stated(StatusCode::OK, &bans::list(store, &world, after, environment).await?))
        }
        (["bans", world, subject], "DELETE") => {
            let world = own_world(store, environment, request, world).await?;
            bans::lift(store, &world, subject, environment).await?;
            Ok(http::cached(reply::empty(StatusCode::NO_CONTENT), NO_STORE))
        }
        ([] | ["redeem" | "doors" | "entitlements" | "bans"], _) => {
            Err(Problem::method_not_allowed("POST").into())
        }
        (["bans", _], _) => Err(Problem::method_not_allowed("GET, HEAD").into()),
        (["bans", _, _], _) => Err(Problem::method_not_allowed("DELETE").into()),
        _ => Err(Problem::not_found("no resource has this path").into()),
    }
}

/// An answer about somebody.
fn stated(status: StatusCode, body: &impl Serialize) -> Response<Vec<u8>> {
    http::cached(reply::json(status, body), NO_STORE)
}

async fn wish(store: &impl Kv, environment: &Environment<'_>, request: &Request<Vec<u8>>) -> Answer {
    let (traveller, _) = http::traveller(store, environment, request).await?;
    let wish: Wish = http::read(request, BODY_LENGTH_MAX)?;
    Ok(stated(StatusCode::CREATED, &ask::ask(store, &traveller, &wish, environment).await?))
}

async fn arrive(store: &impl Kv, environment: &Environment<'_>, request: &Request<Vec<u8>>) -> Answer {
    let operator = redeem::operator(store, request.headers(), environment).await?;
    let shown: Shown = http::read(request, BODY_LENGTH_MAX)?;
    let arrival = Arrival::from(redeem::redeem(store, &operator, &shown, environment).await?);
    Ok(stated(StatusCode::OK, &arrival))
}

/// A world of a path, if the operator that a request is from runs it.
async fn own_world(
    store: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    world: &str,
) -> Result<WorldName, AuthError> {
    let operator = redeem::operator(store, request.headers(), environment).await?;
    let world = world.parse().map_err(|_| Problem::not_found("there is no world of this name"))?;
    require_operator(store, &operator, &world).await?;
    Ok(world)
}

/// A body of `application/jose` (RFC 7515, section 9.2.1).
fn statement(request: &Request<Vec<u8>>) -> Result<&str, AuthError> {
    reply::require_media_type(request.headers(), "application/jose")?;
    if request.body().len() > STATEMENT_LENGTH_MAX {
        return Err(reply::too_large(STATEMENT_LENGTH_MAX).into());
    }
    let body = std::str::from_utf8(request.body());
    Ok(body.map_err(|_| Problem::bad_request("the body is not a compact JWS"))?.trim())
}
