//! Who may do what with a schedule: who asked for it reads and cancels it.

use super::run::occur;
use super::terms::{self, Asker, START_BACK_MS_MAX, START_MS_MAX, Schedule, Terms, occurrence_id};
use crate::authority::require_owner;
use crate::listing::{self, Listing, Paged};
use crate::orders::{self, Accounts};
use crate::reference::{Owner, id_text, parse_id, schedule_id};
use crate::transfers::require_known_receiver;
use crate::{Error, assets, ledger};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use vwp_core::caller::Caller;
use vwp_core::{Environment, Problem};
use vwp_storage::{Kv, Machines};

/// How many of the last occurrences are shown.
const SHOWN_MAX: u32 = 10;
/// How often a change is tried anew because another one came in between.
const TRIES_MAX: u32 = 16;

/// What has become of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// There is more to come.
    Active,
    /// Everything has come.
    Ended,
    /// It was cancelled.
    Cancelled,
}

/// A schedule as who asked for it sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScheduleInfo {
    /// The schedule's id: 32 hexadecimal digits.
    pub schedule_id: String,
    /// What has become of it.
    pub state: State,
    /// When the next occurrence is due, in milliseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_at: Option<u64>,
    /// What was asked for.
    pub terms: Terms,
    /// The last occurrences that were due, at most 10, the latest first; none in a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub occurrences: Option<Vec<OccurrenceInfo>>,
}

/// An occurrence that was due.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OccurrenceInfo {
    /// Its number, from 1 on.
    pub number: u32,
    /// When it was due, in milliseconds since the Unix epoch.
    pub due_at: u64,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: OccurrenceOutcome,
}

/// What became of an occurrence.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum OccurrenceOutcome {
    /// The money moved.
    Made {
        /// The transfer's id.
        transfer_id: String,
        /// Its position in the ledger's log.
        position: u64,
        /// When it was made, in milliseconds since the Unix epoch.
        time: u64,
    },
    /// The ledger refused it, for good.
    Refused {
        /// The transfer's id.
        transfer_id: String,
        /// Why (RFC 9457).
        problem: BTreeMap<String, Value>,
    },
    /// Payer or payee had gone, or the account was another's.
    Skipped,
}

/// Keeps a schedule, and says whether it was kept before.
pub async fn create<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    caller: &Caller,
    mut wanted: Terms,
) -> Result<(ScheduleInfo, bool), Error> {
    let key = wanted.idempotency_key.take().ok_or(Error::IdempotencyKeyMissing)?;
    orders::require_key(&key)?;
    let (id, asker) = (schedule_id(caller, &key)?, Asker::of(caller)?);
    wanted.from = wanted.from.or_else(|| Owner::own(caller).map(|owner| owner.to_string()));
    wanted.check()?;
    let Accounts::Named { from, to } = wanted.occurrence(&asker, id, 0)?.accounts else {
        return Err(Problem::internal().into());
    };
    require_owner(store, caller, &from.owner).await?;
    if from.id == to.id {
        return Err(Error::SameAccount);
    }
    let mut repeated = true;
    if terms::stored(store, id).await?.is_none() {
        require_known_receiver(store, &to.owner).await?;
        assets::get_asset(store, &wanted.asset).await?;
        let (first, last) =
            (environment.now.saturating_sub(START_BACK_MS_MAX), environment.now.saturating_add(START_MS_MAX));
        if !(first..=last).contains(&wanted.start_at) {
            return Err(Error::Invalid("start_at lies in the past, or more than 10 years ahead".to_owned()));
        }
        let schedule = Schedule {
            asker,
            terms: wanted.clone(),
            next: 0,
            is_cancelled: false,
            created_at: environment.now,
        };
        repeated = terms::keep(store, id, &schedule).await?;
    }
    let (kept, _) = terms::stored(store, id).await?.ok_or_else(Problem::internal)?;
    if kept.terms != wanted {
        return Err(Error::IdempotencyKeyReused);
    }
    Ok((info(store, id, kept).await?, repeated))
}

/// Reads a schedule, after what was due of it was done as far as one occurrence.
pub async fn get<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    caller: &Caller,
    id: &str,
) -> Result<ScheduleInfo, Error> {
    let id = parse_id(id)?;
    own(store, caller, id).await?;
    occur(store, environment, id).await?;
    let schedule = own(store, caller, id).await?;
    info(store, id, schedule).await
}

/// A page of the caller's schedules, newest first, as they are kept: looking at one does what is due of it.
pub(crate) async fn list(
    store: &impl Kv,
    caller: &Caller,
    page: &Paged,
) -> Result<Listing<ScheduleInfo>, Error> {
    let (ids, next) = listing::ids(store, &Asker::of(caller)?.listed_prefix(), page).await?;
    let mut items = Vec::with_capacity(ids.len());
    for id in ids {
        let stored = terms::stored(store, id).await?;
        items.extend(stored.map(|(schedule, _)| shown(id, schedule, None)));
    }
    Ok(Listing { items, next })
}

/// Cancels a schedule: nothing more comes of it. What is being made at that moment may be made still.
pub async fn cancel<S: Kv + Machines>(store: &S, caller: &Caller, id: &str) -> Result<ScheduleInfo, Error> {
    let id = parse_id(id)?;
    own(store, caller, id).await?;
    for _ in 0..TRIES_MAX {
        let (schedule, entry) = terms::stored(store, id).await?.ok_or(Error::UnknownSchedule)?;
        if schedule.due().is_none() {
            return info(store, id, schedule).await;
        }
        let after = Schedule { is_cancelled: true, ..schedule.clone() };
        if terms::change(store, id, (&schedule, &entry), &after, Vec::new()).await? {
            return info(store, id, after).await;
        }
    }
    Err(Problem::unavailable("the schedule changes too often").into())
}

/// A schedule of the caller's.
async fn own(store: &impl Kv, caller: &Caller, id: u128) -> Result<Schedule, Error> {
    let (schedule, _) = terms::stored(store, id).await?.ok_or(Error::UnknownSchedule)?;
    if Asker::of(caller)? == schedule.asker {
        Ok(schedule)
    } else {
        Err(Error::Forbidden("a schedule is for who asked for it".to_owned()))
    }
}

/// A schedule as who asked for it sees it.
pub(crate) async fn info<S: Kv + Machines>(
    store: &S,
    id: u128,
    schedule: Schedule,
) -> Result<ScheduleInfo, Error> {
    let mut occurrences = Vec::new();
    for number in (0..schedule.next).rev().take(SHOWN_MAX as usize) {
        let Some(due_at) = schedule.terms.due(number) else { continue };
        let transfer = occurrence_id(id, number);
        let outcome = match ledger::transfer(store, transfer).await? {
            None => OccurrenceOutcome::Skipped,
            Some(view) => match ledger::require_created(&view.answer, &schedule.terms.asset) {
                Ok(()) => OccurrenceOutcome::Made {
                    transfer_id: id_text(transfer),
                    position: view.answer.position,
                    time: view.answer.time,
                },
                Err(error) => OccurrenceOutcome::Refused {
                    transfer_id: id_text(transfer),
                    problem: Problem::from(error).document(),
                },
            },
        };
        occurrences.push(OccurrenceInfo { number: number.saturating_add(1), due_at, outcome });
    }
    Ok(shown(id, schedule, Some(occurrences)))
}

fn shown(id: u128, schedule: Schedule, occurrences: Option<Vec<OccurrenceInfo>>) -> ScheduleInfo {
    let next_at = schedule.due();
    let state = match (next_at, schedule.is_cancelled) {
        (Some(_), _) => State::Active,
        (None, true) => State::Cancelled,
        (None, false) => State::Ended,
    };
    ScheduleInfo { schedule_id: id_text(id), state, next_at, terms: schedule.terms, occurrences }
}
