//! Where records are, and small helpers to read and write them.
//!
//! | key, after `reconciliation/` | what |
//! |---|---|
//! | `source/NAME` | a [`crate::source::Source`] |
//! | `statement/NAME/ID` | a [`crate::import::Record`] |
//! | `line/NAME/ID`, `entry/NAME/ID` | a line, an entry; they never change |
//! | `open-line/NAME/ID`, `open-entry/NAME/ID` | an [`crate::item::Item`], while it has no match |
//! | `matched/NAME/line/ID`, `matched/NAME/entry/ID` | the id of its match |
//! | `line-day/NAME/DAY`, `entry-day/NAME/DAY` | a [`Total`] of the day |
//! | `transfer/NAME/ID` | the id of the entry that a transfer is |
//! | `paid/NAME/SIDE/HASH` | the match of something with this reference and amount |
//! | `match/NAME/ID`, `break/NAME/ID` | a match, a break |
//! | `cursor/NAME` | how far the ledger was read |
//! | `run/NAME` | when it was last compared |
//!
//! Ids of lines, entries, statements and breaks begin with their day, so that they order by day.
//! That an open line is there is also its lock: who matches it checks that it still is.

use crate::Error;
use crate::money::Money;
use chrono::{Datelike, NaiveDate};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vwp_core::Problem;
use vwp_storage::Kv;
use vwp_storage::kv::{Direction, Entry, Key, KeyRange};

/// What the keys of sources start with.
pub(crate) const SOURCES: &[u8] = b"reconciliation/source/";
/// The longest id: a day, a hyphen, 32 digits.
pub const ID_LENGTH_MAX: usize = 41;
/// How many items a scan reads at once.
pub(crate) const PAGE: u32 = 1000;

/// A side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The statements'.
    Line,
    /// The ledger's.
    Entry,
}

impl Side {
    /// The other side.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Line => Self::Entry,
            Self::Entry => Self::Line,
        }
    }

    /// Its word in keys and texts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Entry => "entry",
        }
    }
}

/// How many lines or entries there are of a day, and their sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Total {
    /// How many.
    pub count: u64,
    /// Their sum.
    pub sum: Money,
}

impl Total {
    /// Counts one more.
    pub fn add(&mut self, amount: Money) {
        self.count += 1;
        self.sum = self.sum.plus(amount);
    }

    /// Counts others.
    pub fn add_all(&mut self, other: Self) {
        self.count += other.count;
        self.sum = self.sum.plus(other.sum);
    }

    /// What is left without others.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self { count: self.count.saturating_sub(other.count), sum: self.sum.minus(other.sum) }
    }
}

/// The keys of one source.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keys<'a> {
    source: &'a str,
}

impl<'a> Keys<'a> {
    pub(crate) fn new(source: &'a str) -> Self {
        Self { source }
    }

    pub(crate) fn source(self) -> Key {
        [SOURCES, self.source.as_bytes()].concat()
    }

    pub(crate) fn cursor(self) -> Key {
        self.one("cursor")
    }

    pub(crate) fn run(self) -> Key {
        self.one("run")
    }

    pub(crate) fn statement(self, id: &str) -> Key {
        self.of("statement", id)
    }

    pub(crate) fn statements(self) -> KeyRange {
        self.all("statement")
    }

    pub(crate) fn record(self, side: Side, id: &str) -> Key {
        self.of(side.word(), id)
    }

    pub(crate) fn records(self, side: Side) -> KeyRange {
        self.all(side.word())
    }

    pub(crate) fn open(self, side: Side, id: &str) -> Key {
        self.of(open_kind(side), id)
    }

    pub(crate) fn opens(self, side: Side) -> KeyRange {
        self.all(open_kind(side))
    }

    pub(crate) fn matched(self, side: Side, id: &str) -> Key {
        self.of("matched", &format!("{}/{id}", side.word()))
    }

    pub(crate) fn day(self, side: Side, day: NaiveDate) -> Key {
        self.of(day_kind(side), &day_text(day))
    }

    pub(crate) fn days(self, side: Side) -> KeyRange {
        self.all(day_kind(side))
    }

    pub(crate) fn transfer(self, transfer: &str) -> Key {
        self.of("transfer", transfer)
    }

    pub(crate) fn paid(self, side: Side, reference: &str, amount: Money) -> Key {
        let hash = digest("vwp-reconciliation-paid-v1", &[reference, &amount.to_string()]);
        self.of("paid", &format!("{}/{hash}", side.word()))
    }

    pub(crate) fn pair(self, id: &str) -> Key {
        self.of("match", id)
    }

    pub(crate) fn pairs(self) -> KeyRange {
        self.all("match")
    }

    pub(crate) fn difference(self, id: &str) -> Key {
        self.of("break", id)
    }

    pub(crate) fn differences(self) -> KeyRange {
        self.all("break")
    }

    fn one(self, kind: &str) -> Key {
        format!("reconciliation/{kind}/{}", self.source).into_bytes()
    }

    fn of(self, kind: &str, id: &str) -> Key {
        // An id from outside that is longer names nothing, and is cut so that the store takes it.
        let id: String = id.chars().take(128).collect();
        format!("reconciliation/{kind}/{}/{id}", self.source).into_bytes()
    }

    fn all(self, kind: &str) -> KeyRange {
        KeyRange::prefix(format!("reconciliation/{kind}/{}/", self.source))
    }
}

fn open_kind(side: Side) -> &'static str {
    match side {
        Side::Line => "open-line",
        Side::Entry => "open-entry",
    }
}

fn day_kind(side: Side) -> &'static str {
    match side {
        Side::Line => "line-day",
        Side::Entry => "entry-day",
    }
}

/// A day as ids begin with it: eight digits.
pub(crate) fn day_text(day: NaiveDate) -> String {
    format!("{:04}{:02}{:02}", day.year(), day.month(), day.day())
}

/// The day that an id begins with.
pub(crate) fn day_of(id: &str) -> Option<NaiveDate> {
    let number = |from: usize, to: usize| id.get(from..to)?.parse::<u32>().ok();
    let year = i32::try_from(number(0, 4)?).ok()?;
    NaiveDate::from_ymd_opt(year, number(4, 6)?, number(6, 8)?)
}

/// The part of a range whose ids begin with days from one to another.
pub(crate) fn between(all: &KeyRange, from: Option<NaiveDate>, to: Option<NaiveDate>) -> KeyRange {
    let at = |day: NaiveDate| [&all.start, day_text(day).as_bytes()].concat();
    let after = to.and_then(|to| to.succ_opt());
    KeyRange {
        start: from.map_or_else(|| all.start.clone(), at),
        end: after.map_or_else(|| all.end.clone(), at),
    }
}

/// The id that a key ends with.
pub(crate) fn id_of(key: &[u8]) -> String {
    let last = key.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    String::from_utf8_lossy(last).into_owned()
}

/// The id of what parts name: 32 hexadecimal digits.
pub(crate) fn digest(domain: &str, parts: &[&str]) -> String {
    format!("{:032x}", vwp_core::digest::digest(domain, parts))
}

pub(crate) fn encode(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|_| Problem::internal().into())
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|_| Problem::internal().into())
}

/// Reads one record, with what a check of it needs.
pub(crate) async fn read<T: DeserializeOwned>(kv: &impl Kv, key: &[u8]) -> Result<Option<(T, Entry)>, Error> {
    let Some(entry) = kv.get(key).await? else { return Ok(None) };
    Ok(Some((decode(&entry.value)?, entry)))
}

/// Reads the first records of a range; whether there are more.
pub(crate) async fn page<T: DeserializeOwned>(
    kv: &impl Kv,
    range: KeyRange,
    limit: u32,
) -> Result<(Vec<T>, bool), Error> {
    let page = kv.scan(&range, limit, Direction::Forward).await?;
    let records = page.items.iter().map(|item| decode(&item.entry.value)).collect::<Result<_, _>>()?;
    Ok((records, page.next.is_some()))
}

/// Reads all records of a range with their ids; refused if there are more than `most`.
pub(crate) async fn all<T: DeserializeOwned>(
    kv: &impl Kv,
    range: KeyRange,
    most: usize,
    too_much: &'static str,
) -> Result<Vec<(String, T)>, Error> {
    let (mut records, mut next) = (Vec::new(), Some(range));
    while let Some(range) = next {
        let page = kv.scan(&range, PAGE, Direction::Forward).await?;
        for item in page.items {
            if records.len() >= most {
                return Err(Error::TooMuch(too_much));
            }
            records.push((id_of(&item.key), decode(&item.entry.value)?));
        }
        next = page.next;
    }
    Ok(records)
}
