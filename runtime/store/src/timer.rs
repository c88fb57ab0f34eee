//! Deadlines without an executor: one thread that ends waits.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Ends waits at their deadlines.
pub(crate) struct Timers {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    deadlines: BTreeMap<(Instant, u64), oneshot::Sender<()>>,
    serial: u64,
    stopped: bool,
}

impl Timers {
    pub(crate) fn spawn() -> std::io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let seen = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("store-timers".to_owned()).spawn(move || seen.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// A future that resolves after this time, or when the timers are dropped.
    pub(crate) fn after(&self, wait: Duration) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.shared.lock();
        // Waits that ended early leave their deadlines behind; they go first.
        if state.deadlines.len().is_power_of_two() {
            state.deadlines.retain(|_, waiter| !waiter.is_closed());
        }
        state.serial += 1;
        let key = (Instant::now() + wait, state.serial);
        state.deadlines.insert(key, sender);
        drop(state);
        self.shared.changed.notify_one();
        receiver
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn run(&self) {
        let mut state = self.lock();
        while !state.stopped {
            let now = Instant::now();
            let later = state.deadlines.split_off(&(now, u64::MAX));
            for (_, waiter) in std::mem::replace(&mut state.deadlines, later) {
                // A waiter that is gone no longer needs to be told.
                let _ = waiter.send(());
            }
            state = match state.deadlines.first_key_value() {
                Some((&(at, _), _)) => {
                    let wait = at.saturating_duration_since(now);
                    self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
