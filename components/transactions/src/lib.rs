//! Assets, accounts and transfers over the ledger.
//!
//! - [`http`]: the functions as HTTP resources.
//! - [`assets`], [`transfers`], [`bulk`], [`compact`], [`accounts`], [`history`], [`entries`]: the functions themselves.
//! - [`orders`]: what callers ask for, and the ledger's item that it becomes.
//! - [`escrows`]: money that waits until it is decided whose it is.
//! - [`exchange`]: one asset for another, at a rate that a provider signed.
//! - [`schedules`]: scheduled and recurring transfers.
//! - [`shares`]: amounts times ratios, and amounts in shares.
//! - [`splits`]: an amount that goes to several.
//! - [`payments`]: money that comes in and leaves through payment processors.
//! - [`outbox`]: what happens, for those who want to be told of it.
//! - [`upkeep`]: what is done without anybody asking for it.
//! - `listing`: lists of what is kept, a page at a time.
//! - [`receipts`], [`checkpoints`], [`tiles`], [`log_keys`]: the ledger's log as a tree, what is
//!   signed of it and proved with it; [`log`]: as HTTP resources.
//! - [`audit`]: what an auditor asks the ledger.
//! - [`names`]: what assets are called.
//! - [`reference`]: how accounts are named, and the ids that follow from names.
//! - [`amount`]: amounts as text.
//! - [`authority`]: who asks, and which accounts it may debit and read.
//! - [`signed`]: bodies that an operator signed.
//! - `reconciliations`: what banks say beside what the ledger says, for `vwp-reconciliation`.
//! - [`ledger`]: asking the ledger, and what to do when its answer is lost.
//! - [`error`]: every refusal, and the problem that it becomes.

pub mod accounts;
pub mod amount;
pub mod assets;
pub mod audit;
pub mod authority;
pub mod bulk;
pub mod checkpoints;
mod codes;
pub mod compact;
pub mod entries;
pub mod error;
pub mod escrows;
pub mod exchange;
pub mod history;
pub mod http;
pub mod ledger;
mod listing;
pub mod log;
pub mod log_keys;
pub mod names;
pub mod orders;
pub mod outbox;
pub mod payments;
pub mod receipts;
mod reconciliations;
pub mod reference;
pub mod schedules;
pub mod shares;
pub mod signed;
pub mod splits;
pub mod tiles;
pub mod transfers;
pub mod upkeep;

pub use error::Error;
