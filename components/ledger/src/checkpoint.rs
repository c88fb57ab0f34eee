//! The state as bytes, and back.
//!
//! A header of [`HEADER_LENGTH`] bytes, then the assets, the accounts and the
//! transfers, each in the order in which they were made and each of one size. So the
//! bytes at any offset follow from one row, and equal states have equal bytes.
//!
//! What is restored is believed only when it adds up: references resolve, ids are
//! unique, and folding the transfers again gives every account's debits and credits
//! and every asset's supply. The ledger stays as it was until the last part has come.

use crate::codec::{
    ANSWER_LENGTH, ASSET_LENGTH, AccountView, Answer, Asset, AssetView, Malformed, OWNER_LENGTH_MAX, Outcome,
    Reader, TRANSFER_LENGTH, Transfer, Writer,
};
use crate::state::{ACCOUNTS_MAX, ASSETS_MAX, Ledger, State, TRANSFERS_MAX, TransferRow};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// The length of a checkpoint's header.
pub const HEADER_LENGTH: usize = 64;
/// The version of this format.
pub const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"vwp-ledg";
const ASSET_ROW: usize = ASSET_LENGTH + 32;
const ACCOUNT_ROW: usize = 64 + OWNER_LENGTH_MAX + 8;
const TRANSFER_ROW: usize = TRANSFER_LENGTH + ANSWER_LENGTH;
const ROW_MAX: usize = 320;
const _: () = assert!(ASSET_ROW <= ROW_MAX && ACCOUNT_ROW <= ROW_MAX && TRANSFER_ROW <= ROW_MAX);

/// Why a checkpoint is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreError {
    /// The ledger holds something already.
    NotEmpty,
    /// The bytes are not a checkpoint of a ledger.
    NotACheckpoint,
    /// The checkpoint has another version than this ledger reads.
    Version,
    /// A row is malformed.
    Row,
    /// A row refers to something that is not there, or its id is taken.
    Reference,
    /// The sums are not those of the transfers.
    Sums,
    /// The checkpoint ends too early, or goes on after its end.
    Length,
}

impl core::fmt::Display for RestoreError {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str(match self {
            Self::NotEmpty => "the ledger is not empty",
            Self::NotACheckpoint => "not a checkpoint of a ledger",
            Self::Version => "the checkpoint has another version",
            Self::Row => "a row of the checkpoint is malformed",
            Self::Reference => "a row of the checkpoint refers to nothing, or its id is taken",
            Self::Sums => "the checkpoint's sums are not those of its transfers",
            Self::Length => "the checkpoint ends too early or too late",
        })
    }
}

impl core::error::Error for RestoreError {}

impl From<Malformed> for RestoreError {
    fn from(_: Malformed) -> Self {
        Self::Row
    }
}

impl Ledger {
    /// The checkpoint's bytes from `offset`, at most `length`; empty at its end.
    pub fn checkpoint(&self, offset: u64, length: u32) -> Vec<u8> {
        let mut part = Vec::new();
        let wanted = length as usize;
        let mut at = offset;
        while part.len() < wanted {
            let Some((row, skip)) = self.state.row_at(at) else { break };
            let rest = row.0.get(skip..).unwrap_or_default();
            let taken = rest.get(..wanted - part.len()).unwrap_or(rest);
            part.extend_from_slice(taken);
            at = at.saturating_add(taken.len() as u64);
        }
        part
    }

    /// Takes the next part of a checkpoint; an empty part ends it. After an error the
    /// ledger is as it was, and waits for a first part again.
    pub fn restore(&mut self, part: &[u8]) -> Result<(), RestoreError> {
        if !self.state.is_empty() {
            return Err(RestoreError::NotEmpty);
        }
        let mut restoration = self.restoration.take().unwrap_or_default();
        if part.is_empty() {
            self.state = restoration.finish()?;
        } else {
            restoration.take(part)?;
            self.restoration = Some(restoration);
        }
        Ok(())
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.position == 0 && self.assets.is_empty() && self.accounts.is_empty() && self.transfers.is_empty()
    }

    /// The row that holds the byte at `offset`, and where in the row that byte is.
    fn row_at(&self, offset: u64) -> Option<(Writer, usize)> {
        let mut row = Writer::with_capacity(ROW_MAX);
        let Some(offset) = offset.checked_sub(HEADER_LENGTH as u64) else {
            self.write_header(&mut row);
            return Some((row, usize::try_from(offset).ok()?));
        };
        let (number, skip, offset) = locate(offset, self.assets.len(), ASSET_ROW);
        if let Some(asset) = number.and_then(|number| self.assets.get(number)) {
            asset.asset.write(&mut row);
            row.u128(asset.supply).u64(asset.position).u64(asset.time);
            return Some((row, skip));
        }
        let (number, skip, offset) = locate(offset, self.accounts.len(), ACCOUNT_ROW);
        if let Some(account) = number.and_then(|number| self.accounts.get(number)) {
            write_account(account, &mut row);
            return Some((row, skip));
        }
        let (number, skip, _) = locate(offset, self.transfers.len(), TRANSFER_ROW);
        let transfer = self.transfers.get(number?)?;
        row.bytes(&transfer.bytes);
        transfer.answer.write(&mut row);
        Some((row, skip))
    }

    fn write_header(&self, row: &mut Writer) {
        row.bytes(&MAGIC).u32(VERSION).u32(self.assets.len()).u32(self.accounts.len());
        row.u32(self.transfers.len()).u64(self.position).u64(self.time).zeros::<24>();
    }
}

/// Which of `count` rows of `size` bytes holds a byte, and where in it; or the offset
/// that is left after all of them.
fn locate(offset: u64, count: u32, size: usize) -> (Option<u32>, usize, u64) {
    let size = size as u64;
    let section = u64::from(count) * size;
    match offset.checked_sub(section) {
        Some(left) => (None, 0, left),
        // Both fit: the quotient is below `count`, the remainder below `size`.
        None => (u32::try_from(offset / size).ok(), usize::try_from(offset % size).unwrap_or(0), 0),
    }
}

fn write_account(account: &AccountView, row: &mut Writer) {
    row.u128(account.id).u128(account.asset).u128(account.debits).u128(account.credits);
    row.bytes(account.owner.bytes()).u8(account.issuance.into()).zeros::<7>();
}

fn read_account(reader: &mut Reader<'_>) -> Result<AccountView, Malformed> {
    let (id, asset, debits, credits) = (reader.u128()?, reader.u128()?, reader.u128()?, reader.u128()?);
    let (owner, issuance) = (reader.text()?, reader.bool()?);
    reader.zeros::<7>()?;
    Ok(AccountView { id, asset, debits, credits, issuance, owner })
}

/// A checkpoint that is coming in.
#[derive(Debug, Default)]
pub(crate) struct Restoration {
    state: State,
    /// The start of a row whose end has not come yet.
    partial: Vec<u8>,
    counts: Option<Counts>,
    /// Per account, the debits and credits of the transfers that have come so far.
    sums: Vec<(u128, u128)>,
}

#[derive(Debug, Clone, Copy)]
struct Counts {
    assets: u32,
    accounts: u32,
    transfers: u32,
}

impl Restoration {
    fn take(&mut self, mut part: &[u8]) -> Result<(), RestoreError> {
        while !part.is_empty() {
            let size = self.row_size().ok_or(RestoreError::Length)?;
            let missing = size.saturating_sub(self.partial.len());
            let (now, later) = part.split_at_checked(missing).unwrap_or((part, &[]));
            part = later;
            self.partial.extend_from_slice(now);
            if self.partial.len() == size {
                let row = core::mem::take(&mut self.partial);
                self.row(&row)?;
                self.partial = row;
                self.partial.clear();
            }
        }
        Ok(())
    }

    /// The size of the next row; none if all have come.
    fn row_size(&self) -> Option<usize> {
        let Some(counts) = self.counts else {
            return Some(HEADER_LENGTH);
        };
        if self.state.assets.len() < counts.assets {
            Some(ASSET_ROW)
        } else if self.state.accounts.len() < counts.accounts {
            Some(ACCOUNT_ROW)
        } else {
            (self.state.transfers.len() < counts.transfers).then_some(TRANSFER_ROW)
        }
    }

    fn row(&mut self, row: &[u8]) -> Result<(), RestoreError> {
        let mut reader = Reader::new(row);
        let Some(counts) = self.counts else {
            return self.header(reader);
        };
        if self.state.assets.len() < counts.assets {
            let asset = Asset::decode(&reader.array::<ASSET_LENGTH>()?)?;
            let (supply, position, time) = (reader.u128()?, reader.u64()?, reader.u64()?);
            if self.state.assets.find(asset.id).is_some() {
                return Err(RestoreError::Reference);
            }
            self.state.assets.push(AssetView { asset, supply, position, time });
        } else if self.state.accounts.len() < counts.accounts {
            self.account(read_account(&mut reader)?)?;
        } else {
            let bytes = reader.array::<TRANSFER_LENGTH>()?;
            self.transfer(&bytes, Answer::read(&mut reader)?)?;
        }
        Ok(reader.end()?)
    }

    fn header(&mut self, mut reader: Reader<'_>) -> Result<(), RestoreError> {
        if reader.array()? != MAGIC {
            return Err(RestoreError::NotACheckpoint);
        }
        if reader.u32()? != VERSION {
            return Err(RestoreError::Version);
        }
        let counts = Counts { assets: reader.u32()?, accounts: reader.u32()?, transfers: reader.u32()? };
        if counts.assets > ASSETS_MAX || counts.accounts > ACCOUNTS_MAX || counts.transfers > TRANSFERS_MAX {
            return Err(RestoreError::Row);
        }
        (self.state.position, self.state.time) = (reader.u64()?, reader.u64()?);
        reader.zeros::<24>()?;
        reader.end()?;
        self.counts = Some(counts);
        Ok(())
    }

    fn account(&mut self, account: AccountView) -> Result<(), RestoreError> {
        let asset = self.state.assets.get_by_id(account.asset).ok_or(RestoreError::Reference)?;
        let issues = account.id == asset.asset.issuance;
        if self.state.accounts.find(account.id).is_some() || issues != account.issuance {
            return Err(RestoreError::Reference);
        }
        // Only what the transfers can add up to may come in, or balances would not be.
        let (larger, smaller) = if account.issuance {
            (account.debits, account.credits)
        } else {
            (account.credits, account.debits)
        };
        let balance = larger.checked_sub(smaller).ok_or(RestoreError::Sums)?;
        let capped = asset.asset.cap.is_some_and(|cap| asset.supply > cap);
        if account.issuance && (balance != asset.supply || capped) {
            return Err(RestoreError::Sums);
        }
        self.state.accounts.push(account);
        self.sums.push((0, 0));
        Ok(())
    }

    fn transfer(&mut self, bytes: &[u8; TRANSFER_LENGTH], answer: Answer) -> Result<(), RestoreError> {
        let transfer = Transfer::decode(bytes);
        if self.state.transfers.find(transfer.id).is_some() || answer.repeated {
            return Err(RestoreError::Reference);
        }
        self.state.transfers.push(TransferRow { bytes: *bytes, answer });
        if answer.outcome != Outcome::Created {
            return Ok(());
        }
        for (id, is_debit) in [(transfer.debit, true), (transfer.credit, false)] {
            let row = self.state.accounts.find(id).ok_or(RestoreError::Reference)?;
            let sums = self.sums.get_mut(row as usize).ok_or(RestoreError::Reference)?;
            let sum = if is_debit { &mut sums.0 } else { &mut sums.1 };
            *sum = sum.checked_add(transfer.amount).ok_or(RestoreError::Sums)?;
            if self.state.accounts.get(row).is_none_or(|account| account.asset != transfer.asset) {
                return Err(RestoreError::Reference);
            }
        }
        Ok(())
    }

    #[allow(clippy::boxed_local, reason = "it comes as the box that the ledger kept it in")]
    fn finish(self: Box<Self>) -> Result<State, RestoreError> {
        if self.counts.is_none() || self.row_size().is_some() || !self.partial.is_empty() {
            return Err(RestoreError::Length);
        }
        for asset in 0..self.state.assets.len() {
            let issuance = self.state.assets.get(asset).map(|asset| asset.asset.issuance);
            if issuance.and_then(|id| self.state.accounts.find(id)).is_none() {
                return Err(RestoreError::Reference);
            }
        }
        for (row, sums) in (0..self.state.accounts.len()).zip(&self.sums) {
            let account = self.state.accounts.get(row).map(|account| (account.debits, account.credits));
            if account != Some(*sums) {
                return Err(RestoreError::Sums);
            }
        }
        Ok(self.state)
    }
}
