//! What a wallet says: in a form (OpenID4VP 1.0, section 8.2), or encrypted in one (section 8.3.1).

use super::encryption::AnswerError;
use super::jwe::Unopened;
use super::transaction::{self, Found};
use crate::provider::error::OauthError;
use crate::provider::params::Params;
use crate::strict_json;
use serde_json::Value;
use vwp_core::Environment;
use vwp_storage::Kv;

/// An answer.
pub(super) enum Said {
    /// A `vp_token`, which nobody has believed yet.
    Shows(String),
    /// No, and the wallet's word for why.
    Declines(String),
}

/// What was said to which request. An error is no answer to any.
type Heard = (Found, Result<Said, AnswerError>);

/// Reads an answer.
pub(super) async fn read(
    kv: &impl Kv,
    params: &Params,
    environment: &Environment<'_>,
) -> Result<Heard, OauthError> {
    let (shown, declined) = (params.get("vp_token"), params.get("error"));
    if let Some(response) = params.get("response") {
        if shown.is_some() || declined.is_some() {
            return Err(OauthError::Request("an answer is encrypted as a whole"));
        }
        return decrypted(kv, response, environment).await;
    }
    let state = params.need("state", "state is missing")?;
    let found = transaction::awaited(kv, state, environment).await?.ok_or(gone())?;
    let said = match (shown, declined) {
        (Some(_), None) if found.transaction.encryption.is_some() => Err(AnswerError::Unencrypted),
        (Some(vp_token), None) => Ok(Said::Shows(vp_token.to_owned())),
        // Section 8.3.1: a wallet that cannot encrypt may say so, and no, in plain text.
        (None, Some(error)) => Ok(Said::Declines(error.to_owned())),
        _ => return Err(OauthError::Request("an answer has vp_token or error, or both in response")),
    };
    Ok((found, said))
}

/// Reads an encrypted one. Until it is decrypted, the id of the key alone says to which request.
async fn decrypted(kv: &impl Kv, response: &str, environment: &Environment<'_>) -> Result<Heard, OauthError> {
    let answer = Unopened::parse(response).map_err(|error| OauthError::Answer(error.into()))?;
    let found = transaction::awaited_as(kv, answer.kid(), environment).await?.ok_or(gone())?;
    // The id is nothing that anybody was told of, where no key is.
    let Some(key) = &found.transaction.encryption else { return Err(gone()) };
    let said = match key.open(&answer, environment)? {
        Ok(payload) => said(&payload, answer.kid()),
        Err(error) => Err(error.into()),
    };
    Ok((found, said))
}

/// Section 8.3: what an answer consists of is at the top of what is encrypted.
fn said(payload: &[u8], kid: &str) -> Result<Said, AnswerError> {
    let mut payload = strict_json::parse_object(payload).map_err(|_| AnswerError::Payload)?;
    // RFC 6749, section 4.1.2: it is there because the request has one.
    let state = payload.get("state").and_then(Value::as_str).unwrap_or_default();
    if transaction::name(state) != kid {
        return Err(AnswerError::State);
    }
    match (payload.remove("vp_token"), payload.remove("error")) {
        (Some(vp_token @ Value::Object(_)), None) => Ok(Said::Shows(vp_token.to_string())),
        (None, Some(Value::String(error))) => Ok(Said::Declines(error)),
        _ => Err(AnswerError::Payload),
    }
}

/// The refusal of what is no answer to anything.
pub(super) fn gone() -> OauthError {
    OauthError::Request("no answer is awaited with this state or key: it was given, or has ended")
}
