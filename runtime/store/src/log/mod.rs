//! The durable log: the one place where data becomes durable.
//!
//! A log is a folder of segments. An append is one record: one write at the end of
//! the last segment, one `fdatasync`, and only then an acknowledgment. A record holds
//! a batch of items; items have consecutive positions from 1 on. The bytes are
//! described in [`mod@format`].
//!
//! Opening a log verifies all of it. Only one record is ever being written, so:
//! - an unsound record with nothing after it, which was never acknowledged, is what
//!   a crash leaves: it is cut off, and that is logged;
//! - an unsound record that was acknowledged, or that has any record after it, an
//!   unsound record in an earlier segment, a gap between segments, a missing first
//!   or last segment: each is [`StoreError::Corrupt`] or [`StoreError::LostData`],
//!   and the log does not open.
//!
//! After a write or a sync fails nobody knows what the disk holds, and a second sync
//! may report success without having written anything. So a log that failed once
//! refuses everything until it is opened again.
//!
//! # Why own code
//! Of the maintained crates, `open-wal` 0.2 is closest: it too tells torn tails from
//! damage. But it takes a header of zeros in the middle of a segment for the end of
//! the log, searches only a bounded distance past an unsound record, takes a damaged
//! last record for a torn one, and cannot be read while it is written.
//! fjall's own journal may cut itself off at an unsound entry without looking further.

pub mod format;
mod import;
mod mark;
mod open;
mod reader;
mod segment;
mod window;

pub use reader::{LogReader, Record};
pub(crate) use segment::sync_dir;

use crate::{Gate, StoreError};
use format::{PAYLOAD_LENGTH_MAX, RECORD_HEADER, RecordHeader, SegmentHeader};
use mark::{Mark, Span};
use segment::Segment;
use std::fs::{File, TryLockError};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Is told of every record as soon as it is durable.
pub trait AppendObserver: std::fmt::Debug + Send + Sync {
    /// A record of so many bytes was written and synced, which took this long. The log's writer
    /// waits for this, so it must be quick.
    fn appended(&self, bytes: u64, took: Duration);
}

/// How a log is kept.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// The length of a segment in bytes; one that holds a longer record is longer.
    pub segment_bytes: u64,
    /// What an append passes, from before it is written until it is acknowledged.
    pub gate: Gate,
    /// Who is told of appends, if anybody is.
    pub observer: Option<Arc<dyn AppendObserver>>,
    /// Makes syncs fail, to see what the layers above make of it.
    #[cfg(test)]
    pub(crate) broken: Arc<std::sync::atomic::AtomicBool>,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 64 * 1_048_576,
            gate: Gate::default(),
            observer: None,
            #[cfg(test)]
            broken: Arc::default(),
        }
    }
}

/// How much memory a log keeps for the next record.
const RECORD_KEPT: usize = 4 * 1_048_576;

/// Why an append was not acknowledged.
#[derive(Debug)]
pub enum AppendError {
    /// Nothing was written; the log goes on.
    Refused(StoreError),
    /// The record may or may not be durable; the log has stopped.
    Unknown(StoreError),
}

/// A log that is open for appending.
#[derive(Debug)]
pub struct Log {
    dir: PathBuf,
    options: LogOptions,
    identity: u64,
    reader: LogReader,
    active: Arc<Segment>,
    mark: Mark,
    /// The record that is being built; kept to use its memory again.
    record: Vec<u8>,
    failed: bool,
    _lock: File,
}

impl Log {
    /// The log's identity, random, given to it when it was created.
    pub fn identity(&self) -> u64 {
        self.identity
    }

    /// The first position that is kept.
    pub fn first_position(&self) -> u64 {
        self.reader.first_position()
    }

    /// The position that the next item will have.
    pub fn next_position(&self) -> u64 {
        self.active.next()
    }

    /// A handle that reads what is acknowledged, from any thread.
    pub fn reader(&self) -> LogReader {
        self.reader.clone()
    }

    /// Appends one record of `count` items, whose payload `build` writes, and returns
    /// the position of its first item once the record is on stable storage.
    pub fn append(&mut self, count: u32, build: impl FnOnce(&mut Vec<u8>)) -> Result<u64, AppendError> {
        if self.failed {
            return Err(AppendError::Refused(StoreError::Stopped));
        }
        self.record.clear();
        self.record.shrink_to(RECORD_KEPT);
        self.record.resize(RECORD_HEADER, 0);
        build(&mut self.record);
        let header = self.seal_record(count).map_err(AppendError::Refused)?;
        if self.active.end() + header.framed() > self.options.segment_bytes {
            self.rotate(header.framed()).map_err(AppendError::Refused)?;
        }
        let _inside = self.options.gate.pass();
        let observed = self.options.observer.as_ref().map(|observer| (observer, Instant::now()));
        if let Err(error) = self.write(header) {
            self.failed = true;
            tracing::error!(%error, "a log append failed: its outcome is unknown, and the log has stopped");
            return Err(AppendError::Unknown(error));
        }
        if let Some((observer, start)) = observed {
            observer.appended(header.framed(), start.elapsed());
        }
        self.active.acknowledge(header);
        // The record is durable whatever becomes of the mark.
        if let Err(error) = self.mark.note(self.span()) {
            tracing::warn!(%error, "the log's mark was not written");
        }
        Ok(header.first)
    }

    /// Fills in the header of the record that was built, and pads it.
    fn seal_record(&mut self, count: u32) -> Result<RecordHeader, StoreError> {
        let payload = self.record.get(RECORD_HEADER..).unwrap_or_default();
        let first = self.next_position();
        let fits = payload.len() <= PAYLOAD_LENGTH_MAX && count > 0;
        let (true, Some(_)) = (fits, first.checked_add(u64::from(count))) else {
            let source = std::io::Error::other("the record is empty, too long, or the last one possible");
            return Err(StoreError::io(&self.active.path, "append")(source));
        };
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let header = RecordHeader { length, count, first, payload_crc: crc32c::crc32c(payload) };
        if let Some(place) = self.record.get_mut(..RECORD_HEADER) {
            place.copy_from_slice(&header.encode(self.identity));
        }
        self.record.resize(usize::try_from(header.framed()).unwrap_or(usize::MAX), 0);
        Ok(header)
    }

    /// One write, one sync.
    fn write(&self, header: RecordHeader) -> Result<(), StoreError> {
        let Segment { path, file, .. } = &*self.active;
        debug_assert_eq!(header.framed(), self.record.len() as u64);
        #[cfg(test)]
        if self.options.broken.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(StoreError::io(path, "sync")(std::io::Error::other("broken by a test")));
        }
        file.write_all_at(&self.record, self.active.end()).map_err(StoreError::io(path, "append"))?;
        file.sync_data().map_err(StoreError::io(path, "sync"))
    }

    /// Starts a new segment with room for a record of this length.
    fn rotate(&mut self, framed: u64) -> Result<(), StoreError> {
        if self.active.next() == self.active.base {
            // An empty segment is not sealed; this one grows to hold the record.
            return Ok(());
        }
        let header = SegmentHeader { identity: self.identity, base: self.next_position() };
        let allocate = self.options.segment_bytes.max(format::SEGMENT_HEADER + framed);
        self.mark.sync()?;
        let segment = Arc::new(Segment::create(&self.dir, header, allocate)?);
        // The reserved rest of the sealed segment is given back; if that fails, only
        // space is lost.
        if let Err(error) = self.active.file.set_len(self.active.end()) {
            tracing::warn!(%error, "the rest of a sealed segment was not given back");
        }
        let segments = &self.reader.segments;
        segments.write().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&segment));
        self.active = segment;
        Ok(())
    }

    /// Removes the sealed segments that hold only positions before `position`.
    pub fn prune(&mut self, position: u64) -> Result<(), StoreError> {
        let segments = &self.reader.segments;
        let mut kept = segments.write().unwrap_or_else(PoisonError::into_inner);
        let old = kept.iter().take_while(|segment| segment.next() <= position).count();
        let sealed = kept.len().saturating_sub(1);
        let pruned: Vec<_> = kept.drain(..old.min(sealed)).collect();
        drop(kept);
        if pruned.is_empty() {
            return Ok(());
        }
        // The mark goes first: a segment that is missing without it is a loss.
        self.mark.note(self.span())?;
        self.mark.sync()?;
        for segment in &pruned {
            std::fs::remove_file(&segment.path).map_err(StoreError::io(&segment.path, "remove"))?;
        }
        sync_dir(&self.dir)
    }

    fn span(&self) -> Span {
        Span { identity: self.identity, first: self.first_position(), next: self.next_position() }
    }
}

/// Takes the lock of a folder, which is held until the file is dropped.
pub(crate) fn lock_dir(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join("LOCK");
    let mut options = File::options();
    let file = options.write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(StoreError::io(&path, "open the lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path }),
        Err(TryLockError::Error(source)) => Err(StoreError::io(&path, "lock")(source)),
    }
}
