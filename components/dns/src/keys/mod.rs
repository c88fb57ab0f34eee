//! The zone's keys: made on first use, sealed at rest, rolled over (RFC 6781, RFC 7583).
//!
//! All keys of a zone are one record, and the commit that changes it also changes the apex's
//! sets that follow from it. Every commit that signs requires that record to be unchanged, so
//! that from the moment that a key retires nothing is signed with it.

mod records;
mod ring;
mod signer;

pub(crate) use ring::Ring;
pub(crate) use signer::full_signer;
pub use signer::{Signer, signer};

use crate::edit::{self, Plan};
use crate::error::DnsError;
use crate::publish;
use crate::zone::{Policy, Zone};
use ring::{KEYS_MAX, StoredKey};
use serde::{Deserialize, Serialize};
use vwp_core::seal;
use vwp_core::{Environment, jose};
use vwp_storage::Kv;
use vwp_storage::kv::{Entry, Write};

/// How often a change is tried when others change the same things.
const ATTEMPTS_MAX: usize = 16;

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The set of keys (RFC 6781, section 3.1).
    Ksk,
    /// The rest of the zone.
    Zsk,
    /// Both.
    Csk,
}

impl Role {
    /// Whether it signs the set of keys, and the parent names it.
    pub fn signs_keys(self) -> bool {
        self != Self::Zsk
    }

    /// Whether it signs the zone.
    pub fn signs_zone(self) -> bool {
        self != Self::Ksk
    }
}

/// What a key is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It waits until every resolver may know it.
    Published,
    /// It has a duty.
    Active,
    /// It waits until no resolver may need it.
    Retired,
}

/// A key without its private part. Times are in seconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyInfo {
    /// The key's tag (RFC 4034, appendix B).
    pub tag: u16,
    /// What it signs.
    pub role: Role,
    /// What it is at.
    pub state: State,
    /// Since when it is among the zone's keys.
    pub published_at: u64,
    /// Since when it signs the zone.
    pub active_at: Option<u64>,
    /// Since when it no longer signs the zone.
    pub retired_at: Option<u64>,
    /// Since when the parent is asked to name it.
    pub announced_at: Option<u64>,
    /// Since when the parent names another one instead.
    pub superseded_at: Option<u64>,
    /// The data of its DNSKEY record, as in a master file.
    pub dnskey: String,
    /// The data of the DS record that the parent names it by; none if the parent does not.
    pub ds: Option<String>,
}

/// The zone's keys, the oldest first; none before the first use.
pub async fn list<S: Kv>(store: &S, zone: &Zone) -> Result<Vec<KeyInfo>, DnsError> {
    let Some(entry) = store.get(zone.keys().as_bytes()).await? else {
        return Ok(Vec::new());
    };
    let info = |key: &StoredKey| {
        let ds = if key.role.signs_keys() { Some(key.ds(zone.apex())?.to_string()) } else { None };
        Ok(KeyInfo {
            tag: key.tag,
            role: key.role,
            state: key.state(),
            published_at: key.published_s,
            active_at: key.active_s,
            retired_at: key.retired_s,
            announced_at: key.announced_s,
            superseded_at: key.superseded_s,
            dnskey: key.dnskey()?.to_string(),
            ds,
        })
    };
    Ring::decode(&entry)?.keys.iter().map(info).collect()
}

/// Starts the rollover of a role by hand. Returns the new key.
pub async fn roll<S: Kv>(
    store: &S,
    zone: &Zone,
    policy: &Policy,
    environment: &Environment<'_>,
    role: Role,
) -> Result<KeyInfo, DnsError> {
    let mut tag = None;
    change(store, zone, policy, environment, |ring| {
        if !Role::of_scheme(policy.scheme).contains(&role) {
            return Err(DnsError::Refused("the zone is not signed with a key of this role".into()));
        }
        if ring.is_rolling(role) || ring.keys.len() >= KEYS_MAX {
            return Err(DnsError::Refused("a rollover of this role is under way".into()));
        }
        tag = Some(ring.add(zone, role, environment)?);
        Ok(Plan::default())
    })
    .await?;
    let keys = list(store, zone).await?;
    keys.into_iter().find(|key| Some(key.tag) == tag).ok_or(DnsError::Conflict)
}

/// Notes that the parent was seen to name a key, so that those before it may leave.
pub async fn ds_seen<S: Kv>(
    store: &S,
    zone: &Zone,
    policy: &Policy,
    environment: &Environment<'_>,
    tag: u16,
) -> Result<(), DnsError> {
    change(store, zone, policy, environment, |ring| {
        if ring.note_ds(tag, environment.now_seconds()) {
            Ok(Plan::default())
        } else {
            Err(DnsError::Refused("the zone has no key of this tag that its parent could name".into()))
        }
    })
    .await
}

/// Takes every step of the keys' lives that is due, and makes the apex what keys and policy say.
pub(crate) async fn advance<S: Kv>(
    store: &S,
    zone: &Zone,
    policy: &Policy,
    environment: &Environment<'_>,
) -> Result<(), DnsError> {
    let now_s = environment.now_seconds();
    change(store, zone, policy, environment, |ring| {
        ring.reseal(zone, environment)?;
        let advance = ring.advance(policy, now_s);
        for role in advance.wanted {
            ring.add(zone, role, environment)?;
        }
        let mut plan = Plan::default();
        if advance.is_handed_over {
            // What was signed with the key before is signed anew, from the beginning.
            plan.writes.push(Write::delete(zone.sweep()));
        }
        Ok(plan)
    })
    .await
}

/// Changes the ring and the apex in one commit; nothing is written if nothing changes.
async fn change<S: Kv>(
    store: &S,
    zone: &Zone,
    policy: &Policy,
    environment: &Environment<'_>,
    mut step: impl FnMut(&mut Ring) -> Result<Plan, DnsError>,
) -> Result<(), DnsError> {
    for _ in 0..ATTEMPTS_MAX {
        let (before, entry) = stored(store, zone, policy, environment).await?;
        let mut ring = before.clone();
        let mut plan = step(&mut ring)?;
        let signer = ring.signer(zone, Some(entry.version), true, environment)?;
        let apex = publish::apex_sets(zone, policy, Some(&ring))?;
        plan.extend(
            edit::plan_apex(store, zone, policy, Some(&signer), apex, environment.now_seconds()).await?,
        );
        if ring != before {
            plan.writes.push(Write::put(zone.keys(), ring.encode()?));
        }
        match plan.commit(store).await {
            Err(DnsError::Conflict) => {}
            outcome => return outcome.map(|_| ()),
        }
    }
    Err(DnsError::Conflict)
}

/// The ring as it is stored; the zone is made if there is none.
async fn stored<S: Kv>(
    store: &S,
    zone: &Zone,
    policy: &Policy,
    environment: &Environment<'_>,
) -> Result<(Ring, Entry), DnsError> {
    for _ in 0..ATTEMPTS_MAX {
        if let Some(entry) = store.get(zone.keys().as_bytes()).await? {
            return Ok((Ring::decode(&entry)?, entry));
        }
        publish::create(store, zone, policy, environment).await?;
    }
    Err(DnsError::Conflict)
}

impl Ring {
    /// The keys of a new zone, which sign from the beginning: nobody knows another one.
    pub(crate) fn new(zone: &Zone, policy: &Policy, environment: &Environment<'_>) -> Result<Self, DnsError> {
        let mut ring = Self::default();
        for &role in Role::of_scheme(policy.scheme) {
            ring.add(zone, role, environment)?;
        }
        let now_s = environment.now_seconds();
        for key in &mut ring.keys {
            key.active_s = key.role.signs_zone().then_some(now_s);
            key.announced_s = key.role.signs_keys().then_some(now_s);
        }
        Ok(ring)
    }

    pub(crate) fn decode(entry: &Entry) -> Result<Self, DnsError> {
        serde_json::from_slice(&entry.value).map_err(|_| DnsError::Corrupt("a zone's keys"))
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, DnsError> {
        serde_json::to_vec(self).map_err(|_| DnsError::Corrupt("a zone's keys"))
    }

    /// Makes a key and publishes it. Returns its tag, which no other key of the zone has.
    fn add(&mut self, zone: &Zone, role: Role, environment: &Environment<'_>) -> Result<u16, DnsError> {
        loop {
            let private = jose::generate_key(environment.random);
            let point = private.verifying_key().to_sec1_point(false);
            // RFC 6605, section 4: x and y, without the byte that says so.
            let public = point.as_bytes().get(1..).unwrap_or_default().to_vec();
            let tag = records::dnskey(role, public.clone())?.key_tag();
            if self.keys.iter().any(|key| key.tag == tag) {
                continue;
            }
            let public = jose::encode(public);
            let purpose = signer::purpose(zone, &public);
            let sealed = seal::seal(&purpose, &private.to_bytes(), environment).map_err(DnsError::Keys)?;
            self.keys.push(StoredKey {
                tag,
                role,
                public,
                sealed,
                published_s: environment.now_seconds(),
                announced_s: None,
                superseded_s: None,
                active_s: None,
                retired_s: None,
                clean_s: None,
            });
            return Ok(tag);
        }
    }
}
