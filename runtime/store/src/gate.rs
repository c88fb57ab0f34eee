//! The gate: what lets a backup see all of a store at one moment.
//!
//! Whoever makes something durable passes the gate from before it is written until readers
//! can see it. Who closes the gate waits for those inside, and meanwhile everything in the
//! store is at rest. It is closed for as long as it takes to note where each log ends.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A gate; its clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<RwLock<()>>);

impl Gate {
    /// Goes in. Nobody who is inside may go in again: who closes the gate meanwhile would wait
    /// for both, and they for him.
    pub(crate) fn pass(&self) -> RwLockReadGuard<'_, ()> {
        // It guards no data that a panic could leave half done.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes it, once nobody is inside any more.
    pub(crate) fn close(&self) -> RwLockWriteGuard<'_, ()> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
