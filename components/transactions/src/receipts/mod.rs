//! Receipts that prove themselves: a transfer, where it stands in the ledger's log, and the proof
//! that the log which the port signed has it there. docs/protocol/receipts.md describes them.

pub mod verify;

use crate::ledger::{self, MACHINE};
use crate::reference::parse_id;
use crate::transfers::{self, Receipt};
use crate::{Error, checkpoints};
use serde::{Deserialize, Serialize};
use vwp_core::caller::Caller;
use vwp_core::{Environment, Problem};
use vwp_ledger::codec::{Flags, Kind, Transfer};
use vwp_storage::{Kv, Machines};
use vwp_tlog::leaf::Blocks;
use vwp_tlog::proof::{Plan, verify_inclusion};
use vwp_tlog::receipt::{Evidence, LogProof};

/// The format of receipts.
pub const FORMAT: &str = "vwp-receipt-1";

/// A receipt with its proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvenReceipt {
    /// [`FORMAT`].
    pub format: String,
    /// What was transferred.
    pub transfer: Receipt,
    /// Where in its command the transfer is.
    pub place: Place,
    /// The proof that the command is in the log, and what of it is shown.
    pub evidence: Evidence,
}

/// Some bytes of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// How many bytes come before.
    pub offset: u64,
    /// How many bytes there are.
    pub length: u64,
}

/// Whether a transfer's bytes say what it did: not those of what follows another transfer, whose accounts
/// and asset are that one's, nor those that say only how much it may be at most.
pub(crate) fn is_provable(transfer: &Transfer) -> bool {
    let balancing = [Flags::BALANCING_DEBIT, Flags::BALANCING_CREDIT];
    matches!(transfer.kind, Kind::Plain | Kind::Pending)
        && !balancing.into_iter().any(|flag| transfer.flags.contains(flag))
}

/// Proves a transfer. Only the owners of its two accounts may ask.
pub async fn prove_transfer<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    caller: &Caller,
    id: &str,
) -> Result<ProvenReceipt, Error> {
    let transfer = transfers::get_transfer(store, caller, id).await?;
    let entry = store.entries(MACHINE, transfer.position, 1).await?.pop().ok_or_else(Problem::internal)?;
    let (made, bytes) = ledger::place(&entry.command, parse_id(id)?).ok_or_else(Problem::internal)?;
    if !is_provable(&made) {
        return Err(Error::NotProvable);
    }
    let checkpoint = checkpoints::covering(store, environment, transfer.position).await?;
    let command = Blocks::new(entry.time, &entry.command);
    let index = transfer.position.checked_sub(1).ok_or_else(Problem::internal)?;
    let plan = Plan::inclusion(index, checkpoint.head.size).ok_or_else(Problem::internal)?;
    let hashes = store.tree_nodes(MACHINE, plan.nodes()).await?;
    let path = plan.proof(&hashes).ok_or_else(Problem::internal)?;
    // What does not verify here would not verify anywhere: what is kept of the tree is damaged.
    let (head, leaf) = (&checkpoint.head, command.leaf().hash());
    verify_inclusion(index, &leaf, head.size, &head.root, &path).map_err(|_| {
        Problem::unavailable("the log's tree is damaged, until who runs this port makes it anew")
    })?;
    let proof = LogProof { index, path, checkpoint: checkpoint.note };
    let evidence = Evidence::new(&command, &bytes, &proof).ok_or_else(Problem::internal)?;
    let place = Place { offset: bytes.start, length: bytes.end - bytes.start };
    Ok(ProvenReceipt { format: FORMAT.to_owned(), transfer, place, evidence })
}
