//! Breaks: what the two sides do not agree on, and what people do about it.
//!
//! ```text
//! open ──assign──► assigned ──explain──► explained ──resolve──► resolved
//!   ▲                 │ ▲                    │                     │
//!   └─────────────────┴─┴──────reopen────────┘◄──its match is undone┘
//! ```
//!
//! A break is resolved by a match that a person names, or by one that a run finds; never by saying
//! so. A match with a difference within the tolerance has a break of its own, which is in order
//! once it is explained.

use crate::Error;
use crate::item::Item;
use crate::matches::{Actor, Match};
use crate::matching::Fault;
use crate::money::Money;
use crate::store::{self, Side};
use crate::text;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::fmt;
use vwp_core::environment::Timestamp;

/// How many steps of a break are kept: the first one, and the last ones.
pub const STEPS_MAX: usize = 50;
/// The longest explanation, in bytes. All steps together fit into one value of the store.
pub const EXPLANATION_LENGTH_MAX: usize = 500;
/// The longest name of whom a break is assigned to, in bytes.
pub const ASSIGNEE_LENGTH_MAX: usize = 100;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A line without an entry, older than the window.
    MissingInLedger,
    /// An entry without a line, older than the window.
    MissingInStatement,
    /// Two have the same reference and different amounts; or a match has a difference.
    AmountDiffers,
    /// Something like it is matched already.
    Duplicate,
    /// Several matches are equally good.
    Ambiguous,
}

/// How far people have come with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Nobody looks after it.
    Open,
    /// Somebody does.
    Assigned,
    /// It is known why.
    Explained,
    /// Both sides agree.
    Resolved,
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Open => "open",
            Self::Assigned => "assigned",
            Self::Explained => "explained",
            Self::Resolved => "resolved",
        })
    }
}

/// Something that was done with a break.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When, in milliseconds since the Unix epoch.
    pub at: Timestamp,
    /// Who did it.
    pub by: String,
    /// What: `open`, `assign`, `explain`, `resolve`, `reopen`, `change`.
    pub step: String,
    /// To whom, why, or by what.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// A break.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Break {
    /// Its id: its day, and a hash of what it is about.
    pub id: String,
    /// What is wrong.
    pub kind: Kind,
    /// How far people have come with it.
    pub status: Status,
    /// The day of what it is about.
    pub date: NaiveDate,
    /// The amount of what it is about; of a match with a difference, the difference.
    pub amount: Money,
    /// The line that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// The entry that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// The match that it is about, which has a difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference_of: Option<String>,
    /// What it may belong to: lists of ids of the other side; of a duplicate, of the same side.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Vec<String>>,
    /// Who looks after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
    /// Why it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
    /// The match that resolved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_by: Option<String>,
    /// How often it was changed; a step names the one that it saw.
    pub version: u64,
    /// What was done, in order.
    pub steps: Vec<Step>,
}

/// The id of the break of a line or an entry.
pub(crate) fn id_of(side: Side, id: &str) -> String {
    let day = id.get(..8).unwrap_or_default();
    format!("{day}-{}", store::digest("vwp-reconciliation-break-v1", &[side.word(), id]))
}

/// The id of the break of a match with a difference.
pub(crate) fn id_of_difference(of: &Match) -> String {
    let day = of.lines.iter().chain(&of.entries).min().and_then(|id| id.get(..8)).unwrap_or_default();
    format!("{day}-{}", store::digest("vwp-reconciliation-break-v1", &["match", &of.id]))
}

impl Break {
    /// The break of something that has no match.
    pub(crate) fn of_item(
        actor: Actor<'_>,
        side: Side,
        item: &Item,
        kind: Kind,
        candidates: Vec<Vec<String>>,
    ) -> Self {
        let of = |wanted| (side == wanted).then(|| item.id.clone());
        let (line, entry) = (of(Side::Line), of(Side::Entry));
        let opened = Self::opened(actor, id_of(side, &item.id), kind, (item.date, item.amount));
        Self { line, entry, candidates, ..opened }
    }

    /// The break of a match with a difference.
    pub(crate) fn of_difference(actor: Actor<'_>, of: &Match) -> Self {
        let id = id_of_difference(of);
        let date = store::day_of(&id).unwrap_or_default();
        let opened = Self::opened(actor, id, Kind::AmountDiffers, (date, of.difference));
        Self { difference_of: Some(of.id.clone()), ..opened }
    }

    fn opened(actor: Actor<'_>, id: String, kind: Kind, (date, amount): (NaiveDate, Money)) -> Self {
        let mut broken = Self {
            id,
            kind,
            status: Status::Open,
            date,
            amount,
            line: None,
            entry: None,
            difference_of: None,
            candidates: Vec::new(),
            assignee: None,
            explanation: None,
            resolved_by: None,
            version: 0,
            steps: Vec::new(),
        };
        broken.step(actor, "open", "");
        broken
    }

    /// Whether it is in order: resolved, or a difference that is explained.
    pub fn is_settled(&self) -> bool {
        match self.status {
            Status::Resolved => true,
            Status::Explained => self.difference_of.is_some(),
            Status::Open | Status::Assigned => false,
        }
    }

    /// Requires that it is as whoever asks for a step has seen it.
    pub(crate) fn require_version(&self, version: u64) -> Result<(), Error> {
        if self.version == version { Ok(()) } else { Err(Error::Replaced { current: self.version }) }
    }

    /// Somebody looks after it from now on.
    pub(crate) fn assign(&mut self, actor: Actor<'_>, to: &str) -> Result<(), Error> {
        self.require("assign", &[Status::Open, Status::Assigned])?;
        let to = bounded(to, ASSIGNEE_LENGTH_MAX, "to")?;
        self.status = Status::Assigned;
        self.step(actor, "assign", &to);
        self.assignee = Some(to);
        Ok(())
    }

    /// It is known why it is.
    pub(crate) fn explain(&mut self, actor: Actor<'_>, why: &str) -> Result<(), Error> {
        self.require("explain", &[Status::Assigned, Status::Explained])?;
        let why = bounded(why, EXPLANATION_LENGTH_MAX, "explanation")?;
        self.status = Status::Explained;
        self.step(actor, "explain", &why);
        self.explanation = Some(why);
        Ok(())
    }

    /// What was said of it does not hold.
    pub(crate) fn reopen(&mut self, actor: Actor<'_>, why: &str) -> Result<(), Error> {
        // What a match resolved is open again when the match is undone, and not otherwise.
        self.require("reopen", &[Status::Assigned, Status::Explained])?;
        let why = bounded(why, EXPLANATION_LENGTH_MAX, "explanation")?;
        self.open_again(actor, &why);
        Ok(())
    }

    /// Requires that a match may resolve it now.
    pub(crate) fn require_resolvable(&self) -> Result<(), Error> {
        self.require("resolve", &[Status::Explained])
    }

    /// A match resolves it. Whether that changes anything.
    pub(crate) fn settle(&mut self, actor: Actor<'_>, by: &str) -> bool {
        if self.status == Status::Resolved {
            return false;
        }
        self.status = Status::Resolved;
        self.resolved_by = Some(by.to_owned());
        self.step(actor, "resolve", by);
        true
    }

    /// The match that resolved it is undone. Whether it was this one.
    pub(crate) fn reopen_for(&mut self, actor: Actor<'_>, undone: &str) -> bool {
        if self.resolved_by.as_deref() != Some(undone) {
            return false;
        }
        self.open_again(actor, "its match was undone");
        true
    }

    /// The match whose difference it is about is undone: there is no difference any more.
    pub(crate) fn close_with_match(&mut self, actor: Actor<'_>, undone: &str) {
        self.status = Status::Resolved;
        self.resolved_by = Some(undone.to_owned());
        self.step(actor, "resolve", "its match was undone");
    }

    /// A run sees it otherwise than before. What people said stays, unless it was resolved.
    pub(crate) fn change(&mut self, actor: Actor<'_>, kind: Kind, candidates: Vec<Vec<String>>) -> bool {
        if self.status == Status::Resolved {
            self.open_again(actor, "it has no match");
        } else if self.kind == kind && self.candidates == candidates {
            return false;
        } else {
            self.step(actor, "change", "");
        }
        self.kind = kind;
        self.candidates = candidates;
        true
    }

    fn open_again(&mut self, actor: Actor<'_>, why: &str) {
        self.status = Status::Open;
        self.resolved_by = None;
        self.assignee = None;
        self.step(actor, "reopen", why);
    }

    fn require(&self, step: &'static str, allowed: &[Status]) -> Result<(), Error> {
        if allowed.contains(&self.status) {
            return Ok(());
        }
        Err(Error::IllegalStep { status: self.status, step })
    }

    fn step(&mut self, actor: Actor<'_>, step: &str, note: &str) {
        self.version += 1;
        if self.steps.len() >= STEPS_MAX {
            self.steps.remove(1);
        }
        let (at, by) = (actor.at, actor.by.to_owned());
        self.steps.push(Step { at, by, step: step.to_owned(), note: note.to_owned() });
    }
}

impl From<Fault> for Kind {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Ambiguous => Self::Ambiguous,
            Fault::Duplicate => Self::Duplicate,
            Fault::AmountDiffers => Self::AmountDiffers,
        }
    }
}

/// A text of a person, without what would disturb a terminal.
fn bounded(given: &str, length_max: usize, what: &str) -> Result<String, Error> {
    if given.len() > length_max {
        return Err(Error::Invalid(format!("{what} has at most {length_max} bytes")));
    }
    let tidy = text::tidied(given, length_max);
    if tidy.is_empty() { Err(Error::Invalid(format!("{what} is missing"))) } else { Ok(tidy) }
}
