//! The private keys that sign, opened for one commit.

use super::ring::{Ring, StoredKey};
use super::stored;
use crate::error::DnsError;
use crate::name::OwnName;
use crate::node::Set;
use crate::sign::{self, ZoneKey};
use crate::zone::{Policy, Zone};
use domain::base::Rtype;
use domain::base::iana::Rtype as Type;
use p256::ecdsa::SigningKey;
use vwp_core::{Environment, seal};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Version};

/// The private keys that sign now.
pub struct Signer {
    zone: ZoneKey,
    /// What signs the set of keys. Opened only where that set is signed.
    keys: Vec<ZoneKey>,
    /// The record that they are from.
    check: Check,
}

impl Signer {
    /// Signs a set with the keys that its type asks for: replaces its signatures.
    pub fn sign(&self, set: &mut Set, owner: &OwnName, zone: &Zone, policy: &Policy, now_s: u64) {
        sign::sign(set, owner, zone.apex(), policy, &self.keys_for(set.rtype), now_s);
    }

    /// What a commit with signatures of these keys has to require.
    pub fn check(&self) -> &Check {
        &self.check
    }

    /// The tags of the keys that sign a set.
    pub(crate) fn tags(&self, set: &Set) -> Vec<u16> {
        self.keys_for(set.rtype).iter().map(|key| key.tag).collect()
    }

    /// RFC 7344, section 4.1: what asks the parent to name a key is signed by one that it names.
    fn keys_for(&self, rtype: Rtype) -> Vec<&ZoneKey> {
        match rtype {
            Type::DNSKEY | Type::CDS | Type::CDNSKEY if !self.keys.is_empty() => self.keys.iter().collect(),
            _ => vec![&self.zone],
        }
    }
}

/// The key that signs the zone now; the zone is made if there is none. It does not sign what
/// is signed by the keys that the parent names.
pub async fn signer<S: Kv>(
    store: &S,
    zone: &Zone,
    policy: &Policy,
    environment: &Environment<'_>,
) -> Result<Signer, DnsError> {
    let (ring, entry) = stored(store, zone, policy, environment).await?;
    ring.signer(zone, Some(entry.version), false, environment)
}

/// The ring, and a signer of everything, the set of keys included.
pub(crate) async fn full_signer<S: Kv>(
    store: &S,
    zone: &Zone,
    policy: &Policy,
    environment: &Environment<'_>,
) -> Result<(Ring, Signer), DnsError> {
    let (ring, entry) = stored(store, zone, policy, environment).await?;
    let signer = ring.signer(zone, Some(entry.version), true, environment)?;
    Ok((ring, signer))
}

impl Ring {
    /// Whether a key is still sealed with the previous master key.
    pub(crate) fn is_stale(&self, environment: &Environment<'_>) -> bool {
        self.keys.iter().any(|key| seal::is_stale(&key.sealed, environment.settings))
    }

    /// Seals with the master key what the previous one sealed.
    pub(super) fn reseal(&mut self, zone: &Zone, environment: &Environment<'_>) -> Result<(), DnsError> {
        for key in &mut self.keys {
            let purpose = purpose(zone, &key.public);
            let sealed = seal::reseal(&purpose, &key.sealed, environment).map_err(DnsError::Keys)?;
            key.sealed = sealed.unwrap_or_else(|| key.sealed.clone());
        }
        Ok(())
    }

    /// The private keys that sign now, if this ring is what the store holds as `version`.
    pub(crate) fn signer(
        &self,
        zone: &Zone,
        version: Option<Version>,
        is_full: bool,
        environment: &Environment<'_>,
    ) -> Result<Signer, DnsError> {
        let open = |key: &StoredKey| {
            let purpose = purpose(zone, &key.public);
            let bytes = seal::unseal(&purpose, &key.sealed, environment).map_err(DnsError::Keys)?;
            let private = SigningKey::from_slice(&bytes).map_err(|_| DnsError::Corrupt("a private key"))?;
            Ok::<_, DnsError>(ZoneKey { tag: key.tag, key: private })
        };
        let zone_key = self.zone_key().ok_or(DnsError::Corrupt("a key that signs"))?;
        let keys = if is_full { self.key_keys().map(open).collect::<Result<_, _>>()? } else { Vec::new() };
        Ok(Signer { zone: open(zone_key)?, keys, check: Check { key: zone.keys().into(), version } })
    }
}

/// What a private key is sealed for: this zone, and the public key that belongs to it.
pub(super) fn purpose(zone: &Zone, public: &str) -> String {
    format!("{}\n{public}", zone.keys())
}
