//! How many transfers per second the ledger applies, without its log, and how much memory an
//! account and a transfer take. `cargo bench -p vwp-ledger -- [ACCOUNTS [TRANSFERS]]`.
//!
//! Batches of 8,190 are made before they are applied, so that making them is not measured.
#![allow(clippy::cast_precision_loss, reason = "rates are for reading")]

use std::time::{Duration, Instant};
use vwp_ledger::Ledger;
use vwp_ledger::codec::{self, Asset, AssetKind, Opening, Outcome, Text, Transfer};

const ASSET: u128 = 1;
const ISSUANCE: u128 = 2;
const BATCH: u64 = 8190;
/// The same, to step by.
const STEP: usize = 8190;

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let accounts = numbers.next().unwrap_or(1_000_000);
    let transfers = numbers.next().unwrap_or(4_000_000);
    let (empty, mut run) = (resident(), Run::new(accounts));
    let opened = resident();
    println!("{accounts} accounts: {:.1} bytes each", (opened - empty) as f64 / accounts as f64);
    run.fill();
    let hot: fn(&mut Run, u64) -> (u64, u64) = |_, number| (number % 2, 1 - number % 2);
    run.measure("two hot accounts", transfers / 4, hot);
    run.measure("Zipf", transfers / 4, |run, _| (run.zipf(), run.zipf()));
    run.measure("uniform", transfers / 2, |run, _| (run.below(run.accounts), run.below(run.accounts)));
    let used = resident() - opened;
    println!("{} transfers: {:.1} bytes each", run.made, used as f64 / run.made as f64);
}

struct Run {
    ledger: Ledger,
    accounts: u64,
    random: u64,
    position: u64,
    /// How many transfers were made.
    made: u64,
}

impl Run {
    /// Opens the accounts.
    fn new(accounts: u64) -> Self {
        let mut run = Self { ledger: Ledger::default(), accounts, random: 1, position: 0, made: 0 };
        let text = "it fits";
        let asset = Asset {
            id: ASSET,
            issuance: ISSUANCE,
            cap: None,
            scale: 2,
            kind: AssetKind::Custom,
            name: Text::new("gold@bench").expect(text),
            issuer: Text::new("bench").expect(text),
            title: Text::EMPTY,
        };
        run.apply(codec::encode_asset(&asset));
        let owner = Text::new("traveller:bench").expect(text);
        for first in (0..accounts).step_by(4095) {
            let numbers = first..accounts.min(first + 4095);
            let openings: Vec<_> =
                numbers.clone().map(|number| Opening::new(account(number), ASSET, owner)).collect();
            run.apply(codec::encode_batch(&openings, &[]).expect(text));
        }
        run
    }

    fn apply(&mut self, command: Vec<u8>) -> Duration {
        self.position += 1;
        let start = Clock::now();
        let answers = self.ledger.apply(self.position, self.position, &[command]);
        let took = start.elapsed();
        let reply = answers.first().map(|answer| codec::decode_reply(answer));
        let Some(Ok(codec::Reply::Answers { openings, transfers })) = reply else {
            panic!("the command is malformed")
        };
        let mut outcomes = openings.iter().chain(&transfers).map(|answer| answer.outcome);
        assert!(outcomes.all(|outcome| outcome == Outcome::Created), "everything is made");
        took
    }

    /// Gives every account enough.
    fn fill(&mut self) {
        for first in (0..self.accounts).step_by(STEP) {
            let numbers = first..self.accounts.min(first + BATCH);
            let issues: Vec<_> =
                numbers.map(|number| self.transfer(ISSUANCE, account(number), 1_000_000_000)).collect();
            self.apply(codec::encode_batch(&[], &issues).expect("it fits"));
        }
    }

    fn transfer(&mut self, debit: u128, credit: u128, amount: u128) -> Transfer {
        self.made += 1;
        // Ids are hashes in earnest, so they are in no order here either.
        let id = u128::from(self.next()) << 64 | u128::from(self.made);
        Transfer::plain(id, debit, credit, amount)
    }

    /// Transfers between pairs of accounts, and how many per second.
    fn measure(&mut self, name: &str, count: u64, pair: impl Fn(&mut Self, u64) -> (u64, u64)) {
        let (mut took, mut slowest) = (Duration::ZERO, Duration::ZERO);
        for first in (0..count).step_by(STEP) {
            let transfers: Vec<_> = (first..count.min(first + BATCH))
                .map(|number| {
                    let (from, to) = pair(self, number);
                    let to = if to == from { (to + 1) % self.accounts } else { to };
                    self.transfer(account(from), account(to), 1)
                })
                .collect();
            let one = self.apply(codec::encode_batch(&[], &transfers).expect("it fits"));
            (took, slowest) = (took + one, slowest.max(one));
        }
        let rate = count as f64 / took.as_secs_f64();
        println!("{name}: {rate:.0} transfers/s, slowest batch {} us", slowest.as_micros());
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed(self.random)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// About Zipf's law with exponent 1: every power of two of ranks is as likely as any other.
    fn zipf(&mut self) -> u64 {
        let levels = u64::from(self.accounts.ilog2());
        let level = self.below(levels);
        let first = (1 << level) - 1;
        (first + self.below(1 << level)) % self.accounts
    }
}

fn account(number: u64) -> u128 {
    u128::from(mixed(number)) << 64 | u128::from(number + 10)
}

fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// What this thread has had of the processor, where the system says it, because others may
/// use the machine too; else the time.
struct Clock(Option<u64>, Instant);

impl Clock {
    fn now() -> Self {
        Self(processor_ns(), Instant::now())
    }

    fn elapsed(&self) -> Duration {
        match (self.0, processor_ns()) {
            (Some(start), Some(end)) => Duration::from_nanos(end - start),
            _ => self.1.elapsed(),
        }
    }
}

fn processor_ns() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// How many bytes of memory the process has, where the system says it.
fn resident() -> i64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split_whitespace().nth(1)?.parse::<i64>().ok());
    pages.unwrap_or_default() * 4096
}
