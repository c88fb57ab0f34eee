//! Lost replies: what is reported is what is there.

use crate::faulty::Faulty;
use crate::support::{Place, TestHost, run};
use std::collections::BTreeSet;
use vwp_storage::conformance::{TALLY, Tally};
use vwp_storage::kv::{Kv, Outcome, Write};
use vwp_storage::machine::Leaf;
use vwp_storage::{Machines, StorageError};
use vwp_storage_sql::{Database, DatabaseError, Dialect, Row, SqlStore, Statement};

/// One of three statements goes wrong, in each way there is; each commit and each command
/// that was acknowledged is there once, and nothing else is.
#[test]
fn what_is_acknowledged_is_there_once() {
    for place in Place::all() {
        for seed in 1..=4 {
            run(async {
                let name = place.create();
                let clean = SqlStore::new(place.connect(&name), TestHost::real(), Tally::default());
                clean.get(b"s/a").await.expect("the tables can be made");
                let faulty = Faulty::new(place.connect(&name), 3, seed);
                let store = SqlStore::new(faulty, TestHost::real(), Tally::default());
                let mut sum = 0_i64;
                let mut positions = BTreeSet::new();
                for number in 1..=150_u8 {
                    let add = Write::Add {
                        key: b"s/n".to_vec(),
                        delta: number.into(),
                        minimum: 0,
                        maximum: i64::MAX,
                    };
                    let outcome = store.commit(&[], &[add]).await.expect("the database comes back");
                    assert!(matches!(outcome, Outcome::Committed(_)));
                    sum += i64::from(number);
                    let applied = store.submit(TALLY, vec![number]).await.expect("the database comes back");
                    assert_eq!(
                        applied.answer,
                        [applied.position.to_be_bytes().as_slice(), &[number]].concat()
                    );
                    assert!(positions.insert(applied.position), "each position is one command's");
                }
                let found = clean.get(b"s/n").await.expect("well formed").map(|entry| entry.value);
                assert_eq!(found, Some(sum.to_le_bytes().to_vec()), "no addition was lost or doubled");
                let log = clean.entries(TALLY, 1, 1000).await.expect("well formed");
                let commands: Vec<_> = log.iter().map(|entry| entry.command.clone()).collect();
                assert_eq!(commands, (1..=150).map(|number| vec![number]).collect::<Vec<_>>());
                let leaves: Vec<Leaf> =
                    log.iter().map(|entry| Leaf::new(entry.time, &entry.command)).collect();
                let head = clean.tree_head(TALLY).await.expect("the log has a tree");
                let hashes: Vec<_> = leaves.iter().map(Leaf::hash).collect();
                assert_eq!((head.size, head.root), (150, vwp_tlog::hash::root(&hashes)));
            });
        }
    }
}

/// Loses every reply.
struct Silent;

impl Database for Silent {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    async fn run(&self, _: Statement) -> Result<Vec<Row>, DatabaseError> {
        Err(DatabaseError::Unknown("no reply".to_owned()))
    }
}

#[test]
fn a_database_that_cannot_be_reached_is_unavailable() {
    run(async {
        let store = SqlStore::new(Silent, TestHost::hurried(), Tally::default());
        let found = store.get(b"s/a").await;
        assert!(matches!(found, Err(StorageError::Unavailable(_))), "found {found:?}");
        let found = store.commit(&[], &[Write::put("s/a", "")]).await;
        assert!(matches!(found, Err(StorageError::Unavailable(_))), "found {found:?}");
    });
}

/// Answers until it is told not to.
struct Mortal<D> {
    inner: D,
    alive: std::rc::Rc<std::cell::Cell<bool>>,
}

impl<D: Database> Database for Mortal<D> {
    fn dialect(&self) -> Dialect {
        self.inner.dialect()
    }

    async fn run(&self, statement: Statement) -> Result<Vec<Row>, DatabaseError> {
        if self.alive.get() {
            return self.inner.run(statement).await;
        }
        Err(DatabaseError::Unknown("no reply".to_owned()))
    }
}

#[test]
fn only_an_outcome_that_nobody_can_tell_is_unknown() {
    run(async {
        let place = Place::sqlite();
        let alive = std::rc::Rc::new(std::cell::Cell::new(true));
        let inner = place.connect(&place.create());
        let mortal = Mortal { inner, alive: alive.clone() };
        let store = SqlStore::new(mortal, TestHost::hurried(), Tally::default());
        store.submit(TALLY, b"1".to_vec()).await.expect("the database answers");
        alive.set(false);
        let commit = store.commit(&[], &[Write::put("s/a", "")]).await;
        assert!(matches!(commit, Err(StorageError::Unknown(_))), "found {commit:?}");
        let submit = store.submit(TALLY, b"2".to_vec()).await;
        assert!(matches!(submit, Err(StorageError::Unknown(_))), "found {submit:?}");
        let read = store.get(b"s/a").await;
        assert!(matches!(read, Err(StorageError::Unavailable(_))), "found {read:?}");
    });
}
