//! The mark: which positions the log holds and has acknowledged.
//!
//! A damaged last record looks like one that a crash cut short, and a missing last
//! segment leaves no trace in the others. The mark tells them apart: it is written
//! after every sync of the log, so it never names a position that is not durable.
//! It is not synced each time. When only the process dies it is exact; after a loss
//! of power it may be old, and then it proves less, but never anything false.

use super::format::{u32_at, u64_at};
use crate::StoreError;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const NAME: &str = "acknowledged";
const MAGIC: [u8; 8] = *b"VWPMARK\x01";
const LENGTH: usize = 40;

/// The positions that a log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// The log's identity.
    pub(super) identity: u64,
    /// The first position that is not pruned.
    pub(super) first: u64,
    /// The position after the last acknowledged one.
    pub(super) next: u64,
}

/// The mark's file.
#[derive(Debug)]
pub(super) struct Mark {
    path: PathBuf,
    file: File,
}

impl Mark {
    /// Opens the mark and reads what it says, if it says anything.
    pub(super) fn open(dir: &Path) -> Result<(Self, Option<Span>), StoreError> {
        let path = dir.join(NAME);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(StoreError::io(&path, "open the mark"))?;
        let mut bytes = Vec::with_capacity(LENGTH);
        let read = std::io::Read::read_to_end(&mut std::io::Read::take(&file, LENGTH as u64), &mut bytes);
        read.map_err(StoreError::io(&path, "read"))?;
        let span = decode(&bytes);
        if span.is_none() && !bytes.is_empty() {
            tracing::warn!(path = %path.display(), "the log's mark is unreadable and is written anew");
        }
        Ok((Self { path, file }, span))
    }

    /// Notes what is durable now.
    pub(super) fn note(&self, span: Span) -> Result<(), StoreError> {
        self.file.write_all_at(&encode(span), 0).map_err(StoreError::io(&self.path, "write"))
    }

    /// Makes the mark itself durable.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_data().map_err(StoreError::io(&self.path, "sync"))
    }
}

fn encode(span: Span) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..16].copy_from_slice(&span.identity.to_le_bytes());
    bytes[16..24].copy_from_slice(&span.first.to_le_bytes());
    bytes[24..32].copy_from_slice(&span.next.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..32]);
    bytes[32..36].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Span> {
    let covered = bytes.get(..32)?;
    let sound = covered.starts_with(&MAGIC) && crc32c::crc32c(covered) == u32_at(bytes, 32);
    sound.then(|| Span { identity: u64_at(bytes, 8), first: u64_at(bytes, 16), next: u64_at(bytes, 24) })
}
