//! Importing statements. A line is stored once, however often and in whichever statements it
//! comes; so an import that was broken off is finished by importing the file again.

use crate::Error;
use crate::formats::{File, camt053, mt940, table};
use crate::item::Item;
use crate::ledger::totals;
use crate::money::Money;
use crate::source::Source;
use crate::statement::{Balance, Line, Statement};
use crate::store::{self, Keys, Side};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vwp_core::Environment;
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Outcome, Write};

/// How many lines one commit stores: each is two writes and may be one more for its day, and a
/// line and its item have less than 8 KiB.
const CHUNK: usize = 60;
/// How often a commit is tried again when somebody else imports at the same time.
const TRIES: usize = 8;
/// The first and the last year of what is imported: ids begin with four digits of it.
const YEARS: std::ops::RangeInclusive<i32> = 1990..=2199;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// ISO 20022 camt.053.
    Camt053,
    /// SWIFT MT940.
    Mt940,
    /// A table, read as the source's mapping says.
    Csv,
}

/// A statement as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its id here: the last day that it speaks of, and a hash of who sent it and what it says.
    pub id: String,
    /// The id that its sender gave it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub statement: String,
    /// Its number in the sender's sequence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sequence: String,
    /// The account, as its sender writes it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub account: String,
    /// What file it came in.
    pub format: Format,
    /// The first day that it speaks of.
    pub from: NaiveDate,
    /// The last one.
    pub to: NaiveDate,
    /// The balance that it begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<Balance>,
    /// The balance that it ends with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closing: Option<Balance>,
    /// How many lines it has.
    pub lines: u64,
    /// Their sum.
    pub sum: Money,
    /// How many entries it announces that are not booked.
    pub pending: u32,
    /// When its import began, in milliseconds since the Unix epoch.
    pub imported_at: u64,
    /// Who imported it.
    pub imported_by: String,
    /// Whether all its lines are stored. If not, its file is to be imported again.
    pub complete: bool,
}

/// What became of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// The statement.
    #[serde(flatten)]
    pub record: Record,
    /// How many of its lines were not known.
    pub new: u64,
    /// Whether the very same statement had been imported before.
    pub repeated: bool,
}

/// Reads a file of a source.
pub fn read(source: &Source, format: Format, bytes: &[u8]) -> Result<File, Error> {
    let wanted = source.wanted();
    let file = match format {
        Format::Camt053 => camt053::read(bytes, &wanted),
        Format::Mt940 => mt940::read(bytes, source.definition.mt940_charset, &wanted),
        Format::Csv => {
            let mapping = source.definition.csv.as_ref();
            let mapping =
                mapping.ok_or_else(|| Error::Invalid("the source has no mapping for CSV".to_owned()))?;
            table::read(bytes, mapping, &wanted)
        }
    }?;
    for statement in &file.statements {
        let days = statement.lines.iter().flat_map(|line| [line.booked, line.value]);
        let days = days.chain(statement.period().into_iter().flat_map(|(from, to)| [from, to]));
        if days.into_iter().any(|day| !YEARS.contains(&chrono::Datelike::year(&day))) {
            return Err(Error::Unreadable("a day is not between 1990 and 2199".to_owned()));
        }
    }
    Ok(file)
}

/// Stores the statements of a file.
pub async fn import(
    kv: &impl Kv,
    environment: &Environment<'_>,
    by: &str,
    source: &Source,
    format: Format,
    file: &File,
) -> Result<Vec<Imported>, Error> {
    let mut imported = Vec::with_capacity(file.statements.len());
    for statement in &file.statements {
        // An empty statement without balances says nothing about any day.
        let Some((from, to)) = statement.period() else { continue };
        let lines = identified(statement);
        let record = Record {
            id: statement_id(statement, to, &lines),
            statement: statement.id.clone(),
            sequence: statement.sequence.clone(),
            account: statement.account.clone(),
            format,
            from,
            to,
            opening: statement.opening,
            closing: statement.closing,
            lines: lines.len() as u64,
            sum: statement.sum(),
            pending: statement.pending,
            imported_at: environment.now,
            imported_by: by.to_owned(),
            complete: false,
        };
        imported.push(store_statement(kv, source, record, &lines).await?);
    }
    Ok(imported)
}

async fn store_statement(
    kv: &impl Kv,
    source: &Source,
    record: Record,
    lines: &[(String, &Line)],
) -> Result<Imported, Error> {
    let keys = Keys::new(&source.name);
    let key = keys.statement(&record.id);
    let before: Option<(Record, _)> = store::read(kv, &key).await?;
    if let Some((before, _)) = before.as_ref().filter(|(before, _)| before.complete) {
        return Ok(Imported { record: before.clone(), new: 0, repeated: true });
    }
    let mut record = before.map_or(record, |(before, _)| before);
    // The source must be the one that the file was read for, until the statement is there: from
    // then on what matters of it does not change.
    let seen = store::read::<Source>(kv, &keys.source()).await?;
    let (current, entry) = seen.ok_or_else(|| Error::UnknownSource(source.name.clone()))?;
    if current.version != source.version {
        return Err(Error::Busy);
    }
    let check = Check::unchanged(keys.source(), Some(&entry));
    put(kv, &[check], key.clone(), &record).await?;
    let mut new = 0;
    for chunk in lines.chunks(CHUNK) {
        new += store_lines(kv, keys, chunk).await?;
    }
    record.complete = true;
    put(kv, &[], key, &record).await?;
    Ok(Imported { record, new, repeated: false })
}

async fn put(kv: &impl Kv, checks: &[Check], key: Vec<u8>, record: &Record) -> Result<(), Error> {
    match kv.commit(checks, &[Write::put(key, store::encode(record)?)]).await? {
        Outcome::Committed(_) => Ok(()),
        _ => Err(Error::Busy),
    }
}

/// Stores the lines of a chunk that are not known; how many these were.
async fn store_lines(kv: &impl Kv, keys: Keys<'_>, chunk: &[(String, &Line)]) -> Result<u64, Error> {
    let line_keys: Vec<Vec<u8>> = chunk.iter().map(|(id, _)| keys.record(Side::Line, id)).collect();
    for _ in 0..TRIES {
        let known = kv.get_many(&line_keys).await?;
        let unknown = chunk.iter().zip(known).filter(|(_, known)| known.is_none());
        let unknown: Vec<&(String, &Line)> = unknown.map(|(line, _)| line).collect();
        if unknown.is_empty() {
            return Ok(0);
        }
        let amounts = unknown.iter().map(|(_, line)| (line.booked, line.amount));
        let (mut checks, mut writes) = totals(kv, keys, Side::Line, amounts).await?;
        for (id, line) in &unknown {
            let key = keys.record(Side::Line, id);
            checks.push(Check::absent(key.clone()));
            writes.push(Write::put(key, store::encode(line)?));
            writes.push(Write::put(keys.open(Side::Line, id), store::encode(&Item::of_line(id, line))?));
        }
        if let Outcome::Committed(_) = kv.commit(&checks, &writes).await? {
            return Ok(unknown.len() as u64);
        }
    }
    Err(Error::Busy)
}

/// The lines with their ids, each of which begins with the day.
///
/// A line with a reference of its bank is the same wherever it has this reference, day and amount.
/// Without one, two lines may be alike in all that they say; the account's balance after them tells
/// them apart, and is the same in every statement that has them. Where there is no balance either,
/// they are counted, and a file must not begin or end in the middle of a day.
fn identified(statement: &Statement) -> Vec<(String, &Line)> {
    let mut balance = statement.opening.map(|opening| opening.amount);
    let mut alike: BTreeMap<String, u32> = BTreeMap::new();
    let mut identified = Vec::with_capacity(statement.lines.len());
    for line in &statement.lines {
        balance = balance.map(|balance| balance.plus(line.amount));
        let amount = line.amount.to_string();
        let booked = line.booked.to_string();
        let references = line.references.join("\n");
        let hash = if line.bank_reference.is_empty() {
            let balance = balance.map_or_else(String::new, |balance| balance.to_string());
            let (value, reversal) = (line.value.to_string(), line.reversal.to_string());
            let says =
                [&booked, &value, &amount, &reversal, &references, &line.counterparty, &line.text, &balance];
            store::digest("vwp-reconciliation-line-v1", &says.map(String::as_str))
        } else {
            let says = [&booked, &amount, &line.bank_reference, &references];
            store::digest("vwp-reconciliation-referenced-line-v1", &says.map(String::as_str))
        };
        let count = alike.entry(hash.clone()).or_default();
        let hash = match *count {
            0 => hash,
            count => store::digest("vwp-reconciliation-alike-v1", &[&hash, &count.to_string()]),
        };
        *count += 1;
        identified.push((format!("{}-{hash}", store::day_text(line.booked)), line));
    }
    identified
}

/// Who sent it, and all that it says.
fn statement_id(statement: &Statement, to: NaiveDate, lines: &[(String, &Line)]) -> String {
    let balance = |balance: Option<Balance>| {
        balance.map_or_else(String::new, |balance| format!("{} {}", balance.date, balance.amount))
    };
    let (opening, closing) = (balance(statement.opening), balance(statement.closing));
    let ids: Vec<&str> = lines.iter().map(|(id, _)| id.as_str()).collect();
    let ids = store::digest("vwp-reconciliation-lines-v1", &ids);
    let parts = [&statement.account, &statement.id, &statement.sequence, &opening, &closing, &ids];
    let hash = store::digest("vwp-reconciliation-statement-v1", &parts.map(String::as_str));
    format!("{}-{hash}", store::day_text(to))
}
