//! Snapshots: a new instance starts from one, and does without a damaged one.

use crate::support::{Either, Place, TestHost, run};
use vwp_storage::Machines;
use vwp_storage::conformance::{TALLY, Tally};
use vwp_storage_sql::{Database, Dialect, SqlStore, Statement, Value};

fn store(database: &Either) -> SqlStore<Either, TestHost, Tally> {
    SqlStore::new(database.clone(), TestHost::real(), Tally::default()).snapshot_every(10)
}

async fn execute(database: &Either, text: &str) -> Vec<Value> {
    let rows = database.run(Statement::new(Dialect::Sqlite, text)).await.expect("the statement is right");
    rows.into_iter().flat_map(|row| row.0).collect()
}

async fn count(store: &SqlStore<Either, TestHost, Tally>) -> u64 {
    let answer = store.query(TALLY, Vec::new()).await.expect("the machine answers");
    answer.try_into().map_or(0, u64::from_be_bytes)
}

#[test]
fn a_new_instance_starts_from_the_newest_snapshot() {
    for place in Place::all() {
        run(async {
            let database = place.connect(&place.create());
            let first = store(&database);
            for _ in 0..57 {
                first.submit(TALLY, b"x".to_vec()).await.expect("it is taken");
            }
            let kept =
                execute(&database, "SELECT position FROM vwp_snapshots WHERE part = -1 ORDER BY 1").await;
            assert_eq!(kept, [Value::Integer(40), Value::Integer(50)], "two are kept");
            // What the snapshot holds need not be read again: without it a gap would be found.
            execute(&database, "DELETE FROM vwp_log WHERE position <= 50").await;
            assert_eq!(count(&store(&database)).await, 57);
        });
    }
}

#[test]
fn a_damaged_or_incomplete_snapshot_is_as_good_as_none() {
    for place in Place::all() {
        for damage in [
            "UPDATE vwp_snapshots SET body = substr(body, 2) WHERE part = 0",
            "DELETE FROM vwp_snapshots WHERE part = -1",
            "DELETE FROM vwp_snapshots WHERE part = 0",
            "DELETE FROM vwp_snapshots WHERE part = 0 AND position = 20",
        ] {
            run(async {
                let database = place.connect(&place.create());
                let first = store(&database);
                for _ in 0..25 {
                    first.submit(TALLY, b"x".to_vec()).await.expect("it is taken");
                }
                execute(&database, damage).await;
                let second = store(&database);
                assert_eq!(count(&second).await, 25, "after {damage}");
                let applied = second.submit(TALLY, b"y".to_vec()).await.expect("it is taken");
                assert_eq!(applied.answer, [26_u64.to_be_bytes().as_slice(), b"y"].concat());
            });
        }
    }
}

/// Calls that run interleaved in a fresh instance restore and fold one state together.
#[test]
fn interleaved_calls_of_a_new_instance_agree() {
    for place in Place::all() {
        run(async {
            let database = place.connect(&place.create());
            let first = store(&database);
            for _ in 0..25 {
                first.submit(TALLY, b"x".to_vec()).await.expect("it is taken");
            }
            let second = store(&database);
            let calls = (0..20_u8).map(|number| second.submit(TALLY, vec![number]));
            let applied = futures::future::join_all(calls).await;
            for (number, applied) in (0_u8..).zip(applied) {
                let applied = applied.expect("it is taken");
                assert_eq!(applied.answer, [applied.position.to_be_bytes().as_slice(), &[number]].concat());
            }
            assert_eq!((count(&first).await, count(&second).await), (45, 45));
        });
    }
}
