//! The engine against the model: the same steps, the same answers, also across
//! restarts and crashes.

mod support;

use proptest::prelude::*;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use support::{Folders, block_on, copy_into, last_segment, open};
use vwp_storage::conformance::ManualClock;
use vwp_storage::kv::{Check, Direction, Item, KeyRange, Kv, Outcome, Write};
use vwp_storage::memory::Memory;
use vwp_store::SharedKv;

/// What a check asks for, relative to what the key holds.
#[derive(Debug, Clone, Copy)]
enum Seen {
    Current,
    Absent,
    Stale,
}

#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<(u8, Seen)>, Vec<Write>),
    Scan(u8, u8, u32, Direction),
    Advance(u64),
    Restart,
}

fn key(name: u8) -> Vec<u8> {
    // Keys of which one is the start of another, and one that sorts before the slash.
    [b"s/a".as_slice(), b"s/a\0", b"s/ab", b"s/b", b"s", b"s/\xff"][usize::from(name) % 6].to_vec()
}

fn write() -> impl Strategy<Value = Write> {
    let value = prop::collection::vec(any::<u8>(), 0..40);
    let expiry = prop::option::of(0_u64..40);
    prop_oneof![
        4 => (0..6_u8, value.clone(), expiry)
            .prop_map(|(name, value, expires_at)| Write::Put { key: key(name), value, expires_at }),
        2 => (0..6_u8).prop_map(|name| Write::Delete { key: key(name) }),
        1 => (0..6_u8, value).prop_map(|(name, value)| Write::Append { prefix: key(name), suffix: vec![name], value }),
        3 => (0..6_u8, -5_i64..9)
            .prop_map(|(name, delta)| Write::Add { key: key(name), delta, minimum: -3, maximum: 20 }),
    ]
}

fn commit() -> impl Strategy<Value = Step> {
    let seen = prop_oneof![6 => Just(Seen::Current), 1 => Just(Seen::Absent), 1 => Just(Seen::Stale)];
    let checks = prop::collection::vec((0..6_u8, seen), 0..3);
    (checks, prop::collection::vec(write(), 0..5)).prop_map(|(checks, writes)| Step::Commit(checks, writes))
}

fn step() -> impl Strategy<Value = Step> {
    let direction = prop_oneof![Just(Direction::Forward), Just(Direction::Backward)];
    prop_oneof![
        10 => commit(),
        3 => (0..6_u8, 0..6_u8, 1..5_u32, direction).prop_map(|(a, b, limit, way)| Step::Scan(a, b, limit, way)),
        1 => (1_u64..15).prop_map(Step::Advance),
        1 => Just(Step::Restart),
    ]
}

async fn checks(model: &Memory, wanted: &[(u8, Seen)]) -> Vec<Check> {
    let mut checks = Vec::new();
    for (name, seen) in wanted {
        let current = model.get(&key(*name)).await.unwrap().map(|entry| entry.version);
        let version = match seen {
            Seen::Current => current,
            Seen::Absent => None,
            Seen::Stale => Some(current.unwrap_or(9).saturating_sub(1)),
        };
        checks.push(Check { key: key(*name), version });
    }
    checks
}

/// Everything that a store holds.
async fn everything(kv: &impl Kv) -> Vec<Item> {
    let (mut items, mut rest) = (Vec::new(), Some(KeyRange { start: vec![0], end: vec![0xff; 1024] }));
    while let Some(range) = rest {
        let page = kv.scan(&range, 7, Direction::Forward).await.unwrap();
        items.extend(page.items);
        rest = page.next;
    }
    items
}

fn engine(folder: &Path, clock: &ManualClock) -> SharedKv {
    SharedKv(Arc::new(open(folder, clock)))
}

async fn agree(steps: Vec<Step>) {
    let folders = Folders::new();
    let (folder, clock) = (folders.next(), ManualClock::at(1));
    let model = Memory::new({
        let clock = clock.clone();
        move || clock.now()
    });
    let mut kv = Some(engine(&folder, &clock));
    let (mut version, mut followed) = (0, 0);
    for step in steps {
        let engine = kv.as_ref().unwrap();
        match step {
            Step::Commit(wanted, writes) => {
                let checks = checks(&model, &wanted).await;
                let outcome = model.commit(&checks, &writes).await;
                assert_eq!(engine.commit(&checks, &writes).await, outcome, "{checks:?} {writes:?}");
                if let Ok(Outcome::Committed(committed)) = outcome {
                    version = committed;
                }
                let changes = model.changes(b"s", followed, 1000, 0).await;
                assert_eq!(engine.changes(b"s", followed, 1000, 0).await, changes);
            }
            Step::Scan(start, end, limit, direction) => {
                let range = KeyRange { start: key(start), end: key(end) };
                let page = model.scan(&range, limit, direction).await;
                assert_eq!(engine.scan(&range, limit, direction).await, page);
            }
            Step::Advance(time) => clock.set(clock.now() + time),
            Step::Restart => {
                drop(kv.take());
                kv = Some(self::engine(&folder, &clock));
                followed = version;
            }
        }
        assert_eq!(everything(kv.as_ref().unwrap()).await, everything(&model).await);
    }
}

/// Runs commits, crashes in the last one, and looks at what is left.
async fn crash(steps: Vec<Step>, last: &[Write], sectors: &[bool], index_age: usize, power: bool) {
    let folders = Folders::new();
    let (folder, clock) = (folders.next(), ManualClock::at(1));
    let model = Memory::new({
        let clock = clock.clone();
        move || clock.now()
    });
    let kv = engine(&folder, &clock);
    let mut indexes = vec![folders.copy(&folder)];
    for step in steps {
        if let Step::Commit(wanted, writes) = step {
            let checks = checks(&model, &wanted).await;
            assert_eq!(kv.commit(&checks, &writes).await, model.commit(&checks, &writes).await);
            if indexes.len() < 4 {
                indexes.push(folders.copy(&folder));
            }
        }
    }
    let crashed = folders.copy(&folder);
    let acknowledged = everything(&model).await;
    let outcome = kv.commit(&[], last).await;
    assert_eq!(outcome, model.commit(&[], last).await);
    let complete = everything(&model).await;
    overwrite(&folder, &crashed, sectors);
    if power {
        // Only the log is synced: the index may be any earlier one, the mark gone.
        let older = &indexes[index_age % indexes.len()];
        std::fs::remove_dir_all(crashed.join("kv/index")).unwrap();
        copy_into(&older.join("kv/index"), &crashed.join("kv/index"));
        std::fs::remove_file(crashed.join("kv/log/acknowledged")).unwrap();
    }
    let recovered = engine(&crashed, &clock);
    let found = everything(&recovered).await;
    let whole = found == complete;
    assert!(whole || found == acknowledged, "a commit is whole or gone, and the others are there");
    // And it goes on from there, as the model does that took part or did not.
    let next = recovered.commit(&[], &[Write::put("s/next", "x")]).await;
    let before = match model.commit(&[], &[Write::put("s/next", "x")]).await {
        Ok(Outcome::Committed(version)) => version,
        other => panic!("{other:?}"),
    };
    let missing = u64::from(!whole && matches!(outcome, Ok(Outcome::Committed(_))));
    match next {
        Ok(Outcome::Committed(version)) => assert!(version == before || version == before - missing),
        other => panic!("{other:?}"),
    }
}

/// Writes the sectors that a crash let through of what the log gained.
fn overwrite(after: &Path, crashed: &Path, sectors: &[bool]) {
    let segment = last_segment(&after.join("kv/log"));
    let target = crashed.join("kv/log").join(segment.file_name().unwrap());
    let new = std::fs::read(&segment).unwrap();
    if !target.exists() {
        // A new segment is complete before it has its name.
        let mut empty = new[..64].to_vec();
        empty.resize(new.len(), 0);
        std::fs::write(&target, empty).unwrap();
    }
    let old = std::fs::read(&target).unwrap();
    let file = File::options().write(true).open(&target).unwrap();
    let differ = new.chunks(512).zip(old.chunks(512)).enumerate().filter(|(_, (new, old))| new != old);
    for ((sector, (new, _)), through) in differ.zip(sectors.iter().cycle()) {
        if *through {
            file.write_all_at(new, sector as u64 * 512).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_answers_as_the_model_does(steps in prop::collection::vec(step(), 1..40)) {
        block_on(agree(steps));
    }

    #[test]
    fn a_crash_loses_nothing_that_was_acknowledged(
        steps in prop::collection::vec(commit(), 0..25),
        last in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..1500), 1..6),
        sectors in prop::collection::vec(any::<bool>(), 1..8),
        index_age in 0_usize..4,
        power in any::<bool>(),
    ) {
        let put = |(n, value): (usize, Vec<u8>)| Write::put(format!("s/last/{n}"), value);
        let last: Vec<_> = last.into_iter().enumerate().map(put).collect();
        block_on(crash(steps, &last, &sectors, index_age, power));
    }
}
