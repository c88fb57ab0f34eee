//! Chains: items that succeed or fail as one.
//!
//! An item with the flag `LINKED` belongs together with the next one. The first item that is
//! refused decides; what those before it did is taken back, and all others get
//! `LinkedFailed`. All of it is recorded, so that a repeat of the chain gets the same
//! answers.
//!
//! What follows from the chain's bytes alone is looked at first and recorded nowhere: an item
//! that is malformed or could move nothing, an id that occurs twice, a chain that is too long
//! or goes on past the end of the batch.

use super::{Item, Now, write_all};
use crate::codec::{Answer, CHAIN_ITEMS_MAX, Flags, ITEM_LENGTH, Outcome, Transfer, Writer};
use crate::hash;
use crate::state::State;
use alloc::vec::Vec;

/// Where an item's flags are.
const FLAGS_AT: usize = 121;

/// Whether an item belongs together with the next one.
pub(super) fn is_linked(bytes: &[u8; ITEM_LENGTH]) -> bool {
    bytes[FLAGS_AT] & Flags::LINKED.bits() != 0
}

/// How many of the items, of which there is one at least, belong together with the first.
pub(super) fn length(items: &[[u8; ITEM_LENGTH]]) -> usize {
    items.iter().position(|item| !is_linked(item)).map_or(items.len(), |last| last + 1)
}

impl State {
    /// Decides a chain, whose first item has this number, and writes an answer for each.
    pub(super) fn chain(&mut self, now: Now, first: u16, links: &[[u8; ITEM_LENGTH]], reply: &mut Writer) {
        let ends = links.last().is_some_and(|last| !is_linked(last));
        if !ends || links.len() > CHAIN_ITEMS_MAX {
            return write_all(now.answer(Outcome::BadChain), links.len(), reply);
        }
        let transfers: Vec<_> = links.iter().map(Transfer::decode).collect();
        let fault = |transfer: &Result<Transfer, _>| match transfer {
            Ok(transfer) => transfer.fault(),
            Err(_) => Some(Outcome::Malformed),
        };
        if let Some(at) = transfers.iter().position(|transfer| fault(transfer).is_some()) {
            let outcome = transfers.get(at).and_then(fault).unwrap_or(Outcome::Malformed);
            return write_refusals(now, (at, outcome), links.len(), reply);
        }
        let transfers: Vec<Transfer> = transfers.into_iter().flatten().collect();
        if has_twins(&transfers) {
            return write_all(now.answer(Outcome::BadChain), links.len(), reply);
        }
        let items: Vec<Item> = (first..)
            .zip(&transfers)
            .zip(links)
            .map(|((item, transfer), bytes)| Item::new(now, item, transfer, hash::fingerprint(bytes)))
            .collect();
        let known: Vec<_> = items.iter().map(|item| self.known(now, item.id, item.fingerprint)).collect();
        if known.iter().any(Option::is_some) {
            return self.chain_again(now, &items, &known, reply);
        }
        if !now.has_room {
            return write_all(now.answer(Outcome::Full), links.len(), reply);
        }
        let savepoint = self.savepoint();
        let mut amounts = Vec::with_capacity(items.len());
        for (item, transfer) in items.iter().zip(&transfers) {
            match self.decide(now, *item, transfer) {
                Ok(amount) => amounts.push(amount),
                Err(outcome) => {
                    self.take_back(savepoint);
                    return self.chain_refused(now, &items, (amounts.len(), outcome), reply);
                }
            }
        }
        self.keep();
        for amount in amounts {
            now.moved(Outcome::Created, amount).write(reply);
        }
    }

    /// Records that a chain was refused.
    fn chain_refused(&mut self, now: Now, items: &[Item], refusal: (usize, Outcome), reply: &mut Writer) {
        for (at, item) in items.iter().enumerate() {
            self.record(now, *item, outcome_of(at, refusal));
        }
        write_refusals(now, refusal, items.len(), reply);
    }

    /// Answers a chain of which something was decided before: a repeat, in most cases. What
    /// is new in it cannot succeed with the rest any more.
    fn chain_again(&mut self, now: Now, items: &[Item], known: &[Option<Answer>], reply: &mut Writer) {
        for (item, known) in items.iter().zip(known) {
            let answer = match known {
                Some(answer) => *answer,
                None if !now.has_room => now.answer(Outcome::Full),
                None => {
                    self.record(now, *item, Outcome::LinkedFailed);
                    now.answer(Outcome::LinkedFailed)
                }
            };
            answer.write(reply);
        }
    }
}

/// What an item gets of a chain that was refused for one of its items.
fn outcome_of(at: usize, (refused, outcome): (usize, Outcome)) -> Outcome {
    if at == refused { outcome } else { Outcome::LinkedFailed }
}

fn write_refusals(now: Now, refusal: (usize, Outcome), count: usize, reply: &mut Writer) {
    for at in 0..count {
        now.answer(outcome_of(at, refusal)).write(reply);
    }
}

/// Whether two of the transfers have one id.
fn has_twins(transfers: &[Transfer]) -> bool {
    let mut ids: Vec<u128> = transfers.iter().map(|transfer| transfer.id).collect();
    ids.sort_unstable();
    ids.windows(2).any(|pair| pair.first() == pair.last())
}
