//! Who signed something: an operator that is known, or one that brings its key along.

use crate::commit;
use crate::error::DiscoveryError;
use vwp_core::Problem;
use vwp_core::directory::{self, Operator};
use vwp_core::jose::{JoseError, Unverified};
use vwp_storage::Kv;
use vwp_storage::kv::Entry;

/// What an operator signed.
pub(crate) struct Signed {
    /// The operator's id.
    pub(crate) id: String,
    /// The operator as the directory has it; none if it is new here.
    pub(crate) entry: Option<Entry>,
    /// The operator's keys.
    pub(crate) operator: Operator,
    /// What was signed.
    pub(crate) payload: Vec<u8>,
}

/// Verifies a signed object with the keys of its operator: those that are registered or, for
/// an operator that is new here, the one that came along, if the id names it.
pub(crate) async fn identify<S: Kv>(store: &S, token: &Unverified<'_>) -> Result<Signed, Problem> {
    let id = token.header.kid.clone().ok_or(DiscoveryError::NoOperator)?;
    let entry = store.get(&directory::operator_key(&id)).await?;
    let operator = match commit::read(entry.as_ref())? {
        Some(operator) => operator,
        None => introduced(token, &id)?,
    };
    // The newest key first: it signed most of what arrives.
    for jwk in operator.keys.iter().rev() {
        if let Ok(payload) = token.clone().verify(&jwk.to_key()?) {
            return Ok(Signed { id, entry, operator, payload });
        }
    }
    Err(JoseError::Signature.into())
}

/// The keys of an operator that is new here. The key's id is its thumbprint, whatever the
/// header calls it.
fn introduced(token: &Unverified<'_>, id: &str) -> Result<Operator, Problem> {
    let mut jwk = token.header.jwk.clone().ok_or(DiscoveryError::UnknownOperator)?;
    jwk.kid = None;
    jwk.to_key()?;
    if jwk.thumbprint() != id {
        return Err(DiscoveryError::OperatorMismatch.into());
    }
    Ok(Operator { keys: vec![jwk] })
}
