//! The model passes the suite that it is the model for.

use vwp_storage::conformance::{self, TALLY, Tally};
use vwp_storage::kv::{Change, Kv, Write};
use vwp_storage::memory::{LocalMachine, Memory};

#[test]
fn the_model_keeps_the_contract() {
    futures::executor::block_on(conformance::kv_suite(async || Memory::default()));
}

#[test]
fn the_model_expires_by_its_clock() {
    let make = async |clock: conformance::ManualClock| Memory::new(move || clock.now());
    futures::executor::block_on(conformance::kv_clock_suite(make));
}

#[test]
fn local_machines_keep_the_contract() {
    let make = async || LocalMachine::new([(TALLY, Tally::default())], || 7);
    futures::executor::block_on(conformance::machine_suite(make));
}

#[test]
fn a_sweep_tells_followers_what_expired() {
    futures::executor::block_on(async {
        let clock = conformance::ManualClock::at(1);
        let kv = Memory::new({
            let clock = clock.clone();
            move || clock.now()
        });
        let put = Write::Put { key: b"s/a".to_vec(), value: vec![], expires_at: Some(5) };
        kv.commit(&[], &[put, Write::put("s/b", "")]).await.unwrap();
        assert_eq!(kv.sweep(), 0);
        clock.set(5);
        assert_eq!(kv.sweep(), 1);
        let expired = Change { version: 2, key: b"s/a".to_vec(), value: None };
        assert_eq!(kv.changes(b"s/", 1, 10, 0).await, Ok(vec![expired]));
    });
}
