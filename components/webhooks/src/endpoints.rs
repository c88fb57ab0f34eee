//! Where somebody wants to be told, of what, and the secret that tells it was us.

use crate::roster::{Disabled, Endpoint, Reason, change, own, stored};
use crate::signature::Secret;
use crate::{WebhookError, destination};
use serde::{Deserialize, Serialize};
use vwp_core::outbox::TYPES;
use vwp_core::{Environment, jose};
use vwp_storage::Kv;

/// The most endpoints of one owner.
pub const ENDPOINTS_MAX: usize = 16;
/// The longest description, in bytes.
pub const DESCRIPTION_LENGTH_MAX: usize = 256;

/// What is asked for: to be told.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Where.
    pub url: String,
    /// Of which types of events; of all if there are none.
    #[serde(default)]
    pub types: Vec<String>,
    /// For whom it reads the list.
    #[serde(default)]
    pub description: String,
    /// Whether anything is sent there. Only where an endpoint is changed.
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn yes() -> bool {
    true
}

/// An endpoint as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EndpointInfo {
    /// The endpoint's id: 32 hexadecimal digits.
    pub endpoint_id: String,
    /// Where it is told.
    pub url: String,
    /// Of which types of events; of all if there are none.
    pub types: Vec<String>,
    /// What its owner calls it.
    pub description: String,
    /// When it was registered, in milliseconds since the Unix epoch.
    pub created_at: u64,
    /// Whether anything is sent there.
    pub enabled: bool,
    /// Why not, and since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled: Option<Disabled>,
    /// Since when nothing arrived, if the last attempt failed, in milliseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<u64>,
    /// Until when the secret before signs as well, in milliseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_secret_until: Option<u64>,
}

/// An endpoint with its secret, which is shown this once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Revealed {
    /// The endpoint.
    #[serde(flatten)]
    pub endpoint: EndpointInfo,
    /// The secret: `whsec_` and base64.
    pub secret: String,
}

impl EndpointInfo {
    /// What is shown of an endpoint.
    fn of(endpoint: &Endpoint, now: u64) -> Self {
        Self {
            endpoint_id: endpoint.id.clone(),
            url: endpoint.url.clone(),
            types: endpoint.types.clone(),
            description: endpoint.description.clone(),
            created_at: endpoint.created_at,
            enabled: endpoint.disabled.is_none(),
            disabled: endpoint.disabled,
            failing_since: endpoint.failing_since,
            previous_secret_until: endpoint.previous_until(now),
        }
    }
}

impl Wanted {
    /// Requires that what is asked for is within its bounds, and that the port sends there.
    fn check(&mut self, environment: &Environment<'_>) -> Result<(), WebhookError> {
        let invalid = |text: String| Err(WebhookError::Invalid(text));
        destination::require(environment.settings, &self.url)?;
        self.types.sort();
        self.types.dedup();
        if let Some(kind) = self.types.iter().find(|kind| !TYPES.contains(&kind.as_str())) {
            let kind: String = kind.chars().take(64).collect();
            return invalid(format!("there are no events of the type {kind}"));
        }
        let is_plain = !self.description.chars().any(char::is_control);
        if self.description.len() > DESCRIPTION_LENGTH_MAX || !is_plain {
            return invalid(format!(
                "a description has at most {DESCRIPTION_LENGTH_MAX} bytes, none of them control"
            ));
        }
        Ok(())
    }
}

/// Registers an endpoint, and makes its secret.
pub async fn register(
    store: &impl Kv,
    environment: &Environment<'_>,
    owner: &str,
    mut wanted: Wanted,
) -> Result<Revealed, WebhookError> {
    wanted.check(environment)?;
    if !wanted.enabled {
        return Err(WebhookError::Invalid("an endpoint is registered to be told".to_owned()));
    }
    let id = format!("{:032x}", u128::from_be_bytes(environment.random_bytes::<16>()));
    let secret = Secret::new(environment);
    let endpoint = Endpoint::new(id.clone(), wanted, secret.seal(&id, environment)?, environment.now);
    change(store, environment, owner, |roster| {
        if roster.endpoints.len() >= ENDPOINTS_MAX {
            return Err(WebhookError::TooManyEndpoints);
        }
        roster.endpoints.push(endpoint.clone());
        Ok(())
    })
    .await?;
    let endpoint = EndpointInfo::of(&endpoint, environment.now);
    Ok(Revealed { endpoint, secret: secret.text() })
}

/// An owner's endpoints, the oldest first.
pub async fn list(
    store: &impl Kv,
    environment: &Environment<'_>,
    owner: &str,
) -> Result<Vec<EndpointInfo>, WebhookError> {
    let (roster, _) = stored(store, owner).await?;
    Ok(roster.endpoints.iter().map(|endpoint| EndpointInfo::of(endpoint, environment.now)).collect())
}

/// One of an owner's endpoints.
pub async fn get(
    store: &impl Kv,
    environment: &Environment<'_>,
    owner: &str,
    id: &str,
) -> Result<EndpointInfo, WebhookError> {
    Ok(EndpointInfo::of(&own(store, owner, id).await?, environment.now))
}

/// Changes an endpoint. One that is enabled again is not failing any more.
pub async fn update(
    store: &impl Kv,
    environment: &Environment<'_>,
    (owner, id): (&str, &str),
    mut wanted: Wanted,
) -> Result<EndpointInfo, WebhookError> {
    wanted.check(environment)?;
    change(store, environment, owner, |roster| {
        let endpoint = roster.find_mut(id).ok_or(WebhookError::UnknownEndpoint)?;
        endpoint.url.clone_from(&wanted.url);
        endpoint.types.clone_from(&wanted.types);
        endpoint.description.clone_from(&wanted.description);
        if wanted.enabled && endpoint.disabled.is_some() {
            (endpoint.disabled, endpoint.failing_since) = (None, None);
        }
        if !wanted.enabled && endpoint.disabled.is_none() {
            endpoint.disabled = Some(Disabled { reason: Reason::Owner, time: environment.now });
        }
        Ok(EndpointInfo::of(endpoint, environment.now))
    })
    .await
}

/// Deletes an endpoint. What was to be sent there is forgotten.
pub async fn delete(
    store: &impl Kv,
    environment: &Environment<'_>,
    (owner, id): (&str, &str),
) -> Result<(), WebhookError> {
    change(store, environment, owner, |roster| {
        roster.find(id).ok_or(WebhookError::UnknownEndpoint)?;
        roster.endpoints.retain(|endpoint| endpoint.id != id);
        Ok(())
    })
    .await
}

/// Makes a new secret. The one before signs as well for a day (Standard Webhooks 1.0.0, section Webhook headers).
pub async fn rotate(
    store: &impl Kv,
    environment: &Environment<'_>,
    (owner, id): (&str, &str),
) -> Result<Revealed, WebhookError> {
    let secret = Secret::new(environment);
    let sealed = secret.seal(id, environment)?;
    let endpoint = change(store, environment, owner, |roster| {
        let endpoint = roster.find_mut(id).ok_or(WebhookError::UnknownEndpoint)?;
        endpoint.rotate(sealed.clone(), environment.now);
        Ok(EndpointInfo::of(endpoint, environment.now))
    })
    .await?;
    Ok(Revealed { endpoint, secret: secret.text() })
}

/// Whether a text is an id as endpoints have it.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// A name for something in a test of an endpoint, which nobody can guess.
pub(crate) fn random_text(environment: &Environment<'_>) -> String {
    jose::encode(environment.random_bytes::<12>())
}
