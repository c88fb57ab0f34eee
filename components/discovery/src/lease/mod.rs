//! Leases: how long a world is shown without being heard of.
//!
//! A world whose record has `lease_s` has to be heard of that often. Its heartbeat is its
//! live state, signed with its own key or its operator's. A world without a lease may send
//! live states too; it ends with its record.
//!
//! A heartbeat writes the lease and nothing else: the world's place in the queue of the
//! [`sweep`] stays where it is, and moves when the sweep comes to it.

pub mod guard;
pub mod sweep;

use crate::changes::Kind;
use crate::commit::{self, ATTEMPTS_MAX, Commit, contended, read};
use crate::error::DiscoveryError;
use crate::live::{LIVE_TYPE, Live};
use crate::record::Record;
use crate::registry::World;
use crate::registry::error::NamingError;
use crate::registry::holder::Holder;
use crate::registry::transition::{self, After, Reason, Seen};
use crate::{index, keys};
use serde::{Deserialize, Serialize};
use vwp_core::directory::{self, Operator};
use vwp_core::jose::{Jwk, Unverified};
use vwp_core::name::WorldName;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Entry, Version};

/// How long a world is served and said to be stale after its lease has ended, in
/// milliseconds, so that the guard sees how many end at once before the first is evicted.
pub const GRACE_MS: u64 = 10_000;

/// When a served world ends, and what it last said. All times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// When the sweep looks at the world next.
    pub due: u64,
    /// When the lease ends; none if the world has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<u64>,
    /// When the world may be evicted, once its lease has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lapsing: Option<u64>,
    /// The sequence number of the last live state.
    #[serde(default)]
    pub seq: u64,
    /// The last live state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Statement>,
    /// The operator who holds the name now, if that is not the one who signed the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transferred_to: Option<String>,
}

/// A live state with its proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// What the world said.
    #[serde(flatten)]
    pub fields: Live,
    /// The signed statement.
    pub signed: String,
}

/// What a heartbeat did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Heartbeat {
    /// The world's name.
    pub name: String,
    /// The live state's sequence number.
    pub seq: u64,
    /// When the lease ends, in seconds; none if the world has none.
    pub lease_ends_at: Option<u64>,
    /// Whether the world had lapsed and is served again.
    pub is_revived: bool,
    /// The commit that made it durable.
    pub version: Version,
}

impl Lease {
    /// The lease of a world that was heard of now.
    pub(crate) fn new(record: &Record, now: u64, seq: u64) -> Self {
        let ends = record.lease_s.map(|lease_s| now.saturating_add(u64::from(lease_s) * 1000));
        let due = ends.unwrap_or(u64::MAX).min(expiry(record));
        Self { due, ends, lapsing: None, seq, live: None, transferred_to: None }
    }

    /// Whether the lease has ended, and the world is served only for the time being.
    pub fn is_stale(&self, now: u64) -> bool {
        self.ends.is_some_and(|ends| ends <= now)
    }

    /// What the world says of itself now.
    pub fn live_at(&self, now: u64) -> Option<&Statement> {
        self.live.as_ref().filter(|live| live.fields.exp.saturating_mul(1000) > now)
    }
}

/// When a record ends, in milliseconds.
pub(crate) fn expiry(record: &Record) -> u64 {
    record.exp.saturating_mul(1000)
}

/// Takes a live state: renews the world's lease, and revives a world that has lapsed.
pub async fn heartbeat<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    name: &WorldName,
    compact: &str,
) -> Result<Heartbeat, Problem> {
    for _ in 0..ATTEMPTS_MAX {
        let seen = Seen::read(store, name).await?;
        let world = living(&seen, environment).ok_or_else(|| {
            Problem::not_found(format!("no world is registered as {name}, or its record has ended"))
        })?;
        let keys = signers(store, name, world, compact).await?;
        let live = Live::verify(compact, name, &keys, environment)?;
        if let Some(repeated) = repeated(&seen, &live, name)? {
            return Ok(repeated);
        }
        let mut lease = Lease::new(&world.fields, environment.now, live.seq);
        let mut commit = Commit::default();
        let users = live.users;
        lease.live = Some(Statement { fields: live, signed: compact.to_owned() });
        let is_revived = seen.world.is_none();
        if let (Some(before), false) = (&seen.lease, is_revived) {
            lease.transferred_to.clone_from(&before.transferred_to);
            if before.lapsing.is_none() {
                // The sweep finds the world where it is, sees the lease, and moves it.
                lease.due = before.due.min(lease.due);
            }
            seen.require_lease(name, &mut commit);
            commit.put(keys::lease(name), &lease)?;
            transition::queue(name, Some(before), Some(&lease), &mut commit);
            commit.extend(index::observe(store, environment, world, users).await?);
        } else {
            commit.tell(&transition::change(Kind::Revived, world, environment))?;
            let after = After::Served(world.clone(), lease.clone());
            transition::stage(store, environment, name, &seen, &after, &mut commit).await?;
        }
        if let Some(version) = commit.apply(store).await? {
            let seconds = |ms: u64| ms / 1000;
            return Ok(Heartbeat {
                name: name.to_string(),
                seq: lease.seq,
                lease_ends_at: lease.ends.map(seconds),
                is_revived,
                version,
            });
        }
    }
    Err(contended())
}

/// Which of these worlds say that they take further users now.
pub async fn accepting<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    worlds: &[World],
) -> Result<Vec<bool>, Problem> {
    let wanted: Vec<_> = worlds.iter().map(|world| keys::lease_text(&world.fields.name)).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let is_accepting = |entry: &Option<Entry>| {
        let lease: Option<Lease> = read(entry.as_ref())?;
        Ok(lease
            .is_some_and(|lease| lease.live_at(environment.now).is_some_and(|live| live.fields.accepting)))
    };
    store.get_many(&wanted).await?.iter().map(is_accepting).collect()
}

/// The world that a heartbeat is about: one that is served, or one that has lapsed; in both
/// cases only while its record lasts.
fn living<'a>(seen: &'a Seen, environment: &Environment<'_>) -> Option<&'a World> {
    let lapsed = seen.ended.as_ref().filter(|ended| ended.reason == Reason::Lapsed);
    let world = seen.world.as_ref().or(lapsed.map(|ended| &ended.world))?;
    (expiry(&world.fields) > environment.now).then_some(world)
}

/// The keys that may speak for a world: its own, and those of whoever holds the name.
async fn signers<S: Kv>(
    store: &S,
    name: &WorldName,
    world: &World,
    compact: &str,
) -> Result<Vec<Jwk>, Problem> {
    let kid = Unverified::parse(compact, LIVE_TYPE)?.header.kid;
    if let Some(own) = &world.fields.live_key
        && kid == Some(own.thumbprint())
    {
        return Ok(vec![own.clone()]);
    }
    let holder: Holder =
        read(store.get(&keys::holder(name)).await?.as_ref())?.ok_or_else(Problem::internal)?;
    if kid.as_ref() != Some(&holder.operator) {
        return Err(NamingError::NotSpeaker.into());
    }
    let operator = store.get(&directory::operator_key(&holder.operator)).await?;
    Ok(commit::read::<Operator>(operator.as_ref())?.map(|operator| operator.keys).unwrap_or_default())
}

/// A state that came before is answered as it was then; an older one is refused.
fn repeated(seen: &Seen, live: &Live, name: &WorldName) -> Result<Option<Heartbeat>, Problem> {
    let last = seen.live_seq();
    if live.seq > last {
        return Ok(None);
    }
    match &seen.lease {
        Some(lease) if live.seq == last && lease.live.as_ref().is_some_and(|known| known.fields == *live) => {
            Ok(Some(Heartbeat {
                name: name.to_string(),
                seq: last,
                lease_ends_at: lease.ends.map(|ms| ms / 1000),
                is_revived: false,
                version: seen.lease_version(),
            }))
        }
        _ => Err(DiscoveryError::RecordReplayed { registered: last }.into()),
    }
}
