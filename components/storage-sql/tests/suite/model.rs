//! The store does what the model does, whatever the calls are.

use crate::support::{Place, TestHost, run};
use proptest::prelude::*;
use vwp_storage::conformance::{ManualClock, Tally};
use vwp_storage::kv::{Check, Direction, KeyRange, Kv, Outcome, Write};
use vwp_storage::memory::Memory;

/// One step: time passes, then a commit with checks on some of the keys.
#[derive(Debug, Clone)]
struct Step {
    passes: u64,
    checked: Vec<(u8, bool)>,
    writes: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Put(u8, Vec<u8>, Option<u64>),
    Delete(u8),
    Append(u8),
    Add(u8, i64),
}

fn key(number: u8) -> Vec<u8> {
    match number {
        0 => b"s/\x00".to_vec(),
        1 => b"s/\x00\xff".to_vec(),
        number => format!("s/{number}").into_bytes(),
    }
}

fn change() -> impl Strategy<Value = Change> {
    let value = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..20),
        (-5_i64..5).prop_map(|number| number.to_le_bytes().to_vec())
    ];
    prop_oneof![
        (0..6_u8, value, proptest::option::of(0..20_u64))
            .prop_map(|(key, value, at)| Change::Put(key, value, at)),
        (0..6_u8).prop_map(Change::Delete),
        (0..3_u8).prop_map(Change::Append),
        (0..6_u8, -8_i64..8).prop_map(|(key, delta)| Change::Add(key, delta)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let checked = proptest::collection::vec((0..6_u8, prop::bool::weighted(0.9)), 0..3);
    let writes = proptest::collection::vec(change(), 0..5);
    (0..4_u64, checked, writes).prop_map(|(passes, checked, writes)| Step { passes, checked, writes })
}

async fn same(place: &Place, steps: Vec<Step>) {
    let clock = ManualClock::at(1);
    let model = Memory::new({
        let clock = clock.clone();
        move || clock.now()
    });
    let store = place.store(TestHost::manual(&clock), Tally::default());
    for step in steps {
        clock.set(clock.now() + step.passes);
        let mut checks = Vec::new();
        for (number, honest) in step.checked {
            let seen = model.get(&key(number)).await.expect("well formed");
            checks.push(if honest {
                Check::unchanged(key(number), seen.as_ref())
            } else {
                Check { key: key(number), version: Some(1_000_000) }
            });
        }
        let writes: Vec<_> = step.writes.into_iter().map(|change| write(change, clock.now())).collect();
        let expected = model.commit(&checks, &writes).await;
        let found = store.commit(&checks, &writes).await;
        assert_eq!(
            found.is_err(),
            expected.is_err(),
            "{found:?} and not {expected:?} of {checks:?} {writes:?}"
        );
        if expected.is_ok() {
            assert_eq!(found, expected, "{checks:?} {writes:?}");
        }
        agree(&model, &store).await;
    }
}

fn write(change: Change, now: u64) -> Write {
    match change {
        Change::Put(number, value, after) => {
            Write::Put { key: key(number), value, expires_at: after.map(|after| now + after) }
        }
        Change::Delete(number) => Write::delete(key(number)),
        Change::Append(number) => Write::Append { prefix: key(number), suffix: vec![number], value: vec![1] },
        Change::Add(number, delta) => Write::Add { key: key(number), delta, minimum: -10, maximum: 10 },
    }
}

async fn agree(model: &Memory, store: &impl Kv) {
    let range = KeyRange::prefix("s/");
    for (limit, direction) in [(1000, Direction::Forward), (3, Direction::Forward), (2, Direction::Backward)]
    {
        let expected = model.scan(&range, limit, direction).await;
        assert_eq!(store.scan(&range, limit, direction).await, expected);
    }
    let keys: Vec<_> = (0..6).map(key).collect();
    assert_eq!(store.get_many(&keys).await, model.get_many(&keys).await);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn over_sqlite_it_does_what_the_model_does(steps in proptest::collection::vec(step(), 1..12)) {
        run(same(&Place::sqlite(), steps));
    }
}

#[test]
fn over_postgres_it_does_what_the_model_does() {
    let Some(place) = Place::postgres() else { return };
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(30));
    let steps = proptest::collection::vec(step(), 1..12);
    runner
        .run(&steps, |steps| {
            run(same(&place, steps));
            Ok(())
        })
        .expect("the store does what the model does");
}

/// What the model yields as changes, the store yields too.
#[test]
fn followers_see_the_same_changes() {
    for place in Place::all() {
        run(async {
            let (model, store) = (Memory::default(), place.store(TestHost::real(), Tally::default()));
            for number in 0..40_u8 {
                let writes = [Write::put(key(number % 5), vec![number]), Write::delete(key(number % 7))];
                let writes = if number % 5 == number % 7 { &writes[..1] } else { &writes[..] };
                let expected = model.commit(&[], writes).await;
                assert!(matches!(expected, Ok(Outcome::Committed(_))));
                assert_eq!(store.commit(&[], writes).await, expected);
            }
            for (since, limit) in [(0, 1000), (3, 7), (10, 1), (39, 5), (40, 5)] {
                let mut expected = model.changes(b"s/", since, limit, 0).await.expect("well formed");
                let mut found = store.changes(b"s/", since, limit, 0).await.expect("well formed");
                // Within one commit there is no order.
                expected.sort_by(|a, b| (a.version, &a.key).cmp(&(b.version, &b.key)));
                found.sort_by(|a, b| (a.version, &a.key).cmp(&(b.version, &b.key)));
                assert_eq!(found, expected, "since {since}, limit {limit}");
            }
        });
    }
}
