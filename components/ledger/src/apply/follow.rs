//! What follows another transfer: posting and voiding a hold, and moving back.

use super::limits::Side;
use super::transfer::check_effective;
use super::{Item, Now};
use crate::codec::{HoldState, Kind, Outcome, Transfer};
use crate::rows::{Detail, NONE, TransferRow};
use crate::state::State;
use sha2::{Digest, Sha256};

impl State {
    /// Moves what a hold holds, or a part, and releases the rest.
    pub(super) fn post(&mut self, now: Now, item: Item, transfer: &Transfer) -> Result<u128, Outcome> {
        let (hold, detail) = self.open_hold(transfer.debit)?;
        let Detail { amount: whole, lock, .. } = self.details[detail];
        let amount = if transfer.amount == 0 { whole } else { transfer.amount };
        if amount > whole {
            return Err(Outcome::ExceedsPending);
        }
        self.check_preimage(lock, transfer)?;
        check_effective(now, transfer.effective_day)?;
        let TransferRow { debit, credit, .. } = self.transfers[hold];
        // Its amount counted in every limit while it was held; only a word from above that
        // came since can stop it.
        Self::check_open(&self.accounts[debit], Side::Debit)?;
        Self::check_open(&self.accounts[credit], Side::Credit)?;
        self.release(hold, detail, HoldState::Posted, self.transfers.len());
        let effective_day = transfer.effective_day;
        let detail = Detail { origin: hold, effective_day, ..Detail::new(amount) };
        self.follow(now, item, (debit, credit), detail);
        Ok(amount)
    }

    /// Releases what a hold holds. A locked one too: who may give up a hold before its time
    /// is for the caller to know.
    pub(super) fn void(&mut self, now: Now, item: Item, transfer: &Transfer) -> Result<u128, Outcome> {
        let (hold, detail) = self.open_hold(transfer.debit)?;
        let amount = self.details[detail].amount;
        let TransferRow { debit, credit, .. } = self.transfers[hold];
        self.release(hold, detail, HoldState::Voided, self.transfers.len());
        self.follow(now, item, (debit, credit), Detail { origin: hold, ..Detail::new(amount) });
        Ok(amount)
    }

    /// Moves back what an origin moved, or some of it.
    pub(super) fn give_back(&mut self, now: Now, item: Item, transfer: &Transfer) -> Result<u128, Outcome> {
        let origin = self.transfers.find(transfer.debit).ok_or(Outcome::UnknownTransfer)?;
        let row = self.transfers[origin];
        let is_origin = matches!(row.kind(), Kind::Plain | Kind::Post);
        if row.outcome() != Outcome::Created || !is_origin {
            return Err(Outcome::NotReturnable);
        }
        let moved = self.amount(&row);
        let (returned, reversed) = match row.detail() {
            Some(detail) => (self.details[detail].returned, self.details[detail].reversed),
            None => (0, false),
        };
        if reversed {
            return Err(Outcome::AlreadyReversed);
        }
        let is_reversal = transfer.kind == Kind::Reverse;
        let amount = if is_reversal { moved } else { transfer.amount };
        if amount > moved.saturating_sub(returned) {
            return Err(Outcome::ExceedsOrigin);
        }
        check_effective(now, transfer.effective_day)?;
        let (debit, credit) = (row.credit, row.debit);
        let (from, to) = (&self.accounts[debit], &self.accounts[credit]);
        Self::check_open(from, Side::Debit)?;
        Self::check_open(to, Side::Credit)?;
        self.room(from, Side::Debit).check(amount)?;
        self.room(to, Side::Credit).check(amount)?;
        let detail = self.make_detail(origin);
        let detail = self.detail_mut(detail);
        detail.returned = returned.saturating_add(amount);
        detail.reversed = is_reversal;
        let effective_day = transfer.effective_day;
        self.follow(now, item, (debit, credit), Detail { origin, effective_day, ..Detail::new(amount) });
        Ok(amount)
    }

    /// Appends the row of what follows another transfer.
    fn follow(&mut self, now: Now, item: Item, (debit, credit): (u32, u32), detail: Detail) {
        let mut row = TransferRow { debit, credit, ..item.row(now, Outcome::Created) };
        self.set_detail(&mut row, detail);
        self.append(row);
    }

    /// A hold that is open, and its detail.
    fn open_hold(&self, id: u128) -> Result<(u32, u32), Outcome> {
        let hold = self.transfers.find(id).ok_or(Outcome::UnknownTransfer)?;
        let detail = self.transfers[hold].detail().ok_or(Outcome::NotPending)?;
        match self.details[detail].hold {
            None => Err(Outcome::NotPending),
            Some(HoldState::Posted) => Err(Outcome::AlreadyPosted),
            Some(HoldState::Voided) => Err(Outcome::AlreadyVoided),
            Some(HoldState::Expired) => Err(Outcome::Expired),
            // What is due by the command's time was released before its first item.
            Some(HoldState::Open) => Ok((hold, detail)),
        }
    }

    /// Whether a post shows what its hold asks for: a preimage whose fingerprint is the
    /// condition's (draft-thomas-crypto-conditions-04, section 8.1: PREIMAGE-SHA-256).
    fn check_preimage(&self, lock: u32, transfer: &Transfer) -> Result<(), Outcome> {
        let shown = transfer.lock().map(|preimage| <[u8; 32]>::from(Sha256::digest(preimage)));
        let wanted = (lock != NONE).then(|| self.locks[lock]);
        if shown == wanted { Ok(()) } else { Err(Outcome::WrongPreimage) }
    }
}
