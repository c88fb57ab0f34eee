//! A provider's keys (RFC 7517), kept for an hour.
//!
//! A provider may begin to sign with a new key at any time (OpenID Connect Core 1.0, section 10.1.1), so a key
//! that is not known is looked for once more; but at most once a minute, because whoever shows tokens
//! with invented names of keys would else make the port ask for each.

use super::jws::{Jwk, JwsError, Unverified};
use super::metadata::Metadata;
use super::providers::Provider;
use super::{UpstreamError, ask};
use crate::error::AuthError;
use crate::provider::hashed;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vwp_core::environment::Timestamp;
use vwp_core::{Environment, Problem, outbound::Outbound};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Entry, Key, Outcome, Write};

/// How long keys are believed, in milliseconds.
pub const LIFETIME_MS: u64 = 60 * 60 * 1000;
/// How long the port waits before it looks for a key once more, in milliseconds.
pub const REFETCH_MS: u64 = 60 * 1000;
/// The most keys of a provider.
const KEYS_MAX: usize = 32;

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    keys: Vec<Jwk>,
    /// When they were last asked for.
    asked_at: Timestamp,
    ends_at: Timestamp,
}

/// Checks the signature of a provider's token, and gives its payload out.
pub(super) async fn verify(
    kv: &impl Kv,
    outbound: &impl Outbound,
    (provider, metadata): (&Provider, &Metadata),
    compact: &str,
    environment: &Environment<'_>,
) -> Result<Vec<u8>, AuthError> {
    let token =
        Unverified::parse(compact, provider.id_token_signed_response_alg).map_err(UpstreamError::from)?;
    let key = format!("auth/upstream-keys/{}", hashed(format!("{} {}", provider.issuer, metadata.jwks_uri)));
    let key = key.into_bytes();
    let seen = kv.get(&key).await?;
    let Some(kept) = read(seen.as_ref(), environment)? else {
        let kept = fetch(outbound, provider, metadata, environment).await?;
        // Whoever was faster has kept the same.
        kv.commit(&[Check::unchanged(key.clone(), seen.as_ref())], &[put(key, &kept)?]).await?;
        return Ok(token.verify(&kept.keys).map_err(UpstreamError::from)?);
    };
    let known = token.verify(&kept.keys);
    if known != Err(JwsError::UnknownKey) || environment.now.saturating_sub(kept.asked_at) < REFETCH_MS {
        return Ok(known.map_err(UpstreamError::from)?);
    }
    // Of those who miss a key at the same time one asks for it.
    let asking = Kept { asked_at: environment.now, ..kept };
    let is_first = Check::unchanged(key.clone(), seen.as_ref());
    if !matches!(kv.commit(&[is_first], &[put(key.clone(), &asking)?]).await?, Outcome::Committed(_)) {
        return Err(UpstreamError::from(JwsError::UnknownKey).into());
    }
    let fetched = fetch(outbound, provider, metadata, environment).await?;
    kv.commit(&[], &[put(key, &fetched)?]).await?;
    Ok(token.verify(&fetched.keys).map_err(UpstreamError::from)?)
}

fn read(seen: Option<&Entry>, environment: &Environment<'_>) -> Result<Option<Kept>, Problem> {
    let Some(entry) = seen else { return Ok(None) };
    let kept: Kept = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    Ok(Some(kept).filter(|kept| kept.ends_at > environment.now))
}

fn put(key: Key, kept: &Kept) -> Result<Write, Problem> {
    let value = serde_json::to_vec(kept).map_err(|_| Problem::internal())?;
    Ok(Write::Put { key, value, expires_at: Some(kept.ends_at) })
}

async fn fetch(
    outbound: &impl Outbound,
    provider: &Provider,
    metadata: &Metadata,
    environment: &Environment<'_>,
) -> Result<Kept, UpstreamError> {
    let document = ask::document(outbound, &provider.name, &metadata.jwks_uri).await?;
    let document: Document = serde_json::from_slice(&document)
        .map_err(|_| ask::failed(&provider.name, "its keys are not a JSON Web Key Set"))?;
    // RFC 7517, section 5: keys of kinds that are not known are passed over.
    let keys = document.keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
    Ok(Kept {
        keys: keys.filter(Jwk::is_bounded).take(KEYS_MAX).collect(),
        asked_at: environment.now,
        ends_at: environment.now.saturating_add(LIFETIME_MS),
    })
}
