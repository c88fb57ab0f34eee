//! What a provider says of itself (OpenID Connect Discovery 1.0), kept for an hour.

use super::providers::Provider;
use super::{UpstreamError, ask};
use crate::error::AuthError;
use crate::provider::hashed;
use serde::{Deserialize, Serialize};
use vwp_core::environment::Timestamp;
use vwp_core::{Environment, Problem, outbound::Outbound};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Write};

/// How long it is believed, in milliseconds.
pub const LIFETIME_MS: u64 = 60 * 60 * 1000;
/// Where it is, below the issuer (section 4).
const PATH: &str = "/.well-known/openid-configuration";

/// The metadata, as far as it is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Who it is of.
    pub issuer: String,
    /// Where browsers are sent.
    pub authorization_endpoint: String,
    /// Where codes are exchanged.
    pub token_endpoint: String,
    /// Where the keys are.
    pub jwks_uri: String,
    /// Whether the provider names itself in its answers (RFC 9207, section 3).
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
    /// The kinds of PKCE that it knows, if it says so.
    #[serde(default, skip_serializing)]
    code_challenge_methods_supported: Option<Vec<String>>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    metadata: Metadata,
    /// Beside the store's own expiry, which another clock decides.
    ends_at: Timestamp,
}

/// A provider's metadata.
pub async fn of(
    kv: &impl Kv,
    outbound: &impl Outbound,
    provider: &Provider,
    environment: &Environment<'_>,
) -> Result<Metadata, AuthError> {
    let key = format!("auth/upstream-metadata/{}", hashed(&provider.issuer)).into_bytes();
    let seen = kv.get(&key).await?;
    if let Some(entry) = &seen {
        let kept: Kept = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
        if kept.ends_at > environment.now {
            return Ok(kept.metadata);
        }
    }
    let metadata = fetch(outbound, provider).await?;
    let kept = Kept { metadata, ends_at: environment.now.saturating_add(LIFETIME_MS) };
    let put = Write::Put {
        key: key.clone(),
        value: serde_json::to_vec(&kept).map_err(|_| Problem::internal())?,
        expires_at: Some(kept.ends_at),
    };
    // Whoever was faster has kept the same.
    kv.commit(&[Check::unchanged(key, seen.as_ref())], &[put]).await?;
    Ok(kept.metadata)
}

async fn fetch(outbound: &impl Outbound, provider: &Provider) -> Result<Metadata, UpstreamError> {
    let what = &provider.name;
    // Section 4: a slash at the end of the issuer goes first.
    let url = format!("{}{PATH}", provider.issuer.trim_end_matches('/'));
    let document = ask::document(outbound, what, &url).await?;
    let metadata: Metadata = serde_json::from_slice(&document)
        .map_err(|_| ask::failed(what, "its metadata is not what it should be"))?;
    // Section 4.3: to the letter the issuer that was asked for.
    if metadata.issuer != provider.issuer {
        return Err(ask::failed(what, "its metadata is of another issuer"));
    }
    let urls = [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri];
    if !urls.into_iter().all(|url| provider.may_name(url)) {
        return Err(ask::failed(what, "it names a URL that is not one with https"));
    }
    // RFC 9700, section 2.1.1. Who does not say which ones it knows is asked anyway, and ignores it
    // at worst (RFC 6749, section 3.1).
    let methods = metadata.code_challenge_methods_supported.as_ref();
    if methods.is_some_and(|methods| !methods.iter().any(|method| method == "S256")) {
        return Err(ask::failed(what, "it does not know PKCE with S256"));
    }
    Ok(metadata)
}
