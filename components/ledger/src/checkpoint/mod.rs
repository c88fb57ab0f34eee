//! The state as bytes, and back.
//!
//! A header of [`HEADER_LENGTH`] bytes, then the tables, one after the other, each in the
//! order in which its rows were made and each row of one size. So the bytes at any offset
//! follow from one row, and equal states have equal bytes.
//!
//! What follows from the transfers is not written: the lists of entries, the snapshots, the
//! holds that expire. A restore makes them again, by the code that made them first, while it
//! takes the transfers in order.
//!
//! What is restored is believed only when it adds up: references resolve and lead back, ids
//! are unique, and folding the transfers again gives every account's debits, credits and
//! holds, and every origin's returns. The ledger stays as it was until the last part has come.

mod fold;
mod restore;
mod rows;

pub(crate) use restore::Restoration;

use crate::codec::{Malformed, Writer};
use crate::state::{Ledger, State};
use alloc::vec::Vec;
use rows::Section;

/// The length of a checkpoint's header.
pub const HEADER_LENGTH: usize = 96;
/// The version of this format. Version 1 was never in use.
pub const VERSION: u32 = 2;

/// The longest part that room is made for at once.
const PART_EXPECTED: usize = 1 << 20;
const MAGIC: [u8; 8] = *b"vwp-ledg";

/// Why a checkpoint is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreError {
    /// The ledger holds something already.
    NotEmpty,
    /// The bytes are not a checkpoint of a ledger.
    NotACheckpoint,
    /// The checkpoint has another version than this ledger reads.
    Version,
    /// A row is malformed.
    Row,
    /// A row refers to something that is not there, or its id is taken.
    Reference,
    /// The sums are not those of the transfers.
    Sums,
    /// The checkpoint holds more than the ledger may.
    Memory,
    /// The checkpoint ends too early, or goes on after its end.
    Length,
}

impl core::fmt::Display for RestoreError {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str(match self {
            Self::NotEmpty => "the ledger is not empty",
            Self::NotACheckpoint => "not a checkpoint of a ledger",
            Self::Version => "the checkpoint has another version",
            Self::Row => "a row of the checkpoint is malformed",
            Self::Reference => "a row of the checkpoint refers to nothing, or its id is taken",
            Self::Sums => "the checkpoint's sums are not those of its transfers",
            Self::Memory => "the checkpoint holds more than the ledger may",
            Self::Length => "the checkpoint ends too early or too late",
        })
    }
}

impl core::error::Error for RestoreError {}

impl From<Malformed> for RestoreError {
    fn from(_: Malformed) -> Self {
        Self::Row
    }
}

impl Ledger {
    /// The checkpoint's bytes from `offset`, at most `length`; empty at its end.
    pub fn checkpoint(&self, offset: u64, length: u32) -> Vec<u8> {
        let state = self.state.borrow();
        let wanted = length as usize;
        let mut part = Writer::with_capacity(wanted.min(PART_EXPECTED) + Section::ROW_MAX);
        let Some((mut at, skipped)) = state.cursor(offset) else { return Vec::new() };
        // What came before the offset in its row is written too, and then removed.
        let needed = wanted.saturating_add(skipped);
        while part.0.len() < needed {
            let Some(next) = state.write_at(at, &mut part) else { break };
            at = next;
        }
        part.0.truncate(needed);
        part.0.drain(..skipped.min(part.0.len()));
        part.0
    }

    /// Takes the next part of a checkpoint; an empty part ends it. After an error the
    /// ledger is as it was, and waits for a first part again.
    pub fn restore(&mut self, part: &[u8]) -> Result<(), RestoreError> {
        let state = self.state.get_mut();
        if !state.is_empty() {
            return Err(RestoreError::NotEmpty);
        }
        let memory_max = state.memory_max;
        let mut restoration = self.restoration.take().unwrap_or_else(|| Restoration::new(memory_max).into());
        if part.is_empty() {
            *state = restoration.finish()?;
        } else {
            restoration.take(part)?;
            self.restoration = Some(restoration);
        }
        Ok(())
    }
}

/// A row of a table, by number.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    section: Section,
    row: u32,
}

impl State {
    fn is_empty(&self) -> bool {
        self.position == 0
    }

    /// How many rows a section has.
    fn rows(&self, section: Section) -> u32 {
        match section {
            Section::Header => 1,
            // There are at most 64.
            Section::Rules => u32::try_from(self.rules.len()).unwrap_or_default(),
            Section::Assets => self.assets.len(),
            Section::Accounts => self.accounts.len(),
            Section::Extras => self.extras.len(),
            Section::Locks => self.locks.len(),
            Section::Details => self.details.len(),
            Section::Rings => self.rings.len(),
            Section::Transfers => self.transfers.len(),
        }
    }

    /// The row that holds the byte at an offset, and where in the row that byte is.
    fn cursor(&self, mut offset: u64) -> Option<(Cursor, usize)> {
        for section in Section::ALL {
            let size = section.row_length() as u64;
            let length = size * u64::from(self.rows(section));
            if offset < length {
                let row = u32::try_from(offset / size).ok()?;
                return Some((Cursor { section, row }, usize::try_from(offset % size).ok()?));
            }
            offset -= length;
        }
        None
    }

    /// Writes a row; the next one, or none after the last.
    fn write_at(&self, at: Cursor, writer: &mut Writer) -> Option<Cursor> {
        let mut at = at;
        while at.row >= self.rows(at.section) {
            at = Cursor { section: at.section.next()?, row: 0 };
        }
        self.write_row(at.section, at.row, writer);
        Some(Cursor { row: at.row + 1, ..at })
    }
}
