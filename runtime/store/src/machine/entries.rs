//! Reading the commands of a log: of a machine that serves, or of a folder alone.

use super::batch;
use crate::StoreError;
use crate::log::{Log, LogOptions, LogReader};
use std::path::Path;
use vwp_storage::machine::LogEntry;

/// The most bytes of commands that one read of the log returns; at least one entry.
const ENTRIES_BYTES_MAX: usize = 4 * 1_048_576;

/// Reads up to `limit` entries from a position on; fewer if they are long.
pub(super) fn read(log: &LogReader, start: u64, limit: u32) -> Result<Vec<LogEntry>, StoreError> {
    let mut entries = Vec::new();
    let mut bytes = 0;
    log.visit(start, |record| {
        let Some((time, commands)) = batch::decode(&record) else {
            return Err(StoreError::corrupt(Path::new("log"), record.first, "this is not a batch"));
        };
        for (position, command) in (record.first..).zip(commands) {
            bytes += command.len();
            let full = entries.len() >= limit as usize || bytes > ENTRIES_BYTES_MAX;
            if full && !entries.is_empty() {
                return Ok(false);
            }
            if position < start {
                bytes = 0;
            } else {
                entries.push(LogEntry { position, time, command });
            }
        }
        Ok(true)
    })?;
    Ok(entries)
}

/// The log of a machine that nobody serves, for who reads it as it lies there.
#[derive(Debug)]
pub struct LogFolder {
    log: Log,
}

impl LogFolder {
    /// Opens the log of the machine whose folder this is. What a crash left of a record that was
    /// never acknowledged is cut off, as a start would do.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("log");
        // Opening a log that is not there would create it.
        if !path.is_dir() {
            let source = std::io::Error::from(std::io::ErrorKind::NotFound);
            return Err(StoreError::io(&path, "open the log")(source));
        }
        Ok(Self { log: Log::open(&path, LogOptions::default())? })
    }

    /// How many commands it has.
    pub fn size(&self) -> u64 {
        self.log.next_position().saturating_sub(1)
    }

    /// Reads up to `limit` entries from a position on; fewer if they are long.
    pub fn entries(&self, start: u64, limit: u32) -> Result<Vec<LogEntry>, StoreError> {
        read(&self.log.reader(), start, limit)
    }
}
