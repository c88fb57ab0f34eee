//! What each commit did to nodes, so that transfers can tell the difference between two
//! serial numbers and a transfer of everything can show one moment.
//!
//! A record holds the time of the commit and one or more names, each with what was there and
//! what is there now. A commit whose names do not fit one record has several, numbered.

use crate::error::DnsError;
use crate::name::OrderedName;
use crate::node::{Node, Reader, put_bytes};
use crate::zone::{Policy, Zone};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Direction, Item, Outcome, VALUE_LENGTH_MAX, Version, Write};

/// The first byte of every record: the version of this format.
const FORMAT: u8 = 1;
/// How many records are kept at most, however young they are.
const RECORDS_MAX: i64 = 50_000;
/// How many records, and how many serial numbers, one commit forgets.
const FORGET_MAX: u32 = 100;

/// What a commit did to one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The commit.
    pub version: Version,
    /// The name.
    pub name: OrderedName,
    /// What was there; none: nothing.
    pub before: Option<Node>,
    /// What is there now; none: nothing.
    pub after: Option<Node>,
}

/// A name with what it held and what it holds, as stored.
pub(crate) type RawStep = (OrderedName, Option<Vec<u8>>, Option<Vec<u8>>);

/// The writes that put steps into the journal.
pub(crate) fn writes(zone: &Zone, now_s: u64, steps: &[RawStep]) -> Vec<Write> {
    let head = [&[FORMAT][..], &now_s.to_be_bytes()].concat();
    let mut records: Vec<Vec<u8>> = Vec::new();
    for step in steps {
        let bytes = encode(step);
        match records.last_mut().filter(|record| record.len() + bytes.len() <= VALUE_LENGTH_MAX) {
            Some(record) => record.extend(bytes),
            None => records.push([head.clone(), bytes].concat()),
        }
    }
    let Some(count) = i64::try_from(records.len()).ok().filter(|&count| count > 0) else {
        return Vec::new();
    };
    let append = |(part, value): (u16, Vec<u8>)| Write::Append {
        prefix: zone.journal_prefix(),
        suffix: part.to_be_bytes().to_vec(),
        value,
    };
    let mut writes: Vec<Write> = (0..).zip(records).map(append).collect();
    writes.push(add(zone, count));
    writes
}

/// The steps of up to `limit` journal records after `since`, up to and with `until`, in
/// order, and the version up to which they are complete. A commit is never cut in two, so that
/// there may be a few more. [`DnsError::Forgotten`] if the journal no longer goes back to `since`.
pub async fn steps<S: Kv>(
    store: &S,
    zone: &Zone,
    since: Version,
    until: Version,
    limit: u32,
) -> Result<(Vec<Step>, Version), DnsError> {
    let (mut steps, mut complete) = (Vec::new(), until);
    let mut rest = (since < until).then(|| zone.journal(since, until));
    let mut left = limit.max(1);
    while let Some(range) = rest {
        let page = store.scan(&range, left, Direction::Forward).await?;
        for item in &page.items {
            read(zone, item, &mut steps)?;
        }
        rest = page.next;
        left = left.saturating_sub(u32::try_from(page.items.len()).unwrap_or(u32::MAX));
        if rest.is_some() && left == 0 {
            // The last commit may go on: it is left to the next call, unless it is the only one.
            let last = steps.last().map_or(since, |step| step.version);
            if let Some(whole) = steps.iter().rev().map(|step| step.version).find(|&at| at < last) {
                steps.retain(|step| step.version <= whole);
                complete = whole;
                break;
            }
            left = 1;
        }
    }
    // Read after the records: those after the floor were there until now.
    if floor(store, zone).await? > since {
        return Err(DnsError::Forgotten);
    }
    Ok((steps, complete))
}

/// The last commit that changed the zone; none if the journal has none.
pub async fn latest<S: Kv>(store: &S, zone: &Zone) -> Result<Option<Version>, DnsError> {
    let page = store.scan(&zone.journal(0, Version::MAX - 1), 1, Direction::Backward).await?;
    page.items.first().map(|item| version(zone, item)).transpose()
}

/// The commit up to which the journal was forgotten; 0 if it was not.
pub async fn floor<S: Kv>(store: &S, zone: &Zone) -> Result<Version, DnsError> {
    let entry = store.get(&zone.floor()).await?;
    let version = |value: &[u8]| value.try_into().ok().map(Version::from_be_bytes);
    entry.map_or(Ok(0), |entry| version(&entry.value).ok_or(DnsError::Corrupt("the journal's floor")))
}

/// Forgets records that are older than the policy says or too many, and the serial numbers
/// that nothing leads from any more. Records after `head` stay: transfers of the published zone
/// are made with them. Says whether there may be more to forget.
pub(crate) async fn prune<S: Kv>(
    store: &S,
    zone: &Zone,
    policy: &Policy,
    head: Version,
    now_s: u64,
) -> Result<bool, DnsError> {
    let kept = store.get(&zone.journaled()).await?;
    let kept = kept.and_then(|entry| entry.value.as_slice().try_into().ok()).map_or(0, i64::from_le_bytes);
    let limit = if kept > RECORDS_MAX { FORGET_MAX } else { 1 };
    let mut page = store.scan(&zone.journal(0, head), limit, Direction::Forward).await?;
    let is_old = |item: &Item| time_s(item).is_some_and(|at| at.saturating_add(policy.journal_s) <= now_s);
    if limit == 1 && page.items.first().is_some_and(is_old) {
        page = store.scan(&zone.journal(0, head), FORGET_MAX, Direction::Forward).await?;
    }
    let surplus = usize::try_from(kept.saturating_sub(RECORDS_MAX)).unwrap_or(0);
    let old = page.items.iter().take_while(|item| is_old(item)).count();
    let forgotten = page.items.get(..old.max(surplus).min(page.items.len())).unwrap_or_default();
    let Some(last) = forgotten.last() else {
        return Ok(false);
    };
    let floor = version(zone, last)?;
    let mut writes: Vec<Write> = forgotten.iter().map(|item| Write::delete(item.key.clone())).collect();
    writes.push(Write::put(zone.floor(), floor.to_be_bytes()));
    writes.push(add(zone, -i64::try_from(forgotten.len()).unwrap_or(0)));
    let serials = store.scan(&zone.all_published(), FORGET_MAX, Direction::Forward).await?;
    let is_unreachable = |item: &&Item| {
        crate::publish::Head::decode(&item.entry.value).is_none_or(|published| published.version < floor)
    };
    writes.extend(serials.items.iter().filter(is_unreachable).map(|item| Write::delete(item.key.clone())));
    // Only one of two that prune at once does: the record that both name is gone for the other.
    let check = Check::unchanged(last.key.clone(), Some(&last.entry));
    let outcome = store.commit(&[check], &writes).await?;
    Ok(matches!(outcome, Outcome::Committed(_)) && forgotten.len() >= FORGET_MAX as usize)
}

/// Counts records. The bounds are no bounds: the count is a matter of housekeeping.
fn add(zone: &Zone, delta: i64) -> Write {
    Write::Add { key: zone.journaled(), delta, minimum: i64::MIN, maximum: i64::MAX }
}

fn encode((name, before, after): &RawStep) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_bytes(&mut bytes, name.as_bytes());
    for node in [before, after] {
        // A node is never empty, see its format.
        put_bytes(&mut bytes, node.as_deref().unwrap_or_default());
    }
    bytes
}

fn read(zone: &Zone, item: &Item, steps: &mut Vec<Step>) -> Result<(), DnsError> {
    let version = version(zone, item)?;
    let mut reader = Reader(item.entry.value.get(9..).unwrap_or_default());
    while !reader.0.is_empty() {
        let step = decode(&mut reader, version).ok_or(DnsError::Corrupt("the journal"))?;
        steps.push(step);
    }
    Ok(())
}

fn decode(reader: &mut Reader<'_>, version: Version) -> Option<Step> {
    let name = OrderedName::from_bytes(reader.bytes()?);
    let mut node = || match reader.bytes()? {
        [] => Some(None),
        bytes => Node::decode(bytes).map(Some),
    };
    Some(Step { version, name, before: node()?, after: node()? })
}

fn version(zone: &Zone, item: &Item) -> Result<Version, DnsError> {
    let rest = item.key.strip_prefix(zone.journal_prefix().as_slice());
    let bytes = rest.and_then(|rest| rest.first_chunk::<8>());
    bytes.map(|bytes| Version::from_be_bytes(*bytes)).ok_or(DnsError::Corrupt("the journal"))
}

/// When a record was written; none if it is not a record of this format.
fn time_s(item: &Item) -> Option<u64> {
    let (format, rest) = item.entry.value.split_first()?;
    (*format == FORMAT).then(|| rest.first_chunk::<8>().map(|bytes| u64::from_be_bytes(*bytes)))?
}
