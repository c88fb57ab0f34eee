//! Rates per source, in a table of fixed size.
//!
//! The generic cell rate algorithm: of each source, the moment until which what it asked
//! is paid for. Crates that do this keep an entry for each source that they have seen, and
//! whoever forges sources decides how many those are. Here sources share a slot instead
//! when the table is full of busy ones, and so a limit.

use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many slots a table has: 512 KiB of them.
const SLOTS: u64 = 1 << 16;
/// How many microseconds a slot may be ahead: a second's worth may come at once.
const AHEAD_US_MAX: u64 = 1_000_000;
/// A slot's lower bits: the moment until which it is paid for, in microseconds. They
/// last for eight years; the bits above tell the sources of a slot apart.
const PAID_BITS: u32 = 48;
const PAID: u64 = (1 << PAID_BITS) - 1;

/// How a source stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Well below its rate.
    Free,
    /// It has used more than half of what it may be ahead.
    Busy,
    /// Above its rate. Nothing was charged.
    Over,
}

/// How far each source is.
pub struct Rates {
    slots: Box<[AtomicU64]>,
    /// With keys of its own, so that nobody can choose sources that share slots.
    hasher: RandomState,
}

impl Default for Rates {
    fn default() -> Self {
        Self { slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(), hasher: RandomState::new() }
    }
}

impl Rates {
    /// Charges a source for one more at this moment, unless it is above its rate.
    pub fn charge(&self, source: &impl Hash, per_second: NonZeroU32, now_us: u64) -> Standing {
        let hash = self.hasher.hash_one(source);
        let tag = hash >> PAID_BITS;
        let at = usize::try_from(hash % SLOTS).unwrap_or_default();
        let pair = [at, at ^ 1].map(|at| self.slots.get(at));
        let pair = || pair.iter().copied().flatten();
        let own = pair().find(|slot| slot.load(Ordering::Relaxed) >> PAID_BITS == tag);
        let idle = || pair().find(|slot| slot.load(Ordering::Relaxed) & PAID <= now_us);
        match own.or_else(idle).or_else(|| pair().next()) {
            Some(slot) => charge(slot, tag, AHEAD_US_MAX / u64::from(per_second.get()), now_us),
            // Every source has a slot.
            None => Standing::Free,
        }
    }
}

fn charge(slot: &AtomicU64, tag: u64, price_us: u64, now_us: u64) -> Standing {
    let mut standing = Standing::Over;
    let charged = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |old| {
        let paid = (old & PAID).max(now_us);
        let ahead = paid - now_us;
        if ahead + price_us > AHEAD_US_MAX {
            return None;
        }
        standing = if ahead > AHEAD_US_MAX / 2 { Standing::Busy } else { Standing::Free };
        Some(tag << PAID_BITS | ((paid + price_us) & PAID))
    });
    if charged.is_ok() { standing } else { Standing::Over }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: NonZeroU32 = NonZeroU32::new(10).unwrap();

    fn taken(rates: &Rates, source: &str, now_us: u64) -> usize {
        (0..100).filter(|_| rates.charge(&source, TEN, now_us) != Standing::Over).count()
    }

    #[test]
    fn a_source_has_a_second_s_worth_at_once_and_then_its_rate() {
        let rates = Rates::default();
        let now = 5_000_000;
        assert_eq!(taken(&rates, "a", now), 10);
        assert_eq!(taken(&rates, "a", now), 0);
        assert_eq!(taken(&rates, "b", now), 10, "another source has its own");
        assert_eq!(taken(&rates, "a", now + 300_000), 3);
        assert_eq!(taken(&rates, "a", now + 10_000_000), 10, "what was not used does not add up");
    }

    #[test]
    fn a_source_is_busy_when_half_of_its_second_is_used() {
        let rates = Rates::default();
        let standings: Vec<Standing> = (0..11).map(|_| rates.charge(&"a", TEN, 1)).collect();
        assert_eq!(standings[..6], [Standing::Free; 6]);
        assert_eq!(standings[6..10], [Standing::Busy; 4]);
        assert_eq!(standings[10], Standing::Over);
    }

    #[test]
    fn forged_sources_take_no_memory_and_do_not_shut_out_the_others_for_long() {
        let rates = Rates::default();
        for source in 0_u32..1_000_000 {
            rates.charge(&source, TEN, 1);
        }
        assert_eq!(taken(&rates, "a", 2_000_000), 10);
    }
}
