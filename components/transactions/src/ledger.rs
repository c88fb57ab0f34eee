//! Asking the ledger, and what to do when its answer is lost.
//!
//! A command whose outcome is unknown is never repeated blindly: its id is looked up
//! first. If it is there, what became of it is the answer. If not, it may still
//! arrive, and the caller is told that nobody knows yet; the same request sent again
//! is safe, because it has the same id.
//!
//! The ledger keeps what it computes with. Who owns an account and what a transfer's memo
//! says is in the log, at the place that the ledger names.

use crate::Error;
use std::collections::BTreeMap;
use std::ops::Range;
use vwp_core::Problem;
use vwp_ledger::codec::{
    self, AccountFlags, AccountView, Answer, Asset, AssetView, BalanceView, Command, HistoryQuery,
    HistoryView, Moment, Opening, Outcome, Query, Reply, Transfer, TransferView,
};
use vwp_storage::{Machines, StorageError};

/// The name that the ledger is replicated under.
pub const MACHINE: &str = "ledger";
/// How often the ledger may refuse what is to be done once. It is asked beforehand whether it would, so that
/// only what comes in between is refused.
const REFUSALS_MAX: u32 = 64;

/// Creates an asset, or finds that it exists with this definition or another.
pub async fn create_asset(store: &impl Machines, asset: &Asset) -> Result<Answer, Error> {
    match submit(store, codec::encode_asset(asset)).await {
        Err(Error::OutcomeUnknown) => {}
        other => return one(other?),
    }
    let known = self::asset(store, asset.id).await.map_err(|_| Error::OutcomeUnknown)?;
    let known = known.ok_or(Error::OutcomeUnknown)?;
    let outcome = if known.asset == *asset { Outcome::Created } else { Outcome::IdReused };
    Ok(Answer { outcome, repeated: false, position: known.position, time: known.time, amount: 0 })
}

/// Opens the credited account, unless it is one that is opened with its asset, and makes a
/// transfer.
pub async fn create_transfer(
    store: &impl Machines,
    opening: Option<&Opening>,
    transfer: &Transfer,
) -> Result<Answer, Error> {
    match create_transfers(store, opening.map_or(&[], std::slice::from_ref), &[*transfer]).await {
        Err(Error::OutcomeUnknown) => {}
        other => return one(other?),
    }
    let known = known_transfer(store, transfer).await.map_err(|_| Error::OutcomeUnknown)?;
    known.ok_or(Error::OutcomeUnknown)
}

/// Opens accounts and makes transfers, in one command; an answer for each transfer.
pub async fn create_transfers(
    store: &impl Machines,
    openings: &[Opening],
    transfers: &[Transfer],
) -> Result<Vec<Answer>, Error> {
    let command = codec::encode_batch(openings, transfers).map_err(|_| Problem::internal())?;
    let answers = submit(store, command).await?;
    if answers.len() == transfers.len() { Ok(answers) } else { Err(Problem::internal().into()) }
}

/// What the ledger would answer now, without doing any of it.
pub(crate) async fn try_transfers(
    store: &impl Machines,
    openings: &[Opening],
    transfers: &[Transfer],
) -> Result<Vec<Answer>, Error> {
    let query = codec::encode_dry_run(openings, transfers).map_err(|_| Problem::internal())?;
    match codec::decode_reply(&store.query(MACHINE, query).await?) {
        Ok(Reply::Answers { transfers, .. }) => Ok(transfers),
        Ok(Reply::Malformed(_)) | Err(_) => Err(Problem::internal().into()),
    }
}

/// How far something has come that the ledger is to do once.
pub(crate) struct Attempt {
    /// How often the ledger has refused it.
    pub(crate) refusals: u32,
    /// The id of the transfer that did it, or of the one that comes next.
    pub(crate) id: u128,
    /// The transfer that did it.
    pub(crate) made: Option<TransferView>,
}

/// Looks how far something has come whose id follows from what it is and from how often the ledger refused it
/// before, because what it refuses under an id it refuses for ever. None: it was refused too often.
pub(crate) async fn attempt(
    store: &impl Machines,
    id: impl Fn(u32) -> u128,
) -> Result<Option<Attempt>, Error> {
    for refusals in 0..REFUSALS_MAX {
        let id = id(refusals);
        let made = transfer(store, id).await?;
        if made.as_ref().is_none_or(|view| view.answer.outcome == Outcome::Created) {
            return Ok(Some(Attempt { refusals, id, made }));
        }
    }
    Ok(None)
}

/// What became of a transfer, if it was sent before.
pub async fn known_transfer(store: &impl Machines, wanted: &Transfer) -> Result<Option<Answer>, Error> {
    let known = transfer(store, wanted.id).await?;
    Ok(known.map(|known| {
        let same = known.fingerprint == wanted.fingerprint();
        let outcome = if same { known.answer.outcome } else { Outcome::IdReused };
        Answer { outcome, repeated: true, ..known.answer }
    }))
}

/// An asset by id.
pub async fn asset(store: &impl Machines, id: u128) -> Result<Option<AssetView>, Error> {
    let answer = store.query(MACHINE, codec::encode_query(Query::Asset(id))).await?;
    Ok(codec::decode_asset(&answer).map_err(|_| Problem::internal())?)
}

/// An account by id.
pub async fn account(store: &impl Machines, id: u128) -> Result<Option<AccountView>, Error> {
    let answer = store.query(MACHINE, codec::encode_query(Query::Account(id))).await?;
    Ok(codec::decode_account(&answer).map_err(|_| Problem::internal())?)
}

/// A transfer by id.
pub async fn transfer(store: &impl Machines, id: u128) -> Result<Option<TransferView>, Error> {
    let answer = store.query(MACHINE, codec::encode_query(Query::Transfer(id))).await?;
    Ok(codec::decode_transfer(&answer).map_err(|_| Problem::internal())?)
}

/// What was posted on an account up to a moment.
pub async fn balance(store: &impl Machines, id: u128, moment: Moment) -> Result<Option<BalanceView>, Error> {
    let answer = store.query(MACHINE, codec::encode_query(Query::Balance(id, moment))).await?;
    Ok(codec::decode_balance(&answer).map_err(|_| Problem::internal())?)
}

/// A page of an account's history.
pub async fn history(store: &impl Machines, query: HistoryQuery) -> Result<Option<HistoryView>, Error> {
    let answer = store.query(MACHINE, codec::encode_query(Query::History(query))).await?;
    Ok(codec::decode_history(&answer).map_err(|_| Problem::internal())?)
}

/// Reads a transfer from the bytes of a command at its [`place`].
pub fn read_transfer(bytes: &[u8]) -> Option<Transfer> {
    Transfer::decode(bytes.try_into().ok()?).ok()
}

/// A transfer that a command makes, and which of its bytes do.
pub fn place(command: &[u8], id: u128) -> Option<(Transfer, Range<u64>)> {
    let Ok(Command::CreateTransfers { transfers, .. }) = codec::decode_command(command) else {
        return None;
    };
    let decoded = transfers.iter().map(|bytes| Transfer::decode(bytes).ok());
    let (number, transfer) =
        decoded.enumerate().find_map(|(number, made)| Some((number, made.filter(|made| made.id == id)?)))?;
    // The transfers are the last of a command.
    let after = transfers.len().checked_sub(number)?.checked_mul(codec::ITEM_LENGTH)?;
    let start = command.len().checked_sub(after)? as u64;
    Some((transfer, start..start + codec::ITEM_LENGTH as u64))
}

/// A transfer as it was sent, from the log.
pub async fn logged_transfer(store: &impl Machines, view: &TransferView) -> Result<Transfer, Error> {
    transfer_at(store, view.id, (view.answer.position, view.item)).await
}

/// A transfer as it was sent, from the position and the item of the log that the ledger names.
pub async fn transfer_at(
    store: &impl Machines,
    id: u128,
    (position, item): (u64, u16),
) -> Result<Transfer, Error> {
    let command = command_at(store, position).await?;
    let Ok(Command::CreateTransfers { transfers, .. }) = codec::decode_command(&command) else {
        return Err(Problem::internal().into());
    };
    let bytes = transfers.get(usize::from(item)).ok_or_else(Problem::internal)?;
    let transfer = Transfer::decode(bytes).map_err(|_| Problem::internal())?;
    if transfer.id == id { Ok(transfer) } else { Err(Problem::internal().into()) }
}

/// Who owns an account, from the log; none if nobody has said so yet.
pub async fn owner_of(store: &impl Machines, id: u128) -> Result<Option<String>, Error> {
    let Some(view) = account(store, id).await?.filter(|view| view.flags.contains(AccountFlags::NAMED)) else {
        return Ok(None);
    };
    let command = command_at(store, view.position).await?;
    match codec::decode_command(&command) {
        Ok(Command::CreateAsset(asset)) => Ok(Some(format!("issuance:{}", asset.name.as_str()))),
        Ok(Command::CreateTransfers { openings, .. }) => {
            let bytes = openings.get(usize::from(view.item)).ok_or_else(Problem::internal)?;
            let opening = Opening::decode(bytes).map_err(|_| Problem::internal())?;
            Ok(Some(opening.owner.as_str().to_owned()))
        }
        _ => Err(Problem::internal().into()),
    }
}

/// Whose accounts are, each read from the log once.
#[derive(Debug, Default)]
pub(crate) struct Owners(BTreeMap<u128, String>);

impl Owners {
    /// Who owns an account; empty if nobody has said so yet.
    pub(crate) async fn of(&mut self, store: &impl Machines, id: u128) -> Result<String, Error> {
        if let Some(owner) = self.0.get(&id) {
            return Ok(owner.clone());
        }
        let owner = owner_of(store, id).await?.unwrap_or_default();
        self.0.insert(id, owner.clone());
        Ok(owner)
    }
}

async fn command_at(store: &impl Machines, position: u64) -> Result<Vec<u8>, Error> {
    let entry = store.entries(MACHINE, position, 1).await?.into_iter().next();
    let entry = entry.filter(|entry| entry.position == position).ok_or_else(Problem::internal)?;
    Ok(entry.command)
}

fn one(answers: Vec<Answer>) -> Result<Answer, Error> {
    answers.into_iter().next().ok_or_else(|| Problem::internal().into())
}

async fn submit(store: &impl Machines, command: Vec<u8>) -> Result<Vec<Answer>, Error> {
    let applied = store.submit(MACHINE, command).await.map_err(|error| match error {
        StorageError::Unknown(_) => Error::OutcomeUnknown,
        other => other.into(),
    })?;
    match codec::decode_reply(&applied.answer) {
        Ok(Reply::Answers { transfers, .. }) => Ok(transfers),
        Ok(Reply::Malformed(_)) | Err(_) => Err(Problem::internal().into()),
    }
}

/// What an outcome means to who asked for it, of this asset.
pub fn require_created(answer: &Answer, asset: &str) -> Result<(), Error> {
    match answer.outcome {
        Outcome::Created => Ok(()),
        Outcome::IdReused => Err(Error::IdempotencyKeyReused),
        // The account to credit is opened with the transfer, so only a missing asset leaves
        // both accounts unknown.
        Outcome::UnknownAsset | Outcome::UnknownAccount => Err(Error::UnknownAsset(asset.to_owned())),
        Outcome::SameAccount => Err(Error::SameAccount),
        Outcome::ZeroAmount => Err(Error::ZeroAmount),
        Outcome::ExceedsBalance | Outcome::ExceedsOverdraft | Outcome::BelowMinimum => {
            Err(Error::InsufficientFunds)
        }
        Outcome::ExceedsCap => Err(Error::ExceedsCap),
        Outcome::Overflow => Err(Error::Overflow),
        Outcome::Full => Err(Error::LedgerFull),
        Outcome::AccountFrozen => Err(Error::Forbidden("the account to debit is frozen".to_owned())),
        Outcome::AccountClosed => Err(Error::Forbidden("one of the accounts is closed".to_owned())),
        Outcome::ExceedsMaximum => {
            Err(Error::Forbidden("the account to credit would hold more than it may".to_owned()))
        }
        Outcome::VelocityExceeded => {
            Err(Error::Forbidden("more would leave the account than it may for now".to_owned()))
        }
        Outcome::UnknownTransfer => Err(Error::UnknownTransfer),
        Outcome::NotPending => Err(Error::NotPending("the transfer is not a hold")),
        Outcome::AlreadyPosted => Err(Error::NotPending("the hold was posted")),
        Outcome::AlreadyVoided => Err(Error::NotPending("the hold was voided")),
        Outcome::Expired => Err(Error::NotPending("the hold has expired")),
        Outcome::WrongPreimage => Err(Error::WrongPreimage),
        Outcome::NotReturnable => Err(Error::NotReturnable("the transfer did not move anything")),
        Outcome::AlreadyReversed => Err(Error::NotReturnable("the transfer was reversed")),
        Outcome::ExceedsPending | Outcome::ExceedsOrigin => Err(Error::ExceedsOrigin),
        Outcome::EffectiveDate => Err(Error::EffectiveDate),
        Outcome::LinkedFailed => Err(Error::LinkedFailed),
        Outcome::BadChain => {
            Err(Error::Invalid("a transfer is twice among those it is linked with".to_owned()))
        }
        // Account ids are made from the asset, items by the encoder, and nothing here asks for
        // what the others refuse: a fault of ours.
        _ => Err(Problem::internal().into()),
    }
}
