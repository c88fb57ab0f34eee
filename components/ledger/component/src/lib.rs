//! The ledger as a component. It imports nothing, not even WASI.
//!
//! A crate of its own, and built by a cargo invocation of its own, because it links `vwp-bare`.
//!
//! Empty for other targets than WebAssembly.
#![cfg(target_family = "wasm")]
#![no_std]
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    reason = "wit-bindgen generates the canonical ABI's entry points, which take raw pointers"
)]

extern crate alloc;

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use vwp_bare::State;
use vwp_ledger::Ledger;

// Not `vwp:storage/machine` itself: there the interface `types`, which `state-machine`
// takes a type from, would be imported. Exporting it too leaves nothing to import.
wit_bindgen::generate!({
    path: "../../../wit/storage",
    inline: "
        package vwp:ledger@0.1.0;
        world ledger {
            export vwp:storage/types@0.1.0;
            export vwp:storage/state-machine@0.1.0;
        }
    ",
    world: "vwp:ledger/ledger",
});

static LEDGER: State<Ledger> = State::new();

struct Component;

impl exports::vwp::storage::state_machine::Guest for Component {
    fn apply(position: u64, time: u64, commands: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        LEDGER.with(|ledger| ledger.apply(position, time, &commands))
    }

    fn query(query: Vec<u8>) -> Vec<u8> {
        LEDGER.with(|ledger| ledger.query(&query))
    }

    fn checkpoint(offset: u64, length: u32) -> Vec<u8> {
        LEDGER.with(|ledger| ledger.checkpoint(offset, length))
    }

    fn restore(part: Vec<u8>) -> Result<(), String> {
        LEDGER.with(|ledger| ledger.restore(&part)).map_err(|error| error.to_string())
    }
}

export!(Component);
