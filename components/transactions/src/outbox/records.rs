//! What a change of a payment, a payout or a schedule means to those who listen: what goes into the same commit.
//!
//! The event says how the thing is with the change. What the ledger moves because of it comes after it, and is
//! told by the ledger's log.

use super::Audience;
use crate::payments::record::{Direct, Record};
use crate::payments::{payouts, views};
use crate::reference::{caller_text, id_text};
use crate::schedules::run::Occurred;
use crate::schedules::terms::Schedule;
use crate::{Error, schedules};
use std::collections::BTreeSet;
use vwp_core::Problem;
use vwp_core::outbox::{self, Event};
use vwp_processor::DisputeState;
use vwp_storage::kv::{Version, Write};
use vwp_storage::{Kv, Machines};

/// What a change of a payment or a payout tells. `version` is that of what was there before: with it the same
/// change has the same events, and no other change has.
pub(crate) async fn of_payment<S: Kv + Machines>(
    store: &S,
    before: &Record,
    after: &Record,
    version: Version,
) -> Result<Vec<Write>, Error> {
    let kinds = happened(before, after);
    if kinds.is_empty() {
        return Ok(Vec::new());
    }
    let mut parties = BTreeSet::new();
    parties.extend(Audience::default().of(store, &after.terms.owner).await?);
    // Who asked for a payment reads it too; a payout is its owner's alone.
    let by = &after.terms.by;
    if after.terms.direct == Direct::Payment && is_name(by) && outbox::is_listening(store, by).await? {
        parties.insert(by.clone());
    }
    if parties.is_empty() {
        return Ok(Vec::new());
    }
    let data = match after.terms.direct {
        Direct::Payment => serde_json::to_value(views::info(store, after).await?),
        Direct::Payout => serde_json::to_value(payouts::info(store, after).await?),
    };
    let data = data.map_err(|_| Problem::internal())?;
    let (id, version) = (id_text(after.id), version.to_string());
    let mut writes = Vec::new();
    for party in &parties {
        for kind in &kinds {
            writes.push(Event::new(party, kind, &[&id, &version], None, data.clone()).write()?);
        }
    }
    Ok(writes)
}

/// Whether what is kept of who asked is a name that listeners have.
fn is_name(by: &str) -> bool {
    by == "administrator" || by.starts_with("operator:")
}

/// What happened between two states of a record.
fn happened(before: &Record, after: &Record) -> BTreeSet<&'static str> {
    let mut kinds = BTreeSet::new();
    if after.terms.direct == Direct::Payment {
        let (was, is) = (views::state(before), views::state(after));
        kinds.extend(of_state(is).filter(|_| was != is));
        let decline = |record: &Record| record.payment.as_ref().and_then(|payment| payment.decline.clone());
        if decline(after).is_some() && decline(after) != decline(before) {
            kinds.insert("payment.declined");
        }
    }
    for (number, phase) in after.phases.iter().enumerate().filter(|(_, phase)| phase.intent.act.gives()) {
        let was = before.phases.get(number).map_or("pending", views::movement_state);
        let is = views::movement_state(phase);
        if was != is {
            kinds.extend(of_movement(after.terms.direct, is));
        }
    }
    for (number, dispute) in after.disputes.iter().enumerate() {
        let was = before.disputes.get(number).map(|before| before.state);
        if was != Some(dispute.state) {
            kinds.insert(match dispute.state {
                DisputeState::Inquiry | DisputeState::Withdrawn => "payment.disputed",
                DisputeState::Reinstated => "payment.reinstated",
            });
        }
    }
    kinds
}

fn of_state(state: &str) -> Option<&'static str> {
    Some(match state {
        "action-required" => "payment.action_required",
        "processing" => "payment.processing",
        "authorised" => "payment.authorised",
        "captured" => "payment.captured",
        "cancelled" => "payment.cancelled",
        "refused" => "payment.refused",
        _ => return None,
    })
}

fn of_movement(direct: Direct, state: &str) -> Option<&'static str> {
    Some(match (direct, state) {
        (Direct::Payment, "paid") => "payment.refunded",
        (Direct::Payment, "failed" | "refused") => "payment.refund_failed",
        (Direct::Payout, "paid") => "payout.paid",
        (Direct::Payout, "failed") => "payout.failed",
        (Direct::Payout, "refused") => "payout.refused",
        _ => return None,
    })
}

/// What an occurrence of a schedule tells, and its end. That one was made, its transfer tells.
pub(crate) async fn of_schedule<S: Kv + Machines>(
    store: &S,
    id: u128,
    after: &Schedule,
    (occurred, now): (Occurred, u64),
) -> Result<Vec<Write>, Error> {
    let mut kinds = Vec::new();
    match occurred {
        Occurred::Made => {}
        Occurred::Refused => kinds.push("schedule.refused"),
        Occurred::Skipped => kinds.push("schedule.skipped"),
    }
    if after.due().is_none() {
        kinds.push("schedule.ended");
    }
    let owner = caller_text(&after.asker.caller());
    if kinds.is_empty() || !is_name(&owner) || !outbox::is_listening(store, &owner).await? {
        return Ok(Vec::new());
    }
    let info = schedules::actions::info(store, id, after.clone()).await?;
    let data = serde_json::to_value(info).map_err(|_| Problem::internal())?;
    let (id, number) = (id_text(id), after.next.to_string());
    let event = |kind: &&str| Event::new(&owner, kind, &[&id, &number], Some(now), data.clone()).write();
    Ok(kinds.iter().map(event).collect::<Result<_, _>>()?)
}
