//! Bodies that an operator signed.

use crate::Error;
use serde::de::DeserializeOwned;
use vwp_core::caller::verify_operator_body;
use vwp_core::environment::is_current;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;

/// What every signed body says beside its matter.
pub(crate) trait Signed: DeserializeOwned {
    /// The JWS header's `typ` (RFC 8725, section 3.11).
    const TYPE: &'static str;
    /// When it was made, in seconds (RFC 7519, section 4.1.6).
    fn issued_at(&self) -> u64;
    /// Which port it is for (RFC 7519, section 4.1.3).
    fn audience(&self) -> &str;
}

/// Believes a signed body, and says which operator signed it. What makes a replay
/// harmless is the matter's own: an asset is created once, a transfer has its key.
pub(crate) async fn verify<T: Signed>(
    store: &impl Kv,
    environment: &Environment<'_>,
    compact: &str,
) -> Result<(String, T), Error> {
    let (operator, payload) = verify_operator_body(store, compact, T::TYPE).await?;
    let body: T = serde_json::from_slice(&payload)
        .map_err(|error| Problem::bad_request(format!("the payload is not the expected JSON: {error}")))?;
    if body.audience() != environment.settings.issuer {
        return Err(Error::WrongAudience);
    }
    if !is_current(body.issued_at(), environment.now) {
        return Err(Error::ClockSkew);
    }
    Ok((operator, body))
}
