//! The bounded queue in front of a writer thread: while one batch is being made
//! durable, the next one collects here. There is no timer.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use vwp_storage::StorageError;

/// What an item counts for besides its own bytes.
const ITEM_OVERHEAD: usize = 64;

/// A queue that one thread takes whole batches from.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    items_max: usize,
    bytes_max: usize,
}

struct State<T> {
    items: Vec<T>,
    bytes: usize,
    /// Why nothing more is taken in, once that is so.
    closed: Option<String>,
    /// Whether what waits is to be refused rather than served.
    stopped: bool,
    waiting: bool,
}

impl<T> Queue<T> {
    pub(crate) fn new(items_max: usize, bytes_max: usize) -> Self {
        let state = State { items: Vec::new(), bytes: 0, closed: None, stopped: false, waiting: false };
        Self { state: Mutex::new(state), filled: Condvar::new(), items_max, bytes_max }
    }

    /// Adds an item of about this many bytes, unless the queue is full or closed.
    pub(crate) fn push(&self, item: T, bytes: usize) -> Result<(), StorageError> {
        let mut state = self.lock();
        if let Some(reason) = &state.closed {
            return Err(StorageError::Unavailable(reason.clone()));
        }
        let bytes = state.bytes + bytes + ITEM_OVERHEAD;
        // A single item always fits: it was bounded before it came here.
        if !state.items.is_empty() && (state.items.len() >= self.items_max || bytes > self.bytes_max) {
            return Err(StorageError::Unavailable("too many requests are waiting".to_owned()));
        }
        state.items.push(item);
        state.bytes = bytes;
        let wake = std::mem::take(&mut state.waiting);
        drop(state);
        if wake {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Waits for items and moves all of them into `batch`, which is empty. False when
    /// the queue is closed and nothing is left.
    pub(crate) fn take(&self, batch: &mut Vec<T>) -> bool {
        let mut state = self.lock();
        while state.items.is_empty() {
            if state.closed.is_some() {
                return false;
            }
            state.waiting = true;
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(&mut state.items, batch);
        state.bytes = 0;
        true
    }

    /// Takes nothing more in; what waits is still served. The first reason stands.
    pub(crate) fn close(&self, reason: &str) {
        self.lock().closed.get_or_insert_with(|| reason.to_owned());
        self.filled.notify_one();
    }

    /// Takes nothing more in because of a failure; what waits is to be refused.
    pub(crate) fn stop(&self, reason: &str) {
        self.lock().stopped = true;
        self.close(reason);
    }

    /// Whether there was a failure.
    pub(crate) fn stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Sees to it that nobody waits for a thread that has ended, however it ended:
    /// what is left in the queue is dropped with the guard, and nothing more comes in.
    pub(crate) fn guard(&self) -> Guard<'_, T> {
        Guard(self)
    }

    /// Why nothing more is taken in, if that is so.
    pub(crate) fn closed(&self) -> Option<String> {
        self.lock().closed.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // No code panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Held by the thread that serves a queue.
pub(crate) struct Guard<'a, T>(&'a Queue<T>);

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        self.0.stop("the thread that serves this has ended");
        let left = std::mem::take(&mut self.0.lock().items);
        drop(left);
    }
}
