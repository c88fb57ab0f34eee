//! Reading the log, and finding out where a chain does not hold.

use super::entry::{Detail, Entry, Head, Kind};
use super::{Chain, RETENTION_MS, keys};
use crate::error::AuthError;
use serde::Serialize;
use std::collections::BTreeMap;
use vwp_core::environment::{CLOCK_SKEW_MAX_MS, Timestamp};
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Direction, Entry as Stored, Key, KeyRange};

/// The most entries of a page. Each is read with four records around it.
pub const PAGE_MAX: u32 = 100;
/// How many entries are verified with one read.
const PORTION: u32 = 400;

/// What is wrong with a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// There is no entry although it has not expired.
    Missing,
    /// The entry is not one.
    Unreadable,
    /// The entry names another one before it than there is.
    Unlinked,
    /// The last entry is not the one that the chain's head names.
    NotTheHead,
    /// What the entry says is not what was hashed.
    DetailChanged,
    /// The port's chain noted another entry.
    NotAnchored,
}

/// Where a chain breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Break {
    /// The chain.
    pub chain: String,
    /// The number of the entry.
    pub seq: u64,
    /// What is wrong there.
    pub fault: Fault,
}

/// An entry as readers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The chain.
    pub chain: String,
    /// The number in the chain.
    pub seq: u64,
    /// When it happened, in milliseconds since the Unix epoch.
    pub at: Timestamp,
    /// What happened.
    pub kind: Kind,
    /// What there is to say beside that; none if it was erased.
    pub detail: Option<BTreeMap<String, String>>,
    /// The entry's hash.
    pub hash: String,
}

/// A page of the log, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page {
    /// The entries.
    pub entries: Vec<Shown>,
    /// Where chains break at these entries.
    pub broken: Vec<Break>,
    /// What to ask with for older entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// What a chain is found to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The chain.
    pub chain: String,
    /// How many entries were looked at.
    pub entries: u64,
    /// How many of them have nothing left but their kind.
    pub erased: u64,
    /// The chain's head, if it has one.
    pub head: Option<Head>,
    /// Where it breaks first; none: it is whole.
    pub broken: Option<Break>,
}

/// The log of all chains before a moment of the cursor, each entry verified with its neighbours.
pub async fn latest(
    kv: &impl Kv,
    limit: u32,
    cursor: Option<&str>,
    environment: &Environment<'_>,
) -> Result<Page, AuthError> {
    let mut range = KeyRange::prefix(keys::TIME);
    if let Some(cursor) = cursor {
        range.end = format!("{}{cursor}", keys::TIME).into_bytes();
    }
    let page = kv.scan(&range, limit.clamp(1, PAGE_MAX), Direction::Backward).await?;
    let names = page.items.iter().map(|item| keys::parts_of_time(&item.key).ok_or_else(Problem::internal));
    let names = names.collect::<Result<Vec<_>, _>>()?;
    let is_cut = page.next.is_some();
    let last = page.items.last().filter(|_| is_cut).map(|item| &item.key[keys::TIME.len()..]);
    let cursor = last.map(|key| String::from_utf8_lossy(key).into_owned());
    shown(kv, &names, cursor, environment).await
}

/// The log of one chain before an entry, each entry verified with its neighbours.
pub async fn of_chain(
    kv: &impl Kv,
    chain: &Chain,
    limit: u32,
    before: Option<u64>,
    environment: &Environment<'_>,
) -> Result<Page, AuthError> {
    let mut range = KeyRange::prefix(keys::entries(chain));
    if let Some(before) = before {
        range.end = keys::entry(chain, before);
    }
    let page = kv.scan(&range, limit.clamp(1, PAGE_MAX), Direction::Backward).await?;
    let prefix = keys::entries(chain).len();
    let number = |key: &Key| {
        let digits = std::str::from_utf8(key.get(prefix..)?).ok()?;
        u64::from_str_radix(digits, 16).ok()
    };
    let names = page.items.iter().map(|item| Some((chain.clone(), number(&item.key)?)));
    let names = names.collect::<Option<Vec<_>>>().ok_or_else(Problem::internal)?;
    let cursor = names.last().filter(|_| page.next.is_some()).map(|(_, seq)| seq.to_string());
    shown(kv, &names, cursor, environment).await
}

async fn shown(
    kv: &impl Kv,
    names: &[(Chain, u64)],
    cursor: Option<String>,
    environment: &Environment<'_>,
) -> Result<Page, AuthError> {
    let wanted: Vec<Key> = names
        .iter()
        .flat_map(|(chain, seq)| {
            [
                keys::entry(chain, *seq),
                keys::detail(chain, *seq),
                keys::entry(chain, seq.saturating_sub(1)),
                keys::entry(chain, seq.saturating_add(1)),
                keys::head(chain),
            ]
        })
        .collect();
    let read = kv.get_many(&wanted).await?;
    let mut page = Page { entries: Vec::new(), broken: Vec::new(), cursor };
    for ((chain, seq), records) in names.iter().zip(read.chunks_exact(5)) {
        let at_fault = |fault| Break { chain: chain.to_string(), seq: *seq, fault };
        let [entry, detail, before, after, head] = records else {
            return Err(Problem::internal().into());
        };
        let Some(entry) = entry_of(entry.as_ref()) else {
            page.broken.push(at_fault(Fault::Unreadable));
            continue;
        };
        let detail = detail_of(detail.as_ref());
        let around = Around { before: entry_of(before.as_ref()), after: entry_of(after.as_ref()) };
        let fault = around.fault(chain, *seq, &entry, keys::parse(head.as_ref())?, environment)?;
        page.broken.extend(fault.or(detail_fault(&entry, detail.as_ref())).map(at_fault));
        page.entries.push(Shown {
            chain: entry.chain.clone(),
            seq: entry.seq,
            at: entry.at,
            kind: entry.kind,
            detail: detail.map(|detail| detail.said().clone()),
            hash: entry.hash()?,
        });
    }
    Ok(page)
}

/// What is before and after an entry.
struct Around {
    before: Option<Entry>,
    after: Option<Entry>,
}

impl Around {
    fn fault(
        &self,
        chain: &Chain,
        seq: u64,
        entry: &Entry,
        head: Option<Head>,
        environment: &Environment<'_>,
    ) -> Result<Option<Fault>, Problem> {
        if let Some(fault) = start_fault(chain, seq, entry, self.before.as_ref(), environment)? {
            return Ok(Some(fault));
        }
        let hash = entry.hash()?;
        Ok(match (&self.after, head) {
            (Some(after), _) if after.previous != hash => Some(Fault::Unlinked),
            (Some(_), _) => None,
            (None, Some(head)) if head.seq == seq && head.hash == hash => None,
            (None, Some(head)) if head.seq > seq => Some(Fault::Missing),
            (None, _) => Some(Fault::NotTheHead),
        })
    }
}

/// What is wrong with an entry and the one before it.
fn start_fault(
    chain: &Chain,
    seq: u64,
    entry: &Entry,
    before: Option<&Entry>,
    environment: &Environment<'_>,
) -> Result<Option<Fault>, Problem> {
    if entry.seq != seq || entry.chain != chain.to_string() {
        return Ok(Some(Fault::Unreadable));
    }
    Ok(match before {
        Some(before) if entry.previous != before.hash()? => Some(Fault::Unlinked),
        None if seq == 1 && !entry.previous.is_empty() => Some(Fault::Unlinked),
        None if seq > 1 && !is_expired(entry.previous_at, environment) => Some(Fault::Missing),
        _ => None,
    })
}

/// Whether an entry of this time may be gone. Our clock and the store's may differ.
fn is_expired(at: Timestamp, environment: &Environment<'_>) -> bool {
    at.saturating_add(RETENTION_MS) <= environment.now.saturating_add(CLOCK_SKEW_MAX_MS)
}

fn detail_fault(entry: &Entry, detail: Option<&Detail>) -> Option<Fault> {
    let is_same = detail.is_none_or(|detail| detail.hash().is_ok_and(|hash| hash == entry.detail));
    (!is_same).then_some(Fault::DetailChanged)
}

fn entry_of(stored: Option<&Stored>) -> Option<Entry> {
    serde_json::from_slice(&stored?.value).ok()
}

/// What was erased reads as nothing; what is unreadable as something that was never hashed.
fn detail_of(stored: Option<&Stored>) -> Option<Detail> {
    let stored = stored?;
    Some(serde_json::from_slice(&stored.value).unwrap_or_else(|_| Detail::new([0; 16], &[])))
}

/// Verifies everything that is kept of a chain.
pub async fn verify(
    kv: &impl Kv,
    chain: &Chain,
    environment: &Environment<'_>,
) -> Result<Verified, AuthError> {
    // The head is read first: what is added meanwhile comes after it.
    let head: Option<Head> = keys::parse(kv.get(&keys::head(chain)).await?.as_ref())?;
    let mut found = Verified { chain: chain.to_string(), entries: 0, erased: 0, head, broken: None };
    let mut last: Option<Entry> = None;
    let mut range = KeyRange::prefix(keys::entries(chain));
    loop {
        let page = kv.scan(&range, PORTION, Direction::Forward).await?;
        let details: Vec<Key> = page
            .items
            .iter()
            .map(|item| [keys::details(chain).as_bytes(), number(&item.key)].concat())
            .collect();
        let details = kv.get_many(&details).await?;
        for (item, detail) in page.items.iter().zip(&details) {
            let seq = std::str::from_utf8(number(&item.key)).ok();
            let seq = seq.and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0);
            let entry = entry_of(Some(&item.entry));
            let detail = detail_of(detail.as_ref());
            let fault = match &entry {
                Some(entry) => next_fault(chain, seq, entry, last.as_ref(), environment)?
                    .or(detail_fault(entry, detail.as_ref())),
                None => Some(Fault::Unreadable),
            };
            if let Some(fault) = fault {
                // What is missing has the number after the last one, or before the first one.
                let missing = last.as_ref().map_or(seq.saturating_sub(1), |last| last.seq + 1);
                let seq = if fault == Fault::Missing { missing } else { seq };
                found.broken = Some(Break { chain: chain.to_string(), seq, fault });
                return Ok(found);
            }
            found.entries += 1;
            found.erased += u64::from(detail.is_none());
            if found.head.as_ref().is_some_and(|head| head.seq == seq)
                && !is_head(entry.as_ref(), found.head.as_ref())?
            {
                found.broken = Some(Break { chain: chain.to_string(), seq, fault: Fault::NotTheHead });
                return Ok(found);
            }
            last = entry;
        }
        match page.next {
            Some(next) => range = next,
            None => break,
        }
    }
    found.broken = end_fault(chain, found.head.as_ref(), last.as_ref(), environment);
    Ok(found)
}

/// The digits at the end of an entry's key.
fn number(key: &[u8]) -> &[u8] {
    key.get(key.len().saturating_sub(16)..).unwrap_or_default()
}

fn next_fault(
    chain: &Chain,
    seq: u64,
    entry: &Entry,
    last: Option<&Entry>,
    environment: &Environment<'_>,
) -> Result<Option<Fault>, Problem> {
    if last.is_some_and(|last| last.seq + 1 != seq) {
        return Ok(Some(Fault::Missing));
    }
    start_fault(chain, seq, entry, last, environment)
}

fn is_head(entry: Option<&Entry>, head: Option<&Head>) -> Result<bool, Problem> {
    match (entry, head) {
        (Some(entry), Some(head)) => Ok(entry.hash()? == head.hash),
        _ => Ok(false),
    }
}

/// What is wrong at the end of a chain: the entry of its head is not there.
fn end_fault(
    chain: &Chain,
    head: Option<&Head>,
    last: Option<&Entry>,
    environment: &Environment<'_>,
) -> Option<Break> {
    let at_fault = |seq, fault| Some(Break { chain: chain.to_string(), seq, fault });
    match (head, last) {
        (Some(head), Some(last)) if last.seq < head.seq => at_fault(last.seq + 1, Fault::Missing),
        (Some(head), None) if !is_expired(head.at, environment) => at_fault(head.seq, Fault::Missing),
        (None, Some(last)) => at_fault(last.seq, Fault::NotTheHead),
        _ => None,
    }
}
