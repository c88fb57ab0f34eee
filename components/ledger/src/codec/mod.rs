//! Commands, answers and queries as bytes. Everything has a fixed size and is
//! little-endian; every message starts with a header of [`HEADER_LENGTH`] bytes:
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 1 | kind |
//! | 1 | 1 | [`VERSION`] |
//! | 2 | 2 | code: why a command is malformed, whether a query found something |
//! | 4 | 4 | openings in a batch |
//! | 8 | 4 | transfers in a batch |
//! | 12 | 4 | zero |
//!
//! Decoding is canonical: what decodes encodes to the same bytes, so a message that
//! has anything in its unused bytes is malformed.

mod answer;
mod command;
mod query;
mod text;
mod wire;

pub use answer::{Answer, Outcome, Reply, decode_reply};
pub(crate) use answer::{encode_malformed, reply_header};
pub use command::{Asset, Command, Opening, Transfer, decode_command, encode_asset, encode_batch};
pub use query::{
    AccountView, AssetView, Query, Totals, TransferView, decode_account, decode_asset, decode_query,
    decode_totals, decode_transfer, encode_query,
};
pub(crate) use query::{encode_view, malformed_query};
pub use text::Text;
pub(crate) use wire::{Reader, Writer};

/// The version of this wire format.
pub const VERSION: u8 = 1;
/// The length of every message's header.
pub const HEADER_LENGTH: usize = 16;
/// The length of a transfer in a batch.
pub const TRANSFER_LENGTH: usize = 128;
/// The length of an opening in a batch.
pub const OPENING_LENGTH: usize = 128;
/// The length of an asset in the command that creates it.
pub const ASSET_LENGTH: usize = 256;
/// The length of one item's answer.
pub const ANSWER_LENGTH: usize = 24;
/// The most openings and transfers in one batch, together: what fits in the longest
/// command that a host takes (1,048,576 bytes).
pub const BATCH_ITEMS_MAX: usize = 8190;
/// The largest scale: how many decimal places an asset's minor unit stands for.
pub const SCALE_MAX: u8 = 18;

/// The longest asset name, `code@world`.
pub const NAME_LENGTH_MAX: usize = 80;
/// The longest owner of an account.
pub const OWNER_LENGTH_MAX: usize = 96;
/// The longest operator id.
pub const ISSUER_LENGTH_MAX: usize = 48;
/// The longest title of an asset.
pub const TITLE_LENGTH_MAX: usize = 72;
/// The bytes of a transfer that mean nothing to the ledger.
pub const USER_DATA_LENGTH: usize = 48;

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
