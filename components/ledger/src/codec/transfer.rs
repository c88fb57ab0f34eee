//! Transfers, and everything else that moves money.
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 16 | id |
//! | 16 | 16 | account to debit; for what follows another transfer, that one's id |
//! | 32 | 16 | account to credit; zero for what follows another transfer |
//! | 48 | 16 | amount |
//! | 64 | 48 | memo |
//! | 112 | 4 | timeout in seconds, of a hold |
//! | 116 | 4 | effective date, in days since the Unix epoch |
//! | 120 | 1 | [`Kind`] |
//! | 121 | 1 | [`Flags`] |
//! | 122 | 2 | code |
//! | 124 | 4 | zero |

use super::{ITEM_LENGTH, LOCK_LENGTH, MEMO_LENGTH, Malformed, Outcome, Writer};
use crate::hash;

/// What an item does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// Moves an amount from one account to another.
    #[default]
    Plain,
    /// Holds an amount of the debited account for the credited one, until it is posted or
    /// voided or, if it has a timeout, expires.
    Pending,
    /// Moves what a hold holds, or a part of it (amount zero: all), and releases the rest.
    Post,
    /// Releases what a hold holds.
    Void,
    /// Moves back exactly what its origin moved, once.
    Reverse,
    /// Moves back some of what its origin moved, by the receiver's will.
    Refund,
    /// Moves back some of what its origin moved, by a processor's word.
    Chargeback,
    /// Only in what queries find: the command that set an account's limits.
    Setting,
    /// Only in what queries find: the command that set the velocity rules.
    Rules,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::Plain,
        Self::Pending,
        Self::Post,
        Self::Void,
        Self::Reverse,
        Self::Refund,
        Self::Chargeback,
        Self::Setting,
        Self::Rules,
    ];

    /// The kind's number.
    pub fn code(self) -> u8 {
        match self {
            Self::Plain => 0,
            Self::Pending => 1,
            Self::Post => 2,
            Self::Void => 3,
            Self::Reverse => 4,
            Self::Refund => 5,
            Self::Chargeback => 6,
            Self::Setting => 7,
            Self::Rules => 8,
        }
    }

    /// The kind with this number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// Whether it moves money back.
    pub(crate) fn returns(self) -> bool {
        matches!(self, Self::Reverse | Self::Refund | Self::Chargeback)
    }

    /// Whether it names another transfer where others name the debited account.
    pub(crate) fn follows(self) -> bool {
        self.returns() || matches!(self, Self::Post | Self::Void)
    }

    /// Whether money moves, and is not only held or released.
    pub fn moves(self) -> bool {
        matches!(self, Self::Plain | Self::Post) || self.returns()
    }
}

/// How an item does it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// As it stands.
    pub const NONE: Self = Self(0);
    /// It succeeds or fails together with the next item.
    pub const LINKED: Self = Self(1);
    /// Moves or holds at most what the debited account can give.
    pub const BALANCING_DEBIT: Self = Self(2);
    /// Moves or holds at most what the credited account can take.
    pub const BALANCING_CREDIT: Self = Self(4);
    /// A hold whose memo starts with a SHA-256, or a post whose memo starts with its preimage.
    pub const LOCKED: Self = Self(8);

    /// The flags as a number.
    pub fn bits(self) -> u8 {
        self.0
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

    /// The flags that an item of this kind may have.
    fn allowed(kind: Kind) -> Self {
        match kind {
            Kind::Plain => Self(1 | 2 | 4),
            Kind::Pending => Self(1 | 2 | 4 | 8),
            Kind::Post => Self(1 | 8),
            _ => Self::LINKED,
        }
    }
}

/// Moves, holds, releases or moves back an amount.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Transfer {
    /// The transfer's id, which makes a repeat of it harmless.
    pub id: u128,
    /// The account that the amount leaves. For what follows another transfer (post, void,
    /// reverse, refund, chargeback) the id of that one.
    pub debit: u128,
    /// The account that the amount reaches; zero for what follows another transfer.
    pub credit: u128,
    /// How much, in the asset's minor units; for a balancing one at most. Zero for a void
    /// and a reversal, and for posting all of a hold.
    pub amount: u128,
    /// What the caller wants to find with it again. See [`Flags::LOCKED`].
    pub memo: Memo,
    /// After how many seconds of the log's time a hold expires; zero for never.
    pub timeout_s: u32,
    /// From which day on it counts, in days since the Unix epoch; zero for the log's. Not
    /// in the future, and at most [`super::BACKDATING_DAYS_MAX`] days back.
    pub effective_day: u32,
    /// What it does.
    pub kind: Kind,
    /// How it does it.
    pub flags: Flags,
    /// The caller's word for why; the ledger only filters by it.
    pub code: u16,
}

/// The bytes of a memo.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Memo(pub [u8; MEMO_LENGTH]);

impl Default for Memo {
    fn default() -> Self {
        Self([0; MEMO_LENGTH])
    }
}

impl core::fmt::Debug for Memo {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.escape_ascii().fmt(formatter)
    }
}

impl Transfer {
    /// A plain transfer.
    pub fn plain(id: u128, debit: u128, credit: u128, amount: u128) -> Self {
        Self { id, debit, credit, amount, ..Self::default() }
    }

    /// What follows another transfer, whose id comes second.
    pub fn following(kind: Kind, id: u128, origin: u128, amount: u128) -> Self {
        Self { id, debit: origin, amount, kind, ..Self::default() }
    }

    /// Reads a transfer.
    pub fn decode(bytes: &[u8; ITEM_LENGTH]) -> Result<Self, Malformed> {
        let (words, _) = bytes.as_chunks::<16>();
        let [id, debit, credit, amount, m0, m1, m2, end] = words else { return Err(Malformed::Length) };
        let mut memo = [0; MEMO_LENGTH];
        memo.copy_from_slice([*m0, *m1, *m2].as_flattened());
        let &[t0, t1, t2, t3, e0, e1, e2, e3, kind, flags, c0, c1, zeros @ ..] = end;
        let transfer = Self {
            id: u128::from_le_bytes(*id),
            debit: u128::from_le_bytes(*debit),
            credit: u128::from_le_bytes(*credit),
            amount: u128::from_le_bytes(*amount),
            memo: Memo(memo),
            timeout_s: u32::from_le_bytes([t0, t1, t2, t3]),
            effective_day: u32::from_le_bytes([e0, e1, e2, e3]),
            kind: Kind::from_code(kind).ok_or(Malformed::Field)?,
            flags: Flags(flags),
            code: u16::from_le_bytes([c0, c1]),
        };
        if zeros != [0; 4] || !transfer.fits() { Err(Malformed::Field) } else { Ok(transfer) }
    }

    /// Whether every field is one that an item of its kind may have.
    fn fits(&self) -> bool {
        let kind = self.kind;
        let known = !matches!(kind, Kind::Setting | Kind::Rules);
        let flags = Flags::allowed(kind).contains(self.flags);
        let timeout = self.timeout_s == 0 || kind == Kind::Pending;
        let effective = self.effective_day == 0 || kind.moves();
        // No id is zero, so that zero says that there is none.
        let named = self.id != 0 && self.debit != 0 && (self.credit == 0) == kind.follows();
        let amount = self.amount == 0 || !matches!(kind, Kind::Void | Kind::Reverse);
        known && flags && timeout && effective && named && amount
    }

    /// Why it is refused whatever the state is.
    pub(crate) fn fault(&self) -> Option<Outcome> {
        if self.amount == 0 && !matches!(self.kind, Kind::Post | Kind::Void | Kind::Reverse) {
            return Some(Outcome::ZeroAmount);
        }
        (!self.kind.follows() && self.debit == self.credit).then_some(Outcome::SameAccount)
    }

    /// The condition of a locked hold, or the preimage that a post shows.
    pub(crate) fn lock(&self) -> Option<[u8; LOCK_LENGTH]> {
        let locked = self.flags.contains(Flags::LOCKED);
        self.memo.0.first_chunk().copied().filter(|_| locked)
    }

    /// The transfer as it is sent.
    pub fn encode(&self) -> [u8; ITEM_LENGTH] {
        let mut bytes = [0; ITEM_LENGTH];
        let mut writer = Writer::with_capacity(ITEM_LENGTH);
        self.write(&mut writer);
        bytes.copy_from_slice(&writer.0);
        bytes
    }

    /// What the ledger tells a repeat by: see [`super::TransferView::fingerprint`].
    pub fn fingerprint(&self) -> u64 {
        hash::fingerprint(&self.encode())
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u128(self.id).u128(self.debit).u128(self.credit).u128(self.amount);
        writer.bytes(&self.memo.0).u32(self.timeout_s).u32(self.effective_day);
        writer.u8(self.kind.code()).u8(self.flags.bits()).u16(self.code).zeros::<4>();
    }
}
