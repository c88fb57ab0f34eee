//! Reads acknowledged records while the log goes on appending.

use super::format::{RECORD_HEADER, RecordHeader};
use super::segment::Segment;
use super::window::Window;
use crate::StoreError;
use std::sync::{Arc, PoisonError, RwLock};

/// The segments of a log, shared with its readers.
pub(super) type Segments = Arc<RwLock<Vec<Arc<Segment>>>>;

/// A handle that reads what a log has acknowledged.
#[derive(Debug, Clone)]
pub struct LogReader {
    pub(super) segments: Segments,
}

/// A record, as it was appended.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// The position of the first item in the payload.
    pub first: u64,
    /// How many items the payload holds.
    pub count: u32,
    /// The bytes that were appended.
    pub payload: &'a [u8],
}

impl Record<'_> {
    /// The position after the last item in the payload.
    pub fn next(&self) -> u64 {
        self.first + u64::from(self.count)
    }
}

impl LogReader {
    /// The first position that is kept.
    pub fn first_position(&self) -> u64 {
        self.with(|segments| segments.first().map_or(1, |segment| segment.base))
    }

    /// The position after the last acknowledged one.
    pub fn next_position(&self) -> u64 {
        self.with(|segments| segments.last().map_or(1, |segment| segment.next()))
    }

    /// The log's identity.
    pub fn identity(&self) -> u64 {
        self.with(|segments| segments.first().map_or(0, |segment| segment.identity))
    }

    /// How many segments are full and will not change.
    pub fn sealed_segments(&self) -> usize {
        self.with(|segments| segments.len().saturating_sub(1))
    }

    /// Visits the records from the one that holds `position` on, in order, until
    /// the visitor answers false or what is acknowledged now has been read.
    pub fn visit(
        &self,
        position: u64,
        mut visit: impl FnMut(Record<'_>) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let segments: Vec<_> =
            self.with(|all| all.iter().filter(|segment| segment.next() > position).cloned().collect());
        for segment in segments {
            if !visit_segment(&segment, position, &mut visit)? {
                break;
            }
        }
        Ok(())
    }

    fn with<T>(&self, read: impl FnOnce(&[Arc<Segment>]) -> T) -> T {
        read(&self.segments.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn visit_segment(
    segment: &Segment,
    position: u64,
    visit: &mut impl FnMut(Record<'_>) -> Result<bool, StoreError>,
) -> Result<bool, StoreError> {
    let end = segment.end();
    let mut window = Window::bounded(&segment.file, &segment.path, end);
    let mut offset = segment.seek(position);
    while offset < end {
        let skipped = skip(&mut window, offset, segment, position)?;
        if let Some(framed) = skipped {
            offset += framed;
            continue;
        }
        // The record was sound when it was acknowledged: the disk changed it.
        let Some(header) = window.record(offset, segment.identity)? else {
            return Err(StoreError::corrupt(
                &segment.path,
                offset,
                "an acknowledged record fails its checksum",
            ));
        };
        let payload = window.payload(offset, header)?;
        if !visit(Record { first: header.first, count: header.count, payload })? {
            return Ok(false);
        }
        offset += header.framed();
    }
    Ok(true)
}

/// The length of the record at `offset`, if it lies before the position and need
/// not be read.
fn skip(
    window: &mut Window<'_>,
    offset: u64,
    segment: &Segment,
    position: u64,
) -> Result<Option<u64>, StoreError> {
    let header = RecordHeader::decode(window.up_to(offset, RECORD_HEADER)?, segment.identity);
    let before = header.filter(|header| header.first + u64::from(header.count) <= position);
    Ok(before.map(RecordHeader::framed))
}
