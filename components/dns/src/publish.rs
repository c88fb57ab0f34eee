//! The head of a zone: the serial number that secondaries see.
//!
//! Commits do not touch it. A new serial number covers everything up to the last commit in the
//! journal, so that any number of commits share one; secondaries are told of a moment of the
//! zone, not of each commit.

use crate::edit;
use crate::error::DnsError;
use crate::journal;
use crate::keys::{self, Ring};
use crate::name::{OrderedName, OwnName};
use crate::node::{Reader, Set};
use crate::zone::{Policy, Zone};
use domain::base::iana::Rtype as Type;
use domain::base::{Name, Serial, Ttl};
use domain::rdata::{Ns, Soa};
use std::cmp::Ordering;
use vwp_core::Environment;
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Entry, Outcome, Version, Write};

/// The first byte of every encoded head: the version of this format.
const FORMAT: u8 = 1;
/// How often a change is tried when others change the head at the same time.
const ATTEMPTS_MAX: usize = 16;

/// What is published under a serial number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The serial number, in the circle of RFC 1982.
    pub serial: u32,
    /// The last commit that it covers.
    pub version: Version,
    /// When it was published, in milliseconds since the Unix epoch.
    pub published_at: u64,
    /// The start of authority with its signatures.
    pub soa: Set,
}

impl Head {
    /// Reads a stored head; none if it is something else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&[FORMAT])?;
        let (serial, rest) = rest.split_first_chunk()?;
        let (version, rest) = rest.split_first_chunk()?;
        let (published_at, rest) = rest.split_first_chunk()?;
        let mut reader = Reader(rest);
        let soa = Set::decode(&mut reader)?;
        reader.0.is_empty().then_some(Self {
            serial: u32::from_be_bytes(*serial),
            version: Version::from_be_bytes(*version),
            published_at: u64::from_be_bytes(*published_at),
            soa,
        })
    }

    /// The head as one value of the store.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        bytes.extend(self.serial.to_be_bytes());
        bytes.extend(self.version.to_be_bytes());
        bytes.extend(self.published_at.to_be_bytes());
        self.soa.encode(&mut bytes);
        bytes
    }

    fn read(entry: &Entry) -> Result<Self, DnsError> {
        Self::decode(&entry.value).ok_or(DnsError::Corrupt("the head of a zone"))
    }
}

/// What is published now; none if the zone was never made.
pub async fn head<S: Kv>(store: &S, zone: &Zone) -> Result<Option<Head>, DnsError> {
    store.get(&zone.head()).await?.map(|entry| Head::read(&entry)).transpose()
}

/// Gives the zone a new serial number if it changed since the last one and that is long
/// enough ago; makes the zone if there is none. Returns the head that is then current.
pub async fn publish<S: Kv>(
    store: &S,
    zone: &Zone,
    policy: &Policy,
    environment: &Environment<'_>,
) -> Result<Head, DnsError> {
    publish_if(store, zone, policy, environment, |_| false).await
}

/// The same, and also gives a new one if the last one needs it for another reason.
pub(crate) async fn publish_if<S: Kv>(
    store: &S,
    zone: &Zone,
    policy: &Policy,
    environment: &Environment<'_>,
    needs: impl Fn(&Head) -> bool,
) -> Result<Head, DnsError> {
    for _ in 0..ATTEMPTS_MAX {
        let entry = store.get(&zone.head()).await?;
        let before = entry.as_ref().map(Head::read).transpose()?;
        let latest = journal::latest(store, zone).await?;
        let Some(version) = latest.or(before.as_ref().map(|head| head.version)) else {
            create(store, zone, policy, environment).await?;
            continue;
        };
        if let Some(head) = &before {
            // A clock that was put back does not hold up what is new.
            let is_due = environment.now.abs_diff(head.published_at) >= policy.publish_every_ms;
            if !(version > head.version && is_due || needs(head)) {
                return Ok(head.clone());
            }
        }
        let serial = next_serial(before.as_ref(), environment.now_seconds());
        let version = before.map_or(version, |head| head.version.max(version));
        let mut head = Head { serial, version, published_at: environment.now, soa: soa(policy, serial)? };
        let mut checks = vec![Check::unchanged(zone.head(), entry.as_ref())];
        if policy.is_signed {
            let signer = keys::signer(store, zone, policy, environment).await?;
            signer.sign(&mut head.soa, zone.apex(), zone, policy, environment.now_seconds());
            checks.push(signer.check().clone());
        }
        let bytes = head.encode();
        let writes = [Write::put(zone.head(), bytes.clone()), Write::put(zone.published(serial), bytes)];
        if let Outcome::Committed(_) = store.commit(&checks, &writes).await? {
            return Ok(head);
        }
    }
    Err(DnsError::Conflict)
}

/// Makes the zone: its keys and its apex, in one commit. Does nothing if it is there.
pub(crate) async fn create<S: Kv>(
    store: &S,
    zone: &Zone,
    policy: &Policy,
    environment: &Environment<'_>,
) -> Result<(), DnsError> {
    let seen = store.get_many(&[zone.node(&OrderedName::apex()), zone.keys().into_bytes()]).await?;
    match seen.as_slice() {
        [None, None] => {}
        [Some(_), None] if policy.is_signed => return Err(DnsError::Corrupt("a zone's keys")),
        // It was made meanwhile.
        _ => return Ok(()),
    }
    let ring = if policy.is_signed { Some(Ring::new(zone, policy, environment)?) } else { None };
    let signer = ring.as_ref().map(|ring| ring.signer(zone, None, true, environment)).transpose()?;
    let sets = apex_sets(zone, policy, ring.as_ref())?;
    let mut plan =
        edit::plan_apex(store, zone, policy, signer.as_ref(), sets, environment.now_seconds()).await?;
    if let Some(ring) = ring {
        plan.writes.push(Write::put(zone.keys(), ring.encode()?));
    }
    match plan.commit(store).await {
        // Somebody else has made it.
        Err(DnsError::Conflict) | Ok(_) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The sets that the apex has because of the policy and the keys.
pub(crate) fn apex_sets(zone: &Zone, policy: &Policy, ring: Option<&Ring>) -> Result<Vec<Set>, DnsError> {
    let names: Vec<Ns<OwnName>> = policy.nameservers.iter().cloned().map(Ns::new).collect();
    // RFC 9432, section 4.1: a zone that nobody asks still has a name server.
    let names = if names.is_empty() { vec![Ns::new(nobody())] } else { names };
    let mut sets = vec![Set::from_records(Type::NS, Ttl::from_secs(policy.apex_ttl_s), &names)?];
    if let Some(ring) = ring {
        sets.extend(ring.sets(zone.apex(), policy)?);
    }
    Ok(sets)
}

/// The start of authority (RFC 1035, section 3.3.13), without signatures.
pub(crate) fn soa(policy: &Policy, serial: u32) -> Result<Set, DnsError> {
    let primary = policy.nameservers.first().cloned().unwrap_or_else(nobody);
    let [refresh, retry, expire] = policy.secondary_times_s.map(Ttl::from_secs);
    let minimum = Ttl::from_secs(policy.negative_ttl_s);
    let soa = Soa::new(primary, policy.contact.clone(), Serial(serial), refresh, retry, expire, minimum);
    Set::from_records(Type::SOA, Ttl::from_secs(policy.apex_ttl_s), [&soa])
}

fn nobody() -> OwnName {
    Name::vec_from_str("invalid").unwrap_or_else(|_| Name::root_vec())
}

/// The next serial number: the time, or one more than the last, whichever is later. So a zone
/// that is made again, or restored, goes on where secondaries have come to.
fn next_serial(before: Option<&Head>, now_s: u64) -> u32 {
    let now = u32::try_from(now_s & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    let next = match before {
        Some(head) if Serial(now).partial_cmp(&Serial(head.serial)) != Some(Ordering::Greater) => {
            head.serial.wrapping_add(1)
        }
        _ => now,
    };
    // Some secondaries take 0 for no serial number.
    next.max(1)
}
