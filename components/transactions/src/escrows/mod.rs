//! Escrow: money that waits with the port until it is decided whose it is.
//!
//! An escrow's terms never change and are a record of the key-value store, written before any money
//! moves. Everything else about it is in the ledger: the payer pays all milestones into an account of the
//! escrow's, from which each milestone leaves once, to the payee, back to the payer, or, in a dispute, to a
//! second account, which it leaves once again. The transfer by which a milestone leaves an
//! account has one id, whoever it goes to: so of two callers who want different things at the same time, one
//! succeeds, and the ledger's answer to the other is that the id is taken. A transition of several milestones is
//! one command of the ledger's, which is applied whole. Nothing has to agree with anything afterwards.
//!
//! What is due is given back by whoever looks at the escrow next: there is nothing to wait for.
//!
//! - [`terms`]: what is agreed on, and how it is bounded.
//! - [`state`]: what has become of each milestone, as the ledger says.
//! - [`settle`]: the commands that move the money.
//! - [`votes`]: what arbiters and approvers decided.
//! - [`actions`]: who may do what.
//! - [`approval`]: what an approver signs with a key.

pub mod actions;
pub mod approval;
pub(crate) mod http;
pub mod settle;
pub mod state;
pub mod terms;
pub mod votes;
