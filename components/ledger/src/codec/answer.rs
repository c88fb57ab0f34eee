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
    /// The two accounts hold different assets, or the account another one.
    WrongAsset,
    /// The transfer would go from an account to itself.
    SameAccount,
    /// The transfer would move nothing.
    ZeroAmount,
    /// The account holds less than the amount, holds deducted.
    ExceedsBalance,
    /// More would exist than the asset's cap allows, holds included.
    ExceedsCap,
    /// A total would no longer fit in 128 bits.
    Overflow,
    /// The ledger has no room for another row.
    Full,
    /// The item itself is malformed.
    Malformed,
    /// Neither account is there, or the one account that was named.
    UnknownAccount,
    /// The account would be overdrawn further than it may be.
    ExceedsOverdraft,
    /// Less than the account's minimum would be left on it.
    BelowMinimum,
    /// The account would hold more than its maximum.
    ExceedsMaximum,
    /// The account to debit is frozen.
    AccountFrozen,
    /// One of the accounts is closed.
    AccountClosed,
    /// Another item of its chain was refused.
    LinkedFailed,
    /// Its chain goes on past the end of the batch, is too long, or has an id twice.
    BadChain,
    /// No transfer has the id that it follows.
    UnknownTransfer,
    /// What it would post or void is not a hold.
    NotPending,
    /// The hold was posted before.
    AlreadyPosted,
    /// The hold was voided before.
    AlreadyVoided,
    /// The hold has expired.
    Expired,
    /// The hold holds less than the amount.
    ExceedsPending,
    /// The hold is locked and this is not the preimage, or it is not locked.
    WrongPreimage,
    /// What it would move back is not something that was moved.
    NotReturnable,
    /// Its origin was reversed before.
    AlreadyReversed,
    /// More would be moved back than its origin moved.
    ExceedsOrigin,
    /// The effective date lies in the future, or too far back.
    EffectiveDate,
    /// A velocity rule forbids it for now.
    VelocityExceeded,
    /// The account to close holds something.
    NotEmpty,
    /// An issuance account has the limits that its asset gives it.
    LimitsFixed,
}

impl Outcome {
    const ALL: [Self; 33] = [
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
        Self::UnknownAccount,
        Self::ExceedsOverdraft,
        Self::BelowMinimum,
        Self::ExceedsMaximum,
        Self::AccountFrozen,
        Self::AccountClosed,
        Self::LinkedFailed,
        Self::BadChain,
        Self::UnknownTransfer,
        Self::NotPending,
        Self::AlreadyPosted,
        Self::AlreadyVoided,
        Self::Expired,
        Self::ExceedsPending,
        Self::WrongPreimage,
        Self::NotReturnable,
        Self::AlreadyReversed,
        Self::ExceedsOrigin,
        Self::EffectiveDate,
        Self::VelocityExceeded,
        Self::NotEmpty,
        Self::LimitsFixed,
    ];

    /// The outcome's number on the wire: its place in the declaration.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The outcome with this number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// What became of one item, and when. For a transfer, a setting or a rule set that was sent
/// before, with the same fields, everything is as it was the first time. The position and
/// time of an opening's or an asset's repeat are those of the repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// What became of it.
    pub outcome: Outcome,
    /// Whether it was sent before: `Created` and `repeated` mean that it existed.
    pub repeated: bool,
    /// The position in the log of the command that decided it.
    pub position: u64,
    /// The time of that command, in milliseconds since the Unix epoch; below 2^48.
    pub time: u64,
    /// How much was moved, held or released.
    pub amount: u128,
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The command is malformed as a whole; nothing changed.
    Malformed(Malformed),
    /// One answer per item, in order. The commands that create an asset, set an account or
    /// set the rules have one item, which is among the transfers here; a tick has none.
    Answers {
        /// The answers to the openings.
        openings: Vec<Answer>,
        /// The answers to the transfers.
        transfers: Vec<Answer>,
    },
}

impl Answer {
    pub(crate) fn write(&self, writer: &mut Writer) {
        // One append per answer: this is on the path of every transfer.
        let mut bytes = [0; ANSWER_LENGTH];
        let when = self.time << 16 | u64::from(self.repeated) << 8 | u64::from(self.outcome.code());
        let (words, _) = bytes.as_chunks_mut::<8>();
        if let [first, second, ..] = words {
            (*first, *second) = (when.to_le_bytes(), self.position.to_le_bytes());
        }
        if let Some(amount) = bytes.last_chunk_mut() {
            *amount = self.amount.to_le_bytes();
        }
        writer.bytes(&bytes);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let outcome = Outcome::from_code(reader.u8()?).ok_or(Malformed::Field)?;
        let repeated = reader.bool()?;
        let (low, high) = (reader.u32()?, reader.u16()?);
        let time = u64::from(high) << 32 | u64::from(low);
        Ok(Self { outcome, repeated, position: reader.u64()?, time, amount: reader.u128()? })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_reads_back_from_its_number() {
        for (code, outcome) in (0..).zip(Outcome::ALL) {
            assert_eq!((outcome.code(), Outcome::from_code(code)), (code, Some(outcome)));
        }
        assert_eq!(Outcome::from_code(33), None);
    }
}
