//! The ledger: a deterministic state machine that imports nothing.
//!
//! Double entry over any number of assets. An asset has one issuance account, which owes what
//! was issued of it, and may have others whose normal balance is a debit: through those it comes
//! in from elsewhere and leaves again. The debits of all of these less their credits are the
//! asset's supply, and the other accounts together hold exactly that. Every movement debits one
//! account and credits another of the same asset by the same amount, so nothing is ever made or lost.
//!
//! What the ledger knows beyond plain transfers: holds (pending, posted in part or whole,
//! voided, expired by the log's time, locked by a hash), chains that succeed or fail as one,
//! transfers that move what is there, reversals, refunds and chargebacks bound to their
//! origin, limits of accounts, velocity rules, effective dates, balances at any point in
//! time, and dry runs.
//!
//! - [`codec`]: commands, answers, queries and what they find, as bytes.
//! - `state`, `rows`: what is kept in memory, and how much of it.
//! - `apply`: what a command does.
//! - `history`: an account's entries in order, and its balance at any of them.
//! - `query`: reading the state.
//! - [`checkpoint`]: the state as bytes, and back.
//! - `undo`: taking back what a chain or a dry run did.
//! - `table`, `hash`: rows in insertion order, found by id.
//!
//! *Memory.* What the log says is not kept a second time: a row has the position and the
//! item of the log that made it, and whoever asks for an owner's name or a memo reads them
//! there. So a transfer costs 64 bytes and an account 80, and each 11 to 22 for being found.
//!
//! *Determinism.* The same bytes in the same order give the same state, bit for bit, on
//! every host: there is no clock, no randomness, no floating point, and nothing iterates
//! over a hash table. Nothing here panics on input.
//!
//! *Postings from n accounts to m* are a chain of transfers that the caller decomposes them
//! into, such that every account is only debited or only credited on the way. An account's
//! room then shrinks step by step, so the limits hold on the way exactly if they hold at the
//! end; the order of the chain does not matter. A chain has at most [`codec::CHAIN_ITEMS_MAX`]
//! items, and velocity rules count each of them.
//!
//! The crate is free of std, because std imports WASI: `component/` makes the component
//! of it, and nothing else.

#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod apply;
pub mod checkpoint;
pub mod codec;
mod hash;
mod history;
mod query;
mod rows;
mod state;
mod table;
mod undo;

pub use state::Ledger;

#[cfg(feature = "model")]
mod model {
    use crate::Ledger;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    impl vwp_storage::machine::StateMachine for Ledger {
        fn apply(&mut self, position: u64, time: u64, commands: &[Vec<u8>]) -> Vec<Vec<u8>> {
            Ledger::apply(self, position, time, commands)
        }

        fn query(&self, query: &[u8]) -> Vec<u8> {
            Ledger::query(self, query)
        }

        fn checkpoint(&self, offset: u64, length: u32) -> Vec<u8> {
            Ledger::checkpoint(self, offset, length)
        }

        fn restore(&mut self, part: &[u8]) -> Result<(), String> {
            Ledger::restore(self, part).map_err(|error| error.to_string())
        }
    }
}
