//! The paths of the verifier.
//!
//! | path | methods | who calls it |
//! |---|---|---|
//! | `/oauth/presentations` | POST | a world |
//! | `/oauth/presentations/result` | POST | the same world |
//! | `/oauth/presentations/requests/{state}` | GET, POST | a wallet |
//! | `/oauth/presentations/response` | POST | a wallet |
//! | `/oauth/verifiers/{world}/did.json` | GET | a wallet |

use super::{REQUESTS_PATH, RESPONSE_PATH, RESULT_PATH, START_PATH, VERIFIERS_PATH};
use super::{answer, identity, outcome, request, start};
use crate::http::{NO_STORE, cached};
use crate::provider::error::OauthError;
use ::http::{Request, Response, StatusCode};
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;

/// How long a DID document may be kept: short, because a key that is new signs at once.
const DOCUMENT_CACHE: &str = "public, max-age=30";

/// Whether a path is one of these.
pub(crate) fn owns(path: &str) -> bool {
    matches!(path, START_PATH | RESULT_PATH | RESPONSE_PATH)
        || path.starts_with(REQUESTS_PATH)
        || path.starts_with(VERIFIERS_PATH)
}

/// Answers a request to one of them.
pub(crate) async fn route(
    store: &impl Kv,
    environment: &Environment<'_>,
    asked: &Request<Vec<u8>>,
    method: &str,
) -> Response<Vec<u8>> {
    let answer = match (asked.uri().path(), method) {
        (START_PATH, "POST") => start::begin(store, asked, environment).await,
        (RESULT_PATH, "POST") => outcome::fetch(store, asked, environment).await,
        (RESPONSE_PATH, "POST") => answer::take(store, asked, environment).await,
        (START_PATH | RESULT_PATH | RESPONSE_PATH, _) => Err(Problem::method_not_allowed("POST").into()),
        (path, "GET" | "POST") if path.starts_with(REQUESTS_PATH) => {
            request::give(store, asked, environment).await
        }
        (path, _) if path.starts_with(REQUESTS_PATH) => {
            Err(Problem::method_not_allowed("GET, HEAD, POST").into())
        }
        (path, "GET") => document(store, path, environment).await,
        _ => Err(Problem::method_not_allowed("GET, HEAD").into()),
    };
    answer.unwrap_or_else(OauthError::into_response)
}

async fn document(
    store: &impl Kv,
    path: &str,
    environment: &Environment<'_>,
) -> Result<Response<Vec<u8>>, OauthError> {
    let world = path.strip_prefix(VERIFIERS_PATH).and_then(|rest| rest.strip_suffix("/did.json"));
    let document = identity::document(store, world.unwrap_or_default(), environment).await?;
    let missing = || Problem::not_found("no world of this name is registered here");
    Ok(cached(reply::json(StatusCode::OK, &document.ok_or_else(missing)?), DOCUMENT_CACHE))
}

/// For answers about somebody (RFC 9111, section 5.2.2.5).
pub(super) fn private(response: Response<Vec<u8>>) -> Response<Vec<u8>> {
    cached(response, NO_STORE)
}
