//! Accounts that were proved, and that nobody has linked: until their owner has said who it shall
//! belong to. Each is kept under the hash of a name that nobody can guess, and is good in the browser
//! that proved it.

use super::UpstreamError;
use super::browser::Browser;
use crate::error::AuthError;
use crate::provider::hashed;
use serde::{Deserialize, Serialize};
use vwp_core::environment::Timestamp;
use vwp_core::{Environment, Problem, jose};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Outcome, Write};

/// How long its owner has, in seconds.
pub const LIFETIME_S: u64 = 600;
/// The length of a registration's name: 256 bits, base64url.
const NAME_LENGTH: usize = 43;

/// An account at a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// What the provider is called here.
    pub provider: String,
    /// The provider's issuer.
    pub issuer: String,
    /// What the issuer calls the account.
    pub subject: String,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    account: Account,
    binding: String,
    ends_at: Timestamp,
}

/// An account that is to belong to somebody.
pub(super) struct Registration {
    pub(super) account: Account,
    /// Requires that nobody has used it.
    pub(super) check: Check,
    /// Uses it up.
    pub(super) end: Write,
}

/// Keeps an account, and gives out a name for it.
pub(super) async fn begin(
    kv: &impl Kv,
    account: Account,
    browser: &Browser,
    environment: &Environment<'_>,
) -> Result<String, AuthError> {
    let name = jose::encode(environment.random_bytes::<32>());
    let ends_at = environment.now.saturating_add(LIFETIME_S * 1000);
    let kept = Kept { account, binding: browser.binding(), ends_at };
    let key = key(&name);
    let put = Write::Put {
        key: key.clone(),
        value: serde_json::to_vec(&kept).map_err(|_| Problem::internal())?,
        expires_at: Some(ends_at),
    };
    match kv.commit(&[Check::absent(key)], &[put]).await? {
        Outcome::Committed(_) => Ok(name),
        _ => Err(Problem::internal().into()),
    }
}

/// The account with a name.
pub(super) async fn find(
    kv: &impl Kv,
    name: &str,
    browser: &Browser,
    environment: &Environment<'_>,
) -> Result<Registration, AuthError> {
    if name.len() != NAME_LENGTH {
        return Err(UpstreamError::RegistrationEnded.into());
    }
    let key = key(name);
    let entry = kv.get(&key).await?.ok_or(UpstreamError::RegistrationEnded)?;
    let kept: Kept = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    if kept.ends_at <= environment.now || !browser.is(&kept.binding) {
        return Err(UpstreamError::RegistrationEnded.into());
    }
    let check = Check::unchanged(key.clone(), Some(&entry));
    Ok(Registration { account: kept.account, check, end: Write::delete(key) })
}

fn key(name: &str) -> Vec<u8> {
    format!("auth/upstream-registration/{}", hashed(name)).into_bytes()
}
