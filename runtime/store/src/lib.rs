//! Store engines: what stands behind `vwp:storage` in the runtime.
//!
//! - [`log`] is the one durability layer: a segmented, checksummed, append-only log.
//!   An append is on stable storage before it is acknowledged.
//! - [`engine`] is the trait that every engine implements, and that the host uses.
//! - [`embedded`] is the engine inside the process: a log, and an index of it in a fjall database.
//! - [`machine`] runs one deterministic state machine behind a log of its own.
//! - [`backup`] is all of a store at one moment, in one file, and how to get it back.
//! - `formats` says which formats are on disk, and refuses newer ones.
//!
//! An engine is opened with a folder and a clock, and serves until it is dropped:
//!
//! ```
//! # let folder = tempfile::tempdir()?;
//! use vwp_store::{Engine, FjallEngine, FjallOptions};
//! let engine = FjallEngine::open(folder.path(), FjallOptions::default())?;
//! # futures::executor::block_on(async {
//! let writes = vec![vwp_storage::kv::Write::put("space/key", "value")];
//! engine.commit(vec![], writes).await?;
//! let seen = engine.get_many(vec![b"space/key".to_vec()]).await?;
//! assert_eq!(seen[0].as_ref().map(|entry| entry.value.as_slice()), Some(b"value".as_slice()));
//! # Ok::<(), vwp_storage::StorageError>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Tokio is used for its synchronisation only, so an engine works on any executor.

pub mod backup;
pub mod embedded;
pub mod engine;
mod error;
mod formats;
mod gate;
pub mod log;
pub mod machine;
mod queue;
#[cfg(test)]
mod tests;
mod timer;

pub use backup::{Backup, BackupError};
pub use embedded::{FjallEngine, FjallOptions};
pub use engine::{Clock, Engine, Observer, Replicated, SharedKv, system_clock};
pub use error::StoreError;
pub use gate::Gate;
pub use machine::{HostMachine, MachineError, MachineFactory, Replica, ReplicaOptions};
