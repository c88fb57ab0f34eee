//! Writing a backup.

use super::format::{self, FrameHeader, Kind, RECORD_LEAD};
use super::{Backup, BackupError, Extra, FrozenMachine};
use crate::StoreError;
use crate::machine::checkpoint;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use vwp_storage::kv::Timestamp;

/// How long a frame of entries or of a checkpoint is, about.
const FRAME_LENGTH: usize = 256 * 1024;

/// What is in a backup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// When it was taken, in milliseconds since the Unix epoch.
    pub taken_at: Timestamp,
    /// The version of the last commit in it.
    pub version: u64,
    /// How many entries of the index it holds.
    pub entries: u64,
    /// Each machine, with the position of the last command in the backup.
    pub machines: Vec<(String, u64)>,
    /// The names of the files beside the store.
    pub files: Vec<String>,
    /// How long it is, in bytes.
    pub bytes: u64,
}

impl Backup {
    /// Writes the backup out. `told` is called now and then with the number of bytes so far.
    pub fn write(
        self,
        output: &mut dyn Write,
        extras: &[Extra],
        told: &mut dyn FnMut(u64),
    ) -> Result<Summary, BackupError> {
        let mut frames = Frames { output, digest: Sha256::new(), number: 0, bytes: 0, told };
        frames.put(&format::header())?;
        let mut summary = Summary { taken_at: self.taken_at, ..Summary::default() };
        let machines = u32::try_from(self.machines.len()).unwrap_or(u32::MAX);
        frames.frame(Kind::About, &[&self.taken_at.to_le_bytes()[..], &machines.to_le_bytes()].concat())?;
        self.entries(&mut frames, &mut summary)?;
        for machine in &self.machines {
            machine.write(&mut frames)?;
            summary.machines.push((machine.name.clone(), machine.until.saturating_sub(1)));
        }
        for extra in extras {
            let name = extra.name.as_bytes();
            let length = u16::try_from(name.len()).unwrap_or(u16::MAX).to_le_bytes();
            frames.frame(Kind::File, &[&length, name, &extra.contents].concat())?;
            summary.files.push(extra.name.clone());
        }
        summary.bytes = frames.end()?;
        Ok(summary)
    }

    fn entries(&self, frames: &mut Frames<'_>, summary: &mut Summary) -> Result<(), BackupError> {
        let (next, identity) = self.index.applied()?;
        frames.frame(Kind::Kv, &[identity.to_le_bytes(), next.to_le_bytes()].concat())?;
        summary.version = next.saturating_sub(1);
        let mut payload = Vec::with_capacity(FRAME_LENGTH);
        for item in self.index.items() {
            let (key, value) = item?;
            if !payload.is_empty() && payload.len() + key.len() + value.len() > FRAME_LENGTH {
                frames.frame(Kind::Entries, &payload)?;
                payload.clear();
            }
            format::put_entry(&key, &value, &mut payload);
            summary.entries += 1;
        }
        if payload.is_empty() { Ok(()) } else { frames.frame(Kind::Entries, &payload) }
    }
}

impl FrozenMachine {
    fn write(&self, frames: &mut Frames<'_>) -> Result<(), BackupError> {
        let lead = [self.log.identity().to_le_bytes(), self.until.to_le_bytes()].concat();
        frames.frame(Kind::Machine, &[&lead, self.name.as_bytes()].concat())?;
        let mut failed = None;
        let mut payload = Vec::new();
        self.log.visit(1, |record| {
            if record.first >= self.until {
                return Ok(false);
            }
            payload.clear();
            payload.reserve(RECORD_LEAD + record.payload.len());
            payload.extend_from_slice(&record.first.to_le_bytes());
            payload.extend_from_slice(&record.count.to_le_bytes());
            payload.extend_from_slice(record.payload);
            failed = frames.frame(Kind::Record, &payload).err();
            Ok(failed.is_none())
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        match self.checkpoint()? {
            Some((position, file, path)) => copy(frames, position, &file, &path),
            None => Ok(()),
        }
    }

    /// The newest checkpoint that is not beyond the backup's log. It is opened at once, so that
    /// it stays readable when a newer one replaces it.
    fn checkpoint(&self) -> Result<Option<(u64, File, PathBuf)>, BackupError> {
        for path in checkpoint::list(&self.checkpoints)? {
            let position = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
            if let Some(position) = position.filter(|position| *position <= self.until)
                && let Ok(file) = File::open(&path)
            {
                return Ok(Some((position, file, path)));
            }
        }
        Ok(None)
    }
}

/// A checkpoint's file, as it is: it has a digest of its own, and is only there to save time.
fn copy(frames: &mut Frames<'_>, position: u64, mut file: &File, path: &Path) -> Result<(), BackupError> {
    frames.frame(Kind::Checkpoint, &position.to_le_bytes())?;
    let mut part = Vec::with_capacity(FRAME_LENGTH);
    loop {
        part.clear();
        let read = Read::take(&mut file, FRAME_LENGTH as u64).read_to_end(&mut part);
        if read.map_err(StoreError::io(path, "read"))? == 0 {
            return Ok(());
        }
        frames.frame(Kind::Part, &part)?;
    }
}

/// The output, and what is known of it so far.
struct Frames<'a> {
    output: &'a mut dyn Write,
    digest: Sha256,
    number: u64,
    bytes: u64,
    told: &'a mut dyn FnMut(u64),
}

impl Frames<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.digest.update(bytes);
        self.bytes += bytes.len() as u64;
        self.output.write_all(bytes).map_err(BackupError::Output)
    }

    fn frame(&mut self, kind: Kind, payload: &[u8]) -> Result<(), BackupError> {
        self.put(&FrameHeader::encode(kind, self.number, payload))?;
        self.put(payload)?;
        self.number += 1;
        (self.told)(self.bytes);
        Ok(())
    }

    fn end(mut self) -> Result<u64, BackupError> {
        let digest = self.digest.clone().finalize();
        self.frame(Kind::End, digest.as_slice())?;
        self.output.flush().map_err(BackupError::Output)?;
        Ok(self.bytes)
    }
}
