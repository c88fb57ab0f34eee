//! One segment file: creation, and the scan that tells what of it is sound.

use super::format::{
    ALIGNMENT, RECORD_HEADER, RecordHeader, SEGMENT_HEADER, SEGMENT_HEADER_LENGTH, SegmentHeader,
};
use super::window::Window;
use crate::StoreError;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// An entry of the sparse index is kept for about this many bytes of records.
const INDEX_STRIDE: u64 = 128 * 1024;

/// A segment, shared between the log that appends to it and its readers.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) identity: u64,
    pub(super) base: u64,
    /// Where the acknowledged records end, in bytes.
    end: AtomicU64,
    /// The position after the last acknowledged item.
    next: AtomicU64,
    /// Some records' first positions and offsets, in order.
    index: Mutex<Vec<(u64, u64)>>,
}

/// What ended the run of sound records in a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// Only zeros follow, or nothing.
    Clean,
    /// An incomplete record follows, and nothing after it.
    Torn,
}

impl Segment {
    /// The file name of the segment that starts at this position.
    pub(super) fn name(base: u64) -> String {
        format!("{base:020}.log")
    }

    /// Creates an empty segment that appears under its name only when complete.
    pub(super) fn create(dir: &Path, header: SegmentHeader, allocate: u64) -> Result<Self, StoreError> {
        let path = dir.join(Self::name(header.base));
        let temporary = path.with_extension("tmp");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        let file = options.open(&temporary).map_err(StoreError::io(&temporary, "create the segment"))?;
        preallocate(&file, &temporary, allocate)?;
        file.write_all_at(&header.encode(), 0).map_err(StoreError::io(&temporary, "write"))?;
        file.sync_all().map_err(StoreError::io(&temporary, "sync"))?;
        std::fs::rename(&temporary, &path).map_err(StoreError::io(&path, "rename"))?;
        sync_dir(dir)?;
        Ok(Self::new(path, file, header))
    }

    fn new(path: PathBuf, file: File, header: SegmentHeader) -> Self {
        Self {
            path,
            file,
            identity: header.identity,
            base: header.base,
            end: AtomicU64::new(SEGMENT_HEADER),
            next: AtomicU64::new(header.base),
            index: Mutex::default(),
        }
    }

    /// Opens a segment and reads its header, but no record.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let file = OpenOptions::new().read(true).write(true).open(path);
        let file = file.map_err(StoreError::io(path, "open the segment"))?;
        let mut window = Window::new(&file, path)?;
        let header = SegmentHeader::decode(window.up_to(0, SEGMENT_HEADER_LENGTH)?, path)?;
        Ok(Self::new(path.to_owned(), file, header))
    }

    /// Where the acknowledged records end, in bytes.
    pub(super) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// The position after the last acknowledged item.
    pub(super) fn next(&self) -> u64 {
        self.next.load(Ordering::Acquire)
    }

    /// Makes a record that is on stable storage visible to readers.
    pub(super) fn acknowledge(&self, header: RecordHeader) {
        let offset = self.end();
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        if index.last().is_none_or(|&(_, indexed)| offset - indexed >= INDEX_STRIDE) {
            index.push((header.first, offset));
        }
        drop(index);
        self.next.store(header.first + u64::from(header.count), Ordering::Release);
        self.end.store(offset + header.framed(), Ordering::Release);
    }

    /// The offset of a record at or before the one that holds this position.
    pub(super) fn seek(&self, position: u64) -> u64 {
        let index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let after = index.partition_point(|&(first, _)| first <= position);
        after.checked_sub(1).and_then(|at| index.get(at)).map_or(SEGMENT_HEADER, |&(_, offset)| offset)
    }

    /// Verifies every record and acknowledges the sound ones.
    pub(super) fn scan(&self) -> Result<Tail, StoreError> {
        let mut window = Window::new(&self.file, &self.path)?;
        loop {
            let offset = self.end();
            let Some(header) = window.record(offset, self.identity)? else {
                return self.classify(&mut window, offset);
            };
            if header.first != self.next() {
                let reason = format!("position {} follows {}", header.first, self.next().saturating_sub(1));
                return Err(StoreError::corrupt(&self.path, offset, reason));
            }
            if header.first.checked_add(u64::from(header.count)).is_none() {
                return Err(StoreError::corrupt(&self.path, offset, "positions run out"));
            }
            self.acknowledge(header);
        }
    }

    /// Tells an incomplete last record, which a crash explains, from damage, which
    /// it does not: only one record is ever being written, so if any record header
    /// stands further on, the unsound one before it had been acknowledged.
    fn classify(&self, window: &mut Window<'_>, offset: u64) -> Result<Tail, StoreError> {
        if window.skip_zeros(offset)?.is_none() {
            return Ok(Tail::Clean);
        }
        let mut at = offset + ALIGNMENT;
        // The first eight bytes of a header are never all zeros: they hold the count.
        while let Some(set) = window.skip_zeros(at)? {
            at = at.max(set - set % ALIGNMENT);
            let mut headers = window.up_to(at, CHUNK)?.windows(RECORD_HEADER).step_by(STEP);
            if let Some(found) =
                headers.position(|bytes| RecordHeader::decode(bytes, self.identity).is_some())
            {
                let further = at + found as u64 * ALIGNMENT;
                let reason = format!("the record is unsound, but another stands at byte {further}");
                return Err(StoreError::corrupt(&self.path, offset, reason));
            }
            at += (CHUNK - RECORD_HEADER) as u64;
        }
        Ok(Tail::Torn)
    }

    /// Makes the segment ready for appending. A torn tail is removed, so that nothing
    /// stale can ever be read as a record.
    pub(super) fn resume(&self, tail: &Tail, allocate: u64) -> Result<(), StoreError> {
        if *tail == Tail::Torn {
            self.file.set_len(self.end()).map_err(StoreError::io(&self.path, "cut"))?;
        }
        preallocate(&self.file, &self.path, allocate)?;
        self.file.sync_all().map_err(StoreError::io(&self.path, "sync"))
    }
}

/// The alignment, as a step in memory.
const STEP: usize = 8;
/// How much is searched for a record header at a time; a multiple of the alignment
/// more than a header, so that consecutive chunks overlap by one header.
const CHUNK: usize = 64 * 1024 + RECORD_HEADER;

/// Reserves space, so that a sync need not wait for an allocation. Where the file
/// system cannot, the file grows with each append.
fn preallocate(file: &File, path: &Path, length: u64) -> Result<(), StoreError> {
    let flags = rustix::fs::FallocateFlags::empty();
    match rustix::fs::fallocate(file, flags, 0, length) {
        Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
        Err(errno) => Err(StoreError::io(path, "reserve space")(errno.into())),
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|folder| folder.sync_all()).map_err(StoreError::io(dir, "sync the folder"))
}
