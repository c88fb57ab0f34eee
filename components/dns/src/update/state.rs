//! The names that an update is about: whether its prerequisites hold, and what its changes
//! make of them (RFC 2136, section 3).

use super::request::{Change, Prerequisite, Request};
use crate::DnsError;
use crate::edit::{Content, Edit};
use crate::name::OrderedName;
use crate::node::{Node, Set};
use crate::publish::Head;
use crate::zone::Zone;
use domain::base::Rtype;
use domain::base::iana::Rcode;
use std::collections::{BTreeMap, BTreeSet};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Entry, Key};

/// Names as the store has them.
#[derive(Debug)]
pub struct State {
    nodes: BTreeMap<OrderedName, Node>,
    checks: Vec<Check>,
}

impl State {
    /// Reads the names that a request is about, in one snapshot.
    pub async fn read<S: Kv>(store: &S, zone: &Zone, request: &Request) -> Result<Self, DnsError> {
        let prerequisites = request.prerequisites.iter().map(Prerequisite::name);
        let names: BTreeSet<_> = prerequisites.chain(request.changes.iter().map(Change::name)).collect();
        let mut keys: Vec<Key> = names.iter().map(|name| zone.node(name)).collect();
        keys.push(zone.head());
        let mut entries = store.get_many(&keys).await?;
        let head = entries.pop().flatten();
        let mut state = Self { nodes: BTreeMap::new(), checks: Vec::new() };
        for ((name, key), entry) in names.into_iter().zip(keys).zip(entries) {
            state.checks.push(Check::unchanged(key, entry.as_ref()));
            let mut node = match &entry {
                Some(entry) => Node::decode(&entry.value).ok_or(DnsError::Corrupt("a node"))?,
                None => Node::default(),
            };
            if name.is_apex() {
                // The start of authority is kept beside the apex's node.
                node.sets.extend(start_of_authority(head.as_ref())?);
            }
            state.nodes.insert(name.clone(), node);
        }
        Ok(state)
    }

    /// That the names are still as they were read.
    pub fn checks(self) -> Vec<Check> {
        self.checks
    }

    /// Whether everything is as it must be; if not, the code to answer with (RFC 2136,
    /// section 3.2).
    pub fn judge(&self, prerequisites: &[Prerequisite]) -> Result<(), Rcode> {
        let mut wanted: BTreeMap<(&OrderedName, Rtype), BTreeSet<&[u8]>> = BTreeMap::new();
        for prerequisite in prerequisites {
            match prerequisite {
                Prerequisite::NameInUse(name) if !self.is_in_use(name) => return Err(Rcode::NXDOMAIN),
                Prerequisite::NameNotInUse(name) if self.is_in_use(name) => return Err(Rcode::YXDOMAIN),
                Prerequisite::SetExists(name, rtype) if !self.has(name, *rtype) => {
                    return Err(Rcode::NXRRSET);
                }
                Prerequisite::SetAbsent(name, rtype) if self.has(name, *rtype) => return Err(Rcode::YXRRSET),
                Prerequisite::Record(name, rtype, data) => {
                    wanted.entry((name, *rtype)).or_default().insert(data);
                }
                _ => {}
            }
        }
        // RFC 2136, section 3.2.3: sets are compared as wholes, without times to live.
        for ((name, rtype), wanted) in wanted {
            let found = self.nodes.get(name).and_then(|node| node.set(rtype));
            let found: BTreeSet<&[u8]> =
                found.into_iter().flat_map(|set| set.data.iter().map(Vec::as_slice)).collect();
            if found != wanted {
                return Err(Rcode::NXRRSET);
            }
        }
        Ok(())
    }

    fn is_in_use(&self, name: &OrderedName) -> bool {
        self.nodes.get(name).is_some_and(|node| !node.sets.is_empty())
    }

    fn has(&self, name: &OrderedName, rtype: Rtype) -> bool {
        let Some(node) = self.nodes.get(name) else {
            return false;
        };
        // Signatures are kept with the sets that they cover.
        let is_signed = || node.sets.iter().any(|set| !set.signatures.is_empty());
        node.set(rtype).is_some() || (rtype == Rtype::RRSIG && is_signed())
    }

    /// What the changed names shall hold. Names that stay as they are are not in it.
    pub fn apply(&self, changes: &[Change]) -> Edit {
        let mut names: BTreeMap<&OrderedName, Vec<Set>> = BTreeMap::new();
        for change in changes {
            let name = change.name();
            let sets = names.entry(name).or_insert_with(|| self.plain_sets(name));
            apply(change, sets);
        }
        names.retain(|name, sets| *sets != self.plain_sets(name));
        names.into_iter().map(|(name, sets)| (name.clone(), self.content(name, sets))).collect()
    }

    /// The sets that an edit changes, by name and type.
    pub fn changed_sets<'a>(&'a self, edit: &'a Edit) -> impl Iterator<Item = (&'a OrderedName, Rtype)> {
        edit.iter().flat_map(|(name, content)| {
            let before = self.plain_sets(name);
            let after = content.as_ref().map(|content| content.sets.clone()).unwrap_or_default();
            let differs = |set: &&Set, others: &[Set]| !others.contains(set);
            let gone = before.iter().filter(|set| differs(set, &after)).map(|set| set.rtype);
            let new = after.iter().filter(|set| differs(set, &before)).map(|set| set.rtype);
            let types: BTreeSet<u16> = gone.chain(new).map(Rtype::to_int).collect();
            types.into_iter().map(move |rtype| (name, Rtype::from_int(rtype)))
        })
    }

    fn content(&self, name: &OrderedName, sets: Vec<Set>) -> Option<Content> {
        let glue = self.nodes.get(name).map(|node| node.glue.clone()).unwrap_or_default();
        // The apex stays, because the zone's own sets are there.
        let is_left = name.is_apex() || !sets.is_empty();
        is_left.then_some(Content { sets, glue })
    }

    /// The sets of a name as an edit has them: in the order of their types, without
    /// signatures and without those that the zone keeps itself.
    fn plain_sets(&self, name: &OrderedName) -> Vec<Set> {
        let node = self.nodes.get(name);
        let sets = node.into_iter().flat_map(|node| &node.sets).filter(|set| !is_of_zone(set.rtype, name));
        let mut sets: Vec<Set> = sets.map(|set| Set { signatures: Vec::new(), ..set.clone() }).collect();
        sets.sort_by_key(|set| set.rtype.to_int());
        sets
    }
}

impl Prerequisite {
    /// The name that it is about.
    pub fn name(&self) -> &OrderedName {
        match self {
            Self::NameInUse(name)
            | Self::NameNotInUse(name)
            | Self::SetExists(name, _)
            | Self::SetAbsent(name, _)
            | Self::Record(name, ..) => name,
        }
    }
}

/// Whether the zone keeps a set itself, so that no edit names it.
pub fn is_of_zone(rtype: Rtype, name: &OrderedName) -> bool {
    match rtype {
        Rtype::NSEC | Rtype::RRSIG => true,
        Rtype::SOA | Rtype::NS | Rtype::DNSKEY | Rtype::CDS | Rtype::CDNSKEY => name.is_apex(),
        _ => false,
    }
}

fn start_of_authority(head: Option<&Entry>) -> Result<Option<Set>, DnsError> {
    let Some(head) = head else {
        return Ok(None);
    };
    Ok(Some(Head::decode(&head.value).ok_or(DnsError::Corrupt("the head"))?.soa))
}

/// Makes one change to the sets of its name (RFC 2136, section 3.4.2).
fn apply(change: &Change, sets: &mut Vec<Set>) {
    match change {
        Change::Add { rtype, ttl_s, data, .. } => add(sets, *rtype, *ttl_s, data),
        Change::Remove { rtype, data, .. } => {
            for set in sets.iter_mut().filter(|set| set.rtype == *rtype) {
                set.data.retain(|held| held != data);
            }
            sets.retain(|set| !set.data.is_empty());
        }
        Change::RemoveSet { rtype, .. } => sets.retain(|set| set.rtype != *rtype),
        Change::RemoveName { .. } => sets.clear(),
    }
}

fn add(sets: &mut Vec<Set>, rtype: Rtype, ttl_s: u32, data: &[u8]) {
    // RFC 2136, section 3.4.2.2: an alias is not added beside other data, nor other data
    // beside an alias; such a record is passed over in silence.
    let is_alias = |rtype| rtype == Rtype::CNAME;
    if sets.iter().any(|set| is_alias(set.rtype) != is_alias(rtype)) {
        return;
    }
    let mut held = match sets.iter().position(|set| set.rtype == rtype) {
        Some(place) => sets.remove(place).data,
        None => Vec::new(),
    };
    if is_alias(rtype) {
        // There is one alias, and the new one replaces it.
        held.clear();
    }
    held.push(data.to_vec());
    // RFC 2181, section 5.2: a set has one time to live.
    let place = sets.partition_point(|set| set.rtype.to_int() < rtype.to_int());
    sets.insert(place, Set::new(rtype, ttl_s, held));
}
