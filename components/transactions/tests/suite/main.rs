//! What callers of the component see, natively: one program, because each links all that it tests.
#![allow(missing_docs, clippy::unwrap_used, unreachable_pub)]

mod bulk;
mod currencies;
mod described;
mod endpoints;
mod escrow_races;
mod escrows;
mod exchange;
mod exchange_races;
mod history;
mod holds;
mod log;
mod money;
mod outbox;
mod outbox_races;
mod payment_races;
mod payments;
mod pruning;
mod reconciliations;
mod schedules;
mod support;
mod typed;
