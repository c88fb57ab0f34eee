//! Tables with separators (RFC 4180 and its many dialects), whose columns the user maps.

use super::{File, Wanted};
use crate::Error;
use crate::money::Money;
use crate::statement::{Balance, LINES_MAX, Line, Statement};
use crate::text::{self, Charset, REFERENCE_LENGTH_MAX};
use chrono::NaiveDate;
use csv::{ReaderBuilder, StringRecord};
use serde::{Deserialize, Serialize};

/// The longest name of a column, in bytes.
const COLUMN_LENGTH_MAX: usize = 100;
/// The most columns that references or texts are taken from.
const PARTS_MAX: usize = 8;
/// The most rows that may stand before the first line.
const HEADER_ROWS_MAX: u32 = 100;

/// How a table is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// How its bytes are read.
    #[serde(default)]
    pub charset: Charset,
    /// What stands between columns: one ASCII character.
    #[serde(default = "comma")]
    pub delimiter: char,
    /// How many rows stand before the first line; the last of them names the columns.
    #[serde(default = "one")]
    pub header_rows: u32,
    /// What stands before the decimal places: `.` or `,`.
    #[serde(default = "point")]
    pub decimal_separator: char,
    /// What stands between thousands, if anything does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thousands_separator: Option<char>,
    /// How days are written, in the notation of strftime: `%d.%m.%Y`.
    #[serde(default = "iso_date")]
    pub date_format: String,
    /// When a line was booked.
    pub date: Column,
    /// From which day it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_date: Option<Column>,
    /// How much it is.
    pub amount: AmountColumns,
    /// The currency; every line must be in the source's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Column>,
    /// The sender's own id of a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bank_reference: Option<Column>,
    /// References of those who paid and were paid.
    #[serde(default)]
    pub references: Vec<Column>,
    /// What it is for.
    #[serde(default)]
    pub description: Vec<Column>,
    /// Who is on the other side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counterparty: Option<Column>,
    /// The account's balance after a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<Column>,
}

/// Where a line's amount stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum AmountColumns {
    /// In one column, with its sign, or with a mark in another column.
    One {
        /// The amount.
        column: Column,
        /// The mark.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mark: Option<Mark>,
    },
    /// In a column for what leaves the account and one for what reaches it.
    Two {
        /// What leaves it.
        debit: Column,
        /// What reaches it.
        credit: Column,
    },
}

/// A column that says whether a line is a debit or a credit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// The column.
    pub column: Column,
    /// What it says of what leaves the account.
    pub debit: String,
    /// What it says of what reaches the account.
    pub credit: String,
}

/// A column: by the name in the last header row, or by number from 1 on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Column {
    /// By number.
    Number(u16),
    /// By name.
    Name(String),
}

fn comma() -> char {
    ','
}

fn point() -> char {
    '.'
}

fn one() -> u32 {
    1
}

fn iso_date() -> String {
    "%Y-%m-%d".to_owned()
}

impl Mapping {
    /// Requires that the mapping is one that can be used.
    pub fn check(&self) -> Result<(), Error> {
        let invalid = |text: &str| Err(Error::Invalid(format!("csv: {text}")));
        if !self.delimiter.is_ascii()
            || self.delimiter.is_ascii_alphanumeric()
            || "\"\r\n".contains(self.delimiter)
        {
            return invalid("delimiter is one ASCII character that is no letter, digit or quote");
        }
        if !matches!(self.decimal_separator, '.' | ',')
            || self.thousands_separator == Some(self.decimal_separator)
        {
            return invalid("decimal_separator is . or , and another one than thousands_separator");
        }
        if self.header_rows > HEADER_ROWS_MAX {
            return invalid("header_rows is at most 100");
        }
        if self.date_format.len() > 40 || !self.date_format.contains('%') {
            return invalid("date_format is in the notation of strftime, such as %d.%m.%Y");
        }
        if self.references.len() > PARTS_MAX || self.description.len() > PARTS_MAX {
            return invalid("references and description have at most 8 columns each");
        }
        for column in self.columns() {
            match column {
                Column::Number(0) => return invalid("columns are numbered from 1 on"),
                Column::Name(_) if self.header_rows == 0 => {
                    return invalid("columns without a header row are named by number");
                }
                Column::Name(name) if name.is_empty() || name.len() > COLUMN_LENGTH_MAX => {
                    return invalid("a column's name has 1 to 100 bytes");
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn columns(&self) -> impl Iterator<Item = &Column> {
        let amount: Vec<&Column> = match &self.amount {
            AmountColumns::One { column, mark } => {
                [Some(column), mark.as_ref().map(|mark| &mark.column)].into_iter().flatten().collect()
            }
            AmountColumns::Two { debit, credit } => vec![debit, credit],
        };
        let single =
            [&self.value_date, &self.currency, &self.bank_reference, &self.counterparty, &self.balance];
        let lists = self.references.iter().chain(&self.description);
        [&self.date].into_iter().chain(amount).chain(single.into_iter().flatten()).chain(lists)
    }
}

/// Reads a file.
pub fn read(bytes: &[u8], mapping: &Mapping, wanted: &Wanted<'_>) -> Result<File, Error> {
    let text = mapping.charset.decode(bytes)?;
    let mut reader = ReaderBuilder::new();
    let delimiter = u8::try_from(mapping.delimiter).unwrap_or(b',');
    let mut reader =
        reader.delimiter(delimiter).has_headers(false).flexible(true).from_reader(text.as_bytes());
    let (mut header, mut rows) = (StringRecord::new(), Vec::new());
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(|error| Error::Unreadable(format!("the table is malformed: {error}")))?;
        if index < mapping.header_rows as usize {
            header = record;
            continue;
        }
        // Blank rows, and rows of separators alone.
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        if rows.len() >= LINES_MAX {
            return Err(Error::TooMuch("a file has at most 20,000 lines"));
        }
        let row = Row { header: &header, record: &record, number: index + 1, mapping, wanted };
        rows.push(row.read()?);
    }
    let statement = balanced(rows, wanted)?;
    File { statements: vec![statement], left_out: 0 }.checked()
}

/// The rows as a statement. If they have balances, these say whether the oldest row is the first
/// or the last one, and every row must continue from the one before it.
fn balanced(mut rows: Vec<(Line, Option<Money>)>, wanted: &Wanted<'_>) -> Result<Statement, Error> {
    if rows.is_empty() {
        return Err(Error::Unreadable("the table has no lines".to_owned()));
    }
    let continues = |rows: &[(Line, Option<Money>)]| {
        let follows = |pair: &[(Line, Option<Money>)]| match pair {
            [(_, Some(before)), (line, Some(after))] => before.plus(line.amount) == *after,
            _ => true,
        };
        rows.windows(2).all(follows)
    };
    if !continues(&rows) {
        rows.reverse();
        if !continues(&rows) {
            return Err(Error::Unreadable("the balances do not continue from row to row".to_owned()));
        }
    } else if rows.first().zip(rows.last()).is_some_and(|(first, last)| first.0.booked > last.0.booked) {
        // Without balances, or where both directions fit, the oldest day comes first.
        rows.reverse();
        if !continues(&rows) {
            rows.reverse();
        }
    }
    let opening = rows.first().and_then(|(line, balance)| {
        Some(Balance { date: line.booked, amount: (*balance)?.minus(line.amount) })
    });
    let closing =
        rows.last().and_then(|(line, balance)| Some(Balance { date: line.booked, amount: (*balance)? }));
    Ok(Statement {
        id: String::new(),
        sequence: String::new(),
        account: wanted.account.unwrap_or_default().to_owned(),
        currency: wanted.currency.to_owned(),
        opening,
        closing,
        lines: rows.into_iter().map(|(line, _)| line).collect(),
        pending: 0,
    })
}

/// A row that is being read.
struct Row<'a> {
    header: &'a StringRecord,
    record: &'a StringRecord,
    number: usize,
    mapping: &'a Mapping,
    wanted: &'a Wanted<'a>,
}

impl Row<'_> {
    fn read(&self) -> Result<(Line, Option<Money>), Error> {
        let mapping = self.mapping;
        let mut line = Line::new(self.day(&mapping.date)?, self.amount()?);
        if let Some(column) = &mapping.value_date
            && !self.cell(column)?.is_empty()
        {
            line.value = self.day(column)?;
        }
        if let Some(column) = &mapping.currency {
            let found = self.cell(column)?;
            if !found.eq_ignore_ascii_case(self.wanted.currency) {
                let found = found.chars().take(10).collect();
                return Err(Error::WrongCurrency { found, expected: self.wanted.currency.to_owned() });
            }
        }
        if let Some(column) = &mapping.bank_reference {
            line.bank_reference = text::tidied(self.cell(column)?, REFERENCE_LENGTH_MAX);
        }
        if let Some(column) = &mapping.counterparty {
            line.counterparty = text::tidied(self.cell(column)?, REFERENCE_LENGTH_MAX);
        }
        for column in &mapping.references {
            line.refer(self.cell(column)?);
        }
        for column in &mapping.description {
            line.tell(self.cell(column)?);
        }
        let balance = mapping.balance.as_ref().map(|column| self.signed(column)).transpose()?;
        Ok((line, balance.flatten()))
    }

    fn amount(&self) -> Result<Money, Error> {
        match &self.mapping.amount {
            AmountColumns::One { column, mark } => {
                let given = self.signed(column)?.ok_or_else(|| self.unreadable("the amount is missing"))?;
                let Some(mark) = mark else { return Ok(given) };
                let said = self.cell(&mark.column)?;
                if said == mark.debit {
                    Ok(given.negated())
                } else if said == mark.credit {
                    Ok(given)
                } else {
                    Err(self.unreadable("it is marked neither as a debit nor as a credit"))
                }
            }
            AmountColumns::Two { debit, credit } => {
                let given =
                    |column| Ok::<_, Error>(self.signed(column)?.filter(|amount| *amount != Money::ZERO));
                match (given(debit)?, given(credit)?) {
                    // Some write debits with a sign of their own, too.
                    (Some(debit), None) => Ok(Money(debit.0.abs()).negated()),
                    (None, Some(credit)) => Ok(credit),
                    (None, None) => Ok(Money::ZERO),
                    (Some(_), Some(_)) => Err(self.unreadable("it is both a debit and a credit")),
                }
            }
        }
    }

    /// An amount with its sign, before or behind it or as parentheses; none in an empty cell.
    fn signed(&self, column: &Column) -> Result<Option<Money>, Error> {
        let cell = self.cell(column)?;
        let is_left_out = |char: char| char.is_whitespace() || Some(char) == self.mapping.thousands_separator;
        let text: String = cell.chars().filter(|char| !is_left_out(*char)).collect();
        if text.is_empty() {
            return Ok(None);
        }
        let inside = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
        // U+2212 is the minus sign of typographers, which spreadsheets write.
        let minus = text.strip_prefix(['-', '\u{2212}']).or_else(|| text.strip_suffix('-'));
        let negative = inside.or(minus);
        let plain = negative.or_else(|| text.strip_prefix('+')).unwrap_or(&text);
        let amount =
            self.wanted.amount(plain, self.mapping.decimal_separator, &format!("row {}", self.number))?;
        Ok(Some(if negative.is_some() { amount.negated() } else { amount }))
    }

    fn day(&self, column: &Column) -> Result<NaiveDate, Error> {
        let cell = self.cell(column)?;
        NaiveDate::parse_from_str(cell, &self.mapping.date_format)
            .map_err(|_| self.unreadable(&format!("the day is not written as {}", self.mapping.date_format)))
    }

    fn cell(&self, column: &Column) -> Result<&str, Error> {
        let index = match column {
            Column::Number(number) => Some(usize::from(*number).saturating_sub(1)),
            Column::Name(name) => self.header.iter().position(|cell| cell.trim() == name),
        };
        let index = index.ok_or_else(|| self.unreadable("a column of the mapping is in no header"))?;
        self.record.get(index).map(str::trim).ok_or_else(|| self.unreadable("a column is missing"))
    }

    fn unreadable(&self, what: &str) -> Error {
        Error::Unreadable(format!("row {}: {what}", self.number))
    }
}
