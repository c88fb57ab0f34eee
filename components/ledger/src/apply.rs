//! What a command does.
//!
//! Every item stands by itself: it is carried out whole or refused whole, with a typed
//! outcome, and the next item follows in either case.
//!
//! *Repeats.* An item's id stands for its fields and for what became of it. The same
//! item again gets the first answer, for ever; other fields under its id are refused.
//! That holds for refusals too: a refusal that depends on the state is recorded under
//! the id. Otherwise a payer who was told "exceeds balance" could find that a copy of
//! the request, late on the network, moved the money after a deposit, and two copies
//! of one request could get two different answers. What a refusal costs, one row, is
//! what the smallest transfer costs too. Refusals that follow from the item alone, or
//! from what can never change, need no record to stay the same, and get none.

use crate::codec::{
    self, Answer, Asset, AssetView, Command, OPENING_LENGTH, Opening, Outcome, TRANSFER_LENGTH, Text,
    Transfer,
};
use crate::state::{ACCOUNTS_MAX, ASSETS_MAX, Ledger, State, TRANSFERS_MAX, TransferRow};
use alloc::vec::Vec;

/// When a command is applied.
#[derive(Clone, Copy)]
struct Moment {
    position: u64,
    time: u64,
}

impl Moment {
    fn answer(self, outcome: Outcome) -> Answer {
        Answer { outcome, repeated: false, position: self.position, time: self.time }
    }
}

impl Ledger {
    /// Applies commands in order; one answer per command. `position` is the first
    /// one's place in the log, and the others follow by one.
    pub fn apply(&mut self, position: u64, time: u64, commands: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut moment = Moment { position, time };
        let mut answers = Vec::with_capacity(commands.len());
        for command in commands {
            answers.push(self.state.command(moment, command));
            moment.position = moment.position.saturating_add(1);
        }
        answers
    }
}

impl State {
    fn command(&mut self, moment: Moment, command: &[u8]) -> Vec<u8> {
        self.position = moment.position;
        self.time = moment.time;
        match codec::decode_command(command) {
            Err(reason) => codec::encode_malformed(reason),
            Ok(Command::CreateAsset(asset)) => {
                let mut reply = codec::reply_header(0, 1);
                self.create_asset(moment, &asset).write(&mut reply);
                reply.0
            }
            Ok(Command::CreateTransfers { openings, transfers }) => {
                let mut reply = codec::reply_header(openings.len(), transfers.len());
                for opening in openings {
                    self.open(moment, opening).write(&mut reply);
                }
                for transfer in transfers {
                    self.create_transfer(moment, transfer).write(&mut reply);
                }
                reply.0
            }
        }
    }

    fn create_asset(&mut self, moment: Moment, asset: &Asset) -> Answer {
        if let Some(known) = self.assets.get_by_id(asset.id) {
            if known.asset != *asset {
                return moment.answer(Outcome::IdReused);
            }
            let (position, time) = (known.position, known.time);
            return Answer { outcome: Outcome::Created, repeated: true, position, time };
        }
        if self.accounts.find(asset.issuance).is_some() {
            return moment.answer(Outcome::IdReused);
        }
        if self.assets.len() >= ASSETS_MAX || self.accounts.len() >= ACCOUNTS_MAX {
            return moment.answer(Outcome::Full);
        }
        self.accounts.push(Self::issuance_account(asset));
        let (position, time) = (moment.position, moment.time);
        self.assets.push(AssetView { asset: *asset, supply: 0, position, time });
        moment.answer(Outcome::Created)
    }

    fn open(&mut self, moment: Moment, opening: &[u8; OPENING_LENGTH]) -> Answer {
        let Ok(opening) = Opening::decode(opening) else {
            return moment.answer(Outcome::Malformed);
        };
        let Some(row) = self.accounts.find(opening.account) else {
            return moment.answer(self.open_new(&opening));
        };
        let Some(account) = self.accounts.get_mut(row) else {
            return moment.answer(Outcome::Full);
        };
        if account.asset != opening.asset {
            return moment.answer(Outcome::WrongAsset);
        }
        if account.owner.is_empty() {
            // A credit opened it; now its owner is known.
            account.owner = opening.owner;
            return moment.answer(Outcome::Created);
        }
        if account.owner != opening.owner {
            return moment.answer(Outcome::IdReused);
        }
        Answer { repeated: true, ..moment.answer(Outcome::Created) }
    }

    fn open_new(&mut self, opening: &Opening) -> Outcome {
        if self.assets.find(opening.asset).is_none() {
            return Outcome::UnknownAsset;
        }
        if self.accounts.len() >= ACCOUNTS_MAX {
            return Outcome::Full;
        }
        self.accounts.push(crate::codec::AccountView::new(opening.account, opening.asset, opening.owner));
        Outcome::Created
    }

    fn create_transfer(&mut self, moment: Moment, bytes: &[u8; TRANSFER_LENGTH]) -> Answer {
        let transfer = Transfer::decode(bytes);
        if let Some(known) = self.transfers.get_by_id(transfer.id) {
            if known.bytes != *bytes {
                return moment.answer(Outcome::IdReused);
            }
            return Answer { repeated: true, ..known.answer };
        }
        if transfer.amount == 0 {
            return moment.answer(Outcome::ZeroAmount);
        }
        if transfer.debit == transfer.credit {
            return moment.answer(Outcome::SameAccount);
        }
        if self.transfers.len() >= TRANSFERS_MAX {
            // Rows are never removed, so this too is the answer for ever.
            return moment.answer(Outcome::Full);
        }
        let answer = moment.answer(self.post(&transfer));
        if !matches!(answer.outcome, Outcome::WrongAsset | Outcome::Full) {
            self.transfers.push(TransferRow { bytes: *bytes, answer });
        }
        answer
    }

    /// Moves the amount if nothing forbids it. All is checked before anything changes.
    fn post(&mut self, transfer: &Transfer) -> Outcome {
        let debit_row = self.accounts.find(transfer.debit);
        let credit_row = self.accounts.find(transfer.credit);
        let debit = debit_row.and_then(|row| self.accounts.get(row));
        let credit = credit_row.and_then(|row| self.accounts.get(row));
        // An account's asset never changes, so this comes before what may change.
        if [debit, credit].into_iter().flatten().any(|account| account.asset != transfer.asset) {
            return Outcome::WrongAsset;
        }
        let Some(debit) = debit else {
            let known = self.assets.find(transfer.asset).is_some();
            return if known { Outcome::ExceedsBalance } else { Outcome::UnknownAsset };
        };
        if !debit.issuance && debit.balance() < transfer.amount {
            return Outcome::ExceedsBalance;
        }
        if credit.is_none() && self.accounts.len() >= ACCOUNTS_MAX {
            return Outcome::Full;
        }
        let credits = credit.map_or(0, |account| account.credits);
        let (Some(debits), Some(credits)) =
            (debit.debits.checked_add(transfer.amount), credits.checked_add(transfer.amount))
        else {
            return Outcome::Overflow;
        };
        if debit.issuance || credit.is_some_and(|account| account.issuance) {
            let issued = debit.issuance;
            if let Some(refused) = self.change_supply(transfer, issued) {
                return refused;
            }
        }
        if let Some(account) = debit_row.and_then(|row| self.accounts.get_mut(row)) {
            account.debits = debits;
        }
        if let Some(account) = credit_row.and_then(|row| self.accounts.get_mut(row)) {
            account.credits = credits;
        } else {
            let account = codec::AccountView::new(transfer.credit, transfer.asset, Text::EMPTY);
            self.accounts.push(codec::AccountView { credits, ..account });
        }
        Outcome::Created
    }

    /// Changes the supply as the last of the checks, so that a refusal changes nothing.
    fn change_supply(&mut self, transfer: &Transfer, issued: bool) -> Option<Outcome> {
        let row = self.assets.find(transfer.asset)?;
        let view = self.assets.get_mut(row)?;
        if !issued {
            // What is given back was held, and what is held is part of the supply.
            view.supply = view.supply.saturating_sub(transfer.amount);
            return None;
        }
        let Some(supply) = view.supply.checked_add(transfer.amount) else {
            return Some(Outcome::Overflow);
        };
        if view.issuable() < transfer.amount {
            return Some(Outcome::ExceedsCap);
        }
        view.supply = supply;
        None
    }
}
