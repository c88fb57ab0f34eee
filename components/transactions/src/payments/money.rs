//! What the ledger moves for payments and payouts.
//!
//! | | from | to | when |
//! |---|---|---|---|
//! | taken | the processor's account | the payee | the processor says that it was taken |
//! | held | the account that pays | the processor's account | before the processor is asked |
//! | paid | what was held | | the processor says that it arrived |
//! | released | what was held | | the processor refuses, or says that it failed |
//! | returned | the processor's account | the account that paid | what had arrived came back |
//! | charged back | the payee | the processor's account | the payer's bank took it back |
//! | reinstated | the processor's account | the payee | the bank decided against the payer |

use super::record::{End, Phase, Record, phase_key, stored};
use crate::ledger::{self, Attempt};
use crate::orders::{Party, TIMEOUT_S_MAX};
use crate::reference::{Owner, account_id, asset_name, memo};
use crate::{Error, codes};
use vwp_core::Problem;
use vwp_core::digest::digest;
use vwp_ledger::codec::{HoldState, Kind, Outcome, Transfer};
use vwp_processor::{Dispute, DisputeState, MovementState};
use vwp_storage::{Kv, Machines};

/// What a transfer is for. The ledger keeps it as the transfer's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    Take,
    Hold,
    Pay,
    Release,
    Return,
    ChargeBack,
    Reinstate,
}

impl Move {
    fn code(self) -> u16 {
        match self {
            Self::Take => codes::PAYMENT_TAKE,
            Self::Hold => codes::PAYMENT_HOLD,
            Self::Pay => codes::PAYMENT_PAY,
            Self::Release => codes::PAYMENT_RELEASE,
            Self::Return => codes::PAYMENT_RETURN,
            Self::ChargeBack => codes::PAYMENT_CHARGE_BACK,
            Self::Reinstate => codes::PAYMENT_REINSTATE,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Take => "take",
            Self::Hold => "hold",
            Self::Pay => "pay",
            Self::Release => "release",
            Self::Return => "return",
            Self::ChargeBack => "charge-back",
            Self::Reinstate => "reinstate",
        }
    }
}

struct Sides {
    owner: Party,
    processor: Party,
}

fn sides(record: &Record) -> Result<Sides, Error> {
    let asset = asset_name(&record.terms.asset)?;
    let party = |owner: Owner| Party { id: account_id(&owner, &asset), owner, asset: asset.clone() };
    let processor = Owner::Processor(record.processor.clone());
    Ok(Sides { owner: party(record.owner()?), processor: party(processor) })
}

/// The id of a transfer, of which the ledger refused so many before.
fn transfer_id(record: &Record, number: usize, what: Move, refusals: u32) -> u128 {
    digest("vwp-payment-transfer-v1", &[&phase_key(record.id, number), what.name(), &refusals.to_string()])
}

/// The hold of a phase; there is one, and what the ledger refuses it refuses for ever.
pub(crate) fn hold_id(record: &Record, number: usize) -> u128 {
    transfer_id(record, number, Move::Hold, 0)
}

/// Holds what a phase is to move out. Says whether it is held: if not, the account has less.
pub(crate) async fn hold(store: &impl Machines, record: &Record, number: usize) -> Result<bool, Error> {
    let amount = record.phases.get(number).and_then(|phase| phase.intent.amount);
    let sides = sides(record)?;
    let transfer = Transfer {
        kind: Kind::Pending,
        timeout_s: TIMEOUT_S_MAX,
        code: Move::Hold.code(),
        memo: memo(&phase_key(record.id, number)),
        ..Transfer::plain(
            hold_id(record, number),
            sides.owner.id,
            sides.processor.id,
            amount.ok_or_else(Problem::internal)?.0,
        )
    };
    let opening = sides.processor.opening()?;
    let answer = ledger::create_transfer(store, opening.as_ref(), &transfer).await?;
    Ok(answer.outcome == Outcome::Created)
}

/// Makes the ledger say what the record says. What the ledger refuses for now stays due, and whoever looks at the
/// record next tries again.
pub(crate) async fn settle<S: Kv + Machines>(store: &S, record: &Record) -> Result<(), Error> {
    settle_once(store, record).await?;
    let mut settled = record.clone();
    // Money that was charged back is reinstated only if it was: who settled what is known by now may have come
    // before this one, who did not know it.
    while !settled.disputes.is_empty() {
        match stored(store, record.id).await? {
            Some(now) if now.disputes != settled.disputes => settled = now,
            _ => break,
        }
        settle_once(store, &settled).await?;
    }
    Ok(())
}

async fn settle_once(store: &impl Machines, record: &Record) -> Result<(), Error> {
    if let Some(captured) = record.captured.filter(|captured| captured.0 != 0) {
        let sides = sides(record)?;
        let plain = Transfer::plain(0, sides.processor.id, sides.owner.id, captured.0);
        move_once(store, record, &sides, (0, Move::Take), plain).await?;
    }
    for (number, phase) in record.phases.iter().enumerate().filter(|(_, phase)| phase.intent.act.gives()) {
        settle_phase(store, record, number, phase).await?;
    }
    for (number, dispute) in record.disputes.iter().enumerate() {
        settle_dispute(store, record, number, dispute).await?;
    }
    Ok(())
}

/// A payee that has spent the money stays owing it: the ledger refuses, and it is tried again.
async fn settle_dispute(
    store: &impl Machines,
    record: &Record,
    number: usize,
    dispute: &Dispute,
) -> Result<(), Error> {
    let Some(taken) = made(store, record, 0, Move::Take).await? else { return Ok(()) };
    let sides = sides(record)?;
    // A bank takes fees besides, which are the port's to bear.
    let captured = record.captured.map_or(0, |captured| captured.0);
    let amount = u128::from(dispute.amount).min(captured);
    match dispute.state {
        DisputeState::Inquiry => Ok(()),
        DisputeState::Withdrawn => {
            let back = Transfer::following(Kind::Chargeback, 0, taken, amount);
            move_once(store, record, &sides, (number, Move::ChargeBack), back).await
        }
        // What was never taken from the payee need not be given back to it.
        DisputeState::Reinstated if made(store, record, number, Move::ChargeBack).await?.is_none() => Ok(()),
        DisputeState::Reinstated => {
            let again = Transfer::plain(0, sides.processor.id, sides.owner.id, amount);
            move_once(store, record, &sides, (number, Move::Reinstate), again).await
        }
    }
}

async fn settle_phase(
    store: &impl Machines,
    record: &Record,
    number: usize,
    phase: &Phase,
) -> Result<(), Error> {
    // An event may come before the answer to the call does, and says more.
    let state = match (&phase.movement, &phase.end) {
        (Some(movement), _) => movement.state,
        (None, Some(End::Refused(_))) => MovementState::Failed,
        (None, _) => MovementState::Pending,
    };
    let hold = hold_id(record, number);
    let becoming = ledger::transfer(store, hold).await?.and_then(|view| view.hold);
    let sides = sides(record)?;
    let follow = |kind, origin| Transfer::following(kind, 0, origin, 0);
    match (state, becoming) {
        (MovementState::Done, Some(HoldState::Open)) => {
            move_once(store, record, &sides, (number, Move::Pay), follow(Kind::Post, hold)).await?;
        }
        // It was held for a year; what has arrived since is paid all the same, if it can be.
        (MovementState::Done, Some(HoldState::Expired | HoldState::Voided)) => {
            let amount = phase.intent.amount.map_or(0, |amount| amount.0);
            let plain = Transfer::plain(0, sides.owner.id, sides.processor.id, amount);
            move_once(store, record, &sides, (number, Move::Pay), plain).await?;
        }
        (MovementState::Failed, Some(HoldState::Open)) => {
            move_once(store, record, &sides, (number, Move::Release), follow(Kind::Void, hold)).await?;
        }
        (MovementState::Failed, Some(HoldState::Posted | HoldState::Expired)) => {
            if let Some(paid) = made(store, record, number, Move::Pay).await? {
                move_once(store, record, &sides, (number, Move::Return), follow(Kind::Reverse, paid)).await?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Makes a transfer, unless it was made. What the ledger would refuse is left for later.
async fn move_once(
    store: &impl Machines,
    record: &Record,
    sides: &Sides,
    (number, what): (usize, Move),
    transfer: Transfer,
) -> Result<(), Error> {
    let mut openings = Vec::new();
    for party in [&sides.processor, &sides.owner] {
        openings.extend(party.opening()?);
    }
    // Until it is made, or would be refused: what comes in between may have the ledger refuse it nevertheless.
    while let Some(Attempt { id, made: None, .. }) = attempt(store, record, number, what).await? {
        let memo = memo(&phase_key(record.id, number));
        let transfer = Transfer { id, code: what.code(), memo, ..transfer };
        let answers = ledger::try_transfers(store, &openings, &[transfer]).await?;
        if answers.iter().any(|answer| answer.outcome != Outcome::Created) {
            return Ok(());
        }
        let answers = ledger::create_transfers(store, &openings, &[transfer]).await?;
        if answers.iter().all(|answer| answer.outcome == Outcome::Created) {
            return Ok(());
        }
    }
    Ok(())
}

async fn attempt(
    store: &impl Machines,
    record: &Record,
    number: usize,
    what: Move,
) -> Result<Option<Attempt>, Error> {
    ledger::attempt(store, |refusals| transfer_id(record, number, what, refusals)).await
}

/// The transfer that was made for something, if it was.
pub(crate) async fn made(
    store: &impl Machines,
    record: &Record,
    number: usize,
    what: Move,
) -> Result<Option<u128>, Error> {
    let attempt = attempt(store, record, number, what).await?;
    Ok(attempt.and_then(|attempt| attempt.made).map(|view| view.id))
}
