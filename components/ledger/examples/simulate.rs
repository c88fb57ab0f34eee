//! Runs many worlds of the simulator: `--seeds COUNT` (1,000,000) from `--from SEED` (0) on.
//! A failure ends it with the seed that shows it again: `--from SEED --seeds 1`.
#![allow(missing_docs, dead_code, clippy::unwrap_used, unreachable_pub, reason = "shared with the tests")]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/simulator/mod.rs"]
mod simulator;

use simulator::Tally;
use std::io::Write;
use std::process::ExitCode;

/// After how many worlds the progress is shown.
const SHOWN_EVERY: u64 = 1000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (mut count, mut from) = (1_000_000_u64, 0_u64);
    for pair in arguments.chunks(2) {
        let number = pair.last().and_then(|value| value.parse().ok());
        match (pair, number) {
            ([name, _], Some(number)) if name == "--seeds" => count = number,
            ([name, _], Some(number)) if name == "--from" => from = number,
            _ => {
                eprintln!("usage: simulate [--seeds COUNT] [--from SEED]");
                return ExitCode::from(2);
            }
        }
    }
    let mut all = Tally::default();
    for done in 0..count {
        let seed = from.wrapping_add(done);
        let Ok(tally) = std::panic::catch_unwind(|| simulator::run(seed)) else {
            eprintln!("\nseed {seed} fails; see it again with --from {seed} --seeds 1");
            return ExitCode::FAILURE;
        };
        all.add(tally);
        if (done + 1).is_multiple_of(SHOWN_EVERY) || done + 1 == count {
            let percent = (done + 1) * 100 / count;
            print!(
                "\r{percent:3} %  {} of {count} worlds, {} transfers, {} crashes",
                done + 1,
                all.created,
                all.crashes
            );
            // Progress that cannot be shown is no reason to stop.
            let _ = std::io::stdout().flush();
        }
    }
    println!();
    ExitCode::SUCCESS
}
