//! What a command does.
//!
//! Every item stands by itself, or with its chain: it is carried out whole or refused whole,
//! with a typed outcome, and the next item follows in either case. Before anything else, a
//! command releases the holds that have expired by its time.
//!
//! *Repeats.* An item's id stands for its fields and for what became of it. The same
//! item again gets the first answer, for ever; other fields under its id are refused.
//! That holds for refusals too: a refusal that depends on the state is recorded under
//! the id. Otherwise a payer who was told "exceeds balance" could find that a copy of
//! the request, late on the network, moved the money after a deposit, and two copies
//! of one request could get two different answers. What a refusal costs, one row, is
//! what the smallest transfer costs too. Refusals that follow from the item alone, or
//! from what can never change, need no record to stay the same, and get none.

mod asset;
mod chain;
mod follow;
mod limits;
mod opening;
mod setting;
mod transfer;
mod velocity;

pub(crate) use velocity::{applies, part_of, used};

use crate::codec::{self, Answer, Command, ITEM_LENGTH, Kind, Outcome, Transfer, Writer};
use crate::hash;
use crate::rows::{NEVER, NONE, Place, TransferRow};
use crate::state::{Ledger, State};
use alloc::vec::Vec;

/// The largest position and time that rows have room for.
const POSITION_MAX: u64 = (1 << 40) - 1;
pub(crate) const TIME_MAX: u64 = (1 << 48) - 1;

/// How many items are looked at ahead, and from how many rows on.
const WARMED_ITEMS: usize = 32;
const WARMED_ROWS_MIN: u32 = 1 << 15;

/// When a command is applied, and whether there is room for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) position: u64,
    pub(crate) time: u64,
    pub(crate) has_room: bool,
}

impl Now {
    pub(crate) fn answer(self, outcome: Outcome) -> Answer {
        self.moved(outcome, 0)
    }

    fn moved(self, outcome: Outcome, amount: u128) -> Answer {
        Answer { outcome, repeated: false, position: self.position, time: self.time, amount }
    }

    fn place(self, item: u16) -> Place {
        Place::new(self.position, item)
    }
}

/// An item that is being decided.
#[derive(Debug, Clone, Copy)]
struct Item {
    id: u128,
    fingerprint: u64,
    kind: Kind,
    code: u16,
    place: Place,
}

impl Ledger {
    /// Applies commands in order; one answer per command. `position` is the first
    /// one's place in the log, and the others follow by one.
    pub fn apply(&mut self, position: u64, time: u64, commands: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let state = self.state.get_mut();
        // The log's time never goes back, whatever its host says.
        let time = time.min(TIME_MAX).max(state.time);
        let mut position = position;
        let mut answers = Vec::with_capacity(commands.len());
        for command in commands {
            answers.push(state.command(position, time, command));
            position = position.saturating_add(1);
        }
        answers
    }
}

impl State {
    fn command(&mut self, position: u64, time: u64, command: &[u8]) -> Vec<u8> {
        self.position = position;
        self.time = time;
        self.expire(time);
        let command = match codec::decode_command(command) {
            Ok(command) => command,
            Err(reason) => return codec::encode_malformed(reason),
        };
        let items = match &command {
            Command::CreateTransfers { openings, transfers } => openings.len() + transfers.len(),
            _ => 1,
        };
        let now = self.now(position, items);
        let answer = match &command {
            Command::CreateTransfers { openings, transfers } => return self.batch(now, openings, transfers),
            Command::Tick => return codec::reply_header(0, 0).0,
            Command::CreateAsset(asset) => self.create_asset(now, asset),
            Command::SetAccount(setting) => self.set_account(now, setting),
            Command::SetRules(rules) => self.set_rules(now, rules),
        };
        let mut reply = codec::reply_header(0, 1);
        answer.write(&mut reply);
        reply.0
    }

    /// The moment of a command with this many items, at the log's time.
    pub(crate) fn now(&self, position: u64, items: usize) -> Now {
        Now { position, time: self.time, has_room: position <= POSITION_MAX && self.has_room(items) }
    }

    /// Opens accounts and makes transfers.
    pub(crate) fn batch(
        &mut self,
        now: Now,
        openings: &[[u8; ITEM_LENGTH]],
        transfers: &[[u8; ITEM_LENGTH]],
    ) -> Vec<u8> {
        let mut reply = codec::reply_header(openings.len(), transfers.len());
        for (item, opening) in (0..).zip(openings) {
            self.open(now, item, opening).write(&mut reply);
        }
        let mut rest = transfers;
        let mut item = 0_u16;
        let mut warmed = 0;
        while let Some(first) = rest.first() {
            if usize::from(item) >= warmed {
                self.warm(rest.get(..WARMED_ITEMS).unwrap_or(rest));
                warmed = usize::from(item) + WARMED_ITEMS;
            }
            let length = chain::length(rest);
            if length == 1 && !chain::is_linked(first) {
                self.single(now, item, first).write(&mut reply);
            } else {
                let (links, _) = rest.split_at(length);
                self.chain(now, item, links, &mut reply);
            }
            rest = rest.get(length..).unwrap_or_default();
            // A batch has fewer than 2^13 items.
            item = item.wrapping_add(u16::try_from(length).unwrap_or_default());
        }
        reply.0
    }

    /// Loads what the next items will look at, all at once instead of one after the other.
    /// It changes nothing, and saves a good part of the time when a table is large.
    fn warm(&self, items: &[[u8; ITEM_LENGTH]]) {
        let ids = |item: &[u8; ITEM_LENGTH]| {
            let (words, _) = item.as_chunks::<16>();
            let word = |at: usize| words.get(at).map_or(0, |word| u128::from_le_bytes(*word));
            [word(0), word(1), word(2)]
        };
        let mut loaded = 0;
        if self.transfers.len() >= WARMED_ROWS_MIN {
            for [id, origin, credit] in items.iter().map(ids) {
                loaded ^= self.transfers.touch_slot(id);
                // What follows another transfer names that one, and no account to credit.
                loaded ^= if credit == 0 { self.transfers.touch_row(origin) } else { 0 };
            }
        }
        if self.accounts.len() >= WARMED_ROWS_MIN {
            let named = || items.iter().map(ids).filter(|[_, _, credit]| *credit != 0);
            for [_, debit, credit] in named() {
                loaded ^= self.accounts.touch_slot(debit) ^ self.accounts.touch_slot(credit);
            }
            for [_, debit, credit] in named() {
                loaded ^= self.accounts.touch_row(debit) ^ self.accounts.touch_row(credit);
            }
        }
        // So that the loads are not left out for having no use.
        core::hint::black_box(loaded);
    }

    /// An item that stands by itself.
    fn single(&mut self, now: Now, item: u16, bytes: &[u8; ITEM_LENGTH]) -> Answer {
        let Ok(transfer) = Transfer::decode(bytes) else { return now.answer(Outcome::Malformed) };
        let fingerprint = hash::fingerprint(bytes);
        if let Some(known) = self.known(now, transfer.id, fingerprint) {
            return known;
        }
        if let Some(fault) = transfer.fault() {
            return now.answer(fault);
        }
        if !now.has_room {
            return now.answer(Outcome::Full);
        }
        let item = Item::new(now, item, &transfer, fingerprint);
        match self.decide(now, item, &transfer) {
            Ok(amount) => now.moved(Outcome::Created, amount),
            Err(outcome) => {
                // An account's asset never changes, so this refusal stays by itself.
                if outcome != Outcome::WrongAsset {
                    self.record(now, item, outcome);
                }
                now.answer(outcome)
            }
        }
    }

    /// What became of an id before.
    fn known(&self, now: Now, id: u128, fingerprint: u64) -> Option<Answer> {
        let row = self.transfers.get_by_id(id)?;
        if row.fingerprint != fingerprint {
            return Some(now.answer(Outcome::IdReused));
        }
        Some(Answer { repeated: true, ..self.answer(row) })
    }

    /// What a recorded item was answered.
    pub(crate) fn answer(&self, row: &TransferRow) -> Answer {
        Answer {
            outcome: row.outcome(),
            repeated: false,
            position: row.place.position(),
            time: row.time(),
            amount: self.amount(row),
        }
    }

    /// Does what an item asks for, or nothing; how much was moved, held or released.
    fn decide(&mut self, now: Now, item: Item, transfer: &Transfer) -> Result<u128, Outcome> {
        match transfer.kind {
            Kind::Plain | Kind::Pending => self.transfer(now, item, transfer),
            Kind::Post => self.post(now, item, transfer),
            Kind::Void => self.void(now, item, transfer),
            Kind::Reverse | Kind::Refund | Kind::Chargeback => self.give_back(now, item, transfer),
            // Nothing decodes to these.
            Kind::Setting | Kind::Rules => Err(Outcome::Malformed),
        }
    }

    /// Records what became of an id that moved nothing.
    fn record(&mut self, now: Now, item: Item, outcome: Outcome) {
        self.transfers.push(item.row(now, outcome));
    }

    /// Releases the holds that have expired. Each is looked at once, when it is due.
    fn expire(&mut self, time: u64) {
        while let Some(&(deadline, row)) = self.due.first()
            && deadline <= time
        {
            let Some(detail) = self.transfers[row].detail() else { return };
            self.release(row, detail, codec::HoldState::Expired, NONE);
        }
    }

    /// Ends a hold.
    pub(crate) fn release(&mut self, hold: u32, detail: u32, state: codec::HoldState, settled_by: u32) {
        let row = self.detail_mut(detail);
        (row.hold, row.settled_by) = (Some(state), settled_by);
        let (amount, deadline) = (row.amount, row.deadline);
        if deadline != NEVER {
            self.remove_due((deadline, hold));
        }
        let TransferRow { debit, credit, .. } = self.transfers[hold];
        // The accounts of an open hold have extra rows: making the hold made them.
        let (debit, credit) = (self.make_extra(debit), self.make_extra(credit));
        let debit = self.extra_mut(debit);
        debit.debits_pending = debit.debits_pending.saturating_sub(amount);
        debit.holds = debit.holds.saturating_sub(1);
        let credit = self.extra_mut(credit);
        credit.credits_pending = credit.credits_pending.saturating_sub(amount);
        credit.holds = credit.holds.saturating_sub(1);
    }
}

impl Item {
    fn new(now: Now, item: u16, transfer: &Transfer, fingerprint: u64) -> Self {
        let Transfer { id, kind, code, .. } = *transfer;
        Self { id, fingerprint, kind, code, place: now.place(item) }
    }

    /// A row without accounts and amount.
    fn row(&self, now: Now, outcome: Outcome) -> TransferRow {
        TransferRow {
            id: self.id,
            fingerprint: self.fingerprint,
            amount: 0,
            debit: NONE,
            credit: NONE,
            debit_previous: NONE,
            credit_previous: NONE,
            place: TransferRow::marked(self.place, self.kind, outcome, false),
            time_code: now.time << 16 | u64::from(self.code),
        }
    }
}

/// Writes the same answer for every item.
fn write_all(answer: Answer, count: usize, reply: &mut Writer) {
    for _ in 0..count {
        answer.write(reply);
    }
}
