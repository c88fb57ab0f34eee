//! A traveller's passkeys: one record for all, so that their number is bounded, and an index by
//! which no two travellers have the same one.

use super::PasskeyError;
use crate::audit::{self, Event, Kind};
use crate::error::AuthError;
use crate::methods;
use crate::sessions::{self, Notice};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vwp_core::environment::Timestamp;
use vwp_core::{Environment, Problem, jose};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Entry, Outcome, Write};
use webauthn_rs::prelude::{Credential, Passkey};

/// The most passkeys of a traveller.
pub const PASSKEYS_MAX: usize = 20;
/// The longest name of a passkey, in characters.
pub const NAME_LENGTH_MAX: usize = 64;
/// The most bytes that are kept of a passkey, so that all of a traveller's fit into one value.
const RECORD_BYTES_MAX: usize = 3_000;
/// How often a change is tried when others change the same passkeys at the same time.
const TRIES_MAX: usize = 4;

/// A passkey as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) passkey: Passkey,
    created_at: Timestamp,
    pub(crate) last_used_at: Option<Timestamp>,
    /// When its counter was last seen to go backwards.
    pub(crate) regressed_at: Option<Timestamp>,
}

/// A passkey, as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The passkey's id here.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// When it was registered, in milliseconds since the Unix epoch.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
    /// Whether it can be on several devices (flag BE).
    pub backup_eligible: bool,
    /// Whether it was on several devices, when it was last seen (flag BS).
    pub backed_up: bool,
    /// When its counter was last seen to go backwards, if it ever was.
    pub counter_regressed_at: Option<Timestamp>,
}

impl Record {
    pub(crate) fn new(name: String, passkey: Passkey, environment: &Environment<'_>) -> Self {
        let created_at = environment.now;
        Self { name, passkey, created_at, last_used_at: None, regressed_at: None }
    }

    /// The passkey's id: a hash, because what an authenticator calls it can be long.
    pub(crate) fn id(&self) -> String {
        id(self.passkey.cred_id())
    }

    fn listed(&self) -> Listed {
        let credential = Credential::from(self.passkey.clone());
        Listed {
            id: self.id(),
            name: self.name.clone(),
            created_at: self.created_at,
            last_used_at: self.last_used_at,
            backup_eligible: credential.backup_eligible,
            backed_up: credential.backup_state,
            counter_regressed_at: self.regressed_at,
        }
    }
}

/// A traveller's passkeys, as they were read.
pub(crate) struct Passkeys {
    traveller: String,
    pub(crate) records: Vec<Record>,
    entry: Option<Entry>,
}

impl Passkeys {
    pub(crate) async fn read(kv: &impl Kv, traveller: &str) -> Result<Self, AuthError> {
        let entry = kv.get(&key(traveller)).await?;
        let records = match &entry {
            Some(entry) => serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?,
            None => Vec::new(),
        };
        Ok(Self { traveller: traveller.to_owned(), records, entry })
    }

    /// Requires that nobody has changed them since.
    pub(crate) fn check(&self) -> Check {
        Check::unchanged(key(&self.traveller), self.entry.as_ref())
    }

    /// Keeps them as they are now.
    pub(crate) fn put(&self) -> Result<Write, AuthError> {
        let value = serde_json::to_vec(&self.records).map_err(|_| Problem::internal())?;
        Ok(Write::put(key(&self.traveller), value))
    }

    /// Adds one, with what keeps another traveller from having the same one.
    pub(crate) fn add(&mut self, record: Record) -> Result<(Check, Write), AuthError> {
        if self.records.len() >= PASSKEYS_MAX {
            return Err(PasskeyError::TooMany.into());
        }
        let length = serde_json::to_vec(&record).map_err(|_| Problem::internal())?.len();
        if length > RECORD_BYTES_MAX {
            return Err(PasskeyError::Refused.into());
        }
        let owner = owner_key(&record.id());
        self.records.push(record);
        Ok((Check::absent(owner.clone()), Write::put(owner, self.traveller.clone())))
    }
}

/// A traveller's passkeys, oldest first.
pub async fn list(kv: &impl Kv, traveller: &str) -> Result<Vec<Listed>, AuthError> {
    let passkeys = Passkeys::read(kv, traveller).await?;
    Ok(passkeys.records.iter().map(Record::listed).collect())
}

/// Calls a passkey something else.
pub async fn rename(kv: &impl Kv, traveller: &str, id: &str, name: &str) -> Result<(), AuthError> {
    let name = checked_name(name)?;
    for _ in 0..TRIES_MAX {
        let mut passkeys = Passkeys::read(kv, traveller).await?;
        let record = passkeys.records.iter_mut().find(|record| record.id() == id);
        record.ok_or_else(no_such_passkey)?.name.clone_from(&name);
        let outcome = kv.commit(&[passkeys.check()], &[passkeys.put()?]).await?;
        if let Outcome::Committed(_) = outcome {
            return Ok(());
        }
    }
    Err(changed_elsewhere())
}

/// Removes a passkey. The traveller must have signed in just now, and keep another way to do so.
pub async fn remove(
    kv: &impl Kv,
    traveller: &str,
    session: &str,
    id: &str,
    environment: &Environment<'_>,
) -> Result<(), AuthError> {
    sessions::require_recent(kv, session, environment).await?;
    let event = Event::traveller(Kind::MethodRemoved, traveller).with("method", "passkey");
    for _ in 0..TRIES_MAX {
        let mut passkeys = Passkeys::read(kv, traveller).await?;
        let length = passkeys.records.len();
        passkeys.records.retain(|record| record.id() != id);
        if passkeys.records.len() == length {
            return Err(no_such_passkey().into());
        }
        let mut checks = methods::require_another(kv, traveller).await?;
        checks.push(passkeys.check());
        let writes = [Write::delete(owner_key(id)), passkeys.put()?];
        if let Outcome::Committed(_) = audit::commit(kv, &event, &checks, &writes, environment).await? {
            return Ok(());
        }
    }
    Err(changed_elsewhere())
}

/// What a traveller has to be told about the own passkeys.
pub(crate) async fn notices(kv: &impl Kv, traveller: &str) -> Result<Vec<Notice>, AuthError> {
    let passkeys = Passkeys::read(kv, traveller).await?;
    let regressed = passkeys.records.iter().filter_map(|record| {
        let at = record.regressed_at?;
        Some(Notice::PasskeyCounterRegressed { passkey: record.name.clone(), at })
    });
    let lonely = (passkeys.records.len() == 1).then_some(Notice::AddPasskey);
    Ok(regressed.chain(lonely).collect())
}

/// A name that keeps the rules.
pub(crate) fn checked_name(name: &str) -> Result<String, PasskeyError> {
    let name = name.trim();
    let is_bounded = name.len() <= NAME_LENGTH_MAX * 4 && name.chars().count() <= NAME_LENGTH_MAX;
    if name.is_empty() || !is_bounded || name.chars().any(char::is_control) {
        return Err(PasskeyError::Name);
    }
    Ok(name.to_owned())
}

fn changed_elsewhere() -> AuthError {
    Problem::unavailable("the passkeys are being changed elsewhere").into()
}

fn no_such_passkey() -> Problem {
    Problem::not_found("there is no such passkey")
}

/// The id of what an authenticator calls so.
pub(crate) fn id(credential: &[u8]) -> String {
    jose::encode(&Sha256::digest(credential)[..16])
}

pub(crate) fn key(traveller: &str) -> Vec<u8> {
    format!("auth/passkeys/{traveller}").into_bytes()
}

fn owner_key(id: &str) -> Vec<u8> {
    let id: String = id.chars().take(64).collect();
    format!("auth/passkey-owner/{id}").into_bytes()
}
