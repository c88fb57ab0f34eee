//! Bodies that an operator signed.

use crate::Error;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use vwp_core::caller::verify_operator_body;
use vwp_core::environment::is_current;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;

/// What an operator signs. In the payload, `iat` and `aud` (RFC 7519, sections 4.1.6 and 4.1.3) stand beside
/// its members.
pub(crate) trait Signed: DeserializeOwned {
    /// The JWS header's `typ` (RFC 8725, section 3.11).
    const TYPE: &'static str;
}

/// Believes a signed body, and says which operator signed it. What makes a replay
/// harmless is the matter's own: an asset is created once, a transfer has its key.
pub(crate) async fn verify<T: Signed>(
    store: &impl Kv,
    environment: &Environment<'_>,
    compact: &str,
) -> Result<(String, T), Error> {
    let (operator, payload) = verify_operator_body(store, compact, T::TYPE).await?;
    let invalid = |error: serde_json::Error| {
        Problem::bad_request(format!("the payload is not the expected JSON: {error}"))
    };
    let mut members: Map<String, Value> = serde_json::from_slice(&payload).map_err(invalid)?;
    let (issued_at, audience) = (members.remove("iat"), members.remove("aud"));
    let body = serde_json::from_value(Value::Object(members)).map_err(invalid)?;
    if audience.as_ref().and_then(Value::as_str) != Some(&environment.settings.issuer) {
        return Err(Error::WrongAudience);
    }
    let issued_at = issued_at.as_ref().and_then(Value::as_u64).ok_or(Error::ClockSkew)?;
    if !is_current(issued_at, environment.now) {
        return Err(Error::ClockSkew);
    }
    Ok((operator, body))
}
