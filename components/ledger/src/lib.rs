//! The ledger: a deterministic state machine that imports nothing.
//!
//! Double entry over any number of assets. An asset has one issuance account, whose
//! balance is zero or less and is, negated, the asset's supply; every other balance
//! is zero or more. So the balances of an asset always sum to zero, and its supply to
//! what travellers and worlds hold.
//!
//! - [`codec`]: commands, answers and queries as bytes.
//! - [`state`]: the tables, and reading them.
//! - [`apply`]: what a command does.
//! - [`checkpoint`]: the state as bytes, and back.
//! - [`table`]: rows in insertion order, found by id.
//!
//! The same bytes in the same order give the same state, bit for bit, on every host:
//! there is no clock, no randomness, no floating point, and nothing iterates over a
//! hash table. Nothing here panics on input.
//!
//! The crate is free of std, because std imports WASI: `component/` makes the component
//! of it, and nothing else.

#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod apply;
pub mod checkpoint;
pub mod codec;
pub mod state;
pub mod table;

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
