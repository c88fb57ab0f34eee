//! The index as a whole: held still for a backup, and made again from one.

use super::index::{self, Index};
use crate::StoreError;
use fjall::{Keyspace, Readable, Snapshot, UserKey, UserValue};
use std::path::{Path, PathBuf};
use std::time::Duration;
use vwp_storage::kv::Version;

/// How many bytes of entries are written at a time.
const BATCH_BYTES: usize = 1_048_576;
/// How often a flush is looked at.
const FLUSH_POLL: Duration = Duration::from_millis(5);

/// All of an index at one moment, whatever is written to it meanwhile.
pub(crate) struct Frozen {
    pub(super) path: PathBuf,
    pub(super) keyspace: Keyspace,
    pub(super) snapshot: Snapshot,
    pub(super) log_identity: u64,
}

impl Frozen {
    /// The next version to apply, and the identity of the log.
    pub(crate) fn applied(&self) -> Result<(Version, u64), StoreError> {
        let found = self.snapshot.get(&self.keyspace, index::APPLIED).map_err(|error| self.failed(&error))?;
        match found {
            // Nothing was committed yet.
            None => Ok((1, self.log_identity)),
            Some(bytes) => index::applied(&bytes).ok_or_else(|| StoreError::Index {
                path: self.path.clone(),
                reason: "an entry is damaged".to_owned(),
            }),
        }
    }

    /// Everything in the index, in its order and as it keeps it.
    pub(crate) fn items(&self) -> impl Iterator<Item = Result<(UserKey, UserValue), StoreError>> {
        self.snapshot
            .iter(&self.keyspace)
            .map(|guard| guard.into_inner().map_err(|error| self.failed(&error)))
    }

    fn failed(&self, error: &fjall::Error) -> StoreError {
        StoreError::Index { path: self.path.clone(), reason: error.to_string() }
    }
}

/// An index that is made again from what [`Frozen::items`] gave.
pub(crate) struct IndexWriter {
    index: Index,
    path: PathBuf,
    entries: Vec<(Vec<u8>, Vec<u8>)>,
    bytes: usize,
}

impl IndexWriter {
    /// Makes an empty one.
    pub(crate) fn create(path: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        std::fs::create_dir_all(path).map_err(StoreError::io(path, "create the folder"))?;
        let index = Index::open(path, cache_bytes, false)?;
        Ok(Self { index, path: path.to_owned(), entries: Vec::new(), bytes: 0 })
    }

    /// Writes an entry.
    pub(crate) fn write(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.entries.push((key.to_vec(), value.to_vec()));
        self.bytes += key.len() + value.len();
        if self.bytes >= BATCH_BYTES {
            self.bytes = 0;
            self.index.import(&mut self.entries)?;
        }
        Ok(())
    }

    /// Makes all of it durable. Refuses if it is not the index of this log up to this version.
    pub(crate) fn finish(mut self, next: Version, identity: u64) -> Result<(), StoreError> {
        self.index.import(&mut self.entries)?;
        if self.index.applied()?.unwrap_or((1, identity)) != (next, identity) {
            let reason = "the entries are not those of the log that is named with them";
            return Err(StoreError::Index { path: self.path, reason: reason.to_owned() });
        }
        self.index.start_flush()?;
        while !self.index.flushed() {
            std::thread::sleep(FLUSH_POLL);
        }
        self.index.persist()
    }
}
