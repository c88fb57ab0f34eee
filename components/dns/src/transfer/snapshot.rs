//! A zone as it was at one commit, in pages, while it goes on changing.
//!
//! The pages are read from the nodes as they are. What was changed since the commit is in the
//! journal, which says what was there before: it overlays what was read. The journal is
//! read after the nodes, so that it has every change that they could show. A change that
//! comes after both shows in neither.

use crate::DnsError;
use crate::journal;
use crate::name::OrderedName;
use crate::node::{Node, Reader, put_bytes};
use crate::zone::Zone;
use std::collections::BTreeMap;
use vwp_storage::Kv;
use vwp_storage::kv::{Direction, KeyRange, Version};

/// How many nodes one page has at most.
pub const PAGE_NODES: u32 = 400;
/// How many records of the journal are read at once.
const JOURNAL_RECORDS: u32 = 200;
/// The most bytes of earlier nodes that are kept. A zone that changes by more while it is read
/// is to be read again.
const OVERLAY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A reader of a zone at one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Where the next page starts; none at the end.
    from: Option<OrderedName>,
    /// Up to which commit the journal was read.
    journal: Version,
    /// Names at and after `from` that were changed since the commit, as they were at it.
    overlay: BTreeMap<OrderedName, Option<Node>>,
}

impl Snapshot {
    /// The zone at a commit, from a name on.
    pub fn new(version: Version, from: OrderedName) -> Self {
        Self { from: Some(from), journal: version, overlay: BTreeMap::new() }
    }

    /// Where the next page starts; none at the end.
    pub fn from(&self) -> Option<&OrderedName> {
        self.from.as_ref()
    }

    /// The next names, in order. Fewer than the limit, even none, does not mean the end.
    pub async fn page<S: Kv>(
        &mut self,
        store: &S,
        zone: &Zone,
        limit: u32,
    ) -> Result<Vec<(OrderedName, Node)>, DnsError> {
        let Some(from) = self.from.take() else {
            return Ok(Vec::new());
        };
        let range = KeyRange { start: zone.node(&from), end: zone.nodes().end };
        let page = store.scan(&range, limit, Direction::Forward).await?;
        let corrupt = || DnsError::Corrupt("a node");
        let mut nodes = BTreeMap::new();
        for item in page.items {
            let name = zone.name_of_node(&item.key).ok_or_else(corrupt)?;
            nodes.insert(name, Node::decode(&item.entry.value).ok_or_else(corrupt)?);
        }
        self.read_journal(store, zone, &from).await?;
        self.from = match page.next {
            Some(next) => Some(zone.name_of_node(&next.start).ok_or_else(corrupt)?),
            None => None,
        };
        let rest = match &self.from {
            Some(next) => self.overlay.split_off(next),
            None => BTreeMap::new(),
        };
        for (name, before) in std::mem::replace(&mut self.overlay, rest) {
            match before {
                Some(node) => nodes.insert(name, node),
                None => nodes.remove(&name),
            };
        }
        Ok(nodes.into_iter().collect())
    }

    /// Reads what was changed meanwhile. The first change of a name says what was there.
    async fn read_journal<S: Kv>(
        &mut self,
        store: &S,
        zone: &Zone,
        from: &OrderedName,
    ) -> Result<(), DnsError> {
        loop {
            let (steps, complete) =
                journal::steps(store, zone, self.journal, Version::MAX, JOURNAL_RECORDS).await?;
            let is_end = complete == Version::MAX;
            self.journal = match steps.last() {
                Some(last) if is_end => last.version,
                _ if is_end => self.journal,
                _ => complete,
            };
            for step in steps.into_iter().filter(|step| step.name >= *from) {
                self.overlay.entry(step.name).or_insert(step.before);
            }
            if is_end {
                break;
            }
        }
        let lengths = self.overlay.iter().map(|(name, node)| name.as_bytes().len() + length(node.as_ref()));
        if lengths.sum::<usize>() > OVERLAY_BYTES_MAX {
            return Err(DnsError::Conflict);
        }
        Ok(())
    }

    /// The reader as bytes.
    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.journal.to_be_bytes());
        put_optional(bytes, self.from.as_ref().map(OrderedName::as_bytes));
        for (name, node) in &self.overlay {
            put_bytes(bytes, name.as_bytes());
            put_optional(bytes, node.as_ref().map(Node::encode).as_deref());
        }
    }

    /// Reads what [`Snapshot::encode`] wrote.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let journal = u64_of(reader)?;
        let from = match reader.byte()? {
            0 => None,
            _ => Some(OrderedName::from_bytes(reader.bytes()?)),
        };
        let mut overlay = BTreeMap::new();
        while !reader.0.is_empty() {
            let name = OrderedName::from_bytes(reader.bytes()?);
            let node = match reader.byte()? {
                0 => None,
                _ => Some(Node::decode(reader.bytes()?)?),
            };
            overlay.insert(name, node);
        }
        Some(Self { from, journal, overlay })
    }
}

fn length(node: Option<&Node>) -> usize {
    node.map_or(0, |node| node.encode().len())
}

fn put_optional(bytes: &mut Vec<u8>, part: Option<&[u8]>) {
    bytes.push(u8::from(part.is_some()));
    if let Some(part) = part {
        put_bytes(bytes, part);
    }
}

fn u64_of(reader: &mut Reader<'_>) -> Option<u64> {
    let mut bytes = [0; 8];
    for byte in &mut bytes {
        *byte = reader.byte()?;
    }
    Some(u64::from_be_bytes(bytes))
}
