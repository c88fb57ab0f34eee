//! Entitlements: what a world has granted to a traveller, so that another world can be shown
//! it. The operator signs (`vwp-entitlement+jws`) for the pairwise subject by which the world
//! knows the traveller; the traveller decides where it is told.

use super::statement::{self, StatementError};
use crate::error::AuthError;
use crate::passports::subject::is_subject;
use serde::{Deserialize, Serialize};
use vwp_core::name::AssetName;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Entry, Outcome, Write};

/// The type of the statement.
pub const ENTITLEMENT_TYPE: &str = "vwp-entitlement+jws";

/// An entitlement, as it is stated and kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entitlement {
    /// Larger in every later statement about the same.
    pub seq: u64,
    /// What is granted: 1 to 16 characters of a-z and 0-9.
    pub code: String,
    /// To whom.
    pub subject: String,
    /// Whether it is granted, or taken back.
    pub granted: bool,
    /// When it ends, in seconds; never, if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

/// Grants an entitlement, or takes it back.
pub async fn state(
    kv: &impl Kv,
    compact: &str,
    environment: &Environment<'_>,
) -> Result<Entitlement, AuthError> {
    let statement = statement::verify::<Entitlement>(kv, compact, ENTITLEMENT_TYPE, environment).await?;
    let entitlement = statement.matter;
    if !is_subject(&entitlement.subject) {
        return Err(StatementError::Rule("subject must be what this port calls the traveller there").into());
    }
    let name: AssetName = format!("{}@{}", entitlement.code, statement.world)
        .parse()
        .map_err(|_| StatementError::Rule("code must be 1 to 16 characters of a-z and 0-9"))?;
    let key = key(&name, &entitlement.subject);
    let seen = kv.get(&key).await?;
    if parse(seen.as_ref())?.is_some_and(|known| known.seq >= entitlement.seq) {
        return Err(StatementError::Replayed.into());
    }
    let value = serde_json::to_vec(&entitlement).map_err(|_| Problem::internal())?;
    match kv.commit(&[Check::unchanged(key.clone(), seen.as_ref())], &[Write::put(key, value)]).await? {
        Outcome::Committed(_) => Ok(entitlement),
        Outcome::Conflict(_) => Err(StatementError::Replayed.into()),
        _ => Err(Problem::internal().into()),
    }
}

/// Whether a world has granted an entitlement to whom it knows as `subject`.
pub(crate) async fn is_granted(
    kv: &impl Kv,
    name: &AssetName,
    subject: &str,
    environment: &Environment<'_>,
) -> Result<bool, AuthError> {
    let entitlement = parse(kv.get(&key(name, subject)).await?.as_ref())?;
    let counts = |entitlement: Entitlement| {
        entitlement.granted && entitlement.until.is_none_or(|until| until > environment.now_seconds())
    };
    Ok(entitlement.is_some_and(counts))
}

fn parse(entry: Option<&Entry>) -> Result<Option<Entitlement>, Problem> {
    let entitlement = entry.map(|entry| serde_json::from_slice(&entry.value));
    entitlement.transpose().map_err(|_| Problem::internal())
}

fn key(name: &AssetName, subject: &str) -> Vec<u8> {
    format!("auth/entitlement/{}/{subject}/{}", name.world, name.code).into_bytes()
}
