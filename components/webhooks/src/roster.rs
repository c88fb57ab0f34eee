//! What is kept of an owner's endpoints.
//!
//! All endpoints of one owner are one record, so that every change of them is one commit. Whether there are any is
//! written into the outbox with it, where those look who have something to tell.

use crate::WebhookError;
use crate::endpoints::Wanted;
use crate::signature::{self, Secret};
use serde::{Deserialize, Serialize};
use vwp_core::outbox::{self, Listener};
use vwp_core::seal::{self, Sealed};
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Direction, Entry, KeyRange, Outcome, Write};

/// How long the secret before signs beside a new one, in milliseconds.
pub const ROTATION_MS: u64 = 24 * 3_600_000;
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

/// All endpoints of an owner.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Roster {
    pub(crate) endpoints: Vec<Endpoint>,
}

impl Endpoint {
    /// One that was registered just now.
    pub(crate) fn new(id: String, wanted: Wanted, secret: Sealed, now: u64) -> Self {
        let Wanted { url, types, description, enabled: _ } = wanted;
        Self {
            id,
            url,
            types,
            description,
            created_at: now,
            disabled: None,
            failing_since: None,
            secret,
            previous: None,
        }
    }

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

    /// Replaces the secret. The one before signs as well for a while.
    pub(crate) fn rotate(&mut self, secret: Sealed, now: u64) {
        let before = std::mem::replace(&mut self.secret, secret);
        self.previous = Some(Previous { secret: before, until: now.saturating_add(ROTATION_MS) });
    }

    /// Until when the secret before signs as well, if it does.
    pub(crate) fn previous_until(&self, now: u64) -> Option<u64> {
        self.previous.as_ref().map(|previous| previous.until).filter(|until| now < *until)
    }

    fn sealed(&self) -> impl Iterator<Item = &Sealed> {
        std::iter::once(&self.secret).chain(self.previous.iter().map(|previous| &previous.secret))
    }

    fn sealed_mut(&mut self) -> impl Iterator<Item = &mut Sealed> {
        let previous = self.previous.iter_mut().map(|previous| &mut previous.secret);
        std::iter::once(&mut self.secret).chain(previous)
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
            if !roster
                .endpoints
                .iter()
                .flat_map(Endpoint::sealed)
                .any(|one| seal::is_stale(one, environment.settings))
            {
                continue;
            }
            change(store, environment, owner, |roster| {
                for endpoint in &mut roster.endpoints {
                    let purpose = signature::purpose(&endpoint.id);
                    for secret in endpoint.sealed_mut() {
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
