//! Where somebody wants to be told, of what, and the secret that tells it was us.
//!
//! All endpoints of one owner are one record, so that every change of them is one commit. Whether there are any is
//! written into the outbox with it, where those look who have something to tell.

use crate::signature::{self, Secret};
use crate::{WebhookError, destination};
use serde::{Deserialize, Serialize};
use vwp_core::outbox::{self, Listener, TYPES};
use vwp_core::seal::{self, Sealed};
use vwp_core::{Environment, Problem, jose};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Direction, Entry, KeyRange, Outcome, Write};

/// The most endpoints of one owner.
pub const ENDPOINTS_MAX: usize = 16;
/// The longest description, in bytes.
pub const DESCRIPTION_LENGTH_MAX: usize = 256;
/// How long the secret before signs beside a new one, in milliseconds.
pub const ROTATION_MS: u64 = 24 * 3_600_000;
/// After how long in which nothing arrived an endpoint is disabled, in milliseconds: longer than a delivery is
/// tried, so that each got its attempts.
pub const FAILING_MS_MAX: u64 = 5 * 86_400_000;
/// How often a change is tried anew because another one came in between.
const CONFLICTS_MAX: usize = 16;
/// How many owners are looked at for secrets to be sealed anew at a time.
const OWNERS_MAX: u32 = 100;
const ROSTERS: &str = "webhooks/endpoints/";

/// Why nothing is sent to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Its owner wants it so.
    Owner,
    /// It answered that it is gone (410).
    Gone,
    /// Nothing arrived there for days.
    Failing,
}

/// That nothing is sent to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disabled {
    /// Why.
    pub reason: Reason,
    /// Since when, in milliseconds since the Unix epoch.
    pub time: u64,
}

/// An endpoint as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) id: String,
    pub(crate) url: String,
    /// What it is told of; everything if there are none.
    pub(crate) types: Vec<String>,
    pub(crate) description: String,
    pub(crate) created_at: u64,
    pub(crate) disabled: Option<Disabled>,
    /// Since when nothing arrived, if the last attempt failed.
    pub(crate) failing_since: Option<u64>,
    secret: Sealed,
    previous: Option<Previous>,
}

/// A secret that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Previous {
    secret: Sealed,
    /// How long it signs, in milliseconds since the Unix epoch.
    until: u64,
}

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

/// All endpoints of an owner.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Roster {
    pub(crate) endpoints: Vec<Endpoint>,
}

impl Endpoint {
    /// Whether it is told of events of a type.
    pub(crate) fn wants(&self, kind: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|wanted| wanted == kind)
    }

    /// The secrets that sign, the present one first.
    pub(crate) fn secrets(&self, environment: &Environment<'_>) -> Result<Vec<Secret>, Problem> {
        let previous = self.previous.iter().filter(|previous| environment.now < previous.until);
        let sealed = std::iter::once(&self.secret).chain(previous.map(|previous| &previous.secret));
        sealed.map(|sealed| Secret::unseal(&self.id, sealed, environment)).collect()
    }

    fn info(&self, now: u64) -> EndpointInfo {
        let previous = self.previous.as_ref().map(|previous| previous.until);
        EndpointInfo {
            endpoint_id: self.id.clone(),
            url: self.url.clone(),
            types: self.types.clone(),
            description: self.description.clone(),
            created_at: self.created_at,
            enabled: self.disabled.is_none(),
            disabled: self.disabled,
            failing_since: self.failing_since,
            previous_secret_until: previous.filter(|until| now < *until),
        }
    }
}

impl Roster {
    /// The endpoint with an id.
    pub(crate) fn find(&self, id: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.id == id)
    }

    pub(crate) fn find_mut(&mut self, id: &str) -> Option<&mut Endpoint> {
        self.endpoints.iter_mut().find(|endpoint| endpoint.id == id)
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
    let endpoint = Endpoint {
        secret: secret.seal(&id, environment)?,
        id,
        url: wanted.url,
        types: wanted.types,
        description: wanted.description,
        created_at: environment.now,
        disabled: None,
        failing_since: None,
        previous: None,
    };
    change(store, environment, owner, |roster| {
        if roster.endpoints.len() >= ENDPOINTS_MAX {
            return Err(WebhookError::TooManyEndpoints);
        }
        roster.endpoints.push(endpoint.clone());
        Ok(())
    })
    .await?;
    Ok(Revealed { endpoint: endpoint.info(environment.now), secret: secret.text() })
}

/// An owner's endpoints, the oldest first.
pub async fn list(
    store: &impl Kv,
    environment: &Environment<'_>,
    owner: &str,
) -> Result<Vec<EndpointInfo>, WebhookError> {
    let (roster, _) = stored(store, owner).await?;
    Ok(roster.endpoints.iter().map(|endpoint| endpoint.info(environment.now)).collect())
}

/// One of an owner's endpoints.
pub async fn get(
    store: &impl Kv,
    environment: &Environment<'_>,
    owner: &str,
    id: &str,
) -> Result<EndpointInfo, WebhookError> {
    Ok(own(store, owner, id).await?.info(environment.now))
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
        Ok(endpoint.info(environment.now))
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
        let before = std::mem::replace(&mut endpoint.secret, sealed.clone());
        let until = environment.now.saturating_add(ROTATION_MS);
        endpoint.previous = Some(Previous { secret: before, until });
        Ok(endpoint.info(environment.now))
    })
    .await?;
    Ok(Revealed { endpoint, secret: secret.text() })
}

/// Seals secrets anew that the previous master key sealed, of some owners; how many owners' were. Again until none are.
pub async fn reseal(store: &impl Kv, environment: &Environment<'_>) -> Result<usize, WebhookError> {
    let mut resealed = 0;
    let mut range = Some(KeyRange::prefix(ROSTERS));
    while let Some(next) = range {
        let page = store.scan(&next, OWNERS_MAX, Direction::Forward).await?;
        for item in &page.items {
            let owner = item.key.get(ROSTERS.len()..).and_then(|owner| std::str::from_utf8(owner).ok());
            let owner = owner.ok_or_else(Problem::internal)?;
            let roster: Roster =
                serde_json::from_slice(&item.entry.value).map_err(|_| Problem::internal())?;
            if !roster.endpoints.iter().flat_map(sealed).any(|one| seal::is_stale(one, environment.settings))
            {
                continue;
            }
            change(store, environment, owner, |roster| {
                for endpoint in &mut roster.endpoints {
                    let purpose = signature::purpose(&endpoint.id);
                    let previous = endpoint.previous.iter_mut().map(|previous| &mut previous.secret);
                    for secret in std::iter::once(&mut endpoint.secret).chain(previous) {
                        if let Some(anew) = seal::reseal(&purpose, secret, environment)? {
                            *secret = anew;
                        }
                    }
                }
                Ok(())
            })
            .await?;
            resealed += 1;
        }
        if resealed >= OWNERS_MAX as usize {
            break;
        }
        range = page.next;
    }
    Ok(resealed)
}

fn sealed(endpoint: &Endpoint) -> impl Iterator<Item = &Sealed> {
    std::iter::once(&endpoint.secret).chain(endpoint.previous.iter().map(|previous| &previous.secret))
}

/// An endpoint of an owner's, as it is kept.
pub(crate) async fn own(store: &impl Kv, owner: &str, id: &str) -> Result<Endpoint, WebhookError> {
    let (roster, _) = stored(store, owner).await?;
    roster.find(id).cloned().ok_or(WebhookError::UnknownEndpoint)
}

/// All endpoints of an owner, and the entry that they were read from.
pub(crate) async fn stored(store: &impl Kv, owner: &str) -> Result<(Roster, Option<Entry>), WebhookError> {
    let entry = store.get(&roster_key(owner)).await?;
    let roster = match &entry {
        Some(entry) => serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?,
        None => Roster::default(),
    };
    Ok((roster, entry))
}

/// Changes an owner's endpoints. The change is made again on what others have made of them meanwhile.
pub(crate) async fn change<T>(
    store: &impl Kv,
    environment: &Environment<'_>,
    owner: &str,
    change: impl Fn(&mut Roster) -> Result<T, WebhookError>,
) -> Result<T, WebhookError> {
    for _ in 0..CONFLICTS_MAX {
        let (before, entry) = stored(store, owner).await?;
        let mut after = before.clone();
        let result = change(&mut after)?;
        if after == before {
            return Ok(result);
        }
        let mut writes = vec![if after.endpoints.is_empty() {
            Write::delete(roster_key(owner))
        } else {
            Write::put(roster_key(owner), serde_json::to_vec(&after).map_err(|_| Problem::internal())?)
        }];
        // Whether anybody listens changes with it.
        match (before.endpoints.is_empty(), after.endpoints.is_empty()) {
            (true, false) => {
                let listener = Listener { since: environment.now };
                let value = serde_json::to_vec(&listener).map_err(|_| Problem::internal())?;
                writes.push(Write::put(outbox::listener_key(owner), value));
            }
            (false, true) => writes.push(Write::delete(outbox::listener_key(owner))),
            _ => {}
        }
        let checks = [Check::unchanged(roster_key(owner), entry.as_ref())];
        if let Outcome::Committed(_) = store.commit(&checks, &writes).await? {
            return Ok(result);
        }
    }
    Err(Problem::unavailable("too many change these endpoints at the same time").into())
}

fn roster_key(owner: &str) -> Vec<u8> {
    format!("{ROSTERS}{owner}").into_bytes()
}

/// Whether a text is an id as endpoints have it.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// A name for something in a test of an endpoint, which nobody can guess.
pub(crate) fn random_text(environment: &Environment<'_>) -> String {
    jose::encode(environment.random_bytes::<12>())
}
