//! The part of a zone that an edit concerns: the names it changes, and their neighbours in the
//! chain of NSEC records. A node says which name comes after it; which one comes before is
//! looked up only where no node that was read says so.

use super::Edit;
use super::rules::present;
use crate::error::DnsError;
use crate::name::{OrderedName, OwnName};
use crate::node::{Node, Set};
use crate::zone::{Policy, Zone};
use domain::base::iana::Rtype as Type;
use domain::base::name::ParsedName;
use domain::dep::octseq::Parser;
use domain::rdata::Nsec;
use std::collections::BTreeMap;
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Direction, Entry, READ_KEYS_MAX};

/// What was read.
pub(super) struct View {
    /// The names that the edit changes, and those before them.
    names: BTreeMap<OrderedName, Seen>,
    /// The names above those that are to hold something. Only what they delegate matters.
    above: BTreeMap<OrderedName, Seen>,
    is_signed: bool,
}

/// What is at one name.
#[derive(Default)]
struct Seen {
    entry: Option<Entry>,
    node: Option<Node>,
    /// The name after it in the chain; the apex after the last one.
    next: OrderedName,
}

impl View {
    /// Reads the names of an edit and their neighbours.
    pub(super) async fn read<S: Kv>(
        store: &S,
        zone: &Zone,
        policy: &Policy,
        edit: &Edit,
    ) -> Result<Self, DnsError> {
        let mut view = Self { names: BTreeMap::new(), above: BTreeMap::new(), is_signed: policy.is_signed };
        view.names = view.fetch(store, zone, edit.keys().cloned().collect()).await?;
        let mut above: Vec<OrderedName> = edit
            .iter()
            .filter(|(_, content)| present(content.as_ref()).is_some())
            .flat_map(|(name, _)| view.ancestors(name).collect::<Vec<_>>())
            .filter(|name| !view.names.contains_key(name))
            .collect();
        above.sort();
        above.dedup();
        view.above = view.fetch(store, zone, above).await?;
        if policy.is_signed {
            for (name, content) in edit {
                let exists = view.node(name).is_some();
                if exists != present(content.as_ref()).is_some() && !name.is_apex() {
                    view.find_before(store, zone, name).await?;
                }
            }
        }
        Ok(view)
    }

    /// Reads the apex alone.
    pub(super) async fn read_apex<S: Kv>(store: &S, zone: &Zone, policy: &Policy) -> Result<Self, DnsError> {
        let mut view = Self { names: BTreeMap::new(), above: BTreeMap::new(), is_signed: policy.is_signed };
        view.names = view.fetch(store, zone, vec![OrderedName::apex()]).await?;
        Ok(view)
    }

    /// Every name that was read because of the chain or the edit.
    pub(super) fn names(&self) -> impl Iterator<Item = &OrderedName> {
        self.names.keys()
    }

    /// What a name holds.
    pub(super) fn node(&self, name: &OrderedName) -> Option<&Node> {
        self.names.get(name)?.node.as_ref()
    }

    /// What a name holds, as it is stored.
    pub(super) fn stored(&self, name: &OrderedName) -> Option<&[u8]> {
        Some(self.names.get(name)?.entry.as_ref()?.value.as_slice())
    }

    /// The name that comes after this one, or would, as the zone is; the apex after the last.
    pub(super) fn next(&self, name: &OrderedName) -> OrderedName {
        match self.names.get(name) {
            Some(seen) if seen.node.is_some() => seen.next.clone(),
            _ => self.before(name).map(|before| self.next(before)).unwrap_or_default(),
        }
    }

    /// The name before this one, if what was read says so.
    fn before(&self, name: &OrderedName) -> Option<&OrderedName> {
        let (before, seen) = self.names.range(..name).rev().find(|(_, seen)| seen.node.is_some())?;
        (seen.next.is_apex() || seen.next >= *name).then_some(before)
    }

    /// Whether a subtree is delegated at a name.
    pub(super) fn is_delegation(&self, name: &OrderedName) -> bool {
        let seen = self.names.get(name).or_else(|| self.above.get(name));
        !name.is_apex() && seen.and_then(|seen| seen.node.as_ref()).is_some_and(Node::is_delegation)
    }

    /// The names above a name, without the apex.
    #[allow(clippy::unused_self, reason = "what is above is looked up here")]
    pub(super) fn ancestors(&self, name: &OrderedName) -> impl Iterator<Item = OrderedName> + use<> {
        std::iter::successors(name.parent(), OrderedName::parent).take_while(|name| !name.is_apex())
    }

    /// What must still be so when the commit applies.
    pub(super) fn checks(&self, zone: &Zone) -> Vec<Check> {
        // Where there is a chain, the names above need no check, see the module above.
        let above = self.above.iter().filter(|_| !self.is_signed);
        let check =
            |(name, seen): (&OrderedName, &Seen)| Check::unchanged(zone.node(name), seen.entry.as_ref());
        self.names.iter().chain(above).map(check).collect()
    }

    async fn fetch<S: Kv>(
        &self,
        store: &S,
        zone: &Zone,
        names: Vec<OrderedName>,
    ) -> Result<BTreeMap<OrderedName, Seen>, DnsError> {
        let mut seen = BTreeMap::new();
        for names in names.chunks(READ_KEYS_MAX) {
            let keys: Vec<_> = names.iter().map(|name| zone.node(name)).collect();
            for (name, entry) in names.iter().zip(store.get_many(&keys).await?) {
                seen.insert(name.clone(), self.seen(zone, entry)?);
            }
        }
        Ok(seen)
    }

    async fn find_before<S: Kv>(
        &mut self,
        store: &S,
        zone: &Zone,
        name: &OrderedName,
    ) -> Result<(), DnsError> {
        if self.before(name).is_some() {
            return Ok(());
        }
        let page = store.scan(&zone.before(name), 1, Direction::Backward).await?;
        // Every zone has an apex, which comes before all names.
        let item = page.items.into_iter().next().ok_or(DnsError::Corrupt("a zone's apex"))?;
        let before = zone.name_of_node(&item.key).ok_or(DnsError::Corrupt("a name of a zone"))?;
        if self.names.get(&before).is_some_and(|seen| seen.entry.as_ref() != Some(&item.entry)) {
            // It was read a moment ago, and is another one now.
            return Err(DnsError::Conflict);
        }
        let seen = self.seen(zone, Some(item.entry))?;
        self.names.insert(before, seen);
        // What was found does not reach to the name only if the chain changed between two reads.
        self.before(name).map(|_| ()).ok_or(DnsError::Conflict)
    }

    fn seen(&self, zone: &Zone, entry: Option<Entry>) -> Result<Seen, DnsError> {
        let Some(entry) = entry else {
            return Ok(Seen::default());
        };
        let node = Node::decode(&entry.value).ok_or(DnsError::Corrupt("what is at a name"))?;
        let next = match node.set(Type::NSEC) {
            Some(set) => next_name(set, zone.apex()).ok_or(DnsError::Corrupt("the chain of names"))?,
            None if self.is_signed => return Err(DnsError::Corrupt("the chain of names")),
            None => OrderedName::apex(),
        };
        Ok(Seen { entry: Some(entry), node: Some(node), next })
    }
}

/// The name that an NSEC record names (RFC 4034, section 4.1.1).
fn next_name(set: &Set, apex: &OwnName) -> Option<OrderedName> {
    let mut parser = Parser::from_ref(set.data.first()?.as_slice());
    let nsec: Nsec<&[u8], ParsedName<&[u8]>> = Nsec::parse(&mut parser).ok()?;
    OrderedName::of(nsec.next_name(), apex)
}
