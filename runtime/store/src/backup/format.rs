//! The bytes of a backup.
//!
//! A backup starts with a header of 24 bytes: `VWPBACK` and a zero, the format version (four
//! bytes), the oldest version of this software that reads it (three numbers of two bytes
//! each), and zeros. Frames follow:
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | length of the payload |
//! | 4 | what the payload is: [`Kind`] |
//! | 5..8 | zeros |
//! | 8..12 | CRC32C of the frame's number (eight bytes, from 0), the bytes before, and the payload |
//!
//! The last frame is [`Kind::End`], whose payload is the SHA-256 of every byte before that
//! frame. Nothing follows it. Integers are little-endian.
//!
//! The checksum of a frame says where damage is, and that before its payload is believed;
//! the digest says that the whole is what was written.

use super::BackupError;
use crate::log::format::{PAYLOAD_LENGTH_MAX, u32_at, u64_at};

/// What a backup starts with.
const MAGIC: [u8; 8] = *b"VWPBACK\0";
/// The format that this code writes, and the newest that it reads.
pub(super) const VERSION: u32 = 1;
/// The oldest version of this software that reads it.
const NEEDS: [u16; 3] = [0, 1, 0];
/// The length of the header.
pub(super) const HEADER: usize = 24;
/// The length of a frame's header.
pub(super) const FRAME_HEADER: usize = 12;
/// The longest payload of a frame: a record of a log, and what is said of it.
pub(super) const FRAME_LENGTH_MAX: usize = PAYLOAD_LENGTH_MAX + RECORD_LEAD;
/// What stands before a log's payload in a frame: position and number of items.
pub(super) const RECORD_LEAD: usize = 12;
/// The length of the digest.
pub(super) const DIGEST: usize = 32;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// When it was taken (eight bytes), and how many machines there are (four).
    About,
    /// The key-value store begins: its log's identity, and the version of its next commit.
    Kv,
    /// Entries of the index in its own order: the lengths of key and value (four bytes each),
    /// and both.
    Entries,
    /// A machine begins: its log's identity, the position of its next command, its name.
    Machine,
    /// A record of the machine's log: the first item's position, the number of items, the
    /// payload.
    Record,
    /// A checkpoint of the machine begins: the position that is in its name.
    Checkpoint,
    /// Bytes of the checkpoint's file.
    Part,
    /// A small file that belongs to the deployment: the length of its name (two bytes), its
    /// name, its contents.
    File,
    /// The end.
    End,
}

const KINDS: [Kind; 9] = [
    Kind::About,
    Kind::Kv,
    Kind::Entries,
    Kind::Machine,
    Kind::Record,
    Kind::Checkpoint,
    Kind::Part,
    Kind::File,
    Kind::End,
];

/// The header of a backup.
pub(super) fn header() -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    for (place, number) in bytes[12..18].chunks_exact_mut(2).zip(NEEDS) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    bytes
}

/// Refuses what is no backup, or a newer one. What is not looked at here is in the digest.
pub(super) fn check_header(bytes: &[u8; HEADER]) -> Result<(), BackupError> {
    if !bytes.starts_with(&MAGIC) {
        return Err(BackupError::NotABackup);
    }
    let found = u32_at(bytes, 8);
    if found > VERSION {
        let number = |at: usize| {
            bytes.get(at).zip(bytes.get(at + 1)).map_or(0, |(low, high)| u16::from_le_bytes([*low, *high]))
        };
        let needs = format!("{}.{}.{}", number(12), number(14), number(16));
        return Err(BackupError::Newer { found, supported: VERSION, needs });
    }
    Ok(())
}

/// What a frame's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) kind: Kind,
    pub(super) length: usize,
    checksum: u32,
}

impl FrameHeader {
    /// The header of a frame with this payload.
    pub(super) fn encode(kind: Kind, number: u64, payload: &[u8]) -> [u8; FRAME_HEADER] {
        let mut bytes = [0; FRAME_HEADER];
        // No caller has a longer payload than a record of a log is.
        bytes[..4].copy_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes[4] = kind.byte();
        let checksum = checksum(number, &bytes[..8], payload);
        bytes[8..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads a header; none if no frame has it.
    pub(super) fn decode(bytes: &[u8; FRAME_HEADER]) -> Option<Self> {
        let length = usize::try_from(u32_at(bytes, 0)).ok().filter(|length| *length <= FRAME_LENGTH_MAX)?;
        let kind = usize::from(bytes[4]).checked_sub(1).and_then(|at| KINDS.get(at)).copied()?;
        Some(Self { kind, length, checksum: u32_at(bytes, 8) })
    }

    /// Whether the payload, and the header itself, are as they were written.
    pub(super) fn is_sound(&self, number: u64, bytes: &[u8; FRAME_HEADER], payload: &[u8]) -> bool {
        checksum(number, &bytes[..8], payload) == self.checksum
    }
}

impl Kind {
    fn byte(self) -> u8 {
        // There are nine.
        KINDS
            .iter()
            .position(|kind| *kind == self)
            .and_then(|at| u8::try_from(at + 1).ok())
            .unwrap_or_default()
    }
}

fn checksum(number: u64, lead: &[u8], payload: &[u8]) -> u32 {
    let crc = crc32c::crc32c_append(crc32c::crc32c(&number.to_le_bytes()), lead);
    crc32c::crc32c_append(crc, payload)
}

/// A position and a number, as several frames begin.
pub(super) fn two(bytes: &[u8]) -> Option<(u64, u64)> {
    (bytes.len() >= 16).then(|| (u64_at(bytes, 0), u64_at(bytes, 8)))
}

/// The first entry of the index in the bytes, and what follows it.
pub(super) fn entry(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (lengths, rest) = bytes.split_at_checked(8)?;
    let length = |at: usize| usize::try_from(u32_at(lengths, at)).ok();
    let (key, rest) = rest.split_at_checked(length(0)?)?;
    let (value, rest) = rest.split_at_checked(length(4)?)?;
    Some((key, value, rest))
}

/// Appends an entry of the index.
pub(super) fn put_entry(key: &[u8], value: &[u8], payload: &mut Vec<u8>) {
    // Keys and values are bounded by the contract of the store.
    for bytes in [key, value] {
        payload.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    }
    payload.extend_from_slice(key);
    payload.extend_from_slice(value);
}
