//! Handles of travellers who were erased. Nobody may take one for a while, so that whoever comes
//! next is not taken for the one who left. The handle itself is not kept, only a name for it that
//! is made with the master key.

use crate::error::AuthError;
use vwp_core::{Environment, seal};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Key, Write};

/// How long a handle stays free, in milliseconds: 90 days.
pub const LIFETIME_MS: u64 = 90 * 24 * 60 * 60 * 1000;
/// What the names are made for.
const PURPOSE: &str = "auth/quarantine";

/// Requires that a handle is not one of those. Answers with the checks that see to it that this
/// is still so when it is taken.
pub(crate) async fn require_free(
    kv: &impl Kv,
    folded: &str,
    environment: &Environment<'_>,
) -> Result<Vec<Check>, AuthError> {
    let keys: Vec<Key> = keys(folded, environment).collect();
    if kv.get_many(&keys).await?.iter().any(Option::is_some) {
        return Err(AuthError::HandleTaken);
    }
    Ok(keys.into_iter().map(Check::absent).collect())
}

/// What puts a handle there.
pub(super) fn put(folded: &str, environment: &Environment<'_>) -> Option<Write> {
    let expires_at = Some(environment.now.saturating_add(LIFETIME_MS));
    keys(folded, environment).next().map(|key| Write::Put { key, value: Vec::new(), expires_at })
}

fn keys(folded: &str, environment: &Environment<'_>) -> impl Iterator<Item = Key> {
    let names = seal::pseudonyms(PURPOSE, folded, environment.settings);
    names.into_iter().map(|name| format!("{PURPOSE}/{name}").into_bytes())
}
