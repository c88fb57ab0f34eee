//! What Stripe answers, as far as it matters here. It may say more.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use vwp_processor::{
    Dispute, DisputeState, Event, Fault, Movement, MovementState, Notice, Payment, PaymentState, Subject,
};

/// What was left with an object when it was made.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
struct Metadata(BTreeMap<String, String>);

impl Metadata {
    fn key(&self) -> Option<&str> {
        self.0.get("vwp").map(String::as_str)
    }
}

/// <https://docs.stripe.com/api/payment_intents/object>
#[derive(Debug, Deserialize)]
pub(crate) struct Intent {
    id: String,
    status: String,
    amount_received: Option<u64>,
    #[serde(default)]
    metadata: Metadata,
    next_action: Option<NextAction>,
    last_payment_error: Option<PaymentError>,
}

#[derive(Debug, Deserialize)]
struct NextAction {
    redirect_to_url: Option<Redirect>,
}

#[derive(Debug, Deserialize)]
struct Redirect {
    url: Option<String>,
}

#[derive(Debug, Deserialize)]
struct PaymentError {
    code: Option<String>,
}

impl Intent {
    /// The key of the request that made it.
    pub(crate) fn key(&self) -> Option<&str> {
        self.metadata.key()
    }

    pub(crate) fn payment(self) -> Result<Payment, Fault> {
        let state = match self.status.as_str() {
            "requires_payment_method" | "requires_confirmation" => PaymentState::Open,
            "requires_action" => PaymentState::ActionRequired,
            "processing" => PaymentState::Processing,
            "requires_capture" => PaymentState::Authorised,
            "succeeded" => PaymentState::Captured,
            "canceled" => PaymentState::Cancelled,
            other => return Err(Fault::Unknown(format!("a payment intent has the status {other:.32}"))),
        };
        let redirect = self.next_action.and_then(|action| action.redirect_to_url);
        Ok(Payment {
            reference: self.id,
            state,
            received: self.amount_received.filter(|_| state == PaymentState::Captured),
            redirect_url: redirect.and_then(|redirect| redirect.url),
            decline: self.last_payment_error.and_then(|error| error.code),
        })
    }
}

/// A refund or a payout: <https://docs.stripe.com/api/refunds/object>,
/// <https://docs.stripe.com/api/payouts/object>.
#[derive(Debug, Deserialize)]
pub(crate) struct Transfer {
    pub(crate) id: String,
    status: String,
    #[serde(default)]
    metadata: Metadata,
}

impl Transfer {
    /// Whether a request with this key made it.
    pub(crate) fn has_key(&self, key: &str) -> bool {
        self.metadata.key() == Some(key)
    }

    pub(crate) fn movement(self) -> Result<Movement, Fault> {
        let state = match self.status.as_str() {
            "pending" | "requires_action" | "in_transit" => MovementState::Pending,
            "succeeded" | "paid" => MovementState::Done,
            "failed" | "canceled" => MovementState::Failed,
            other => return Err(Fault::Unknown(format!("what leaves has the status {other:.32}"))),
        };
        Ok(Movement { reference: self.id, state })
    }
}

/// <https://docs.stripe.com/api/disputes/object>
#[derive(Debug, Deserialize)]
pub(crate) struct Disputed {
    id: String,
    amount: u64,
    status: String,
    /// The payment that it is against; Stripe has others than payment intents, which are not ours.
    pub(crate) payment_intent: Option<String>,
}

impl Disputed {
    /// None for a status that says nothing of money.
    pub(crate) fn dispute(self) -> Option<Dispute> {
        let state = match self.status.as_str() {
            "warning_needs_response" | "warning_under_review" | "warning_closed" => DisputeState::Inquiry,
            "needs_response" | "under_review" | "lost" => DisputeState::Withdrawn,
            "won" => DisputeState::Reinstated,
            _ => return None,
        };
        Some(Dispute { reference: self.id, amount: self.amount, state })
    }
}

/// A page of a list: <https://docs.stripe.com/api/pagination>.
#[derive(Debug, Deserialize)]
pub(crate) struct Page<T> {
    pub(crate) data: Vec<T>,
    #[serde(default)]
    pub(crate) has_more: bool,
}

/// <https://docs.stripe.com/api/events/object>
#[derive(Debug, Deserialize)]
pub(crate) struct EventObject {
    pub(crate) id: String,
    data: EventData,
}

#[derive(Debug, Deserialize)]
struct EventData {
    object: Value,
}

impl EventObject {
    /// What it is about. The object says what it was when the event happened, and so the event's type says
    /// nothing more. What is not understood is about nothing of ours.
    pub(crate) fn event(self) -> Event {
        let notice = notice(self.data.object);
        Event { id: self.id, notice }
    }

    /// The dispute that it is about, if it is about one. It says which payment it is against, but not whose.
    pub(crate) fn disputed(&self) -> Option<Disputed> {
        let is_dispute = self.data.object.get("object").and_then(Value::as_str) == Some("dispute");
        is_dispute.then(|| serde_json::from_value(self.data.object.clone()).ok()).flatten()
    }
}

fn notice(object: Value) -> Option<Notice> {
    match object.get("object").and_then(Value::as_str) {
        Some("payment_intent") => {
            let intent: Intent = serde_json::from_value(object).ok()?;
            let key = intent.metadata.key()?.to_owned();
            Some(Notice { key, subject: Subject::Payment(intent.payment().ok()?) })
        }
        Some("refund" | "payout") => {
            let transfer: Transfer = serde_json::from_value(object).ok()?;
            let key = transfer.metadata.key()?.to_owned();
            Some(Notice { key, subject: Subject::Movement(transfer.movement().ok()?) })
        }
        _ => None,
    }
}
