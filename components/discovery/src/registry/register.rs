//! Registering a world, or replacing its record by a newer one.

use super::holder::{Claim, Holder};
use super::receipt::receipt;
use super::transition::{self, After, Seen};
use super::{World, fqdn};
use crate::changes::Kind;
use crate::commit::{ATTEMPTS_MAX, Commit, contended, read};
use crate::control::{self, Proof};
use crate::delegation::Delegation;
use crate::error::DiscoveryError;
use crate::lease::Lease;
use crate::operators::{Signed, identify};
use crate::record::{RECORD_LENGTH_MAX, RECORD_TYPE, Record};
use crate::registry::error::NamingError;
use crate::{confusables, keys};
use http::StatusCode;
use serde::Serialize;
use vwp_core::directory;
use vwp_core::jose::Unverified;
use vwp_core::name::WorldName;
use vwp_core::outbound::Outbound;
use vwp_core::{Environment, Problem, keyring, reply};
use vwp_storage::Kv;
use vwp_storage::kv::{Entry, Key, Version};

/// What a registration did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Registration {
    /// The world's name: an A-label, or a domain of them.
    pub name: String,
    /// The world's name in DNS, without a final dot.
    pub fqdn: String,
    /// The operator's id.
    pub operator: String,
    /// The record's sequence number.
    pub seq: u64,
    /// The commit that made the record durable.
    pub version: Version,
    /// When the record ends, in seconds.
    pub expires_at: u64,
    /// When the lease ends, in seconds; none if the record has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_ends_at: Option<u64>,
    /// The port's signed proof of the registration.
    pub receipt: String,
    /// Whether the name was not registered before.
    #[serde(skip)]
    pub is_new: bool,
}

impl Registration {
    /// 201 if the name is new, 200 if its record was replaced.
    pub fn status(&self) -> StatusCode {
        if self.is_new { StatusCode::CREATED } else { StatusCode::OK }
    }
}

/// Registers a world from a signed record, or replaces its record by a newer one.
pub async fn register<S: Kv, O: Outbound>(
    store: &S,
    outbound: &O,
    environment: &Environment<'_>,
    compact: &str,
) -> Result<Registration, Problem> {
    if compact.len() > RECORD_LENGTH_MAX {
        return Err(reply::too_large(RECORD_LENGTH_MAX));
    }
    let token = Unverified::parse(compact, RECORD_TYPE)?;
    let mut proof = None;
    for _ in 0..ATTEMPTS_MAX {
        let signed = identify(store, &token).await?;
        let (name, fields) = Record::parse(&signed.payload, environment)?;
        let world = World { operator: signed.id.clone(), fields, record: compact.to_owned() };
        // The key is made before the commit, so that nothing can fail after it.
        let receipts = keyring::active(store, keys::ZONE_KEYRING, environment, |_| Vec::new()).await?;
        let mut claimed = Claimed::read(store, &name, &world).await?;
        let is_new = claimed.admit(store, &name, &world, environment).await?;
        if claimed.needs_proof(&name) && proof.is_none() {
            proof = Some(control::prove(outbound, environment, &name, &signed.id).await?);
        }
        let seen = Seen::read(store, &name).await?;
        let lease = Lease::new(&world.fields, environment.now, seen.live_seq());
        let lease_ends_at = lease.ends.map(|ms| ms / 1000);
        let mut commit = Commit::default();
        claimed.stage(&name, &world, &signed, proof, &mut commit)?;
        let kind = if seen.world.is_none() { Kind::Registered } else { Kind::Updated };
        commit.tell(&transition::change(kind, &world, environment))?;
        let after = After::Served(world.clone(), lease);
        transition::stage(store, environment, &name, &seen, &after, &mut commit).await?;
        if let Some(version) = commit.apply(store).await? {
            return Ok(Registration {
                fqdn: fqdn(&world.fields.name, environment),
                name: world.fields.name.clone(),
                operator: signed.id,
                seq: world.fields.seq,
                version,
                expires_at: world.fields.exp,
                lease_ends_at,
                receipt: receipt(&world, version, &receipts, environment),
                is_new,
            });
        }
    }
    Err(contended())
}

/// What others may have of what a registration wants.
struct Claimed {
    keys: Vec<Key>,
    entries: Vec<Option<Entry>>,
    /// The holder that the operator already is.
    own: Option<Holder>,
    /// Whose assets are named after the world, if the name was another operator's before.
    assets_of: Option<String>,
}

impl Claimed {
    const HOLDER: usize = 0;
    const UUID: usize = 1;
    const SKELETON: usize = 2;
    const DELEGATION: usize = 3;

    async fn read<S: Kv>(store: &S, name: &WorldName, world: &World) -> Result<Self, Problem> {
        let mut keys = vec![keys::holder(name), keys::uuid(&world.fields.uuid.to_string())];
        // A domain has no neighbours here that it could be taken for, and no place in the zone.
        if !name.is_domain() {
            keys.push(keys::skeleton(&confusables::skeleton(name)));
            keys.push(keys::delegation(name));
        }
        let entries = store.get_many(&keys).await?;
        Ok(Self { keys, entries, own: None, assets_of: None })
    }

    fn entry(&self, index: usize) -> Option<&Entry> {
        self.entries.get(index)?.as_ref()
    }

    /// Whether the operator may have the name, and with this record. Says whether the name is
    /// new to the operator.
    async fn admit<S: Kv>(
        &mut self,
        store: &S,
        name: &WorldName,
        world: &World,
        environment: &Environment<'_>,
    ) -> Result<bool, Problem> {
        let now_s = environment.now_seconds();
        if let Some(delegation) = read::<Delegation>(self.entry(Self::DELEGATION))? {
            return Err(NamingError::NameDelegated { url: delegation.url }.into());
        }
        if let Some(holder) = read::<Holder>(self.entry(Self::HOLDER))? {
            if holder.excludes(&world.operator, now_s) {
                return Err(DiscoveryError::NameTaken.into());
            }
            if holder.operator == world.operator {
                if world.fields.seq <= holder.seq {
                    return Err(DiscoveryError::RecordReplayed { registered: holder.seq }.into());
                }
                if !holder.uuid.is_empty() && holder.uuid != world.fields.uuid.to_string() {
                    return Err(NamingError::UuidChanged { registered: holder.uuid }.into());
                }
                self.assets_of.clone_from(&holder.assets_of);
                self.own = Some(holder);
            } else {
                let before = holder.assets_of.unwrap_or(holder.operator);
                self.assets_of = Some(before).filter(|before| *before != world.operator);
            }
        }
        for (index, refusal) in
            [(Self::UUID, NamingError::UuidTaken), (Self::SKELETON, NamingError::NameConfusable)]
        {
            if let Some(claim) = read::<Claim>(self.entry(index))?
                && claim.operator != world.operator
                && claim.name != name.as_str()
                && is_held(store, &claim, now_s).await?
            {
                return Err(refusal.into());
            }
        }
        Ok(self.own.is_none())
    }

    /// Whether the operator has yet to prove that the name is its own.
    fn needs_proof(&self, name: &WorldName) -> bool {
        name.is_domain() && self.own.as_ref().is_none_or(|holder| holder.proof.is_none())
    }

    /// The holder's version is the check that lets one of two racing registrations win: each of
    /// them writes it.
    fn stage(
        &self,
        name: &WorldName,
        world: &World,
        signed: &Signed,
        proof: Option<Proof>,
        commit: &mut Commit,
    ) -> Result<(), Problem> {
        for (key, entry) in self.keys.iter().zip(&self.entries) {
            commit.require(key.clone(), entry.as_ref());
        }
        let operator_key = directory::operator_key(&signed.id);
        commit.require(operator_key.clone(), signed.entry.as_ref());
        if signed.entry.is_none() {
            commit.put(operator_key, &signed.operator)?;
        }
        let own = self.own.as_ref();
        let holder = Holder {
            operator: signed.id.clone(),
            seq: world.fields.seq,
            uuid: world.fields.uuid.to_string(),
            proof: own.and_then(|holder| holder.proof).or(proof),
            withdrawn_at: None,
            offer: own.and_then(|holder| holder.offer.clone()),
            assets_of: self.assets_of.clone(),
        };
        commit.put(keys::holder(name), &holder)?;
        if own.is_none() {
            let (operator, assets_of) = (signed.id.clone(), self.assets_of.clone());
            commit.put(directory::world_key(name), &directory::World { operator, assets_of })?;
        }
        let claim = Claim { operator: signed.id.clone(), name: name.to_string() };
        for index in [Self::UUID, Self::SKELETON] {
            let known: Option<Claim> = read(self.entry(index))?;
            // The first name keeps it when the same operator has several.
            if let Some(key) = self.keys.get(index)
                && known.is_none_or(|known| known.operator != claim.operator)
            {
                commit.put(key.clone(), &claim)?;
            }
        }
        Ok(())
    }
}

/// Whether a claim still stands: as long as its name is held by whoever made it.
async fn is_held<S: Kv>(store: &S, claim: &Claim, now_s: u64) -> Result<bool, Problem> {
    let holder: Option<Holder> = read(store.get(&keys::holder_text(&claim.name)).await?.as_ref())?;
    Ok(holder.is_some_and(|holder| holder.operator == claim.operator && !holder.is_free(now_s)))
}
