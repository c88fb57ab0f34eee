//! Payments and what leaves, as their parties see them.

use super::money::{self, Move};
use super::record::{Capture, End, Phase, Record};
use crate::Error;
use crate::amount::Amount;
use crate::reference::id_text;
use serde::Serialize;
use vwp_core::Problem;
use vwp_processor::{DisputeState, MovementState, PaymentState};
use vwp_storage::Machines;

/// A payment as its parties see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PaymentInfo {
    /// The payment's id: 32 hexadecimal digits.
    pub payment_id: String,
    /// What has become of it.
    pub state: &'static str,
    /// Who is credited.
    pub payee: String,
    /// `code@world`.
    pub asset: String,
    /// How much was asked for, in minor units.
    pub amount: Amount,
    /// When the money is taken.
    pub capture: Capture,
    /// The adapter.
    pub processor: String,
    /// The currency that is paid in (ISO 4217).
    pub currency: String,
    /// When it was asked for, in milliseconds since the Unix epoch.
    pub created_at: u64,
    /// What the processor calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Where the payer has to go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_url: Option<String>,
    /// Why the last means of payment did not pay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decline: Option<String>,
    /// How much was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captured: Option<Amount>,
    /// How much went back, or is on its way.
    pub refunded: Amount,
    /// The transfer that credited the payee.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer_id: Option<String>,
    /// What went back.
    pub refunds: Vec<MovementInfo>,
    /// What the payer's bank says against it.
    pub disputes: Vec<DisputeInfo>,
}

/// A dispute, as the parties of the payment see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DisputeInfo {
    /// How much it is about, in minor units.
    pub amount: Amount,
    /// What has become of it.
    pub state: DisputeState,
    /// What the processor calls it.
    pub reference: String,
    /// The transfer that took the money from the payee again. It is missing while the payee has too little.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer_id: Option<String>,
    /// The transfer that gave it to the payee again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reinstating_id: Option<String>,
}

/// Money that leaves, as its parties see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MovementInfo {
    /// How much, in minor units.
    pub amount: Amount,
    /// What has become of it.
    pub state: &'static str,
    /// What the processor calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The transfer that holds it.
    pub hold_id: String,
    /// The transfer that paid it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer_id: Option<String>,
}

/// A payment as its parties see it.
pub(crate) async fn info(store: &impl Machines, record: &Record) -> Result<PaymentInfo, Error> {
    let mut refunds = Vec::new();
    for number in 0..record.phases.len() {
        refunds.extend(movement(store, record, number).await?);
    }
    let mut disputes = Vec::with_capacity(record.disputes.len());
    for (number, dispute) in record.disputes.iter().enumerate() {
        disputes.push(DisputeInfo {
            amount: Amount(dispute.amount.into()),
            state: dispute.state,
            reference: dispute.reference.clone(),
            transfer_id: money::made(store, record, number, Move::ChargeBack).await?.map(id_text),
            reinstating_id: money::made(store, record, number, Move::Reinstate).await?.map(id_text),
        });
    }
    let payment = record.payment.as_ref();
    let captured = record.captured;
    Ok(PaymentInfo {
        payment_id: id_text(record.id),
        state: state(record),
        payee: record.terms.owner.clone(),
        asset: record.terms.asset.clone(),
        amount: record.terms.amount,
        capture: record.terms.capture,
        processor: record.processor.clone(),
        currency: record.currency.clone(),
        created_at: record.created_at,
        reference: payment.map(|payment| payment.reference.clone()),
        redirect_url: payment.and_then(|payment| payment.redirect_url.clone()),
        decline: payment.and_then(|payment| payment.decline.clone()),
        captured,
        refunded: Amount(record.given()),
        transfer_id: money::made(store, record, 0, Move::Take).await?.map(id_text),
        refunds,
        disputes,
    })
}

/// What has become of a payment, in a word.
pub(crate) fn state(record: &Record) -> &'static str {
    let Some(payment) = &record.payment else {
        let is_refused = record.phases.first().is_some_and(|phase| phase.end.is_some());
        return if is_refused { "refused" } else { "new" };
    };
    match payment.state {
        PaymentState::Open => "open",
        PaymentState::ActionRequired => "action-required",
        PaymentState::Processing => "processing",
        PaymentState::Authorised => "authorised",
        PaymentState::Captured => "captured",
        PaymentState::Cancelled => "cancelled",
    }
}

/// What has become of what a phase moves out, in a word.
pub(crate) fn movement_state(phase: &Phase) -> &'static str {
    match (&phase.movement, &phase.end) {
        (Some(movement), _) if movement.state == MovementState::Done => "paid",
        (Some(movement), _) if movement.state == MovementState::Failed => "failed",
        (None, Some(end)) if *end != End::Done => "refused",
        _ => "pending",
    }
}

/// What a phase moves out, if it does.
pub(crate) async fn movement(
    store: &impl Machines,
    record: &Record,
    number: usize,
) -> Result<Option<MovementInfo>, Error> {
    let Some(phase) = record.phases.get(number).filter(|phase| phase.intent.act.gives()) else {
        return Ok(None);
    };
    Ok(Some(MovementInfo {
        amount: phase.intent.amount.ok_or_else(Problem::internal)?,
        state: movement_state(phase),
        reference: phase.movement.as_ref().map(|movement| movement.reference.clone()),
        hold_id: id_text(money::hold_id(record, number)),
        transfer_id: money::made(store, record, number, Move::Pay).await?.map(id_text),
    }))
}
