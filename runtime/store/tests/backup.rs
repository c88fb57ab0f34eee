//! Backups: what they hold, that they are of one moment, and what is refused.

mod support;

use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use support::{Folders, OneMachine, block_on, machine, open, replica_options};
use vwp_storage::conformance::ManualClock;
use vwp_storage::kv::{Direction, Item, KeyRange, Write};
use vwp_storage::machine::Machines;
use vwp_store::backup::{Contents, Extra, read};
use vwp_store::{BackupError, Engine, FjallEngine, StoreError};

fn taken(engine: &FjallEngine, extras: &[Extra]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let summary = engine.backup().unwrap().write(&mut bytes, extras, &mut |_| {}).unwrap();
    assert_eq!(summary.bytes, bytes.len() as u64);
    bytes
}

fn verify(mut bytes: &[u8]) -> Result<Contents, BackupError> {
    read(&mut bytes, None, &mut |_| {})
}

fn restore(mut bytes: &[u8], folder: &Path) -> Contents {
    read(&mut bytes, Some(folder), &mut |_| {}).unwrap()
}

/// Everything that can be read of the key-value store, with its versions.
fn everything(engine: &FjallEngine) -> Vec<Item> {
    let mut items = Vec::new();
    let mut range = KeyRange { start: b"a".to_vec(), end: b"zz".to_vec() };
    loop {
        let page = block_on(engine.scan(range.clone(), 1000, Direction::Forward)).unwrap();
        items.extend(page.items);
        match page.next {
            Some(next) => range = next,
            None => return items,
        }
    }
}

fn put(engine: &FjallEngine, key: &str, value: &[u8]) {
    let _ = block_on(engine.commit(vec![], vec![Write::put(key, value.to_vec())])).unwrap();
}

/// The sum of the commands, which is what the machine of the tests answers.
fn submit(tally: &OneMachine, command: &str) -> Vec<u8> {
    block_on(tally.submit("tally", command.as_bytes().to_vec())).unwrap().answer
}

#[test]
fn a_restored_store_is_the_one_that_was_backed_up_and_goes_on_from_there() {
    let (folders, clock) = (Folders::new(), ManualClock::default());
    let engine = open(&folders.next(), &clock);
    let tally = machine(&engine, "tally", replica_options());
    for number in 0..2000_u32 {
        put(&engine, &format!("s/{number}"), &number.to_le_bytes().repeat(20));
        if number % 10 == 0 {
            let _ = submit(&tally, "7");
        }
    }
    let _ = block_on(engine.commit(vec![], vec![Write::delete("s/5")])).unwrap();
    engine.prune().unwrap();
    let extras = [Extra { name: "key".to_owned(), contents: b"secret".to_vec() }];
    let bytes = taken(&engine, &extras);
    let (before, version) = (everything(&engine), engine.version());
    let entries = block_on(tally.entries("tally", 1, 1000)).unwrap();

    let folder = folders.next();
    let contents = restore(&bytes, &folder);
    assert_eq!(contents.files, extras);
    assert_eq!(contents.summary.version, version);
    assert_eq!(contents.summary.machines, [("tally".to_owned(), 200)]);
    let restored = open(&folder, &clock);
    let restored_tally = machine(&restored, "tally", replica_options());
    assert_eq!(everything(&restored), before);
    assert_eq!(restored.version(), version);
    assert_eq!(block_on(restored_tally.entries("tally", 1, 1000)).unwrap(), entries);
    assert_eq!(submit(&restored_tally, "1"), submit(&tally, "1"), "both go on from the same state");
    put(&restored, "s/new", b"1");
    assert_eq!(restored.version(), version + 1);
    drop((restored_tally, restored));
    assert_eq!(everything(&open(&folder, &clock)).len(), before.len() + 1, "it opens again");
}

#[test]
fn a_backup_under_load_is_of_one_moment() {
    let (folders, clock) = (Folders::new(), ManualClock::default());
    let engine = open(&folders.next(), &clock);
    let tally = machine(&engine, "tally", replica_options());
    let (stop, committed) = (AtomicBool::new(false), AtomicU64::new(0));
    let taken = std::thread::scope(|scope| {
        // Each round commits to the one, and only then to the other: at no moment is the second
        // ahead of the first, or more than one behind.
        scope.spawn(|| {
            let mut round = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                round += 1;
                put(&engine, "s/round", &round.to_le_bytes());
                let _ = submit(&tally, "1");
                committed.store(round, Ordering::Release);
            }
        });
        let mut all = Vec::new();
        while all.len() < 20 {
            let least = committed.load(Ordering::Acquire);
            all.push((least, taken(&engine, &[])));
        }
        stop.store(true, Ordering::Relaxed);
        all
    });
    for (least, bytes) in taken {
        let folder = folders.next();
        let commands = restore(&bytes, &folder).summary.machines[0].1;
        let restored = open(&folder, &clock);
        let seen = block_on(restored.get_many(vec![b"s/round".to_vec()])).unwrap();
        let round = seen[0]
            .as_ref()
            .map_or(0, |entry| u64::from_le_bytes(entry.value.as_slice().try_into().expect("eight bytes")));
        assert!(round == commands || round == commands + 1, "round {round}, commands {commands}");
        assert!(commands >= least, "what was acknowledged before is in it");
    }
}

#[test]
fn a_backup_with_any_byte_changed_or_missing_is_refused() {
    let (folders, clock) = (Folders::new(), ManualClock::default());
    let engine = open(&folders.next(), &clock);
    let tally = machine(&engine, "tally", replica_options());
    for number in 0..5_u32 {
        put(&engine, &format!("s/{number}"), b"value");
        let _ = submit(&tally, "3");
    }
    let bytes = taken(&engine, &[Extra { name: "key".to_owned(), contents: b"secret".to_vec() }]);
    verify(&bytes).unwrap();
    for at in 0..bytes.len() {
        for bit in [1, 0x80] {
            let mut changed = bytes.clone();
            changed[at] ^= bit;
            assert!(verify(&changed).is_err(), "byte {at} was changed");
        }
        assert!(verify(&bytes[..at]).is_err(), "it was cut at byte {at}");
    }
    let longer = [bytes.as_slice(), b"\0"].concat();
    assert!(matches!(verify(&longer), Err(BackupError::Damaged { .. })));
}

#[test]
fn a_newer_backup_is_refused_with_the_version_that_reads_it() {
    let (folders, clock) = (Folders::new(), ManualClock::default());
    let mut bytes = taken(&open(&folders.next(), &clock), &[]);
    bytes[8] = 2;
    bytes[14] = 4;
    let said = verify(&bytes).unwrap_err().to_string();
    assert!(said.contains("has format 2") && said.contains("vwp 0.4.0"), "{said}");
    assert!(matches!(verify(b"something else, which is long enough"), Err(BackupError::NotABackup)));
}

#[test]
fn an_empty_store_can_be_backed_up() {
    let (folders, clock) = (Folders::new(), ManualClock::default());
    let bytes = taken(&open(&folders.next(), &clock), &[]);
    let folder = folders.next();
    assert_eq!(restore(&bytes, &folder).summary.version, 0);
    put(&open(&folder, &clock), "s/a", b"1");
    assert_eq!(open(&folder, &clock).version(), 1);
}

#[test]
fn a_machine_that_the_application_no_longer_has_is_in_the_backup() {
    let (folders, clock) = (Folders::new(), ManualClock::default());
    let folder = folders.next();
    let engine = open(&folder, &clock);
    let _ = submit(&machine(&engine, "tally", replica_options()), "3");
    drop(engine);
    let bytes = taken(&open(&folder, &clock), &[]);
    assert_eq!(verify(&bytes).unwrap().summary.machines, [("tally".to_owned(), 1)]);
}

#[test]
fn a_newer_store_is_not_opened() {
    let (folders, clock) = (Folders::new(), ManualClock::default());
    let folder = folders.next();
    drop(open(&folder, &clock));
    let mut note = String::new();
    let path = folder.join("FORMAT");
    let _ = std::fs::File::open(&path).unwrap().read_to_string(&mut note).unwrap();
    let newer = note.replace("index = 1", "index = 3").replace("needs = 0.1.0", "needs = 0.9.0");
    std::fs::write(&path, newer).unwrap();
    let refused = FjallEngine::open(&folder, support::options(&clock)).map(drop);
    let Err(error @ StoreError::NewerStore { .. }) = refused else { panic!("{refused:?}") };
    let said = error.to_string();
    assert!(said.contains("the index has format 3") && said.contains("vwp 0.9.0"), "{said}");
}
