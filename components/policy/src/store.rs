//! Sets and teams in the store, each with the versions before it.
//!
//! What is written names the version that it replaces, so that of two who change the same thing one
//! is told, and a statement that was signed takes effect once.

use crate::error::PolicyError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vwp_core::environment::Timestamp;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Outcome, Write};

/// How many versions before the current one are kept.
pub const VERSIONS_KEPT: u64 = 32;

/// Whose policies they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// The port's: they take part in every decision.
    Port,
    /// An operator's, by id.
    Operator(String),
}

/// What the port's policies are called in paths.
pub const PORT: &str = "port";

impl Owner {
    /// Reads an owner as paths name it: `port`, or the thumbprint of the operator's first key.
    pub fn parse(text: &str) -> Option<Self> {
        let is_thumbprint = text.len() == 43
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        match text {
            PORT => Some(Self::Port),
            _ => is_thumbprint.then(|| Self::Operator(text.to_owned())),
        }
    }

    /// The same as a text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Port => PORT,
            Self::Operator(id) => id,
        }
    }
}

/// What is kept, in one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versioned<T> {
    /// The version, from 1 on; 0: nothing was ever written.
    pub version: u64,
    /// When it was written, in milliseconds since the Unix epoch.
    pub written_at: Timestamp,
    /// Who wrote it.
    pub written_by: String,
    /// What was written.
    #[serde(flatten)]
    pub content: T,
}

/// The current version of something; an empty one if there is none.
pub(crate) async fn current<T: DeserializeOwned + Default>(
    kv: &impl Kv,
    kind: &str,
    owner: &Owner,
) -> Result<Versioned<T>, PolicyError> {
    let entry = kv.get(&key(kind, owner)).await?;
    Ok(match entry {
        Some(entry) => serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?,
        None => Versioned { version: 0, written_at: 0, written_by: String::new(), content: T::default() },
    })
}

/// A version before the current one, if it is kept.
pub(crate) async fn version<T: DeserializeOwned + Default>(
    kv: &impl Kv,
    kind: &str,
    owner: &Owner,
    version: u64,
) -> Result<Option<Versioned<T>>, PolicyError> {
    let now: Versioned<T> = current(kv, kind, owner).await?;
    if now.version == version && version > 0 {
        return Ok(Some(now));
    }
    let entry = kv.get(&version_key(kind, owner, version)).await?;
    let parsed = entry.map(|entry| serde_json::from_slice(&entry.value).map_err(|_| Problem::internal()));
    Ok(parsed.transpose()?)
}

/// Writes the next version, if the one that it replaces is the current one.
pub(crate) async fn replace<T: Serialize + DeserializeOwned + Default>(
    kv: &impl Kv,
    kind: &str,
    owner: &Owner,
    replaces: u64,
    content: T,
    by: &str,
    environment: &Environment<'_>,
) -> Result<Versioned<T>, PolicyError> {
    let key = key(kind, owner);
    let seen = kv.get(&key).await?;
    let before: u64 = match &seen {
        Some(entry) => {
            let read: Versioned<T> = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
            read.version
        }
        None => 0,
    };
    if before != replaces {
        return Err(PolicyError::Replaced { current: before });
    }
    let next =
        Versioned { version: before + 1, written_at: environment.now, written_by: by.to_owned(), content };
    let value = serde_json::to_vec(&next).map_err(|_| Problem::internal())?;
    let mut writes = vec![Write::put(key.clone(), value)];
    if let Some(entry) = &seen {
        writes.push(Write::put(version_key(kind, owner, before), entry.value.clone()));
    }
    if let Some(old) = before.checked_sub(VERSIONS_KEPT) {
        writes.push(Write::delete(version_key(kind, owner, old)));
    }
    let check = Check::unchanged(key, seen.as_ref());
    if let Outcome::Committed(_) = kv.commit(&[check], &writes).await? {
        return Ok(next);
    }
    let now: Versioned<T> = current(kv, kind, owner).await?;
    Err(PolicyError::Replaced { current: now.version })
}

fn key(kind: &str, owner: &Owner) -> Vec<u8> {
    format!("policy/{kind}/{}", owner.as_str()).into_bytes()
}

fn version_key(kind: &str, owner: &Owner, version: u64) -> Vec<u8> {
    format!("policy/{kind}-before/{}/{version:016x}", owner.as_str()).into_bytes()
}
