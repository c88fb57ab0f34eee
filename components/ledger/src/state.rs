//! The tables of the ledger.

use crate::checkpoint::Restoration;
use crate::codec::{AccountFlags, Rule};
use crate::rows::{
    AccountRow, AssetRow, Backdated, Detail, Extra, NONE, PLAIN, Ring, Snapshot, TransferRow, cost,
};
use crate::table::{Rows, Table};
use crate::undo::Undo;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::cell::RefCell;

/// How many bytes of rows and index the ledger holds at most, unless it is told: what a
/// 32-bit component can address, less half a GiB for commands and answers under way.
const MEMORY_MAX: u64 = 7 << 29;

/// The ledger.
#[derive(Debug, Default)]
pub struct Ledger {
    /// In a cell, because a dry run changes it and changes it back.
    pub(crate) state: RefCell<State>,
    /// The state that is being restored, until its last part has come.
    pub(crate) restoration: Option<Box<Restoration>>,
}

impl Ledger {
    /// An empty ledger with another bound on memory. Every instance that applies one log
    /// needs the same bound, as what comes after it is refused.
    pub fn with_memory_max(bytes: u64) -> Self {
        let state = State { memory_max: bytes, ..State::default() };
        Self { state: RefCell::new(state), restoration: None }
    }
}

/// Everything that the log's commands have made.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) assets: Table<AssetRow>,
    pub(crate) accounts: Table<AccountRow>,
    pub(crate) extras: Rows<Extra>,
    pub(crate) transfers: Table<TransferRow>,
    pub(crate) details: Rows<Detail>,
    /// The conditions of locked holds.
    pub(crate) locks: Rows<[u8; 32]>,
    pub(crate) snapshots: Rows<Snapshot>,
    pub(crate) backdated: Rows<Backdated>,
    pub(crate) rings: Rows<Ring>,
    pub(crate) rules: Vec<Rule>,
    /// The SHA-256 of the rules; zeros if none were ever set.
    pub(crate) rules_digest: [u8; 32],
    /// The accounts whose normal balance is a debit, by asset. It follows from the accounts.
    pub(crate) owing: BTreeSet<(u32, u32)>,
    /// The open holds that expire, by deadline. It follows from the details.
    pub(crate) due: BTreeSet<(u64, u32)>,
    pub(crate) undo: Undo,
    /// The position of the last command.
    pub(crate) position: u64,
    /// The time of the last command.
    pub(crate) time: u64,
    pub(crate) memory_max: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            assets: Table::default(),
            accounts: Table::default(),
            extras: Rows::default(),
            transfers: Table::default(),
            details: Rows::default(),
            locks: Rows::default(),
            snapshots: Rows::default(),
            backdated: Rows::default(),
            rings: Rows::default(),
            rules: Vec::new(),
            rules_digest: [0; 32],
            owing: BTreeSet::new(),
            due: BTreeSet::new(),
            undo: Undo::default(),
            position: 0,
            time: 0,
            memory_max: MEMORY_MAX,
        }
    }
}

impl State {
    /// About how many bytes of memory are in use. It follows from the numbers of rows, so
    /// that every instance comes to the same.
    pub(crate) fn memory(&self) -> u64 {
        let rows = [
            (self.assets.len(), cost::ASSET),
            (self.accounts.len(), cost::ACCOUNT),
            (self.extras.len(), cost::EXTRA),
            (self.transfers.len(), cost::TRANSFER),
            (self.details.len(), cost::DETAIL),
            (self.locks.len(), cost::LOCK),
            (self.snapshots.len(), cost::SNAPSHOT),
            (self.backdated.len(), cost::BACKDATED),
            (self.rings.len(), cost::RING),
        ];
        rows.into_iter().map(|(count, cost)| u64::from(count) * cost).sum()
    }

    /// Whether a command with this many items fits, whatever they do. A command for which
    /// there is no room creates nothing, so that no item of it has to look.
    pub(crate) fn has_room(&self, items: usize) -> bool {
        let item = cost::ITEM_MAX + self.rules.len() as u64 * cost::RING;
        let wanted = (items as u64).saturating_mul(item).saturating_add(cost::ASSET);
        self.memory().saturating_add(wanted) <= self.memory_max
    }

    /// Appends an account; its number.
    pub(crate) fn push_account(&mut self, account: AccountRow) -> u32 {
        let number = self.accounts.push(account);
        if account.is(AccountFlags::DEBIT_NORMAL) {
            self.owing.insert((account.asset, number));
        }
        number
    }

    /// What an account has besides its row.
    pub(crate) fn extra(&self, account: &AccountRow) -> &Extra {
        if account.extra == NONE { &PLAIN } else { &self.extras[account.extra] }
    }

    /// The number of an account's extra row, which is made at the first need.
    pub(crate) fn make_extra(&mut self, account: u32) -> u32 {
        let known = self.accounts[account].extra;
        if known != NONE {
            return known;
        }
        let extra = self.extras.push(Extra { account, ..PLAIN });
        self.account_mut(account).extra = extra;
        extra
    }

    /// How much a transfer moved, held or released; zero for a refused one.
    pub(crate) fn amount(&self, transfer: &TransferRow) -> u128 {
        transfer.detail().map_or(transfer.amount.into(), |detail| self.details[detail].amount)
    }

    /// The number of a transfer's detail row, which is made at the first need.
    pub(crate) fn make_detail(&mut self, transfer: u32) -> u32 {
        let row = &self.transfers[transfer];
        if let Some(known) = row.detail() {
            return known;
        }
        let amount = row.amount.into();
        let detail = self.details.push(Detail { transfer, ..Detail::new(amount) });
        self.transfer_mut(transfer).set_detail(detail);
        detail
    }
}
