//! A statement, whichever format it came in: what a bank or a processor says happened on an
//! account, between two balances.

use crate::Error;
use crate::money::Money;
use crate::text::{self, REFERENCE_LENGTH_MAX, REFERENCES_MAX, TEXT_LENGTH_MAX};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The most statements in one file.
pub const STATEMENTS_MAX: usize = 100;
/// The most lines in one file.
pub const LINES_MAX: usize = 20_000;

/// A statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The id that its sender gave it; empty in formats without one.
    pub id: String,
    /// Its number in the sender's sequence; empty in formats without one.
    pub sequence: String,
    /// The account, as its sender writes it; empty in formats without one.
    pub account: String,
    /// The account's currency.
    pub currency: String,
    /// The balance that it begins with.
    pub opening: Option<Balance>,
    /// The balance that it ends with.
    pub closing: Option<Balance>,
    /// What was booked, in the sender's order.
    pub lines: Vec<Line>,
    /// How many entries were announced but not booked. They are in no balance, may change, and
    /// come again when they are booked; so they are left out.
    pub pending: u32,
}

/// A balance at the beginning or the end of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// The day that it is of.
    pub date: NaiveDate,
    /// The balance; negative if the account is overdrawn.
    pub amount: Money,
}

/// One booked amount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When it was booked.
    pub booked: NaiveDate,
    /// The day from which it counts for interest; when it was booked, if nothing else is said.
    pub value: NaiveDate,
    /// How much: positive if it reached the account.
    pub amount: Money,
    /// Whether it takes an earlier entry back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reversal: bool,
    /// The reference that the account's bank gave it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub bank_reference: String,
    /// The references of those who paid and were paid, as they wrote them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,
    /// The bank's reference of the entry that this is one transaction of.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub batch: String,
    /// Who is on the other side.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub counterparty: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What was ordered, where that was another currency: `USD 12.00`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ordered: String,
}

impl Line {
    /// A line of which nothing but day and amount is known.
    pub fn new(booked: NaiveDate, amount: Money) -> Self {
        Self {
            booked,
            value: booked,
            amount,
            reversal: false,
            bank_reference: String::new(),
            references: Vec::new(),
            batch: String::new(),
            counterparty: String::new(),
            text: String::new(),
            ordered: String::new(),
        }
    }

    /// Keeps a reference, unless it is none.
    pub fn refer(&mut self, reference: &str) {
        let reference = text::tidied(reference, REFERENCE_LENGTH_MAX);
        let is_one = text::reference(&reference).is_some() && !self.references.contains(&reference);
        if is_one && self.references.len() < REFERENCES_MAX {
            self.references.push(reference);
        }
    }

    /// Adds to what it is for.
    pub fn tell(&mut self, part: &str) {
        let joined = format!("{} {part}", self.text);
        self.text = text::tidied(&joined, TEXT_LENGTH_MAX);
    }

    /// All that may name the payment, as it is compared.
    pub fn compared_references(&self) -> BTreeSet<String> {
        let own = self.references.iter().chain([&self.bank_reference]);
        let own = own.filter_map(|reference| text::reference(reference));
        own.chain(text::references_in(&self.text)).take(REFERENCES_MAX).collect()
    }
}

impl Statement {
    /// The sum of the lines.
    pub fn sum(&self) -> Money {
        self.lines.iter().map(|line| line.amount).sum()
    }

    /// Requires that the opening balance and the lines make the closing balance, where the
    /// statement has both.
    pub fn require_balanced(&self) -> Result<(), Error> {
        let (Some(opening), Some(closing)) = (self.opening, self.closing) else { return Ok(()) };
        let entries = self.sum();
        if opening.amount.plus(entries) == closing.amount {
            return Ok(());
        }
        Err(Error::Unbalanced {
            statement: self.id.clone(),
            opening: opening.amount,
            entries,
            closing: closing.amount,
        })
    }

    /// The first and the last day that it speaks of.
    pub fn period(&self) -> Option<(NaiveDate, NaiveDate)> {
        let balances = [self.opening, self.closing].into_iter().flatten().map(|balance| balance.date);
        let days: Vec<NaiveDate> = self.lines.iter().map(|line| line.booked).chain(balances).collect();
        Some((*days.iter().min()?, *days.iter().max()?))
    }
}

/// Refuses a file with more statements or lines than are read.
pub(crate) fn require_bounded(statements: &[Statement]) -> Result<(), Error> {
    let lines: usize = statements.iter().map(|statement| statement.lines.len()).sum();
    if statements.is_empty() {
        return Err(Error::Unreadable("there is no statement in it".to_owned()));
    }
    if statements.len() > STATEMENTS_MAX || lines > LINES_MAX {
        return Err(Error::TooMuch("a file has at most 100 statements and 20,000 lines"));
    }
    Ok(())
}
