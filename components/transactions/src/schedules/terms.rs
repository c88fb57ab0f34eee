//! What a caller asks for: a transfer, and when.

use crate::Error;
use crate::amount::Amount;
use crate::listing::place;
use crate::orders::{self, Order, Parties, Wanted};
use crate::reference::{caller_text, id_text};
use chrono::{DateTime, Months, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use vwp_core::Problem;
use vwp_core::caller::Caller;
use vwp_core::digest::digest;
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Entry, Outcome, Write};

/// How many schedules of one caller are active, at most.
pub const ACTIVE_MAX: i64 = 256;
/// How far ahead the first occurrence may be, in milliseconds: 10 years.
pub const START_MS_MAX: u64 = 3653 * 86_400_000;
/// How far back it may be, in milliseconds: as far as clocks differ.
pub const START_BACK_MS_MAX: u64 = vwp_core::environment::CLOCK_SKEW_MAX_MS;
/// The most units between two occurrences.
pub const UNITS_MAX: u32 = 1000;
/// Where what is due is listed, by time.
pub(crate) const DUE: &str = "transactions/schedule-due/";

/// What a caller asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// What makes a repeat harmless: 1 to 128 visible ASCII characters. Only in a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// The account to debit; in a request a traveller's own if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The account to credit.
    pub to: String,
    /// What is moved.
    pub asset: String,
    /// How much each time, in minor units.
    pub amount: Amount,
    /// What the caller wants to find with it again: 1 to 48 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memo: Option<String>,
    /// The caller's word for why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// When the first occurrence is due, in milliseconds since the Unix epoch.
    pub start_at: u64,
    /// How long after one the next one is due; none if there is one only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Every>,
    /// How many occurrences there are; none for as many as there are until it is cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

/// The time between two occurrences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Every {
    /// What is counted.
    pub unit: Unit,
    /// How many: 1 to 1000.
    pub count: u32,
}

/// A unit of time, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours.
    Day,
    /// 7 days.
    Week,
    /// To the same day of the next month, or its last one if that is earlier.
    Month,
    /// 12 months.
    Year,
}

/// Whose schedule it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Asker {
    Traveller(String),
    Operator(String),
}

/// A schedule as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Schedule {
    /// Who asked for it.
    pub(crate) asker: Asker,
    /// What was asked for.
    pub(crate) terms: Terms,
    /// The number of the next occurrence, from 0 on.
    pub(crate) next: u32,
    /// Whether it was cancelled.
    pub(crate) is_cancelled: bool,
    /// When it was made, in milliseconds since the Unix epoch; zero if that was before schedules were listed.
    #[serde(default)]
    pub(crate) created_at: u64,
}

impl Asker {
    pub(crate) fn of(caller: &Caller) -> Result<Self, Error> {
        match caller {
            Caller::Traveller { id, .. } => Ok(Self::Traveller(id.clone())),
            Caller::Operator { id } => Ok(Self::Operator(id.clone())),
            Caller::Nobody | Caller::Administrator => {
                Err(Error::Forbidden("schedules are travellers' and operators'".to_owned()))
            }
        }
    }

    pub(crate) fn caller(&self) -> Caller {
        match self {
            Self::Traveller(id) => Caller::Traveller { id: id.clone(), session: String::new() },
            Self::Operator(id) => Caller::Operator { id: id.clone() },
        }
    }

    fn count_key(&self) -> Vec<u8> {
        format!("transactions/schedules-of/{}", caller_text(&self.caller())).into_bytes()
    }

    /// What the keys start with that list its schedules.
    pub(crate) fn listed_prefix(&self) -> String {
        format!("transactions/schedule-list/{}/", caller_text(&self.caller()))
    }
}

impl Every {
    /// When an occurrence is due that comes so many after the first; none if time has no such moment.
    /// Months are counted from the first one, so that the 31st comes again after a shorter month.
    fn after(self, start: DateTime<Utc>, number: u32) -> Option<DateTime<Utc>> {
        let units = self.count.checked_mul(number)?;
        let minutes = |each: i64| TimeDelta::try_minutes(i64::from(units).checked_mul(each)?);
        match self.unit {
            Unit::Minute => start.checked_add_signed(minutes(1)?),
            Unit::Hour => start.checked_add_signed(minutes(60)?),
            Unit::Day => start.checked_add_signed(minutes(24 * 60)?),
            Unit::Week => start.checked_add_signed(minutes(7 * 24 * 60)?),
            Unit::Month => start.checked_add_months(Months::new(units)),
            Unit::Year => start.checked_add_months(Months::new(units.checked_mul(12)?)),
        }
    }
}

impl Terms {
    /// Requires that the terms are within their bounds.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let invalid = |text: &str| Err(Error::Invalid(text.to_owned()));
        match (self.every, self.times) {
            (Some(every), _) if !(1..=UNITS_MAX).contains(&every.count) => {
                invalid("there are 1 to 1000 units between two occurrences")
            }
            (_, Some(0)) => invalid("times is 1 or more"),
            (None, Some(2..)) => invalid("what occurs more than once has every"),
            _ if self.amount.0 == 0 => Err(Error::ZeroAmount),
            _ => Ok(()),
        }
    }

    /// When an occurrence is due, in milliseconds since the Unix epoch; none if there is no such one.
    pub(crate) fn due(&self, number: u32) -> Option<u64> {
        let times = if self.every.is_none() { Some(1) } else { self.times };
        if times.is_some_and(|times| number >= times) {
            return None;
        }
        let start = DateTime::from_timestamp_millis(i64::try_from(self.start_at).ok()?)?;
        let due = match self.every {
            Some(every) => every.after(start, number)?,
            None => start,
        };
        u64::try_from(due.timestamp_millis()).ok()
    }

    /// The transfer that an occurrence is, and its accounts.
    pub(crate) fn occurrence(&self, asker: &Asker, id: u128, number: u32) -> Result<Wanted, Error> {
        let order = Order {
            from: self.from.clone(),
            to: Some(self.to.clone()),
            asset: Some(self.asset.clone()),
            amount: Some(self.amount),
            memo: self.memo.clone(),
            code: self.code,
            ..Order::default()
        };
        orders::read(&mut Parties::default(), &asker.caller(), occurrence_id(id, number), &order)
    }
}

impl Schedule {
    /// When the next occurrence is due; none if there is none.
    pub(crate) fn due(&self) -> Option<u64> {
        if self.is_cancelled { None } else { self.terms.due(self.next) }
    }

    fn bytes(&self) -> Result<Vec<u8>, Error> {
        Ok(serde_json::to_vec(self).map_err(|_| Problem::internal())?)
    }
}

/// The id of the transfer that an occurrence is.
pub(crate) fn occurrence_id(schedule: u128, number: u32) -> u128 {
    digest("vwp-occurrence-v1", &[&id_text(schedule), &number.to_string()])
}

fn schedule_key(id: u128) -> Vec<u8> {
    format!("transactions/schedule/{}", id_text(id)).into_bytes()
}

/// Where an occurrence is listed: times of one length, so that the earliest is the first.
fn due_key(due: u64, id: u128) -> Vec<u8> {
    format!("{DUE}{due:016x}/{}", id_text(id)).into_bytes()
}

/// What lists a schedule among its asker's.
fn listed(schedule: &Schedule, id: u128) -> Write {
    let place = place(schedule.created_at, id);
    Write::put(format!("{}{place}", schedule.asker.listed_prefix()), [])
}

/// A schedule, and the entry that it was read from.
pub(crate) async fn stored(store: &impl Kv, id: u128) -> Result<Option<(Schedule, Entry)>, Error> {
    let Some(entry) = store.get(&schedule_key(id)).await? else { return Ok(None) };
    let schedule = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    Ok(Some((schedule, entry)))
}

/// Keeps a schedule that is new, unless another one is kept under this id already; whether one was.
pub(crate) async fn keep(store: &impl Kv, id: u128, schedule: &Schedule) -> Result<bool, Error> {
    let due = schedule.due().ok_or_else(|| Error::Invalid("nothing would ever be due".to_owned()))?;
    let writes = [
        Write::put(schedule_key(id), schedule.bytes()?),
        Write::put(due_key(due, id), []),
        listed(schedule, id),
        Write::Add { key: schedule.asker.count_key(), delta: 1, minimum: 0, maximum: ACTIVE_MAX },
    ];
    match store.commit(&[Check::absent(schedule_key(id))], &writes).await? {
        Outcome::Committed(_) => Ok(false),
        Outcome::Conflict(_) => Ok(true),
        Outcome::OutOfBounds(_) => Err(Error::TooManySchedules),
        Outcome::NotACounter(_) => Err(Problem::internal().into()),
    }
}

/// Changes a schedule from what was read to something else, and where it is listed with it, and tells of it;
/// whether it was still what was read.
pub(crate) async fn change(
    store: &impl Kv,
    id: u128,
    (before, entry): (&Schedule, &Entry),
    after: &Schedule,
    told: Vec<Write>,
) -> Result<bool, Error> {
    let mut writes = told;
    writes.push(Write::put(schedule_key(id), after.bytes()?));
    if before.created_at == 0 {
        // It was made before there were lists, and is the last of its asker's from now on.
        writes.push(listed(before, id));
    }
    if let Some(due) = before.due() {
        writes.push(Write::delete(due_key(due, id)));
    }
    match after.due() {
        Some(due) => writes.push(Write::put(due_key(due, id), [])),
        None => writes.push(Write::Add {
            key: after.asker.count_key(),
            delta: -1,
            minimum: 0,
            maximum: ACTIVE_MAX,
        }),
    }
    let checks = [Check::unchanged(schedule_key(id), Some(entry))];
    Ok(matches!(store.commit(&checks, &writes).await?, Outcome::Committed(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(start_at: &str, unit: Option<Unit>, times: Option<u32>) -> Terms {
        Terms {
            idempotency_key: None,
            from: None,
            to: "world:arena".into(),
            asset: "gold@arena".into(),
            amount: Amount(1),
            memo: None,
            code: None,
            start_at: u64::try_from(start_at.parse::<DateTime<Utc>>().unwrap().timestamp_millis()).unwrap(),
            every: unit.map(|unit| Every { unit, count: 1 }),
            times,
        }
    }

    fn due(terms: &Terms, number: u32) -> Option<String> {
        let due = i64::try_from(terms.due(number)?).unwrap();
        Some(DateTime::from_timestamp_millis(due).unwrap().to_string().replace(":00 UTC", ""))
    }

    #[test]
    fn months_are_counted_from_the_first_one() {
        let monthly = terms("2027-12-31T08:00:00Z", Some(Unit::Month), Some(4));
        let dues: Vec<_> = (0..5).map(|number| due(&monthly, number)).collect();
        let expected = ["2027-12-31 08:00", "2028-01-31 08:00", "2028-02-29 08:00", "2028-03-31 08:00"];
        assert_eq!(dues[..4], expected.map(|due| Some(due.to_owned())));
        assert_eq!(dues[4], None);
    }

    #[test]
    fn what_does_not_recur_is_due_once() {
        let once = terms("2028-02-29T00:00:00Z", None, None);
        assert_eq!((due(&once, 0).as_deref(), due(&once, 1)), (Some("2028-02-29 00:00"), None));
        let daily = terms("2028-02-28T23:59:00Z", Some(Unit::Day), None);
        assert_eq!(due(&daily, 2).as_deref(), Some("2028-03-01 23:59"));
        // A day that no calendar has is not due.
        assert_eq!(daily.due(u32::MAX), None);
        assert!(terms("2028-02-29T00:00:00Z", Some(Unit::Week), Some(0)).check().is_err());
        assert!(terms("2028-02-29T00:00:00Z", None, Some(2)).check().is_err());
    }
}
