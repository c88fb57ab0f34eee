//! Active keys that were opened before. A private key brings its public one, which is a
//! multiplication on the curve, as a signature is; so who signs one token at a time would pay for
//! two.
//!
//! A key is found by the whole record of its ring, which was read in the same request, and by the
//! master keys that could open it. So what is remembered is what would be opened now: a key that
//! was replaced or sealed anew, or that cannot be opened any more, is not found.

use super::ActiveKey;
use crate::environment::Settings;
use std::cell::RefCell;

/// How many rings' keys are remembered: a component signs with one or two.
const RINGS_MAX: usize = 4;

struct Opened {
    path: String,
    ring: Vec<u8>,
    master_keys: [Option<[u8; 32]>; 2],
    active: ActiveKey,
}

thread_local! {
    /// The ring that was opened last is the last one.
    static OPENED: RefCell<Vec<Opened>> = const { RefCell::new(Vec::new()) };
}

/// The active key of a ring with this record, if it was opened before.
pub(super) fn find(path: &str, ring: &[u8], settings: &Settings) -> Option<ActiveKey> {
    let is_same =
        |kept: &&Opened| kept.path == path && kept.ring == ring && kept.master_keys == master_keys(settings);
    OPENED.with_borrow(|opened| opened.iter().find(is_same).map(|kept| kept.active.clone()))
}

/// Remembers the active key of a ring, instead of the one that the ring had before.
pub(super) fn remember(path: &str, ring: Vec<u8>, active: &ActiveKey, settings: &Settings) {
    let (path, active, master_keys) = (path.to_owned(), active.clone(), master_keys(settings));
    OPENED.with_borrow_mut(|opened| {
        opened.retain(|kept| kept.path != path);
        let surplus = (opened.len() + 1).saturating_sub(RINGS_MAX);
        opened.drain(..surplus);
        opened.push(Opened { path, ring, master_keys, active });
    });
}

fn master_keys(settings: &Settings) -> [Option<[u8; 32]>; 2] {
    [Some(settings.master_key), settings.master_key_previous]
}
