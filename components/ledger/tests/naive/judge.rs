//! What the naive ledger lets happen.

use super::{Account, Event, Naive};
use sha2::{Digest, Sha256};
use vwp_ledger::codec::{Flags, HoldState, Kind, Outcome, Rule, Transfer};

/// A sum of any size: how often it exceeds 128 bits, and what is left then.
fn sum(parts: &[u128]) -> (u32, u128) {
    parts.iter().fold((0, 0), |(over, sum): (u32, u128), part| {
        let (sum, exceeds) = sum.overflowing_add(*part);
        (over + u32::from(exceeds), sum)
    })
}

impl Naive {
    /// Does what a transfer asks for, or says why not.
    pub(super) fn act(&mut self, item: u16, transfer: &Transfer) -> Result<u128, Outcome> {
        let (from, to, amount) = match transfer.kind {
            Kind::Plain | Kind::Pending => self.judge_transfer(transfer)?,
            Kind::Post | Kind::Void => self.judge_settlement(transfer)?,
            _ => self.judge_return(transfer)?,
        };
        let first = matches!(transfer.kind, Kind::Plain | Kind::Pending);
        let mut windows: Vec<u32> =
            if first { self.rules_of(from).map(|rule| rule.window_s).collect() } else { vec![] };
        windows.dedup();
        let asset = self.accounts[&from].asset;
        self.accounts.entry(to).or_insert_with(|| Account::new(asset));
        let (transfer, position, time) = (*transfer, self.position, self.time);
        self.happened.push(Event { transfer, from, to, amount, position, time, item, windows });
        Ok(amount)
    }

    fn judge_transfer(&self, transfer: &Transfer) -> Result<(u128, u128, u128), Outcome> {
        let (from, to) = (transfer.debit, transfer.credit);
        let Some(payer) = self.accounts.get(&from) else {
            let known = self.accounts.contains_key(&to);
            return Err(if known { Outcome::ExceedsBalance } else { Outcome::UnknownAccount });
        };
        if self.accounts.get(&to).is_some_and(|other| other.asset != payer.asset) {
            return Err(Outcome::WrongAsset);
        }
        self.judge_open(from, to)?;
        self.judge_day(transfer)?;
        let mut amount = transfer.amount;
        for (flag, account, debits) in
            [(Flags::BALANCING_DEBIT, from, true), (Flags::BALANCING_CREDIT, to, false)]
        {
            if transfer.flags.contains(flag) {
                // The largest that fits, found by halving.
                let (mut low, mut high) = (0, amount);
                while low < high {
                    let middle = high - (high - low) / 2;
                    match self.judge_side(account, payer.asset, debits, middle) {
                        Ok(()) => low = middle,
                        Err(_) => high = middle - 1,
                    }
                }
                if low == 0 {
                    let refusal = self.judge_side(account, payer.asset, debits, 1);
                    let named = self.reason(account, payer.asset, debits);
                    return Err(if refusal.is_err() { named } else { Outcome::Overflow });
                }
                amount = low;
            }
        }
        self.judge_side(from, payer.asset, true, amount)?;
        self.judge_side(to, payer.asset, false, amount)?;
        for rule in self.rules_of(from) {
            let (sum, count) = self.used(from, rule.window_s);
            if sum.saturating_add(amount) > rule.amount_max || count + 1 > rule.count_max {
                return Err(Outcome::VelocityExceeded);
            }
        }
        Ok((from, to, amount))
    }

    fn judge_settlement(&self, transfer: &Transfer) -> Result<(u128, u128, u128), Outcome> {
        if !self.recorded.contains_key(&transfer.debit) {
            return Err(Outcome::UnknownTransfer);
        }
        let hold = self.event(transfer.debit).ok_or(Outcome::NotPending)?;
        match self.state(hold) {
            None => return Err(Outcome::NotPending),
            Some(HoldState::Posted) => return Err(Outcome::AlreadyPosted),
            Some(HoldState::Voided) => return Err(Outcome::AlreadyVoided),
            Some(HoldState::Expired) => return Err(Outcome::Expired),
            Some(HoldState::Open) => {}
        }
        if transfer.kind == Kind::Void {
            return Ok((hold.from, hold.to, hold.amount));
        }
        let amount = if transfer.amount == 0 { hold.amount } else { transfer.amount };
        if amount > hold.amount {
            return Err(Outcome::ExceedsPending);
        }
        let locked = |transfer: &Transfer| transfer.flags.contains(Flags::LOCKED);
        let opens = || Sha256::digest(&transfer.memo.0[..32])[..] == hold.transfer.memo.0[..32];
        if locked(&hold.transfer) != locked(transfer) || (locked(transfer) && !opens()) {
            return Err(Outcome::WrongPreimage);
        }
        self.judge_day(transfer)?;
        self.judge_open(hold.from, hold.to)?;
        Ok((hold.from, hold.to, amount))
    }

    fn judge_return(&self, transfer: &Transfer) -> Result<(u128, u128, u128), Outcome> {
        if !self.recorded.contains_key(&transfer.debit) {
            return Err(Outcome::UnknownTransfer);
        }
        let origin = self.event(transfer.debit).ok_or(Outcome::NotReturnable)?;
        if !matches!(origin.transfer.kind, Kind::Plain | Kind::Post) {
            return Err(Outcome::NotReturnable);
        }
        let (returned, reversed) = self.returned(transfer.debit);
        if reversed {
            return Err(Outcome::AlreadyReversed);
        }
        let amount = if transfer.kind == Kind::Reverse { origin.amount } else { transfer.amount };
        if amount > origin.amount - returned {
            return Err(Outcome::ExceedsOrigin);
        }
        self.judge_day(transfer)?;
        self.judge_open(origin.to, origin.from)?;
        let asset = self.accounts[&origin.to].asset;
        self.judge_side(origin.to, asset, true, amount)?;
        self.judge_side(origin.from, asset, false, amount)?;
        Ok((origin.to, origin.from, amount))
    }

    fn judge_open(&self, from: u128, to: u128) -> Result<(), Outcome> {
        let closed = |id| self.accounts.get(&id).is_some_and(|account| account.setting.closed);
        if closed(from) {
            Err(Outcome::AccountClosed)
        } else if self.accounts[&from].setting.frozen {
            Err(Outcome::AccountFrozen)
        } else if closed(to) {
            Err(Outcome::AccountClosed)
        } else {
            Ok(())
        }
    }

    fn judge_day(&self, transfer: &Transfer) -> Result<(), Outcome> {
        let (day, today) = (u64::from(transfer.effective_day), self.time / 86_400_000);
        if day == 0 || (day <= today && day + 92 >= today) { Ok(()) } else { Err(Outcome::EffectiveDate) }
    }

    /// Whether an account may be debited or credited with an amount.
    fn judge_side(&self, id: u128, asset: u128, debits: bool, amount: u128) -> Result<(), Outcome> {
        let account = self.accounts.get(&id).cloned().unwrap_or_else(|| Account::new(asset));
        let ((debited, credited), (debits_held, credits_held)) = (self.posted(id), self.held(id));
        let (own, held, other) =
            if debits { (debited, debits_held, credited) } else { (credited, credits_held, debited) };
        let (fits, setting) = (sum(&[own, held, amount]).0 == 0, &account.setting);
        let normal = debits == account.debit_normal;
        let allowed = if normal {
            let maximum = match self.assets[&account.asset].0.cap {
                cap if account.issuance => cap.unwrap_or(u128::MAX),
                _ => setting.maximum,
            };
            maximum == u128::MAX || sum(&[own, held, amount]) <= sum(&[other, maximum])
        } else {
            // A line that 128 bits cannot express is one to their end.
            let line = other.saturating_add(setting.overdraft);
            sum(&[own, held, amount, setting.minimum]) <= (0, line)
        };
        match (normal, fits, allowed) {
            (_, true, true) => Ok(()),
            (true, false, _) | (false, false, true) => Err(Outcome::Overflow),
            _ => Err(self.reason(id, asset, debits)),
        }
    }

    /// How a limit of an account is called.
    fn reason(&self, id: u128, asset: u128, debits: bool) -> Outcome {
        let account = self.accounts.get(&id).cloned().unwrap_or_else(|| Account::new(asset));
        let setting = &account.setting;
        if debits == account.debit_normal {
            return if account.issuance { Outcome::ExceedsCap } else { Outcome::ExceedsMaximum };
        }
        match (setting.overdraft, setting.minimum) {
            (0, 0) => Outcome::ExceedsBalance,
            (0, _) => Outcome::BelowMinimum,
            _ => Outcome::ExceedsOverdraft,
        }
    }

    /// The rules that bound an account.
    pub(super) fn rules_of(&self, id: u128) -> impl Iterator<Item = &Rule> {
        let account = self.accounts.get(&id);
        self.rules.iter().filter(move |rule| {
            account.is_some_and(|account| {
                account.setting.class == rule.class && [0, account.asset].contains(&rule.asset)
            })
        })
    }

    /// What has left an account in a window, rounded up to eight sevenths of it.
    pub(super) fn used(&self, id: u128, window_s: u32) -> (u128, u32) {
        let part = (u64::from(window_s) * 1000).div_ceil(7);
        let counts = |event: &&Event| {
            event.from == id && event.windows.contains(&window_s) && event.time / part + 7 >= self.time / part
        };
        let sum =
            self.happened.iter().filter(counts).fold(0, |sum: u128, event| sum.saturating_add(event.amount));
        (sum, u32::try_from(self.happened.iter().filter(counts).count()).unwrap())
    }
}
