//! What is due is done: by a host's timer, or when the administrator asks for it.
//!
//! Each call does a bounded amount, and may be broken off anywhere: an occurrence that the ledger has
//! carried out and the record has not noted is carried out again, which moves nothing.

use super::terms::{self, DUE, Schedule};
use crate::authority::require_owner;
use crate::orders::{Accounts, Wanted};
use crate::outbox::records;
use crate::reference::parse_id;
use crate::transfers::require_known_receiver;
use crate::{Error, ledger};
use serde::Serialize;
use vwp_core::{Environment, Problem};
use vwp_storage::kv::{Direction, KeyRange};
use vwp_storage::{Kv, Machines};

/// How long there is nothing to do at the most, in milliseconds.
const IDLE_MS: u32 = 1000;
/// When to go on if a portion was not all.
pub(crate) const SOON_MS: u32 = 10;
/// How many occurrences a call makes.
const OCCURRENCES_MAX: u32 = 64;
/// How many times so many a call looks at, if not one of them can be made for now.
const PAGES_MAX: u32 = 8;

/// What a call did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many occurrences were dealt with: made, or refused for good.
    pub done: u32,
    /// How many could not be dealt with for now. They stay due.
    pub failed: u32,
    /// After how many milliseconds there may be more to do.
    pub next_ms: u32,
}

/// What became of an occurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occurred {
    Made,
    Refused,
    Skipped,
}

/// Makes the occurrences that are due, the earliest first.
pub async fn run<S: Kv + Machines>(store: &S, environment: &Environment<'_>) -> Result<Report, Error> {
    let end = format!("{DUE}{:016x}", environment.now.saturating_add(1));
    let range = KeyRange { start: DUE.into(), end: end.into_bytes() };
    let mut report = Report { done: 0, failed: 0, next_ms: IDLE_MS };
    let (mut first_error, mut left) = (None, Some(range));
    // Those that cannot be made for now keep no other from being made, however many they are.
    for _ in 0..PAGES_MAX {
        let Some(range) = left.take() else { break };
        let page = store.scan(&range, OCCURRENCES_MAX, Direction::Forward).await?;
        for item in &page.items {
            let id = std::str::from_utf8(&item.key).ok().and_then(|key| key.rsplit('/').next());
            let id = parse_id(id.unwrap_or_default())?;
            match occur(store, environment, id).await {
                Ok(()) => report.done += 1,
                Err(error) => {
                    report.failed += 1;
                    first_error.get_or_insert(error);
                }
            }
        }
        left = page.next.filter(|_| report.done == 0);
    }
    match first_error {
        Some(error) if report.done == 0 => Err(error),
        _ => {
            // What recurs may be due again at once, if it is late.
            if report.done != 0 {
                report.next_ms = SOON_MS;
            }
            Ok(report)
        }
    }
}

/// Makes the next occurrence of a schedule, if it is due.
pub(crate) async fn occur<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    id: u128,
) -> Result<(), Error> {
    let Some((schedule, entry)) = terms::stored(store, id).await? else { return Ok(()) };
    if schedule.due().is_none_or(|due| due > environment.now) {
        // Another host was first, or it was cancelled.
        return Ok(());
    }
    let occurred = make(store, &schedule, id).await?;
    let after = Schedule { next: schedule.next.saturating_add(1), ..schedule.clone() };
    let told = records::of_schedule(store, id, &after, (occurred, environment.now)).await?;
    // If it is not what was read any more, another host has noted it, or it was cancelled.
    terms::change(store, id, (&schedule, &entry), &after, told).await?;
    Ok(())
}

/// Has the ledger make an occurrence. What it answers is for good; without an answer there is an error, and
/// the occurrence stays due.
async fn make<S: Kv + Machines>(store: &S, schedule: &Schedule, id: u128) -> Result<Occurred, Error> {
    let Wanted { accounts, transfer } = schedule.terms.occurrence(&schedule.asker, id, schedule.next)?;
    let Accounts::Named { from, to } = accounts else { return Err(Problem::internal().into()) };
    let may = async {
        require_owner(store, &schedule.asker.caller(), &from.owner).await?;
        require_known_receiver(store, &from.owner).await?;
        require_known_receiver(store, &to.owner).await
    };
    match may.await {
        Ok(()) => {}
        // Payer or payee has gone, or the account is another's by now: nothing is moved.
        Err(Error::Forbidden(_) | Error::UnknownWorld(_) | Error::UnknownTraveller(_)) => {
            return Ok(Occurred::Skipped);
        }
        Err(error) => return Err(error),
    }
    let answer = ledger::create_transfer(store, to.opening()?.as_ref(), &transfer).await?;
    match ledger::require_created(&answer, &schedule.terms.asset) {
        // Nothing is recorded where there is no room, so it may be made later.
        Err(Error::LedgerFull) => Err(Error::LedgerFull),
        Err(_) => Ok(Occurred::Refused),
        Ok(()) => Ok(Occurred::Made),
    }
}
