//! The store that a backup is read into.

use super::BackupError;
use crate::StoreError;
use crate::embedded::IndexWriter;
use crate::formats;
use crate::log::{Log, LogOptions, Record, sync_dir};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// How much memory caches blocks of the index while it is written.
const CACHE_BYTES: u64 = 16 * 1_048_576;

/// A store that is being made in an empty folder.
pub(super) struct Target {
    folder: PathBuf,
    index: Option<IndexWriter>,
    /// The log's identity and the next version, as the backup's head says.
    head: (u64, u64),
    machine: Option<(PathBuf, Log)>,
    checkpoint: Option<(PathBuf, File)>,
}

impl Target {
    pub(super) fn new(folder: &Path) -> Result<Self, StoreError> {
        formats::admit(folder)?;
        Ok(Self { folder: folder.to_owned(), index: None, head: (0, 1), machine: None, checkpoint: None })
    }

    /// The key-value store begins. Its log starts where the index ends.
    pub(super) fn kv(&mut self, identity: u64, next: u64) -> Result<(), BackupError> {
        self.head = (identity, next);
        Log::create(&self.folder.join("kv/log"), identity, next, LogOptions::default())?.finish()?;
        self.index = Some(IndexWriter::create(&self.folder.join("kv/index"), CACHE_BYTES)?);
        Ok(())
    }

    pub(super) fn entry(&mut self, key: &[u8], value: &[u8]) -> Result<(), BackupError> {
        match &mut self.index {
            Some(index) => Ok(index.write(key, value)?),
            None => Ok(()),
        }
    }

    pub(super) fn machine(&mut self, name: &str, identity: u64) -> Result<(), BackupError> {
        self.end_part()?;
        let folder = self.folder.join("machines").join(name);
        let checkpoints = folder.join("checkpoints");
        std::fs::create_dir_all(&checkpoints).map_err(StoreError::io(&checkpoints, "create the folder"))?;
        let log = Log::create(&folder.join("log"), identity, 1, LogOptions::default())?;
        self.machine = Some((folder, log));
        Ok(())
    }

    pub(super) fn record(&mut self, record: Record<'_>) -> Result<(), BackupError> {
        match &mut self.machine {
            Some((_, log)) => Ok(log.import(record)?),
            None => Ok(()),
        }
    }

    pub(super) fn checkpoint(&mut self, position: u64) -> Result<(), BackupError> {
        if let Some((folder, _)) = &self.machine {
            let path = folder.join("checkpoints").join(format!("{position:020}.checkpoint"));
            let file = File::create(&path).map_err(StoreError::io(&path, "create"))?;
            self.checkpoint = Some((path, file));
        }
        Ok(())
    }

    pub(super) fn part(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        match &mut self.checkpoint {
            Some((path, file)) => Ok(file.write_all(bytes).map_err(StoreError::io(path, "write"))?),
            None => Ok(()),
        }
    }

    /// Makes everything durable, and looks once more whether it fits together.
    pub(super) fn finish(mut self) -> Result<(), BackupError> {
        self.end_part()?;
        let (identity, next) = self.head;
        if let Some(index) = self.index.take() {
            index.finish(next, identity)?;
        }
        sync_tree(&self.folder)?;
        Ok(())
    }

    /// What was being written is whole.
    fn end_part(&mut self) -> Result<(), BackupError> {
        if let Some((path, file)) = self.checkpoint.take() {
            file.sync_all().map_err(StoreError::io(&path, "sync"))?;
        }
        if let Some((_, log)) = self.machine.take() {
            log.finish()?;
        }
        Ok(())
    }
}

/// Makes the names in a folder and in those below it durable.
fn sync_tree(folder: &Path) -> Result<(), StoreError> {
    for entry in std::fs::read_dir(folder).map_err(StoreError::io(folder, "list the folder"))? {
        let entry = entry.map_err(StoreError::io(folder, "list the folder"))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            sync_tree(&entry.path())?;
        }
    }
    sync_dir(folder)
}
