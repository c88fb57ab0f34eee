//! Commits: all or nothing, checks, conflicts, races, appends.

use super::{commit, committed, entry, keys, paged, put, value};
use crate::kv::{Check, Direction, KeyRange, Kv, Outcome, Write};
use crate::{StorageError, limits};
use futures::future::join_all;

pub(super) async fn suite<K: Kv>(make: &impl AsyncFn() -> K) {
    a_commit_writes_all_under_one_version(&make().await).await;
    a_failed_check_writes_nothing_and_names_the_keys(&make().await).await;
    a_check_of_absence_holds_until_the_key_exists(&make().await).await;
    a_key_that_came_back_is_not_unchanged(&make().await).await;
    removing_an_absent_key_changes_nothing(&make().await).await;
    a_commit_without_writes_verifies_its_checks(&make().await).await;
    of_many_racing_creators_one_succeeds(&make().await).await;
    racing_increments_by_checks_lose_nothing(&make().await).await;
    versions_increase_strictly_across_racing_commits(&make().await).await;
    appends_are_ordered_and_never_conflict(&make().await).await;
    appends_that_meet_in_one_key_are_refused(&make().await).await;
}

async fn a_commit_writes_all_under_one_version(kv: &impl Kv) {
    put(kv, &[Write::put("s/c", "old")]).await;
    let version = put(kv, &[Write::put("s/a", "1"), Write::put("s/b", "2"), Write::delete("s/c")]).await;
    assert_eq!(entry(kv, "s/a").await.map(|entry| entry.version), Some(version));
    assert_eq!(entry(kv, "s/b").await.map(|entry| entry.version), Some(version));
    assert_eq!(entry(kv, "s/c").await, None);
}

async fn a_failed_check_writes_nothing_and_names_the_keys(kv: &impl Kv) {
    put(kv, &[Write::put("s/a", "1"), Write::put("s/b", "1"), Write::put("s/c", "1")]).await;
    let a = entry(kv, "s/a").await;
    let b = entry(kv, "s/b").await;
    let c = entry(kv, "s/c").await;
    put(kv, &[Write::put("s/b", "2"), Write::delete("s/c")]).await;
    let checks = [
        Check::unchanged("s/a", a.as_ref()),
        Check::unchanged("s/b", b.as_ref()),
        Check::unchanged("s/c", c.as_ref()),
    ];
    match commit(kv, &checks, &[Write::put("s/d", "x")]).await {
        Outcome::Conflict(mut changed) => {
            changed.sort();
            assert_eq!(changed, keys(&["s/b", "s/c"]));
        }
        other => panic!("expected a conflict, found {other:?}"),
    }
    assert_eq!(value(kv, "s/d").await, None);
    committed(commit(kv, &checks[..1], &[Write::put("s/d", "x")]).await);
}

async fn a_check_of_absence_holds_until_the_key_exists(kv: &impl Kv) {
    committed(commit(kv, &[Check::absent("s/a")], &[Write::put("s/a", "1")]).await);
    let refused = commit(kv, &[Check::absent("s/a")], &[Write::put("s/a", "2")]).await;
    assert_eq!(refused, Outcome::Conflict(keys(&["s/a"])));
    put(kv, &[Write::delete("s/a")]).await;
    committed(commit(kv, &[Check::absent("s/a")], &[Write::put("s/a", "3")]).await);
    assert_eq!(value(kv, "s/a").await, Some(b"3".to_vec()));
}

async fn a_key_that_came_back_is_not_unchanged(kv: &impl Kv) {
    put(kv, &[Write::put("s/a", "same")]).await;
    let seen = entry(kv, "s/a").await;
    put(kv, &[Write::delete("s/a")]).await;
    put(kv, &[Write::put("s/a", "same")]).await;
    let refused = commit(kv, &[Check::unchanged("s/a", seen.as_ref())], &[Write::delete("s/a")]).await;
    assert_eq!(refused, Outcome::Conflict(keys(&["s/a"])));
}

async fn removing_an_absent_key_changes_nothing(kv: &impl Kv) {
    let before = put(kv, &[Write::put("s/a", "1")]).await;
    put(kv, &[Write::delete("s/none")]).await;
    assert_eq!(value(kv, "s/none").await, None);
    let changes = kv.changes(b"s/none", before, 10, 0).await;
    assert_eq!(changes, Ok(vec![]));
}

async fn a_commit_without_writes_verifies_its_checks(kv: &impl Kv) {
    put(kv, &[Write::put("s/a", "1")]).await;
    let seen = entry(kv, "s/a").await;
    committed(commit(kv, &[Check::unchanged("s/a", seen.as_ref())], &[]).await);
    let refused = commit(kv, &[Check::absent("s/a")], &[]).await;
    assert_eq!(refused, Outcome::Conflict(keys(&["s/a"])));
}

async fn of_many_racing_creators_one_succeeds(kv: &impl Kv) {
    for round in 0..20 {
        let key = format!("s/{round}");
        let racers = (0..16).map(|racer: u32| {
            let key = key.as_str();
            async move {
                let write = Write::put(key, racer.to_string());
                (racer, commit(kv, &[Check::absent(key)], &[write]).await)
            }
        });
        let (won, lost): (Vec<_>, Vec<_>) = join_all(racers)
            .await
            .into_iter()
            .partition(|(_, outcome)| matches!(outcome, Outcome::Committed(_)));
        assert_eq!(won.len(), 1, "one creator of {key} succeeds");
        let conflict = Outcome::Conflict(keys(&[&key]));
        assert!(lost.iter().all(|(_, outcome)| *outcome == conflict), "the others see a conflict");
        let winner = won.first().map(|(racer, _)| racer.to_string().into_bytes());
        assert_eq!(value(kv, &key).await, winner, "the winner's value stays");
    }
}

async fn racing_increments_by_checks_lose_nothing(kv: &impl Kv) {
    let increments = (0..8).map(|_| async {
        for _ in 0..10 {
            loop {
                let seen = entry(kv, "s/n").await;
                let text = seen.as_ref().map_or("0".to_owned(), |entry| {
                    String::from_utf8(entry.value.clone()).expect("what was put is text")
                });
                let next = text.parse::<u32>().expect("what was put is a number") + 1;
                let write = Write::put("s/n", next.to_string());
                let outcome = commit(kv, &[Check::unchanged("s/n", seen.as_ref())], &[write]).await;
                if matches!(outcome, Outcome::Committed(_)) {
                    break;
                }
            }
        }
    });
    join_all(increments).await;
    assert_eq!(value(kv, "s/n").await, Some(b"80".to_vec()));
}

async fn versions_increase_strictly_across_racing_commits(kv: &impl Kv) {
    let names: Vec<_> = (0..64).map(|n| format!("s/{n:02}")).collect();
    let commits = names.iter().map(|name| async { put(kv, &[Write::put(name.as_str(), "")]).await });
    let mut versions = join_all(commits).await;
    for (name, version) in names.iter().zip(&versions) {
        assert_eq!(entry(kv, name).await.map(|entry| entry.version), Some(*version));
    }
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), names.len(), "no two commits share a version");
    let last = versions.last().copied().unwrap_or_default();
    assert!(put(kv, &[Write::put("s/last", "")]).await > last);
}

async fn appends_are_ordered_and_never_conflict(kv: &impl Kv) {
    let append = |suffix: &str, value: &str| Write::Append {
        prefix: b"log/".to_vec(),
        suffix: suffix.as_bytes().to_vec(),
        value: value.as_bytes().to_vec(),
    };
    let racing = (0..16).map(|n: u8| {
        let writes = [append("/a", &n.to_string()), append("/b", &n.to_string())];
        async move { put(kv, &writes).await }
    });
    let mut versions = join_all(racing).await;
    versions.sort_unstable();
    let expected: Vec<_> = versions
        .iter()
        .flat_map(|version| ["/a", "/b"].map(|suffix| (*version, suffix)))
        .map(|(version, suffix)| limits::appended_key(b"log/", version, suffix.as_bytes()))
        .collect();
    assert_eq!(paged(kv, &KeyRange::prefix("log/"), 5, Direction::Forward).await, expected);
}

async fn appends_that_meet_in_one_key_are_refused(kv: &impl Kv) {
    let append = Write::Append { prefix: b"s/".to_vec(), suffix: vec![], value: vec![] };
    let refused = kv.commit(&[], &[append.clone(), Write::put("s/a", "1"), append]).await;
    assert!(matches!(refused, Err(StorageError::Invalid(_))), "found {refused:?}");
    assert_eq!(value(kv, "s/a").await, None, "an invalid commit writes nothing");
}
