//! A run: reads what is new in the ledger, matches what is open, and says what is broken. It may be
//! broken off anywhere, and repeated: each commit is true by itself, and what is done is not done
//! again.

use crate::Error;
use crate::breaks::{self, Break, Kind};
use crate::item::Item;
use crate::ledger::{self, LedgerEntries};
use crate::matches::{self, Actor, Draft};
use crate::matching::{self, Finding, ITEMS_MAX, Proposal};
use crate::source::Source;
use crate::store::{self, Keys, Side};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use vwp_core::environment::Timestamp;
use vwp_storage::Kv;
use vwp_storage::kv::{COMMIT_ITEMS_MAX, Entry, Write};

/// How many matches one run makes at most; there may be more for the next one.
const MATCHES_MAX: usize = 2000;
/// How many breaks one run writes at most.
const BREAKS_MAX: usize = 4000;
/// How many breaks one commit writes: each may have 64 KiB, and mostly has 1.
const BREAKS_CHUNK: usize = 14;
/// What is refused.
const TOO_MUCH: &str = "more than 20,000 lines or entries have no match: import and run in smaller parts";

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// When, in milliseconds since the Unix epoch.
    pub at: Timestamp,
    /// Who ran it.
    pub by: String,
    /// Today, as far as this run is concerned: what is older than the window is missing.
    pub as_of: NaiveDate,
    /// How many entries of the ledger were new.
    pub entries: u64,
    /// How many matches were made.
    pub matches: u64,
    /// How many breaks are new or changed.
    pub breaks: u64,
    /// How many lines have no match now.
    pub open_lines: u64,
    /// How many entries have no match now.
    pub open_entries: u64,
    /// Whether nothing is left to do. If not, run again.
    pub complete: bool,
}

impl Run {
    /// A run that has done nothing yet but read the ledger.
    fn of(actor: Actor<'_>, as_of: NaiveDate, entries: u64) -> Self {
        Self {
            at: actor.at,
            by: actor.by.to_owned(),
            as_of,
            entries,
            matches: 0,
            breaks: 0,
            open_lines: 0,
            open_entries: 0,
            complete: false,
        }
    }
}

/// Reads the last run.
pub async fn last(kv: &impl Kv, source: &Source) -> Result<Option<Run>, Error> {
    Ok(store::read(kv, &Keys::new(&source.name).run()).await?.map(|(run, _)| run))
}

/// Runs.
pub async fn run(
    kv: &impl Kv,
    ledger: &impl LedgerEntries,
    source: &Source,
    actor: Actor<'_>,
    as_of: NaiveDate,
) -> Result<Run, Error> {
    let keys = Keys::new(&source.name);
    let ingested = ledger::ingest(kv, ledger, source).await?;
    if !ingested.complete {
        // What is matched before all entries are there may belong to one that comes later.
        return Ok(Run::of(actor, as_of, ingested.entries));
    }
    let lines = open(kv, keys, Side::Line).await?;
    let entries = open(kv, keys, Side::Entry).await?;
    let found = matching::find(source.rules(), lines.clone(), entries.clone());
    let mut left: BTreeMap<(Side, String), Item> = BTreeMap::new();
    left.extend(lines.into_iter().map(|item| ((Side::Line, item.id.clone()), item)));
    left.extend(entries.into_iter().map(|item| ((Side::Entry, item.id.clone()), item)));
    let mut writer =
        Writer { kv, source, actor, draft: Draft::default(), keys: BTreeSet::new(), lost: false };
    let mut matches = 0;
    let mut undone: Vec<Proposal> = Vec::new();
    for proposal in found.matches.iter().take(MATCHES_MAX) {
        match writer.make(proposal).await? {
            Made::Drafted => {
                matches += 1;
                let lines = proposal.lines.iter().map(|id| (Side::Line, id.clone()));
                let taken = lines.chain(proposal.entries.iter().map(|id| (Side::Entry, id.clone())));
                taken.for_each(|place| drop(left.remove(&place)));
            }
            Made::Refused => undone.push(proposal.clone()),
        }
    }
    writer.flush().await?;
    let is_whole = found.matches.len() <= MATCHES_MAX && !writer.lost;
    let findings = found.findings.into_iter().chain(undone.iter().flat_map(undecided));
    let findings: BTreeMap<(Side, String), Finding> =
        findings.map(|finding| ((finding.side, finding.id.clone()), finding)).collect();
    // What is missing is known only when everything that there is was compared.
    let breaks =
        if is_whole { broken(kv, source, actor, as_of, &left, &findings).await? } else { (0, false) };
    let count = |side| left.keys().filter(|(of, _)| *of == side).count() as u64;
    let run = Run {
        matches,
        breaks: breaks.0,
        open_lines: count(Side::Line),
        open_entries: count(Side::Entry),
        complete: is_whole && breaks.1,
        ..Run::of(actor, as_of, ingested.entries)
    };
    kv.commit(&[], &[Write::put(keys.run(), store::encode(&run)?)]).await?;
    Ok(run)
}

/// A match that a person has undone is for people to decide.
fn undecided(proposal: &Proposal) -> Vec<Finding> {
    let finding = |side, id: &String, candidates: &Vec<String>| Finding {
        fault: matching::Fault::Ambiguous,
        side,
        id: id.clone(),
        candidates: vec![candidates.clone()],
    };
    let lines = proposal.lines.iter().map(|id| finding(Side::Line, id, &proposal.entries));
    lines.chain(proposal.entries.iter().map(|id| finding(Side::Entry, id, &proposal.lines))).collect()
}

async fn open(kv: &impl Kv, keys: Keys<'_>, side: Side) -> Result<Vec<Item>, Error> {
    let items = store::all(kv, keys.opens(side), ITEMS_MAX, TOO_MUCH).await?;
    Ok(items.into_iter().map(|(_, item)| item).collect())
}

/// Whether a match could be made.
enum Made {
    Drafted,
    Refused,
}

/// Puts matches together in commits.
struct Writer<'a, K> {
    kv: &'a K,
    source: &'a Source,
    actor: Actor<'a>,
    draft: Draft,
    keys: BTreeSet<Vec<u8>>,
    /// Whether a commit failed because somebody else changed something.
    lost: bool,
}

impl<K: Kv> Writer<'_, K> {
    async fn make(&mut self, proposal: &Proposal) -> Result<Made, Error> {
        let drafted = matches::draft(self.kv, self.source, self.actor, proposal, None).await?;
        let Some((_, draft)) = drafted else { return Ok(Made::Refused) };
        let keys: BTreeSet<Vec<u8>> = draft.writes.iter().map(key_of).collect();
        let is_full = self.draft.writes.len() + draft.writes.len() > COMMIT_ITEMS_MAX
            || self.draft.checks.len() + draft.checks.len() > COMMIT_ITEMS_MAX
            || !self.keys.is_disjoint(&keys);
        if is_full {
            self.flush().await?;
        }
        self.keys.extend(keys);
        self.draft.checks.extend(draft.checks);
        self.draft.writes.extend(draft.writes);
        Ok(Made::Drafted)
    }

    async fn flush(&mut self) -> Result<(), Error> {
        self.keys.clear();
        let draft = std::mem::take(&mut self.draft);
        if !draft.writes.is_empty() && !draft.commit(self.kv).await? {
            self.lost = true;
        }
        Ok(())
    }
}

fn key_of(write: &Write) -> Vec<u8> {
    match write {
        Write::Put { key, .. } | Write::Delete { key } | Write::Add { key, .. } => key.clone(),
        Write::Append { prefix, .. } => prefix.clone(),
    }
}

/// Writes the breaks of what is left: how many are new or changed, and whether these are all.
async fn broken(
    kv: &impl Kv,
    source: &Source,
    actor: Actor<'_>,
    as_of: NaiveDate,
    left: &BTreeMap<(Side, String), Item>,
    findings: &BTreeMap<(Side, String), Finding>,
) -> Result<(u64, bool), Error> {
    let keys = Keys::new(&source.name);
    let window = i64::from(source.rules().window_days);
    let mut wanted = Vec::new();
    for ((side, id), item) in left {
        let found = findings.get(&(*side, id.clone()));
        if let Some(found) = found {
            wanted.push((*side, item, Kind::from(found.fault), found.candidates.clone()));
        } else if (as_of - item.date).num_days() > window {
            let missing = match side {
                Side::Line => Kind::MissingInLedger,
                Side::Entry => Kind::MissingInStatement,
            };
            let (kind, candidates) = match original(kv, keys, *side, item).await? {
                Some(original) => (Kind::Duplicate, vec![vec![original]]),
                None => (missing, Vec::new()),
            };
            wanted.push((*side, item, kind, candidates));
        }
    }
    let (mut changed, mut is_complete) = (0, true);
    for chunk in wanted.chunks(BREAKS_CHUNK) {
        if changed >= BREAKS_MAX as u64 {
            return Ok((changed, false));
        }
        let mut draft = Draft::default();
        let mut count = 0;
        for (side, item, kind, candidates) in chunk {
            count += u64::from(one(kv, keys, actor, (*side, item), *kind, candidates, &mut draft).await?);
        }
        if draft.writes.is_empty() {
            continue;
        }
        if draft.commit(kv).await? {
            changed += count;
        } else {
            is_complete = false;
        }
    }
    Ok((changed, is_complete))
}

/// Drafts the break of one item; whether it is new or changed.
async fn one(
    kv: &impl Kv,
    keys: Keys<'_>,
    actor: Actor<'_>,
    (side, item): (Side, &Item),
    kind: Kind,
    candidates: &[Vec<String>],
    draft: &mut Draft,
) -> Result<bool, Error> {
    let key = keys.difference(&breaks::id_of(side, &item.id));
    let open = keys.open(side, &item.id);
    let seen: Option<(Break, Entry)> = store::read(kv, &key).await?;
    let broken = match &seen {
        None => Break::of_item(actor, side, item, kind, candidates.to_vec()),
        Some((before, _)) => {
            let mut changed = before.clone();
            if !changed.change(actor, kind, candidates.to_vec()) {
                return Ok(false);
            }
            changed
        }
    };
    // If it is matched meanwhile, there is no break.
    let lock = kv.get(&open).await?;
    if lock.is_none() {
        return Ok(false);
    }
    draft.checks.push(vwp_storage::kv::Check::unchanged(open, lock.as_ref()));
    draft.put(key, seen.as_ref().map(|(_, entry)| entry), &broken)?;
    Ok(true)
}

/// What has the same reference and amount and is matched already.
async fn original(kv: &impl Kv, keys: Keys<'_>, side: Side, item: &Item) -> Result<Option<String>, Error> {
    for reference in &item.references {
        let Some(found) = kv.get(&keys.paid(side, reference, item.amount)).await? else { continue };
        let of = String::from_utf8_lossy(&found.value).into_owned();
        let found: Option<(matches::Match, Entry)> = store::read(kv, &keys.pair(&of)).await?;
        let original =
            found.filter(|(found, _)| found.undone_by.is_none()).and_then(|(found, _)| match side {
                Side::Line => found.lines.first().cloned(),
                Side::Entry => found.entries.first().cloned(),
            });
        if original.is_some() {
            return Ok(original);
        }
    }
    Ok(None)
}
