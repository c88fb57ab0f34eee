//! What has no match yet, as it is compared: a line of a statement or an entry of the ledger.

use crate::ledger::StoredEntry;
use crate::money::Money;
use crate::statement::Line;
use crate::text::{self, REFERENCES_MAX};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How far a value day may be from the day of booking to count.
pub const SPAN_DAYS_MAX: i64 = 15;

/// Something to be matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its id, which begins with its day.
    pub id: String,
    /// Its day: of a line when it was booked, of an entry when it took effect.
    pub date: NaiveDate,
    /// The day from which a line counts for interest, if it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<NaiveDate>,
    /// How much.
    pub amount: Money,
    /// What may name the payment, as it is compared.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub references: BTreeSet<String>,
    /// The words of its texts, as they are compared.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub words: BTreeSet<String>,
    /// The batch that a line is part of; empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub batch: String,
}

impl Item {
    /// A line as it is compared.
    pub fn of_line(id: &str, line: &Line) -> Self {
        let texts = [&line.counterparty, &line.text].map(String::as_str).join(" ");
        let named = format!("{texts} {}", line.references.join(" "));
        Self {
            id: id.to_owned(),
            date: line.booked,
            value: Some(line.value).filter(|value| *value != line.booked),
            amount: line.amount,
            references: line.compared_references(),
            words: text::words(&named),
            batch: line.batch.clone(),
        }
    }

    /// An entry as it is compared. Its id in the ledger names it too, for those who tell it to
    /// whoever pays.
    pub fn of_entry(entry: &StoredEntry) -> Self {
        let whole = [text::reference(&entry.memo), text::reference(&entry.transfer)];
        let references = whole.into_iter().flatten().chain(text::references_in(&entry.memo));
        Self {
            id: entry.id.clone(),
            date: entry.date,
            value: None,
            amount: entry.amount,
            references: references.take(REFERENCES_MAX).collect(),
            words: text::words(&format!("{} {}", entry.memo, entry.counterparty)),
            batch: String::new(),
        }
    }

    /// The first and the last of its days. A value day that is far away says nothing of when the
    /// money moved.
    pub fn span(&self) -> (NaiveDate, NaiveDate) {
        let value = self.value.filter(|value| (*value - self.date).num_days().abs() <= SPAN_DAYS_MAX);
        let value = value.unwrap_or(self.date);
        (self.date.min(value), self.date.max(value))
    }

    /// How many days two items are apart: the day of booking or the value day, whichever is nearer.
    pub fn days_from(&self, other: &Self) -> u64 {
        self.days_from_span(other.span())
    }

    /// How many days it is from some days.
    pub fn days_from_span(&self, (other_start, other_end): (NaiveDate, NaiveDate)) -> u64 {
        let (start, end) = self.span();
        let gap = (other_start - end).num_days().max((start - other_end).num_days());
        u64::try_from(gap).unwrap_or(0)
    }
}
