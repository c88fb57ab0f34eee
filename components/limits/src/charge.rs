//! One request, charged to all its rules or to none.

use crate::answer::Standing;
use crate::bucket::{Bucket, Timestamp};
use crate::lease::{Leases, Local};
use crate::settings::Charge;
use std::cell::RefCell;
use vwp_storage::kv::{Check, Entry, Key, Outcome, Write};
use vwp_storage::{Kv, StorageError};

/// How often taking uses is tried when others take of the same buckets.
const TRIES_MAX: usize = 8;

/// What limits need of a store: part of [`Kv`], which every store has.
#[allow(async_fn_in_trait, reason = "a guest has one thread")]
pub trait Shared {
    /// Reads keys in one snapshot; one element per key, in order.
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, StorageError>;
    /// Applies all writes or none, if every check still holds.
    async fn commit(&self, checks: &[Check], writes: &[Write]) -> Result<Outcome, StorageError>;
}

impl<S: Kv> Shared for S {
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, StorageError> {
        Kv::get_many(self, keys).await
    }

    async fn commit(&self, checks: &[Check], writes: &[Write]) -> Result<Outcome, StorageError> {
        Kv::commit(self, checks, writes).await
    }
}

/// Why a request was not charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A rule has nothing left for it.
    Throttled(Standing),
    /// The store did not do what it was asked.
    Store(StorageError),
}

impl From<StorageError> for Refusal {
    fn from(error: StorageError) -> Self {
        Self::Store(error)
    }
}

/// Charges a request to all its rules; the answer is how each of them stands then. Nobody is charged
/// if one of them has nothing left.
pub async fn charge(
    store: &impl Shared,
    leases: &RefCell<Leases>,
    charges: &[Charge],
    now_us: Timestamp,
) -> Result<Vec<Standing>, Refusal> {
    for _ in 0..TRIES_MAX {
        let local = leases.borrow_mut().charge(charges, now_us);
        let wants = match local {
            Local::Charged(standings) => return Ok(standings),
            Local::Empty(standing) => return Err(Refusal::Throttled(standing)),
            Local::Wants(wants) => wants,
        };
        take(store, leases, charges, &wants, now_us).await?;
    }
    // Only a burst from this one subject gets here, and others of it have what it was after.
    Err(Refusal::Throttled(Standing::busy(&charges[0])))
}

/// Takes uses from buckets, from all or from none.
async fn take(
    store: &impl Shared,
    leases: &RefCell<Leases>,
    charges: &[Charge],
    wants: &[(usize, u32)],
    now_us: Timestamp,
) -> Result<(), StorageError> {
    let keys: Vec<Key> = wants.iter().map(|(place, _)| charges[*place].key.clone()).collect();
    let entries = store.get_many(&keys).await?;
    let (mut taken, mut checks, mut writes) = (Vec::new(), Vec::new(), Vec::new());
    for ((place, wanted), seen) in wants.iter().zip(entries) {
        let charge = &charges[*place];
        let bucket = seen.as_ref().map_or_else(Bucket::default, |entry| Bucket::read(&entry.value));
        let uses = bucket.take(charge.limit, *wanted, now_us);
        if uses.uses == 0 {
            leases.borrow_mut().put(charge, *wanted, uses, now_us);
            return Ok(());
        }
        checks.push(Check::unchanged(charge.key.clone(), seen.as_ref()));
        let (key, expires_at) = (charge.key.clone(), Some(uses.bucket.expires_at()));
        writes.push(Write::Put { key, value: uses.bucket.write(), expires_at });
        taken.push((charge, *wanted, uses));
    }
    if let Outcome::Committed(_) = store.commit(&checks, &writes).await? {
        let mut leases = leases.borrow_mut();
        for (charge, wanted, uses) in taken {
            leases.put(charge, wanted, uses, now_us);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::Limit;
    use futures::executor::block_on;
    use std::cell::Cell;
    use vwp_storage::memory::Memory;

    const NOW: Timestamp = 1_800_000_000_000_000;

    /// A store that counts commits, and of which some others come first.
    struct Counted {
        store: Memory,
        commits: Cell<usize>,
        others: Cell<usize>,
    }

    impl Counted {
        fn new() -> Self {
            let clock = || NOW / 1000;
            Self { store: Memory::new(clock), commits: Cell::new(0), others: Cell::new(0) }
        }
    }

    impl Shared for Counted {
        async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, StorageError> {
            Kv::get_many(&self.store, keys).await
        }

        async fn commit(&self, checks: &[Check], writes: &[Write]) -> Result<Outcome, StorageError> {
            self.commits.set(self.commits.get() + 1);
            if self.others.get() > 0 {
                self.others.set(self.others.get() - 1);
                return Ok(Outcome::Conflict(checks.iter().map(|check| check.key.clone()).collect()));
            }
            Kv::commit(&self.store, checks, writes).await
        }
    }

    fn charge_of(rule: &str, quota: u32) -> Charge {
        let key = format!("limits/{rule}/somebody").into_bytes();
        Charge { rule: rule.to_owned(), limit: Limit { quota, window_s: quota }, key }
    }

    /// How often somebody gets through at one moment, on instances that take turns.
    fn let_through(store: &Counted, instances: usize, charges: &[Charge], requests: usize) -> usize {
        let instances: Vec<RefCell<Leases>> = (0..instances).map(|_| RefCell::default()).collect();
        let each = instances.iter().cycle().take(requests);
        each.filter(|leases| block_on(charge(store, leases, charges, NOW)).is_ok()).count()
    }

    #[test]
    fn instances_let_through_the_quota_together_and_write_seldom() {
        for (instances, quota) in [(1, 1), (1, 640), (4, 10), (16, 640)] {
            let store = Counted::new();
            let requests = usize::try_from(quota).expect("few") * 3;
            let through = let_through(&store, instances, &[charge_of("rule", quota)], requests);
            assert_eq!(through, usize::try_from(quota).expect("few"), "{instances} instances");
            if quota == 640 {
                assert!(store.commits.get() < 640 / 4, "{} commits", store.commits.get());
            }
        }
    }

    #[test]
    fn an_instance_for_each_request_counts_exactly_too() {
        let store = Counted::new();
        let charges = [charge_of("rule", 100)];
        let through =
            (0..300).filter(|_| block_on(charge(&store, &RefCell::default(), &charges, NOW)).is_ok());
        assert_eq!(through.count(), 100);
        assert_eq!(store.commits.get(), 100, "who is refused writes nothing");
    }

    #[test]
    fn who_is_refused_by_one_rule_is_charged_to_no_other() {
        let store = Counted::new();
        let (narrow, wide) = (charge_of("narrow", 2), charge_of("wide", 20));
        assert_eq!(let_through(&store, 1, &[wide.clone(), narrow], 10), 2);
        assert_eq!(let_through(&store, 1, &[wide], 30), 18);
    }

    #[test]
    fn an_answer_says_what_is_left_and_a_refusal_how_long_to_wait() {
        let (store, leases) = (Counted::new(), RefCell::default());
        let charges = [charge_of("rule", 2)];
        let ask = |now_us| block_on(charge(&store, &leases, &charges, now_us));
        for remaining in [1, 0] {
            let standings = ask(NOW).expect("there is some left");
            assert_eq!((standings[0].remaining, standings[0].wait_us), (remaining, 0));
        }
        let Err(Refusal::Throttled(standing)) = ask(NOW) else { panic!("it got through") };
        assert_eq!((standing.remaining, standing.wait_us, standing.reset_s), (0, 1_000_000, 2));
        assert!(ask(NOW + 1_000_000).is_ok());
    }

    #[test]
    fn others_at_the_same_bucket_are_waited_for_but_not_for_ever() {
        let (store, charges) = (Counted::new(), [charge_of("rule", 5)]);
        store.others.set(TRIES_MAX - 2);
        assert!(block_on(charge(&store, &RefCell::default(), &charges, NOW)).is_ok());
        store.others.set(TRIES_MAX);
        let refused = block_on(charge(&store, &RefCell::default(), &charges, NOW));
        assert!(matches!(refused, Err(Refusal::Throttled(standing)) if standing.wait_us > 0));
    }
}
