//! Reads a segment through a buffer, so that small records cost no system call each.

use super::format::{RECORD_HEADER, RecordHeader};
use crate::StoreError;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// How much is read at a time, at least.
const READ_LENGTH: usize = 256 * 1024;

/// A block of zeros.
const ZEROS: [u8; 4096] = [0; 4096];

/// A buffer over part of a file.
pub(super) struct Window<'a> {
    file: &'a File,
    path: &'a Path,
    length: u64,
    start: u64,
    buffer: Vec<u8>,
}

impl<'a> Window<'a> {
    /// A window over the whole file.
    pub(super) fn new(file: &'a File, path: &'a Path) -> Result<Self, StoreError> {
        let length = file.metadata().map_err(StoreError::io(path, "read the length"))?.len();
        Ok(Self::bounded(file, path, length))
    }

    /// A window over the first `length` bytes of the file.
    pub(super) fn bounded(file: &'a File, path: &'a Path, length: u64) -> Self {
        Self { file, path, length, start: 0, buffer: Vec::new() }
    }

    /// The `wanted` bytes from `offset` on, or fewer at the end of the file.
    pub(super) fn up_to(&mut self, offset: u64, wanted: usize) -> Result<&[u8], StoreError> {
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = wanted.min(left);
        let loaded = self.start + self.buffer.len() as u64;
        if offset < self.start || offset + wanted as u64 > loaded {
            self.start = offset;
            self.buffer.resize(wanted.max(READ_LENGTH).min(left), 0);
            let read = self.file.read_exact_at(&mut self.buffer, offset);
            read.map_err(StoreError::io(self.path, "read"))?;
        }
        let from = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        Ok(self.buffer.get(from..from + wanted).unwrap_or_default())
    }

    /// The header of the record at `offset`, if the whole record is sound.
    pub(super) fn record(&mut self, offset: u64, identity: u64) -> Result<Option<RecordHeader>, StoreError> {
        let Some(header) = RecordHeader::decode(self.up_to(offset, RECORD_HEADER)?, identity) else {
            return Ok(None);
        };
        let payload = self.payload(offset, header)?;
        let sound = payload.len() == header.length as usize && crc32c::crc32c(payload) == header.payload_crc;
        Ok(sound.then_some(header))
    }

    /// The payload of the record at `offset`.
    pub(super) fn payload(&mut self, offset: u64, header: RecordHeader) -> Result<&[u8], StoreError> {
        self.up_to(offset + RECORD_HEADER as u64, header.length as usize)
    }

    /// The offset of the first byte from `offset` on that is not zero.
    pub(super) fn skip_zeros(&mut self, mut offset: u64) -> Result<Option<u64>, StoreError> {
        while offset < self.length {
            let bytes = self.up_to(offset, READ_LENGTH)?;
            // Whole blocks are compared at once: most of what is skipped is reserved space.
            let blocks = bytes.chunks(ZEROS.len());
            let zeros = blocks.take_while(|block| ZEROS.starts_with(block)).map(<[u8]>::len).sum();
            if let Some(set) = bytes.iter().skip(zeros).position(|byte| *byte != 0) {
                return Ok(Some(offset + (zeros + set) as u64));
            }
            offset += bytes.len() as u64;
        }
        Ok(None)
    }
}
