//! What a commit about a world has to contain so that everything that tells of it agrees:
//! the world itself, its records in DNS, the search index, and its place in the sweep.

use crate::changes::{Change, Kind};
use crate::commit::{Commit, read};
use crate::lease::Lease;
use crate::projection::{self, Contents};
use crate::registry::World;
use crate::{browsing, index, keys, options};
use domain::base::iana::Rtype as Type;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use vwp_core::environment::Settings;
use vwp_core::name::WorldName;
use vwp_core::{Environment, Problem};
use vwp_dns::edit::{self, Edit};
use vwp_dns::name::OrderedName;
use vwp_dns::node::{Node, Set};
use vwp_dns::zone::Zone;
use vwp_dns::zones;
use vwp_storage::Kv;
use vwp_storage::kv::{Direction, Entry, Version, Write};

/// How many names of a subtree are looked at when a world is withdrawn, and how many one
/// commit removes.
const NAMES_PER_COMMIT: u32 = 16;

/// A world that ended by itself. It is kept so that it can come back as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// Why.
    pub(crate) reason: Reason,
    /// When, in milliseconds.
    pub(crate) at: u64,
    /// The sequence number of the last live state.
    pub(crate) seq: u64,
    /// The world as it was.
    pub(crate) world: World,
}

/// Why a world ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reason {
    /// Its record ended.
    Expired,
    /// Its lease ended, and nobody renewed it.
    Lapsed,
}

/// What the store holds about a name.
pub(crate) struct Seen {
    pub(crate) world: Option<World>,
    pub(crate) lease: Option<Lease>,
    pub(crate) ended: Option<Ended>,
    entries: [Option<Entry>; 3],
}

impl Seen {
    pub(crate) async fn read<S: Kv>(store: &S, name: &WorldName) -> Result<Self, Problem> {
        let wanted = [keys::world(name), keys::lease(name), keys::ended(name)];
        let entries = store.get_many(&wanted).await?;
        let entries: [_; 3] = entries.try_into().map_err(|_| Problem::internal())?;
        let [world, lease, ended] = &entries;
        Ok(Self {
            world: read(world.as_ref())?,
            lease: read(lease.as_ref())?,
            ended: read(ended.as_ref())?,
            entries,
        })
    }

    /// Requires that the world's lease is still what was seen.
    pub(crate) fn require_lease(&self, name: &WorldName, commit: &mut Commit) {
        let [_, lease, _] = &self.entries;
        commit.require(keys::lease(name), lease.as_ref());
    }

    /// The commit that wrote the lease.
    pub(crate) fn lease_version(&self) -> Version {
        let [_, lease, _] = &self.entries;
        lease.as_ref().map_or(0, |entry| entry.version)
    }

    /// The sequence number of the last live state.
    pub(crate) fn live_seq(&self) -> u64 {
        let lease = self.lease.as_ref().map(|lease| lease.seq);
        lease.or(self.ended.as_ref().map(|ended| ended.seq)).unwrap_or(0)
    }
}

/// What becomes of a name.
pub(crate) enum After {
    /// The world is served until its lease says otherwise.
    Served(World, Lease),
    /// The world has ended by itself.
    Ended(Ended),
    /// Nothing is left of it but its holder.
    Gone,
}

/// Adds to a commit what takes a name from what was seen to what it becomes.
pub(crate) async fn stage<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    name: &WorldName,
    seen: &Seen,
    after: &After,
    commit: &mut Commit,
) -> Result<(), Problem> {
    let [world, lease, ended] = &seen.entries;
    for (key, entry) in [(keys::world(name), world), (keys::lease(name), lease), (keys::ended(name), ended)] {
        commit.require(key, entry.as_ref());
    }
    let before = seen.world.as_ref();
    let served = match after {
        After::Served(world, lease) => {
            commit.put(keys::world(name), world)?;
            commit.put(keys::lease(name), lease)?;
            Some((world, lease))
        }
        After::Ended(_) | After::Gone => {
            commit.delete(keys::world(name));
            commit.delete(keys::lease(name));
            None
        }
    };
    match after {
        After::Ended(ended) => commit.put(keys::ended(name), ended)?,
        _ if ended.is_some() => commit.delete(keys::ended(name)),
        _ => {}
    }
    queue(name, seen.lease.as_ref(), served.map(|(_, lease)| lease), commit);
    let is_gone = matches!(after, After::Gone);
    let after = served.map(|(world, _)| world);
    if before != after {
        let wish = browsing::wish(before.map(|world| &world.fields), after.map(|world| &world.fields));
        commit.write(wish);
        commit.extend(index::plan(store, environment, name.as_str(), before, after).await?);
    }
    if is_gone {
        stage_removal(store, environment, name, commit).await
    } else if before != after {
        stage_dns(store, environment, name, before, after, commit).await
    } else {
        Ok(())
    }
}

/// What those who watch are told of a world.
pub(crate) fn change(kind: Kind, world: &World, environment: &Environment<'_>) -> Change {
    Change {
        kind,
        name: world.fields.name.clone(),
        operator: world.operator.clone(),
        seq: Some(world.fields.seq),
        at: environment.now,
    }
}

/// Moves a world in the sweep's queues and counts it.
pub(crate) fn queue(name: &WorldName, before: Option<&Lease>, after: Option<&Lease>, commit: &mut Commit) {
    let name = name.as_str();
    let due = |lease: Option<&Lease>| lease.map(|lease| keys::due(lease.due, name));
    let lapsing = |lease: Option<&Lease>| Some(keys::lapsing(lease?.lapsing?, name));
    for (before, after) in [(due(before), due(after)), (lapsing(before), lapsing(after))] {
        if before == after {
            continue;
        }
        commit.write(before.map(Write::delete));
        commit.write(after.map(|key| Write::put(key, Vec::new())));
    }
    let is_leased = |lease: Option<&Lease>| i64::from(lease.is_some_and(|lease| lease.ends.is_some()));
    let is_lapsing = |lease: Option<&Lease>| i64::from(lease.is_some_and(|lease| lease.lapsing.is_some()));
    commit.count(keys::LEASED, is_leased(after) - is_leased(before));
    commit.count(keys::LAPSING, is_lapsing(after) - is_lapsing(before));
}

/// The zone that a world's records are in.
pub(crate) fn zone_of(name: &WorldName, settings: &Settings) -> Result<Zone, Problem> {
    if name.is_domain() {
        return Zone::new(name.as_str()).ok_or_else(Problem::internal);
    }
    options::zone(settings)
}

/// Replaces the records that follow from the world's record. Others at the same names, which
/// the operator gave by dynamic update, stay.
async fn stage_dns<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    name: &WorldName,
    before: Option<&World>,
    after: Option<&World>,
    commit: &mut Commit,
) -> Result<(), Problem> {
    let zone = zone_of(name, environment.settings)?;
    if name.is_domain() {
        commit.extend(zones::add(store, &options::zone(environment.settings)?, &zone).await?);
    }
    let contents = |world: Option<&World>| match world {
        Some(world) => projection::project(world, &zone).ok_or_else(Problem::internal),
        None => Ok(Contents::new()),
    };
    let (old, mut new) = (contents(before)?, contents(after)?);
    let names: BTreeSet<OrderedName> = old.keys().chain(new.keys()).cloned().collect();
    let names: Vec<OrderedName> = names.into_iter().collect();
    let mut edit = Edit::new();
    for (name, node) in names.iter().zip(nodes(store, &zone, &names, commit).await?) {
        let mut content = new.remove(name).unwrap_or_default();
        let replaced = |rtype| {
            let was = old.get(name).is_some_and(|old| old.sets.iter().any(|set| set.rtype == rtype));
            was || content.sets.iter().any(|set| set.rtype == rtype)
        };
        let kept: Vec<_> = given(node).into_iter().filter(|set| !replaced(set.rtype)).collect();
        content.sets.extend(kept);
        edit.insert(name.clone(), (!content.sets.is_empty()).then_some(content));
    }
    commit.extend(plan(store, environment, &zone, &edit).await?);
    Ok(())
}

/// Removes names of a world's subtree until one commit can remove the rest.
pub(crate) async fn thin_out<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    name: &WorldName,
) -> Result<(), Problem> {
    let zone = zone_of(name, environment.settings)?;
    if name.is_domain() {
        // What a zone of its own held is removed once the zone is gone.
        return Ok(());
    }
    loop {
        let names = subtree(store, &zone, name).await?;
        let surplus = names.get(NAMES_PER_COMMIT as usize..).unwrap_or_default();
        if surplus.is_empty() {
            return Ok(());
        }
        let edit: Edit = surplus.iter().map(|name| (name.clone(), None)).collect();
        let mut commit = Commit::default();
        commit.extend(plan(store, environment, &zone, &edit).await?);
        commit.apply(store).await?;
    }
}

/// Adds to a commit what removes all that is left of a world in DNS, whoever gave it.
async fn stage_removal<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    name: &WorldName,
    commit: &mut Commit,
) -> Result<(), Problem> {
    let zone = zone_of(name, environment.settings)?;
    if name.is_domain() {
        commit.extend(zones::remove(store, &zone).await?);
        return Ok(());
    }
    let edit: Edit = subtree(store, &zone, name).await?.into_iter().map(|name| (name, None)).collect();
    commit.extend(plan(store, environment, &zone, &edit).await?);
    Ok(())
}

/// The first names of a world's subtree, twice as many as one commit removes.
async fn subtree<S: Kv>(store: &S, zone: &Zone, name: &WorldName) -> Result<Vec<OrderedName>, Problem> {
    let range = zone.subtree(&projection::place(name.as_str()));
    let page = store.scan(&range, NAMES_PER_COMMIT * 2, Direction::Forward).await?;
    page.items.iter().map(|item| zone.name_of_node(&item.key).ok_or_else(Problem::internal)).collect()
}

/// Reads nodes; the commit then requires that they are still what was read.
async fn nodes<S: Kv>(
    store: &S,
    zone: &Zone,
    names: &[OrderedName],
    commit: &mut Commit,
) -> Result<Vec<Option<Node>>, Problem> {
    let wanted: Vec<_> = names.iter().map(|name| zone.node(name)).collect();
    let entries = store.get_many(&wanted).await?;
    let mut nodes = Vec::with_capacity(entries.len());
    for (key, entry) in wanted.into_iter().zip(entries) {
        let node = |entry: &Entry| Node::decode(&entry.value).ok_or_else(Problem::internal);
        nodes.push(entry.as_ref().map(node).transpose()?);
        commit.require(key, entry.as_ref());
    }
    Ok(nodes)
}

/// The sets of a node that somebody gave, and that the zone did not make itself.
fn given(node: Option<Node>) -> Vec<Set> {
    let is_given = |set: &Set| {
        !matches!(set.rtype, Type::NSEC | Type::NS | Type::SOA | Type::DNSKEY | Type::CDS | Type::CDNSKEY)
    };
    let bare = |set: Set| Set { signatures: Vec::new(), ..set };
    node.into_iter().flat_map(|node| node.sets).filter(is_given).map(bare).collect()
}

async fn plan<S: Kv>(
    store: &S,
    environment: &Environment<'_>,
    zone: &Zone,
    edit: &Edit,
) -> Result<edit::Plan, Problem> {
    let policy = options::policy(environment.settings)?;
    let signer = vwp_dns::keys::signer(store, zone, &policy, environment).await?;
    Ok(edit::plan(store, zone, &policy, Some(&signer), edit, environment.now_seconds()).await?)
}
