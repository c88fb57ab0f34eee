//! Changes: what followers of a prefix see.

use super::put;
use crate::kv::{Change, Kv, Version, Write};
use futures::future::join;

pub(super) async fn suite<K: Kv>(make: &impl AsyncFn() -> K) {
    a_follower_sees_the_changes_of_its_prefix_in_commit_order(&make().await).await;
    a_commit_is_never_cut_in_two(&make().await).await;
    a_waiting_follower_is_told(&make().await).await;
    a_wait_in_which_nothing_changes_ends_empty(&make().await).await;
}

async fn changes(
    kv: &impl Kv,
    prefix: &str,
    since: Version,
    limit: u32,
) -> Vec<(Version, String, Option<Vec<u8>>)> {
    let changes = kv.changes(prefix.as_bytes(), since, limit, 0).await.expect("the call is well formed");
    let text = |change: Change| (change.version, String::from_utf8(change.key).expect("text"), change.value);
    changes.into_iter().map(text).collect()
}

async fn a_follower_sees_the_changes_of_its_prefix_in_commit_order(kv: &impl Kv) {
    let start = put(kv, &[Write::put("s/before", "")]).await;
    let first = put(kv, &[Write::put("s/a", "1"), Write::put("t/a", "1")]).await;
    let add = Write::Add { key: b"s/n".to_vec(), delta: 1, minimum: 0, maximum: 9 };
    let second = put(kv, &[add]).await;
    let third = put(kv, &[Write::delete("s/a")]).await;
    let expected = [
        (first, "s/a".to_owned(), Some(b"1".to_vec())),
        (second, "s/n".to_owned(), Some(1_i64.to_le_bytes().to_vec())),
        (third, "s/a".to_owned(), None),
    ];
    assert_eq!(changes(kv, "s/", start, 10).await, expected);
    assert_eq!(changes(kv, "s/", first, 10).await, expected[1..]);
    assert_eq!(changes(kv, "s/", start, 2).await, expected[..2]);
    assert_eq!(changes(kv, "s/", third, 10).await, []);
    assert_eq!(changes(kv, "t/a", start, 10).await.len(), 1);
}

async fn a_commit_is_never_cut_in_two(kv: &impl Kv) {
    let start = put(kv, &[Write::put("s/before", "")]).await;
    let three: Vec<_> = ["s/a", "s/b", "s/c"].map(|key| Write::put(key, "1")).into();
    let first = put(kv, &three).await;
    put(kv, &three).await;
    let versions = |limit| async move {
        let seen = changes(kv, "s/", start, limit).await;
        seen.into_iter().map(|(version, ..)| version).collect::<Vec<_>>()
    };
    assert_eq!(versions(4).await, [first; 3], "the second commit does not fit whole");
    assert_eq!(versions(3).await, [first; 3]);
    assert_eq!(versions(1).await, [first; 3], "a commit larger than the limit comes whole");
    assert_eq!(versions(6).await.len(), 6);
}

async fn a_waiting_follower_is_told(kv: &impl Kv) {
    let start = put(kv, &[Write::put("s/before", "")]).await;
    let follow = async {
        loop {
            let seen = kv.changes(b"s/", start, 10, 60_000).await.expect("the call is well formed");
            if !seen.is_empty() {
                return seen;
            }
            futures_yield().await;
        }
    };
    let (seen, version) = join(follow, put(kv, &[Write::put("t/x", ""), Write::put("s/x", "1")])).await;
    assert_eq!(seen, [Change { version, key: b"s/x".to_vec(), value: Some(b"1".to_vec()) }]);
}

/// Lets the other futures of this task run.
async fn futures_yield() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

async fn a_wait_in_which_nothing_changes_ends_empty(kv: &impl Kv) {
    let start = put(kv, &[Write::put("s/before", "")]).await;
    assert_eq!(kv.changes(b"s/", start, 10, 1).await, Ok(vec![]));
    assert_eq!(kv.changes(b"s/", start + 1000, 10, 0).await, Ok(vec![]));
}
