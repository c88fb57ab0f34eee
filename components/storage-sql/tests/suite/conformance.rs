//! The suites that every engine passes, over both databases.

use crate::support::{Place, TestHost, run};
use vwp_storage::conformance::{self, TALLY, Tally};
use vwp_storage::kv::{Kv, Write};
use vwp_storage::{Machines, StorageError};

#[test]
fn key_values_keep_the_contract() {
    for place in Place::all() {
        let make = async || place.store(TestHost::real(), Tally::default());
        run(conformance::kv_suite(make));
    }
}

#[test]
fn keys_expire_by_the_hosts_clock() {
    for place in Place::all() {
        let make = async |clock| place.store(TestHost::manual(&clock), Tally::default());
        run(conformance::kv_clock_suite(make));
    }
}

#[test]
fn machines_keep_the_contract() {
    for place in Place::all() {
        let make = async || place.store(TestHost::real(), Tally::default());
        run(conformance::machine_suite(make));
    }
}

/// Every instance finds an empty database and creates what it needs, at the same time.
#[test]
fn racing_creators_of_the_tables_all_succeed() {
    for place in Place::all() {
        for _ in 0..5 {
            let name = place.create();
            std::thread::scope(|scope| {
                for client in 0..8 {
                    let (place, name) = (&place, &name);
                    scope.spawn(move || {
                        run(async {
                            let store = vwp_storage_sql::SqlStore::new(
                                place.connect(name),
                                TestHost::real(),
                                Tally::default(),
                            );
                            let write = Write::put(format!("s/{client}"), "here");
                            store.commit(&[], &[write]).await.expect("the tables are there");
                            store.submit(TALLY, vec![client]).await.expect("the tables are there");
                        });
                    });
                }
            });
            let store =
                vwp_storage_sql::SqlStore::new(place.connect(&name), TestHost::real(), Tally::default());
            let entries = run(store.entries(TALLY, 1, 100)).expect("the log is there");
            assert_eq!(entries.len(), 8);
        }
    }
}

#[test]
fn a_second_machine_is_denied() {
    let place = Place::sqlite();
    let store = place.store(TestHost::real(), Tally::default());
    run(store.submit(TALLY, b"1".to_vec())).expect("the first machine is taken");
    let refused = run(store.submit("other", b"1".to_vec()));
    assert!(matches!(refused, Err(StorageError::Denied(_))), "found {refused:?}");
}
