//! Making a log again from records that another one held.
//!
//! Records keep their positions and the log its identity, so that whatever was made from
//! the other log, such as a checkpoint, goes with this one.

use super::format::{RECORD_HEADER, SegmentHeader};
use super::segment::{Segment, sync_dir};
use super::{Log, LogOptions, Record};
use crate::StoreError;
use std::os::unix::fs::FileExt;
use std::path::Path;

impl Log {
    /// Creates a log in an empty folder, with this identity and this first position.
    pub(crate) fn create(
        dir: &Path,
        identity: u64,
        base: u64,
        options: LogOptions,
    ) -> Result<Self, StoreError> {
        std::fs::create_dir_all(dir).map_err(StoreError::io(dir, "create the folder"))?;
        Segment::create(dir, SegmentHeader { identity, base }, options.segment_bytes)?;
        Self::open(dir, options)
    }

    /// Appends a record with the position that it had. It is durable after [`Log::finish`].
    pub(crate) fn import(&mut self, record: Record<'_>) -> Result<(), StoreError> {
        if record.first != self.next_position() {
            let reason = format!("position {} cannot follow {}", record.first, self.next_position() - 1);
            return Err(StoreError::corrupt(&self.active.path, self.active.end(), reason));
        }
        self.record.clear();
        self.record.resize(RECORD_HEADER, 0);
        self.record.extend_from_slice(record.payload);
        let header = self.seal_record(record.count)?;
        if self.active.end() + header.framed() > self.options.segment_bytes {
            self.sync_active()?;
            self.rotate(header.framed())?;
        }
        let Segment { path, file, .. } = &*self.active;
        file.write_all_at(&self.record, self.active.end()).map_err(StoreError::io(path, "append"))?;
        self.active.acknowledge(header);
        Ok(())
    }

    /// Makes all of it durable.
    pub(crate) fn finish(self) -> Result<(), StoreError> {
        self.sync_active()?;
        self.mark.note(self.span())?;
        self.mark.sync()?;
        sync_dir(&self.dir)
    }

    fn sync_active(&self) -> Result<(), StoreError> {
        let Segment { path, file, .. } = &*self.active;
        file.sync_data().map_err(StoreError::io(path, "sync"))
    }
}
