//! The state-machine half of the contract: `vwp:storage/state-machine`, which a
//! machine exports, and `vwp:storage/replicated`, which a handler imports.

use crate::StorageError;
use crate::kv::Timestamp;
use std::future::Future;

pub use vwp_tlog::hash::Hash;
pub use vwp_tlog::leaf::Leaf;
pub use vwp_tlog::node::Node;
pub use vwp_tlog::proof::Head;

/// The longest command, in bytes.
pub const COMMAND_LENGTH_MAX: usize = 1_048_576;
/// The longest query, in bytes.
pub const QUERY_LENGTH_MAX: usize = 65_536;

/// A command that is in the log and applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Its position in the log: the first command is at 1.
    pub position: u64,
    /// The time that it was applied with.
    pub time: Timestamp,
    /// What the machine answered.
    pub answer: Vec<u8>,
}

/// A command as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Its position in the log.
    pub position: u64,
    /// The time that it was applied with.
    pub time: Timestamp,
    /// The command.
    pub command: Vec<u8>,
}

/// A deterministic state machine: `vwp:storage/state-machine`.
pub trait StateMachine {
    /// Applies commands in order; one answer per command.
    fn apply(&mut self, position: u64, time: Timestamp, commands: &[Vec<u8>]) -> Vec<Vec<u8>>;

    /// Answers a question without changing the state.
    fn query(&self, query: &[u8]) -> Vec<u8>;

    /// The serialisation's bytes from `offset`, at most `length`; empty at its end.
    fn checkpoint(&self, offset: u64, length: u32) -> Vec<u8>;

    /// Takes the next part of a serialisation; an empty part ends it.
    fn restore(&mut self, part: &[u8]) -> Result<(), String>;
}

/// The machines that a host replicates: `vwp:storage/replicated`.
pub trait Machines {
    /// Appends a command to the machine's log, makes it durable, applies it.
    fn submit(&self, machine: &str, command: Vec<u8>) -> impl Future<Output = Result<Applied, StorageError>>;

    /// Asks the machine; reflects every command acknowledged before.
    fn query(&self, machine: &str, query: Vec<u8>) -> impl Future<Output = Result<Vec<u8>, StorageError>>;

    /// Reads up to `limit` (1 to 1,000) log entries from a position on.
    fn entries(
        &self,
        machine: &str,
        start: u64,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<LogEntry>, StorageError>>;

    /// The size and the root of the tree over the machine's log.
    fn tree_head(&self, machine: &str) -> impl Future<Output = Result<Head, StorageError>>;

    /// The hashes of up to 256 complete nodes of that tree, in their order.
    fn tree_nodes(
        &self,
        machine: &str,
        nodes: &[Node],
    ) -> impl Future<Output = Result<Vec<Hash>, StorageError>>;

    /// Reads up to `limit` (1 to 1,000) leaves of that tree, from an index on.
    fn tree_leaves(
        &self,
        machine: &str,
        start: u64,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Leaf>, StorageError>>;
}
