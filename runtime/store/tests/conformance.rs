//! The embedded engine keeps the storage contract.

mod support;

use std::sync::Arc;
use support::{Folders, OneMachine, block_on, machine, open, replica_options};
use vwp_storage::conformance::{self, ManualClock, TALLY};
use vwp_storage::kv::{Change, Kv, Write};
use vwp_store::{Engine, FjallEngine, SharedKv};

#[test]
fn the_engine_keeps_the_key_value_contract() {
    let folders = Folders::new();
    let make = async || SharedKv(Arc::new(open(&folders.next(), &ManualClock::at(1))));
    block_on(conformance::kv_suite(make));
}

#[test]
fn the_engine_expires_by_its_clock() {
    let folders = Folders::new();
    let make = async |clock: ManualClock| SharedKv(Arc::new(open(&folders.next(), &clock)));
    block_on(conformance::kv_clock_suite(make));
}

#[test]
fn the_engine_keeps_the_contract_of_machines() {
    let folders = Folders::new();
    let make = async || {
        let engine = open(&folders.next(), &ManualClock::at(1));
        OneMachine(machine(&engine, TALLY, replica_options()).0)
    };
    block_on(conformance::machine_suite(make));
}

#[test]
fn a_sweep_removes_what_expired_and_tells_followers_once() {
    let folders = Folders::new();
    let clock = ManualClock::at(1);
    let folder = folders.next();
    let engine = Arc::new(open(&folder, &clock));
    let kv = SharedKv(engine.clone());
    block_on(async {
        let expiring = |key: &str, at| Write::Put { key: key.into(), value: vec![], expires_at: Some(at) };
        kv.commit(&[], &[expiring("s/a", 5), expiring("s/b", 5), expiring("s/c", 9)]).await.unwrap();
        kv.commit(&[], &[expiring("s/b", 7)]).await.unwrap();
        assert_eq!(engine.sweep().unwrap(), 0);
        clock.set(5);
        engine.sweep().unwrap();
        let expired = Change { version: 3, key: b"s/a".to_vec(), value: None };
        assert_eq!(kv.changes(b"s/", 2, 10, 0).await, Ok(vec![expired]), "s/b was put again");
        clock.set(9);
        engine.sweep().unwrap();
        let swept = kv.changes(b"s/", 3, 10, 0).await.unwrap();
        let keys: Vec<_> = swept.into_iter().map(|change| (change.key, change.value)).collect();
        assert_eq!(keys, [(b"s/b".to_vec(), None), (b"s/c".to_vec(), None)]);
        assert_eq!(engine.sweep().unwrap(), 0, "nothing is left to sweep");
    });
}

#[test]
fn one_sweep_removes_more_than_a_commit_may_write() {
    let folders = Folders::new();
    let clock = ManualClock::at(1);
    let engine = Arc::new(open(&folders.next(), &clock));
    let kv = SharedKv(engine.clone());
    block_on(async {
        for batch in 0..3 {
            let expiring = |n| Write::Put {
                key: format!("s/{batch}/{n}").into_bytes(),
                value: vec![],
                expires_at: Some(2),
            };
            let writes: Vec<_> = (0..256).map(expiring).collect();
            kv.commit(&[], &writes).await.unwrap();
        }
        clock.set(2);
        assert_eq!(engine.sweep().unwrap(), 768);
        assert_eq!(kv.changes(b"s/", 3, 1000, 0).await.unwrap().len(), 768);
    });
}

#[test]
fn changes_from_before_a_restart_are_refused_rather_than_skipped() {
    let folders = Folders::new();
    let folder = folders.next();
    let clock = ManualClock::at(1);
    let put = || vec![Write::put("s/a", "1")];
    block_on(open(&folder, &clock).commit(vec![], put())).unwrap();
    let engine = open(&folder, &clock);
    block_on(async {
        assert!(engine.changes(b"s/".to_vec(), 0, 10, 0).await.is_err());
        assert_eq!(engine.changes(b"s/".to_vec(), 1, 10, 0).await, Ok(vec![]));
        engine.commit(vec![], put()).await.unwrap();
        assert_eq!(engine.changes(b"s/".to_vec(), 1, 10, 0).await.unwrap().len(), 1);
    });
}

#[test]
fn a_second_engine_on_the_same_folder_is_refused() {
    let folders = Folders::new();
    let folder = folders.next();
    let clock = ManualClock::at(1);
    let engine = open(&folder, &clock);
    let second = FjallEngine::open(&folder, support::options(&clock)).map(drop).unwrap_err();
    assert!(second.to_string().contains("in use by another process"), "{second}");
    drop(engine);
    open(&folder, &clock);
}

#[test]
fn the_engine_works_on_a_runtime_with_many_threads_and_on_one() {
    let folders = Folders::new();
    let clock = ManualClock::at(1);
    for (threads, folder) in [(1, folders.next()), (4, folders.next())] {
        let mut builder = if threads == 1 {
            tokio::runtime::Builder::new_current_thread()
        } else {
            tokio::runtime::Builder::new_multi_thread()
        };
        let engine = Arc::new(open(&folder, &clock));
        builder.build().unwrap().block_on(async {
            let commits: Vec<_> = (0..50)
                .map(|n| {
                    let engine = Arc::clone(&engine);
                    let writes = vec![Write::put(format!("s/{n}"), "")];
                    tokio::spawn(async move { engine.commit(vec![], writes).await })
                })
                .collect();
            for commit in commits {
                commit.await.unwrap().unwrap();
            }
            assert_eq!(engine.changes(b"s/".to_vec(), 0, 1000, 0).await.unwrap().len(), 50);
        });
    }
}
