//! What names hold after an edit: their sets, with signatures, in a chain without gaps.

use super::Change;
use super::rules::present;
use super::view::View;
use crate::error::DnsError;
use crate::name::OrderedName;
use crate::node::{Node, Set};
use crate::sign::{self, SignatureInfo};
use domain::base::Rtype;
use domain::base::iana::Rtype as Type;
use std::ops::Bound::{Excluded, Unbounded};

/// The sets of the apex that the zone itself gives.
pub(super) const OWN: [Rtype; 4] = [Type::NS, Type::DNSKEY, Type::CDS, Type::CDNSKEY];

/// Every name whose node may be another one after the change, with that node.
pub(super) fn nodes(change: &Change<'_>, view: &View) -> Result<Vec<(OrderedName, Option<Node>)>, DnsError> {
    let mut nodes = Vec::new();
    for name in view.names() {
        if is_gone(change, name) {
            nodes.push((name.clone(), None));
            continue;
        }
        let node = node(change, view, name)?;
        nodes.push((name.clone(), Some(node)));
    }
    Ok(nodes)
}

/// Whether the change removes a name, or leaves it absent.
fn is_gone(change: &Change<'_>, name: &OrderedName) -> bool {
    let edited = change.edit.get(name);
    !name.is_apex() && edited.is_some_and(|content| present(content.as_ref()).is_none())
}

fn node(change: &Change<'_>, view: &View, name: &OrderedName) -> Result<Node, DnsError> {
    let before = view.node(name);
    let mut node = match change.edit.get(name) {
        Some(content) => Node {
            sets: content.iter().flat_map(|content| &content.sets).map(|set| unsigned(change, set)).collect(),
            glue: content.iter().flat_map(|content| content.glue.clone()).collect(),
        },
        None => before.cloned().unwrap_or_default(),
    };
    if name.is_apex() {
        let own = match &change.apex {
            Some(sets) => sets.clone(),
            None => before.iter().flat_map(|node| &node.sets).filter(|set| is_own(set)).cloned().collect(),
        };
        node.sets.retain(|set| !is_own(set));
        node.sets.extend(own);
    }
    node.sets.retain(|set| set.rtype != Type::NSEC);
    let owner = name.to_name(change.zone.apex()).ok_or(DnsError::Corrupt("a name of a zone"))?;
    if change.policy.is_signed {
        let next = next(change, view, name)?.to_name(change.zone.apex());
        let next = next.ok_or(DnsError::Corrupt("a name of a zone"))?;
        // The apex has a start of authority, which is kept elsewhere.
        let start = name.is_apex().then_some(Type::SOA);
        let types = node.sets.iter().map(|set| set.rtype).chain(start);
        node.sets.push(sign::nsec(&next, types, change.policy));
    }
    node.sets.sort_by_key(|set| set.rtype.to_int());
    let is_cut = !name.is_apex() && node.is_delegation();
    for set in &mut node.sets {
        // RFC 4035, section 2.2: the name servers of a delegation are not signed.
        if is_cut && set.rtype == Type::NS {
            continue;
        }
        match (before.and_then(|node| same(change, node, set)), change.signer) {
            (Some(old), _) => set.signatures.clone_from(&old.signatures),
            (None, Some(signer)) if change.policy.is_signed => {
                signer.sign(set, &owner, change.zone, change.policy, change.now_s);
            }
            (None, None) if change.policy.is_signed => return Err(DnsError::Corrupt("a key that signs")),
            (None, _) => {}
        }
    }
    Ok(node)
}

/// The set as it will be served: with a time that the zone allows, without signatures.
fn unsigned(change: &Change<'_>, set: &Set) -> Set {
    let ttl_s =
        if change.policy.is_signed { set.ttl_s.min(change.policy.record_ttl_max_s) } else { set.ttl_s };
    Set::new(set.rtype, ttl_s, set.data.clone())
}

fn is_own(set: &Set) -> bool {
    OWN.contains(&set.rtype)
}

/// The set of before, if it is the same records, whose signatures then stay. If keys change they
/// do not: a signature of a key that has left would stand in the zone.
fn same<'a>(change: &Change<'_>, before: &'a Node, set: &Set) -> Option<&'a Set> {
    let old = before.set(set.rtype)?;
    let is_same = old.ttl_s == set.ttl_s && old.data == set.data && !old.signatures.is_empty();
    let tags = change.signer.filter(|_| change.apex.is_some()).map(|signer| signer.tags(set));
    let is_of = |tags: Vec<u16>| {
        let of = |data: &Vec<u8>| SignatureInfo::read(data).map(|info| info.tag);
        old.signatures.iter().map(of).eq(tags.into_iter().map(Some))
    };
    (is_same && tags.is_none_or(is_of)).then_some(old)
}

/// The name after this one when the change is made: the nearer of the next one that stays, and
/// the next one that comes.
fn next(change: &Change<'_>, view: &View, name: &OrderedName) -> Result<OrderedName, DnsError> {
    let mut next = view.next(name);
    while !next.is_apex() && is_gone(change, &next) {
        if view.node(&next).is_none() {
            // It was not there when it was read, and came before its neighbour was.
            return Err(DnsError::Conflict);
        }
        next = view.next(&next);
    }
    let comes = |(_, content): &(&OrderedName, &Option<super::Content>)| present(content.as_ref()).is_some();
    let come = change.edit.range((Excluded(name), Unbounded)).find(comes);
    Ok(match come {
        Some((come, _)) if next.is_apex() || *come < next => come.clone(),
        _ => next,
    })
}
