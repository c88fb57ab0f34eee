//! The packet cache: whole answers, kept until a key that they were made from is changed.
//!
//! A commit is noted before whoever made it is answered (see [`Changes`]), and every answer
//! carries the version of the store from before it was made. So an acknowledged change is
//! never followed by an answer from before it.

use super::changes::Changes;
use quick_cache::Weighter;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vwp_storage::kv::{Key, Version};

/// How long after it was made an answer is still given while there is no better one
/// (RFC 8767, section 5: the maximum stale timer).
const STALE_MAX: Duration = Duration::from_hours(1);
/// The most sources of an answer that is kept.
const SOURCES_MAX: usize = 64;
/// What an entry takes besides its bytes, about.
const OVERHEAD_BYTES: usize = 192;
/// About how many bytes an entry takes, to size the cache's tables.
const ENTRY_BYTES: u64 = 1024;

/// An answer that is kept.
#[derive(Debug)]
pub struct Kept {
    /// The answer, for nobody in particular.
    pub message: Vec<u8>,
    sources: Box<[u32]>,
    since: Version,
    made: Instant,
    good_for: Duration,
}

/// What the cache has for a question.
#[derive(Debug, Clone)]
pub enum Found {
    /// An answer as good as a new one.
    Fresh(Arc<Kept>),
    /// An answer whose time is over, to be given if there is no better one to be had.
    Stale(Arc<Kept>),
}

/// An answer from the resolver, to be kept.
#[derive(Debug)]
pub struct Made<'a> {
    /// The answer, for nobody in particular.
    pub message: &'a [u8],
    /// The keys that it was made from.
    pub sources: &'a [Key],
    /// The version of the store before the first of them was read.
    pub since: Version,
    /// How long it may be kept.
    pub good_for: Duration,
}

/// The answers by question.
pub struct Cache {
    kept: quick_cache::sync::Cache<Box<[u8]>, Arc<Kept>, Weight>,
    changes: Arc<Changes>,
}

impl Cache {
    /// A cache of so many bytes; the answers that are asked for least make room.
    pub fn new(bytes_max: u64, changes: Arc<Changes>) -> Self {
        let items = usize::try_from(bytes_max / ENTRY_BYTES).unwrap_or(usize::MAX);
        Self { kept: quick_cache::sync::Cache::with_weighter(items, bytes_max, Weight), changes }
    }

    /// What is kept for a question. An answer that is known to be outdated is no answer,
    /// not even a stale one.
    pub fn find(&self, question: &[u8], now: Instant) -> Option<Found> {
        let kept = self.kept.get(question)?;
        if !self.changes.unchanged(&kept.sources, kept.since) {
            return None;
        }
        let age = now.saturating_duration_since(kept.made);
        if age < kept.good_for {
            return Some(Found::Fresh(kept));
        }
        (age < STALE_MAX).then_some(Found::Stale(kept))
    }

    /// Keeps an answer, if it may be kept.
    pub fn keep(&self, question: &[u8], made: &Made<'_>, now: Instant) {
        let few = (1..=SOURCES_MAX).contains(&made.sources.len());
        if !few || made.good_for.is_zero() {
            return;
        }
        let kept = Kept {
            message: made.message.to_vec(),
            sources: self.changes.slots(made.sources),
            since: made.since,
            made: now,
            good_for: made.good_for,
        };
        self.kept.insert(question.into(), Arc::new(kept));
    }
}

#[derive(Debug, Clone)]
struct Weight;

impl Weighter<Box<[u8]>, Arc<Kept>> for Weight {
    fn weight(&self, question: &Box<[u8]>, kept: &Arc<Kept>) -> u64 {
        let bytes = OVERHEAD_BYTES + question.len() + kept.message.len() + size_of_val(&*kept.sources);
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vwp_store::Observer;

    fn made<'a>(message: &'a [u8], sources: &'a [Key], since: Version) -> Made<'a> {
        Made { message, sources, since, good_for: Duration::from_mins(1) }
    }

    fn fresh(cache: &Cache, question: &[u8], now: Instant) -> Option<Vec<u8>> {
        match cache.find(question, now) {
            Some(Found::Fresh(kept)) => Some(kept.message.clone()),
            _ => None,
        }
    }

    #[test]
    fn an_answer_is_kept_until_one_of_its_sources_is_changed() {
        let changes = Arc::new(Changes::default());
        let cache = Cache::new(1 << 20, changes.clone());
        let (now, sources) = (Instant::now(), [b"zone/a".to_vec(), b"zone/b".to_vec()]);
        cache.keep(b"a?", &made(b"one", &sources, 5), now);
        assert_eq!(fresh(&cache, b"a?", now).as_deref(), Some(&b"one"[..]));
        assert_eq!(fresh(&cache, b"b?", now), None);
        changes.committed(6, &mut [&b"zone/b"[..]].into_iter());
        assert!(cache.find(b"a?", now).is_none(), "it is not even stale");
        // An answer that was being made while the commit happened may not know of it.
        cache.keep(b"a?", &made(b"one", &sources, 5), now);
        assert_eq!(fresh(&cache, b"a?", now), None);
        cache.keep(b"a?", &made(b"two", &sources, 6), now);
        assert_eq!(fresh(&cache, b"a?", now).as_deref(), Some(&b"two"[..]));
    }

    #[test]
    fn an_answer_whose_time_is_over_is_stale_for_an_hour() {
        let cache = Cache::new(1 << 20, Arc::default());
        let (now, sources) = (Instant::now(), [b"zone/a".to_vec()]);
        cache.keep(b"a?", &made(b"one", &sources, 5), now);
        let after = |minutes| cache.find(b"a?", now + Duration::from_mins(minutes));
        assert!(matches!(after(0), Some(Found::Fresh(_))));
        assert!(matches!(after(1), Some(Found::Stale(_))));
        assert!(matches!(after(59), Some(Found::Stale(_))));
        assert!(after(60).is_none());
    }

    #[test]
    fn an_answer_without_sources_or_time_is_not_kept() {
        let cache = Cache::new(1 << 20, Arc::default());
        let now = Instant::now();
        cache.keep(b"a?", &made(b"one", &[], 5), now);
        let sources = [b"zone/a".to_vec()];
        cache.keep(b"a?", &Made { good_for: Duration::ZERO, ..made(b"one", &sources, 5) }, now);
        assert!(cache.find(b"a?", now).is_none());
    }

    #[test]
    fn a_flood_of_questions_does_not_take_more_than_the_cache_may_have() {
        let cache = Cache::new(64 * 1024, Arc::default());
        let (now, sources) = (Instant::now(), [b"zone/a".to_vec()]);
        for n in 0_u32..10_000 {
            cache.keep(&n.to_be_bytes(), &made(&[0; 100], &sources, 5), now);
        }
        assert!(cache.kept.weight() <= 64 * 1024, "{}", cache.kept.weight());
        assert!(cache.kept.len() > 100);
    }
}
