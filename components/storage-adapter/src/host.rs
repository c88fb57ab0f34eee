//! The surroundings of a store inside a component.

use crate::bindings::vwp::storage::state_machine;
use crate::bindings::wasi::clocks::monotonic_clock;
use std::time::SystemTime;
use vwp_storage::kv::Timestamp;
use vwp_storage::machine::StateMachine;
use vwp_storage_sql::Host;

/// Time, sleep and randomness of WASI.
#[derive(Debug, Clone, Copy, Default)]
pub struct WasiHost;

impl Host for WasiHost {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn random(&self) -> [u8; 16] {
        let mut random = [0; 16];
        // WASI's randomness cannot fail; if it did, ids would repeat, and going on would
        // take one commit for another.
        assert!(getrandom::fill(&mut random).is_ok(), "the host gives no randomness");
        random
    }

    async fn sleep(&self, milliseconds: u32) {
        monotonic_clock::wait_for(u64::from(milliseconds) * 1_000_000).await;
    }
}

/// The machine that was composed in. There is one per instance of the component.
#[derive(Debug, Default)]
pub struct Imported(());

impl StateMachine for Imported {
    fn apply(&mut self, position: u64, time: Timestamp, commands: &[Vec<u8>]) -> Vec<Vec<u8>> {
        state_machine::apply(position, time, commands)
    }

    fn query(&self, query: &[u8]) -> Vec<u8> {
        state_machine::query(query)
    }

    fn checkpoint(&self, offset: u64, length: u32) -> Vec<u8> {
        state_machine::checkpoint(offset, length)
    }

    fn restore(&mut self, part: &[u8]) -> Result<(), String> {
        state_machine::restore(part)
    }
}
