//! The registry of worlds.
//!
//! A registration is one commit. It holds the world, who holds its name, what the directory
//! says of it, its records in DNS, its place in the search index and in the sweep's queue:
//! so no reader ever sees one of them without the others.
//!
//! Two records of a name live side by side. The *world* is what lookups, searches and DNS
//! answers read, and goes when its record or its lease ends, or it is withdrawn. The
//! *holder* says who holds the name and the last sequence number, and never goes, so that a
//! name is not free again when its world ends (assets are named after worlds, and what
//! `gold@arena` means must not change hands), and an old record stays a replay for ever.
//!
//! - [`register`]: registering a world, or replacing its record.
//! - [`holder`]: who holds a name.
//! - [`act`]: withdrawing a world, and handing a name over.
//! - [`transition`]: what a commit about a world has to contain.
//! - [`receipt`]: the port's proof of a registration.

mod act;
pub mod error;
pub mod holder;
pub mod receipt;
mod register;
pub(crate) mod transition;

pub(crate) use act::{Acting, act};
pub use receipt::{RECEIPT_TYPE, ReceiptClaims};
pub use register::{Registration, register};

use crate::commit::read;
use crate::keys;
use crate::lease::{Lease, Statement};
use crate::record::Record;
use serde::{Deserialize, Serialize};
use vwp_core::name::WorldName;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Entry, Version};

/// A world as registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct World {
    /// The id of the operator who signed the record.
    pub operator: String,
    /// What the operator said, with names in the form that DNS carries.
    pub fields: Record,
    /// The signed record itself, so that anybody can verify it.
    pub record: String,
}

/// A world with what changes more often than its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The world.
    pub world: World,
    /// The commit that registered its record.
    pub version: Version,
    /// The last commit of all that is shown.
    pub shown_version: Version,
    /// When its lease ends, in seconds, if it has one.
    pub lease_ends_at: Option<u64>,
    /// Whether its lease has ended, and it is served only for the time being.
    pub is_stale: bool,
    /// What the world says of itself now.
    pub live: Option<Statement>,
    /// The operator who holds the name now, if that is not the one who signed the record.
    pub transferred_to: Option<String>,
}

/// The world of a name, if it is registered and its record has not ended.
pub async fn lookup<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    name: &WorldName,
) -> Result<Option<World>, Problem> {
    let entry = store.get(&keys::world(name)).await?;
    entry.map_or(Ok(None), |entry| read_world(&entry, environment))
}

/// The same, with what changes more often.
pub async fn show<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    name: &WorldName,
) -> Result<Option<Shown>, Problem> {
    let entries = store.get_many(&[keys::world(name), keys::lease(name)]).await?;
    let [Some(entry), lease] = entries.as_slice() else {
        return Ok(None);
    };
    let Some(world) = read_world(entry, environment)? else {
        return Ok(None);
    };
    let shown_version = lease.as_ref().map_or(0, |lease| lease.version).max(entry.version);
    let lease: Option<Lease> = read(lease.as_ref())?;
    let lease = lease.as_ref();
    Ok(Some(Shown {
        world,
        version: entry.version,
        shown_version,
        lease_ends_at: lease.and_then(|lease| lease.ends).map(|ms| ms / 1000),
        is_stale: lease.is_some_and(|lease| lease.is_stale(environment.now)),
        live: lease.and_then(|lease| lease.live_at(environment.now)).cloned(),
        transferred_to: lease.and_then(|lease| lease.transferred_to.clone()),
    }))
}

/// Reads a stored world; none if its record has ended.
pub(crate) fn read_world(entry: &Entry, environment: &Environment<'_>) -> Result<Option<World>, Problem> {
    let world: World = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    Ok((world.fields.exp > environment.now_seconds()).then_some(world))
}

/// A world's name in DNS, without a final dot.
pub fn fqdn(name: &str, environment: &Environment<'_>) -> String {
    if name.contains('.') { name.to_owned() } else { format!("{name}.{}", environment.settings.zone) }
}
