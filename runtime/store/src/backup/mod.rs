//! All of a store at one moment, in one file, and how to get it back.
//!
//! # Whence
//! The process that serves takes its own backups. Another one cannot: the log of the
//! key-value store is pruned once the index holds it, so the state is the index and not the
//! log, and fjall's files change under whoever copies them. Where no process serves, the
//! store is opened and backed up by the same code.
//!
//! # The moment
//! Commits and commands pass a [`Gate`](crate::Gate) from before they are written until they
//! can be read. A backup closes it, takes a snapshot of the index, notes where each machine's
//! log ends, and opens it again: that takes as long as the sync that is under way. So what
//! was acknowledged before is in the backup, what was begun after it is not, and the
//! key-value store and all machines are of the same moment. What follows is done beside the
//! writers: the snapshot stays as it is, and a machine's log only grows.
//!
//! # What is in it
//! The entries of the index in their order, with the version of each; each machine's log from
//! its first record to that moment, as it is, and its newest checkpoint if that is not beyond
//! it; and small files that the caller adds. Everything is derived from what was durable: the
//! index holds only what the log has acknowledged. Positions, versions and the logs'
//! identities are kept, so cursors and receipts stay good.
//!
//! # Getting it back
//! [`read()`] verifies each frame before it believes it, and the whole before it reports
//! success, and writes into a folder that the caller moves into place only then. Memory is
//! bounded on both sides by one frame, which is at most as long as a record of a log, and by those files.

mod format;
mod read;
mod restore;
mod write;

pub use read::{Contents, read};
pub use write::Summary;

use crate::StoreError;
use crate::embedded::Frozen;
use crate::log::LogReader;
use std::io;
use std::path::PathBuf;
use vwp_storage::kv::Timestamp;

/// Why a backup was not taken or not read.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was written could not be passed on.
    #[error("the backup cannot be written: {0}")]
    Output(#[source] io::Error),
    /// The backup cannot be read.
    #[error("the backup cannot be read: {0}")]
    Input(#[source] io::Error),
    /// This is something else.
    #[error("this is not a backup")]
    NotABackup,
    /// The backup ends too early.
    #[error("the backup is cut short after {0} bytes")]
    CutShort(u64),
    /// The backup is not what was written.
    #[error("the backup is damaged between byte {offset} and byte {end}: {reason}")]
    Damaged {
        /// Where the part that is damaged begins.
        offset: u64,
        /// Where it ends.
        end: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A newer version of this software took the backup.
    #[error("the backup has format {found}, and this version reads up to {supported}: it takes vwp {needs}")]
    Newer {
        /// The backup's format version.
        found: u32,
        /// The newest that can be read.
        supported: u32,
        /// The oldest version of this software that reads it.
        needs: String,
    },
}

/// The longest file that goes into a backup beside the store, in bytes.
pub const FILE_LENGTH_MAX: usize = 64 * 1024;
/// The most files that do.
pub const FILES_MAX: usize = 64;

/// A file that goes into a backup beside the store.
#[derive(Clone, PartialEq, Eq)]
pub struct Extra {
    /// Its name, which is no path.
    pub name: String,
    /// What it holds.
    pub contents: Vec<u8>,
}

/// Its contents may be secret.
impl std::fmt::Debug for Extra {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Extra").field("name", &self.name).finish_non_exhaustive()
    }
}

/// All of a store at one moment, to be written out.
pub struct Backup {
    pub(crate) taken_at: Timestamp,
    pub(crate) index: Frozen,
    pub(crate) machines: Vec<FrozenMachine>,
}

/// A machine at that moment.
pub(crate) struct FrozenMachine {
    pub(crate) name: String,
    pub(crate) log: LogReader,
    /// The position after the last one that belongs to the backup.
    pub(crate) until: u64,
    pub(crate) checkpoints: PathBuf,
}
