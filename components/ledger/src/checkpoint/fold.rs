//! Folding a checkpoint's transfers into its accounts again.

use super::RestoreError;
use super::restore::Restoration;
use crate::codec::{HoldState, Kind, Outcome};
use crate::rows::{Detail, NEVER, NONE, TransferRow};

impl Restoration {
    /// A detail without what its followers have made of it.
    pub(super) fn unfolded(&self, detail: &Detail) -> Result<Detail, RestoreError> {
        let hold = detail.hold.map(|_| HoldState::Open);
        if detail.hold.is_none() && (detail.deadline != NEVER || detail.lock != NONE) {
            return Err(RestoreError::Row);
        }
        // What has expired was released by the last command.
        let late = detail.deadline != NEVER && detail.deadline <= self.state.time;
        let (is_open, is_expired) =
            (detail.hold == Some(HoldState::Open), detail.hold == Some(HoldState::Expired));
        if (is_open && late) || (is_expired && !late) {
            return Err(RestoreError::Row);
        }
        Ok(Detail { hold, returned: 0, reversed: false, settled_by: NONE, ..*detail })
    }

    pub(super) fn transfer(&mut self, row: TransferRow) -> Result<(), RestoreError> {
        let state = &self.state;
        let number = state.transfers.len();
        if state.transfers.find(row.id).is_some() {
            return Err(RestoreError::Reference);
        }
        self.moment(row.place.position(), row.time())?;
        // Histories are searched by position and by time.
        if let Some(before) = number.checked_sub(1).and_then(|before| state.transfers.get(before))
            && (before.place.position() > row.place.position() || before.time() > row.time())
        {
            return Err(RestoreError::Row);
        }
        let moves_nothing = matches!(row.kind(), Kind::Setting | Kind::Rules);
        if row.outcome() != Outcome::Created || moves_nothing {
            let empty = (row.debit, row.credit, row.amount) == (NONE, NONE, 0) && !row.is_detailed();
            if !empty {
                return Err(RestoreError::Row);
            }
            self.state.transfers.push(row);
            return Ok(());
        }
        self.check(&row, number)?;
        let amount = self.state.amount(&row);
        if row.kind() == Kind::Pending {
            self.hold(&row, amount)?;
        } else {
            self.follow(&row, number, amount)?;
        }
        self.state.append(row);
        Ok(())
    }

    /// Whether the row's references lead somewhere and back, and its sums fit.
    fn check(&self, row: &TransferRow, number: u32) -> Result<(), RestoreError> {
        let state = &self.state;
        let debit = state.accounts.get(row.debit).ok_or(RestoreError::Reference)?;
        let credit = state.accounts.get(row.credit).ok_or(RestoreError::Reference)?;
        if row.debit == row.credit || debit.asset != credit.asset {
            return Err(RestoreError::Reference);
        }
        let plain = Detail::new(0);
        let detail = match row.detail() {
            Some(_) if row.amount >= NONE.into() => return Err(RestoreError::Reference),
            Some(detail) => state.details.get(detail).ok_or(RestoreError::Reference)?,
            None => &plain,
        };
        if row.is_detailed() && detail.transfer != number {
            return Err(RestoreError::Reference);
        }
        let is_hold = row.kind() == Kind::Pending;
        if detail.hold.is_some() != is_hold || (detail.origin != NONE) != row.kind().follows() {
            return Err(RestoreError::Row);
        }
        if (detail.effective_day != 0 && !row.kind().moves()) || state.amount(row) == 0 {
            return Err(RestoreError::Row);
        }
        // An entry that is dated back is listed in the accounts' extra rows.
        let listed = debit.extra < state.extras.len() && credit.extra < state.extras.len();
        if (state.is_dated_back(row) || is_hold) && !listed {
            return Err(RestoreError::Reference);
        }
        let moved = state.moved(row);
        let fits = debit.debits.checked_add(moved).is_some() && credit.credits.checked_add(moved).is_some();
        if fits { Ok(()) } else { Err(RestoreError::Sums) }
    }

    /// Counts a hold, as open as it was when it was made; whether it still is, its detail says.
    fn hold(&mut self, row: &TransferRow, amount: u128) -> Result<(), RestoreError> {
        let state = &mut self.state;
        let number = state.transfers.len();
        let expected = row.detail().and_then(|detail| self.details.get(detail));
        let Some(&Detail { deadline, hold: Some(hold), .. }) = expected else {
            return Err(RestoreError::Reference);
        };
        if hold == HoldState::Expired {
            if let Some(detail) = row.detail() {
                state.details[detail].hold = Some(hold);
            }
            return Ok(());
        }
        for (account, is_debit) in [(row.debit, true), (row.credit, false)] {
            let extra = state.accounts[account].extra;
            let extra = &mut state.extras[extra];
            let sum = if is_debit { &mut extra.debits_pending } else { &mut extra.credits_pending };
            *sum = sum.checked_add(amount).ok_or(RestoreError::Sums)?;
            extra.holds = extra.holds.checked_add(1).ok_or(RestoreError::Sums)?;
        }
        if deadline != NEVER {
            state.due.insert((deadline, number));
        }
        Ok(())
    }

    /// Makes of an origin what its follower made of it.
    fn follow(&mut self, row: &TransferRow, number: u32, amount: u128) -> Result<(), RestoreError> {
        let Some(origin) = row.detail().map(|detail| self.state.details[detail].origin) else {
            return Ok(());
        };
        if origin == NONE {
            return Ok(());
        }
        let state = &mut self.state;
        // It came before, and has a detail because something follows it.
        let before = *state.transfers.get(origin).ok_or(RestoreError::Reference)?;
        let detail = before.detail().ok_or(RestoreError::Reference)?;
        let first = &mut state.details[detail];
        let same = (before.debit, before.credit) == (row.debit, row.credit);
        let opposite = (before.debit, before.credit) == (row.credit, row.debit);
        if row.kind().returns() {
            let returned = first.returned.checked_add(amount).ok_or(RestoreError::Sums)?;
            let returns = before.kind().moves() && !before.kind().returns();
            let whole = row.kind() != Kind::Reverse || amount == first.amount;
            if !opposite || !returns || first.reversed || returned > first.amount || !whole {
                return Err(RestoreError::Sums);
            }
            first.returned = returned;
            first.reversed = row.kind() == Kind::Reverse;
            return Ok(());
        }
        let whole = row.kind() != Kind::Void || amount == first.amount;
        if !same || first.hold != Some(HoldState::Open) || amount > first.amount || !whole {
            return Err(RestoreError::Sums);
        }
        let state_after = if row.kind() == Kind::Post { HoldState::Posted } else { HoldState::Voided };
        state.release(origin, detail, state_after, number);
        Ok(())
    }
}
