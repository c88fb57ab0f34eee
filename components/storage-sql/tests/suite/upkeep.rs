//! Upkeep: expired keys are told to followers, and what nobody needs is deleted.

use crate::support::{Either, Place, TestHost, run};
use vwp_storage::StorageError;
use vwp_storage::conformance::{ManualClock, Tally};
use vwp_storage::kv::{Change, Direction, KeyRange, Kv, Outcome, Write};
use vwp_storage_sql::{Database, Dialect, SqlStore, Statement, Value};

#[test]
fn followers_are_told_what_expired() {
    for place in Place::all() {
        run(async {
            let clock = ManualClock::at(1_000);
            let store = place.store(TestHost::manual(&clock), Tally::default());
            let put = Write::Put { key: b"s/a".to_vec(), value: vec![], expires_at: Some(5_000) };
            store.commit(&[], &[put, Write::put("s/b", "")]).await.expect("well formed");
            assert_eq!(store.changes(b"s/", 1, 10, 0).await, Ok(vec![]));
            clock.set(5_000);
            let expired = Change { version: 2, key: b"s/a".to_vec(), value: None };
            assert_eq!(store.changes(b"s/", 1, 10, 0).await, Ok(vec![expired.clone()]));
            clock.set(9_000);
            assert_eq!(store.changes(b"s/", 1, 10, 0).await, Ok(vec![expired]), "it expires once");
        });
    }
}

async fn count(database: &Either, what: &str) -> i64 {
    let rows = database.run(Statement::new(Dialect::Sqlite, what)).await.expect("the table is there");
    match rows.into_iter().next().and_then(|mut row| row.0.pop()) {
        Some(Value::Integer(count)) => count,
        other => panic!("no count, but {other:?}"),
    }
}

#[test]
fn what_was_superseded_is_deleted_and_what_is_current_stays() {
    for place in Place::all() {
        run(async {
            let clock = ManualClock::at(1_000_000);
            let database = place.connect(&place.create());
            let store = SqlStore::new(database.clone(), TestHost::manual(&clock), Tally::default())
                .keeping_commits(100);
            store.commit(&[], &[Write::put("s/old", "stays"), Write::put("s/gone", "")]).await.expect("ok");
            store.commit(&[], &[Write::delete("s/gone")]).await.expect("ok");
            for number in 0..510_u64 {
                clock.set(1_000_000 + number * 60_000);
                let committed = store.commit(&[], &[Write::put("s/hot", number.to_string())]).await;
                assert!(matches!(committed, Ok(Outcome::Committed(_))), "found {committed:?}");
            }
            let range = KeyRange::prefix("s/");
            let page = store.scan(&range, 10, Direction::Forward).await.expect("well formed");
            let found: Vec<_> = page.items.iter().map(|item| item.entry.value.as_slice()).collect();
            assert_eq!(found, [b"509".as_slice(), b"stays"]);
            let rows = count(&database, "SELECT count(*) FROM vwp_kv").await;
            assert!(rows < 300, "of more than a thousand rows {rows} are left");
            let refused = store.changes(b"s/", 5, 10, 0).await;
            assert!(matches!(refused, Err(StorageError::Invalid(_))), "found {refused:?}");
            let told = store.changes(b"s/", 500, 1000, 0).await.expect("it is kept");
            assert_eq!(told.len(), 12, "each commit after it is told");
        });
    }
}

/// A key that was written very often is read as fast as another: the scan steps over it.
#[test]
fn a_scan_does_not_read_what_a_hot_key_left_behind() {
    let place = Place::sqlite();
    run(async {
        let name = place.create();
        let store = SqlStore::new(place.connect(&name), TestHost::real(), Tally::default());
        for number in 0..2_000_u32 {
            store.commit(&[], &[Write::put("s/hot", number.to_le_bytes())]).await.expect("well formed");
        }
        store.commit(&[], &[Write::put("s/next", "")]).await.expect("well formed");
        for direction in [Direction::Forward, Direction::Backward] {
            let page = store.scan(&KeyRange::prefix("s/"), 10, direction).await.expect("well formed");
            assert_eq!(page.items.len(), 2);
        }
    });
}
