//! Counters: additions that need no check.

use super::{commit, committed, keys, put, value};
use crate::kv::{Kv, Outcome, Write};
use futures::future::join_all;

pub(super) async fn suite<K: Kv>(make: &impl AsyncFn() -> K) {
    a_counter_starts_at_zero_and_adds_up(&make().await).await;
    racing_additions_all_count(&make().await).await;
    a_sum_outside_the_bounds_is_refused(&make().await).await;
    a_sum_that_no_integer_holds_is_refused(&make().await).await;
    another_value_is_not_a_counter(&make().await).await;
    what_is_not_a_counter_is_told_before_bounds(&make().await).await;
}

fn add(key: &str, delta: i64, minimum: i64, maximum: i64) -> Write {
    Write::Add { key: key.into(), delta, minimum, maximum }
}

fn any(key: &str, delta: i64) -> Write {
    add(key, delta, i64::MIN, i64::MAX)
}

async fn sum(kv: &impl Kv, key: &str) -> Option<i64> {
    let bytes = value(kv, key).await?;
    Some(i64::from_le_bytes(bytes.try_into().expect("a counter has eight bytes")))
}

async fn a_counter_starts_at_zero_and_adds_up(kv: &impl Kv) {
    put(kv, &[any("s/n", 5)]).await;
    put(kv, &[any("s/n", -7)]).await;
    assert_eq!(sum(kv, "s/n").await, Some(-2));
    put(kv, &[Write::put("s/n", 40_i64.to_le_bytes())]).await;
    put(kv, &[any("s/n", 2), any("s/m", 1)]).await;
    assert_eq!((sum(kv, "s/n").await, sum(kv, "s/m").await), (Some(42), Some(1)));
    put(kv, &[Write::delete("s/n")]).await;
    put(kv, &[any("s/n", 3)]).await;
    assert_eq!(sum(kv, "s/n").await, Some(3));
}

async fn racing_additions_all_count(kv: &impl Kv) {
    let adds = (1..=64).map(|n| async move { put(kv, &[any("s/hot", n)]).await });
    join_all(adds).await;
    assert_eq!(sum(kv, "s/hot").await, Some(64 * 65 / 2));
}

async fn a_sum_outside_the_bounds_is_refused(kv: &impl Kv) {
    put(kv, &[any("s/n", 10)]).await;
    let writes = [Write::put("s/a", "x"), add("s/n", -11, 0, 100), add("s/m", 101, 0, 100)];
    assert_eq!(commit(kv, &[], &writes).await, Outcome::OutOfBounds(keys(&["s/n", "s/m"])));
    assert_eq!((sum(kv, "s/n").await, value(kv, "s/a").await), (Some(10), None), "nothing is written");
    committed(commit(kv, &[], &[add("s/n", -10, 0, 100)]).await);
    committed(commit(kv, &[], &[add("s/n", 100, 0, 100)]).await);
    assert_eq!(sum(kv, "s/n").await, Some(100), "both bounds are allowed sums");
    // Of racing withdrawals exactly as many succeed as the counter holds.
    let withdrawals: Vec<_> = (0..150).map(|_| [add("s/n", -1, 0, 100)]).collect();
    let outcomes = join_all(withdrawals.iter().map(|write| commit(kv, &[], write))).await;
    let taken = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Committed(_))).count();
    assert_eq!((taken, sum(kv, "s/n").await), (100, Some(0)));
}

async fn a_sum_that_no_integer_holds_is_refused(kv: &impl Kv) {
    put(kv, &[any("s/n", i64::MAX)]).await;
    assert_eq!(commit(kv, &[], &[any("s/n", 1)]).await, Outcome::OutOfBounds(keys(&["s/n"])));
    put(kv, &[any("s/m", i64::MIN)]).await;
    assert_eq!(commit(kv, &[], &[any("s/m", -1)]).await, Outcome::OutOfBounds(keys(&["s/m"])));
    assert_eq!((sum(kv, "s/n").await, sum(kv, "s/m").await), (Some(i64::MAX), Some(i64::MIN)));
}

async fn another_value_is_not_a_counter(kv: &impl Kv) {
    put(kv, &[Write::put("s/a", "seven b"), Write::put("s/b", "nine byte"), Write::put("s/c", "")]).await;
    let writes = [any("s/a", 1), any("s/b", 1), any("s/c", 1), any("s/d", 1)];
    let refused = commit(kv, &[], &writes).await;
    assert_eq!(refused, Outcome::NotACounter(keys(&["s/a", "s/b", "s/c"])));
    assert_eq!(sum(kv, "s/d").await, None);
}

async fn what_is_not_a_counter_is_told_before_bounds(kv: &impl Kv) {
    put(kv, &[Write::put("s/a", "x")]).await;
    let refused = commit(kv, &[], &[add("s/n", -1, 0, 1), any("s/a", 1)]).await;
    assert_eq!(refused, Outcome::NotACounter(keys(&["s/a"])));
}
