//! Ten thousand worlds in which machines stop and messages are lost, doubled and reordered.
//! `cargo run --release -p vwp-ledger --example simulate` runs more of them.
#![allow(missing_docs, dead_code, clippy::unwrap_used, unreachable_pub)]

mod common;
mod simulator;

use simulator::Tally;

#[test]
fn money_survives_crashes_and_a_bad_network_in_10_000_worlds() {
    let mut all = Tally::default();
    for seed in 0..10_000 {
        // A failure names the seed that shows it again.
        let outcome = std::panic::catch_unwind(|| simulator::run(seed));
        all.add(outcome.unwrap_or_else(|_| panic!("seed {seed} fails")));
    }
    assert!(all.created > 200_000 && all.repeated > 50_000 && all.crashes > 20_000, "{all:?}");
}

#[test]
fn a_seed_always_does_the_same() {
    assert_eq!(simulator::run(7), simulator::run(7));
}
