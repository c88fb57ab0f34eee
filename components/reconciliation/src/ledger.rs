//! The ledger's side: the entries of the account that mirrors a source's, read once each.

use crate::Error;
use crate::item::Item;
use crate::money::Money;
use crate::source::{Account, Source};
use crate::store::{self, Keys, Side, Total};
use crate::text::{self, REFERENCE_LENGTH_MAX, TEXT_LENGTH_MAX};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::future::Future;
use vwp_core::Problem;
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Entry, Outcome, Write};

/// How many entries one commit stores: each is three writes and may be one more for its day.
const CHUNK: usize = 40;
/// How many parts of an account's entries one run reads at most.
const PAGES_MAX: usize = 64;

/// An entry of an account: one side of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Its number among the account's entries; it grows from one to the next.
    pub number: u64,
    /// The transfer's id.
    pub transfer: String,
    /// Where in the ledger's log it is.
    pub position: u64,
    /// When it was made, in milliseconds since the Unix epoch.
    pub time: u64,
    /// The day on which it takes effect.
    pub date: NaiveDate,
    /// How much: positive if it was credited to the account.
    pub amount: Money,
    /// What its maker wanted to find it with again.
    pub memo: String,
    /// Whose account is on the other side.
    pub counterparty: String,
}

/// Part of an account's entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerPage {
    /// The entries that moved something, in order.
    pub entries: Vec<LedgerEntry>,
    /// The number to go on from.
    pub next: u64,
    /// Whether these were the last ones.
    pub is_end: bool,
}

/// Where entries come from.
pub trait LedgerEntries {
    /// Reads an account's entries from a number on. The first entry has number 1.
    fn entries(&self, account: &Account, from: u64) -> impl Future<Output = Result<LedgerPage, Problem>>;
}

/// An entry as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredEntry {
    /// Its id: its day and its transfer.
    pub id: String,
    /// The transfer's id.
    pub transfer: String,
    /// Where in the ledger's log it is.
    pub position: u64,
    /// When it was made, in milliseconds since the Unix epoch.
    pub time: u64,
    /// The day on which it takes effect.
    pub date: NaiveDate,
    /// How much, with the sign of the source's account.
    pub amount: Money,
    /// What its maker wanted to find it with again.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub memo: String,
    /// Whose account is on the other side.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub counterparty: String,
}

/// How far the entries were read: to before a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    next: u64,
}

/// What reading the ledger brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Ingested {
    /// How many entries are new.
    pub entries: u64,
    /// Whether they were read to the last one.
    pub complete: bool,
}

/// Stores the entries that are new, in bounded commits: what is broken off goes on where it was.
pub async fn ingest(kv: &impl Kv, ledger: &impl LedgerEntries, source: &Source) -> Result<Ingested, Error> {
    let keys = Keys::new(&source.name);
    let mut ingested = Ingested { entries: 0, complete: false };
    let mut state: Option<(Cursor, Entry)> = store::read(kv, &keys.cursor()).await?;
    for _ in 0..PAGES_MAX {
        let from = state.as_ref().map_or(1, |(cursor, _)| cursor.next);
        let page = ledger.entries(&source.definition.account, from).await?;
        let mut rest = page.entries.as_slice();
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(CHUNK.min(rest.len()));
            let cursor = Cursor { next: after.first().map_or(page.next, |entry| entry.number) };
            state = Some(commit_chunk(kv, source, state.as_ref(), cursor, chunk).await?);
            ingested.entries += chunk.len() as u64;
            rest = after;
        }
        // What moved nothing is passed over as well.
        if page.entries.is_empty() && page.next != from {
            let cursor = Cursor { next: page.next };
            state = Some(commit_chunk(kv, source, state.as_ref(), cursor, &[]).await?);
        }
        if page.is_end {
            ingested.complete = true;
            break;
        }
    }
    Ok(ingested)
}

async fn commit_chunk(
    kv: &impl Kv,
    source: &Source,
    before: Option<&(Cursor, Entry)>,
    next: Cursor,
    chunk: &[LedgerEntry],
) -> Result<(Cursor, Entry), Error> {
    let keys = Keys::new(&source.name);
    let chunk: Vec<StoredEntry> =
        chunk.iter().map(|entry| stored(source, entry)).collect::<Result<_, _>>()?;
    // Of two who read at once one goes on: the cursor guards the days' totals as well.
    let mut checks = vec![Check::unchanged(keys.cursor(), before.map(|(_, entry)| entry))];
    let cursor = store::encode(&next)?;
    let mut writes = vec![Write::put(keys.cursor(), cursor.clone())];
    for entry in &chunk {
        checks.push(Check::absent(keys.transfer(&entry.transfer)));
        writes.push(Write::put(keys.transfer(&entry.transfer), entry.id.as_bytes()));
        writes.push(Write::put(keys.record(Side::Entry, &entry.id), store::encode(entry)?));
        writes.push(Write::put(keys.open(Side::Entry, &entry.id), store::encode(&Item::of_entry(entry))?));
    }
    let (day_checks, day_writes) =
        totals(kv, keys, Side::Entry, chunk.iter().map(|entry| (entry.date, entry.amount))).await?;
    checks.extend(day_checks);
    writes.extend(day_writes);
    match kv.commit(&checks, &writes).await? {
        Outcome::Committed(version) => Ok((next, Entry { value: cursor, version })),
        _ => Err(Error::Busy),
    }
}

/// The checks and writes that add amounts to the totals of their days.
pub(crate) async fn totals(
    kv: &impl Kv,
    keys: Keys<'_>,
    side: Side,
    amounts: impl Iterator<Item = (NaiveDate, Money)>,
) -> Result<(Vec<Check>, Vec<Write>), Error> {
    let mut added: BTreeMap<NaiveDate, Total> = BTreeMap::new();
    amounts.for_each(|(day, amount)| added.entry(day).or_default().add(amount));
    let day_keys: Vec<Vec<u8>> = added.keys().map(|day| keys.day(side, *day)).collect();
    let seen = kv.get_many(&day_keys).await?;
    let (mut checks, mut writes) = (Vec::new(), Vec::new());
    for ((key, total), seen) in day_keys.into_iter().zip(added.values()).zip(seen) {
        let mut sum: Total =
            seen.as_ref().map_or(Ok(Total::default()), |entry| store::decode(&entry.value))?;
        sum.add_all(*total);
        checks.push(Check::unchanged(key.clone(), seen.as_ref()));
        writes.push(Write::put(key, store::encode(&sum)?));
    }
    Ok((checks, writes))
}

fn stored(source: &Source, entry: &LedgerEntry) -> Result<StoredEntry, Error> {
    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if entry.transfer.is_empty() || entry.transfer.len() > 32 || !entry.transfer.bytes().all(is_id) {
        return Err(Problem::internal().into());
    }
    let amount = if source.definition.inverted { entry.amount.negated() } else { entry.amount };
    Ok(StoredEntry {
        id: format!("{}-{}", store::day_text(entry.date), entry.transfer),
        transfer: entry.transfer.clone(),
        position: entry.position,
        time: entry.time,
        date: entry.date,
        amount,
        memo: text::tidied(&entry.memo, TEXT_LENGTH_MAX),
        counterparty: text::tidied(&entry.counterparty, REFERENCE_LENGTH_MAX),
    })
}
