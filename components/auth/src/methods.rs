//! The ways to sign in that a traveller has, as far as none of them may be the last that goes.
//!
//! A password stays once it is there, so whoever has one may remove everything else. Recovery codes
//! are used up, and are no way that lasts.

use crate::error::AuthError;
use crate::{accounts, dids, passkeys, upstream};
use serde::de::IgnoredAny;
use vwp_core::Problem;
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Entry, Key};

/// Requires that a traveller who is about to remove a way to sign in has another one. Answers with
/// the checks that see to it that this is so when it is removed: of two that are removed at once, one
/// stays.
pub(crate) async fn require_another(kv: &impl Kv, traveller: &str) -> Result<Vec<Check>, AuthError> {
    if accounts::has_password(kv, traveller).await? {
        return Ok(Vec::new());
    }
    let keys: [Key; 3] = [
        passkeys::store::key(traveller),
        dids::link::dids_key(traveller),
        upstream::links::links_key(traveller),
    ];
    let entries = kv.get_many(&keys).await?;
    let mut count = 0;
    for entry in entries.iter().flatten() {
        count += length(entry)?;
    }
    if count <= 1 {
        return Err(AuthError::LastMethod);
    }
    let read = keys.into_iter().zip(&entries);
    Ok(read.map(|(key, entry)| Check::unchanged(key, entry.as_ref())).collect())
}

/// How many ways a record has: each is kept as a list.
fn length(entry: &Entry) -> Result<usize, Problem> {
    let items: Vec<IgnoredAny> = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    Ok(items.len())
}
