//! What the ledger is given: accounts, and batches of transfers between them.

use anyhow::{Context, Result};
use vwp_ledger::codec::{Asset, AssetKind, Opening, Text, Transfer, encode_asset, encode_batch};

/// How many accounts the transfers go between.
pub(super) const ACCOUNTS: u64 = 1000;
const ASSET: u128 = 1;
const ISSUANCE: u128 = 2;
/// What each account begins with: more than it can lose in a run.
pub(super) const FUNDS: u64 = 1_000_000_000;
/// How many accounts one batch opens at most.
const OPENINGS_MAX: u64 = 8000;

/// Which accounts the transfers are between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spread {
    /// Any two.
    Uniform,
    /// The same two, in both directions in turns.
    TwoHot,
    /// Each by its rank: the first one twice as often as the second, three times as often as the third.
    Zipf,
}

/// Transfers, each different from all before. The same in every run.
pub(super) struct Work {
    made: u64,
    spread: Spread,
    /// Of each account, how likely it is that one is at most of its rank.
    up_to: Vec<f64>,
}

impl Work {
    pub(super) fn new(spread: Spread) -> Self {
        let mut sum = 0.0;
        let weights = (1..=u32::try_from(ACCOUNTS).unwrap_or(u32::MAX)).map(|rank| 1.0 / f64::from(rank));
        let sums: Vec<f64> = weights
            .map(|weight| {
                sum += weight;
                sum
            })
            .collect();
        Self { made: 0, spread, up_to: sums.into_iter().map(|part| part / sum).collect() }
    }

    /// Makes the asset, opens the accounts, and fills them.
    pub(super) fn openings(&mut self) -> Result<Vec<Vec<u8>>> {
        let mut commands = vec![asset()?];
        commands.extend(opened(0..ACCOUNTS)?);
        let filled = (0..ACCOUNTS).map(|number| {
            let id = self.id();
            Transfer::plain(id, ISSUANCE, account(number), u128::from(FUNDS))
        });
        commands.push(encode(&[], &filled.collect::<Vec<_>>())?);
        Ok(commands)
    }

    /// Batches of transfers, as commands.
    pub(super) fn batches(&mut self, batches: usize, length: usize) -> Result<Vec<Vec<u8>>> {
        let mut batch = || {
            let transfers: Vec<Transfer> = (0..length)
                .map(|_| {
                    let (id, from, to) = self.between();
                    Transfer::plain(id, account(from), account(to), 1)
                })
                .collect();
            encode(&[], &transfers)
        };
        (0..batches).map(|_| batch()).collect()
    }

    /// The id of the next transfer, and the numbers of its two accounts.
    pub(super) fn between(&mut self) -> (u128, u64, u64) {
        let (first, second) = (mixed(self.made), mixed(!self.made));
        let (from, to) = match self.spread {
            Spread::Uniform => (first % ACCOUNTS, second % ACCOUNTS),
            Spread::TwoHot => (self.made % 2, (self.made + 1) % 2),
            Spread::Zipf => (self.ranked(first), self.ranked(second)),
        };
        // A transfer is between two.
        let to = if from == to { (to + 1) % ACCOUNTS } else { to };
        (self.id(), from, to)
    }

    /// Ids are hashes in earnest, so they are in no order here either.
    fn id(&mut self) -> u128 {
        self.made += 1;
        u128::from(mixed(self.made)) << 64 | u128::from(self.made)
    }

    /// An account by its rank, chosen by a number that looks random.
    fn ranked(&self, random: u64) -> u64 {
        let part = f64::from(u32::try_from(random >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        let rank = self.up_to.partition_point(|up_to| *up_to < part) as u64;
        rank.min(ACCOUNTS - 1)
    }
}

/// The command that makes the asset.
pub(super) fn asset() -> Result<Vec<u8>> {
    Ok(encode_asset(&Asset {
        id: ASSET,
        issuance: ISSUANCE,
        cap: None,
        scale: 2,
        kind: AssetKind::Custom,
        name: Text::new("gold@bench").context("a name is too long")?,
        issuer: Text::new("bench").context("an issuer is too long")?,
        title: Text::EMPTY,
    }))
}

/// The commands that open these accounts.
pub(super) fn opened(numbers: std::ops::Range<u64>) -> Result<Vec<Vec<u8>>> {
    let opening = |number: u64| {
        let name = Text::new(&format!("traveller:{number:022}")).context("a name is too long")?;
        anyhow::Ok(Opening::new(account(number), ASSET, name))
    };
    let numbers: Vec<u64> = numbers.collect();
    let chunks = numbers.chunks(usize::try_from(OPENINGS_MAX).unwrap_or(usize::MAX));
    chunks
        .map(|chunk| {
            let openings: Vec<Opening> = chunk.iter().copied().map(opening).collect::<Result<_>>()?;
            encode(&openings, &[])
        })
        .collect()
}

fn encode(openings: &[Opening], transfers: &[Transfer]) -> Result<Vec<u8>> {
    encode_batch(openings, transfers).ok().context("the batch is too long")
}

fn account(number: u64) -> u128 {
    u128::from(mixed(number)) << 64 | (u128::from(number) + 3)
}

/// A number that looks random, the same in every run: SplitMix64.
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
