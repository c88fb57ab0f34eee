//! What the engine does on its own: it removes what has expired, and prunes the log
//! once the index holds it durably.

use super::writer::Request;
use super::{Shared, fail};
use crate::StoreError;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How many keys one sweep's commit removes; a commit changes at most this many.
const SWEEP_KEYS_MAX: usize = 256;
/// How often a flush is looked at.
const FLUSH_POLL: Duration = Duration::from_millis(20);

/// Tells the maintenance thread to stop, at once.
#[derive(Default)]
pub(super) struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    pub(super) fn stop(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits this long; true if it is time to stop.
    fn wait(&self, time: Duration) -> bool {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(stopped, time, |stopped| !*stopped);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Shared {
    /// Runs until it is told to stop.
    pub(super) fn maintain(&self, every: Duration) {
        while !self.stop.wait(every) {
            let done = self.sweep().and_then(|_| {
                if self.log.sealed_segments() >= self.prune_at { self.prune() } else { Ok(()) }
            });
            if let Err(error) = done {
                return fail(self, &error);
            }
        }
    }

    /// Removes everything that has expired by now and says how many keys were looked at.
    pub(super) fn sweep(&self) -> Result<usize, StoreError> {
        let mut total = 0;
        loop {
            let due = self.index.snapshot().due(self.now(), SWEEP_KEYS_MAX)?;
            let (found, bytes) = (due.len(), due.iter().map(|(key, _)| key.len()).sum());
            if found == 0 {
                return Ok(total);
            }
            let (done, dropped) = sync_channel(0);
            // A queue that is full or closed leaves the keys to the next sweep.
            if self.queue.push(Request::Expire { due, done }, bytes).is_err() {
                return Ok(total);
            }
            // Nothing is ever sent: the wait ends when the writer drops its end.
            let _ = dropped.recv();
            if self.queue.closed().is_some() {
                return Ok(total);
            }
            total += found;
        }
    }

    /// Prunes the log up to what is flushed into synced tables, and waits for that.
    pub(super) fn prune(&self) -> Result<(), StoreError> {
        let next = self.next_version.load(Ordering::Acquire);
        self.index.start_flush()?;
        while !self.index.flushed() {
            if self.stop.wait(FLUSH_POLL) {
                return Ok(());
            }
        }
        // Everything before `next` was applied before the flush started.
        let (done, dropped) = sync_channel(0);
        if self.queue.push(Request::Prune { before: next, done }, 0).is_ok() {
            // Nothing is ever sent: the wait ends when the writer drops its end.
            let _ = dropped.recv();
        }
        Ok(())
    }
}
