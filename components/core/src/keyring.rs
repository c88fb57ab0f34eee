//! The port's own signing keys: made on first use, sealed at rest, rotated on
//! request. A keyring is one record, so that every change of it is one commit.
//!
//! Private keys are sealed for the ring's name and the key's id (see [`crate::seal`]), so
//! that a sealed key cannot be moved to another ring or id.
//!
//! The active key is remembered between requests ([`opened`]), because making it costs as much as
//! a signature.

mod opened;

use crate::environment::Environment;
use crate::jose::{self, Jwk};
use crate::problem::Problem;
use crate::seal::{self, Sealed};
use p256::ecdsa::SigningKey;
use serde::{Deserialize, Serialize};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Outcome, Write};

/// How many keys a ring keeps: the active one and those that tokens may still name.
pub const KEYS_MAX: usize = 8;
/// How often a change is tried when others change the ring at the same time.
const ATTEMPTS_MAX: usize = 16;

/// A key in a ring, without its private part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyInfo {
    /// The key's id: its thumbprint.
    pub kid: String,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at: u64,
    /// Whether new signatures use it. Others only verify.
    pub active: bool,
    /// The public key.
    pub jwk: Jwk,
}

#[derive(Serialize, Deserialize)]
struct Ring {
    /// Oldest first; the last one is active.
    keys: Vec<SealedKey>,
}

impl Ring {
    fn is_stale(&self, environment: &Environment<'_>) -> bool {
        self.keys.iter().any(|key| seal::is_stale(&key.sealed, environment.settings))
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct SealedKey {
    kid: String,
    created_at: u64,
    jwk: Jwk,
    #[serde(flatten)]
    sealed: Sealed,
}

/// The writes that must go into the same commit as a change of the ring, given the
/// public keys that the ring then has. Auth publishes them in the directory.
pub type Publish = fn(&[KeyInfo]) -> Vec<Write>;

/// A signing key with its id.
#[derive(Clone)]
pub struct ActiveKey {
    /// The key's id.
    pub kid: String,
    /// The private key.
    pub key: SigningKey,
}

/// The active key of the ring at `path`, made now if there is none.
pub async fn active(
    kv: &impl Kv,
    path: &str,
    environment: &Environment<'_>,
    publish: Publish,
) -> Result<ActiveKey, Problem> {
    for _ in 0..ATTEMPTS_MAX {
        if let Some(entry) = kv.get(path.as_bytes()).await? {
            if let Some(active) = opened::find(path, &entry.value, environment.settings) {
                return Ok(active);
            }
            let ring: Ring = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
            let sealed = ring.keys.last().ok_or_else(Problem::internal)?;
            let key = unseal(path, sealed, environment)?;
            let active = ActiveKey { kid: sealed.kid.clone(), key };
            if ring.is_stale(environment) {
                // Whoever uses a ring is its maintenance. If another does it now, that is as good.
                reseal(kv, path, environment).await?;
            } else {
                opened::remember(path, entry.value, &active, environment.settings);
            }
            return Ok(active);
        }
        add_key(kv, path, environment, publish, &async |_: &_| Ok((Vec::new(), Vec::new()))).await?;
    }
    Err(Problem::unavailable("the keyring is changing too often"))
}

/// Makes a new active key. Older keys stay to verify with, up to [`KEYS_MAX`].
pub async fn rotate(
    kv: &impl Kv,
    path: &str,
    environment: &Environment<'_>,
    publish: Publish,
) -> Result<KeyInfo, Problem> {
    rotate_with(kv, path, environment, publish, async |_| Ok((Vec::new(), Vec::new()))).await
}

/// The same, with checks and writes that go into the same commit, such as what tells of it.
/// They are asked for again whenever the commit is tried again.
pub async fn rotate_with<Also>(
    kv: &impl Kv,
    path: &str,
    environment: &Environment<'_>,
    publish: Publish,
    also: Also,
) -> Result<KeyInfo, Problem>
where
    Also: AsyncFn(&KeyInfo) -> Result<(Vec<Check>, Vec<Write>), Problem>,
{
    for _ in 0..ATTEMPTS_MAX {
        if let Some(info) = add_key(kv, path, environment, publish, &also).await? {
            return Ok(info);
        }
    }
    Err(Problem::unavailable("the keyring is changing too often"))
}

/// Seals the ring's keys with the master key, where the previous one sealed them. Says how many
/// keys were sealed anew; none of them if another writer changed the ring meanwhile.
pub async fn reseal(kv: &impl Kv, path: &str, environment: &Environment<'_>) -> Result<usize, Problem> {
    let Some(entry) = kv.get(path.as_bytes()).await? else {
        return Ok(0);
    };
    let mut ring: Ring = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    let mut count = 0;
    for key in &mut ring.keys {
        // A replaced key that cannot be opened signs nothing, and does not hold up the others.
        if let Ok(Some(sealed)) = seal::reseal(&purpose(path, &key.kid), &key.sealed, environment) {
            key.sealed = sealed;
            count += 1;
        }
    }
    if count == 0 {
        return Ok(0);
    }
    let put = Write::put(path, serde_json::to_vec(&ring).map_err(|_| Problem::internal())?);
    match kv.commit(&[Check::unchanged(path, Some(&entry))], &[put]).await? {
        Outcome::Committed(_) => Ok(count),
        _ => Ok(0),
    }
}

/// The ring's keys, newest first; empty if none was made yet.
pub async fn list(kv: &impl Kv, path: &str) -> Result<Vec<KeyInfo>, Problem> {
    let Some(entry) = kv.get(path.as_bytes()).await? else {
        return Ok(Vec::new());
    };
    let ring: Ring = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    let mut infos = infos(&ring);
    infos.reverse();
    Ok(infos)
}

fn infos(ring: &Ring) -> Vec<KeyInfo> {
    let count = ring.keys.len();
    let info = |(index, key): (usize, &SealedKey)| KeyInfo {
        kid: key.kid.clone(),
        created_at: key.created_at,
        active: index + 1 == count,
        jwk: key.jwk.clone(),
    };
    ring.keys.iter().enumerate().map(info).collect()
}

/// Adds one key; none if another writer changed the ring meanwhile.
async fn add_key<Also>(
    kv: &impl Kv,
    path: &str,
    environment: &Environment<'_>,
    publish: Publish,
    also: &Also,
) -> Result<Option<KeyInfo>, Problem>
where
    Also: AsyncFn(&KeyInfo) -> Result<(Vec<Check>, Vec<Write>), Problem>,
{
    let seen = kv.get(path.as_bytes()).await?;
    let mut ring = match &seen {
        Some(entry) => serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?,
        None => Ring { keys: Vec::new() },
    };
    ring.keys.push(seal(path, &jose::generate_key(environment.random), environment)?);
    let surplus = ring.keys.len().saturating_sub(KEYS_MAX);
    ring.keys.drain(..surplus);
    let infos = infos(&ring);
    let info = infos.last().ok_or_else(Problem::internal)?;
    let (mut checks, mut writes) = also(info).await?;
    checks.push(Check::unchanged(path, seen.as_ref()));
    writes.extend(publish(&infos));
    writes.push(Write::put(path, serde_json::to_vec(&ring).map_err(|_| Problem::internal())?));
    match kv.commit(&checks, &writes).await? {
        Outcome::Committed(_) => Ok(Some(info.clone())),
        _ => Ok(None),
    }
}

fn seal(path: &str, key: &SigningKey, environment: &Environment<'_>) -> Result<SealedKey, Problem> {
    let jwk = Jwk::from_key(key.verifying_key());
    let kid = jwk.thumbprint();
    let sealed = seal::seal(&purpose(path, &kid), &key.to_bytes(), environment)?;
    Ok(SealedKey { jwk: jwk.with_kid(&kid), kid, created_at: environment.now, sealed })
}

fn unseal(path: &str, key: &SealedKey, environment: &Environment<'_>) -> Result<SigningKey, Problem> {
    let bytes = seal::unseal(&purpose(path, &key.kid), &key.sealed, environment)?;
    SigningKey::from_slice(&bytes).map_err(|_| Problem::internal())
}

fn purpose(path: &str, kid: &str) -> String {
    format!("{path}\n{kid}")
}
