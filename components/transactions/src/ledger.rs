//! Asking the ledger, and what to do when its answer is lost.
//!
//! A command whose outcome is unknown is never repeated blindly: its id is looked up
//! first. If it is there, what became of it is the answer. If not, it may still
//! arrive, and the caller is told that nobody knows yet; the same request sent again
//! is safe, because it has the same id.

use crate::Error;
use std::ops::Range;
use vwp_core::Problem;
use vwp_ledger::codec::{self, AccountView, Answer, Asset, AssetView, Outcome, Query, Reply, TransferView};
use vwp_ledger::codec::{Command, Opening, Transfer};
use vwp_storage::{Machines, StorageError};

/// The name that the ledger is replicated under.
pub const MACHINE: &str = "ledger";

/// Creates an asset, or finds that it exists with this definition or another.
pub async fn create_asset(store: &impl Machines, asset: &Asset) -> Result<Answer, Error> {
    match submit(store, codec::encode_asset(asset)).await {
        Err(Error::OutcomeUnknown) => {}
        other => return other,
    }
    let known = self::asset(store, asset.id).await.map_err(|_| Error::OutcomeUnknown)?;
    let known = known.ok_or(Error::OutcomeUnknown)?;
    let outcome = if known.asset == *asset { Outcome::Created } else { Outcome::IdReused };
    Ok(Answer { outcome, repeated: false, position: known.position, time: known.time })
}

/// Opens the credited account and makes a transfer.
pub async fn create_transfer(
    store: &impl Machines,
    opening: &Opening,
    transfer: &Transfer,
) -> Result<Answer, Error> {
    let command = codec::encode_batch(std::slice::from_ref(opening), std::slice::from_ref(transfer));
    match submit(store, command.map_err(|_| Problem::internal())?).await {
        Err(Error::OutcomeUnknown) => {}
        other => return other,
    }
    let known = known_transfer(store, transfer).await.map_err(|_| Error::OutcomeUnknown)?;
    known.ok_or(Error::OutcomeUnknown)
}

/// What became of a transfer, if it was sent before.
pub async fn known_transfer(store: &impl Machines, wanted: &Transfer) -> Result<Option<Answer>, Error> {
    let known = transfer(store, wanted.id).await?;
    Ok(known.map(|known| {
        let same = known.transfer == *wanted;
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

/// Reads a transfer from the bytes of a command at its [`place`].
pub fn read_transfer(bytes: &[u8]) -> Option<Transfer> {
    Some(Transfer::decode(bytes.try_into().ok()?))
}

/// The bytes of a command that make this transfer.
pub fn place(command: &[u8], id: u128) -> Option<Range<u64>> {
    let Ok(Command::CreateTransfers { transfers, .. }) = codec::decode_command(command) else {
        return None;
    };
    let number = transfers.iter().position(|bytes| Transfer::decode(bytes).id == id)?;
    // The transfers are the last of a command.
    let after = transfers.len().checked_sub(number)?.checked_mul(codec::TRANSFER_LENGTH)?;
    let start = command.len().checked_sub(after)? as u64;
    Some(start..start + codec::TRANSFER_LENGTH as u64)
}

async fn submit(store: &impl Machines, command: Vec<u8>) -> Result<Answer, Error> {
    let applied = store.submit(MACHINE, command).await.map_err(|error| match error {
        StorageError::Unknown(_) => Error::OutcomeUnknown,
        other => other.into(),
    })?;
    match codec::decode_reply(&applied.answer) {
        Ok(Reply::Answers { transfers, .. }) => {
            Ok(transfers.first().copied().ok_or_else(Problem::internal)?)
        }
        Ok(Reply::Malformed(_)) | Err(_) => Err(Problem::internal().into()),
    }
}

/// What an outcome means to who asked for it, of this asset.
pub fn require_created(answer: &Answer, asset: &str) -> Result<(), Error> {
    match answer.outcome {
        Outcome::Created => Ok(()),
        Outcome::IdReused => Err(Error::IdempotencyKeyReused),
        Outcome::UnknownAsset => Err(Error::UnknownAsset(asset.to_owned())),
        Outcome::SameAccount => Err(Error::SameAccount),
        Outcome::ZeroAmount => Err(Error::ZeroAmount),
        Outcome::ExceedsBalance => Err(Error::InsufficientFunds),
        Outcome::ExceedsCap => Err(Error::ExceedsCap),
        Outcome::Overflow => Err(Error::Overflow),
        Outcome::Full => Err(Error::LedgerFull),
        // Account ids are made from the asset, and items by the encoder: a fault of ours.
        Outcome::WrongAsset | Outcome::Malformed => Err(Problem::internal().into()),
    }
}
