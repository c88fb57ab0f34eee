//! The suite that the model and every engine and adapter pass.
//!
//! Each part is an async function that panics where the store differs from the
//! contract. It is given a maker of empty stores and runs on any executor:
//!
//! ```
//! use vwp_storage::{conformance, memory::Memory};
//! futures::executor::block_on(conformance::kv_suite(async || Memory::default()));
//! ```

mod changes;
mod commits;
mod counters;
mod expiry;
mod invalid;
mod machines;
mod reads;

pub use expiry::ManualClock;
pub use machines::{TALLY, Tally, machine_suite};

use crate::kv::{Check, Direction, Entry, Key, KeyRange, Kv, Outcome, Page, Version, Write};

/// The parts of [`kv_suite`], by name.
pub const KV_PARTS: [&str; 6] = ["reads", "commits", "counters", "changes", "invalid", "expiry"];

/// Everything that the key-value contract promises of a store with any clock.
pub async fn kv_suite<K: Kv>(make: impl AsyncFn() -> K) {
    for part in KV_PARTS {
        kv_part(part, &make).await;
    }
}

/// One part of [`kv_suite`], for a store that is reached by requests of a bounded length.
pub async fn kv_part<K: Kv>(part: &str, make: &impl AsyncFn() -> K) {
    match part {
        "reads" => reads::suite(make).await,
        "commits" => commits::suite(make).await,
        "counters" => counters::suite(make).await,
        "changes" => changes::suite(make).await,
        "invalid" => invalid::suite(make).await,
        "expiry" => expiry::suite(make).await,
        other => panic!("the suite has no part {other:?}"),
    }
}

/// What the contract promises about time, of a store whose clock is given to it.
pub async fn kv_clock_suite<K: Kv>(make: impl AsyncFn(ManualClock) -> K) {
    expiry::clock_suite(&make).await;
}

/// Commits writes that nothing refuses.
async fn put(kv: &impl Kv, writes: &[Write]) -> Version {
    committed(commit(kv, &[], writes).await)
}

async fn commit(kv: &impl Kv, checks: &[Check], writes: &[Write]) -> Outcome {
    kv.commit(checks, writes).await.expect("the commit is well formed")
}

fn committed(outcome: Outcome) -> Version {
    match outcome {
        Outcome::Committed(version) => version,
        other => panic!("expected a commit, found {other:?}"),
    }
}

async fn entry(kv: &impl Kv, key: &str) -> Option<Entry> {
    kv.get(key.as_bytes()).await.expect("the read is well formed")
}

async fn value(kv: &impl Kv, key: &str) -> Option<Vec<u8>> {
    entry(kv, key).await.map(|entry| entry.value)
}

async fn scan(kv: &impl Kv, range: &KeyRange, limit: u32, direction: Direction) -> Page {
    kv.scan(range, limit, direction).await.expect("the scan is well formed")
}

/// All keys of a range, read in pages of this many.
async fn paged(kv: &impl Kv, range: &KeyRange, limit: u32, direction: Direction) -> Vec<Key> {
    let (mut keys, mut rest) = (Vec::new(), Some(range.clone()));
    while let Some(range) = rest {
        let page = scan(kv, &range, limit, direction).await;
        assert!(page.items.len() <= limit as usize, "a page holds no more than was asked for");
        keys.extend(page.items.into_iter().map(|item| item.key));
        rest = page.next;
    }
    keys
}

fn keys(names: &[&str]) -> Vec<Key> {
    names.iter().map(|name| name.as_bytes().to_vec()).collect()
}
