//! Expiry: a key reads as absent from its time on.

use super::{commit, committed, keys, paged, put, value};
use crate::kv::{Check, Direction, KeyRange, Kv, Outcome, Timestamp, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A clock that a test moves by hand.
#[derive(Debug, Clone, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// A clock that shows this time.
    pub fn at(time: Timestamp) -> Self {
        Self(Arc::new(AtomicU64::new(time)))
    }

    /// The time it shows.
    pub fn now(&self) -> Timestamp {
        self.0.load(Ordering::SeqCst)
    }

    /// Makes it show another time.
    pub fn set(&self, time: Timestamp) {
        self.0.store(time, Ordering::SeqCst);
    }
}

fn expiring(key: &str, value: impl Into<Vec<u8>>, at: Timestamp) -> Write {
    Write::Put { key: key.into(), value: value.into(), expires_at: Some(at) }
}

pub(super) async fn suite<K: Kv>(make: &impl AsyncFn() -> K) {
    let kv = make().await;
    put(&kv, &[expiring("s/gone", "1", 0), expiring("s/stays", "2", u64::MAX), Write::put("s/plain", "3")])
        .await;
    assert_eq!(value(&kv, "s/gone").await, None, "its time is past");
    assert_eq!(value(&kv, "s/stays").await, Some(b"2".to_vec()));
    let left = paged(&kv, &KeyRange::prefix("s/"), 1, Direction::Forward).await;
    assert_eq!(left, keys(&["s/plain", "s/stays"]), "a page skips what is expired");
    committed(commit(&kv, &[Check::absent("s/gone")], &[Write::put("s/gone", "4")]).await);
    assert_eq!(value(&kv, "s/gone").await, Some(b"4".to_vec()), "a put without expiry stays");
}

pub(super) async fn clock_suite<K: Kv>(make: &impl AsyncFn(ManualClock) -> K) {
    let clock = ManualClock::at(1_000);
    let kv = make(clock.clone()).await;
    a_key_is_there_until_its_time_comes(&kv, &clock).await;
    let clock = ManualClock::at(1_000);
    let kv = make(clock.clone()).await;
    an_expired_counter_starts_again(&kv, &clock).await;
    let clock = ManualClock::at(1_000);
    let kv = make(clock.clone()).await;
    a_new_value_has_a_new_expiry(&kv, &clock).await;
}

async fn a_key_is_there_until_its_time_comes(kv: &impl Kv, clock: &ManualClock) {
    let version = put(kv, &[expiring("s/a", "1", 2_000)]).await;
    clock.set(1_999);
    assert_eq!(value(kv, "s/a").await, Some(b"1".to_vec()));
    clock.set(2_000);
    assert_eq!(value(kv, "s/a").await, None);
    let stale = Check { key: b"s/a".to_vec(), version: Some(version) };
    let refused = commit(kv, &[stale], &[Write::put("s/b", "1")]).await;
    assert_eq!(refused, Outcome::Conflict(keys(&["s/a"])), "expiry is a change");
}

async fn an_expired_counter_starts_again(kv: &impl Kv, clock: &ManualClock) {
    let add = |delta| Write::Add { key: b"s/n".to_vec(), delta, minimum: 0, maximum: 10 };
    put(kv, &[expiring("s/n", 9_i64.to_le_bytes(), 2_000)]).await;
    put(kv, &[add(1)]).await;
    assert_eq!(commit(kv, &[], &[add(1)]).await, Outcome::OutOfBounds(keys(&["s/n"])));
    clock.set(2_000);
    assert_eq!(value(kv, "s/n").await, None, "an addition keeps the expiry");
    put(kv, &[add(3)]).await;
    assert_eq!(value(kv, "s/n").await, Some(3_i64.to_le_bytes().to_vec()));
    clock.set(9_000);
    assert_eq!(value(kv, "s/n").await, Some(3_i64.to_le_bytes().to_vec()), "a new counter does not expire");
}

async fn a_new_value_has_a_new_expiry(kv: &impl Kv, clock: &ManualClock) {
    put(kv, &[expiring("s/a", "1", 2_000), expiring("s/b", "1", 2_000)]).await;
    put(kv, &[Write::put("s/a", "2"), expiring("s/b", "2", 3_000)]).await;
    clock.set(2_500);
    assert_eq!(value(kv, "s/a").await, Some(b"2".to_vec()));
    assert_eq!(value(kv, "s/b").await, Some(b"2".to_vec()));
    clock.set(3_000);
    assert_eq!((value(kv, "s/a").await, value(kv, "s/b").await), (Some(b"2".to_vec()), None));
}
