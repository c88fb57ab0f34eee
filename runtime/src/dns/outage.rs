//! When the resolver fails, and when it is over: each is logged once.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long there must have been no failure for an outage to be over. A resolver that
/// fails now and then would otherwise be logged with every question.
const OVER_AFTER: Duration = Duration::from_secs(10);

/// Whether there is an outage now.
#[derive(Default)]
pub(super) struct Outage(Mutex<Option<Current>>);

struct Current {
    last_failure: Instant,
    stale: u64,
    unanswered: u64,
}

impl Outage {
    /// The resolver failed, and a stale answer was given or none.
    pub(super) fn failed(&self, now: Instant, why: &str, has_stale: bool) {
        let mut current = self.current();
        if current.is_none() {
            tracing::error!("the resolver fails: {why}; answers up to an hour old are given meanwhile");
        }
        let current = current.get_or_insert(Current { last_failure: now, stale: 0, unanswered: 0 });
        current.last_failure = now;
        current.stale += u64::from(has_stale);
        current.unanswered += u64::from(!has_stale);
    }

    /// The resolver answered.
    pub(super) fn answered(&self, now: Instant) {
        let mut current = self.current();
        let over = |outage: &mut Current| now.saturating_duration_since(outage.last_failure) >= OVER_AFTER;
        if let Some(outage) = current.take_if(over) {
            let (stale, unanswered) = (outage.stale, outage.unanswered);
            tracing::info!(stale, unanswered, "the resolver answers again");
        }
    }

    fn current(&self) -> MutexGuard<'_, Option<Current>> {
        // Nothing is ever half done under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_over_when_nothing_has_failed_for_a_while() {
        let (outage, now) = (Outage::default(), Instant::now());
        outage.failed(now, "gone", true);
        outage.answered(now + Duration::from_secs(1));
        assert!(outage.current().is_some());
        outage.failed(now + Duration::from_secs(5), "gone", false);
        outage.answered(now + Duration::from_secs(14));
        let counts = outage.current().as_ref().map(|current| (current.stale, current.unanswered));
        assert_eq!(counts, Some((1, 1)));
        outage.answered(now + Duration::from_secs(15));
        assert!(outage.current().is_none());
    }
}
