//! The paths of the credential issuer.

use super::{CREDENTIAL_PATH, METADATA_PATH, NONCE_PATH, OFFERING_PATH, OFFERS_PATH};
use super::{credential, metadata, nonce, offers};
use crate::http as shared;
use crate::provider::dpop;
use crate::provider::error::OauthError;
use ::http::{HeaderValue, Request, Response, StatusCode, header};
use serde::Deserialize;
use vwp_core::name::NameError;
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;

/// The longest body that says what is offered, in bytes.
const OFFERED_LENGTH_MAX: usize = 1024;

/// What a traveller offers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Offered {
    /// The world that the passports are for; none: any world.
    world: Option<String>,
}

/// Whether a path is one of these.
pub(crate) fn owns(path: &str) -> bool {
    matches!(path, METADATA_PATH | NONCE_PATH | CREDENTIAL_PATH | OFFERING_PATH)
        || path.starts_with(OFFERS_PATH)
}

/// Answers a request to one of them.
pub(crate) async fn route(
    store: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    method: &str,
) -> Response<Vec<u8>> {
    let path = request.uri().path();
    if path == OFFERING_PATH || path.starts_with(OFFERS_PATH) {
        let answer = offer(store, environment, request, method).await;
        return answer.unwrap_or_else(|error| Problem::from(error).into_response());
    }
    let response = match (path, method) {
        (METADATA_PATH, "GET") => {
            let mut response = reply::json(StatusCode::OK, &metadata::document(environment));
            let directive = HeaderValue::from_static("public, max-age=300");
            response.headers_mut().insert(header::CACHE_CONTROL, directive);
            return response;
        }
        (METADATA_PATH, _) => return Problem::method_not_allowed("GET, HEAD").into_response(),
        (NONCE_PATH, "POST") => {
            give_nonce(store, environment).await.unwrap_or_else(OauthError::into_response)
        }
        (_, "POST") => credential::answer(store, request, environment)
            .await
            .unwrap_or_else(super::error::CredentialError::into_response),
        _ => return Problem::method_not_allowed("POST").into_response(),
    };
    dpop::with_nonce(store, response, environment).await
}

/// Makes an offer, or gives one out to a wallet.
async fn offer(
    store: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    method: &str,
) -> shared::Answer {
    let (status, body) = match (request.uri().path().strip_prefix(OFFERS_PATH), method) {
        (None, "POST") => {
            let (traveller, session) = shared::traveller(store, environment, request).await?;
            let offered: Offered = shared::read(request, OFFERED_LENGTH_MAX)?;
            let world = offered.world.as_deref().map(str::parse).transpose();
            let world = world.map_err(|error: NameError| Problem::bad_request(error.0))?;
            let made = offers::make(store, (&traveller, &session), world.as_ref(), environment).await?;
            (StatusCode::CREATED, serde_json::to_value(made).map_err(|_| Problem::internal())?)
        }
        (Some(name), "GET") => {
            let gone = || Problem::not_found("no offer has this name, or it was used or has ended");
            (StatusCode::OK, offers::fetch(store, name, environment).await?.ok_or_else(gone)?)
        }
        (None, _) => return Err(Problem::method_not_allowed("POST").into()),
        (Some(_), _) => return Err(Problem::method_not_allowed("GET, HEAD").into()),
    };
    Ok(shared::cached(reply::json(status, &body), shared::NO_STORE))
}

/// Section 7.2.
async fn give_nonce(store: &impl Kv, environment: &Environment<'_>) -> Result<Response<Vec<u8>>, OauthError> {
    let body = serde_json::json!({ "c_nonce": nonce::make(store, environment).await? });
    let mut response = reply::json(StatusCode::OK, &body);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
