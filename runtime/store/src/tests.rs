//! What the engine and the machines make of a disk that fails.

use crate::log::LogOptions;
use crate::{Engine, FjallEngine, FjallOptions, HostMachine, ReplicaOptions, StoreError};
use futures::executor::block_on;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use vwp_storage::StorageError;
use vwp_storage::conformance::Tally;
use vwp_storage::kv::{Check, Outcome, Write};

fn log(broken: &Arc<AtomicBool>) -> LogOptions {
    LogOptions { segment_bytes: 4096, broken: Arc::clone(broken), ..LogOptions::default() }
}

fn open(folder: &Path, broken: &Arc<AtomicBool>) -> FjallEngine {
    FjallEngine::open(folder, FjallOptions { log: log(broken), ..FjallOptions::default() }).unwrap()
}

fn put(key: &str) -> Vec<Write> {
    vec![Write::put(key, "1")]
}

#[test]
fn after_a_failed_sync_the_outcome_is_unknown_and_no_write_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let broken = Arc::<AtomicBool>::default();
    let engine = open(folder.path(), &broken);
    block_on(async {
        engine.commit(vec![], put("s/a")).await.unwrap();
        broken.store(true, Ordering::Relaxed);
        let outcome = engine.commit(vec![], put("s/b")).await;
        assert!(matches!(outcome, Err(StorageError::Unknown(_))), "{outcome:?}");
        broken.store(false, Ordering::Relaxed);
        let refused = engine.commit(vec![], put("s/c")).await;
        assert!(matches!(refused, Err(StorageError::Unavailable(_))), "a disk that recovers is not trusted");
        assert!(engine.health().is_err());
        let seen = engine.get_many(vec![b"s/a".to_vec(), b"s/b".to_vec()]).await.unwrap();
        assert!(seen[0].is_some() && seen[1].is_none(), "reads see what is known to be durable");
    });
    drop(engine);
    let engine = open(folder.path(), &broken);
    let check = vec![Check::absent("s/c")];
    let outcome = block_on(engine.commit(check, put("s/c")));
    assert!(matches!(outcome, Ok(Outcome::Committed(_))), "a restart serves again: {outcome:?}");
}

#[test]
fn a_refusal_that_rests_on_a_failed_commit_is_not_given() {
    let folder = tempfile::tempdir().unwrap();
    let broken = Arc::new(AtomicBool::new(false));
    let engine = open(folder.path(), &broken);
    broken.store(true, Ordering::Relaxed);
    let creations = (0..32).map(|_| engine.commit(vec![Check::absent("s/a")], put("s/a")));
    for outcome in block_on(futures::future::join_all(creations)) {
        assert!(outcome.is_err(), "nobody created the key for certain: {outcome:?}");
    }
}

#[test]
fn a_machine_stops_when_its_log_fails_and_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let broken = Arc::<AtomicBool>::default();
    let engine = open(&folder.path().join("store"), &Arc::default());
    let options = || ReplicaOptions { log: log(&broken), ..ReplicaOptions::default() };
    let factory = Arc::new(|| Ok(Box::new(Tally::default()) as Box<dyn HostMachine>));
    let machine = engine.open_machine("tally", factory.clone(), options()).unwrap();
    let second = engine.open_machine("tally", factory.clone(), options()).map(drop);
    assert!(matches!(second, Err(StoreError::Locked { .. })), "one machine has one host");
    block_on(async {
        machine.submit(b"1".to_vec()).await.unwrap();
        broken.store(true, Ordering::Relaxed);
        let outcome = machine.submit(b"2".to_vec()).await;
        assert!(matches!(outcome, Err(StorageError::Unknown(_))), "{outcome:?}");
        broken.store(false, Ordering::Relaxed);
        let refused = machine.submit(b"3".to_vec()).await;
        assert!(matches!(refused, Err(StorageError::Unavailable(_))), "{refused:?}");
    });
    drop(machine);
    let machine = engine.open_machine("tally", factory, options()).unwrap();
    assert_eq!(block_on(machine.submit(b"4".to_vec())).unwrap().position, 2);
}

#[test]
fn a_machine_with_a_name_that_is_no_label_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path(), &Arc::default());
    for name in ["", "../up", "A", "a/b", "-a", &"a".repeat(65)] {
        let factory = Arc::new(|| Ok(Box::new(Tally::default()) as Box<dyn HostMachine>));
        let refused = engine.open_machine(name, factory, ReplicaOptions::default()).map(drop);
        assert!(matches!(refused, Err(StoreError::Machine { .. })), "{name:?}");
    }
}
