//! The yardstick of everything durable: a file that is written and synced, and nothing
//! else.

use anyhow::Result;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What a file that is laid out beforehand is filled with at a time.
static CHUNK: [u8; 65_536] = [0; 65_536];

/// A file that takes records, each durable when it is taken.
pub(crate) struct RawLog {
    file: File,
    at: u64,
    /// Where it starts over; never, if it grows.
    end: Option<u64>,
}

impl RawLog {
    /// A file that grows with every record, which costs the file system a second write:
    /// the file's new length.
    pub(crate) fn growing(path: &Path) -> Result<Self> {
        Ok(Self { file: File::create(path)?, at: 0, end: None })
    }

    /// A file that has its length, and all its blocks, before the first record: the least
    /// that a file system can do, and so the harder yardstick for a log that lays its
    /// segments out too.
    pub(crate) fn laid_out(path: &Path, length: u64) -> Result<Self> {
        let mut file = File::create(path)?;
        for _ in 0..length.div_ceil(CHUNK.len() as u64) {
            file.write_all(&CHUNK)?;
        }
        file.sync_all()?;
        Ok(Self { file, at: 0, end: Some(length) })
    }

    /// Takes a record.
    pub(crate) fn append(&mut self, record: &[u8]) -> Result<()> {
        let length = record.len() as u64;
        if self.end.is_some_and(|end| self.at + length > end) {
            self.at = 0;
        }
        self.file.write_all_at(record, self.at)?;
        self.file.sync_data()?;
        self.at += length;
        Ok(())
    }
}
