//! When the keys of the store were last changed, so that a kept answer is known to be as
//! good as a new one.
//!
//! A table of fixed size, without locks: keys that share a slot share its version, so that
//! what is read there may be too new, which costs a kept answer, and is never too old.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use vwp_storage::kv::{Key, Version};
use vwp_store::{Engine, Observer};

/// How many slots there are: 8 MiB of them. With a thousand keys changed each second, an
/// answer from five keys is still good after a minute with a probability of 3 in 4.
const SLOTS: u64 = 1 << 20;

/// The version of the latest commit for every key.
pub struct Changes {
    latest: Box<[AtomicU64]>,
    /// With keys of its own, so that nobody can choose names that share slots.
    hasher: RandomState,
}

impl Changes {
    /// Of an engine, from now on. What was read before must not be asked about.
    pub fn of(engine: &Arc<dyn Engine>) -> Arc<Self> {
        let changes = Arc::new(Self::default());
        engine.observe(changes.clone());
        changes
    }

    /// Where the versions of these keys are.
    pub fn slots(&self, keys: &[Key]) -> Box<[u32]> {
        keys.iter().map(|key| self.slot(key)).collect()
    }

    /// Whether none of the keys was changed by a commit after this one.
    pub fn unchanged(&self, slots: &[u32], since: Version) -> bool {
        slots.iter().all(|&slot| self.version(slot).is_some_and(|version| version <= since))
    }

    fn version(&self, slot: u32) -> Option<Version> {
        // Acquire: whoever was told of a commit sees here what its writer stored before.
        self.latest.get(usize::try_from(slot).ok()?).map(|version| version.load(Ordering::Acquire))
    }

    fn slot(&self, key: &[u8]) -> u32 {
        // There are fewer slots than numbers of 32 bits.
        u32::try_from(self.hasher.hash_one(key) % SLOTS).unwrap_or_default()
    }
}

impl Default for Changes {
    fn default() -> Self {
        Self { latest: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(), hasher: RandomState::new() }
    }
}

impl Observer for Changes {
    fn committed(&self, version: Version, keys: &mut dyn Iterator<Item = &[u8]>) {
        for key in keys {
            let slot = usize::try_from(self.slot(key)).unwrap_or_default();
            if let Some(latest) = self.latest.get(slot) {
                latest.fetch_max(version, Ordering::AcqRel);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_unchanged_until_a_later_commit_writes_it() {
        let changes = Changes::default();
        let slots = changes.slots(&[b"zone/a".to_vec(), b"zone/b".to_vec()]);
        assert!(changes.unchanged(&slots, 0));
        changes.committed(7, &mut [&b"zone/b"[..]].into_iter());
        assert!(!changes.unchanged(&slots, 6));
        assert!(changes.unchanged(&slots, 7));
        changes.committed(6, &mut [&b"zone/a"[..]].into_iter());
        assert!(changes.unchanged(&slots, 7));
    }
}
