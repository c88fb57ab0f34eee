//! Sign-ins that were begun. Each is kept under the hash of its `state`, which nobody can guess, and
//! is used up by the commit that takes it: of two answers at once one counts, and a code goes to the
//! provider once.

use super::UpstreamError;
use super::browser::Browser;
use super::providers::Provider;
use crate::error::AuthError;
use crate::provider::hashed;
use serde::{Deserialize, Serialize};
use vwp_core::environment::Timestamp;
use vwp_core::{Environment, Problem, jose};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Outcome, Write};

/// How long a person has to sign in at the provider, in seconds.
pub const LIFETIME_S: u64 = 600;
/// The length of a state: 256 bits, base64url.
const STATE_LENGTH: usize = 43;

/// A sign-in that was begun.
#[derive(Serialize, Deserialize)]
pub(super) struct Transaction {
    /// Whom it was begun with: the name, and what stood for it in the configuration.
    pub(super) provider: String,
    pub(super) issuer: String,
    pub(super) client_id: String,
    /// What is kept of the browser.
    binding: String,
    /// Beside the store's own expiry, which another clock decides.
    ends_at: Timestamp,
}

/// Keeps a sign-in, and gives its state out.
pub(super) async fn begin(
    kv: &impl Kv,
    provider: &Provider,
    browser: &Browser,
    environment: &Environment<'_>,
) -> Result<String, AuthError> {
    let state = jose::encode(environment.random_bytes::<32>());
    let ends_at = environment.now.saturating_add(LIFETIME_S * 1000);
    let transaction = Transaction {
        provider: provider.name.clone(),
        issuer: provider.issuer.clone(),
        client_id: provider.client_id.clone(),
        binding: browser.binding(),
        ends_at,
    };
    let key = key(&state);
    let put = Write::Put {
        key: key.clone(),
        value: serde_json::to_vec(&transaction).map_err(|_| Problem::internal())?,
        expires_at: Some(ends_at),
    };
    match kv.commit(&[Check::absent(key)], &[put]).await? {
        Outcome::Committed(_) => Ok(state),
        _ => Err(Problem::internal().into()),
    }
}

/// Takes a sign-in that was begun in this browser. Nobody gets it again.
pub(super) async fn take(
    kv: &impl Kv,
    state: &str,
    browser: &Browser,
    environment: &Environment<'_>,
) -> Result<Transaction, AuthError> {
    if state.len() != STATE_LENGTH {
        return Err(UpstreamError::Ended.into());
    }
    let key = key(state);
    let entry = kv.get(&key).await?.ok_or(UpstreamError::Ended)?;
    let transaction: Transaction = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    if transaction.ends_at <= environment.now || !browser.is(&transaction.binding) {
        return Err(UpstreamError::Ended.into());
    }
    match kv.commit(&[Check::unchanged(key.clone(), Some(&entry))], &[Write::delete(key)]).await? {
        Outcome::Committed(_) => Ok(transaction),
        _ => Err(UpstreamError::Ended.into()),
    }
}

fn key(state: &str) -> Vec<u8> {
    format!("auth/upstream-transaction/{}", hashed(state)).into_bytes()
}
