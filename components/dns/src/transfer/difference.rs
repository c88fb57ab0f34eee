//! What changed from one serial number to a later one (RFC 1995, section 4).

use super::packer::{Record, records, start_of_authority};
use crate::DnsError;
use crate::journal::{self, Step};
use crate::name::OrderedName;
use crate::node::Node;
use crate::publish::Head;
use crate::zone::Zone;
use std::collections::{BTreeMap, BTreeSet};
use vwp_storage::Kv;
use vwp_storage::kv::{Direction, KeyRange};

/// How many records of the journal make one difference, unless there is no serial number
/// between them.
const JOURNAL_RECORDS: u32 = 200;
/// The most steps of one difference. Whoever is further behind is better served with the
/// whole zone.
const STEPS_MAX: usize = 20_000;
/// How many serial numbers are looked at for the end of a difference.
const SERIALS: u32 = 256;

/// A difference: what to remove and what to add, each behind its start of authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The records of the earlier serial number that are gone.
    pub removed: Vec<Record>,
    /// The records of the later one that are new.
    pub added: Vec<Record>,
    /// The later serial number.
    pub to: Head,
}

/// The head of a serial number; none if the zone no longer knows it.
pub async fn head_of<S: Kv>(store: &S, zone: &Zone, serial: u32) -> Result<Option<Head>, DnsError> {
    let entries = store.get_many(&[zone.head(), zone.published(serial)]).await?;
    for entry in entries.into_iter().flatten() {
        let head = decode(&entry.value)?;
        if head.serial == serial {
            return Ok(Some(head));
        }
    }
    Ok(None)
}

/// The difference from a serial number to a later one, as late as fits and `last` at most.
/// Fails as forgotten if there are too many changes, or if they are no longer known.
pub async fn next<S: Kv>(store: &S, zone: &Zone, from: &Head, last: &Head) -> Result<Difference, DnsError> {
    let heads = heads_between(store, zone, from, last).await?;
    let nearest = heads.first().unwrap_or(last);
    let furthest = heads.last().unwrap_or(last);
    let mut steps = Vec::new();
    let mut complete = from.version;
    // At least one serial number is reached, and then no more is read.
    while complete < nearest.version {
        let (more, until) = journal::steps(store, zone, complete, furthest.version, JOURNAL_RECORDS).await?;
        steps.extend(more);
        complete = until;
        if steps.len() > STEPS_MAX {
            return Err(DnsError::Forgotten);
        }
    }
    let to = heads.iter().rev().find(|head| head.version <= complete).unwrap_or(nearest).clone();
    steps.retain(|step| step.version <= to.version);
    Ok(difference(zone, from, to, steps))
}

/// The heads after one up to and with another, nearest first.
async fn heads_between<S: Kv>(
    store: &S,
    zone: &Zone,
    from: &Head,
    last: &Head,
) -> Result<Vec<Head>, DnsError> {
    let after = zone.published(from.serial.wrapping_add(1));
    let end = KeyRange::prefix(zone.published(last.serial)).end;
    let mut ranges = vec![KeyRange { start: after.clone(), end: end.clone() }];
    if last.serial < from.serial {
        // Serial numbers go round in a circle (RFC 1982).
        let all = zone.all_published();
        ranges = vec![KeyRange { start: after, end: all.end }, KeyRange { start: all.start, end }];
    }
    let mut heads = Vec::new();
    let mut is_whole = true;
    for range in ranges.into_iter().filter(|range| range.start < range.end) {
        if !is_whole {
            break;
        }
        let page = store.scan(&range, SERIALS, Direction::Forward).await?;
        is_whole = page.next.is_none();
        for item in page.items {
            heads.push(decode(&item.entry.value)?);
        }
    }
    if is_whole && heads.last().is_none_or(|head| head.serial != last.serial) {
        heads.push(last.clone());
    }
    Ok(heads)
}

/// Puts steps together: what was there before the first of a name against what is there
/// after its last one.
fn difference(zone: &Zone, from: &Head, to: Head, steps: Vec<Step>) -> Difference {
    let mut names: BTreeMap<OrderedName, (Option<Node>, Option<Node>)> = BTreeMap::new();
    for step in steps {
        names.entry(step.name).or_insert((step.before, None)).1 = step.after;
    }
    let apex = zone.apex();
    let (mut removed, mut added) = (start(from, zone), start(&to, zone));
    for (name, (before, after)) in names {
        let records = |node: Option<Node>| -> BTreeSet<Record> {
            node.into_iter().flat_map(|node| records(&name, &node, apex)).collect()
        };
        let (before, after) = (records(before), records(after));
        removed.extend(before.difference(&after).cloned());
        added.extend(after.difference(&before).cloned());
    }
    Difference { removed, added, to }
}

/// A start of authority, then its signatures, as both halves of a difference begin.
fn start(head: &Head, zone: &Zone) -> Vec<Record> {
    let (soa, signatures) = start_of_authority(head, zone.apex());
    soa.into_iter().chain(signatures).collect()
}

fn decode(bytes: &[u8]) -> Result<Head, DnsError> {
    Head::decode(bytes).ok_or(DnsError::Corrupt("a serial number's head"))
}
