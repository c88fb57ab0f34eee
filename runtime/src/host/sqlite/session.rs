//! One connection of SQLite's own, set up for guests, and what watches over it.

use super::super::Deadline;
use super::guard;
use super::pool::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A statement is interrupted this long before the request's time has passed, so that the
/// guest can still say what happened.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// How many compiled statements a connection keeps.
const STATEMENTS_KEPT: usize = 64;

/// When a call must end although its statement has not.
#[derive(Clone)]
pub(super) struct Until {
    /// When the request's time has passed.
    pub(super) deadline: Deadline,
    /// Turns true when nobody waits for the answer any more.
    pub(super) given_up: Arc<AtomicBool>,
}

impl Until {
    /// How long a statement may still take.
    pub(super) fn left(&self) -> Duration {
        self.deadline.left().saturating_sub(LAST_WORDS)
    }
}

/// Tells a statement that nobody waits for it any more, when it is dropped.
pub(super) struct GiveUp(pub(super) Arc<AtomicBool>);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What SQLite's hooks look at and leave behind.
#[derive(Default)]
pub(super) struct Watch {
    until: Mutex<Option<Until>>,
    /// Whether the guest has inserted a row through this connection.
    pub(super) inserted: AtomicBool,
    /// Whether the connection differs from a new one: another guest must not get it.
    pub(super) altered: AtomicBool,
}

impl Watch {
    /// Says when the statement that follows must end.
    pub(super) fn begin(&self, until: Until) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    /// Whether the statement that runs must end now.
    pub(super) fn is_over(&self) -> bool {
        let until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.as_ref().is_some_and(|until| until.given_up.load(Ordering::Relaxed) || until.left().is_zero())
    }
}

/// A connection that one guest at a time has.
pub(super) struct Session {
    pub(super) sqlite: rusqlite::Connection,
    pub(super) watch: Arc<Watch>,
}

impl Session {
    pub(super) fn open(location: &Location) -> rusqlite::Result<Self> {
        let mut sqlite = match location {
            Location::Memory => rusqlite::Connection::open_in_memory()?,
            Location::File(path) => rusqlite::Connection::open(path)?,
        };
        sqlite.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        // While it is set up; each call sets its own.
        sqlite.busy_timeout(super::LOCKED)?;
        let watch = Arc::new(Watch::default());
        guard::harden(&mut sqlite, &watch)?;
        Ok(Self { sqlite, watch })
    }

    /// Whether another guest may have it as it is.
    pub(super) fn is_clean(&self) -> bool {
        self.sqlite.is_autocommit() && !self.watch.altered.load(Ordering::Relaxed)
    }
}
