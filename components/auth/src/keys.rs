//! The issuer's keys: made on first use, rotated on request, and published where
//! every component (the directory) and everybody else (a JWK Set) finds them.
//!
//! A key that was replaced stays published for as long as a token that it signed may
//! be shown, and then expires from the directory by itself.

use crate::audit::{self, Event, Kind};
use crate::error::AuthError;
use crate::passports;
use serde::Serialize;
use vwp_core::directory::{self, Issuer};
use vwp_core::environment::CLOCK_SKEW_MAX_MS;
use vwp_core::keyring::{self, ActiveKey, KeyInfo};
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Direction, KeyRange, Write};

pub use vwp_verifier::keys::{KeySet, KeySetError, SET_KEYS_MAX, SET_LENGTH_MAX};

/// Where the keyring is kept.
pub const KEYRING: &str = "auth/keys/issuer";
/// How long a key is published after it was replaced, in milliseconds: the longest life of
/// what it signed, and twice the skew, for the signer's clock and the verifier's.
const RETIRED_KEPT_MS: u64 = passports::LIFETIME_S * 1000 + 2 * CLOCK_SKEW_MAX_MS;

/// Where an issuer's keys are (SD-JWT VC, section "JWT VC Issuer Metadata").
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IssuerMetadata {
    /// The issuer, as passports name it.
    pub issuer: String,
    /// Where its JWK Set is.
    pub jwks_uri: String,
}

/// The metadata of this port as an issuer.
pub fn metadata(environment: &Environment<'_>) -> IssuerMetadata {
    let issuer = environment.settings.issuer.clone();
    let jwks_uri = format!("{}/.well-known/jwks.json", issuer.trim_end_matches('/'));
    IssuerMetadata { issuer, jwks_uri }
}

/// The key that signs now.
pub(crate) async fn active(kv: &impl Kv, environment: &Environment<'_>) -> Result<ActiveKey, AuthError> {
    Ok(keyring::active(kv, KEYRING, environment, publish).await?)
}

/// Every public key that a token may still name.
pub async fn published(kv: &impl Kv, environment: &Environment<'_>) -> Result<KeySet, AuthError> {
    let range = KeyRange::prefix(directory::issuer_key(""));
    let mut page = kv.scan(&range, SET_KEYS_MAX, Direction::Forward).await?;
    if page.items.is_empty() {
        // Whoever keeps an empty set would refuse the first passport, so the first key is
        // made before anybody asks for its signature.
        active(kv, environment).await?;
        page = kv.scan(&range, SET_KEYS_MAX, Direction::Forward).await?;
    }
    let mut keys = Vec::with_capacity(page.items.len());
    for item in page.items {
        let issuer: Issuer = serde_json::from_slice(&item.entry.value).map_err(|_| Problem::internal())?;
        keys.push(issuer.jwk);
    }
    Ok(KeySet::new(keys))
}

/// The keyring's keys, newest first.
pub async fn list(kv: &impl Kv) -> Result<Vec<KeyInfo>, AuthError> {
    Ok(keyring::list(kv, KEYRING).await?)
}

/// Makes a new key, which signs from now on.
pub async fn rotate(kv: &impl Kv, environment: &Environment<'_>) -> Result<KeyInfo, AuthError> {
    let told = async |key: &KeyInfo| -> Result<_, Problem> {
        let event = Event::port(Kind::KeyRotated).with("key", &key.kid);
        let plan = audit::plan(kv, &event, environment).await?;
        Ok((plan.checks, plan.writes))
    };
    Ok(keyring::rotate_with(kv, KEYRING, environment, publish, told).await?)
}

/// Seals the keys with the master key where the previous one sealed them, and says how many. The
/// next use of a key does the same.
pub async fn reseal(kv: &impl Kv, environment: &Environment<'_>) -> Result<usize, AuthError> {
    Ok(keyring::reseal(kv, KEYRING, environment).await?)
}

/// The directory's records of a keyring, oldest key first.
fn publish(keys: &[KeyInfo]) -> Vec<Write> {
    let now = keys.last().map_or(0, |newest| newest.created_at);
    let replaced_at = |index: usize| keys.get(index + 1).map(|next| next.created_at);
    let write = |(index, info): (usize, &KeyInfo)| {
        let expires_at = replaced_at(index).map(|time| time.saturating_add(RETIRED_KEPT_MS));
        if expires_at.is_some_and(|time| time <= now) {
            return None;
        }
        let value = serde_json::to_vec(&Issuer { jwk: info.jwk.clone() }).ok()?;
        Some(Write::Put { key: directory::issuer_key(&info.kid), value, expires_at })
    };
    keys.iter().enumerate().filter_map(write).collect()
}
