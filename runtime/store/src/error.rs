//! Why a store cannot be opened or has stopped.
//!
//! These errors are for the operator of the host: they name files and offsets. What
//! a guest sees is [`vwp_storage::StorageError`], which names neither.

use std::io;
use std::path::{Path, PathBuf};

/// Why a store cannot be opened, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("{path}: cannot {action}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another process, or another part of this one, has the folder open.
    #[error("{path}: in use by another process; stop it, or choose another folder", path = path.display())]
    Locked {
        /// The folder's lock file.
        path: PathBuf,
    },
    /// Data that was acknowledged is damaged. Restore the folder from a copy.
    #[error("{file}: damaged at byte {offset}: {reason}", file = file.display())]
    Corrupt {
        /// The damaged file.
        file: PathBuf,
        /// Where the damage was found.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// A newer version of this software wrote the file.
    #[error("{file}: has format {found}; this version reads up to {supported}", file = file.display())]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its format version.
        found: u32,
        /// The newest format version that can be read.
        supported: u32,
    },
    /// A newer version of this software wrote the store.
    #[error("{file}: the {what} has format {found}, and this version reads up to {supported}: it takes vwp {needs}", file = file.display())]
    NewerStore {
        /// The note of the store's formats.
        file: PathBuf,
        /// What has the newer format.
        what: String,
        /// Its format version.
        found: u32,
        /// The newest format version that can be read; none is zero.
        supported: u32,
        /// The oldest version of this software that reads the store.
        needs: String,
    },
    /// Data that was acknowledged is missing. Restore the folder from a copy.
    #[error("{path}: the store lost data: {reason}", path = path.display())]
    LostData {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// The index over the log failed.
    #[error("{path}: the index failed: {reason}", path = path.display())]
    Index {
        /// The index's folder.
        path: PathBuf,
        /// What it said.
        reason: String,
    },
    /// A state machine could not be built, restored or replayed.
    #[error("machine {name}: {reason}")]
    Machine {
        /// The machine.
        name: String,
        /// What went wrong.
        reason: String,
    },
    /// An earlier failure left the log in an unknown state; only a restart recovers it.
    #[error("stopped after an earlier failure")]
    Stopped,
}

impl StoreError {
    /// Wraps what the operating system said about a path.
    pub(crate) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, action, source }
    }

    pub(crate) fn corrupt(file: &Path, offset: u64, reason: impl Into<String>) -> Self {
        Self::Corrupt { file: file.to_owned(), offset, reason: reason.into() }
    }
}
