//! Saying that something is not there, and who knows instead, with proof (RFC 4035, section 3.1.3
//! and 3.1.4; RFC 2308).

use super::compact::types;
use super::lookup::{Lookup, decode};
use super::sections::{Sections, records};
use crate::DnsError;
use crate::name::{OrderedName, OwnName};
use crate::node::{Node, Set};
use crate::publish::Head;
use crate::zone::Denial;
use domain::base::Name;
use domain::base::iana::{Rcode, Rtype as Type};
use domain::base::name::ParsedName;
use domain::dep::octseq::Parser;
use vwp_storage::Kv;
use vwp_storage::kv::Direction;

/// Two names of a chain with nothing between them.
struct Gap {
    name: OrderedName,
    /// The next name; the apex behind the last one.
    next: OrderedName,
    /// What proves it: the first name's NSEC record.
    nsec: Set,
}

impl Gap {
    fn covers(&self, name: &OrderedName) -> bool {
        self.name < *name && (*name < self.next || self.next.is_apex())
    }
}

impl<S: Kv> Lookup<'_, S> {
    /// Sends the asker on: to the name servers of the other zone, with the hash of its key or
    /// the proof that it has none, and their addresses (RFC 4035, section 3.1.4).
    pub(super) async fn refer(
        &mut self,
        sections: &mut Sections,
        cut: &OrderedName,
        node: &Node,
    ) -> Result<(), DnsError> {
        let owner = self.owner(cut)?;
        // RFC 1035, section 4.1.1: the flag speaks of the first name, which may be an alias here.
        sections.is_authoritative = !sections.answer.is_empty();
        let sets = |rtype| node.set(rtype).into_iter();
        sections.authority.extend(sets(Type::NS).flat_map(|set| records(&owner, set, false)));
        if self.is_signed && node.set(Type::DS).is_some() {
            sections.authority.extend(sets(Type::DS).flat_map(|set| records(&owner, set, true)));
        } else if self.is_signed {
            let nsec = self.nsec_at(&owner, cut, node).await?;
            sections.authority.extend(records(&owner, &nsec, true));
        }
        for glue in &node.glue {
            let name =
                Name::from_octets(glue.name.clone()).map_err(|_| DnsError::Corrupt("a glue's name"))?;
            sections.additional.extend(records(&name, &glue.set, false));
        }
        Ok(())
    }

    /// Says that a name does not exist, or has nothing of the type; false if the zone changed
    /// since its node was read.
    pub(super) async fn deny(
        &mut self,
        sections: &mut Sections,
        (name, ordered): (&OwnName, &OrderedName),
        node: Option<&Node>,
        head: &Head,
    ) -> Result<bool, DnsError> {
        self.push_start(sections, head);
        if let Some(node) = node {
            if self.is_signed {
                let nsec = self.nsec_at(name, ordered, node).await?;
                sections.authority.extend(records(name, &nsec, true));
            }
            return Ok(true);
        }
        if !self.policy.is_signed {
            return self.deny_without_chain(sections, ordered).await;
        }
        let Some(gap) = self.gap(ordered).await? else {
            return Ok(false);
        };
        // RFC 8020: a name exists if one under it does.
        let exists = gap.next.is_in(ordered);
        if !exists {
            sections.rcode = Rcode::NXDOMAIN;
        }
        if !self.is_signed {
            return Ok(true);
        }
        if self.policy.denial == Denial::Compact {
            // RFC 9824, section 3: the name is said to exist, without any type or with one that
            // says that it does not.
            let types = if exists { Vec::new() } else { vec![Type::NXNAME] };
            if let Some(nsec) = self.compact_nsec(name, types).await? {
                sections.authority.extend(records(name, &nsec, true));
                sections.is_compact = self.compact_ok;
                if !self.compact_ok {
                    sections.rcode = Rcode::NOERROR;
                }
                return Ok(true);
            }
        }
        self.push_gap(sections, &gap)?;
        if exists {
            return Ok(true);
        }
        // RFC 4035, section 3.1.3.2: nor is there a wildcard that could have made the name.
        let wildcard = closest_encloser(ordered, &gap).child(b"*");
        if gap.covers(&wildcard) {
            return Ok(true);
        }
        let Some(gap) = self.gap(&wildcard).await? else {
            return Ok(false);
        };
        self.push_gap(sections, &gap)?;
        Ok(true)
    }

    /// RFC 2308, section 3: the start of authority says how long an absence may be cached.
    fn push_start(&mut self, sections: &mut Sections, head: &Head) {
        self.depends_on(self.zone.head());
        let mut soa = head.soa.clone();
        let minimum_s = soa.data.first().and_then(|data| data.last_chunk()).copied().map(u32::from_be_bytes);
        soa.ttl_s = soa.ttl_s.min(minimum_s.unwrap_or_default());
        sections.authority.extend(records(self.zone.apex(), &soa, self.is_signed));
    }

    fn push_gap(&self, sections: &mut Sections, gap: &Gap) -> Result<(), DnsError> {
        sections.authority.extend(records(&self.owner(&gap.name)?, &gap.nsec, true));
        Ok(())
    }

    /// The NSEC record of a name that has records.
    async fn nsec_at(&mut self, name: &OwnName, ordered: &OrderedName, node: &Node) -> Result<Set, DnsError> {
        let made = match self.policy.denial {
            Denial::Compact => self.compact_nsec(name, types(ordered, node)).await?,
            Denial::Chain => None,
        };
        made.or_else(|| node.set(Type::NSEC).cloned()).ok_or(DnsError::Corrupt("a chain of names"))
    }

    /// The two names of the chain that a name is between. None if it is not, because the zone
    /// changed since the name was looked for.
    async fn gap(&mut self, ordered: &OrderedName) -> Result<Option<Gap>, DnsError> {
        const BROKEN: DnsError = DnsError::Corrupt("a chain of names");
        let page = self.store.scan(&self.zone.before(ordered), 1, Direction::Backward).await?;
        let item = page.items.into_iter().next().ok_or(BROKEN)?;
        let name = self.zone.name_of_node(&item.key).ok_or(BROKEN)?;
        let node = decode(&item.entry)?;
        self.depends_on(item.key);
        let nsec = node.set(Type::NSEC).ok_or(BROKEN)?;
        let next = next_name(nsec).and_then(|next| OrderedName::of(&next, self.zone.apex())).ok_or(BROKEN)?;
        let gap = Gap { nsec: nsec.clone(), next, name };
        let is_delegated = !gap.name.is_apex() && node.is_delegation() && ordered.is_in(&gap.name);
        Ok((gap.covers(ordered) && !is_delegated).then_some(gap))
    }

    /// Without a chain, what is added below a name writes nothing that an answer about it was
    /// made from: the answer is for this question alone.
    async fn deny_without_chain(
        &mut self,
        sections: &mut Sections,
        ordered: &OrderedName,
    ) -> Result<bool, DnsError> {
        self.forget_sources();
        let below = self.store.scan(&self.zone.subtree(ordered), 1, Direction::Forward).await?;
        if below.items.is_empty() {
            sections.rcode = Rcode::NXDOMAIN;
        }
        Ok(true)
    }

    fn owner(&self, name: &OrderedName) -> Result<OwnName, DnsError> {
        name.to_name(self.zone.apex()).ok_or(DnsError::Corrupt("a name of a zone"))
    }
}

/// The next name in an NSEC record (RFC 4034, section 4.1.1).
fn next_name(nsec: &Set) -> Option<OwnName> {
    let mut parser = Parser::from_ref(nsec.data.first()?.as_slice());
    let next = ParsedName::parse(&mut parser).ok()?;
    Some(crate::name::lowercase(&next))
}

/// The longest part of a name that exists (RFC 4592, section 3.3.1). What is on either side of
/// the name is all that could show more of it to exist.
fn closest_encloser(name: &OrderedName, gap: &Gap) -> OrderedName {
    let mut encloser = name.parent().unwrap_or_default();
    while !gap.name.is_in(&encloser) && !gap.next.is_in(&encloser) {
        encloser = encloser.parent().unwrap_or_default();
    }
    encloser
}
