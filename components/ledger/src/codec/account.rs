//! What opens accounts and sets their limits.

use super::{ITEM_LENGTH, Malformed, OWNER_LENGTH_MAX, Reader, Text, Writer};

/// What an account is and may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AccountFlags(u16);

impl AccountFlags {
    /// Nothing special: debits must not exceed credits.
    pub const NONE: Self = Self(0);
    /// It is its asset's issuance account.
    pub const ISSUANCE: Self = Self(1);
    /// Its normal balance is a debit: credits must not exceed debits.
    pub const DEBIT_NORMAL: Self = Self(2);
    /// Nothing may be debited.
    pub const FROZEN: Self = Self(4);
    /// Nothing may be debited or credited, ever again.
    pub const CLOSED: Self = Self(8);
    /// An opening has named its owner; without it, only a credit has opened it.
    pub const NAMED: Self = Self(16);

    const ALL: u16 = 31;

    /// The flags as a number.
    pub fn bits(self) -> u16 {
        self.0
    }

    /// The flags with this number; none if a bit has no meaning.
    pub fn from_bits(bits: u16) -> Option<Self> {
        (bits & !Self::ALL == 0).then_some(Self(bits))
    }

    /// Whether all of the others are among these.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These flags and the others.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These flags, and those others if they are wanted, else not.
    #[must_use]
    pub fn set(self, other: Self, wanted: bool) -> Self {
        if wanted { self.with(other) } else { Self(self.0 & !other.0) }
    }
}

/// Opens an account under its owner's name. A credit opens one too, without a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// The account's id.
    pub account: u128,
    /// The asset that it holds.
    pub asset: u128,
    /// Whose it is.
    pub owner: Text<OWNER_LENGTH_MAX>,
    /// What velocity rules call accounts of its sort.
    pub class: u16,
    /// [`AccountFlags::DEBIT_NORMAL`] or none.
    pub flags: AccountFlags,
}

impl Opening {
    /// An ordinary account of class 0.
    pub fn new(account: u128, asset: u128, owner: Text<OWNER_LENGTH_MAX>) -> Self {
        Self { account, asset, owner, class: 0, flags: AccountFlags::NONE }
    }

    /// Reads an opening.
    pub fn decode(bytes: &[u8; ITEM_LENGTH]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let (account, asset, owner) = (reader.u128()?, reader.u128()?, reader.text::<OWNER_LENGTH_MAX>()?);
        let (class, flags) = (reader.u16()?, AccountFlags(reader.u16()?));
        reader.zeros::<4>()?;
        reader.end()?;
        if account == 0 || owner.is_empty() || !AccountFlags::DEBIT_NORMAL.contains(flags) {
            return Err(Malformed::Field);
        }
        Ok(Self { account, asset, owner, class, flags })
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u128(self.account).u128(self.asset).bytes(self.owner.bytes());
        writer.u16(self.class).u16(self.flags.bits()).zeros::<4>();
    }
}

/// Sets everything about an account that can be set. The id makes a repeat harmless, so
/// that a copy which comes late on the network undoes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The setting's id; settings and transfers share one space of ids.
    pub id: u128,
    /// The account.
    pub account: u128,
    /// What must be left on it after a debit (after a credit, if it is debit-normal).
    pub minimum: u128,
    /// What it may hold after a credit; [`u128::MAX`] for no bound.
    pub maximum: u128,
    /// How far it may be overdrawn; zero if there is a minimum.
    pub overdraft: u128,
    /// Whether nothing may be debited.
    pub frozen: bool,
    /// Whether it is closed, for ever. It has to be empty and without open holds.
    pub closed: bool,
    /// What velocity rules call accounts of its sort.
    pub class: u16,
}

impl Setting {
    /// An account without limits beyond that debits must not exceed credits.
    pub fn new(id: u128, account: u128) -> Self {
        let (minimum, maximum, overdraft) = (0, u128::MAX, 0);
        Self { id, account, minimum, maximum, overdraft, frozen: false, closed: false, class: 0 }
    }

    /// Reads a setting.
    pub fn decode(bytes: &[u8; ITEM_LENGTH]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let (id, account) = (reader.u128()?, reader.u128()?);
        let (minimum, maximum, overdraft) = (reader.u128()?, reader.u128()?, reader.u128()?);
        let (frozen, closed, class) = (reader.bool()?, reader.bool()?, reader.u16()?);
        reader.zeros::<44>()?;
        reader.end()?;
        if id == 0 || account == 0 || (minimum != 0 && overdraft != 0) || minimum > maximum {
            return Err(Malformed::Field);
        }
        Ok(Self { id, account, minimum, maximum, overdraft, frozen, closed, class })
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u128(self.id).u128(self.account);
        writer.u128(self.minimum).u128(self.maximum).u128(self.overdraft);
        writer.u8(self.frozen.into()).u8(self.closed.into()).u16(self.class).zeros::<44>();
    }
}
