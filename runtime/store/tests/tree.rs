//! The tree over a machine's log: the same root whatever happened to the process and to the files
//! beside the log, and never one that the log does not have.

mod support;

use futures::future::join_all;
use std::path::{Path, PathBuf};
use support::{Folders, block_on, clock, replica_options, tally};
use vwp_storage::conformance::ManualClock;
use vwp_storage::machine::{Head, Leaf};
use vwp_store::{Replica, ReplicaOptions, Replicated, StoreError};
use vwp_tlog::hash;
use vwp_tlog::proof::{Plan, verify_consistency};

fn open(dir: &Path) -> Result<Replica, StoreError> {
    Replica::open(dir, "tally", tally(), clock(&ManualClock::at(5)), &replica_options())
}

async fn submit(replica: &Replica, count: usize, length: usize) {
    let all: Vec<usize> = (0..count).collect();
    // No more at once than may wait.
    for some in all.chunks(100) {
        let commands = some.iter().map(|n| replica.submit(vec![u8::try_from(n % 256).unwrap(); length]));
        for applied in join_all(commands).await {
            applied.unwrap();
        }
    }
}

fn head(replica: &Replica) -> Head {
    block_on(replica.tree_head()).unwrap()
}

/// The head as it follows from the log alone.
fn expected(replica: &Replica) -> Head {
    let (mut hashes, mut next) = (Vec::new(), 1);
    loop {
        let entries = block_on(replica.entries(next, 1000)).unwrap();
        let Some(last) = entries.last() else { break };
        next = last.position + 1;
        hashes.extend(entries.iter().map(|entry| Leaf::new(entry.time, &entry.command).hash()));
    }
    Head { size: hashes.len() as u64, root: hash::root(&hashes) }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(dir.join("tree")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = listed.filter(|path| path.metadata().unwrap().len() > 0).collect();
    files.sort();
    files
}

/// A folder whose tree was marked, with commands after the mark.
fn marked(folders: &Folders) -> PathBuf {
    let dir = folders.next();
    let replica = open(&dir).unwrap();
    // More bytes than one mark is good for, in more tiles than one.
    block_on(submit(&replica, 700, 100_000));
    block_on(submit(&replica, 300, 10));
    assert_eq!(head(&replica), expected(&replica));
    let names: Vec<_> = files(&dir).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, ["leaves", "mark", "nodes-08"]);
    dir
}

#[test]
fn a_restart_has_the_same_root_and_goes_on_from_it() {
    let folders = Folders::new();
    let dir = folders.next();
    let mut before = head(&open(&dir).unwrap());
    assert_eq!(before.root, hash::empty_root());
    for count in [1, 254, 1, 1, 300, 700, 0] {
        let replica = open(&dir).unwrap();
        assert_eq!(head(&replica), before, "a restart changes nothing");
        block_on(submit(&replica, count, 40));
        let now = head(&replica);
        assert_eq!(now, expected(&replica));
        let plan = Plan::consistency(before.size, now.size).unwrap();
        let hashes = block_on(replica.tree_nodes(plan.nodes().to_vec())).unwrap();
        assert_eq!(verify_consistency(&before, &now, &plan.proof(&hashes).unwrap()), Ok(()));
        before = now;
    }
}

#[test]
fn a_crash_at_any_moment_leaves_the_root_of_what_the_log_has() {
    let folders = Folders::new();
    let dir = marked(&folders);
    // What was written after the mark may be there in part: each length, and each kind of rubbish.
    let crashed = folders.copy(&dir);
    let expected = head(&open(&dir).unwrap());
    for path in files(&crashed).into_iter().filter(|path| !path.ends_with("mark")) {
        let sound = std::fs::read(&path).unwrap();
        for cut in [1, 20, 49, 600, 5000] {
            let mut torn = sound.clone();
            torn.truncate(torn.len().saturating_sub(cut));
            std::fs::write(&path, &torn).unwrap();
            assert_eq!(head(&open(&crashed).unwrap()), expected, "{} without {cut}", path.display());
            let longer = [sound.as_slice(), &vec![0xaa; cut]].concat();
            std::fs::write(&path, longer).unwrap();
            assert_eq!(head(&open(&crashed).unwrap()), expected, "{} and {cut} more", path.display());
            std::fs::write(&path, &sound).unwrap();
        }
    }
    // The log's last record is torn: it was never acknowledged, and the tree does not have it.
    let segments = support::segments(&crashed.join("log"));
    let log = segments.last().unwrap();
    std::fs::remove_file(crashed.join("log/acknowledged")).unwrap();
    let bytes = std::fs::read(log).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    std::fs::write(log, &bytes[..end - 2]).unwrap();
    let replica = open(&crashed).unwrap();
    let shorter = head(&replica);
    assert!(shorter.size < expected.size);
    assert_eq!(shorter, self::expected(&replica));
}

#[test]
fn a_tree_that_is_missing_or_damaged_is_built_again() {
    let folders = Folders::new();
    let dir = marked(&folders);
    let expected = head(&open(&dir).unwrap());
    for path in files(&dir) {
        let sound = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(head(&open(&dir).unwrap()), expected, "without {}", path.display());
        if !path.ends_with("leaves") {
            let mut damaged = sound.clone();
            damaged[10] ^= 1;
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(head(&open(&dir).unwrap()), expected, "{} damaged", path.display());
        }
    }
    std::fs::remove_dir_all(dir.join("tree")).unwrap();
    assert_eq!(head(&open(&dir).unwrap()), expected);
}

#[test]
fn a_start_hashes_only_what_came_after_the_mark() {
    let folders = Folders::new();
    let dir = marked(&folders);
    let before = head(&open(&dir).unwrap());
    // A leaf before the mark is believed as it is: whoever hashed the log again would undo this.
    let path = dir.join("tree/leaves");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[5] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let replica = open(&dir).unwrap();
    assert_eq!(head(&replica), before);
    assert_eq!(std::fs::read(&path).unwrap()[..49], bytes[..49]);
}

#[test]
fn a_log_that_is_shorter_than_its_tree_was_is_a_loss_and_not_a_shorter_tree() {
    let folders = Folders::new();
    let (dir, other) = (marked(&folders), folders.next());
    let replica = open(&other).unwrap();
    block_on(submit(&replica, 3, 10));
    drop(replica);
    // Another log's tree is not this one's.
    support::copy_into(&dir.join("tree"), &other.join("tree"));
    let replica = open(&other).unwrap();
    assert_eq!(head(&replica), expected(&replica));
    assert_eq!(head(&replica).size, 3);
    drop(replica);
    // The same log, of which the end is gone.
    for segment in support::segments(&dir.join("log")).iter().skip(2) {
        std::fs::remove_file(segment).unwrap();
    }
    std::fs::remove_file(dir.join("log/acknowledged")).unwrap();
    assert!(matches!(open(&dir).map(drop), Err(StoreError::LostData { .. })));
}

#[test]
fn long_batches_have_the_root_that_short_ones_have() {
    let folders = Folders::new();
    let lengths = [0, 1, 600, 70_000, 1_000_000, 5];
    let mut heads = Vec::new();
    for together in [false, true] {
        let dir = folders.next();
        let options = ReplicaOptions::default();
        let replica = Replica::open(&dir, "tally", tally(), clock(&ManualClock::at(5)), &options).unwrap();
        let submits = lengths.iter().map(|length| replica.submit(vec![3; *length]));
        if together {
            block_on(join_all(submits));
        } else {
            submits.for_each(|submit| drop(block_on(submit).unwrap()));
        }
        assert_eq!(head(&replica), expected(&replica));
        heads.push(head(&replica));
    }
    assert_eq!(heads[0], heads[1]);
}
