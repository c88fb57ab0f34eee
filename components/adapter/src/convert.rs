//! Between `vwp-processor`'s types and the generated ones. One impl per type, no logic.

use crate::api;
use vwp_processor::{
    Dispute, DisputeState, Event, Events, Fault, Movement, MovementState, Notice, Payment, PaymentState,
    Subject,
};

/// An amount as a processor counts it.
pub(crate) fn minor(amount: &str) -> Result<u64, api::Fault> {
    amount.parse().map_err(|_| api::Fault::Refused("malformed_amount".to_owned()))
}

impl From<Fault> for api::Fault {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(why) => Self::Refused(why),
            Fault::Unknown(why) => Self::Unknown(why),
            Fault::Forged(why) => Self::Forged(why),
        }
    }
}

impl From<Payment> for api::Payment {
    fn from(payment: Payment) -> Self {
        Self {
            reference: payment.reference,
            state: match payment.state {
                PaymentState::Open => api::PaymentState::Open,
                PaymentState::ActionRequired => api::PaymentState::ActionRequired,
                PaymentState::Processing => api::PaymentState::Processing,
                PaymentState::Authorised => api::PaymentState::Authorised,
                PaymentState::Captured => api::PaymentState::Captured,
                PaymentState::Cancelled => api::PaymentState::Cancelled,
            },
            received: payment.received.map(|amount| amount.to_string()),
            redirect_url: payment.redirect_url,
            decline: payment.decline,
        }
    }
}

impl From<Dispute> for api::Dispute {
    fn from(dispute: Dispute) -> Self {
        Self {
            reference: dispute.reference,
            amount: dispute.amount.to_string(),
            state: match dispute.state {
                DisputeState::Inquiry => api::DisputeState::Inquiry,
                DisputeState::Withdrawn => api::DisputeState::Withdrawn,
                DisputeState::Reinstated => api::DisputeState::Reinstated,
            },
        }
    }
}

impl From<Movement> for api::Movement {
    fn from(movement: Movement) -> Self {
        Self {
            reference: movement.reference,
            state: match movement.state {
                MovementState::Pending => api::MovementState::Pending,
                MovementState::Done => api::MovementState::Done,
                MovementState::Failed => api::MovementState::Failed,
            },
        }
    }
}

impl From<Notice> for api::Notice {
    fn from(notice: Notice) -> Self {
        Self {
            key: notice.key,
            subject: match notice.subject {
                Subject::Payment(payment) => api::Subject::Payment(payment.into()),
                Subject::Movement(movement) => api::Subject::Movement(movement.into()),
                Subject::Dispute(dispute) => api::Subject::Dispute(dispute.into()),
            },
        }
    }
}

impl From<Event> for api::Event {
    fn from(event: Event) -> Self {
        Self { id: event.id, notice: event.notice.map(Into::into) }
    }
}

impl From<Events> for api::Events {
    fn from(page: Events) -> Self {
        Self { events: page.events.into_iter().map(Into::into).collect(), next: page.next }
    }
}
