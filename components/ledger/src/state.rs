//! The tables of the ledger, and reading them.

use crate::checkpoint::Restoration;
use crate::codec::{
    self, AccountView, Answer, Asset, AssetView, OWNER_LENGTH_MAX, Query, TRANSFER_LENGTH, Text, Totals,
    Transfer, TransferView, encode_view,
};
use crate::table::{Row, Table};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// The most assets.
pub const ASSETS_MAX: u32 = 1 << 20;
/// The most accounts: together with the transfers they stay below the 4 GiB that a
/// 32-bit component can address.
pub const ACCOUNTS_MAX: u32 = 1 << 22;
/// The most recorded transfers.
pub const TRANSFERS_MAX: u32 = 1 << 24;

/// The ledger.
#[derive(Debug, Default)]
pub struct Ledger {
    pub(crate) state: State,
    /// The state that is being restored, until its last part has come.
    pub(crate) restoration: Option<Box<Restoration>>,
}

/// Everything that the log's commands have made.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) assets: Table<AssetView>,
    pub(crate) accounts: Table<AccountView>,
    pub(crate) transfers: Table<TransferRow>,
    /// The position of the last command.
    pub(crate) position: u64,
    /// The time of the last command.
    pub(crate) time: u64,
}

/// A transfer as it came, and what became of it. The bytes are kept as they are, so
/// that comparing a repeat with the first time is one comparison of memory.
#[derive(Debug)]
pub(crate) struct TransferRow {
    pub(crate) bytes: [u8; TRANSFER_LENGTH],
    pub(crate) answer: Answer,
}

impl Row for AssetView {
    fn id(&self) -> u128 {
        self.asset.id
    }
}

impl Row for AccountView {
    fn id(&self) -> u128 {
        self.id
    }
}

impl Row for TransferRow {
    fn id(&self) -> u128 {
        self.bytes.first_chunk::<16>().map_or(0, |id| u128::from_le_bytes(*id))
    }
}

impl AssetView {
    /// How much more may be issued.
    pub fn issuable(&self) -> u128 {
        self.asset.cap.unwrap_or(u128::MAX).saturating_sub(self.supply)
    }
}

impl AccountView {
    /// An account that nothing has moved through.
    pub(crate) fn new(id: u128, asset: u128, owner: Text<OWNER_LENGTH_MAX>) -> Self {
        Self { id, asset, debits: 0, credits: 0, issuance: false, owner }
    }

    /// What the account holds. For an issuance account this is what was issued, which
    /// it owes.
    pub fn balance(&self) -> u128 {
        // The smaller side never exceeds the larger one: `apply` sees to it.
        if self.issuance {
            self.debits.saturating_sub(self.credits)
        } else {
            self.credits.saturating_sub(self.debits)
        }
    }
}

impl Ledger {
    /// Answers a question about the state, without changing it.
    pub fn query(&self, query: &[u8]) -> Vec<u8> {
        let state = &self.state;
        match codec::decode_query(query) {
            Ok(Query::Asset(id)) => encode_view(state.assets.get_by_id(id)),
            Ok(Query::Account(id)) => encode_view(state.accounts.get_by_id(id)),
            Ok(Query::Transfer(id)) => encode_view(state.transfer(id).as_ref()),
            Ok(Query::Totals) => encode_view(Some(&state.totals())),
            Err(reason) => codec::malformed_query(reason),
        }
    }
}

impl State {
    fn transfer(&self, id: u128) -> Option<TransferView> {
        let row = self.transfers.get_by_id(id)?;
        let transfer = Transfer::decode(&row.bytes);
        let owner = |id| self.accounts.get_by_id(id).map_or(Text::EMPTY, |account| account.owner);
        Some(TransferView {
            transfer,
            answer: row.answer,
            debit_owner: owner(transfer.debit),
            credit_owner: owner(transfer.credit),
            asset_name: self.assets.get_by_id(transfer.asset).map_or(Text::EMPTY, |view| view.asset.name),
        })
    }

    fn totals(&self) -> Totals {
        Totals {
            assets: self.assets.len().into(),
            accounts: self.accounts.len().into(),
            transfers: self.transfers.len().into(),
            position: self.position,
            time: self.time,
        }
    }

    /// The issuance account of an asset.
    pub(crate) fn issuance_account(asset: &Asset) -> AccountView {
        // A name has at most 80 bytes and the prefix nine, so they fit.
        let owner = Text::concat(&["issuance:", asset.name.as_str()]).unwrap_or(Text::EMPTY);
        AccountView { issuance: true, ..AccountView::new(asset.issuance, asset.id, owner) }
    }
}
