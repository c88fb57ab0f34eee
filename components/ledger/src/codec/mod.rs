//! Commands, answers and queries as bytes. Everything has a fixed size and is
//! little-endian; every message starts with a header of [`HEADER_LENGTH`] bytes:
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 1 | kind |
//! | 1 | 1 | [`VERSION`] |
//! | 2 | 1 | code: why a command is malformed, whether a query found something |
//! | 3 | 1 | zero |
//! | 4 | 4 | openings in a batch |
//! | 8 | 4 | transfers in a batch, rules in a set, items in a page |
//! | 12 | 4 | zero |
//!
//! Decoding is canonical: what decodes encodes to the same bytes, so a message that
//! has anything in its unused bytes is malformed. A message of another version is refused
//! as such, before anything else in it is looked at.

mod account;
mod answer;
mod asset;
mod command;
mod query;
mod rules;
mod text;
mod transfer;
mod views;
mod wire;

pub use account::{AccountFlags, Opening, Setting};
pub use answer::{Answer, Outcome, Reply, decode_reply};
pub(crate) use answer::{encode_malformed, reply_header};
pub use asset::{Asset, AssetKind};
pub use command::{
    Command, decode_command, encode_asset, encode_batch, encode_rules, encode_setting, encode_tick,
};
pub use query::{HistoryQuery, Moment, Order, Query, decode_query, encode_dry_run, encode_query};
pub use rules::{Rule, RuleSet, rules_digest};
pub use text::Text;
pub use transfer::{Flags, Kind, Memo, Transfer};
pub use views::{
    AccountView, AssetTotals, AssetView, BalanceView, EntryView, HistoryView, HoldState, PlaceView,
    RulesView, Sum, Totals, TransferView, UseView, VelocityView, decode_account, decode_asset,
    decode_asset_totals, decode_balance, decode_history, decode_place, decode_rules, decode_totals,
    decode_transfer, decode_velocity,
};
pub(crate) use views::{encode_view, malformed_query};
pub(crate) use wire::{Reader, Writer};

/// The version of this wire format.
pub const VERSION: u8 = 2;
/// The length of every message's header.
pub const HEADER_LENGTH: usize = 16;
/// The length of an item: a transfer, an opening or a setting.
pub const ITEM_LENGTH: usize = 128;
/// The length of a velocity rule.
pub const RULE_LENGTH: usize = 48;
/// The length of an asset in the command that creates it.
pub const ASSET_LENGTH: usize = 336;
/// The length of one item's answer.
pub const ANSWER_LENGTH: usize = 32;
/// The most openings and transfers in one batch, together: what fits in the longest
/// command that a host takes (1,048,576 bytes).
pub const BATCH_ITEMS_MAX: usize = 8190;
/// The most transfers in a chain.
pub const CHAIN_ITEMS_MAX: usize = 254;
/// The most velocity rules.
pub const RULES_MAX: usize = 64;
/// The longest window of a velocity rule, in seconds: 366 days.
pub const WINDOW_S_MAX: u32 = 366 * 86_400;
/// The most entries in a page of an account's history.
pub const PAGE_ENTRIES_MAX: u32 = 1000;
/// How many accounts a page of an asset's totals looks at.
pub const TOTALS_ACCOUNTS_MAX: u32 = 10_000;
/// How far back an effective date may lie, in days.
pub const BACKDATING_DAYS_MAX: u32 = 92;
/// The largest scale: how many decimal places an asset's minor unit stands for.
pub const SCALE_MAX: u8 = 18;

/// The longest asset name: a CAIP-19 asset id has at most 41 characters of chain, 9 of
/// namespace, 129 of reference and 79 of token, of which those in use have about 160.
pub const NAME_LENGTH_MAX: usize = 160;
/// The longest owner of an account.
pub const OWNER_LENGTH_MAX: usize = 88;
/// The longest operator id.
pub const ISSUER_LENGTH_MAX: usize = 48;
/// The longest title of an asset.
pub const TITLE_LENGTH_MAX: usize = 72;
/// The bytes of a transfer that the ledger does not look at, unless it is locked by a hash.
pub const MEMO_LENGTH: usize = 48;
/// The length of a hash lock's condition and of its preimage, at the start of the memo.
pub const LOCK_LENGTH: usize = 32;

/// Why bytes are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// Too short, too long, or of another length than the header says.
    Length,
    /// No message has this kind.
    Kind,
    /// Written in another version of this format.
    Version,
    /// A field has a value that it cannot have, or unused bytes are not zero.
    Field,
    /// More items than a batch may have.
    TooMany,
}

impl Malformed {
    /// The reason's number on the wire.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Length => 1,
            Self::Kind => 2,
            Self::Version => 3,
            Self::Field => 4,
            Self::TooMany => 5,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        [Self::Length, Self::Kind, Self::Version, Self::Field, Self::TooMany]
            .into_iter()
            .find(|reason| reason.code() == code)
    }
}

impl core::fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str(match self {
            Self::Length => "the message's length is wrong",
            Self::Kind => "no message has this kind",
            Self::Version => "the message has another version",
            Self::Field => "a field has a value that it cannot have",
            Self::TooMany => "the batch has too many items",
        })
    }
}

impl core::error::Error for Malformed {}
