//! Taking a checkpoint's rows as they come.

use super::RestoreError;
use super::rows::{
    Counts, Section, read_account, read_asset, read_detail, read_extra, read_header, read_ring, read_transfer,
};
use crate::apply::part_of;
use crate::codec::{AccountFlags, RULE_LENGTH, Reader, Rule, WINDOW_S_MAX, rules_digest};
use crate::rows::{AccountRow, Detail, Extra, NONE, PLAIN, Ring, TransferRow};
use crate::state::State;
use crate::table::Rows;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// A checkpoint that is coming in.
#[derive(Debug)]
pub(crate) struct Restoration {
    pub(super) state: State,
    /// The start of a row whose end has not come yet.
    partial: Vec<u8>,
    counts: Option<Counts>,
    /// Per account, the debits and credits that it must come to.
    pub(super) accounts: Rows<(u128, u128)>,
    /// Per extra row, what it must come to.
    pub(super) extras: Rows<Extra>,
    /// Per detail row, what it must come to.
    pub(super) details: Rows<Detail>,
}

impl Restoration {
    pub(super) fn new(memory_max: u64) -> Self {
        let state = State { memory_max, ..State::default() };
        let (accounts, extras, details) = (Rows::default(), Rows::default(), Rows::default());
        Self { state, partial: Vec::new(), counts: None, accounts, extras, details }
    }

    pub(super) fn take(&mut self, mut part: &[u8]) -> Result<(), RestoreError> {
        while !part.is_empty() {
            let section = self.section().ok_or(RestoreError::Length)?;
            let size = section.row_length();
            if self.partial.is_empty()
                && let Some((row, rest)) = part.split_at_checked(size)
            {
                self.row(section, row)?;
                part = rest;
                continue;
            }
            let missing = size.saturating_sub(self.partial.len());
            let (now, later) = part.split_at_checked(missing).unwrap_or((part, &[]));
            part = later;
            self.partial.extend_from_slice(now);
            if self.partial.len() == size {
                let row = core::mem::take(&mut self.partial);
                self.row(section, &row)?;
            }
        }
        Ok(())
    }

    /// What the next row is; none if all have come.
    fn section(&self) -> Option<Section> {
        let Some(counts) = self.counts else {
            return Some(Section::Header);
        };
        let is_open = |section: &Section| {
            let expected = match section {
                Section::Header => 0,
                Section::Rules => counts.rules,
                Section::Assets => counts.assets,
                Section::Accounts => counts.accounts,
                Section::Extras => counts.extras,
                Section::Locks => counts.locks,
                Section::Details => counts.details,
                Section::Rings => counts.rings,
                Section::Transfers => counts.transfers,
            };
            self.state.rows(*section) < expected
        };
        // While the transfers come, no table but theirs is open.
        Section::ALL.into_iter().find(is_open)
    }

    fn row(&mut self, section: Section, row: &[u8]) -> Result<(), RestoreError> {
        let mut reader = Reader::new(row);
        match section {
            Section::Header => self.counts = Some(read_header(&mut reader, &mut self.state)?),
            Section::Rules => self.state.rules.push(Rule::decode(&reader.array::<RULE_LENGTH>()?)?),
            Section::Assets => {
                let asset = read_asset(&mut reader)?;
                self.moment(asset.position, asset.time)?;
                if self.state.assets.find(asset.asset.id).is_some() {
                    return Err(RestoreError::Reference);
                }
                self.state.assets.push(asset);
            }
            Section::Accounts => self.account(read_account(&mut reader)?)?,
            Section::Extras => self.extra(read_extra(&mut reader)?)?,
            Section::Locks => {
                self.state.locks.push(reader.array()?);
            }
            Section::Details => {
                let detail = read_detail(&mut reader)?;
                self.details.push(detail);
                // What follows from the transfers comes from them.
                self.state.details.push(self.unfolded(&detail)?);
            }
            Section::Rings => self.ring(read_ring(&mut reader)?)?,
            Section::Transfers => self.transfer(read_transfer(&mut reader)?)?,
        }
        reader.end()?;
        if self.state.memory() > self.state.memory_max {
            return Err(RestoreError::Memory);
        }
        Ok(())
    }

    /// Nothing comes from after the last command.
    pub(super) fn moment(&self, position: u64, time: u64) -> Result<(), RestoreError> {
        let is_past = position <= self.state.position && time <= self.state.time;
        if is_past { Ok(()) } else { Err(RestoreError::Row) }
    }

    fn account(&mut self, account: AccountRow) -> Result<(), RestoreError> {
        self.moment(account.opened.position(), 0)?;
        if self.state.accounts.find(account.id).is_some() {
            return Err(RestoreError::Reference);
        }
        let number = self.state.accounts.len();
        if account.asset >= self.state.assets.len() {
            return Err(RestoreError::Reference);
        }
        let asset = &mut self.state.assets[account.asset];
        let issues = account.id == asset.asset.issuance;
        let owes = account.is(AccountFlags::DEBIT_NORMAL);
        if issues {
            asset.issuance = number;
        }
        if issues != account.is(AccountFlags::ISSUANCE) || (issues && !owes) {
            return Err(RestoreError::Reference);
        }
        let (normal, other) =
            if owes { (account.debits, account.credits) } else { (account.credits, account.debits) };
        let capped = asset.asset.cap.filter(|_| issues);
        // An account that never had other limits was never overdrawn.
        let balance = normal.checked_sub(other);
        let bounded = issues || account.extra == NONE;
        if (bounded && balance.is_none()) || capped.is_some_and(|cap| balance > Some(cap)) {
            return Err(RestoreError::Sums);
        }
        self.accounts.push((account.debits, account.credits));
        self.state.push_account(AccountRow { debits: 0, credits: 0, ..account });
        Ok(())
    }

    fn extra(&mut self, extra: Extra) -> Result<(), RestoreError> {
        let number = self.state.extras.len();
        let account = self.state.accounts.get(extra.account).ok_or(RestoreError::Reference)?;
        if account.extra != number {
            return Err(RestoreError::Reference);
        }
        if (extra.minimum != 0 && extra.overdraft != 0) || extra.minimum > extra.maximum {
            return Err(RestoreError::Row);
        }
        self.extras.push(extra);
        self.state.extras.push(Extra { debits_pending: 0, credits_pending: 0, holds: 0, ..extra });
        Ok(())
    }

    fn ring(&mut self, mut ring: Ring) -> Result<(), RestoreError> {
        let account = self.state.accounts.get(ring.account).ok_or(RestoreError::Reference)?;
        let extra = account.extra;
        if extra >= self.state.extras.len() || self.state.ring(account, ring.window_s).is_some() {
            return Err(RestoreError::Reference);
        }
        if ring.window_s == 0
            || ring.window_s > WINDOW_S_MAX
            || ring.part > part_of(ring.window_s, self.state.time)
        {
            return Err(RestoreError::Row);
        }
        let number = self.state.rings.len();
        ring.next = core::mem::replace(&mut self.state.extras[extra].rings, number);
        self.state.rings.push(ring);
        Ok(())
    }

    #[allow(clippy::boxed_local, reason = "it comes as the box that the ledger kept it in")]
    pub(super) fn finish(self: Box<Self>) -> Result<State, RestoreError> {
        if self.counts.is_none() || self.section().is_some() || !self.partial.is_empty() {
            return Err(RestoreError::Length);
        }
        let state = &self.state;
        let unset = state.rules.is_empty() && state.rules_digest == [0; 32];
        if !unset && state.rules_digest != rules_digest(&state.rules) {
            return Err(RestoreError::Sums);
        }
        if state.assets.iter().any(|asset| asset.issuance == NONE) {
            return Err(RestoreError::Reference);
        }
        for ((number, account), expected) in (0..).zip(state.accounts.iter()).zip(self.accounts.iter()) {
            if (account.debits, account.credits) != *expected {
                return Err(RestoreError::Sums);
            }
            let is_its_own = |extra: &Extra| extra.account == number;
            if account.extra != NONE && !state.extras.get(account.extra).is_some_and(is_its_own) {
                return Err(RestoreError::Reference);
            }
            let extra = state.extra(account);
            let fits = account.debits.checked_add(extra.debits_pending).is_some()
                && account.credits.checked_add(extra.credits_pending).is_some();
            if !fits {
                return Err(RestoreError::Sums);
            }
        }
        for (extra, expected) in state.extras.iter().zip(self.extras.iter()) {
            let (backdated, rings) = (PLAIN.backdated, PLAIN.rings);
            if (Extra { backdated, rings, ..*extra }) != *expected {
                return Err(RestoreError::Sums);
            }
        }
        if state.details.iter().ne(self.details.iter()) {
            return Err(RestoreError::Sums);
        }
        self.check_details()?;
        Ok(self.state)
    }

    /// Every detail belongs to one transfer, and every condition to one hold, in the order
    /// in which both were made.
    fn check_details(&self) -> Result<(), RestoreError> {
        let state = &self.state;
        let is_its_own = |(number, detail): (u32, &Detail)| {
            state.transfers.get(detail.transfer).and_then(TransferRow::detail) == Some(number)
        };
        let locks = self.details.iter().map(|detail| detail.lock).filter(|&lock| lock != NONE);
        let all_belong = (0..).zip(self.details.iter()).all(is_its_own) && locks.eq(0..state.locks.len());
        if all_belong { Ok(()) } else { Err(RestoreError::Reference) }
    }
}
