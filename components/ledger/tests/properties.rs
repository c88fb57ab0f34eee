//! Properties over random commands, against a ledger in another style.
#![allow(missing_docs, dead_code, clippy::unwrap_used, unreachable_pub)]

mod common;
mod naive;

use common::generate::{self, DAY_MS, Made, START_MS, Step};
use common::*;
use naive::Naive;
use proptest::prelude::*;
use vwp_ledger::Ledger;
use vwp_ledger::codec::{Flags, Outcome, Reply, Setting, Transfer, encode_batch, encode_setting};

/// A stream of commands. Small numbers come again, so that commands are repeated.
fn any_steps(length: usize) -> impl Strategy<Value = Vec<Step>> {
    let seed = prop_oneof![4 => any::<u64>(), 1 => 0..60_u64];
    let seeds = prop::collection::vec(seed, 0..length);
    (prop::bool::weighted(0.9), seeds).prop_map(|(begun, seeds)| {
        let beginning = if begun { generate::beginning() } else { Vec::new() };
        beginning.into_iter().chain(seeds.into_iter().map(generate::step)).collect()
    })
}

/// The commands with their positions and times.
fn timed(steps: &[Step]) -> impl Iterator<Item = (u64, u64, &Made)> {
    let times = steps.iter().scan(START_MS, |time, step| {
        *time += step.elapsed_ms;
        Some(*time)
    });
    (1..).zip(times).zip(steps).map(|((position, time), step)| (position, time, &step.made))
}

fn run(steps: &[Step]) -> Ledger {
    let mut ledger = Ledger::default();
    for (position, time, made) in timed(steps) {
        apply_at(&mut ledger, position, time, made.encode());
    }
    ledger
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_ledger_answers_as_the_naive_one_and_conserves_every_asset(steps in any_steps(90), limit in 1..9_u32) {
        let mut ledger = Ledger::default();
        let mut naive = Naive::default();
        for (position, time, made) in timed(&steps) {
            let reply = apply_at(&mut ledger, position, time, made.encode());
            let ticked = naive.tick(position, time);
            let expected = match made {
                Made::Asset(asset) => naive.create(asset),
                Made::Batch(openings, transfers) => naive.batch(openings, transfers),
                Made::Setting(setting) => naive.set_account(setting),
                Made::Rules(rules) => naive.set_rules(rules),
                Made::Tick => ticked,
            };
            prop_assert_eq!(reply, expected, "at {} for {:#?}", position, made);
            naive.assert_same(&ledger);
        }
        naive.assert_same_transfers(&ledger);
        naive.assert_same_histories(&ledger, limit);
    }

    #[test]
    fn the_same_log_gives_the_same_bytes_however_it_is_batched(steps in any_steps(40), cut in 0..40_usize) {
        let commands: Vec<_> = steps.iter().map(|step| step.made.encode()).collect();
        let (first, second) = commands.split_at(cut.min(commands.len()));
        let mut batched = Ledger::default();
        // All at one time, so that the two logs say the same.
        let mut single = Ledger::default();
        batched.apply(1, START_MS, first);
        batched.apply(first.len() as u64 + 1, START_MS, second);
        for (position, command) in (1..).zip(&commands) {
            single.apply(position, START_MS, std::slice::from_ref(command));
        }
        prop_assert_eq!(checkpoint(&batched, 999), checkpoint(&single, 1000));
    }

    #[test]
    fn a_checkpoint_restores_in_parts_of_any_size_and_the_ledger_goes_on_as_before(
        steps in any_steps(60),
        at in any::<prop::sample::Index>(),
        sizes in prop::collection::vec(1..700_usize, 1..5),
        part in 1..900_u32,
    ) {
        let at = at.index(steps.len() + 1);
        let mut original = run(&steps[..at]);
        let bytes = checkpoint(&original, part);
        let mut restored = restore(&bytes, &sizes).unwrap();
        prop_assert_eq!(&checkpoint(&restored, 777), &bytes);
        for (position, time, made) in timed(&steps).skip(at) {
            let first = apply_at(&mut original, position, time, made.encode());
            prop_assert_eq!(first, apply_at(&mut restored, position, time, made.encode()));
        }
        prop_assert_eq!(checkpoint(&restored, 777), checkpoint(&original, 777));
        prop_assert_eq!(query_totals(&restored), query_totals(&original));
    }

    #[test]
    fn a_checkpoint_that_was_cut_or_changed_in_a_sum_is_refused(
        steps in any_steps(30), cut in any::<prop::sample::Index>(), flip in any::<prop::sample::Index>(),
        value in 1..=255_u8,
    ) {
        let bytes = checkpoint(&run(&steps), 1000);
        let short = &bytes[..cut.index(bytes.len())];
        prop_assert!(short.is_empty() || restore(short, &[300]).is_err());
        // Anywhere else, a changed byte is refused or is a state in its own right.
        let mut changed = bytes.clone();
        changed[flip.index(bytes.len())] ^= value;
        if let Ok(ledger) = restore(&changed, &[300]) {
            prop_assert_eq!(checkpoint(&ledger, 1000), changed);
        }
    }

    #[test]
    fn a_dry_run_answers_as_the_batch_would_and_leaves_every_byte_as_it_was(
        steps in any_steps(50), seeds in prop::collection::vec(any::<u64>(), 1..12),
    ) {
        let mut ledger = run(&steps);
        let (totals, before) = (query_totals(&ledger), checkpoint(&ledger, 5000));
        let position = steps.len() as u64 + 1;
        for seed in seeds {
            let Made::Batch(openings, transfers) = generate::step(seed).made else { continue };
            let would = dry_run(&ledger, &openings, &transfers);
            prop_assert_eq!(&checkpoint(&ledger, 5000), &before);
            prop_assert_eq!(query_totals(&ledger), totals);
            let mut copy = restore(&before, &[5000]).unwrap();
            let batch = encode_batch(&openings, &transfers).unwrap();
            prop_assert_eq!(would, apply_at(&mut copy, position, totals.time, batch));
        }
        // What nobody asked for left no trace in what comes either.
        let mut twin = run(&steps);
        for (position, seed) in (position..).zip(0..20) {
            let command = generate::step(seed).made.encode();
            let time = START_MS + 900 * DAY_MS;
            let first = apply_at(&mut ledger, position, time, command.clone());
            prop_assert_eq!(first, apply_at(&mut twin, position, time, command));
        }
        prop_assert_eq!(checkpoint(&ledger, 5000), checkpoint(&twin, 5000));
    }

    #[test]
    fn a_posting_from_many_to_many_succeeds_exactly_if_the_limits_hold_at_its_end(
        gives in prop::collection::vec(0..40_u128, 1..5),
        shares in prop::collection::vec(1..10_u128, 1..4),
        limits in prop::collection::vec(0..60_u128, 8),
        turn in 0..20_usize,
    ) {
        let mut ledger = run(&generate::beginning());
        let total: u128 = gives.iter().sum();
        let parts: u128 = shares.iter().sum();
        // Givers are 2 and up, takers 1002 and up, all of one asset; what is given is split.
        let mut takes: Vec<u128> = shares.iter().map(|share| total * share / parts).collect();
        *takes.last_mut().unwrap() += total - takes.iter().sum::<u128>();
        let source = |at: usize| 30 + at as u128;
        let target = |at: usize| 40 + at as u128;
        let mut position = 10;
        let mut send = |ledger: &mut Ledger, command| {
            position += 1;
            answers(apply_at(ledger, position, START_MS + 100, command))
        };
        let fund: Vec<_> =
            (0..gives.len()).map(|at| transfer(7000 + at as u128, 101, source(at), 20)).collect();
        let openings: Vec<_> = (0..takes.len()).map(|at| opening(target(at), 100)).collect();
        send(&mut ledger, encode_batch(&openings, &fund).unwrap());
        for (at, &maximum) in limits.iter().enumerate().take(takes.len()) {
            let setting = Setting { maximum, ..Setting::new(8000 + at as u128, target(at)) };
            send(&mut ledger, encode_setting(&setting));
        }
        let holds = gives.iter().all(|&give| give <= 20)
            && takes.iter().zip(&limits).all(|(&take, &maximum)| take <= maximum);
        let mut chain = decompose(&gives, &takes, source, target);
        prop_assume!(!chain.is_empty());
        // In any order.
        let middle = turn % chain.len();
        chain.rotate_left(middle);
        let last = chain.len() - 1;
        for link in &mut chain[..last] {
            link.flags = Flags::LINKED;
        }
        let outcomes = send(&mut ledger, encode_batch(&[], &chain).unwrap());
        prop_assert_eq!(outcomes.iter().all(|answer| answer.outcome == Outcome::Created), holds);
        let held: u128 = (0..gives.len()).map(|at| query_account(&ledger, source(at)).unwrap().balance()).sum();
        let moved = if holds { total } else { 0 };
        prop_assert_eq!(held, 20 * gives.len() as u128 - moved);
    }

    #[test]
    fn malformed_bytes_get_an_error_answer_and_change_nothing(
        bytes in prop::collection::vec(any::<u8>(), 0..600), steps in any_steps(20),
    ) {
        let mut ledger = run(&steps);
        let before = query_totals(&ledger);
        let answer = ledger.apply(before.position + 1, before.time, std::slice::from_ref(&bytes)).remove(0);
        vwp_ledger::codec::decode_reply(&answer).unwrap();
        let after = query_totals(&ledger);
        prop_assert_eq!((before.assets, before.accounts, before.transfers),
            (after.assets, after.accounts, after.transfers));
        ledger.query(&bytes);
        let _ = Ledger::default().restore(&bytes);
        let _ = vwp_ledger::codec::decode_transfer(&bytes);
        let _ = vwp_ledger::codec::decode_history(&bytes);
    }

    #[test]
    fn a_command_with_one_byte_changed_never_breaks_the_ledger(
        steps in any_steps(40), flip in any::<prop::sample::Index>(), value in any::<u8>(),
    ) {
        let mut ledger = Ledger::default();
        for (position, time, made) in timed(&steps) {
            let mut command = made.encode();
            let at = flip.index(command.len());
            command[at] = value;
            ledger.apply(position, time, &[command]);
        }
        let bytes = checkpoint(&ledger, 1 << 16);
        prop_assert_eq!(checkpoint(&restore(&bytes, &[5000]).unwrap(), 1 << 16), bytes);
    }

    #[test]
    fn a_query_decodes_to_what_encodes_to_the_same_bytes(
        mut query in prop::collection::vec(prop_oneof![3 => Just(0_u8), 1 => any::<u8>()], 64), kind in 1..12_u8,
    ) {
        query[..4].copy_from_slice(&[kind, 2, 0, 0]);
        if let Ok(decoded) = vwp_ledger::codec::decode_query(&query) {
            prop_assert_eq!(vwp_ledger::codec::encode_query(decoded), query);
        }
    }
}

/// Transfers of which every source is only debited and every target only credited.
fn decompose(
    gives: &[u128],
    takes: &[u128],
    source: impl Fn(usize) -> u128,
    target: impl Fn(usize) -> u128,
) -> Vec<Transfer> {
    let (mut gives, mut takes) = (gives.to_vec(), takes.to_vec());
    let mut chain = Vec::new();
    for (from, give) in gives.iter_mut().enumerate() {
        for (to, take) in takes.iter_mut().enumerate() {
            let amount = (*give).min(*take);
            if amount > 0 {
                *give -= amount;
                *take -= amount;
                chain.push(transfer(9000 + chain.len() as u128, source(from), target(to), amount));
            }
        }
    }
    chain
}

#[test]
fn streams_reach_every_outcome_that_a_ledger_with_room_has() {
    let mut reached = std::collections::BTreeMap::<u8, usize>::new();
    for stream in 0..60_u64 {
        let seeds = (0..120).map(|at| generate::Random(stream * 1000 + at).next());
        let steps: Vec<_> = generate::beginning().into_iter().chain(seeds.map(generate::step)).collect();
        let mut ledger = Ledger::default();
        for (position, time, made) in timed(&steps) {
            let reply = apply_at(&mut ledger, position, time, made.encode());
            if let Reply::Answers { openings, transfers } = reply {
                for answer in openings.iter().chain(&transfers) {
                    *reached.entry(answer.outcome.code()).or_default() += 1;
                }
            }
        }
    }
    let all = (0..33).filter(|&code| ![Outcome::Full.code(), Outcome::Malformed.code()].contains(&code));
    let missing: Vec<_> = all.filter(|code| !reached.contains_key(code)).map(Outcome::from_code).collect();
    assert!(missing.is_empty(), "never reached: {missing:?}; reached {reached:?}");
}
