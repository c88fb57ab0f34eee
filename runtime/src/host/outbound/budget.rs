//! The retry budget of a component: how many requests the host may send a second time.
//!
//! A bucket of tokens (Google's SRE book, chapter 21, "Handling Overload"): each request puts a part of a
//! token in, and each retry takes one out. So retries are a share of the requests, however many
//! fail, and a host that fails is not asked twice as much as one that does not.

use std::sync::atomic::{AtomicU32, Ordering};

/// What a retry costs: a request puts its share in, in hundredths.
const RETRY: u32 = 100;
/// How many retries are saved up at the most, and there are at the start.
const SAVED_MAX: u32 = 10;

pub(super) struct Budget {
    /// What a request puts in.
    share: u32,
    saved: AtomicU32,
}

impl Budget {
    /// With so many retries to a hundred requests.
    pub(super) fn new(retries_per_hundred_max: u32) -> Self {
        let saved = if retries_per_hundred_max == 0 { 0 } else { SAVED_MAX * RETRY };
        Self { share: retries_per_hundred_max, saved: AtomicU32::new(saved) }
    }

    /// A request is sent.
    pub(super) fn earn(&self) {
        let more = |saved: u32| Some(saved.saturating_add(self.share).min(SAVED_MAX * RETRY));
        let _ = self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    /// Whether a request may be sent again.
    pub(super) fn spend(&self) -> bool {
        let less = |saved: u32| saved.checked_sub(RETRY);
        self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_a_share_of_the_requests() {
        let budget = Budget::new(10);
        let saved = (0..1000).take_while(|_| budget.spend()).count();
        assert_eq!(saved, SAVED_MAX as usize);
        let retried = (0..1000).filter(|_| {
            budget.earn();
            budget.spend()
        });
        assert_eq!(retried.count(), 100);
        for _ in 0..100_000 {
            budget.earn();
        }
        let saved = (0..1000).take_while(|_| budget.spend()).count();
        assert_eq!(saved, SAVED_MAX as usize, "no more are saved up");
    }

    #[test]
    fn without_a_share_there_are_none() {
        let budget = Budget::new(0);
        budget.earn();
        assert!(!budget.spend());
    }
}
