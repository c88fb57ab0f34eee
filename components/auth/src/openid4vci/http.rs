//! The paths of the credential issuer.

use super::{CREDENTIAL_PATH, METADATA_PATH, NONCE_PATH, credential, metadata, nonce};
use crate::provider::dpop;
use crate::provider::error::OauthError;
use ::http::{HeaderValue, Request, Response, StatusCode, header};
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;

/// Whether a path is one of these.
pub(crate) fn owns(path: &str) -> bool {
    matches!(path, METADATA_PATH | NONCE_PATH | CREDENTIAL_PATH)
}

/// Answers a request to one of them.
pub(crate) async fn route(
    store: &impl Kv,
    environment: &Environment<'_>,
    request: &Request<Vec<u8>>,
    method: &str,
) -> Response<Vec<u8>> {
    let response = match (request.uri().path(), method) {
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

/// Section 7.2.
async fn give_nonce(store: &impl Kv, environment: &Environment<'_>) -> Result<Response<Vec<u8>>, OauthError> {
    let body = serde_json::json!({ "c_nonce": nonce::make(store, environment).await? });
    let mut response = reply::json(StatusCode::OK, &body);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
