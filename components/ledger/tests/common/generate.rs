//! Commands that follow from a number each, so that a stream of them is a list of numbers:
//! easy to shrink, to repeat and to reorder. Ids come from a few, so that commands meet.

use super::{asset, opening};
use sha2::{Digest, Sha256};
use vwp_ledger::codec::{
    self, AccountFlags, Asset, Flags, Kind, Memo, Opening, Rule, RuleSet, Setting, Transfer,
};

pub const ASSETS: [u128; 2] = [100, 200];
/// When streams begin, in milliseconds since the Unix epoch: some day at noon.
pub const START_MS: u64 = 20_000 * DAY_MS + DAY_MS / 2;
pub const DAY_MS: u64 = 86_400_000;
/// Accounts that have money from the beginning, and those that may be opened later.
const FUNDED: u64 = 7;
const ACCOUNTS: u64 = 11;
/// Ids come in fours: of holds, of plain transfers, and of others.
const IDS: u64 = 360;

/// SplitMix64.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}

/// One command, and how long after the one before it comes.
#[derive(Debug, Clone)]
pub struct Step {
    pub elapsed_ms: u64,
    pub made: Made,
}

#[derive(Debug, Clone)]
pub enum Made {
    Asset(Box<Asset>),
    Batch(Vec<Opening>, Vec<Transfer>),
    Setting(Setting),
    Rules(RuleSet),
    Tick,
}

impl Made {
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Asset(asset) => codec::encode_asset(asset),
            Self::Batch(openings, transfers) => codec::encode_batch(openings, transfers).unwrap(),
            Self::Setting(setting) => codec::encode_setting(setting),
            Self::Rules(rules) => codec::encode_rules(rules).unwrap(),
            Self::Tick => codec::encode_tick(),
        }
    }
}

/// The step that follows from a number.
pub fn step(seed: u64) -> Step {
    let mut random = Random(seed);
    let elapsed_ms = match random.below(12) {
        0 => DAY_MS / 3,
        1 => 3_600_000,
        2 | 3 => 0,
        4 => random.below(40) * DAY_MS / 4,
        _ => random.below(4000),
    };
    let made = match random.below(40) {
        0 => Made::Asset(Box::new(any_asset(&mut random))),
        1 | 2 => Made::Setting(any_setting(&mut random)),
        3 => Made::Rules(any_rules(&mut random)),
        4 => Made::Tick,
        _ => any_batch(&mut random),
    };
    Step { elapsed_ms, made }
}

/// The first steps of a stream that is to get somewhere: the assets, and money for all.
pub fn beginning() -> Vec<Step> {
    let assets = [(100, None), (200, Some(1200))];
    let assets = assets.map(|(id, cap)| Made::Asset(Box::new(asset(id, cap))));
    let accounts: Vec<u128> = (1..=u128::from(FUNDED)).collect();
    let openings = accounts.iter().map(|&account| opening(account, asset_of(account))).collect();
    let fund = |&account: &u128| Transfer::plain(1000 + account, asset_of(account) + 1, account, 150);
    let funds = Made::Batch(openings, accounts.iter().map(fund).collect());
    assets.into_iter().chain([funds]).map(|made| Step { elapsed_ms: 1, made }).collect()
}

fn asset_of(account: u128) -> u128 {
    ASSETS[usize::try_from(account % 2).unwrap()]
}

fn any_asset(random: &mut Random) -> Asset {
    let cap = if random.one_in(2) { None } else { Some(u128::from(random.below(3000))) };
    asset(random.pick(&ASSETS), cap)
}

fn any_account(random: &mut Random) -> u128 {
    if random.one_in(6) { random.pick(&ASSETS) + 1 } else { u128::from(1 + random.below(ACCOUNTS)) }
}

/// Mostly an account of the same asset.
fn other_account(random: &mut Random, account: u128) -> u128 {
    let other = any_account(random);
    let of = |account: u128| if account > 99 { account - 1 } else { asset_of(account) };
    if of(other) == of(account) || random.one_in(20) {
        other
    } else if random.one_in(4) {
        of(account) + 1
    } else {
        u128::from(1 + (u64::try_from(account % 100).unwrap() + 1) % ACCOUNTS)
    }
}

fn any_amount(random: &mut Random) -> u128 {
    match random.below(40) {
        0 => 0,
        1 => random.pick(&[u128::MAX, u128::MAX / 2, 1 << 64, (1 << 64) - 1, (1 << 64) + 9]),
        2..12 => u128::from(random.below(400)),
        _ => u128::from(1 + random.below(30)),
    }
}

fn any_setting(random: &mut Random) -> Setting {
    let mut setting = Setting::new(u128::from(5000 + random.below(100)), any_account(random));
    setting.class = u16::try_from(random.below(3)).unwrap();
    setting.frozen = random.one_in(8);
    setting.closed = random.one_in(12);
    match random.below(6) {
        0 => setting.minimum = u128::from(random.below(100)),
        1 => setting.overdraft = u128::from(random.below(200)),
        2 => setting.maximum = u128::from(100 + random.below(300)),
        _ => {}
    }
    setting
}

fn any_rules(random: &mut Random) -> RuleSet {
    let rule = |random: &mut Random| Rule {
        asset: random.pick(&[0, 0, 100, 200]),
        amount_max: u128::from(random.below(200)),
        window_s: random.pick(&[10, 3600, 86_400]),
        count_max: u32::try_from(1 + random.below(6)).unwrap(),
        class: u16::try_from(random.below(3)).unwrap(),
    };
    let rules = (0..random.below(4)).map(|_| rule(random)).collect();
    RuleSet { id: u128::from(6000 + random.below(100)), rules }
}

fn any_batch(random: &mut Random) -> Made {
    let openings = (0..random.below(3).saturating_sub(1)).map(|_| any_opening(random)).collect();
    let transfers = (0..=random.below(7)).map(|_| any_transfer(random)).collect();
    Made::Batch(openings, transfers)
}

fn any_opening(random: &mut Random) -> Opening {
    let account = any_account(random);
    let asset = if random.one_in(8) { random.pick(&[100, 200, 300]) } else { asset_of(account) };
    let mut opening = opening(account, asset);
    if random.one_in(6) {
        opening.flags = AccountFlags::DEBIT_NORMAL;
    }
    opening.class = u16::try_from(random.below(6) / 4).unwrap();
    opening
}

fn any_transfer(random: &mut Random) -> Transfer {
    let any_id = |random: &mut Random, sort: u64| u128::from(1 + sort + 4 * random.below(IDS / 4));
    let kind = match random.below(20) {
        0..8 => Kind::Plain,
        8..11 => Kind::Pending,
        11..14 => Kind::Post,
        14 | 15 => Kind::Void,
        16 => Kind::Reverse,
        17 | 18 => Kind::Refund,
        _ => Kind::Chargeback,
    };
    let sort = match kind {
        Kind::Pending => 0,
        Kind::Plain => 1,
        _ => 2 + random.below(2),
    };
    let id = any_id(random, sort);
    let linked = if random.one_in(5) { Flags::LINKED } else { Flags::NONE };
    let code = u16::try_from(random.below(3)).unwrap();
    let dated = !matches!(kind, Kind::Pending | Kind::Void) && random.one_in(6);
    let effective_day = if dated { u32::try_from(19_950 + random.below(120)).unwrap() } else { 0 };
    let mut transfer = Transfer { id, kind, flags: linked, code, effective_day, ..Transfer::default() };
    transfer.amount = match kind {
        Kind::Void | Kind::Reverse => 0,
        Kind::Post if random.one_in(2) => 0,
        _ => any_amount(random),
    };
    let lock = u8::try_from(random.below(3)).unwrap();
    if matches!(kind, Kind::Plain | Kind::Pending) {
        transfer.debit = any_account(random);
        transfer.credit = other_account(random, transfer.debit);
        for flag in [Flags::BALANCING_DEBIT, Flags::BALANCING_CREDIT] {
            if random.one_in(10) {
                transfer.flags = transfer.flags.with(flag);
            }
        }
    } else {
        let settles = matches!(kind, Kind::Post | Kind::Void);
        let sort = if random.one_in(5) { random.below(4) } else { u64::from(!settles) };
        transfer.debit = any_id(random, sort);
    }
    if kind == Kind::Pending {
        transfer.timeout_s = u32::try_from(random.pick(&[0, 1, 60, 7200, 86_400])).unwrap();
    }
    if matches!(kind, Kind::Pending | Kind::Post) && random.one_in(6) {
        let preimage = [lock; 32];
        let shown = if kind == Kind::Post { preimage } else { Sha256::digest(preimage).into() };
        transfer.flags = transfer.flags.with(Flags::LOCKED);
        let mut memo = [0; 48];
        memo[..32].copy_from_slice(&shown);
        transfer.memo = Memo(memo);
    }
    transfer
}
