//! The keys that the ledger's log is signed with: made on first use, sealed at rest, rotated on
//! request, and published as a JWK Set and as C2SP verifier keys.
//!
//! A key that was replaced stays published: receipts that it signed are kept for years. The ring
//! keeps the last [`keyring::KEYS_MAX`] keys.

use crate::Error;
use serde::Serialize;
use vwp_core::keyring::{self, ActiveKey, KeyInfo};
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_tlog::note::Verifier;

/// Where the keyring is kept.
pub const KEYRING: &str = "transactions/keys/log";

/// A public key of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogKey {
    /// The key as a JWK with its id (RFC 7517, section 4).
    #[serde(flatten)]
    pub jwk: vwp_core::jose::Jwk,
    /// The key as a C2SP verifier key.
    pub vkey: String,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at: u64,
    /// Whether new checkpoints are signed with it.
    pub active: bool,
}

/// The log's name: its URL without the scheme (C2SP tlog-tiles), which its keys have too.
pub fn origin(environment: &Environment<'_>) -> String {
    let issuer = environment.settings.issuer.trim_end_matches('/');
    let host = issuer.split_once("://").map_or(issuer, |(_, host)| host);
    format!("{host}/v1/ledger")
}

/// The key that signs now.
pub(crate) async fn active(kv: &impl Kv, environment: &Environment<'_>) -> Result<ActiveKey, Error> {
    Ok(keyring::active(kv, KEYRING, environment, |_| Vec::new()).await?)
}

/// Every key that a checkpoint may be signed with, newest first.
pub async fn published(kv: &impl Kv, environment: &Environment<'_>) -> Result<Vec<LogKey>, Error> {
    let mut keys = list(kv).await?;
    if keys.is_empty() {
        // Whoever keeps an empty set would refuse the first checkpoint.
        active(kv, environment).await?;
        keys = list(kv).await?;
    }
    let origin = origin(environment);
    let published = |key: KeyInfo| {
        let verifier = Verifier::new(&origin, &key.jwk.to_key().map_err(Problem::from)?);
        // The origin is the port's URL, which the host checked; a name that no key can have is its fault.
        let vkey = verifier.map_err(|_| Problem::internal())?.to_string();
        Ok(LogKey { jwk: key.jwk, vkey, created_at: key.created_at, active: key.active })
    };
    keys.into_iter().map(published).collect()
}

/// The keyring's keys, newest first.
pub async fn list(kv: &impl Kv) -> Result<Vec<KeyInfo>, Error> {
    Ok(keyring::list(kv, KEYRING).await?)
}

/// Makes a new key, which signs from now on.
pub async fn rotate(kv: &impl Kv, environment: &Environment<'_>) -> Result<KeyInfo, Error> {
    Ok(keyring::rotate(kv, KEYRING, environment, |_| Vec::new()).await?)
}

/// Seals the keys with the master key where the previous one sealed them, and says how many.
pub async fn reseal(kv: &impl Kv, environment: &Environment<'_>) -> Result<usize, Error> {
    Ok(keyring::reseal(kv, KEYRING, environment).await?)
}
