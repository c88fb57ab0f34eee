//! The latest changes, kept for those who follow them.

use crate::timer::Timers;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use vwp_storage::kv::{Change, Version};
use vwp_storage::{StorageError, limits};

/// The most bytes of changes that are kept.
const BYTES_MAX: usize = 8 * 1_048_576;
/// What a change counts for besides its key and value.
const CHANGE_OVERHEAD: usize = 96;

/// A bounded list of changes, and a bell that rings when it grows.
pub(super) struct Feed {
    kept: Mutex<Kept>,
    grown: Notify,
}

struct Kept {
    changes: VecDeque<Change>,
    bytes: usize,
    /// Changes up to this version are not kept.
    forgotten: Version,
}

impl Feed {
    /// A feed of the changes after a version.
    pub(super) fn after(version: Version) -> Self {
        let kept = Kept { changes: VecDeque::new(), bytes: 0, forgotten: version };
        Self { kept: Mutex::new(kept), grown: Notify::new() }
    }

    /// Adds the changes of durable commits, in commit order.
    pub(super) fn publish(&self, changes: impl Iterator<Item = Change>) {
        let mut kept = self.lock();
        for change in changes {
            kept.bytes += size(&change);
            kept.changes.push_back(change);
        }
        while kept.bytes > BYTES_MAX
            && let Some(oldest) = kept.changes.pop_front()
        {
            // The rest of that commit can no longer be read whole, so `forgotten` covers it.
            kept.bytes -= size(&oldest);
            kept.forgotten = oldest.version;
        }
        drop(kept);
        self.grown.notify_waiters();
    }

    /// Waits for changes as `vwp:storage/kv.changes` says.
    pub(super) async fn changes(
        &self,
        timers: &Timers,
        prefix: &[u8],
        since: Version,
        limit: u32,
        wait_ms: u32,
    ) -> Result<Vec<Change>, StorageError> {
        let mut timeout = None;
        loop {
            // Made before the look, so that what is published after the look rings it.
            let grown = self.grown.notified();
            let found = self.look(prefix, since, limit)?;
            if !found.is_empty() || wait_ms == 0 {
                return Ok(found);
            }
            let timeout =
                timeout.get_or_insert_with(|| timers.after(Duration::from_millis(u64::from(wait_ms))));
            tokio::select! {
                () = grown => {}
                _ = timeout => return self.look(prefix, since, limit),
            }
        }
    }

    fn look(&self, prefix: &[u8], since: Version, limit: u32) -> Result<Vec<Change>, StorageError> {
        let kept = self.lock();
        if since < kept.forgotten {
            let text = format!("changes up to version {} are no longer kept", kept.forgotten);
            return Err(StorageError::Invalid(text));
        }
        let from = kept.changes.partition_point(|change| change.version <= since);
        let newer = kept.changes.range(from..).filter(|change| change.key.starts_with(prefix));
        Ok(limits::whole_commits(newer, limit))
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // No code panics while it holds the lock.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn size(change: &Change) -> usize {
    CHANGE_OVERHEAD + change.key.len() + change.value.as_ref().map_or(0, Vec::len)
}
