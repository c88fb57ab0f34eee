//! SWIFT MT940, Customer Statement Message.
//!
//! The fields are found and read by the crate `mt940`, which holds them to SWIFT's rules. Three
//! things are done around it. Banks use more letters than SWIFT's character set has: each other
//! character becomes a dot for the crate, and field 86 is read from the text as it was. Days that
//! no calendar has are refused before, because the crate does not expect them. And the year of an
//! entry date is the one in which it is nearest to the value date.

use super::{File, Wanted, narrative};
use crate::Error;
use crate::statement::{Balance, Line, Statement};
use crate::text::{self, Charset, REFERENCE_LENGTH_MAX};
use chrono::{Datelike, NaiveDate};
use mt940::{DebitOrCredit, ExtDebitOrCredit, Field, Message};

/// What SWIFT's character set X has besides letters and digits.
const SWIFT_MARKS: &str = "/-?:().,+{} ";

/// Reads a file.
pub fn read(bytes: &[u8], charset: Charset, wanted: &Wanted<'_>) -> Result<File, Error> {
    let text = without_envelopes(&charset.decode(bytes)?);
    let mut file = File { statements: Vec::new(), left_out: 0 };
    for part in messages(&text)? {
        let Some(message) = part.read()? else { continue };
        let currency = &message.opening_balance.iso_currency_code;
        if wanted.takes(&message.account_id, currency)? {
            file.statements.push(statement(&message, &part.narratives, wanted)?);
        } else {
            file.left_out += 1;
        }
    }
    file.checked()
}

/// The text without the blocks around messages (`{1:F01…}{2:…}{4:`, `-}`) and the hyphens
/// between them, and with one character for each end of a line.
fn without_envelopes(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut kept = String::with_capacity(text.len());
    for line in text.lines() {
        let line = line.trim_end();
        let is_end = line == "-" || line.starts_with("-}");
        let is_head = line.starts_with("{1:");
        // Some senders put the first field on the line that opens the block.
        let opened = line.split_once("{4:").map(|(_, rest)| rest).filter(|_| is_head);
        match (is_end, is_head, opened) {
            (true, ..) | (_, true, None) | (_, _, Some("")) => {}
            (_, _, Some(first)) => push_line(&mut kept, first),
            _ => push_line(&mut kept, line),
        }
    }
    kept
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// The fields of one message, and the narratives of its lines as they were.
#[derive(Default)]
struct Part {
    fields: Vec<Field>,
    narratives: Vec<String>,
}

impl Part {
    fn read(&self) -> Result<Option<Message>, Error> {
        if self.fields.is_empty() {
            return Ok(None);
        }
        let fields = self.fields.iter().map(|field| Field::new(&field.tag, &field.value)).collect();
        let message = Message::from_fields(fields);
        message.map(Some).map_err(|error| Error::Unreadable(format!("the MT940 is malformed: {error}")))
    }
}

/// Splits a text into the fields of its messages.
fn messages(text: &str) -> Result<Vec<Part>, Error> {
    // One byte for each character, so that a place in one is the place in the other.
    let swift: String = text.chars().map(swift_character).collect();
    let original: Vec<char> = text.chars().collect();
    let fields = mt940::parse_fields(&swift)
        .map_err(|_| Error::Unreadable("there is no MT940 field in it".to_owned()))?;
    let (mut parts, mut at): (Vec<Part>, usize) = (Vec::new(), 0);
    for field in fields {
        let mark = format!(":{}:{}", field.tag, field.value);
        let rest = swift.get(at..).unwrap_or_default();
        // The crate takes white space away around a value.
        let found = rest.find(&mark).or_else(|| rest.find(&format!(":{}:", field.tag)));
        at += found.ok_or_else(|| Error::Unreadable("the MT940 is malformed".to_owned()))?;
        let value_at = at + field.tag.len() + 2;
        let end = value_at + field.value.len();
        let value = || original.get(value_at..end).map(|value| value.iter().collect::<String>());
        match field.tag.as_str() {
            "20" => parts.push(Part { fields: vec![field], narratives: Vec::new() }),
            "86" => {
                let part = parts.last_mut();
                let last = part.filter(|part| part.fields.last().is_some_and(|field| field.tag == "61"));
                if let Some(narrative) = last.and_then(|part| part.narratives.last_mut()) {
                    narrative.push_str(&value().unwrap_or_default());
                }
            }
            _ => {
                if field.tag == "61" {
                    require_days(&field.value)?;
                }
                let part = parts.last_mut();
                let part =
                    part.ok_or_else(|| Error::Unreadable("a message begins with field 20".to_owned()))?;
                if field.tag == "61" {
                    part.narratives.push(String::new());
                }
                part.fields.push(field);
            }
        }
        at = value_at;
    }
    Ok(parts)
}

fn swift_character(character: char) -> char {
    let is_swift = character.is_ascii_alphanumeric() || character == '\n' || SWIFT_MARKS.contains(character);
    if is_swift { character } else { '.' }
}

/// Requires that the days at the beginning of a field 61 exist: YYMMDD and, if digits follow,
/// MMDD.
fn require_days(value: &str) -> Result<(), Error> {
    let refused = || Error::Unreadable("a day in a field 61 is in no calendar".to_owned());
    let number = |from: usize| -> Option<u32> { value.get(from..from + 2)?.parse().ok() };
    let year = number(0).and_then(|year| i32::try_from(2000 + year).ok()).ok_or_else(refused)?;
    let is_day = |month: Option<u32>, day: Option<u32>| {
        month.zip(day).is_some_and(|(month, day)| NaiveDate::from_ymd_opt(year, month, day).is_some())
    };
    let has_entry_date = value.get(6..10).is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let is_good = is_day(number(2), number(4)) && (!has_entry_date || is_day(number(6), number(8)));
    if is_good { Ok(()) } else { Err(refused()) }
}

fn statement(message: &Message, narratives: &[String], wanted: &Wanted<'_>) -> Result<Statement, Error> {
    let kept = |text: &str| text::tidied(text, REFERENCE_LENGTH_MAX);
    let sequence = message.sequence_no.as_deref().unwrap_or_default();
    let (opening, closing) = (&message.opening_balance, &message.closing_balance);
    if closing.iso_currency_code != opening.iso_currency_code {
        let (found, expected) = (closing.iso_currency_code.clone(), opening.iso_currency_code.clone());
        return Err(Error::WrongCurrency { found, expected });
    }
    let balance = |balance: &mt940::Balance| {
        let amount = wanted.amount(&balance.amount.to_string(), '.', "a balance")?;
        let is_credit = balance.debit_credit_indicator == DebitOrCredit::Credit;
        Ok::<_, Error>(Balance {
            date: balance.date,
            amount: if is_credit { amount } else { amount.negated() },
        })
    };
    let mut lines = Vec::with_capacity(message.statement_lines.len());
    for (index, read) in message.statement_lines.iter().enumerate() {
        lines.push(line(read, narratives.get(index).map_or("", String::as_str), wanted)?);
    }
    Ok(Statement {
        id: kept(&message.statement_no),
        sequence: kept(sequence),
        account: kept(&message.account_id),
        currency: opening.iso_currency_code.clone(),
        opening: Some(balance(opening)?),
        closing: Some(balance(closing)?),
        lines,
        pending: 0,
    })
}

fn line(read: &mt940::StatementLine, narrative: &str, wanted: &Wanted<'_>) -> Result<Line, Error> {
    let size = wanted.amount(&read.amount.to_string(), '.', "a field 61")?;
    // The crate's names say what an entry does: RC, the reversal of a credit, is its ReverseDebit.
    let (amount, reversal) = match read.ext_debit_credit_indicator {
        ExtDebitOrCredit::Credit => (size, false),
        ExtDebitOrCredit::Debit => (size.negated(), false),
        ExtDebitOrCredit::ReverseCredit => (size, true),
        ExtDebitOrCredit::ReverseDebit => (size.negated(), true),
    };
    let booked = read.entry_date.map_or(read.value_date, |entry| nearest(entry, read.value_date));
    let mut line = Line::new(booked, amount);
    line.value = read.value_date;
    line.reversal = reversal;
    line.refer(&read.customer_ref);
    let bank_reference = read.bank_ref.as_deref().unwrap_or_default();
    if text::reference(bank_reference).is_some() {
        line.bank_reference = text::tidied(bank_reference, REFERENCE_LENGTH_MAX);
    }
    line.tell(read.supplementary_details.as_deref().unwrap_or_default());
    narrative::describe(&mut line, narrative);
    Ok(line)
}

/// A day in the year in which it is nearest to another one: an entry date has no year.
fn nearest(day: NaiveDate, other: NaiveDate) -> NaiveDate {
    let years = [other.year() - 1, other.year(), other.year() + 1];
    let days = years.into_iter().filter_map(|year| day.with_year(year));
    days.min_by_key(|day| (*day - other).num_days().abs()).unwrap_or(day)
}
