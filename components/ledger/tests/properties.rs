//! Properties over random commands, against a ledger in another style.
#![allow(missing_docs, dead_code, clippy::unwrap_used, unreachable_pub)]

mod common;
mod naive;

use common::*;
use naive::Naive;
use proptest::prelude::*;
use vwp_ledger::Ledger;
use vwp_ledger::codec::{Asset, Opening, Transfer, encode_asset, encode_batch};

const ASSETS: [u128; 3] = [100, 200, 300];

/// One command.
#[derive(Debug, Clone)]
enum Step {
    Create(Box<Asset>),
    Batch(Vec<Opening>, Vec<Transfer>),
}

impl Step {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Create(asset) => encode_asset(asset),
            Self::Batch(openings, transfers) => encode_batch(openings, transfers).unwrap(),
        }
    }
}

fn any_asset() -> impl Strategy<Value = u128> {
    prop::sample::select(ASSETS.to_vec())
}

/// Few accounts, among them the issuance accounts, so that they meet.
fn any_account() -> impl Strategy<Value = u128> {
    prop_oneof![3 => 1..6_u128, 2 => any_asset().prop_map(|asset| asset + 1)]
}

fn any_amount() -> impl Strategy<Value = u128> {
    prop_oneof![8 => 0..40_u128, 1 => Just(u128::MAX), 1 => Just(u128::MAX / 2)]
}

fn any_step() -> impl Strategy<Value = Step> {
    let cap = prop::option::of(any_amount());
    let create = (any_asset(), cap).prop_map(|(id, cap)| Step::Create(Box::new(asset(id, cap))));
    let openings = prop::collection::vec((any_account(), any_asset()), 0..3)
        .prop_map(|pairs| pairs.into_iter().map(|(account, asset)| opening(account, asset)).collect());
    let fields = (0..60_u128, any_account(), any_account(), any_asset(), any_amount());
    let one =
        fields.prop_map(|(id, debit, credit, asset, amount)| transfer(id, debit, credit, asset, amount));
    let batch = (openings, prop::collection::vec(one, 0..12))
        .prop_map(|(openings, transfers)| Step::Batch(openings, transfers));
    prop_oneof![1 => create, 6 => batch]
}

fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    // The assets exist early in most runs, so that most transfers have a chance.
    let first = prop::collection::vec(prop::bool::weighted(0.9), ASSETS.len());
    (first, prop::collection::vec(any_step(), 0..25)).prop_map(|(first, mut steps)| {
        let wanted = ASSETS.iter().zip(first).filter(|(_, wanted)| *wanted);
        steps.splice(0..0, wanted.map(|(&id, _)| Step::Create(Box::new(asset(id, None)))));
        steps
    })
}

fn run(steps: &[Step]) -> Ledger {
    let mut ledger = Ledger::default();
    for (position, step) in (1..).zip(steps) {
        apply(&mut ledger, position, step.encode());
    }
    ledger
}

fn restore(bytes: &[u8], sizes: &[usize]) -> Result<Ledger, vwp_ledger::checkpoint::RestoreError> {
    let mut ledger = Ledger::default();
    let mut rest = bytes;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let (part, later) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
        ledger.restore(part)?;
        rest = later;
    }
    ledger.restore(&[])?;
    Ok(ledger)
}

proptest! {
    #[test]
    fn the_ledger_answers_as_the_naive_one_and_conserves_every_asset(steps in any_steps()) {
        let mut ledger = Ledger::default();
        let mut naive = Naive::default();
        for (position, step) in (1..).zip(&steps) {
            let reply = apply(&mut ledger, position, step.encode());
            let expected = match step {
                Step::Create(asset) => naive.create(position, asset),
                Step::Batch(openings, transfers) => naive.batch(position, openings, transfers),
            };
            prop_assert_eq!(reply, expected);
            naive.assert_same_balances(&ledger);
        }
    }

    #[test]
    fn the_same_log_gives_the_same_bytes_however_it_is_batched(steps in any_steps(), cut in 0..25_usize) {
        let one_by_one = run(&steps);
        let commands: Vec<_> = steps.iter().map(Step::encode).collect();
        let (first, second) = commands.split_at(cut.min(commands.len()));
        let mut batched = Ledger::default();
        // All at one time, so that the two logs say the same.
        let mut single = Ledger::default();
        batched.apply(1, 5, first);
        batched.apply(first.len() as u64 + 1, 5, second);
        for (position, command) in (1..).zip(&commands) {
            single.apply(position, 5, std::slice::from_ref(command));
        }
        prop_assert_eq!(checkpoint(&batched, 999), checkpoint(&single, 1000));
        prop_assert_eq!(checkpoint(&run(&steps), 64), checkpoint(&one_by_one, 1 << 20));
    }

    #[test]
    fn a_checkpoint_restores_in_parts_of_any_size_and_the_ledger_goes_on_as_before(
        steps in any_steps(),
        later in any_steps(),
        sizes in prop::collection::vec(1..700_usize, 1..5),
        part in 1..900_u32,
    ) {
        let mut original = run(&steps);
        let bytes = checkpoint(&original, part);
        let mut restored = restore(&bytes, &sizes).unwrap();
        prop_assert_eq!(&checkpoint(&restored, 777), &bytes);
        for (position, step) in (steps.len() as u64 + 1..).zip(&later) {
            let first = apply(&mut original, position, step.encode());
            prop_assert_eq!(first, apply(&mut restored, position, step.encode()));
        }
        prop_assert_eq!(checkpoint(&restored, 777), checkpoint(&original, 777));
    }

    #[test]
    fn a_checkpoint_that_was_cut_or_changed_in_a_sum_is_refused(
        steps in any_steps(), cut in any::<prop::sample::Index>(), flip in any::<prop::sample::Index>(),
    ) {
        let bytes = checkpoint(&run(&steps), 1000);
        let short = &bytes[..cut.index(bytes.len())];
        prop_assert!(short.is_empty() || restore(short, &[300]).is_err());
        // Anywhere else, a changed byte is refused or is a state in its own right.
        let mut changed = bytes.clone();
        changed[flip.index(bytes.len())] ^= 1;
        if let Ok(ledger) = restore(&changed, &[300]) {
            prop_assert_eq!(checkpoint(&ledger, 1000), changed);
        }
    }

    #[test]
    fn malformed_bytes_get_an_error_answer_and_change_nothing(
        bytes in prop::collection::vec(any::<u8>(), 0..600), steps in any_steps(),
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
    }

    #[test]
    fn a_command_with_one_byte_changed_never_breaks_the_ledger(
        steps in any_steps(), flip in any::<prop::sample::Index>(), value in any::<u8>(),
    ) {
        let mut ledger = Ledger::default();
        for (position, step) in (1..).zip(&steps) {
            let mut command = step.encode();
            let at = flip.index(command.len());
            command[at] = value;
            ledger.apply(position, 0, &[command]);
        }
        let bytes = checkpoint(&ledger, 1 << 16);
        prop_assert_eq!(checkpoint(&restore(&bytes, &[5000]).unwrap(), 1 << 16), bytes);
    }
}
