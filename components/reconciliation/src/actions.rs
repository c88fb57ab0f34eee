//! What people do: steps of breaks, and matches by hand.

use crate::Error;
use crate::breaks::Break;
use crate::ledger::{self, LedgerEntries};
use crate::matches::{self, Actor, Draft, Match};
use crate::matching::{Proposal, Rule};
use crate::money::Money;
use crate::source::Source;
use crate::statement::Line;
use crate::store::{self, ID_LENGTH_MAX, Keys, Side};
use serde::Deserialize;
use vwp_storage::Kv;
use vwp_storage::kv::Entry;

/// What somebody does with a break. `version` is the break's as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// Gives it to somebody.
    Assign {
        /// The version that was seen.
        version: u64,
        /// To whom.
        to: String,
    },
    /// Says why it is.
    Explain {
        /// The version that was seen.
        version: u64,
        /// Why.
        explanation: String,
    },
    /// Names what it belongs to.
    Resolve {
        /// The version that was seen.
        version: u64,
        /// A transfer in the ledger, by its id there.
        #[serde(default)]
        transfer: Option<String>,
        /// More lines, by id.
        #[serde(default)]
        lines: Vec<String>,
        /// More entries, by id.
        #[serde(default)]
        entries: Vec<String>,
    },
    /// Takes back what was said.
    Reopen {
        /// The version that was seen.
        version: u64,
        /// Why.
        explanation: String,
    },
}

/// A match by hand.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByHand {
    /// The lines, by id.
    #[serde(default)]
    pub lines: Vec<String>,
    /// The entries, by id.
    #[serde(default)]
    pub entries: Vec<String>,
    /// Why they belong together.
    pub explanation: String,
}

/// Reads a break.
pub async fn get(kv: &impl Kv, source: &Source, id: &str) -> Result<Break, Error> {
    Ok(read(kv, source, id).await?.0)
}

async fn read(kv: &impl Kv, source: &Source, id: &str) -> Result<(Break, Entry), Error> {
    let key = Keys::new(&source.name).difference(id);
    store::read(kv, &key).await?.ok_or(Error::Unknown("break"))
}

/// Takes a step of a break. Of two who saw the same version one does.
pub async fn step(
    kv: &impl Kv,
    ledger: &impl LedgerEntries,
    source: &Source,
    actor: Actor<'_>,
    id: &str,
    step: Step,
) -> Result<Break, Error> {
    let (mut broken, seen) = read(kv, source, id).await?;
    let mut draft = Draft::default();
    match step {
        Step::Assign { version, to } => {
            broken.require_version(version)?;
            broken.assign(actor, &to)?;
        }
        Step::Explain { version, explanation } => {
            broken.require_version(version)?;
            broken.explain(actor, &explanation)?;
        }
        Step::Reopen { version, explanation } => {
            broken.require_version(version)?;
            broken.reopen(actor, &explanation)?;
        }
        Step::Resolve { version, transfer, lines, mut entries } => {
            broken.require_version(version)?;
            broken.require_resolvable()?;
            if let Some(transfer) = transfer {
                entries.push(entry_of(kv, ledger, source, &transfer).await?);
            }
            let by;
            (by, draft) = match broken.difference_of.clone() {
                Some(of) => extended(kv, source, actor, &of, (lines, entries)).await?,
                None => made(kv, source, actor, &broken, (lines, entries)).await?,
            };
            broken.settle(actor, &by);
        }
    }
    draft.put(Keys::new(&source.name).difference(id), Some(&seen), &broken)?;
    if draft.commit(kv).await? {
        return Ok(broken);
    }
    let (now, _) = read(kv, source, id).await?;
    Err(if now.version == broken.version { Error::Busy } else { Error::Replaced { current: now.version } })
}

/// Makes a match by hand.
pub async fn match_by_hand(
    kv: &impl Kv,
    source: &Source,
    actor: Actor<'_>,
    wanted: ByHand,
) -> Result<Match, Error> {
    let ByHand { lines, entries, explanation } = wanted;
    if explanation.trim().is_empty() {
        return Err(Error::Invalid("explanation is missing".to_owned()));
    }
    let (made, draft) = draft_by_hand(kv, source, actor, (lines, entries), &explanation, None).await?;
    if draft.commit(kv).await? { Ok(made) } else { Err(Error::Busy) }
}

/// The entry that a transfer is. It may be newer than the last run.
async fn entry_of(
    kv: &impl Kv,
    ledger: &impl LedgerEntries,
    source: &Source,
    transfer: &str,
) -> Result<String, Error> {
    let key = Keys::new(&source.name).transfer(transfer);
    if kv.get(&key).await?.is_none() {
        ledger::ingest(kv, ledger, source).await?;
    }
    let found = kv.get(&key).await?.ok_or(Error::Unknown("entry"))?;
    Ok(String::from_utf8_lossy(&found.value).into_owned())
}

/// A new match of what a break is about with what the person names.
async fn made(
    kv: &impl Kv,
    source: &Source,
    actor: Actor<'_>,
    broken: &Break,
    (mut lines, mut entries): (Vec<String>, Vec<String>),
) -> Result<(String, Draft), Error> {
    lines.extend(broken.line.clone());
    entries.extend(broken.entry.clone());
    let why = broken.explanation.clone().unwrap_or_default();
    let (made, draft) = draft_by_hand(kv, source, actor, (lines, entries), &why, Some(&broken.id)).await?;
    Ok((made.id, draft))
}

async fn draft_by_hand(
    kv: &impl Kv,
    source: &Source,
    actor: Actor<'_>,
    (lines, entries): (Vec<String>, Vec<String>),
    why: &str,
    but: Option<&str>,
) -> Result<(Match, Draft), Error> {
    let (lines, entries) = (distinct(lines)?, distinct(entries)?);
    if lines.len() + entries.len() < 2 {
        return Err(Error::Invalid("name what it belongs to: transfer, lines or entries".to_owned()));
    }
    let difference =
        sum(kv, source, Side::Line, &lines).await?.minus(sum(kv, source, Side::Entry, &entries).await?);
    require_near(kv, source, &lines, &entries, difference, source.rules().tolerance).await?;
    let proposal = Proposal { rule: Rule::Manual, why: why.to_owned(), lines, entries, difference };
    let drafted = matches::draft(kv, source, actor, &proposal, but).await?;
    drafted.ok_or_else(|| Error::Matched("something of it".to_owned()))
}

/// The match with a difference, with lines or entries that make the difference up exactly.
async fn extended(
    kv: &impl Kv,
    source: &Source,
    actor: Actor<'_>,
    of: &str,
    (lines, entries): (Vec<String>, Vec<String>),
) -> Result<(String, Draft), Error> {
    let keys = Keys::new(&source.name);
    let found: Option<(Match, Entry)> = store::read(kv, &keys.pair(of)).await?;
    let (mut extended, seen) = found.ok_or(Error::Unknown("match"))?;
    let (lines, entries) = (distinct(lines)?, distinct(entries)?);
    let added =
        sum(kv, source, Side::Line, &lines).await?.minus(sum(kv, source, Side::Entry, &entries).await?);
    let difference = extended.difference.plus(added);
    extended.lines.extend(lines.iter().cloned());
    extended.entries.extend(entries.iter().cloned());
    require_near(kv, source, &extended.lines, &extended.entries, difference, 0).await?;
    if extended.lines.len() + extended.entries.len() > matches::MEMBERS_MAX {
        return Err(Error::TooMuch("a match has at most 61 lines and entries"));
    }
    extended.difference = difference;
    let mut draft = Draft::default();
    draft.put(keys.pair(of), Some(&seen), &extended)?;
    let added = lines.iter().map(|id| (Side::Line, id)).chain(entries.iter().map(|id| (Side::Entry, id)));
    for (side, id) in added {
        matches::take(kv, keys, actor, (side, id), of, &mut draft).await?;
    }
    Ok((of.to_owned(), draft))
}

/// Requires that the two sides of a match are worth the same.
async fn require_near(
    kv: &impl Kv,
    source: &Source,
    lines: &[String],
    entries: &[String],
    difference: Money,
    tolerance: u64,
) -> Result<(), Error> {
    if difference.size() <= u128::from(tolerance) {
        return Ok(());
    }
    let lines = sum(kv, source, Side::Line, lines).await?;
    let entries = sum(kv, source, Side::Entry, entries).await?;
    Err(Error::SumsDiffer { lines, entries, tolerance })
}

/// The sum of lines or entries, all of which exist.
async fn sum(kv: &impl Kv, source: &Source, side: Side, ids: &[String]) -> Result<Money, Error> {
    let keys = Keys::new(&source.name);
    let mut sum = Money::ZERO;
    for id in ids {
        let key = keys.record(side, id);
        let amount = match side {
            Side::Line => store::read::<Line>(kv, &key).await?.map(|(line, _)| line.amount),
            Side::Entry => store::read::<ledger::StoredEntry>(kv, &key).await?.map(|(entry, _)| entry.amount),
        };
        sum = sum.plus(amount.ok_or(Error::Unknown(side.word()))?);
    }
    Ok(sum)
}

/// Ids, each once and in order.
fn distinct(mut ids: Vec<String>) -> Result<Vec<String>, Error> {
    if ids.len() > matches::MEMBERS_MAX || ids.iter().any(|id| id.len() > ID_LENGTH_MAX) {
        return Err(Error::Invalid("name at most 61 ids".to_owned()));
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}
