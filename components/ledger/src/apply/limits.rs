//! How much may leave and reach an account.
//!
//! An account's normal balance is on one side: credits for most, debits for some. Its other
//! side makes the balance smaller. What is posted and what is held count together, and always
//! against the account: a hold of what it has is as good as gone, a hold for it is not there
//! yet but may be. So whatever becomes of the holds, the limits hold.
//!
//! An issuance account is one whose normal balance is a debit and whose maximum is the cap.

use crate::codec::{AccountFlags, Outcome};
use crate::rows::{AccountRow, NONE};
use crate::state::State;

/// Which side of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Debit,
    Credit,
}

/// How far one side of an account may grow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// What its limits leave.
    limit: u128,
    /// What 128 bits leave.
    width: u128,
    /// Why more than the limit is refused.
    reason: Outcome,
    /// Whether it makes the balance larger.
    grows: bool,
}

impl Room {
    /// What is left.
    pub(super) fn left(self) -> u128 {
        self.limit.min(self.width)
    }

    /// Why a balancing transfer that could move nothing is refused.
    pub(super) fn reason(self) -> Outcome {
        self.reason
    }

    /// Whether an amount fits.
    pub(super) fn check(self, amount: u128) -> Result<(), Outcome> {
        let limit = if amount > self.limit { Err(self.reason) } else { Ok(()) };
        let width = if amount > self.width { Err(Outcome::Overflow) } else { Ok(()) };
        // What a payer lacks is named first, and what cannot be counted before a bound on it.
        if self.grows { width.and(limit) } else { limit.and(width) }
    }
}

impl State {
    /// Whether anything may be moved on this side.
    pub(super) fn check_open(account: &AccountRow, side: Side) -> Result<(), Outcome> {
        if account.is(AccountFlags::CLOSED) {
            return Err(Outcome::AccountClosed);
        }
        if side == Side::Debit && account.is(AccountFlags::FROZEN) {
            return Err(Outcome::AccountFrozen);
        }
        Ok(())
    }

    /// How far a side of an account may grow.
    pub(super) fn room(&self, account: &AccountRow, side: Side) -> Room {
        if account.extra == NONE && !account.is(AccountFlags::DEBIT_NORMAL) {
            return plain_room(account, side);
        }
        let extra = self.extra(account);
        let (own, own_pending, other) = match side {
            Side::Debit => (account.debits, extra.debits_pending, account.credits),
            Side::Credit => (account.credits, extra.credits_pending, account.debits),
        };
        // Both together fit in 128 bits: the width saw to it.
        let taken = own.saturating_add(own_pending);
        let width = u128::MAX - taken;
        let normal = if account.is(AccountFlags::DEBIT_NORMAL) { Side::Debit } else { Side::Credit };
        if side == normal {
            let (maximum, reason) = if account.is(AccountFlags::ISSUANCE) {
                let cap = self.assets[account.asset].asset.cap;
                (cap.unwrap_or(u128::MAX), Outcome::ExceedsCap)
            } else {
                (extra.maximum, Outcome::ExceedsMaximum)
            };
            let limit = other.saturating_add(maximum).saturating_sub(taken);
            return Room { limit, width, reason, grows: true };
        }
        let reason = match (extra.overdraft, extra.minimum) {
            (0, 0) => Outcome::ExceedsBalance,
            (0, _) => Outcome::BelowMinimum,
            _ => Outcome::ExceedsOverdraft,
        };
        let limit = other.saturating_add(extra.overdraft);
        let limit = limit.saturating_sub(taken).saturating_sub(extra.minimum);
        Room { limit, width, reason, grows: false }
    }
}

/// The same for an account without limits and holds, as most are.
fn plain_room(account: &AccountRow, side: Side) -> Room {
    let AccountRow { debits, credits, .. } = *account;
    match side {
        Side::Debit => Room {
            limit: credits.saturating_sub(debits),
            width: u128::MAX - debits,
            reason: Outcome::ExceedsBalance,
            grows: false,
        },
        Side::Credit => Room {
            limit: u128::MAX,
            width: u128::MAX - credits,
            reason: Outcome::ExceedsMaximum,
            grows: true,
        },
    }
}
