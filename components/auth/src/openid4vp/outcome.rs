//! What a world fetches: once, with the id of its transaction, and with the code that the browser
//! brought where the wallet was on the same device (OpenID4VP 1.0, section 13.3, steps 8 and 9).

use super::transaction::{self, Outcome};
use crate::provider::error::OauthError;
use crate::provider::params::Params;
use crate::provider::{client_auth, hashed};
use ::http::{HeaderValue, Request, Response, StatusCode, header};
use serde_json::json;
use subtle::ConstantTimeEq;
use vwp_core::{Environment, reply};
use vwp_storage::Kv;
use vwp_storage::kv::{self, Write};

/// How long a world waits before it asks again, in seconds.
const INTERVAL_S: &str = "2";

/// Gives the result out.
pub(super) async fn fetch(
    kv: &impl Kv,
    request: &Request<Vec<u8>>,
    environment: &Environment<'_>,
) -> Result<Response<Vec<u8>>, OauthError> {
    let params = Params::form(request)?;
    let client = client_auth::authenticate_confidential(kv, &params, environment).await?;
    let id = params.need("transaction_id", "transaction_id is missing")?;
    let gone =
        OauthError::Grant("no transaction of the client's has this id, or it was fetched, or has ended");
    let found = transaction::of_client(kv, &client, id, environment).await?.ok_or(gone.clone())?;
    let (body, expected) = match &found.transaction.outcome {
        None => return Ok(pending()),
        Some(Outcome::Presented { credentials, response_code }) => {
            let credentials = found.unseal(credentials, environment)?;
            (json!({ "status": "presented", "credentials": credentials }), response_code.as_ref())
        }
        Some(Outcome::Refused { reason, credential }) => {
            (json!({ "status": "refused", "reason": reason, "credential": credential }), None)
        }
        Some(Outcome::Declined { error, response_code }) => {
            (json!({ "status": "declined", "error": error }), response_code.as_ref())
        }
    };
    if expected.is_some_and(|expected| !is_right(params.get("response_code"), expected)) {
        return Err(OauthError::Grant("response_code is not the one that the browser was sent with"));
    }
    match kv.commit(&[found.unchanged()], &[Write::delete(found.key.clone())]).await? {
        kv::Outcome::Committed(_) => Ok(super::http::private(reply::json(StatusCode::OK, &body))),
        _ => Err(gone),
    }
}

fn is_right(given: Option<&str>, expected: &str) -> bool {
    given.is_some_and(|given| bool::from(hashed(given).as_bytes().ct_eq(expected.as_bytes())))
}

/// No refusal, so that a world which waits for many wallets is not taken for one that guesses.
fn pending() -> Response<Vec<u8>> {
    let mut response =
        super::http::private(reply::json(StatusCode::ACCEPTED, &json!({ "status": "pending" })));
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(INTERVAL_S));
    response
}
