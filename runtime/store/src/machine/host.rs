//! What a replica asks of a machine, whether it is Rust or a WebAssembly instance.

use std::sync::Arc;
use vwp_storage::kv::Timestamp;
use vwp_storage::machine::StateMachine;

/// Why a call to a machine failed: it trapped, or ran out of what it may use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MachineError(pub String);

/// A deterministic state machine whose host may fail: `vwp:storage/state-machine`.
///
/// After a failed call the replica drops the machine; it never calls it again.
pub trait HostMachine: Send {
    /// Applies commands in order; one answer per command.
    fn apply(
        &mut self,
        position: u64,
        time: Timestamp,
        commands: &[Vec<u8>],
    ) -> Result<Vec<Vec<u8>>, MachineError>;

    /// Answers a question without changing the state.
    fn query(&mut self, query: &[u8]) -> Result<Vec<u8>, MachineError>;

    /// The serialisation's bytes from `offset`, at most `length`; empty at its end.
    fn checkpoint(&mut self, offset: u64, length: u32) -> Result<Vec<u8>, MachineError>;

    /// Takes the next part of a serialisation; an empty part ends it.
    fn restore(&mut self, part: &[u8]) -> Result<(), MachineError>;
}

/// Makes an empty machine. It is called when the replica opens, for every checkpoint,
/// and when a query has broken an instance; on different threads.
pub type MachineFactory = Arc<dyn Fn() -> Result<Box<dyn HostMachine>, MachineError> + Send + Sync>;

impl<M: StateMachine + Send> HostMachine for M {
    fn apply(
        &mut self,
        position: u64,
        time: Timestamp,
        commands: &[Vec<u8>],
    ) -> Result<Vec<Vec<u8>>, MachineError> {
        Ok(StateMachine::apply(self, position, time, commands))
    }

    fn query(&mut self, query: &[u8]) -> Result<Vec<u8>, MachineError> {
        Ok(StateMachine::query(self, query))
    }

    fn checkpoint(&mut self, offset: u64, length: u32) -> Result<Vec<u8>, MachineError> {
        Ok(StateMachine::checkpoint(self, offset, length))
    }

    fn restore(&mut self, part: &[u8]) -> Result<(), MachineError> {
        StateMachine::restore(self, part).map_err(MachineError)
    }
}
