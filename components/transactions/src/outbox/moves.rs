//! What a transfer of the ledger's log means to those who listen.

use super::Audience;
use crate::escrows::state::{self, Act};
use crate::escrows::terms;
use crate::ledger::{self, Owners};
use crate::orders::Kind;
use crate::reference::{Owner, id_text};
use crate::{Error, transfers};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;
use vwp_core::Problem;
use vwp_core::outbox::Event;
use vwp_ledger::codec::{self, Outcome, Transfer, TransferView};
use vwp_storage::{Kv, Machines};

/// The events of a transfer that is in the log at a position, as an item of its command; none if it was refused
/// there, or had been made before. `settled` is what the items before it have told of escrows already: many
/// milestones may be moved by one command, and are one event.
pub(super) async fn told<S: Kv + Machines>(
    store: &S,
    (position, item): (u64, usize),
    sent: &Transfer,
    (audience, owners): (&mut Audience, &mut Owners),
    settled: &mut BTreeSet<(u128, Act)>,
) -> Result<Vec<Event>, Error> {
    // Most transfers are between others, and those that name their accounts say so: then the ledger is asked once
    // for each account, and not for each transfer, which would hold up those who make some.
    let names_accounts = matches!(sent.kind, codec::Kind::Plain | codec::Kind::Pending);
    if names_accounts && !concerns(store, sent, audience, owners).await? {
        return Ok(Vec::new());
    }
    let Some(view) = ledger::transfer(store, sent.id).await? else { return Ok(Vec::new()) };
    let is_made_here = view.answer.outcome == Outcome::Created
        && view.answer.position == position
        && usize::from(view.item) == item;
    let Some(kind) = Kind::of_ledger(view.kind).filter(|_| is_made_here) else { return Ok(Vec::new()) };
    let (from, to) = (owners.of(store, view.debit).await?, owners.of(store, view.credit).await?);
    let mut events = Vec::new();
    let mut parties = BTreeSet::new();
    for account in [&from, &to] {
        parties.extend(audience.of(store, account).await?);
    }
    if !parties.is_empty() {
        let receipt =
            json(&transfers::receipt_as_made(store, &view, sent, (from.clone(), to.clone())).await?)?;
        let (id, time) = (id_text(view.id), view.answer.time);
        let event = |party: &String| Event::new(party, name(kind), &[&id], Some(time), receipt.clone());
        events.extend(parties.iter().map(event));
    }
    if let Some((id, act)) = escrow_of(&[from, to], &view)
        && settled.insert((id, act))
    {
        events.extend(told_of_escrow(store, audience, (id, act), &view).await?);
    }
    Ok(events)
}

/// Whether anybody is to be told of what moves between the accounts that a transfer names.
async fn concerns<S: Kv + Machines>(
    store: &S,
    sent: &Transfer,
    audience: &mut Audience,
    owners: &mut Owners,
) -> Result<bool, Error> {
    for id in [sent.debit, sent.credit] {
        let account = owners.of(store, id).await?;
        if escrow(&account).is_some() || audience.of(store, &account).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Plain => "transfer.created",
        Kind::Pending => "transfer.held",
        Kind::Post => "transfer.posted",
        Kind::Void => "transfer.voided",
        Kind::Reverse => "transfer.reversed",
        Kind::Refund => "transfer.refunded",
        Kind::Chargeback => "transfer.chargeback",
    }
}

/// The escrow whose money a transfer moves, and what it does. Nobody but the port moves such money, so the code is
/// the port's.
fn escrow_of(accounts: &[String; 2], view: &TransferView) -> Option<(u128, Act)> {
    let escrow = accounts.iter().find_map(|account| escrow(account))?;
    Some((escrow, Act::of_code(view.code)?))
}

/// The escrow that an account is of.
fn escrow(account: &str) -> Option<u128> {
    match account.parse() {
        Ok(Owner::Escrow { id, .. }) => Some(id),
        _ => None,
    }
}

/// What was done with an escrow, for those of its terms who listen. What is shown is how it is now.
async fn told_of_escrow<S: Kv + Machines>(
    store: &S,
    audience: &mut Audience,
    (id, act): (u128, Act),
    view: &TransferView,
) -> Result<Vec<Event>, Error> {
    let Some(terms) = terms::stored(store, id).await? else { return Ok(Vec::new()) };
    let mut parties = BTreeSet::new();
    for account in terms.payer.as_deref().into_iter().chain(terms.others()) {
        parties.extend(audience.of(store, account).await?);
    }
    if parties.is_empty() {
        return Ok(Vec::new());
    }
    let info = json(&state::load(store, id).await?.info(store).await?)?;
    let kind = match act {
        Act::Fund => "escrow.funded",
        Act::Release => "escrow.released",
        Act::Refund => "escrow.refunded",
        Act::Dispute => "escrow.disputed",
        Act::Expire => "escrow.expired",
    };
    let (id, position) = (id_text(id), view.answer.position.to_string());
    let event =
        |party: &String| Event::new(party, kind, &[&id, &position], Some(view.answer.time), info.clone());
    Ok(parties.iter().map(event).collect())
}

fn json(shown: &impl Serialize) -> Result<Value, Error> {
    Ok(serde_json::to_value(shown).map_err(|_| Problem::internal())?)
}
