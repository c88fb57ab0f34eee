//! Payouts: money that leaves the port. The account's owner asks for one.

use super::actions::{prepared, require_place, required_key};
use super::phases::{advance, finish, look, minor, require_direct};
use super::record::{self, Act, Capture, Direct, Intent, Record, Terms};
use super::views::{MovementInfo, movement};
use crate::Error;
use crate::amount::Amount;
use crate::authority::require_owner;
use crate::reference::{Owner, caller_text, id_text, parse_id, payout_id};
use serde::{Deserialize, Serialize};
use vwp_core::caller::Caller;
use vwp_core::{Environment, Problem};
use vwp_processor::Processor;
use vwp_storage::{Kv, Machines};

/// What a caller asks for to be paid out.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPayout {
    /// What makes a repeat harmless: 1 to 128 visible ASCII characters.
    pub idempotency_key: Option<String>,
    /// Whose account pays; a traveller's own if it is left out.
    pub from: Option<String>,
    /// `code@world`.
    pub asset: String,
    /// How much, in minor units.
    pub amount: Amount,
    /// Where to, as the processor calls it.
    pub destination: String,
}

/// A payout as its owner sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PayoutInfo {
    /// The payout's id: 32 hexadecimal digits.
    pub payout_id: String,
    /// Whose account pays.
    pub from: String,
    /// `code@world`.
    pub asset: String,
    /// The adapter.
    pub processor: String,
    /// The currency that is paid out (ISO 4217).
    pub currency: String,
    /// Where to, as the processor calls it.
    pub destination: String,
    /// When it was asked for, in milliseconds since the Unix epoch.
    pub created_at: u64,
    /// How much, and what has become of it.
    #[serde(flatten)]
    pub movement: MovementInfo,
}

/// Pays out, and says whether it had been asked for before.
pub async fn create<S: Kv + Machines>(
    store: &S,
    processor: &impl Processor,
    environment: &Environment<'_>,
    caller: &Caller,
    wanted: NewPayout,
) -> Result<(PayoutInfo, bool), Error> {
    let key = required_key(wanted.idempotency_key)?;
    let id = payout_id(caller, &key)?;
    let owner = Owner::named(caller, wanted.from.as_deref(), "from")?;
    require_owner(store, caller, &owner).await?;
    require_place(&wanted.destination, "destination")?;
    let NewPayout { asset, amount, destination, .. } = wanted;
    if amount.0 == 0 {
        return Err(Error::ZeroAmount);
    }
    minor(amount)?;
    let terms = Terms {
        direct: Direct::Payout,
        by: caller_text(caller),
        owner: owner.to_string(),
        asset,
        amount,
        capture: Capture::Automatic,
        destination: Some(destination),
    };
    let intent =
        Intent { act: Act::Payout, key, amount: Some(amount), payment_method: None, return_url: None };
    let (kept, is_new) = match record::stored(store, id).await? {
        Some(kept) if kept.terms == terms => (kept, false),
        Some(_) => return Err(Error::IdempotencyKeyReused),
        None => (prepared(store, environment, (id, terms), intent).await?, true),
    };
    let done = finish(store, processor, kept, (0, is_new)).await?;
    Ok((info(store, &done).await?, !is_new))
}

/// Reads a payout, which goes on first if something of it was broken off.
pub async fn get<S: Kv + Machines>(
    store: &S,
    processor: &impl Processor,
    caller: &Caller,
    id: &str,
) -> Result<PayoutInfo, Error> {
    let record = require_direct(record::stored(store, parse_id(id)?).await?, Direct::Payout)?;
    require_owner(store, caller, &record.owner()?).await?;
    let (record, _) = advance(store, processor, record, None).await?;
    let record = look(store, processor, record).await?;
    info(store, &record).await
}

/// A payout as its owner sees it.
pub(crate) async fn info(store: &impl Machines, record: &Record) -> Result<PayoutInfo, Error> {
    Ok(PayoutInfo {
        payout_id: id_text(record.id),
        from: record.terms.owner.clone(),
        asset: record.terms.asset.clone(),
        processor: record.processor.clone(),
        currency: record.currency.clone(),
        destination: record.terms.destination.clone().unwrap_or_default(),
        created_at: record.created_at,
        movement: movement(store, record, 0).await?.ok_or_else(Problem::internal)?,
    })
}
