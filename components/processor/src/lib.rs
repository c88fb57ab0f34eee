//! What a payment processor is asked, and what it answers. `vwp:transactions/processor` says the same in WIT.
//!
//! An adapter is a component of its own, with hosts and secrets of its own. Transactions reaches it within the
//! application, at `http://<processor>.spin.internal/`, because a component that was composed into another has
//! that one's hosts on Spin.
//!
//! - [`Processor`]: whom a request is sent to; [`Adapters`] are those of the application.
//! - [`Request`]: what is asked, under which key; [`Command`]: what of.
//! - [`Reply`], [`Fault`]: what comes back.
//! - [`Adapter`]: who asks the processor; [`serve`]: the same by HTTP.

mod adapter;
mod minor;
mod remote;

pub use adapter::{Adapter, serve};
pub use remote::{Adapters, CONTENT_TYPE, LENGTH_MAX};
use serde::{Deserialize, Serialize};
use std::future::Future;

/// The most events that a page has.
pub const EVENTS_MAX: usize = 100;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The idempotency key: the same request under the same key is done once. An adapter leaves it with what
    /// it makes at the processor, so that an event can be told whose it is.
    pub key: String,
    /// Whether the request may have been sent before: then an adapter looks whether it was done, where the
    /// processor may have forgotten the key.
    pub is_repeat: bool,
    /// What is to be done.
    pub command: Command,
}

/// What is to be done. Amounts are minor units of a currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// Prepare a payment. No money moves yet.
    CreatePayment {
        /// How much.
        #[serde(with = "minor")]
        amount: u64,
        /// ISO 4217, in capital letters.
        currency: String,
        /// Whether it is taken as soon as it is confirmed, or only when it is captured.
        is_captured_at_once: bool,
    },
    /// Have the payer's means of payment pay.
    Confirm {
        /// The payment, as the processor calls it.
        reference: String,
        /// What pays, as the processor calls it; none if it knows already.
        payment_method: Option<String>,
        /// Where the payer comes back to, if it has to go somewhere.
        return_url: Option<String>,
    },
    /// Take what was authorised, or a part.
    Capture {
        /// The payment.
        reference: String,
        /// How much.
        #[serde(with = "minor")]
        amount: u64,
    },
    /// Give up a payment of which nothing was taken.
    Cancel {
        /// The payment.
        reference: String,
    },
    /// Give back some of what was taken.
    Refund {
        /// The payment.
        reference: String,
        /// How much.
        #[serde(with = "minor")]
        amount: u64,
        /// ISO 4217, in capital letters.
        currency: String,
        /// What the payment was confirmed with, for processors that do not know it.
        payment_method: Option<String>,
    },
    /// Pay out.
    Payout {
        /// How much.
        #[serde(with = "minor")]
        amount: u64,
        /// ISO 4217, in capital letters.
        currency: String,
        /// Where to, as the processor calls it.
        destination: String,
    },
    /// Say what has become of something. A processor that tells it by webhooks refuses.
    Look {
        /// What it calls the payment, the refund or the payout.
        reference: String,
    },
    /// Believe a webhook, or not.
    VerifyWebhook {
        /// Its headers, names in small letters.
        headers: Vec<(String, String)>,
        /// Its body, byte for byte.
        body: String,
    },
    /// Tell again what happened, newest first.
    Events {
        /// Since when, in seconds since the Unix epoch.
        since: u64,
        /// The event after which the page starts.
        after: Option<String>,
    },
}

/// What a processor answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Reply {
    /// To what is about a payment.
    Payment(Payment),
    /// To a refund and a payout.
    Movement(Movement),
    /// To a webhook that is the processor's.
    Event(Event),
    /// To a question for events.
    Events(Events),
}

/// A payment, as the processor sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    /// What the processor calls it.
    pub reference: String,
    /// What has become of it.
    pub state: PaymentState,
    /// How much was taken, where the processor says it.
    #[serde(with = "minor::option")]
    pub received: Option<u64>,
    /// Where the payer has to go.
    pub redirect_url: Option<String>,
    /// Why the last means of payment did not pay.
    pub decline: Option<String>,
}

/// What has become of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PaymentState {
    /// It waits to be confirmed, or for another means of payment.
    Open,
    /// The payer has to do something.
    ActionRequired,
    /// The processor is at it.
    Processing,
    /// The money is reserved, to be captured or not.
    Authorised,
    /// The money was taken. It stays so.
    Captured,
    /// Nothing was taken, and nothing will be. It stays so.
    Cancelled,
}

/// Money that leaves, as the processor sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Movement {
    /// What the processor calls it.
    pub reference: String,
    /// What has become of it.
    pub state: MovementState,
}

/// What has become of money that leaves. A later one is never followed by an earlier one: a bank may send back
/// what had been paid, and what it sent back stays so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MovementState {
    /// It is on its way.
    Pending,
    /// It has arrived.
    Done,
    /// It has not, or it came back.
    Failed,
}

/// What a payer's bank says against a payment, as the processor sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dispute {
    /// What the processor calls it.
    pub reference: String,
    /// How much of the payment it is about, in minor units.
    #[serde(with = "minor")]
    pub amount: u64,
    /// What has become of it.
    pub state: DisputeState,
}

/// What has become of a dispute. A later one is never followed by an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DisputeState {
    /// The bank asks. No money moves.
    Inquiry,
    /// The money went back to the payer: until it is decided, or for good.
    Withdrawn,
    /// It was decided against the payer, and the money came again.
    Reinstated,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// What the processor calls the event: the same one may come several times.
    pub id: String,
    /// What it is about; none if it is about nothing of ours.
    pub notice: Option<Notice>,
}

/// What an event is about: what has become of what a request made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// The key of that request.
    pub key: String,
    /// What it was when the event happened.
    pub subject: Subject,
}

/// What has become of what a request made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Subject {
    /// A payment.
    Payment(Payment),
    /// A refund or a payout.
    Movement(Movement),
    /// What a payer's bank says against a payment; the key is the payment's.
    Dispute(Dispute),
}

/// A page of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Events {
    /// Newest first.
    pub events: Vec<Event>,
    /// After which the next page starts, if there is one.
    pub next: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// The processor does not do it, and has not: its word for why, of `[a-z0-9_-]` only.
    #[error("the processor refuses: {0}")]
    Refused(String),
    /// Nobody knows whether it was done. The text is for the log.
    #[error("the processor's answer is not known: {0}")]
    Unknown(String),
    /// What came as a webhook is not the processor's.
    #[error("the webhook is not the processor's: {0}")]
    Forged(String),
}

/// Somebody who moves money.
pub trait Processor {
    /// Sends a request to the adapter of this name.
    fn ask(&self, name: &str, request: &Request) -> impl Future<Output = Result<Reply, Fault>>;
}

/// Whether this may be the name of an adapter: 1 to 32 of `a` to `z`, digits and `-`.
pub fn is_name(name: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&name.len()) && name.bytes().all(is_fit)
}
