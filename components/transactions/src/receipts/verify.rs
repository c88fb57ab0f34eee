//! Verifying a receipt offline: with the log's key and nothing else.

use super::{FORMAT, Place, ProvenReceipt, is_provable};
use crate::ledger;
use crate::orders::{self, Kind};
use crate::reference::{Owner, account_id, asset_name, parse_id};
use crate::transfers::{self, Receipt};
use vwp_ledger::codec::{HEADER_LENGTH, ITEM_LENGTH};
use vwp_tlog::checkpoint::Checkpoint;
use vwp_tlog::note::Verifier;
use vwp_tlog::receipt::{Proven, ReceiptError};

/// The longest receipt that is read, in bytes.
pub const RECEIPT_LENGTH_MAX: usize = 1_048_576;

/// A receipt that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What was transferred, as the command in the log has it.
    pub receipt: Receipt,
    /// The log that has the command.
    pub checkpoint: Checkpoint,
}

/// Why a receipt is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// It is not a receipt of this format.
    #[error("not a receipt of the format {FORMAT}: {0}")]
    Malformed(String),
    /// What it shows is not proved to be in the log.
    #[error(transparent)]
    Proof(#[from] ReceiptError),
    /// The command in the log says something else than the receipt does.
    #[error("the command in the log has another {0} than the receipt")]
    Differs(&'static str),
}

/// Verifies a receipt with keys of the log: that the log has the command, and that the command
/// makes the transfer that the receipt describes.
pub fn verify(text: &str, known: &[Verifier]) -> Result<Verified, VerifyError> {
    let malformed = |what: &str| VerifyError::Malformed(what.to_owned());
    if text.len() > RECEIPT_LENGTH_MAX {
        return Err(malformed("it is too long"));
    }
    let read: ProvenReceipt = serde_json::from_str(text).map_err(|error| malformed(&error.to_string()))?;
    if read.format != FORMAT {
        return Err(malformed("it has another format"));
    }
    let proven = read.evidence.verify(known)?;
    let bytes = shown(&proven, read.place).ok_or_else(|| malformed("the transfer's bytes are not shown"))?;
    require_same(&read.transfer, &proven, bytes)?;
    // What became of it since is the port's word, and not in the command.
    let receipt = Receipt { hold: None, returned: None, ..read.transfer };
    Ok(Verified { receipt, checkpoint: proven.checkpoint })
}

/// The bytes at a place of the command, if they were shown and it is one of a transfer: they are the
/// last of a command. At another place a memo could look like one.
fn shown(proven: &Proven, place: Place) -> Option<&[u8]> {
    let after = proven.leaf.length.checked_sub(place.offset.checked_add(place.length)?)?;
    if after % ITEM_LENGTH as u64 != 0 || place.offset < HEADER_LENGTH as u64 {
        return None;
    }
    let start = usize::try_from(place.offset.checked_sub(proven.offset)?).ok()?;
    let end = start.checked_add(usize::try_from(place.length).ok()?)?;
    proven.bytes.get(start..end)
}

/// Requires that the command makes this transfer. Accounts are in it by their ids, which follow from
/// their names and the asset's.
fn require_same(receipt: &Receipt, proven: &Proven, bytes: &[u8]) -> Result<(), VerifyError> {
    let malformed = |error: crate::Error| VerifyError::Malformed(error.to_string());
    let made = ledger::read_transfer(bytes)
        .ok_or_else(|| VerifyError::Malformed("the bytes shown are not a transfer".to_owned()))?;
    let asset = asset_name(&receipt.asset).map_err(malformed)?;
    let account = |owner: &str| owner.parse::<Owner>().map(|owner| account_id(&owner, &asset));
    let fields = [
        ("position", receipt.position == proven.position),
        ("time", receipt.time == proven.leaf.time),
        ("kind", is_provable(&made) && Kind::of_ledger(made.kind) == Some(receipt.kind)),
        ("transfer_id", made.id == parse_id(&receipt.transfer_id).map_err(malformed)?),
        ("from", made.debit == account(&receipt.from).map_err(malformed)?),
        ("to", made.credit == account(&receipt.to).map_err(malformed)?),
        ("amount", made.amount == receipt.amount.0),
        ("memo", receipt.memo == orders::memo_of(&made)),
        ("code", receipt.code.unwrap_or_default() == made.code),
        ("effective_date", receipt.effective_date == orders::date_text(made.effective_day)),
        ("condition", receipt.condition == orders::condition_of(&made)),
        ("expires_at", receipt.expires_at == transfers::expires_at(&made, receipt.time)),
    ];
    match fields.into_iter().find(|(_, same)| !same) {
        Some((field, _)) => Err(VerifyError::Differs(field)),
        None => Ok(()),
    }
}
