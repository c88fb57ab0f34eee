//! Every row of a checkpoint as bytes, and back.

use super::{HEADER_LENGTH, MAGIC, RestoreError, VERSION};
use crate::apply::TIME_MAX;
use crate::codec::{
    ASSET_LENGTH, AccountFlags, Asset, HoldState, Kind, Outcome, RULE_LENGTH, RULES_MAX, Reader, Writer,
};
use crate::rows::{AccountRow, AssetRow, Detail, Extra, NONE, PLAIN, Place, Ring, SLOTS, TransferRow};
use crate::state::State;

/// The parts of a checkpoint, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Header,
    Rules,
    Assets,
    Accounts,
    Extras,
    Locks,
    Details,
    Rings,
    Transfers,
}

impl Section {
    pub(super) const ALL: [Self; 9] = [
        Self::Header,
        Self::Rules,
        Self::Assets,
        Self::Accounts,
        Self::Extras,
        Self::Locks,
        Self::Details,
        Self::Rings,
        Self::Transfers,
    ];
    /// The longest row.
    pub(super) const ROW_MAX: usize = ASSET_LENGTH + 16;

    pub(super) fn row_length(self) -> usize {
        match self {
            Self::Header => HEADER_LENGTH,
            Self::Rules => RULE_LENGTH,
            Self::Assets => ASSET_LENGTH + 16,
            Self::Accounts => 72,
            Self::Extras => 88,
            Self::Locks => 32,
            Self::Details => 64,
            Self::Rings => 176,
            Self::Transfers => 56,
        }
    }

    pub(super) fn next(self) -> Option<Self> {
        Self::ALL.iter().copied().skip_while(|section| *section != self).nth(1)
    }
}

/// How many rows follow a header.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) rules: u32,
    pub(super) assets: u32,
    pub(super) accounts: u32,
    pub(super) extras: u32,
    pub(super) locks: u32,
    pub(super) details: u32,
    pub(super) rings: u32,
    pub(super) transfers: u32,
}

impl State {
    pub(super) fn write_row(&self, section: Section, row: u32, writer: &mut Writer) {
        match section {
            Section::Header => self.write_header(writer),
            Section::Rules => {
                if let Some(rule) = self.rules.get(row as usize) {
                    rule.write(writer);
                }
            }
            Section::Assets => {
                let asset = &self.assets[row];
                asset.asset.write(writer);
                writer.u64(asset.position).u64(asset.time);
            }
            Section::Accounts => write_account(&self.accounts[row], writer),
            Section::Extras => write_extra(&self.extras[row], writer),
            Section::Locks => {
                writer.bytes(&self.locks[row]);
            }
            Section::Details => write_detail(&self.details[row], writer),
            Section::Rings => write_ring(&self.rings[row], writer),
            Section::Transfers => write_transfer(&self.transfers[row], writer),
        }
    }

    fn write_header(&self, writer: &mut Writer) {
        writer.bytes(&MAGIC).u32(VERSION);
        for section in Section::ALL.into_iter().skip(1) {
            writer.u32(self.rows(section));
        }
        writer.u64(self.position).u64(self.time).bytes(&self.rules_digest).zeros::<4>();
    }
}

/// Reads a header into an empty state.
pub(super) fn read_header(reader: &mut Reader<'_>, state: &mut State) -> Result<Counts, RestoreError> {
    if reader.array()? != MAGIC {
        return Err(RestoreError::NotACheckpoint);
    }
    if reader.u32()? != VERSION {
        return Err(RestoreError::Version);
    }
    let counts = Counts {
        rules: reader.u32()?,
        assets: reader.u32()?,
        accounts: reader.u32()?,
        extras: reader.u32()?,
        locks: reader.u32()?,
        details: reader.u32()?,
        rings: reader.u32()?,
        transfers: reader.u32()?,
    };
    (state.position, state.time, state.rules_digest) = (reader.u64()?, reader.u64()?, reader.array()?);
    reader.zeros::<4>()?;
    let all = [counts.assets, counts.accounts, counts.extras, counts.locks, counts.details, counts.rings];
    let numbered = all.into_iter().chain([counts.transfers]).all(|count| count < NONE);
    if !numbered || counts.rules as usize > RULES_MAX || state.time > TIME_MAX {
        return Err(RestoreError::Row);
    }
    Ok(counts)
}

/// Reads an asset, whose issuance account has not come yet.
pub(super) fn read_asset(reader: &mut Reader<'_>) -> Result<AssetRow, RestoreError> {
    let asset = Asset::decode(&reader.array::<ASSET_LENGTH>()?)?;
    Ok(AssetRow { asset, issuance: NONE, position: reader.u64()?, time: reader.u64()? })
}

fn write_account(account: &AccountRow, writer: &mut Writer) {
    writer.u128(account.id).u128(account.debits).u128(account.credits);
    writer.u32(account.asset).u32(account.extra).u32(account.owner);
    writer.u16(account.flags.bits()).u16(account.class).u64(account.opened.with_rest(0).0);
}

pub(super) fn read_account(reader: &mut Reader<'_>) -> Result<AccountRow, RestoreError> {
    let (id, debits, credits) = (reader.u128()?, reader.u128()?, reader.u128()?);
    let (asset, extra, owner) = (reader.u32()?, reader.u32()?, reader.u32()?);
    let flags = AccountFlags::from_bits(reader.u16()?).ok_or(RestoreError::Row)?;
    let (class, opened) = (reader.u16()?, Place(reader.u64()?));
    if opened.rest() != 0 {
        return Err(RestoreError::Row);
    }
    Ok(AccountRow { debits, credits, extra, owner, flags, class, ..AccountRow::new(id, asset, opened) })
}

fn write_extra(extra: &Extra, writer: &mut Writer) {
    writer.u32(extra.account).u32(extra.holds);
    writer.u128(extra.debits_pending).u128(extra.credits_pending);
    writer.u128(extra.minimum).u128(extra.maximum).u128(extra.overdraft);
}

pub(super) fn read_extra(reader: &mut Reader<'_>) -> Result<Extra, RestoreError> {
    let (account, holds) = (reader.u32()?, reader.u32()?);
    let (debits_pending, credits_pending) = (reader.u128()?, reader.u128()?);
    let (minimum, maximum, overdraft) = (reader.u128()?, reader.u128()?, reader.u128()?);
    Ok(Extra { debits_pending, credits_pending, minimum, maximum, overdraft, account, holds, ..PLAIN })
}

fn write_detail(detail: &Detail, writer: &mut Writer) {
    writer.u128(detail.amount).u128(detail.returned).u64(detail.deadline);
    writer.u32(detail.transfer).u32(detail.origin).u32(detail.settled_by).u32(detail.lock);
    writer.u32(detail.effective_day).u8(HoldState::code(detail.hold)).u8(detail.reversed.into());
    writer.zeros::<2>();
}

pub(super) fn read_detail(reader: &mut Reader<'_>) -> Result<Detail, RestoreError> {
    let (amount, returned, deadline) = (reader.u128()?, reader.u128()?, reader.u64()?);
    let (transfer, origin, settled_by, lock) = (reader.u32()?, reader.u32()?, reader.u32()?, reader.u32()?);
    let effective_day = reader.u32()?;
    let (hold, reversed) = (HoldState::from_code(reader.u8()?)?, reader.bool()?);
    reader.zeros::<2>()?;
    Ok(Detail {
        amount,
        returned,
        deadline,
        transfer,
        origin,
        settled_by,
        lock,
        effective_day,
        hold,
        reversed,
    })
}

fn write_ring(ring: &Ring, writer: &mut Writer) {
    writer.u32(ring.account).u32(ring.window_s).u64(ring.part);
    for amount in ring.amounts {
        writer.u128(amount);
    }
    for count in ring.counts {
        writer.u32(count);
    }
}

pub(super) fn read_ring(reader: &mut Reader<'_>) -> Result<Ring, RestoreError> {
    let (account, window_s, part) = (reader.u32()?, reader.u32()?, reader.u64()?);
    let (mut amounts, mut counts) = ([0; SLOTS], [0; SLOTS]);
    for amount in &mut amounts {
        *amount = reader.u128()?;
    }
    for count in &mut counts {
        *count = reader.u32()?;
    }
    Ok(Ring { amounts, counts, part, window_s, account, next: NONE })
}

fn write_transfer(transfer: &TransferRow, writer: &mut Writer) {
    writer.u128(transfer.id).u64(transfer.fingerprint).u64(transfer.amount);
    writer.u32(transfer.debit).u32(transfer.credit).u64(transfer.place.0).u64(transfer.time_code);
}

pub(super) fn read_transfer(reader: &mut Reader<'_>) -> Result<TransferRow, RestoreError> {
    let row = TransferRow {
        id: reader.u128()?,
        fingerprint: reader.u64()?,
        amount: reader.u64()?,
        debit: reader.u32()?,
        credit: reader.u32()?,
        debit_previous: NONE,
        credit_previous: NONE,
        place: Place(reader.u64()?),
        time_code: reader.u64()?,
    };
    let rest = row.place.rest();
    let known = Kind::from_code((rest & 0xf) as u8).is_some();
    let answered = Outcome::from_code((rest >> 4 & 0x3f) as u8).is_some();
    if known && answered { Ok(row) } else { Err(RestoreError::Row) }
}
