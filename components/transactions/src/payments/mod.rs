//! Money that comes into the port and leaves it, through payment processors.
//!
//! - [`actions`]: what may be done with payments, and who may. [`payouts`]: the same for payouts.
//! - [`views`]: what is shown of them. [`http`]: as HTTP resources.
//! - [`webhooks`]: what processors say by themselves.
//! - `record`: what is kept of a payment or a payout.
//! - `phases`: one call to a processor after the other, each atomic.
//! - `money`: what the ledger moves for it.
//! - `assets`: which assets are paid for in which currency, at which processor.
//!
//! Every call is a *phase*: what is intended is committed, then the processor is called with a key that follows
//! from the phase, then what it answered is committed. Whoever looks at a payment again goes on where the last
//! one stopped, with the same key; so a phase that was broken off anywhere has one outcome.
//!
//! The ledger is the truth for money. What is at a processor stands on the account `processor:<name>`, whose
//! normal balance is a debit: what was taken less what went back and out. The ids of its transfers follow from
//! the payment and the phase, so that each is made once, whoever makes it.

pub mod actions;
mod assets;
pub mod http;
mod money;
pub mod payouts;
mod phases;
pub(crate) mod record;
pub mod views;
pub mod webhooks;

/// The variable that says which assets are paid for (docs/payments.md).
pub const ASSETS_OPTION: &str = "payment_assets";
/// The options that a host reads for this component.
pub const OPTIONS: &[&str] = &[ASSETS_OPTION];
