//! The guard against mass eviction. When many leases end at once, it is far more likely that
//! the port, its network or its clock failed than that so many worlds ended. Then they are
//! served on and said to be stale, until they are heard of again or the administrator says
//! that they are gone.

use crate::commit::counter;
use crate::keys;
use serde::Serialize;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;

/// The share of the leases, in percent, above which an end of leases is taken for a failure.
pub const SHARE_MAX_PERCENT: u64 = 15;
/// How many leases may end at once whatever their share: of a handful, one is a large share.
pub const COUNT_MIN: u64 = 10;

/// How many leases there are, and how many end. Exact: each commit that changes it counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Leases {
    /// Worlds that are served under a lease.
    pub held: u64,
    /// Those of them whose lease has ended.
    pub lapsing: u64,
    /// Worlds that were evicted in the current minute or the one before.
    pub evicted: u64,
    /// Whether the guard keeps those that are lapsing.
    pub is_guarded: bool,
}

impl Leases {
    /// Counts.
    pub async fn read<S: Kv>(store: &S, environment: &Environment<'_>) -> Result<Self, Problem> {
        let minute = minute(environment);
        let wanted = [
            keys::LEASED.into(),
            keys::LAPSING.into(),
            keys::evicted(minute),
            keys::evicted(minute.saturating_sub(1)),
        ];
        let entries = store.get_many(&wanted).await?;
        let [held, lapsing, this, last] = entries.as_slice() else {
            return Err(Problem::internal());
        };
        let evicted = counter(this.as_ref()) + counter(last.as_ref());
        Ok(Self::new(counter(held.as_ref()), counter(lapsing.as_ref()), evicted))
    }

    fn new(held: u64, lapsing: u64, evicted: u64) -> Self {
        let ending = lapsing + evicted;
        let share_max = (held + evicted).saturating_mul(SHARE_MAX_PERCENT);
        let is_guarded = ending >= COUNT_MIN && ending.saturating_mul(100) > share_max;
        Self { held, lapsing, evicted, is_guarded }
    }
}

/// The minute that an eviction counts in.
pub(crate) fn minute(environment: &Environment<'_>) -> u64 {
    environment.now / 60_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_fifteen_in_a_hundred_are_kept_and_exactly_fifteen_are_not() {
        let is_guarded = |held, lapsing, evicted| Leases::new(held, lapsing, evicted).is_guarded;
        assert!(!is_guarded(100, 15, 0));
        assert!(is_guarded(100, 16, 0));
        // Those that are gone already count as well, on both sides.
        assert!(!is_guarded(95, 10, 5));
        assert!(is_guarded(95, 11, 5));
        // Nine are too few to tell.
        assert!(!is_guarded(9, 9, 0));
        assert!(is_guarded(10, 10, 0));
        assert!(!is_guarded(0, 0, 0));
    }
}
