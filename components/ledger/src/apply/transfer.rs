//! Plain transfers, and holds.

use super::limits::Side;
use super::{Item, Now};
use crate::codec::{BACKDATING_DAYS_MAX, Flags, HoldState, Kind, Outcome, Transfer};
use crate::history::day_of;
use crate::rows::{AccountRow, Detail, NEVER, NONE, TransferRow};
use crate::state::State;

impl State {
    /// Moves or holds an amount, if nothing forbids it. All is checked before anything
    /// changes.
    pub(super) fn transfer(&mut self, now: Now, item: Item, transfer: &Transfer) -> Result<u128, Outcome> {
        let credit = self.accounts.find(transfer.credit);
        let Some(debit) = self.accounts.find(transfer.debit) else {
            // An account that is not there holds nothing. If neither is, no asset is known.
            return Err(if credit.is_some() { Outcome::ExceedsBalance } else { Outcome::UnknownAccount });
        };
        let from = &self.accounts[debit];
        let asset = from.asset;
        // One that a credit opens is like any that nothing has moved through.
        let new = AccountRow::new(transfer.credit, asset, item.place);
        let to = credit.map_or(&new, |credit| &self.accounts[credit]);
        // An account's asset never changes, so this comes before what may change.
        if to.asset != asset {
            return Err(Outcome::WrongAsset);
        }
        Self::check_open(from, Side::Debit)?;
        Self::check_open(to, Side::Credit)?;
        check_effective(now, transfer.effective_day)?;
        let (give, take) = (self.room(from, Side::Debit), self.room(to, Side::Credit));
        let mut amount = transfer.amount;
        if transfer.flags != Flags::NONE {
            let balances = [(Flags::BALANCING_DEBIT, give), (Flags::BALANCING_CREDIT, take)];
            for (_, room) in balances.into_iter().filter(|(flag, _)| transfer.flags.contains(*flag)) {
                amount = amount.min(room.left());
                if amount == 0 {
                    return Err(room.reason());
                }
            }
        }
        give.check(amount)?;
        take.check(amount)?;
        if !self.rules.is_empty() {
            self.check_velocity(now, debit, amount)?;
        }
        let credit = credit.unwrap_or_else(|| self.accounts.push(new));
        let mut row = TransferRow { debit, credit, ..item.row(now, Outcome::Created) };
        if transfer.kind == Kind::Pending {
            self.hold(now, &mut row, transfer, amount);
        } else {
            match u64::try_from(amount) {
                Ok(amount) if transfer.effective_day == 0 => row.amount = amount,
                _ => {
                    let effective_day = transfer.effective_day;
                    self.set_detail(&mut row, Detail { effective_day, ..Detail::new(amount) });
                }
            }
        }
        self.append(row);
        if !self.rules.is_empty() {
            self.count_velocity(now, debit, amount);
        }
        Ok(amount)
    }

    /// Holds an amount: it counts on both accounts until it is settled.
    fn hold(&mut self, now: Now, row: &mut TransferRow, transfer: &Transfer, amount: u128) {
        let (debit, credit) = (self.make_extra(row.debit), self.make_extra(row.credit));
        let debit = self.extra_mut(debit);
        // Both sums were checked to fit.
        debit.debits_pending = debit.debits_pending.wrapping_add(amount);
        debit.holds = debit.holds.wrapping_add(1);
        let credit = self.extra_mut(credit);
        credit.credits_pending = credit.credits_pending.wrapping_add(amount);
        credit.holds = credit.holds.wrapping_add(1);
        let lock = transfer.lock().map_or(NONE, |lock| self.locks.push(lock));
        let deadline = match u64::from(transfer.timeout_s) {
            0 => NEVER,
            timeout => now.time.saturating_add(timeout * 1000),
        };
        let hold = Some(HoldState::Open);
        self.set_detail(row, Detail { deadline, lock, hold, ..Detail::new(amount) });
        if deadline != NEVER {
            self.add_due((deadline, self.transfers.len()));
        }
    }

    /// Gives a row that is about to be appended its detail.
    pub(super) fn set_detail(&mut self, row: &mut TransferRow, detail: Detail) {
        let transfer = self.transfers.len();
        let detail = self.details.push(Detail { transfer, ..detail });
        row.set_detail(detail);
    }
}

/// Whether an item may count from a day.
pub(super) fn check_effective(now: Now, effective_day: u32) -> Result<(), Outcome> {
    let (today, day) = (day_of(now.time), u64::from(effective_day));
    let allowed = day <= today && today - day <= u64::from(BACKDATING_DAYS_MAX);
    if day == 0 || allowed { Ok(()) } else { Err(Outcome::EffectiveDate) }
}
