//! Answers: what became of a command.

use super::wire::Header;
use super::{ANSWER_LENGTH, BATCH_ITEMS_MAX, HEADER_LENGTH, Malformed, Reader, Writer};
use alloc::vec::Vec;

const MALFORMED: u8 = 0;
const ANSWERS: u8 = 1;

/// What became of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the ledger.
    Created,
    /// The id belongs to an item with other fields. Nothing changed.
    IdReused,
    /// No asset has this id.
    UnknownAsset,
    /// One of the accounts holds another asset.
    WrongAsset,
    /// The transfer would go from an account to itself.
    SameAccount,
    /// The transfer would move nothing.
    ZeroAmount,
    /// The debited account holds less than the amount.
    ExceedsBalance,
    /// More would exist than the asset's cap allows.
    ExceedsCap,
    /// A total would no longer fit in 128 bits.
    Overflow,
    /// The ledger has no room for another row.
    Full,
    /// The item itself is malformed.
    Malformed,
}

impl Outcome {
    const ALL: [Self; 11] = [
        Self::Created,
        Self::IdReused,
        Self::UnknownAsset,
        Self::WrongAsset,
        Self::SameAccount,
        Self::ZeroAmount,
        Self::ExceedsBalance,
        Self::ExceedsCap,
        Self::Overflow,
        Self::Full,
        Self::Malformed,
    ];

    /// The outcome's number on the wire.
    pub fn code(self) -> u8 {
        match self {
            Self::Created => 0,
            Self::IdReused => 1,
            Self::UnknownAsset => 2,
            Self::WrongAsset => 3,
            Self::SameAccount => 4,
            Self::ZeroAmount => 5,
            Self::ExceedsBalance => 6,
            Self::ExceedsCap => 7,
            Self::Overflow => 8,
            Self::Full => 9,
            Self::Malformed => 10,
        }
    }

    /// The outcome with this number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// What became of one item, and when. For an item that was sent before, with the same
/// fields, the outcome, position and time are those of the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// What became of it.
    pub outcome: Outcome,
    /// Whether it was sent before: `Created` and `repeated` mean that it existed.
    pub repeated: bool,
    /// The position in the log of the command that decided it.
    pub position: u64,
    /// The time of that command.
    pub time: u64,
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The command is malformed as a whole; nothing changed.
    Malformed(Malformed),
    /// One answer per item, in order. The command that creates an asset has one item,
    /// which is among the transfers here.
    Answers {
        /// The answers to the openings.
        openings: Vec<Answer>,
        /// The answers to the transfers, or to the asset.
        transfers: Vec<Answer>,
    },
}

impl Answer {
    pub(crate) fn write(&self, writer: &mut Writer) {
        // One append per answer: this is on the path of every transfer.
        let mut bytes = [0; ANSWER_LENGTH];
        let [outcome, repeated, _, _, _, _, _, _, rest @ ..] = &mut bytes;
        *outcome = self.outcome.code();
        *repeated = self.repeated.into();
        rest.copy_from_slice([self.position.to_le_bytes(), self.time.to_le_bytes()].as_flattened());
        writer.bytes(&bytes);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let outcome = Outcome::from_code(reader.u8()?).ok_or(Malformed::Field)?;
        let repeated = reader.bool()?;
        reader.zeros::<6>()?;
        Ok(Self { outcome, repeated, position: reader.u64()?, time: reader.u64()? })
    }
}

/// The start of a reply, with room for the answers that follow.
pub(crate) fn reply_header(openings: usize, transfers: usize) -> Writer {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let capacity = HEADER_LENGTH + openings.saturating_add(transfers).saturating_mul(ANSWER_LENGTH);
    let mut writer = Writer::with_capacity(capacity);
    let (openings, transfers) = (count(openings), count(transfers));
    writer.header(Header { kind: ANSWERS, code: 0, openings, transfers });
    writer
}

/// The reply to a malformed command.
pub(crate) fn encode_malformed(reason: Malformed) -> Vec<u8> {
    let mut writer = Writer::with_capacity(HEADER_LENGTH);
    writer.header(Header { kind: MALFORMED, code: reason.code(), ..Header::default() });
    writer.0
}

/// Reads the answer to a command.
pub fn decode_reply(reply: &[u8]) -> Result<Reply, Malformed> {
    let (header, body) = Header::split(reply)?;
    match header.kind {
        MALFORMED => {
            let reason = Malformed::from_code(header.code).ok_or(Malformed::Field)?;
            Reader::new(body).end()?;
            Ok(Reply::Malformed(reason))
        }
        ANSWERS => {
            let (openings, transfers) = (header.openings as usize, header.transfers as usize);
            let items = openings.saturating_add(transfers);
            if items > BATCH_ITEMS_MAX {
                return Err(Malformed::TooMany);
            }
            if body.len() != items * ANSWER_LENGTH {
                return Err(Malformed::Length);
            }
            let mut reader = Reader::new(body);
            let mut take = |count| (0..count).map(|_| Answer::read(&mut reader)).collect();
            let openings: Result<Vec<_>, _> = take(openings);
            Ok(Reply::Answers { openings: openings?, transfers: take(transfers)? })
        }
        _ => Err(Malformed::Kind),
    }
}
