//! The store, and how an attempt is repeated.

use crate::fold::Fold;
use crate::{Database, DatabaseError, Host, Row, Statement};
use std::cell::{Cell, RefCell};
use vwp_storage::StorageError;
use vwp_storage::machine::StateMachine;

/// How many commits superseded values and removals are kept for readers of `changes`.
pub const KEPT_COMMITS: u64 = 10_000;
/// How often a statement that did not apply, or whose reply is missing, is tried again.
pub const ATTEMPTS_MAX: u32 = 200;
/// How often a lost reply is looked for, before the outcome is reported as unknown.
pub(crate) const RESOLUTIONS_MAX: u32 = 200;
/// How often a read is tried again after an error that says nothing.
const READS_MAX: u32 = 20;
/// The longest pause between two attempts, in milliseconds.
const PAUSE_MS_MAX: u32 = 64;

/// `vwp:storage` over a database, with the fold of one machine.
///
/// One instance serves one thread: it is what one instance of a component holds. Its
/// calls may run interleaved. Nothing is locked across an await: what was read is applied
/// between two awaits, if it still is what comes next.
pub struct SqlStore<D, H, M> {
    pub(crate) database: D,
    pub(crate) host: H,
    pub(crate) fold: RefCell<Fold<M>>,
    pub(crate) prepared: Cell<bool>,
    /// Whether a call adds to counters now.
    pub(crate) adding: Cell<bool>,
    /// When expired keys were last looked for.
    pub(crate) swept_at: Cell<u64>,
    pub(crate) kept_commits: u64,
    /// A snapshot is considered at positions that this divides.
    pub(crate) snapshot_interval: u64,
}

impl<D: Database, H: Host, M: StateMachine> SqlStore<D, H, M> {
    /// A store that knows nothing yet. `machine` is empty; it becomes the machine that is
    /// first asked for by name.
    pub fn new(database: D, host: H, machine: M) -> Self {
        Self {
            database,
            host,
            fold: RefCell::new(Fold::new(machine)),
            prepared: Cell::new(false),
            adding: Cell::new(false),
            swept_at: Cell::new(0),
            kept_commits: KEPT_COMMITS,
            snapshot_interval: crate::snapshot::INTERVAL,
        }
    }

    /// Keeps superseded values for this many commits instead of [`KEPT_COMMITS`].
    #[must_use]
    pub fn keeping_commits(mut self, kept_commits: u64) -> Self {
        self.kept_commits = kept_commits;
        self
    }

    /// Considers a snapshot of a machine each time it has taken this many commands.
    #[must_use]
    pub fn snapshot_every(mut self, commands: u64) -> Self {
        self.snapshot_interval = commands.max(1);
        self
    }

    pub(crate) fn statement(&self, text: &str) -> Statement {
        Statement::new(self.database.dialect(), text)
    }

    /// Runs a statement that changes nothing, so that it can be repeated.
    pub(crate) async fn read(&self, statement: Statement) -> Result<Vec<Row>, StorageError> {
        let mut backoff = Backoff::default();
        loop {
            match self.database.run(statement.clone()).await {
                Ok(rows) => return Ok(rows),
                Err(DatabaseError::Refused(text)) => return Err(StorageError::Unavailable(text)),
                Err(DatabaseError::NotApplied(text) | DatabaseError::Unknown(text)) => {
                    if backoff.attempt() >= READS_MAX {
                        return Err(StorageError::Unavailable(text));
                    }
                    backoff.wait(&self.host).await;
                }
            }
        }
    }
}

/// Pauses between attempts: random, and longer each time up to a bound, so that those
/// who collided do not collide again.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// How many pauses there were.
    pub(crate) fn attempt(&self) -> u32 {
        self.attempts
    }

    /// Waits before the next attempt.
    pub(crate) async fn wait(&mut self, host: &impl Host) {
        let bound = 1_u32.checked_shl(self.attempts).unwrap_or(PAUSE_MS_MAX).min(PAUSE_MS_MAX);
        self.attempts += 1;
        let random = host.random().first_chunk().copied().map_or(0, u32::from_le_bytes);
        host.sleep(random % (bound + 1)).await;
    }
}
