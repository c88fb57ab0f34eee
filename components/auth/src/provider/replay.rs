//! What may be shown only once: the ids of assertions and proofs, kept as long as they hold.

use super::error::OauthError;
use super::hashed;
use vwp_core::environment::Timestamp;
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Outcome, Write};

/// The key under which an id of a kind is noted. `by` is who made the id.
pub(crate) fn key(kind: &str, by: &str, id: &str) -> Vec<u8> {
    format!("auth/oauth/seen/{kind}/{}", hashed(format!("{by}\n{id}"))).into_bytes()
}

/// Notes an id; whether it was new. Of two who show it at once, one is new.
pub(crate) async fn is_new(
    kv: &impl Kv,
    kind: &str,
    by: &str,
    id: &str,
    expires_at: Timestamp,
) -> Result<bool, OauthError> {
    let key = key(kind, by, id);
    let put = Write::Put { key: key.clone(), value: Vec::new(), expires_at: Some(expires_at) };
    Ok(matches!(kv.commit(&[Check::absent(key)], &[put]).await?, Outcome::Committed(_)))
}
