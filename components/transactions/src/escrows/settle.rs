//! The commands that move an escrow's money.

use super::state::{Act, Escrow, State, funding_id, load};
use super::terms::{Accounts, Terms};
use crate::reference::id_text;
use crate::{Error, ledger};
use vwp_core::Problem;
use vwp_ledger::codec::{Answer, MEMO_LENGTH, Memo, Opening, Outcome, Transfer};
use vwp_storage::{Kv, Machines};

/// Pays all that the milestones are worth into the escrow's account.
pub(crate) async fn fund(store: &impl Machines, id: u128, terms: &Terms) -> Result<Answer, Error> {
    let accounts = Accounts::of(id, terms)?;
    let mut openings: Vec<Opening> = Vec::new();
    // The payee's too: so nothing that comes later has to open any.
    for party in [&accounts.payee, &accounts.held, &accounts.disputed] {
        openings.extend(party.opening()?);
    }
    let transfer = Transfer {
        code: Act::Fund.code(),
        memo: memo(&id_text(id)),
        ..Transfer::plain(funding_id(id), accounts.payer.id, accounts.held.id, terms.total()?)
    };
    let answers = match ledger::create_transfers(store, &openings, &[transfer]).await {
        Err(Error::OutcomeUnknown) => {
            let known = ledger::known_transfer(store, &transfer).await.map_err(|_| Error::OutcomeUnknown)?;
            vec![known.ok_or(Error::OutcomeUnknown)?]
        }
        other => other?,
    };
    let answer = answers.into_iter().next().ok_or_else(Problem::internal)?;
    ledger::require_created(&answer, &terms.asset)?;
    Ok(answer)
}

/// Does something with milestones that wait, in one command, and says what has become of the escrow. What
/// somebody else moved in between stays where that one moved it.
pub(crate) async fn settle<S: Kv + Machines>(
    store: &S,
    escrow: Escrow,
    numbers: &[usize],
    act: Act,
) -> Result<Escrow, Error> {
    let transfers: Vec<Transfer> =
        numbers.iter().filter_map(|number| transfer(&escrow, *number, act)).collect();
    if transfers.is_empty() {
        return Ok(escrow);
    }
    // What the ledger refuses it refuses for ever, so it is asked first: a closed account must not use ids up.
    let answers = ledger::tried(store, &[], &transfers).await?;
    let is_possible = |answer: &Answer| matches!(answer.outcome, Outcome::Created | Outcome::IdReused);
    if let Some(refused) = answers.iter().find(|answer| !is_possible(answer)) {
        ledger::require_created(refused, &escrow.terms.asset)?;
    }
    for answer in ledger::create_transfers(store, &[], &transfers).await? {
        if answer.outcome != Outcome::IdReused {
            ledger::require_created(&answer, &escrow.terms.asset)?;
        }
    }
    load(store, escrow.id).await
}

/// Gives back to the payer what is due. One that the ledger refuses stays due.
pub(crate) async fn expire<S: Kv + Machines>(store: &S, escrow: Escrow, now: u64) -> Result<Escrow, Error> {
    let due: Vec<usize> = (0..)
        .zip(&escrow.milestones)
        .filter(|(_, milestone)| milestone.waits() && milestone.due <= now)
        .map(|(number, _)| number)
        .collect();
    let id = escrow.id;
    match settle(store, escrow, &due, Act::Expire).await {
        // An account that is closed for now must not keep anybody from looking.
        Err(Error::Forbidden(_)) => load(store, id).await,
        other => other,
    }
}

/// The transfer that does something with a milestone, if it waits.
fn transfer(escrow: &Escrow, number: usize, act: Act) -> Option<Transfer> {
    let milestone = escrow.milestones.get(number).filter(|milestone| milestone.waits())?;
    let Accounts { payer, payee, held, disputed } = &escrow.accounts;
    let from = if milestone.state == State::Disputed { disputed } else { held };
    let to = match act {
        Act::Fund => return None,
        Act::Release => payee,
        Act::Refund | Act::Expire => payer,
        Act::Dispute => disputed,
    };
    Some(Transfer {
        code: act.code(),
        memo: memo(&format!("{} {}", id_text(escrow.id), number + 1)),
        ..Transfer::plain(milestone.next, from.id, to.id, milestone.amount)
    })
}

/// Which escrow, and which milestone of it, for who reads the receipt.
fn memo(text: &str) -> Memo {
    let mut bytes = [0; MEMO_LENGTH];
    bytes.iter_mut().zip(text.bytes()).for_each(|(byte, written)| *byte = written);
    Memo(bytes)
}
