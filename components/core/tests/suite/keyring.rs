//! The port's own keys.

use crate::support::{Seeded, environment, settings};
use futures::executor::block_on;
use vwp_core::Problem;
use vwp_core::environment::Settings;
use vwp_core::jose::encode;
use vwp_core::keyring::{self, ActiveKey, KEYS_MAX, KeyInfo};
use vwp_storage::Kv;
use vwp_storage::kv::Write;
use vwp_storage::memory::Memory;

const PATH: &str = "auth/keys/test";

struct Ring {
    store: Memory,
    random: Seeded,
    settings: Settings,
}

impl Ring {
    fn new() -> Self {
        Self { store: Memory::default(), random: Seeded::new(1), settings: settings() }
    }

    fn active(&self, path: &str) -> Result<ActiveKey, Problem> {
        let environment = environment(&self.settings, &self.random);
        block_on(keyring::active(&self.store, path, &environment, publish))
    }

    fn rotate(&self) -> KeyInfo {
        let environment = environment(&self.settings, &self.random);
        block_on(keyring::rotate(&self.store, PATH, &environment, publish)).unwrap()
    }

    fn list(&self) -> Vec<KeyInfo> {
        block_on(keyring::list(&self.store, PATH)).unwrap()
    }
}

fn publish(keys: &[KeyInfo]) -> Vec<Write> {
    let kids: Vec<&str> = keys.iter().map(|key| key.kid.as_str()).collect();
    vec![Write::put("directory/published", kids.join(" "))]
}

#[test]
fn the_first_use_makes_a_key_and_later_uses_find_it() {
    let ring = Ring::new();
    assert_eq!(ring.list(), []);
    let first = ring.active(PATH).unwrap();
    let again = ring.active(PATH).unwrap();
    assert_eq!((first.kid.as_str(), first.key.to_bytes()), (again.kid.as_str(), again.key.to_bytes()));
    let [info] = ring.list().try_into().unwrap();
    assert!(info.active);
    assert_eq!((info.kid, info.jwk.thumbprint()), (first.kid.clone(), first.kid));
    assert_eq!(info.jwk.to_key().unwrap(), *first.key.verifying_key());
}

#[test]
fn the_ring_of_another_store_has_its_own_key() {
    let one = Ring::new();
    let other = Ring { random: Seeded::new(2), ..Ring::new() };
    let kid = |ring: &Ring| ring.active(PATH).unwrap().kid;
    let (first, second) = (kid(&one), kid(&other));
    assert_ne!(first, second);
    assert_eq!((kid(&one), kid(&other)), (first, second));
}

#[test]
fn a_rotation_makes_a_new_active_key_and_keeps_the_older_ones() {
    let ring = Ring::new();
    let first = ring.active(PATH).unwrap().kid;
    let second = ring.rotate().kid;
    assert_ne!(first, second);
    assert_eq!(ring.active(PATH).unwrap().kid, second);
    let keys: Vec<(String, bool)> = ring.list().into_iter().map(|key| (key.kid, key.active)).collect();
    assert_eq!(keys, [(second, true), (first, false)]);
}

#[test]
fn the_oldest_keys_go_when_there_are_too_many() {
    let ring = Ring::new();
    let first = ring.active(PATH).unwrap().kid;
    for _ in 0..KEYS_MAX {
        ring.rotate();
    }
    assert_eq!(ring.list().len(), KEYS_MAX);
    assert!(!ring.list().iter().any(|key| key.kid == first));
}

#[test]
fn what_is_published_changes_in_the_same_commit() {
    let ring = Ring::new();
    ring.active(PATH).unwrap();
    ring.rotate();
    let entries = block_on(ring.store.get_many(&[PATH.into(), b"directory/published".to_vec()])).unwrap();
    let [Some(stored), Some(published)] = entries.as_slice() else { panic!("not published") };
    assert_eq!(stored.version, published.version);
    let mut kids: Vec<String> = ring.list().into_iter().map(|key| key.kid).collect();
    kids.reverse();
    assert_eq!(published.value, kids.join(" ").as_bytes());
}

#[test]
fn private_keys_are_not_in_the_store() {
    let ring = Ring::new();
    let key = ring.active(PATH).unwrap().key.to_bytes();
    let stored = block_on(ring.store.get(PATH.as_bytes())).unwrap().unwrap().value;
    let has = |needle: &[u8]| stored.windows(needle.len()).any(|window| window == needle);
    assert!(!has(&key) && !has(encode(key).as_bytes()));
}

#[test]
fn another_master_key_does_not_open_the_ring() {
    let mut ring = Ring::new();
    ring.active(PATH).unwrap();
    ring.settings.master_key = [8; 32];
    assert_eq!(ring.active(PATH).err().unwrap().slug, "keyring-sealed");
    // The public halves need no master key.
    assert_eq!(ring.list().len(), 1);
}

#[test]
fn a_ring_that_was_moved_to_another_name_does_not_open() {
    let ring = Ring::new();
    ring.active(PATH).unwrap();
    let stored = block_on(ring.store.get(PATH.as_bytes())).unwrap().unwrap().value;
    block_on(ring.store.commit(&[], &[Write::put("auth/keys/other", stored)])).unwrap();
    assert_eq!(ring.active("auth/keys/other").err().unwrap().slug, "keyring-sealed");
}
