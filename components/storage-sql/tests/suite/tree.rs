//! The tree over a log: the same for every instance, whether or not its hashes are kept.

use crate::support::{Either, Place, TestHost, run};
use vwp_storage::Machines;
use vwp_storage::conformance::{TALLY, Tally};
use vwp_storage::machine::{Hash, Head, Leaf, Node};
use vwp_storage_sql::{Database, Dialect, SqlStore, Statement, Value};
use vwp_tlog::hash;

type Store = SqlStore<Either, TestHost, Tally>;

async fn head(store: &Store) -> Head {
    store.tree_head(TALLY).await.expect("the log has a tree")
}

async fn execute(database: &Either, text: &str) -> Vec<Value> {
    let rows = database.run(Statement::new(Dialect::Sqlite, text)).await.expect("the statement is right");
    rows.into_iter().flat_map(|row| row.0).collect()
}

/// The head as it follows from the commands.
async fn expected(store: &Store) -> Head {
    let mut hashes: Vec<Hash> = Vec::new();
    loop {
        let entries = store.entries(TALLY, hashes.len() as u64 + 1, 1000).await.expect("well formed");
        if entries.is_empty() {
            return Head { size: hashes.len() as u64, root: hash::root(&hashes) };
        }
        hashes.extend(entries.iter().map(|entry| Leaf::new(entry.time, &entry.command).hash()));
    }
}

#[test]
fn instances_that_append_by_turns_have_one_tree_and_hashes_that_are_lost_are_computed_again() {
    for place in Place::all() {
        run(async {
            let name = place.create();
            let database = place.connect(&name);
            let store = || SqlStore::new(place.connect(&name), TestHost::real(), Tally::default());
            let (one, two) = (store(), store());
            for number in 0..700_u32 {
                let store = if number % 3 == 0 { &one } else { &two };
                store.submit(TALLY, number.to_be_bytes().to_vec()).await.expect("the command is well formed");
            }
            let now = head(&one).await;
            assert_eq!(now, expected(&two).await);
            assert_eq!(now, head(&two).await);
            assert_eq!(execute(&database, "SELECT count(*) FROM vwp_tree").await, [Value::Integer(2)]);
            let nodes =
                [Node { level: 8, index: 0 }, Node { level: 8, index: 1 }, Node { level: 9, index: 0 }];
            let kept = two.tree_nodes(TALLY, &nodes).await;
            execute(&database, "DELETE FROM vwp_tree").await;
            assert_eq!(two.tree_nodes(TALLY, &nodes).await, kept);
            assert_eq!(head(&store()).await, now);
            assert_eq!(execute(&database, "SELECT count(*) FROM vwp_tree").await, [Value::Integer(2)]);
        });
    }
}
