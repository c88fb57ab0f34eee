//! Secrets at rest, and the master key's replacement.

use crate::support::{Seeded, environment, settings};
use futures::executor::block_on;
use vwp_core::seal::{self, Sealed};
use vwp_core::{Environment, keyring};
use vwp_storage::Kv;
use vwp_storage::memory::Memory;

const OLD: [u8; 32] = [7; 32];
const NEW: [u8; 32] = [8; 32];
const RING: &str = "auth/keys/issuer";

/// Does something with these master keys.
fn with<T>(key: [u8; 32], previous: Option<[u8; 32]>, what: impl Fn(&Environment<'_>) -> T) -> T {
    let mut settings = settings();
    (settings.master_key, settings.master_key_previous) = (key, previous);
    what(&environment(&settings, &Seeded::new(u64::from(key[0]) + 1)))
}

fn sealed_with(key: [u8; 32]) -> Sealed {
    with(key, None, |environment| seal::seal("purpose", b"secret", environment).unwrap())
}

fn opens(sealed: &Sealed, key: [u8; 32], previous: Option<[u8; 32]>) -> bool {
    with(key, previous, |environment| {
        seal::unseal("purpose", sealed, environment).is_ok_and(|opened| opened == b"secret")
    })
}

#[test]
fn what_the_previous_master_key_sealed_opens_while_it_is_given() {
    let sealed = sealed_with(OLD);
    assert!(opens(&sealed, OLD, None));
    assert!(opens(&sealed, NEW, Some(OLD)));
    assert!(!opens(&sealed, NEW, None));
    assert!(!opens(&sealed, NEW, Some([9; 32])));
}

#[test]
fn sealing_anew_makes_the_previous_master_key_superfluous() {
    let sealed = sealed_with(OLD);
    let again = with(NEW, Some(OLD), |environment| seal::reseal("purpose", &sealed, environment).unwrap());
    let again = again.unwrap();
    assert!(opens(&again, NEW, None));
    assert!(!opens(&again, OLD, None), "nor does the previous one open it any more");
    let third = with(NEW, Some(OLD), |environment| seal::reseal("purpose", &again, environment).unwrap());
    assert_eq!(third, None, "it is done once");
}

#[test]
fn nothing_is_sealed_anew_where_there_is_no_previous_key_or_for_another_purpose() {
    let sealed = sealed_with(OLD);
    let untouched = with(OLD, None, |environment| seal::reseal("purpose", &sealed, environment).unwrap());
    assert_eq!(untouched, None);
    let moved = with(NEW, Some(OLD), |environment| seal::reseal("other", &sealed, environment));
    assert_eq!(moved.unwrap_err().slug, "keyring-sealed");
}

#[test]
fn what_was_sealed_before_keys_had_names_opens_and_is_sealed_anew() {
    let mut json = serde_json::to_value(sealed_with(OLD)).unwrap();
    json.as_object_mut().unwrap().remove("sealed_by").unwrap();
    let nameless: Sealed = serde_json::from_value(json).unwrap();
    assert!(opens(&nameless, OLD, None) && opens(&nameless, NEW, Some(OLD)));
    let again = with(NEW, Some(OLD), |environment| seal::reseal("purpose", &nameless, environment).unwrap());
    assert!(opens(&again.unwrap(), NEW, None));
}

#[test]
fn a_sealed_secret_says_which_key_sealed_it_and_nothing_of_the_key() {
    let json = serde_json::to_string(&sealed_with(OLD)).unwrap();
    assert!(json.contains(&seal::key_name(&OLD)));
    assert_ne!(seal::key_name(&OLD), seal::key_name(&NEW));
    assert!(!json.contains(&vwp_core::jose::encode(OLD)) && !json.contains("secret\""));
}

#[test]
fn using_a_ring_seals_all_its_keys_anew() {
    let store = Memory::default();
    let kids = with(OLD, None, |environment| {
        let first = block_on(keyring::active(&store, RING, environment, |_| Vec::new())).unwrap();
        let second = block_on(keyring::rotate(&store, RING, environment, |_| Vec::new())).unwrap();
        [second.kid, first.kid]
    });
    let used = with(NEW, Some(OLD), |environment| {
        block_on(keyring::active(&store, RING, environment, |_| Vec::new())).unwrap().kid
    });
    assert_eq!(used, kids[0]);
    let stored = block_on(store.get(RING.as_bytes())).unwrap().unwrap();
    let text = String::from_utf8(stored.value).unwrap();
    assert_eq!(text.matches(&seal::key_name(&NEW)).count(), 2);
    assert!(!text.contains(&seal::key_name(&OLD)));
    with(NEW, None, |environment| {
        let active = block_on(keyring::active(&store, RING, environment, |_| Vec::new())).unwrap();
        assert_eq!(active.kid, kids[0]);
        assert_eq!(block_on(keyring::reseal(&store, RING, environment)).unwrap(), 0);
    });
}
