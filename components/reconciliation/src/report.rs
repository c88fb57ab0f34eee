//! The report: of each day what is matched and what is not on both sides, what they differ by, and
//! the balances; and whether all is in order.

use crate::Error;
use crate::breaks::{Break, Kind, Status};
use crate::import::Record;
use crate::item::Item;
use crate::money::Money;
use crate::run::{self, Run};
use crate::source::{self, Source};
use crate::store::{self, Keys, Side, Total};
use chrono::{Days, NaiveDate};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use vwp_storage::Kv;

/// The most days in one report.
pub const DAYS_MAX: i64 = 400;
/// The most unmatched items, breaks and statements that one report reads.
const ITEMS_MAX: usize = 40_000;
const TOO_MUCH: &str = "the report would read more than 40,000 records: ask for fewer days";

/// What is matched and what is not of one side on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Half {
    /// What has a match.
    pub matched: Total,
    /// What has none.
    pub unmatched: Total,
    /// The balance before the day; none if no statement says where the account began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opening: Option<Money>,
    /// The balance after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closing: Option<Money>,
}

/// How many breaks there are in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Breaks {
    /// Nobody looks after them.
    pub open: u64,
    /// Somebody does.
    pub assigned: u64,
    /// It is known why.
    pub explained: u64,
    /// Both sides agree.
    pub resolved: u64,
}

/// A day, or all days together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Day {
    /// The statements' side.
    pub lines: Half,
    /// The ledger's side.
    pub entries: Half,
    /// Matches with a difference that is not made up for, and the sum of these.
    pub differences: Total,
    /// The breaks.
    pub breaks: Breaks,
}

/// A day with its date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Dated {
    /// The day.
    pub date: NaiveDate,
    /// What happened.
    #[serde(flatten)]
    pub day: Day,
}

/// A report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The source.
    pub source: String,
    /// What kind it is.
    pub kind: source::Kind,
    /// The currency of all amounts.
    pub currency: String,
    /// How many decimal places their minor unit stands for.
    pub scale: u8,
    /// The account in the ledger.
    pub account: source::Account,
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
    /// Whether all is in order: nothing overdue, no break unsettled, and no warning.
    pub clean: bool,
    /// How many lines and entries are older than the window and have no match.
    pub overdue: u64,
    /// How many breaks are neither resolved nor an explained difference.
    pub unsettled: u64,
    /// What is wrong with the statements, or with the report.
    pub warnings: Vec<String>,
    /// The last run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run: Option<Run>,
    /// The days on which something happened.
    pub days: Vec<Dated>,
    /// All days together.
    pub total: Day,
}

/// Makes a report of the days from one to another. `as_of` is today.
pub async fn report(
    kv: &impl Kv,
    source: &Source,
    from: NaiveDate,
    to: NaiveDate,
    as_of: NaiveDate,
) -> Result<Report, Error> {
    if from > to || (to - from).num_days() >= DAYS_MAX {
        return Err(Error::Invalid(format!(
            "from is not after to, and a report has at most {DAYS_MAX} days"
        )));
    }
    let keys = Keys::new(&source.name);
    let statements: Vec<Record> = records(kv, keys).await?;
    let mut days: BTreeMap<NaiveDate, Day> = BTreeMap::new();
    let mut overdue = 0;
    let (begin, drift) = anchor(kv, keys, &statements).await?;
    for side in [Side::Line, Side::Entry] {
        let begin = match side {
            Side::Line => begin,
            // The ledger's accounts begin with nothing.
            Side::Entry => Some(Money::ZERO),
        };
        overdue += fill(kv, source, side, begin, (from, to, as_of), &mut days).await?;
    }
    let unsettled = add_breaks(kv, keys, (from, to), &mut days).await?;
    let last_run = run::last(kv, source).await?;
    let mut warnings = continuity(&statements);
    warnings.extend(drift);
    match &last_run {
        None => warnings.push("there was no run yet".to_owned()),
        Some(run) if !run.complete => warnings.push("the last run did not finish: run again".to_owned()),
        Some(_) => {}
    }
    let total = total(days.values());
    Ok(Report {
        source: source.name.clone(),
        kind: source.definition.kind,
        currency: source.definition.currency.clone(),
        scale: source.scale,
        account: source.definition.account.clone(),
        from,
        to,
        clean: overdue == 0 && unsettled == 0 && warnings.is_empty(),
        overdue,
        unsettled,
        warnings,
        last_run,
        days: days.into_iter().map(|(date, day)| Dated { date, day }).collect(),
        total,
    })
}

async fn records(kv: &impl Kv, keys: Keys<'_>) -> Result<Vec<Record>, Error> {
    let records = store::all(kv, keys.statements(), ITEMS_MAX, TOO_MUCH).await?;
    Ok(records.into_iter().map(|(_, record)| record).collect())
}

/// The balance that the account begins with, and what is wrong if all lines do not lead from it to
/// the balance that it ends with. Of several statements that begin on the first day, or end on the
/// last one, those are taken between which the lines lead.
async fn anchor(
    kv: &impl Kv,
    keys: Keys<'_>,
    statements: &[Record],
) -> Result<(Option<Money>, Option<String>), Error> {
    let first = statements.iter().map(|record| record.from).min();
    let last = statements.iter().map(|record| record.to).max();
    let opening = statements.iter().filter(|record| Some(record.from) == first).map(|record| record.opening);
    let closing = statements.iter().filter(|record| Some(record.to) == last).map(|record| record.closing);
    let openings: BTreeSet<Money> = opening.flatten().map(|balance| balance.amount).collect();
    let closings: BTreeSet<Money> = closing.flatten().map(|balance| balance.amount).collect();
    let totals: Vec<(String, Total)> = store::all(kv, keys.days(Side::Line), ITEMS_MAX, TOO_MUCH).await?;
    let sum: Money = totals.into_iter().map(|(_, total)| total.sum).sum();
    if let Some(begin) = openings.iter().find(|begin| closings.contains(&begin.plus(sum))) {
        return Ok((Some(*begin), None));
    }
    let (begin, end) = (openings.first().copied(), closings.first());
    let drift = begin.zip(end).map(|(begin, end)| {
        format!("all lines make {}, and the last statement ends with {end}", begin.plus(sum))
    });
    Ok((begin, drift))
}

/// Fills a side of the days in: totals, what is open, and balances. How many are overdue.
async fn fill(
    kv: &impl Kv,
    source: &Source,
    side: Side,
    begin: Option<Money>,
    (from, to, as_of): (NaiveDate, NaiveDate, NaiveDate),
    days: &mut BTreeMap<NaiveDate, Day>,
) -> Result<u64, Error> {
    let keys = Keys::new(&source.name);
    let totals: Vec<(String, Total)> =
        store::all(kv, store::between(&keys.days(side), None, Some(to)), ITEMS_MAX, TOO_MUCH).await?;
    let open: Vec<(String, Item)> =
        store::all(kv, store::between(&keys.opens(side), Some(from), Some(to)), ITEMS_MAX, TOO_MUCH).await?;
    let window = i64::from(source.rules().window_days);
    let mut unmatched: BTreeMap<NaiveDate, Total> = BTreeMap::new();
    let mut overdue = 0;
    for (_, item) in open {
        unmatched.entry(item.date).or_default().add(item.amount);
        overdue += u64::from((as_of - item.date).num_days() > window);
    }
    let mut balance = begin;
    for (id, total) in totals {
        let Some(date) = store::day_of(&id) else { continue };
        let opening = balance;
        balance = balance.map(|balance| balance.plus(total.sum));
        if date < from {
            continue;
        }
        let unmatched = unmatched.get(&date).copied().unwrap_or_default();
        let half = Half { matched: total.without(unmatched), unmatched, opening, closing: balance };
        *half_of(days.entry(date).or_default(), side) = half;
    }
    carry(days, side, begin, balance);
    Ok(overdue)
}

/// On a day without anything on one side its balance is the one of the day before.
fn carry(days: &mut BTreeMap<NaiveDate, Day>, side: Side, begin: Option<Money>, last: Option<Money>) {
    let known = days.values_mut().map(|day| *half_of(day, side)).find_map(|half| half.opening);
    let mut balance = known.or(last).or(begin);
    for day in days.values_mut() {
        let half = half_of(day, side);
        if half.closing.is_some() {
            balance = half.closing;
        } else if begin.is_some() {
            (half.opening, half.closing) = (balance, balance);
        }
    }
}

fn half_of(day: &mut Day, side: Side) -> &mut Half {
    match side {
        Side::Line => &mut day.lines,
        Side::Entry => &mut day.entries,
    }
}

/// Counts the breaks of the days in; how many are not settled.
async fn add_breaks(
    kv: &impl Kv,
    keys: Keys<'_>,
    (from, to): (NaiveDate, NaiveDate),
    days: &mut BTreeMap<NaiveDate, Day>,
) -> Result<u64, Error> {
    let range = store::between(&keys.differences(), Some(from), Some(to));
    let breaks: Vec<(String, Break)> = store::all(kv, range, ITEMS_MAX, TOO_MUCH).await?;
    let mut unsettled = 0;
    for (_, broken) in breaks {
        let day = days.entry(broken.date).or_default();
        let is_difference = broken.kind == Kind::AmountDiffers && broken.difference_of.is_some();
        if is_difference && broken.status != Status::Resolved {
            day.differences.add(broken.amount);
        }
        unsettled += u64::from(!broken.is_settled());
        *match broken.status {
            Status::Open => &mut day.breaks.open,
            Status::Assigned => &mut day.breaks.assigned,
            Status::Explained => &mut day.breaks.explained,
            Status::Resolved => &mut day.breaks.resolved,
        } += 1;
    }
    Ok(unsettled)
}

/// A statement as people know it.
fn name(record: &Record) -> String {
    match (record.statement.as_str(), record.sequence.as_str()) {
        ("", _) => format!("of {} to {}", record.from, record.to),
        (id, "") => id.to_owned(),
        (id, sequence) => format!("{id}/{sequence}"),
    }
}

/// The statements that no other one leads to.
fn gaps(statements: &[Record]) -> Vec<String> {
    // The first day on which a statement ends with an amount, and, in the order of beginnings, the
    // last day that any statement before speaks of.
    let mut ends: BTreeMap<Money, NaiveDate> = BTreeMap::new();
    for closing in statements.iter().filter_map(|record| record.closing) {
        let day = ends.entry(closing.amount).or_insert(closing.date);
        *day = closing.date.min(*day);
    }
    let mut ordered: Vec<&Record> = statements.iter().collect();
    ordered.sort_by_key(|record| record.from);
    let (mut gaps, mut covered): (Vec<String>, Option<NaiveDate>) = (Vec::new(), None);
    for same_day in ordered.chunk_by(|one, other| one.from == other.from) {
        for record in same_day {
            let Some((opening, covered)) = record.opening.zip(covered) else { continue };
            let follows = ends.get(&opening.amount).is_some_and(|day| *day <= record.to);
            // A statement that overlaps others begins somewhere within them.
            if !follows && covered < record.from {
                let (name, amount) = (name(record), opening.amount);
                gaps.push(format!("a statement is missing before {name}: none ends with {amount}"));
            }
        }
        covered = covered.max(same_day.iter().map(|record| record.to).max());
    }
    gaps
}

/// What is wrong with the statements among themselves.
fn continuity(statements: &[Record]) -> Vec<String> {
    let mut warnings = Vec::new();
    for record in statements.iter().filter(|record| !record.complete) {
        warnings.push(format!("statement {} is not stored to its end: import it again", name(record)));
    }
    warnings.extend(gaps(statements));
    let mut numbers: BTreeSet<(&str, &str, &str, NaiveDate)> = BTreeSet::new();
    for record in statements.iter().filter(|record| !record.statement.is_empty()) {
        if !numbers.insert((&record.account, &record.statement, &record.sequence, record.from)) {
            warnings.push(format!("statement {} was imported with two contents", name(record)));
        }
    }
    warnings
}

fn total<'a>(days: impl Iterator<Item = &'a Day>) -> Day {
    let mut total = Day::default();
    for day in days {
        for (sum, half) in [(&mut total.lines, &day.lines), (&mut total.entries, &day.entries)] {
            sum.matched.add_all(half.matched);
            sum.unmatched.add_all(half.unmatched);
            sum.opening = sum.opening.or(half.opening);
            sum.closing = half.closing.or(sum.closing);
        }
        total.differences.add_all(day.differences);
        total.breaks.open += day.breaks.open;
        total.breaks.assigned += day.breaks.assigned;
        total.breaks.explained += day.breaks.explained;
        total.breaks.resolved += day.breaks.resolved;
    }
    total
}

/// The day so many days before another.
pub fn days_before(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_sub_days(Days::new(days)).unwrap_or(day)
}

impl Report {
    /// The report as a table (RFC 4180), a row for each day.
    pub fn to_csv(&self) -> Result<Vec<u8>, Error> {
        let mut table = csv::Writer::from_writer(Vec::new());
        let fault = |_| Error::from(vwp_core::Problem::internal());
        table.write_record(COLUMNS).map_err(fault)?;
        for Dated { date, day } in &self.days {
            let mut row = vec![date.to_string(), self.source.clone(), self.currency.clone()];
            for half in [&day.lines, &day.entries] {
                let balance =
                    |balance: Option<Money>| balance.map_or_else(String::new, |sum| sum.to_string());
                for total in [half.matched, half.unmatched] {
                    row.extend([total.count.to_string(), total.sum.to_string()]);
                }
                row.extend([balance(half.opening), balance(half.closing)]);
            }
            row.extend([day.differences.count.to_string(), day.differences.sum.to_string()]);
            let Breaks { open, assigned, explained, resolved } = day.breaks;
            row.extend([open, assigned, explained, resolved].map(|count| count.to_string()));
            table.write_record(row).map_err(fault)?;
        }
        table.into_inner().map_err(|_| vwp_core::Problem::internal().into())
    }
}

/// The columns of the table. Amounts are in minor units.
const COLUMNS: &[&str] = &[
    "date",
    "source",
    "currency",
    "lines_matched",
    "lines_matched_sum",
    "lines_unmatched",
    "lines_unmatched_sum",
    "statement_opening",
    "statement_closing",
    "entries_matched",
    "entries_matched_sum",
    "entries_unmatched",
    "entries_unmatched_sum",
    "ledger_opening",
    "ledger_closing",
    "differences",
    "differences_sum",
    "breaks_open",
    "breaks_assigned",
    "breaks_explained",
    "breaks_resolved",
];
