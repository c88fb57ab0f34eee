//! Builds a machine from what is on disk: the newest checkpoint, then the log's tail.

use super::batch;
use super::checkpoint::{self, Progress};
use super::host::{HostMachine, MachineFactory};
use crate::StoreError;
use crate::log::LogReader;
use std::path::{Path, PathBuf};

/// Where a machine's state lies on disk, and how to make an empty machine.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) checkpoints: PathBuf,
    pub(super) identity: u64,
    pub(super) log: LogReader,
    pub(super) factory: MachineFactory,
}

/// A machine and what it has applied.
pub(super) struct Built {
    pub(super) machine: Box<dyn HostMachine>,
    pub(super) progress: Progress,
    /// How many commands were replayed from the log, and how many bytes they have.
    pub(super) replayed: u64,
    pub(super) replayed_bytes: u64,
    /// The length of the serialisation that it was restored from; zero if there was none.
    pub(super) restored: u64,
}

impl Source {
    /// A machine that has applied everything before `until`, which is the end of a
    /// record that is in the log.
    pub(super) fn build(&self, until: u64) -> Result<Built, StoreError> {
        let mut built = self.restore(until)?;
        if built.progress.next >= until {
            return Ok(built);
        }
        self.log.visit(built.progress.next, |record| {
            let Some((time, commands)) = batch::decode(&record) else {
                let reason = "the payload is not a batch of commands";
                return Err(StoreError::corrupt(Path::new(&self.name), record.first, reason));
            };
            if record.first != built.progress.next {
                return Err(self.failed(format!("the checkpoint is not at a batch: {}", record.first)));
            }
            let answers = built.machine.apply(record.first, time, &commands);
            let answers = answers.map_err(|error| {
                self.failed(format!("the command at {} failed in the replay: {error}", record.first))
            })?;
            if answers.len() != commands.len() {
                return Err(self.failed(format!("it did not answer every command from {}", record.first)));
            }
            built.replayed += u64::from(record.count);
            built.replayed_bytes += record.payload.len() as u64;
            built.progress = Progress { next: record.next(), time };
            Ok(record.next() < until)
        })?;
        Ok(built)
    }

    fn restore(&self, until: u64) -> Result<Built, StoreError> {
        let restored = checkpoint::restore(&self.checkpoints, self.identity, until, &self.factory)?;
        if let Some((machine, progress, restored)) = restored {
            return Ok(Built { machine, progress, replayed: 0, replayed_bytes: 0, restored });
        }
        let machine = (self.factory)().map_err(|error| self.failed(error.to_string()))?;
        Ok(Built { machine, progress: Progress::NONE, replayed: 0, replayed_bytes: 0, restored: 0 })
    }

    /// Builds a second machine and writes its checkpoint. Returns the serialisation's length.
    pub(super) fn checkpoint(&self, until: u64) -> Result<u64, StoreError> {
        let mut built = self.build(until)?;
        checkpoint::write(&self.checkpoints, self.identity, built.progress, built.machine.as_mut())
    }

    pub(super) fn failed(&self, reason: impl Into<String>) -> StoreError {
        StoreError::Machine { name: self.name.clone(), reason: reason.into() }
    }
}
