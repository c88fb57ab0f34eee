//! Splits: an amount that goes to several, each a share of it, in one chain of transfers.
//!
//! The parts follow from the amount and the weights by largest remainder, and are all of the amount. The ids
//! of the transfers follow from the caller's key, as that of a single transfer does, so a repeat moves nothing.

use crate::amount::Amount;
use crate::authority::require_owner;
use crate::orders::{self, Accounts, Order, Parties, Wanted};
use crate::reference::{Owner, id_text, split_id};
use crate::shares::{SHARES_MAX, Share, parts, require_shares};
use crate::transfers::require_known_receiver;
use crate::{Error, ledger};
use serde::{Deserialize, Serialize};
use vwp_core::Problem;
use vwp_core::caller::Caller;
use vwp_core::digest::digest;
use vwp_ledger::codec::{Answer, Flags, Opening, Outcome, Transfer};
use vwp_storage::{Kv, Machines};

/// What a caller asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// What makes a repeat harmless: 1 to 128 visible ASCII characters.
    pub idempotency_key: String,
    /// The account to debit; a traveller's own if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What is split.
    pub asset: String,
    /// All that is split, in minor units.
    pub amount: Amount,
    /// Who gets which share: 1 to 64.
    pub shares: Vec<Share>,
    /// What the caller wants to find with it again: 1 to 48 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memo: Option<String>,
    /// The caller's word for why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
}

/// A split that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SplitInfo {
    /// The account that was debited.
    pub from: String,
    /// What was split.
    pub asset: String,
    /// All that was split, in minor units.
    pub amount: Amount,
    /// The chain's position in the ledger's log.
    pub position: u64,
    /// When it was made, in milliseconds since the Unix epoch.
    pub time: u64,
    /// The parts, in the order of the shares.
    pub parts: Vec<PartInfo>,
}

/// A part of a split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartInfo {
    /// The account that was credited.
    pub to: String,
    /// How much, in minor units.
    pub amount: Amount,
    /// The transfer; none if the part is of nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer_id: Option<String>,
}

/// Makes a split, and says whether it had been made before.
pub async fn split<S: Kv + Machines>(
    store: &S,
    caller: &Caller,
    wanted: &Split,
) -> Result<(SplitInfo, bool), Error> {
    orders::require_key(&wanted.idempotency_key)?;
    require_shares(&wanted.shares, SHARES_MAX)?;
    let id = split_id(caller, &wanted.idempotency_key)?;
    let amounts = parts(wanted.amount.0, &wanted.shares)?;
    let mut parties = Parties::default();
    let mut chain = Vec::with_capacity(amounts.len());
    let mut done = Vec::with_capacity(amounts.len());
    for (number, (share, amount)) in wanted.shares.iter().zip(amounts).enumerate() {
        let part = digest("vwp-split-part-v1", &[&id_text(id), &number.to_string()]);
        let order = order(wanted, &share.to, amount);
        let (moves, amount) = (amount != 0, Amount(amount));
        if moves {
            chain.push(orders::read(&mut parties, caller, part, &order)?);
        }
        done.push(PartInfo { to: share.to.clone(), amount, transfer_id: moves.then(|| id_text(part)) });
    }
    let answer = make(store, caller, wanted, chain).await?;
    let from = wanted.from.clone().or_else(|| Owner::own(caller).map(|owner| owner.to_string()));
    let from = from.unwrap_or_default();
    let (position, time) = (answer.position, answer.time);
    let (asset, amount) = (wanted.asset.clone(), wanted.amount);
    Ok((SplitInfo { from, asset, amount, position, time, parts: done }, answer.repeated))
}

/// The order for one part.
fn order(wanted: &Split, to: &str, amount: u128) -> Order {
    Order {
        from: wanted.from.clone(),
        to: Some(to.to_owned()),
        asset: Some(wanted.asset.clone()),
        amount: Some(Amount(amount)),
        memo: wanted.memo.clone(),
        code: wanted.code,
        ..Order::default()
    }
}

/// Has the ledger carry out a chain, whole or not at all; the answer to its first transfer.
async fn make<S: Kv + Machines>(
    store: &S,
    caller: &Caller,
    wanted: &Split,
    chain: Vec<Wanted>,
) -> Result<Answer, Error> {
    let last = chain.len().checked_sub(1).ok_or(Error::ZeroAmount)?;
    let (mut openings, mut transfers): (Vec<Opening>, Vec<Transfer>) = (Vec::new(), Vec::new());
    let mut gone = None;
    for (number, Wanted { accounts, transfer }) in chain.into_iter().enumerate() {
        let flags = if number == last { Flags::NONE } else { Flags::LINKED };
        transfers.push(Transfer { flags, ..transfer });
        let Accounts::Named { from, to } = accounts else { return Err(Problem::internal().into()) };
        if number == 0 {
            require_owner(store, caller, &from.owner).await?;
        }
        match require_known_receiver(store, &to.owner).await {
            Err(error @ (Error::UnknownWorld(_) | Error::UnknownTraveller(_))) => gone = Some(error),
            other => other?,
        }
        openings.extend(to.opening()?);
    }
    // A receiver may have gone since the first time: a repeat still gets its answer.
    let answers = match gone {
        None => created(store, &openings, &transfers).await?,
        Some(error) => known(store, &transfers).await?.ok_or(error)?,
    };
    let why =
        answers.iter().find(|answer| !matches!(answer.outcome, Outcome::Created | Outcome::LinkedFailed));
    for answer in why.into_iter().chain(&answers) {
        ledger::require_created(answer, &wanted.asset)?;
    }
    answers.into_iter().next().ok_or_else(|| Problem::internal().into())
}

async fn created(
    store: &impl Machines,
    openings: &[Opening],
    transfers: &[Transfer],
) -> Result<Vec<Answer>, Error> {
    match ledger::create_transfers(store, openings, transfers).await {
        Err(Error::OutcomeUnknown) => {
            let known = known(store, transfers).await.map_err(|_| Error::OutcomeUnknown)?;
            known.ok_or(Error::OutcomeUnknown)
        }
        other => other,
    }
}

/// What became of a chain, if it was sent before.
async fn known(store: &impl Machines, transfers: &[Transfer]) -> Result<Option<Vec<Answer>>, Error> {
    let mut answers = Vec::with_capacity(transfers.len());
    for transfer in transfers {
        match ledger::known_transfer(store, transfer).await? {
            Some(answer) => answers.push(answer),
            None => return Ok(None),
        }
    }
    Ok(Some(answers))
}
