//! Finding what a question asks for (RFC 1034, section 4.3.2).

use super::compact::types;
use super::sections::{Sections, records, signatures};
use crate::DnsError;
use crate::edge::Query;
use crate::name::{OrderedName, OwnName, lowercase};
use crate::node::{Node, Set};
use crate::publish::{self, Head};
use crate::zone::{Denial, Policy, Zone};
use domain::base::iana::Rtype as Type;
use domain::base::{Name, Rtype};
use std::collections::BTreeSet;
use vwp_core::Environment;
use vwp_storage::Kv;
use vwp_storage::kv::{Entry, Key};

/// How many aliases are followed for one question; a resolver goes on from there.
const ALIASES_MAX: usize = 8;

/// One question about one zone.
pub(super) struct Lookup<'a, S> {
    pub(super) store: &'a S,
    pub(super) zone: &'a Zone,
    pub(super) policy: &'a Policy,
    pub(super) environment: &'a Environment<'a>,
    pub(super) rtype: Rtype,
    /// Whether signatures are wanted, and there are any.
    pub(super) is_signed: bool,
    pub(super) compact_ok: bool,
    sources: BTreeSet<Key>,
}

/// What is at a name.
enum Place {
    /// Something, or nothing. The name's own node.
    At(Option<Node>),
    /// Another zone, from this name on.
    Delegated(OrderedName, Node),
}

/// The head of the zone, to be read where an answer has something of it; most have not.
struct HeadEntry(Entry);

impl HeadEntry {
    fn read(&self) -> Result<Head, DnsError> {
        Head::decode(&self.0.value).ok_or(DnsError::Corrupt("the head of a zone"))
    }
}

/// What a name has for a question.
enum Content<'a> {
    Set(&'a Set),
    Signatures(&'a Set),
    Alias(&'a Set),
    Nothing,
}

impl<'a, S: Kv> Lookup<'a, S> {
    pub(super) fn new(
        store: &'a S,
        zone: &'a Zone,
        policy: &'a Policy,
        environment: &'a Environment<'a>,
        query: &Query,
    ) -> Self {
        Self {
            store,
            zone,
            policy,
            environment,
            rtype: query.rtype(),
            is_signed: policy.is_signed && query.dnssec_ok(),
            compact_ok: query.compact_ok(),
            sources: BTreeSet::new(),
        }
    }

    /// The answer; none if the zone changed between two reads where that matters.
    pub(super) async fn run(&mut self, mut name: OwnName) -> Result<Option<Sections>, DnsError> {
        let mut sections = Sections::default();
        let mut seen = Vec::new();
        for _ in 0..ALIASES_MAX {
            let Some(ordered) = OrderedName::of(&name, self.zone.apex()) else {
                // An alias leads out of the zone: whoever follows it asks there.
                return Ok(Some(sections));
            };
            let (place, head) = self.read(&ordered).await?;
            let node = match place {
                Place::Delegated(cut, node) => {
                    self.refer(&mut sections, &cut, &node).await?;
                    return Ok(Some(sections));
                }
                Place::At(node) => node,
            };
            match node.as_ref().map_or(Content::Nothing, |node| content(node, self.rtype)) {
                _ if ordered.is_apex() && self.rtype == Type::SOA => {
                    self.depends_on(self.zone.head());
                    sections.answer.extend(records(&name, &head.read()?.soa, self.is_signed));
                }
                // The chain is not shown where absence is proved without it.
                Content::Set(set) if set.rtype == Type::NSEC && self.policy.denial == Denial::Compact => {
                    let types = node.as_ref().map(|node| types(&ordered, node)).unwrap_or_default();
                    let nsec = self.compact_nsec(&name, types).await?;
                    sections.answer.extend(records(&name, nsec.as_ref().unwrap_or(set), self.is_signed));
                }
                Content::Set(set) => sections.answer.extend(records(&name, set, self.is_signed)),
                Content::Signatures(set) => sections.answer.push(signatures(&name, set)),
                Content::Alias(set) => {
                    sections.answer.extend(records(&name, set, self.is_signed));
                    seen.push(name);
                    match target(set)? {
                        // A circle: there is no more to say than what it is made of.
                        target if seen.contains(&target) => return Ok(Some(sections)),
                        target => name = target,
                    }
                    continue;
                }
                Content::Nothing => {
                    let head = head.read()?;
                    let is_whole = self.deny(&mut sections, (&name, &ordered), node.as_ref(), &head).await?;
                    return Ok(is_whole.then_some(sections));
                }
            }
            return Ok(Some(sections));
        }
        Ok(Some(sections))
    }

    pub(super) fn depends_on(&mut self, key: Key) {
        self.sources.insert(key);
    }

    /// Gives up on saying what the answer depends on.
    pub(super) fn forget_sources(&mut self) {
        self.sources.clear();
    }

    /// The keys that the answer depends on.
    pub(super) fn into_sources(self) -> Vec<Key> {
        self.sources.into_iter().collect()
    }

    /// Reads a name, all above it, and the head, in one snapshot.
    async fn read(&mut self, name: &OrderedName) -> Result<(Place, HeadEntry), DnsError> {
        // Who asks for the serial number is told of what is there now.
        if self.rtype == Type::SOA && name.is_apex() {
            publish::publish(self.store, self.zone, self.policy, self.environment).await?;
        }
        let mut path = vec![name.clone()];
        let mut above = name.parent();
        while let Some(parent) = above.filter(|parent| !parent.is_apex()) {
            above = parent.parent();
            path.push(parent);
        }
        path.reverse();
        let mut keys: Vec<Key> = path.iter().map(|name| self.zone.node(name)).collect();
        keys.push(self.zone.head());
        let mut entries = self.store.get_many(&keys).await?;
        if entries.last().is_none_or(Option::is_none) {
            // Before the first use of a zone there is none.
            publish::publish(self.store, self.zone, self.policy, self.environment).await?;
            entries = self.store.get_many(&keys).await?;
        }
        let head = HeadEntry(entries.pop().flatten().ok_or(DnsError::Corrupt("the head of a zone"))?);
        for ((at, key), entry) in path.into_iter().zip(keys).zip(entries) {
            self.depends_on(key);
            let Some(entry) = entry else {
                continue;
            };
            // What is above the name matters only where the zone ends there.
            if at != *name && !is_delegation(&entry)? {
                continue;
            }
            let node = if at == *name { self.wanted(&entry)? } else { decode(&entry)? };
            // RFC 4035, section 3.1.4.1: the DS set of a delegation is on this side of it.
            let is_own = at == *name && (at.is_apex() || self.rtype == Type::DS || !node.is_delegation());
            let place = if is_own { Place::At(Some(node)) } else { Place::Delegated(at, node) };
            return Ok((place, head));
        }
        Ok((Place::At(None), head))
    }

    /// The node of the name, or as much of it as the answer is made of.
    fn wanted(&self, entry: &Entry) -> Result<Node, DnsError> {
        // What answers these depends on all that is there.
        if matches!(self.rtype, Rtype::ANY | Rtype::RRSIG | Rtype::NSEC) {
            return decode(entry);
        }
        let set = Node::encoded_set(&entry.value, self.rtype).ok_or(DnsError::Corrupt("a node of a zone"))?;
        set.map_or_else(|| decode(entry), |set| Ok(Node { sets: vec![set], glue: Vec::new() }))
    }
}

/// The node in an entry.
pub(super) fn decode(entry: &Entry) -> Result<Node, DnsError> {
    Node::decode(&entry.value).ok_or(DnsError::Corrupt("a node of a zone"))
}

/// Whether the node in an entry is a delegation.
fn is_delegation(entry: &Entry) -> Result<bool, DnsError> {
    Node::is_encoded_delegation(&entry.value).ok_or(DnsError::Corrupt("a node of a zone"))
}

/// What a node has for a type that is asked for.
fn content(node: &Node, rtype: Rtype) -> Content<'_> {
    let sets = || node.sets.iter().filter(|set| set.rtype != Type::NSEC);
    let size = |set: &&Set| set.data.iter().map(Vec::len).sum::<usize>();
    // RFC 8482, section 4.1: a question for any type gets one set, the smallest. The question
    // for signatures is the same in disguise.
    let small = match rtype {
        Rtype::ANY => sets().min_by_key(size).map(Content::Set),
        Rtype::RRSIG => {
            sets().filter(|set| !set.signatures.is_empty()).min_by_key(size).map(Content::Signatures)
        }
        _ => node.set(rtype).map(Content::Set),
    };
    // RFC 1034, section 3.6.2: an alias stands for all types but its own, and those that
    // DNSSEC puts beside it (RFC 4035, section 2.5).
    small.or_else(|| node.set(Type::CNAME).map(Content::Alias)).unwrap_or(Content::Nothing)
}

/// Where an alias leads.
fn target(alias: &Set) -> Result<OwnName, DnsError> {
    let target = alias.data.first().and_then(|data| Name::from_octets(data.as_slice()).ok());
    target.map(|target| lowercase(&target)).ok_or(DnsError::Corrupt("the target of an alias"))
}
