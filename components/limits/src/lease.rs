//! Uses that an instance has taken from buckets beforehand, and what it knows to be empty.

use crate::answer::Standing;
use crate::bucket::{Bucket, Limit, Taken, Timestamp};
use crate::settings::Charge;
use std::collections::HashMap;
use vwp_storage::kv::Key;

/// How long uses that were taken beforehand are kept, in microseconds, and how long a bucket is believed to be
/// empty without looking again.
pub const KEPT_US: u64 = 1_000_000;
/// The most uses that are taken at once: this part of the quota.
const QUOTA_PARTS: u32 = 16;
/// The most subjects that an instance remembers.
const SUBJECTS_MAX: usize = 4096;

/// What an instance remembers of subjects.
#[derive(Debug, Default)]
pub struct Leases {
    of: HashMap<Key, Lease>,
}

#[derive(Debug, Clone, Copy)]
struct Lease {
    /// How many uses are left of those that were taken.
    left: u32,
    /// How many were wanted.
    wanted: u32,
    taken_at_us: Timestamp,
    /// The bucket as it was after that.
    bucket: Bucket,
    /// If there were none, until when there will be none.
    empty_until_us: Timestamp,
}

/// How a request stands with what the instance remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Local {
    /// It was charged, to all.
    Charged(Vec<Standing>),
    /// A bucket is empty.
    Empty(Standing),
    /// Uses have to be taken: how many, of which charges by their place.
    Wants(Vec<(usize, u32)>),
}

impl Leases {
    /// Charges a request to what was taken beforehand, if that suffices for all charges.
    pub fn charge(&mut self, charges: &[Charge], now_us: Timestamp) -> Local {
        let mut wants = Vec::new();
        for (place, charge) in charges.iter().enumerate() {
            let lease = self.of.get(&charge.key).filter(|lease| lease.is_fresh(now_us));
            match lease {
                Some(lease) if lease.left > 0 => {}
                Some(lease) if lease.empty_until_us > now_us => {
                    return Local::Empty(lease.standing(charge, now_us));
                }
                // Whoever comes again so soon will come again.
                Some(lease) => wants.push((place, doubled(lease.wanted, charge.limit))),
                None => wants.push((place, 1)),
            }
        }
        if !wants.is_empty() {
            return Local::Wants(wants);
        }
        let standing = |charge: &Charge| {
            let lease = self.of.get_mut(&charge.key)?;
            lease.left -= 1;
            Some(lease.standing(charge, now_us))
        };
        Local::Charged(charges.iter().filter_map(standing).collect())
    }

    /// Remembers what was taken from a bucket, or that it was empty.
    pub fn put(&mut self, charge: &Charge, wanted: u32, taken: Taken, now_us: Timestamp) {
        if self.of.len() >= SUBJECTS_MAX {
            self.of.retain(|_, lease| lease.is_fresh(now_us));
        }
        if self.of.len() >= SUBJECTS_MAX {
            // Whoever is forgotten is looked up again, and their uses come back by themselves.
            self.of.clear();
        }
        let empty_until_us = if taken.uses == 0 { now_us.saturating_add(taken.wait_us) } else { 0 };
        let lease =
            Lease { left: taken.uses, wanted, taken_at_us: now_us, bucket: taken.bucket, empty_until_us };
        // What is left of an older one counts too.
        let before = self.of.insert(charge.key.clone(), lease).filter(|before| before.is_fresh(now_us));
        if let (Some(before), Some(lease)) = (before, self.of.get_mut(&charge.key)) {
            lease.left = lease.left.saturating_add(before.left);
        }
    }
}

impl Lease {
    fn is_fresh(&self, now_us: Timestamp) -> bool {
        now_us.abs_diff(self.taken_at_us) < KEPT_US
    }

    fn standing(&self, charge: &Charge, now_us: Timestamp) -> Standing {
        let remaining = self.bucket.remaining(charge.limit, now_us).saturating_add(self.left);
        Standing {
            rule: charge.rule.clone(),
            limit: charge.limit,
            remaining: remaining.min(charge.limit.quota),
            reset_s: self.bucket.reset_s(charge.limit, now_us),
            wait_us: self.empty_until_us.saturating_sub(now_us),
        }
    }
}

/// Twice as many, up to a part of the quota.
fn doubled(wanted: u32, limit: Limit) -> u32 {
    wanted.saturating_mul(2).min((limit.quota / QUOTA_PARTS).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = 1_800_000_000_000_000;
    const LIMIT: Limit = Limit { quota: 64, window_s: 64 };

    fn charge(key: &str) -> Charge {
        Charge { rule: "rule".to_owned(), limit: LIMIT, key: key.as_bytes().to_vec() }
    }

    /// What is wanted for the one charge; nothing if it was charged.
    fn wanted(leases: &mut Leases, now_us: Timestamp) -> Option<u32> {
        match leases.charge(&[charge("a")], now_us) {
            Local::Wants(wants) => Some(wants[0].1),
            Local::Charged(_) => None,
            Local::Empty(standing) => panic!("empty: {standing:?}"),
        }
    }

    #[test]
    fn whoever_comes_again_within_a_second_is_taken_more_for_up_to_a_part_of_the_quota() {
        let (mut leases, mut bucket) = (Leases::default(), Bucket::default());
        for expected in [1, 2, 4, 4, 4] {
            assert_eq!(wanted(&mut leases, NOW), Some(expected));
            let taken = bucket.take(LIMIT, expected, NOW);
            bucket = taken.bucket;
            leases.put(&charge("a"), expected, taken, NOW);
            for _ in 0..expected {
                assert_eq!(wanted(&mut leases, NOW), None);
            }
        }
        assert_eq!(wanted(&mut leases, NOW + KEPT_US), Some(1), "somebody comes later");
    }

    #[test]
    fn what_was_taken_is_given_up_after_a_second() {
        let mut leases = Leases::default();
        leases.put(&charge("a"), 4, Bucket::default().take(LIMIT, 4, NOW), NOW);
        assert_eq!(wanted(&mut leases, NOW + KEPT_US - 1), None);
        assert_eq!(wanted(&mut leases, NOW + KEPT_US), Some(1));
    }

    #[test]
    fn nothing_is_charged_if_one_of_several_is_wanted() {
        let mut leases = Leases::default();
        leases.put(&charge("a"), 1, Bucket::default().take(LIMIT, 1, NOW), NOW);
        let both = [charge("a"), charge("b")];
        assert_eq!(leases.charge(&both, NOW), Local::Wants(vec![(1, 1)]));
        leases.put(&charge("b"), 1, Bucket::default().take(LIMIT, 1, NOW), NOW);
        assert!(matches!(leases.charge(&both, NOW), Local::Charged(standings) if standings.len() == 2));
        assert_eq!(leases.charge(&both, NOW), Local::Wants(vec![(0, 2), (1, 2)]));
    }

    #[test]
    fn an_empty_bucket_is_not_looked_at_again_until_there_is_something_in_it() {
        let mut leases = Leases::default();
        let full = Bucket::default().take(LIMIT, 64, NOW).bucket;
        leases.put(&charge("a"), 1, full.take(LIMIT, 1, NOW), NOW);
        let Local::Empty(standing) = leases.charge(&[charge("a")], NOW + 250_000) else {
            panic!("it was charged, or looked at");
        };
        assert_eq!((standing.remaining, standing.wait_us, standing.reset_s), (0, 750_000, 64));
        assert!(matches!(leases.charge(&[charge("a")], NOW + KEPT_US), Local::Wants(_)));
    }

    #[test]
    fn subjects_are_bounded() {
        let mut leases = Leases::default();
        for subject in 0..2 * SUBJECTS_MAX {
            leases.put(&charge(&subject.to_string()), 1, Bucket::default().take(LIMIT, 1, NOW), NOW);
            assert!(leases.of.len() <= SUBJECTS_MAX);
        }
    }
}
