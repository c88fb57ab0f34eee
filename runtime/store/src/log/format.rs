//! The bytes of a segment file.
//!
//! A segment starts with a header of 64 bytes:
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | `VWPLOG` and two zeros |
//! | 8..12 | format version |
//! | 16..24 | the log's identity, random, the same in all its segments |
//! | 24..32 | the position of the segment's first item |
//! | 60..64 | CRC32C of the bytes before |
//!
//! Records follow, each at a multiple of eight bytes: a header of 24 bytes, the
//! payload, and zeros up to the next multiple of eight:
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | length of the payload |
//! | 4..8 | how many items the payload holds, at least one |
//! | 8..16 | position of the first item |
//! | 16..20 | CRC32C of the payload |
//! | 20..24 | CRC32C of the identity and the bytes before |
//!
//! Integers are little-endian. Zeros fill the segment up to its allocated length.
//! The identity in the checksum means that nobody who chooses a payload can make a
//! part of it look like a record of this log.

use crate::StoreError;
use std::path::Path;

/// What a segment starts with.
const MAGIC: [u8; 8] = *b"VWPLOG\0\0";
/// The format that this code writes, and the newest that it reads.
pub(crate) const VERSION: u32 = 1;
/// The length of a segment's header.
pub(super) const SEGMENT_HEADER_LENGTH: usize = 64;
/// The same, as an offset in the file.
pub(super) const SEGMENT_HEADER: u64 = SEGMENT_HEADER_LENGTH as u64;
/// The length of a record's header.
pub(super) const RECORD_HEADER: usize = 24;
/// Records start at multiples of this.
pub(super) const ALIGNMENT: u64 = 8;
/// The longest payload of a record.
pub const PAYLOAD_LENGTH_MAX: usize = 64 * 1_048_576;

/// What a segment's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) identity: u64,
    pub(super) base: u64,
}

/// What a record's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) length: u32,
    pub(super) count: u32,
    pub(super) first: u64,
    pub(super) payload_crc: u32,
}

impl SegmentHeader {
    pub(super) fn encode(self) -> [u8; SEGMENT_HEADER_LENGTH] {
        let mut bytes = [0; SEGMENT_HEADER_LENGTH];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.identity.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.base.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header. A newer version is refused before its checksum is looked at,
    /// because that version decides what the checksum covers.
    pub(super) fn decode(bytes: &[u8], file: &Path) -> Result<Self, StoreError> {
        if bytes.get(..8) != Some(&MAGIC) {
            return Err(StoreError::corrupt(file, 0, "this is not a log segment"));
        }
        let found = u32_at(bytes, 8);
        if found > VERSION {
            let file = file.to_owned();
            return Err(StoreError::Newer { file, found, supported: VERSION });
        }
        let covered = bytes.get(..60).unwrap_or_default();
        if crc32c::crc32c(covered) != u32_at(bytes, 60) {
            return Err(StoreError::corrupt(file, 0, "the segment's header fails its checksum"));
        }
        Ok(Self { identity: u64_at(bytes, 16), base: u64_at(bytes, 24) })
    }
}

impl RecordHeader {
    pub(super) fn encode(self, identity: u64) -> [u8; RECORD_HEADER] {
        let mut bytes = [0; RECORD_HEADER];
        bytes[..4].copy_from_slice(&self.length.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.count.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.first.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.payload_crc.to_le_bytes());
        let crc = record_crc(identity, &bytes[..20]);
        bytes[20..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The header in these bytes, if they are one of this log.
    pub(super) fn decode(bytes: &[u8], identity: u64) -> Option<Self> {
        let covered = bytes.get(..20)?;
        let header = Self {
            length: u32_at(bytes, 0),
            count: u32_at(bytes, 4),
            first: u64_at(bytes, 8),
            payload_crc: u32_at(bytes, 16),
        };
        let sound = header.count > 0 && header.length as usize <= PAYLOAD_LENGTH_MAX;
        (sound && record_crc(identity, covered) == u32_at(bytes, 20)).then_some(header)
    }

    /// The bytes that the record takes in the segment.
    pub(super) fn framed(self) -> u64 {
        (RECORD_HEADER as u64 + u64::from(self.length)).next_multiple_of(ALIGNMENT)
    }
}

fn record_crc(identity: u64, covered: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&identity.to_le_bytes()), covered)
}

/// The integer at an offset, or zero past the end: callers check a checksum.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    let taken = bytes.get(offset..offset + 4).and_then(|part| part.try_into().ok());
    taken.map_or(0, u32::from_le_bytes)
}

/// The integer at an offset, or zero past the end: callers check a checksum.
pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    let taken = bytes.get(offset..offset + 8).and_then(|part| part.try_into().ok());
    taken.map_or(0, u64::from_le_bytes)
}
