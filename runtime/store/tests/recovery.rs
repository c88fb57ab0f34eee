//! What the engine does about an index that is old, damaged, foreign or gone.

mod support;

use std::path::Path;
use support::{Folders, block_on, copy_into, open, options, segments};
use vwp_storage::StorageError;
use vwp_storage::conformance::ManualClock;
use vwp_storage::kv::{KeyRange, Write};
use vwp_store::{Engine, FjallEngine, StoreError};

/// Commits many keys, so that the log has several segments.
fn fill(engine: &FjallEngine, from: usize, count: usize) {
    block_on(async {
        for n in from..from + count {
            let put = Write::put(format!("s/{n:05}"), vec![7; 1000]);
            engine.commit(vec![], vec![put]).await.unwrap();
        }
    });
}

fn count(engine: &FjallEngine) -> usize {
    let range = KeyRange::prefix("s/");
    block_on(engine.scan(range, 1000, vwp_storage::kv::Direction::Forward)).unwrap().items.len()
}

fn replace_index(crashed: &Path, from: &Path) {
    std::fs::remove_dir_all(crashed.join("kv/index")).unwrap();
    copy_into(&from.join("kv/index"), &crashed.join("kv/index"));
}

fn refused(folder: &Path) -> StoreError {
    FjallEngine::open(folder, options(&ManualClock::at(1))).map(drop).unwrap_err()
}

#[test]
fn an_index_that_is_gone_is_rebuilt_from_a_whole_log() {
    let folders = Folders::new();
    let (folder, clock) = (folders.next(), ManualClock::at(1));
    fill(&open(&folder, &clock), 0, 50);
    std::fs::remove_dir_all(folder.join("kv/index")).unwrap();
    assert_eq!(count(&open(&folder, &clock)), 50);
}

#[test]
fn a_pruned_log_serves_on_and_an_index_from_before_is_refused() {
    let folders = Folders::new();
    let (folder, clock) = (folders.next(), ManualClock::at(1));
    let engine = open(&folder, &clock);
    fill(&engine, 0, 20);
    let early = folders.copy(&folder);
    fill(&engine, 20, 80);
    let log = folder.join("kv/log");
    assert!(segments(&log).len() > 4);
    engine.prune().unwrap();
    assert_eq!(segments(&log).len(), 1, "what the index holds durably is pruned");
    fill(&engine, 100, 30);
    let crashed = folders.copy(&folder);
    drop(engine);
    assert_eq!(count(&open(&folder, &clock)), 130);
    let went_back = folders.copy(&crashed);
    replace_index(&went_back, &early);
    let refusal = refused(&went_back);
    assert!(matches!(refusal, StoreError::LostData { .. }), "{refusal}");
    let gone = folders.copy(&crashed);
    std::fs::remove_dir_all(gone.join("kv/index")).unwrap();
    assert!(matches!(refused(&gone), StoreError::LostData { .. }));
    assert_eq!(count(&open(&crashed, &clock)), 130, "the copy itself was good");
}

#[test]
fn a_garbled_journal_of_the_index_is_made_up_for_by_the_log() {
    let folders = Folders::new();
    let (folder, clock) = (folders.next(), ManualClock::at(1));
    let engine = open(&folder, &clock);
    fill(&engine, 0, 60);
    let whole = folders.copy(&folder);
    engine.prune().unwrap();
    fill(&engine, 60, 20);
    let pruned = folders.copy(&folder);
    drop(engine);
    for (copy, expected) in [(whole, 60), (pruned, 80)] {
        // The first and the middle of what the journal holds, as if pages were lost.
        for part in [0, 1, 2] {
            let garbled = folders.copy(&copy);
            for entry in std::fs::read_dir(garbled.join("kv/index")).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|extension| extension == "jnl") {
                    let mut bytes = std::fs::read(&path).unwrap();
                    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or_default();
                    let at = used * part / 3;
                    bytes[at..(at + 100).min(used + 1)].fill(0xa5);
                    std::fs::write(&path, bytes).unwrap();
                }
            }
            assert_eq!(count(&open(&garbled, &clock)), expected, "part {part} is garbled");
        }
    }
}

#[test]
fn a_missing_journal_of_the_index_is_made_up_for_by_the_log() {
    let folders = Folders::new();
    let (folder, clock) = (folders.next(), ManualClock::at(1));
    let engine = open(&folder, &clock);
    fill(&engine, 0, 60);
    engine.prune().unwrap();
    fill(&engine, 60, 20);
    drop(engine);
    for entry in std::fs::read_dir(folder.join("kv/index")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "jnl") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let engine = open(&folder, &clock);
    assert_eq!(count(&engine), 80);
    fill(&engine, 40, 60);
    assert_eq!(count(&engine), 100);
}

#[test]
fn an_index_of_another_store_is_refused() {
    let folders = Folders::new();
    let (one, other, clock) = (folders.next(), folders.next(), ManualClock::at(1));
    fill(&open(&one, &clock), 0, 5);
    fill(&open(&other, &clock), 0, 5);
    replace_index(&one, &other);
    assert!(refused(&one).to_string().contains("another log"));
}

#[test]
fn an_index_ahead_of_its_log_is_refused() {
    let folders = Folders::new();
    let (folder, clock) = (folders.next(), ManualClock::at(1));
    let engine = open(&folder, &clock);
    fill(&engine, 0, 3);
    let early = folders.copy(&folder);
    fill(&engine, 3, 3);
    drop(engine);
    replace_index(&early, &folder);
    assert!(matches!(refused(&early), StoreError::LostData { .. }));
}

#[test]
fn what_does_not_fit_the_queue_is_refused() {
    let folders = Folders::new();
    let limited = vwp_store::FjallOptions { queue_items: 4, ..options(&ManualClock::at(1)) };
    let engine = FjallEngine::open(&folders.next(), limited).unwrap();
    block_on(async {
        let commits = (0..2000).map(|n| engine.commit(vec![], vec![Write::put(format!("s/{n}"), "")]));
        let outcomes = futures::future::join_all(commits).await;
        let (taken, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        assert!(!taken.is_empty() && !refused.is_empty(), "{} were taken", taken.len());
        assert!(refused.iter().all(|outcome| matches!(outcome, Err(StorageError::Unavailable(_)))));
        let last = engine.commit(vec![], vec![Write::put("s/last", "")]).await.unwrap();
        let expected = vwp_storage::kv::Outcome::Committed(taken.len() as u64 + 1);
        assert_eq!(last, expected, "what was refused was not written");
    });
}
