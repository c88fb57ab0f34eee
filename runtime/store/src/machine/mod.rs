//! Durable deterministic state machines: `vwp:storage/replicated` for one machine.
//!
//! A [`Replica`] gives commands a total order. One thread takes every command that
//! waits, appends them to a log of their own as one record and syncs it; another applies
//! them to the machine in one call, and answers. What arrives meanwhile is the next batch.
//! Queries run between batches, so they reflect every acknowledged command.
//!
//! The log is the truth and is never pruned; the state is its fold. When enough
//! commands have come since the last checkpoint, a background thread builds a second
//! machine from that checkpoint and the log, and writes the next one; the machine that
//! serves never pauses. Opening restores the newest sound checkpoint and replays the
//! log's tail.
//!
//! The log is also a Merkle tree, which is kept beside it (see `tree`) and read for receipts.
//!
//! If applying a command fails, the machine stops and refuses all calls: a command is
//! never skipped. The log still holds it, so the next start fails there too, until a
//! machine that can apply it is installed. If a query fails, only it is refused: the
//! machine is rebuilt from disk, as a broken instance may hold anything.

mod applier;
mod batch;
pub(crate) mod checkpoint;
mod entries;
mod host;
mod replay;
mod replica;
mod tree;
mod writer;

pub use entries::LogFolder;
pub use host::{HostMachine, MachineError, MachineFactory};
pub use replica::{Replica, ReplicaOptions};
