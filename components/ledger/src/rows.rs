//! The rows that the tables hold.
//!
//! Rows refer to each other by number. What most accounts and transfers never need lies in
//! side tables: an [`Extra`] for an account with limits or holds, a [`Detail`] for a transfer
//! that is more than an amount below 2^64 moved now.

use crate::codec::{AccountFlags, Asset, HoldState, Kind, Outcome};
use crate::table::Row;

/// The number of no row.
pub(crate) const NONE: u32 = u32::MAX;
/// A hold's deadline that never comes.
pub(crate) const NEVER: u64 = 0;
/// Every this many entries an account's sums are noted: see `history`.
pub(crate) const SNAPSHOT_ENTRIES: u32 = 256;
/// Into how many parts a velocity rule's window is divided, and one more.
pub(crate) const SLOTS: usize = 8;

/// Where in the log something comes from, with a few bits of something else.
///
/// | bits | |
/// |---|---|
/// | 0-10 | what the row keeps there |
/// | 11-23 | item |
/// | 24-63 | position |
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Place(pub(crate) u64);

impl Place {
    const REST: u64 = 0x7ff;

    /// A position has at most 40 bits and an item 13: the first holds for ever at a million
    /// commands a second for twelve days, and for 34 years at a thousand.
    pub(crate) fn new(position: u64, item: u16) -> Self {
        Self(position << 24 | u64::from(item) << 11)
    }

    pub(crate) fn position(self) -> u64 {
        self.0 >> 24
    }

    #[allow(clippy::cast_possible_truncation, reason = "an item has 13 bits")]
    pub(crate) fn item(self) -> u16 {
        (self.0 >> 11) as u16 & 0x1fff
    }

    #[allow(clippy::cast_possible_truncation, reason = "the rest has 11 bits")]
    pub(crate) fn rest(self) -> u16 {
        (self.0 & Self::REST) as u16
    }

    pub(crate) fn with_rest(self, rest: u16) -> Self {
        Self(self.0 & !Self::REST | u64::from(rest))
    }
}

/// An asset, and where it was created.
#[derive(Debug, Clone)]
pub(crate) struct AssetRow {
    pub(crate) asset: Asset,
    /// The row of its issuance account.
    pub(crate) issuance: u32,
    pub(crate) position: u64,
    pub(crate) time: u64,
}

impl Row for AssetRow {
    fn id(&self) -> u128 {
        self.asset.id
    }
}

/// An account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct AccountRow {
    pub(crate) id: u128,
    pub(crate) debits: u128,
    pub(crate) credits: u128,
    pub(crate) asset: u32,
    /// Its newest entry.
    pub(crate) last: u32,
    /// Its newest snapshot.
    pub(crate) snapshot: u32,
    pub(crate) extra: u32,
    /// The fingerprint of what its opening says of it, of which 32 bits are enough: who finds
    /// another opening with the same ones is told that the account is open already.
    pub(crate) owner: u32,
    pub(crate) flags: AccountFlags,
    pub(crate) class: u16,
    /// Where it was opened, and how many entries it has since its newest snapshot.
    pub(crate) opened: Place,
}

const _: () = assert!(size_of::<AccountRow>() == 80);

impl Row for AccountRow {
    fn id(&self) -> u128 {
        self.id
    }
}

impl AccountRow {
    /// An account that nothing has moved through.
    pub(crate) fn new(id: u128, asset: u32, opened: Place) -> Self {
        Self {
            id,
            debits: 0,
            credits: 0,
            asset,
            last: NONE,
            snapshot: NONE,
            extra: NONE,
            owner: 0,
            flags: AccountFlags::NONE,
            class: 0,
            opened,
        }
    }

    pub(crate) fn is(&self, flags: AccountFlags) -> bool {
        self.flags.contains(flags)
    }
}

/// What an account with limits or holds has besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Extra {
    pub(crate) debits_pending: u128,
    pub(crate) credits_pending: u128,
    pub(crate) minimum: u128,
    /// [`u128::MAX`] for no bound.
    pub(crate) maximum: u128,
    pub(crate) overdraft: u128,
    pub(crate) account: u32,
    /// How many holds are open on it.
    pub(crate) holds: u32,
    /// Its newest entry that is dated back, in the table of those.
    pub(crate) backdated: u32,
    /// The first of its rings.
    pub(crate) rings: u32,
}

/// What an account has that has nothing besides.
pub(crate) const PLAIN: Extra = Extra {
    debits_pending: 0,
    credits_pending: 0,
    minimum: 0,
    maximum: u128::MAX,
    overdraft: 0,
    account: NONE,
    holds: 0,
    backdated: NONE,
    rings: NONE,
};

/// A transfer, a setting or a rule set: one line of a processor's cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct TransferRow {
    pub(crate) id: u128,
    pub(crate) fingerprint: u64,
    /// The amount; if it is detailed, the row of the detail.
    pub(crate) amount: u64,
    pub(crate) debit: u32,
    pub(crate) credit: u32,
    /// The debited account's entry before this one.
    pub(crate) debit_previous: u32,
    /// The credited account's entry before this one.
    pub(crate) credit_previous: u32,
    /// Where it comes from, its kind, its outcome and whether it is detailed.
    pub(crate) place: Place,
    /// The time in the upper 48 bits, and the code.
    pub(crate) time_code: u64,
}

const _: () = assert!(size_of::<TransferRow>() == 64);

impl Row for TransferRow {
    fn id(&self) -> u128 {
        self.id
    }
}

const DETAILED: u16 = 1 << 10;

impl TransferRow {
    pub(crate) fn kind(&self) -> Kind {
        Kind::from_code((self.place.rest() & 0xf) as u8).unwrap_or_default()
    }

    pub(crate) fn outcome(&self) -> Outcome {
        Outcome::from_code((self.place.rest() >> 4 & 0x3f) as u8).unwrap_or(Outcome::Malformed)
    }

    pub(crate) fn is_detailed(&self) -> bool {
        self.place.rest() & DETAILED != 0
    }

    /// The place with these in its rest.
    pub(crate) fn marked(place: Place, kind: Kind, outcome: Outcome, detailed: bool) -> Place {
        let marks = u16::from(kind.code()) | u16::from(outcome.code()) << 4;
        place.with_rest(marks | if detailed { DETAILED } else { 0 })
    }

    /// Makes this detail its detail.
    pub(crate) fn set_detail(&mut self, detail: u32) {
        self.amount = detail.into();
        self.place = self.place.with_rest(self.place.rest() | DETAILED);
    }

    /// The row of its detail.
    #[allow(clippy::cast_possible_truncation, reason = "what is detailed has a row's number there")]
    pub(crate) fn detail(&self) -> Option<u32> {
        self.is_detailed().then_some(self.amount as u32)
    }

    pub(crate) fn time(&self) -> u64 {
        self.time_code >> 16
    }

    #[allow(clippy::cast_possible_truncation, reason = "the code has 16 bits")]
    pub(crate) fn code(&self) -> u16 {
        self.time_code as u16
    }
}

/// What a transfer has that is more than an amount below 2^64 moved now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Detail {
    pub(crate) amount: u128,
    /// How much of it was moved back.
    pub(crate) returned: u128,
    /// When the hold expires, or [`NEVER`].
    pub(crate) deadline: u64,
    /// The transfer that this is of.
    pub(crate) transfer: u32,
    /// What it follows.
    pub(crate) origin: u32,
    /// What posted or voided the hold.
    pub(crate) settled_by: u32,
    /// The hold's condition.
    pub(crate) lock: u32,
    pub(crate) effective_day: u32,
    pub(crate) hold: Option<HoldState>,
    /// Whether it was reversed.
    pub(crate) reversed: bool,
}

const _: () = assert!(size_of::<Detail>() == 64);

impl Detail {
    pub(crate) fn new(amount: u128) -> Self {
        Self {
            amount,
            returned: 0,
            deadline: NEVER,
            transfer: NONE,
            origin: NONE,
            settled_by: NONE,
            lock: NONE,
            effective_day: 0,
            hold: None,
            reversed: false,
        }
    }
}

/// A link of a chain of rows that belong to one account: see `history`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    /// The one before this.
    pub(crate) previous: u32,
    /// One further back.
    pub(crate) jump: u32,
    /// How many there are up to this one.
    pub(crate) depth: u32,
}

/// An account's sums after an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Snapshot {
    pub(crate) debits: u128,
    pub(crate) credits: u128,
    pub(crate) link: Link,
    pub(crate) transfer: u32,
}

/// An entry that counts from an earlier day than the log's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backdated {
    pub(crate) link: Link,
    pub(crate) transfer: u32,
}

/// What left an account lately, in the parts of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Ring {
    pub(crate) amounts: [u128; SLOTS],
    pub(crate) counts: [u32; SLOTS],
    /// The part that the newest debit fell into, counted from the Unix epoch.
    pub(crate) part: u64,
    pub(crate) window_s: u32,
    pub(crate) account: u32,
    /// The account's next ring.
    pub(crate) next: u32,
}

/// About what a row costs, its place in the index at its largest included.
pub(crate) mod cost {
    use super::{Backdated, Detail, Extra, Ring, Snapshot};

    const INDEX: u64 = 22;
    pub(crate) const ASSET: u64 = 400 + INDEX;
    /// With what is kept of it while it is restored, as of the next two.
    pub(crate) const ACCOUNT: u64 = 80 + INDEX + 32;
    pub(crate) const TRANSFER: u64 = 64 + INDEX;
    pub(crate) const EXTRA: u64 = 2 * size_of::<Extra>() as u64;
    /// With the hold's place among those that expire.
    pub(crate) const DETAIL: u64 = 2 * size_of::<Detail>() as u64 + 40;
    pub(crate) const LOCK: u64 = 32;
    pub(crate) const SNAPSHOT: u64 = size_of::<Snapshot>() as u64;
    pub(crate) const BACKDATED: u64 = size_of::<Backdated>() as u64;
    pub(crate) const RING: u64 = size_of::<Ring>() as u64;
    /// The most that one item adds, without rings.
    pub(crate) const ITEM_MAX: u64 = ACCOUNT + TRANSFER + 2 * (EXTRA + DETAIL + SNAPSHOT + BACKDATED) + LOCK;
}
