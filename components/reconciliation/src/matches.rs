//! Matches as they are kept: made by a run or by a person, and undone by a person.
//!
//! A match takes the locks of its lines and entries in the commit that makes it, so that nothing is
//! ever in two.

use crate::Error;
use crate::breaks::{self, Break};
use crate::item::Item;
use crate::matching::{Proposal, Rule};
use crate::money::Money;
use crate::source::Source;
use crate::store::{self, Keys, Side};
use serde::{Deserialize, Serialize};
use vwp_core::environment::Timestamp;
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Entry, Outcome, Write};

/// The most lines and entries in one match, together: what one commit takes.
pub const MEMBERS_MAX: usize = 61;
/// How many references of something its duplicates are found by.
const PAID_REFERENCES: usize = 4;
/// The longest text that says why, in bytes.
const WHY_LENGTH_MAX: usize = 500;

/// A match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    /// Its id: a hash of what is in it.
    pub id: String,
    /// Which rule made it.
    pub rule: Rule,
    /// What the rule saw, or what the person said.
    pub why: String,
    /// The lines.
    pub lines: Vec<String>,
    /// The entries.
    pub entries: Vec<String>,
    /// By how much the lines are more than the entries.
    pub difference: Money,
    /// When it was made, in milliseconds since the Unix epoch.
    pub made_at: Timestamp,
    /// Who made it.
    pub made_by: String,
    /// Who undid it, if anybody did. The same match is then not made again by a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone_by: Option<String>,
}

/// Who does something, and when.
#[derive(Debug, Clone, Copy)]
pub struct Actor<'a> {
    /// Who.
    pub by: &'a str,
    /// When, in milliseconds since the Unix epoch.
    pub at: Timestamp,
}

/// The id of the match of these.
pub(crate) fn match_id(lines: &[String], entries: &[String]) -> String {
    let sorted = |ids: &[String]| {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.join("\n")
    };
    store::digest("vwp-reconciliation-match-v1", &[&sorted(lines), &sorted(entries)])
}

/// The writes of a commit that is being put together, and what must hold for it.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) checks: Vec<Check>,
    pub(crate) writes: Vec<Write>,
}

impl Draft {
    /// Requires that a record is as it was read, and puts it.
    pub(crate) fn put(
        &mut self,
        key: Vec<u8>,
        seen: Option<&Entry>,
        record: &impl Serialize,
    ) -> Result<(), Error> {
        self.checks.push(Check::unchanged(key.clone(), seen));
        self.writes.push(Write::put(key, store::encode(record)?));
        Ok(())
    }

    /// Commits it; whether it was still true.
    pub(crate) async fn commit(&self, kv: &impl Kv) -> Result<bool, Error> {
        Ok(matches!(kv.commit(&self.checks, &self.writes).await?, Outcome::Committed(_)))
    }
}

/// Drafts a match of what is open. A break of anything in it is resolved with it, but for
/// `but`, which its own step resolves. None if something of it is not open any more, or a run
/// wants what a person has undone.
pub(crate) async fn draft(
    kv: &impl Kv,
    source: &Source,
    actor: Actor<'_>,
    proposal: &Proposal,
    but: Option<&str>,
) -> Result<Option<(Match, Draft)>, Error> {
    let keys = Keys::new(&source.name);
    let id = match_id(&proposal.lines, &proposal.entries);
    let lines = proposal.lines.iter().map(|id| (Side::Line, id));
    let members: Vec<(Side, &String)> =
        lines.chain(proposal.entries.iter().map(|id| (Side::Entry, id))).collect();
    if members.len() > MEMBERS_MAX {
        return Err(Error::TooMuch("a match has at most 61 lines and entries"));
    }
    let before: Option<(Match, Entry)> = store::read(kv, &keys.pair(&id)).await?;
    let is_undone = before.as_ref().is_some_and(|(before, _)| before.undone_by.is_some());
    if before.is_some() && !(is_undone && proposal.rule == Rule::Manual) {
        return Ok(None);
    }
    let mut draft = Draft::default();
    let made = Match {
        id: id.clone(),
        rule: proposal.rule,
        why: crate::text::tidied(&proposal.why, WHY_LENGTH_MAX),
        lines: proposal.lines.clone(),
        entries: proposal.entries.clone(),
        difference: proposal.difference,
        made_at: actor.at,
        made_by: actor.by.to_owned(),
        undone_by: None,
    };
    draft.put(keys.pair(&id), before.as_ref().map(|(_, entry)| entry), &made)?;
    for (side, member) in &members {
        let drafted = take_open(kv, keys, (*side, member), &id, &mut draft).await?;
        let Some(item) = drafted else { return Ok(None) };
        if members.len() == 2 {
            // Whoever has the same once more is a duplicate.
            let paid = paid(keys, *side, &item);
            draft.writes.extend(paid.map(|key| Write::put(key, id.as_bytes())));
        }
        settle_break(kv, keys, actor, (*side, member), &id, but, &mut draft).await?;
    }
    if made.difference != Money::ZERO {
        let broken = Break::of_difference(actor, &made);
        let key = keys.difference(&broken.id);
        let seen = kv.get(&key).await?;
        draft.put(key, seen.as_ref(), &broken)?;
    }
    Ok(Some((made, draft)))
}

/// Drafts that something open is in a match. None if it is not open any more.
async fn take_open(
    kv: &impl Kv,
    keys: Keys<'_>,
    (side, id): (Side, &str),
    by: &str,
    draft: &mut Draft,
) -> Result<Option<Item>, Error> {
    let key = keys.open(side, id);
    let Some(seen) = kv.get(&key).await? else { return Ok(None) };
    draft.checks.push(Check::unchanged(key.clone(), Some(&seen)));
    draft.writes.push(Write::delete(key));
    draft.writes.push(Write::put(keys.matched(side, id), by.as_bytes()));
    store::decode(&seen.value).map(Some)
}

/// Drafts that the break of something is resolved, if it has one.
async fn settle_break(
    kv: &impl Kv,
    keys: Keys<'_>,
    actor: Actor<'_>,
    (side, id): (Side, &str),
    by: &str,
    but: Option<&str>,
    draft: &mut Draft,
) -> Result<(), Error> {
    let key = keys.difference(&breaks::id_of(side, id));
    let found: Option<(Break, Entry)> = store::read(kv, &key).await?;
    match found {
        Some((mut broken, seen)) if Some(broken.id.as_str()) != but => {
            if broken.settle(actor, by) {
                draft.put(key, Some(&seen), &broken)?;
            }
        }
        // A break that comes up meanwhile is about something that is not open any more.
        None => draft.checks.push(Check::absent(key)),
        Some(_) => {}
    }
    Ok(())
}

/// Drafts that something more is in a match that there is.
pub(crate) async fn take(
    kv: &impl Kv,
    keys: Keys<'_>,
    actor: Actor<'_>,
    (side, id): (Side, &str),
    by: &str,
    draft: &mut Draft,
) -> Result<(), Error> {
    let taken = take_open(kv, keys, (side, id), by, draft).await?;
    if taken.is_none() {
        return Err(Error::Matched(id.to_owned()));
    }
    settle_break(kv, keys, actor, (side, id), by, None, draft).await
}

/// The keys by which a duplicate of something finds its match.
fn paid<'a>(keys: Keys<'a>, side: Side, item: &'a Item) -> impl Iterator<Item = Vec<u8>> + 'a {
    let references = item.references.iter().take(PAID_REFERENCES);
    references.map(move |reference| keys.paid(side, reference, item.amount))
}

/// Undoes a match: what was in it is open again, and the breaks that it resolved are, too.
pub async fn undo(kv: &impl Kv, source: &Source, actor: Actor<'_>, id: &str) -> Result<Match, Error> {
    let keys = Keys::new(&source.name);
    let found: Option<(Match, Entry)> = store::read(kv, &keys.pair(id)).await?;
    let (mut undone, seen) = found.ok_or(Error::Unknown("match"))?;
    if undone.undone_by.is_some() {
        return Ok(undone);
    }
    undone.undone_by = Some(actor.by.to_owned());
    let mut draft = Draft::default();
    draft.put(keys.pair(id), Some(&seen), &undone)?;
    let lines = undone.lines.iter().map(|id| (Side::Line, id));
    let members = lines.chain(undone.entries.iter().map(|id| (Side::Entry, id)));
    let count = undone.lines.len() + undone.entries.len();
    for (side, member) in members {
        let item = reopened(kv, keys, side, member).await?;
        draft.writes.push(Write::put(keys.open(side, member), store::encode(&item)?));
        draft.writes.push(Write::delete(keys.matched(side, member)));
        if count == 2 {
            draft.writes.extend(paid(keys, side, &item).map(Write::delete));
        }
        let key = keys.difference(&breaks::id_of(side, member));
        let broken: Option<(Break, Entry)> = store::read(kv, &key).await?;
        if let Some((mut broken, seen)) = broken
            && broken.reopen_for(actor, id)
        {
            draft.put(key, Some(&seen), &broken)?;
        }
    }
    let key = keys.difference(&breaks::id_of_difference(&undone));
    let broken: Option<(Break, Entry)> = store::read(kv, &key).await?;
    if let Some((mut broken, seen)) = broken {
        broken.close_with_match(actor, id);
        draft.put(key, Some(&seen), &broken)?;
    }
    if draft.commit(kv).await? { Ok(undone) } else { Err(Error::Busy) }
}

/// What was open before its match.
async fn reopened(kv: &impl Kv, keys: Keys<'_>, side: Side, id: &str) -> Result<Item, Error> {
    let key = keys.record(side, id);
    let missing = || Error::Unknown(side.word());
    Ok(match side {
        Side::Line => {
            let (line, _) = store::read(kv, &key).await?.ok_or_else(missing)?;
            Item::of_line(id, &line)
        }
        Side::Entry => {
            let (entry, _) = store::read(kv, &key).await?.ok_or_else(missing)?;
            Item::of_entry(&entry)
        }
    })
}
