//! Whoever observes an engine is told of each commit before the one who made it.

mod support;

use std::sync::{Arc, Mutex};
use support::{Folders, block_on, open};
use vwp_storage::conformance::ManualClock;
use vwp_storage::kv::{Outcome, Version, Write};
use vwp_store::{Engine, Observer};

#[derive(Default)]
struct Seen(Mutex<Vec<(Version, Vec<Vec<u8>>)>>);

impl Observer for Seen {
    fn committed(&self, version: Version, keys: &mut dyn Iterator<Item = &[u8]>) {
        self.0.lock().unwrap().push((version, keys.map(<[u8]>::to_vec).collect()));
    }
}

#[test]
fn a_commit_is_observed_and_its_version_known_before_it_is_acknowledged() {
    let (folders, clock) = (Folders::new(), ManualClock::at(1));
    let folder = folders.next();
    let engine = open(&folder, &clock);
    let seen = Arc::new(Seen::default());
    engine.observe(seen.clone());
    let mut last = engine.version();
    for n in 0..100 {
        let key = format!("s/{n}").into_bytes();
        let writes = vec![Write::put(key.clone(), "value"), Write::Delete { key: b"s/gone".to_vec() }];
        let Outcome::Committed(version) = block_on(engine.commit(vec![], writes)).unwrap() else {
            panic!("nothing was checked");
        };
        assert!(version > last);
        assert_eq!(engine.version(), version);
        let observed = seen.0.lock().unwrap().pop().unwrap();
        assert_eq!(observed.0, version);
        assert!(observed.1.contains(&key), "{observed:?}");
        last = version;
    }
    drop(engine);
    assert_eq!(open(&folder, &clock).version(), last, "it outlives a restart");
}

#[test]
fn a_key_that_expires_is_observed_when_it_is_removed() {
    let (folders, clock) = (Folders::new(), ManualClock::at(1000));
    let engine = open(&folders.next(), &clock);
    let seen = Arc::new(Seen::default());
    engine.observe(seen.clone());
    let put = Write::Put { key: b"s/brief".to_vec(), value: b"value".to_vec(), expires_at: Some(2000) };
    block_on(engine.commit(vec![], vec![put])).unwrap();
    clock.set(3000);
    engine.sweep().unwrap();
    let observed = seen.0.lock().unwrap().clone();
    assert_eq!(observed.last().unwrap().1, [b"s/brief".to_vec()]);
}
