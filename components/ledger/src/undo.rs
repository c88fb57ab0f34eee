//! Taking back what a chain or a dry run did.
//!
//! Rows are only ever changed through the functions here and appended. While somebody holds
//! a savepoint, a row is saved before it is changed; rolling back puts the saved rows back,
//! the last one first, and cuts what was appended. Savepoints nest: a chain in a dry run.

use crate::rows::{AccountRow, Detail, Extra, Ring, TransferRow};
use crate::state::State;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Rows as they were before they were changed.
#[derive(Debug, Default)]
pub(crate) struct Undo {
    savepoints: u32,
    saved: Vec<Saved>,
}

#[derive(Debug)]
enum Saved {
    Account(u32, AccountRow),
    Extra(u32, Extra),
    Transfer(u32, TransferRow),
    Detail(u32, Detail),
    Ring(u32, Box<Ring>),
    /// A hold that was added to those that expire.
    Due((u64, u32)),
    /// A hold that was removed from those that expire.
    NotDue((u64, u32)),
}

/// What there was when a savepoint was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Savepoint {
    saved: usize,
    lengths: Lengths,
}

#[derive(Debug, Clone, Copy)]
struct Lengths {
    accounts: u32,
    extras: u32,
    transfers: u32,
    details: u32,
    locks: u32,
    snapshots: u32,
    backdated: u32,
    rings: u32,
}

impl Undo {
    fn save(&mut self, saved: impl FnOnce() -> Saved) {
        if self.savepoints > 0 {
            self.saved.push(saved());
        }
    }
}

impl State {
    pub(crate) fn account_mut(&mut self, row: u32) -> &mut AccountRow {
        let account = &mut self.accounts[row];
        self.undo.save(|| Saved::Account(row, *account));
        account
    }

    pub(crate) fn extra_mut(&mut self, row: u32) -> &mut Extra {
        let extra = &mut self.extras[row];
        self.undo.save(|| Saved::Extra(row, *extra));
        extra
    }

    pub(crate) fn transfer_mut(&mut self, row: u32) -> &mut TransferRow {
        let transfer = &mut self.transfers[row];
        self.undo.save(|| Saved::Transfer(row, *transfer));
        transfer
    }

    pub(crate) fn detail_mut(&mut self, row: u32) -> &mut Detail {
        let detail = &mut self.details[row];
        self.undo.save(|| Saved::Detail(row, *detail));
        detail
    }

    pub(crate) fn ring_mut(&mut self, row: u32) -> &mut Ring {
        let ring = &mut self.rings[row];
        self.undo.save(|| Saved::Ring(row, Box::new(*ring)));
        ring
    }

    /// Lets a hold expire in time.
    pub(crate) fn add_due(&mut self, due: (u64, u32)) {
        self.due.insert(due);
        self.undo.save(|| Saved::Due(due));
    }

    /// Lets a hold no longer expire.
    pub(crate) fn remove_due(&mut self, due: (u64, u32)) {
        if self.due.remove(&due) {
            self.undo.save(|| Saved::NotDue(due));
        }
    }

    /// Begins what may be taken back.
    pub(crate) fn savepoint(&mut self) -> Savepoint {
        self.undo.savepoints += 1;
        let lengths = Lengths {
            accounts: self.accounts.len(),
            extras: self.extras.len(),
            transfers: self.transfers.len(),
            details: self.details.len(),
            locks: self.locks.len(),
            snapshots: self.snapshots.len(),
            backdated: self.backdated.len(),
            rings: self.rings.len(),
        };
        Savepoint { saved: self.undo.saved.len(), lengths }
    }

    /// Keeps what was done since the savepoint.
    pub(crate) fn keep(&mut self) {
        self.undo.savepoints -= 1;
        if self.undo.savepoints == 0 {
            self.undo.saved.clear();
        }
    }

    /// Takes back what was done since the savepoint.
    pub(crate) fn take_back(&mut self, savepoint: Savepoint) {
        while self.undo.saved.len() > savepoint.saved {
            match self.undo.saved.pop() {
                Some(Saved::Account(row, saved)) => self.accounts[row] = saved,
                Some(Saved::Extra(row, saved)) => self.extras[row] = saved,
                Some(Saved::Transfer(row, saved)) => self.transfers[row] = saved,
                Some(Saved::Detail(row, saved)) => self.details[row] = saved,
                Some(Saved::Ring(row, saved)) => self.rings[row] = *saved,
                Some(Saved::Due(due)) => {
                    self.due.remove(&due);
                }
                Some(Saved::NotDue(due)) => {
                    self.due.insert(due);
                }
                None => {}
            }
        }
        let lengths = savepoint.lengths;
        for row in lengths.accounts..self.accounts.len() {
            let asset = self.accounts[row].asset;
            self.owing.remove(&(asset, row));
        }
        self.accounts.truncate(lengths.accounts);
        self.extras.truncate(lengths.extras);
        self.transfers.truncate(lengths.transfers);
        self.details.truncate(lengths.details);
        self.locks.truncate(lengths.locks);
        self.snapshots.truncate(lengths.snapshots);
        self.backdated.truncate(lengths.backdated);
        self.rings.truncate(lengths.rings);
        self.keep();
    }
}
