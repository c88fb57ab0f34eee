//! What arbiters and approvers decided about milestones.
//!
//! A vote is a record that is written once. Who writes one counts all of them afterwards, so the last of
//! those who are needed sees the others, and moves the money; if the port ends in between, any repeat does.

use super::state::{Act, Escrow, State};
use super::terms::Approver;
use crate::Error;
use crate::reference::id_text;
use serde::{Deserialize, Serialize};
use vwp_core::Problem;
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Write};

/// What is decided about a milestone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// The payee gets it.
    Release,
    /// The payer gets it back.
    Refund,
}

impl Decision {
    pub(crate) fn act(self) -> Act {
        match self {
            Self::Release => Act::Release,
            Self::Refund => Act::Refund,
        }
    }

    /// What a milestone is once this was done.
    pub(crate) fn state(self) -> State {
        match self {
            Self::Release => State::Released,
            Self::Refund => State::Refunded,
        }
    }
}

/// How many have decided what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// The milestone is to be released.
    pub release: usize,
    /// It is to go back.
    pub refund: usize,
}

impl Tally {
    pub(crate) fn of(self, decision: Decision) -> usize {
        match decision {
            Decision::Release => self.release,
            Decision::Refund => self.refund,
        }
    }
}

/// Who decides about a milestone as it is now, and how many have to agree. An arbiter waits for a dispute.
pub(crate) fn judges(escrow: &Escrow, state: State) -> (Vec<Approver>, usize) {
    match state {
        State::Disputed => escrow.terms.judges(),
        State::Funded if escrow.terms.arbiter.is_none() => escrow.terms.judges(),
        _ => (Vec::new(), 0),
    }
}

/// Keeps a vote, and says whether enough agree. A vote is never changed.
pub(crate) async fn cast(
    store: &impl Kv,
    escrow: &Escrow,
    number: usize,
    judge: usize,
    decision: Decision,
) -> Result<bool, Error> {
    let state = escrow.milestones.get(number).ok_or_else(Problem::internal)?.state;
    let key = vote_key(escrow.id, number, state, judge);
    let value = serde_json::to_vec(&decision).map_err(|_| Problem::internal())?;
    store.commit(&[Check::absent(key.clone())], &[Write::put(key.clone(), value)]).await?;
    let kept = store.get(&key).await?.ok_or_else(Problem::internal)?;
    let kept: Decision = serde_json::from_slice(&kept.value).map_err(|_| Problem::internal())?;
    if kept != decision {
        return Err(Error::EscrowSettled("the caller has decided otherwise about this milestone"));
    }
    let (_, wanted) = judges(escrow, state);
    Ok(tally(store, escrow, number).await?.is_some_and(|tally| tally.of(decision) >= wanted))
}

/// How many have decided what about a milestone as it is now; none if nobody may.
pub(crate) async fn tally(store: &impl Kv, escrow: &Escrow, number: usize) -> Result<Option<Tally>, Error> {
    let state = escrow.milestones.get(number).ok_or_else(Problem::internal)?.state;
    let (judges, _) = judges(escrow, state);
    if judges.is_empty() {
        return Ok(None);
    }
    let keys: Vec<Vec<u8>> =
        (0..judges.len()).map(|judge| vote_key(escrow.id, number, state, judge)).collect();
    let mut tally = Tally::default();
    for entry in store.get_many(&keys).await?.into_iter().flatten() {
        match serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())? {
            Decision::Release => tally.release += 1,
            Decision::Refund => tally.refund += 1,
        }
    }
    Ok(Some(tally))
}

/// Keeps the preimage that the payee showed, so that the payer learns it.
pub(crate) async fn keep_preimage(store: &impl Kv, escrow: u128, preimage: &str) -> Result<(), Error> {
    store.commit(&[], &[Write::put(preimage_key(escrow), preimage)]).await?;
    Ok(())
}

/// The preimage that the payee showed.
pub(crate) async fn preimage(store: &impl Kv, escrow: u128) -> Result<Option<String>, Error> {
    let entry = store.get(&preimage_key(escrow)).await?;
    Ok(entry.and_then(|entry| String::from_utf8(entry.value).ok()))
}

fn vote_key(escrow: u128, number: usize, state: State, judge: usize) -> Vec<u8> {
    let account = if state == State::Disputed { "disputed" } else { "held" };
    format!("transactions/escrow-vote/{}/{number}/{account}/{judge}", id_text(escrow)).into_bytes()
}

fn preimage_key(escrow: u128) -> Vec<u8> {
    format!("transactions/escrow-preimage/{}", id_text(escrow)).into_bytes()
}
