//! Payments into the port's own wallet. A payer pays one from a wallet of its own, which is given the payment's URL.

use crate::api::{Api, place};
use crate::objects::{Incoming, KEY, Wallet};
use serde_json::{Value, json};
use vwp_core::Outbound;
use vwp_processor::{Fault, Payment, PaymentState};

/// What these are called in the URLs of a wallet.
pub(crate) const KIND: &str = "incoming-payments";
/// How long after its end a payment is waited for that may have come just before, in seconds: clocks differ.
const GRACE_S: u64 = 300;

/// What the adapter does with them: `list` shows those alone that it made itself.
pub(crate) fn access() -> Value {
    json!({"type": "incoming-payment", "actions": ["create", "complete", "read", "list"]})
}

/// Makes one, or finds the one that was made.
pub(crate) async fn create(
    api: &Api<'_, impl Outbound>,
    (key, is_repeat): (&str, bool),
    amount: u64,
    currency: &str,
) -> Result<Payment, Fault> {
    let own = api.own().await?;
    let amount = own.amount(amount, currency)?;
    let token = api.token(&own, access()).await?;
    if is_repeat {
        let found: Vec<Incoming> = api.marked((&own, KIND), &token, (KEY, key), None).await?;
        if let Some(made) = found.into_iter().next() {
            return payment(&made, api.now);
        }
    }
    let body = json!({"walletAddress": own.id, "incomingAmount": amount, "metadata": {KEY: key}});
    let made: Incoming = api.post(&own.collection(KIND), Some(&token), Some(&body)).await?;
    payment(&made, api.now)
}

/// What has become of one.
pub(crate) async fn read(api: &Api<'_, impl Outbound>, reference: &str) -> Result<Payment, Fault> {
    let own = api.own().await?;
    let url = of(&own, KIND, reference)?;
    let token = api.token(&own, access()).await?;
    payment(&api.get(url, &token).await?, api.now)
}

/// Lets nothing more come in. What came in before is taken.
pub(crate) async fn complete(api: &Api<'_, impl Outbound>, reference: &str) -> Result<Payment, Fault> {
    let own = api.own().await?;
    let url = of(&own, KIND, reference)?;
    let token = api.token(&own, access()).await?;
    let known: Incoming = api.get(url, &token).await?;
    if known.completed {
        return payment(&known, api.now);
    }
    payment(&api.post(&format!("{url}/complete"), Some(&token), None).await?, api.now)
}

/// Requires that something is the own wallet's, because the port's tokens are for that one alone.
pub(crate) fn of<'a>(own: &Wallet, kind: &str, reference: &'a str) -> Result<&'a str, Fault> {
    let id = reference.strip_prefix(&own.collection(kind)).and_then(|rest| rest.strip_prefix('/'));
    let is_id = |id: &str| !id.is_empty() && !id.contains(['/', '?', '.', '%']);
    if !id.is_some_and(is_id) {
        return Err(Fault::Refused("malformed_reference".to_owned()));
    }
    place(reference).map(|_| reference)
}

/// A payment as the port knows it. `now` is in seconds since the Unix epoch.
pub(crate) fn payment(incoming: &Incoming, now: u64) -> Result<Payment, Fault> {
    place(&incoming.id)?;
    let received = incoming.received_amount.minor()?;
    let is_paid = match &incoming.wanted {
        Some(wanted) => incoming.received_amount.covers(wanted)?,
        None => false,
    };
    let ends_at = incoming.expires_at()?.and_then(|at| u64::try_from(at).ok());
    let is_over = incoming.completed || ends_at.is_some_and(|at| at.saturating_add(GRACE_S) < now);
    let state = match (is_paid || is_over, received) {
        (true, 0) => PaymentState::Cancelled,
        (true, _) => PaymentState::Captured,
        (false, 0) => PaymentState::ActionRequired,
        // It comes in many small packets.
        (false, _) => PaymentState::Processing,
    };
    let waits = matches!(state, PaymentState::ActionRequired | PaymentState::Processing);
    Ok(Payment {
        reference: incoming.id.clone(),
        state,
        received: Some(received),
        redirect_url: waits.then(|| incoming.id.clone()),
        decline: None,
    })
}
