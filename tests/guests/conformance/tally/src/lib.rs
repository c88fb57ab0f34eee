//! The state machine that the storage contract's suite expects, as a component.

use std::cell::RefCell;
use vwp_storage::conformance::Tally;
use vwp_storage::machine::StateMachine;

wit_bindgen::generate!({
    path: "../../../../wit/storage",
    inline: "
        package vwp:tally@0.1.0;
        world tally {
            export vwp:storage/types@0.1.0;
            export vwp:storage/state-machine@0.1.0;
        }
    ",
    world: "vwp:tally/tally",
});

thread_local! {
    static TALLY: RefCell<Tally> = RefCell::default();
}

struct Component;

impl exports::vwp::storage::state_machine::Guest for Component {
    fn apply(position: u64, time: u64, commands: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        TALLY.with_borrow_mut(|tally| tally.apply(position, time, &commands))
    }

    fn query(query: Vec<u8>) -> Vec<u8> {
        TALLY.with_borrow(|tally| tally.query(&query))
    }

    fn checkpoint(offset: u64, length: u32) -> Vec<u8> {
        TALLY.with_borrow(|tally| tally.checkpoint(offset, length))
    }

    fn restore(part: Vec<u8>) -> Result<(), String> {
        TALLY.with_borrow_mut(|tally| tally.restore(&part))
    }
}

export!(Component);
