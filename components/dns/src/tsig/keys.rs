//! The secrets that this port shares with other name servers and with those who update names,
//! sealed at rest. Each says what it may be used for.

use super::{Algorithm, Key};
use crate::DnsError;
use crate::name::{OwnName, lowercase};
use base64ct::{Base64, Encoding};
use domain::base::Name;
use serde::{Deserialize, Serialize};
use vwp_core::seal::{self, Sealed};
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Direction, Entry, KeyRange, Outcome, Write};

/// What the keys of the store start with; the name follows, without a final dot.
const PREFIX: &str = "discovery/tsig/";
/// The most secrets that the port shares.
pub const KEYS_MAX: u32 = 256;
/// The most names that one secret may be allowed to update.
pub const NAMES_MAX: usize = 16;
/// The shortest and the longest secret that is taken, in bytes.
const SECRET_LENGTHS: std::ops::RangeInclusive<usize> = 16..=128;
/// What stands for all names in a list of those that may be updated.
pub const ALL: &str = "*";

/// A secret without what is secret about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInfo {
    /// The name, without a final dot.
    pub name: String,
    /// The algorithm.
    pub algorithm: String,
    /// Whether it may transfer zones.
    #[serde(rename = "transfer")]
    pub may_transfer: bool,
    /// The names that it may update, with all names under them; `*`: all.
    #[serde(rename = "update")]
    pub may_update: Vec<String>,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at: u64,
}

/// A secret with what it may be used for.
#[derive(Debug, Clone)]
pub struct TsigKey {
    /// The secret.
    pub key: Key,
    /// What it may be used for.
    pub info: KeyInfo,
}

/// What is asked for when a secret is made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// The name.
    pub name: String,
    /// The algorithm; without it, `hmac-sha256`.
    pub algorithm: Option<String>,
    /// The secret in base64, if there is one already; without it, a new one.
    pub secret: Option<String>,
    /// Whether it may transfer zones.
    #[serde(default)]
    pub transfer: bool,
    /// The names that it may update, with all names under them; `*`: all.
    #[serde(default)]
    pub update: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(flatten)]
    info: KeyInfo,
    #[serde(flatten)]
    secret: Sealed,
}

/// Makes a secret, and returns it in base64: the only time that it is shown.
pub async fn create<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    new: NewKey,
) -> Result<(KeyInfo, String), DnsError> {
    let name = name(&new.name).ok_or_else(|| refused("the name of a key is a domain name"))?;
    let algorithm: Algorithm = match &new.algorithm {
        None => Algorithm::Sha256,
        Some(text) => {
            text.parse().map_err(|()| refused("the algorithm is hmac-sha256, hmac-sha384 or hmac-sha512"))?
        }
    };
    let secret = match &new.secret {
        Some(text) => Base64::decode_vec(text).map_err(|_| refused("the secret is not base64"))?,
        None => random(environment, algorithm),
    };
    if !SECRET_LENGTHS.contains(&secret.len()) {
        return Err(refused("a secret has 16 to 128 bytes"));
    }
    let may_update = names(&new.update)?;
    if keys(store).await?.len() >= KEYS_MAX as usize {
        return Err(refused("the port shares as many keys as it can"));
    }
    let info = KeyInfo {
        name: name.to_string(),
        algorithm: algorithm.as_str().to_owned(),
        may_transfer: new.transfer,
        may_update,
        created_at: environment.now,
    };
    let secret_text = Base64::encode_string(&secret);
    let place = place(&name);
    let secret = seal::seal(&purpose(&name), &secret, environment).map_err(DnsError::Keys)?;
    let stored = serde_json::to_vec(&Stored { info: info.clone(), secret })
        .map_err(|_| DnsError::Keys(Problem::internal()))?;
    match store.commit(&[Check::absent(place.clone())], &[Write::put(place, stored)]).await? {
        Outcome::Committed(_) => Ok((info, secret_text)),
        // A key that is in use is not replaced by accident: it is deleted first.
        _ => Err(refused("there is a key of this name")),
    }
}

/// The secret of a name; none if there is none.
pub async fn find<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    name: &OwnName,
) -> Result<Option<TsigKey>, DnsError> {
    let Some(entry) = store.get(&place(name)).await? else {
        return Ok(None);
    };
    let stored = decode(&entry)?;
    let secret = seal::unseal(&purpose(name), &stored.secret, environment).map_err(DnsError::Keys)?;
    let algorithm = stored.info.algorithm.parse().map_err(|()| corrupt())?;
    let key = Key::new(&stored.info.name, algorithm, secret).ok_or_else(corrupt)?;
    Ok(Some(TsigKey { key, info: stored.info }))
}

/// Seals with the master key what the previous one sealed.
pub async fn reseal<S: Kv>(store: &S, environment: &Environment<'_>) -> Result<(), DnsError> {
    if environment.settings.master_key_previous.is_none() {
        return Ok(());
    }
    for entry in keys(store).await? {
        let mut stored = decode(&entry)?;
        let name = name(&stored.info.name).ok_or_else(corrupt)?;
        let sealed = seal::reseal(&purpose(&name), &stored.secret, environment).map_err(DnsError::Keys)?;
        let Some(sealed) = sealed else {
            continue;
        };
        stored.secret = sealed;
        let value = serde_json::to_vec(&stored).map_err(|_| DnsError::Keys(Problem::internal()))?;
        let place = place(&name);
        // Whoever changed or deleted it meanwhile is right, and the next call looks again.
        store.commit(&[Check::unchanged(place.clone(), Some(&entry))], &[Write::put(place, value)]).await?;
    }
    Ok(())
}

/// All secrets, by name.
pub async fn list<S: Kv>(store: &S) -> Result<Vec<KeyInfo>, DnsError> {
    keys(store).await?.iter().map(|entry| Ok(decode(entry)?.info)).collect()
}

/// Deletes a secret. Says whether there was one.
pub async fn delete<S: Kv>(store: &S, name: &str) -> Result<bool, DnsError> {
    let Some(name) = self::name(name) else {
        return Ok(false);
    };
    let place = place(&name);
    let was_there = store.get(&place).await?.is_some();
    store.commit(&[], &[Write::delete(place)]).await?;
    Ok(was_there)
}

async fn keys<S: Kv>(store: &S) -> Result<Vec<Entry>, DnsError> {
    let page = store.scan(&KeyRange::prefix(PREFIX), KEYS_MAX, Direction::Forward).await?;
    Ok(page.items.into_iter().map(|item| item.entry).collect())
}

fn decode(entry: &Entry) -> Result<Stored, DnsError> {
    serde_json::from_slice(&entry.value).map_err(|_| corrupt())
}

fn corrupt() -> DnsError {
    DnsError::Corrupt("a shared secret")
}

fn refused(why: &str) -> DnsError {
    DnsError::Refused(why.to_owned())
}

fn name(text: &str) -> Option<OwnName> {
    let name: OwnName = Name::vec_from_str(text.trim_end_matches('.')).ok()?;
    (!name.is_root()).then(|| lowercase(&name))
}

fn names(texts: &[String]) -> Result<Vec<String>, DnsError> {
    if texts.len() > NAMES_MAX {
        return Err(refused("a key may update at most 16 names"));
    }
    let one = |text: &String| match (text.as_str(), name(text)) {
        (ALL, _) => Ok(ALL.to_owned()),
        (_, Some(name)) => Ok(name.to_string()),
        (_, None) => Err(refused("what a key may update is a list of domain names, or *")),
    };
    texts.iter().map(one).collect()
}

fn place(name: &OwnName) -> Vec<u8> {
    purpose(name).into_bytes()
}

/// The key of the store, which is also what the secret is sealed for.
fn purpose(name: &OwnName) -> String {
    format!("{PREFIX}{name}")
}

fn random(environment: &Environment<'_>, algorithm: Algorithm) -> Vec<u8> {
    let mut secret = vec![0; algorithm.length()];
    environment.random.fill(&mut secret);
    secret
}

impl KeyInfo {
    /// Whether it may update a name.
    pub fn may_update(&self, name: &OwnName) -> bool {
        self.may_update.iter().any(|allowed| {
            allowed == ALL || self::name(allowed).is_some_and(|allowed| name.ends_with(&allowed))
        })
    }
}
