//! Where the component's state is in the store. Keys under `discovery/` are this
//! component's own; those under `directory/` are in `vwp_core::directory`.
//!
//! Of a world:
//! - `discovery/world/<name>`: the world as registered, while it is served.
//! - `discovery/holder/<name>`: who holds the name and the last sequence number;
//!   never expires.
//! - `discovery/lease/<name>`: when the world ends, and its live state.
//! - `discovery/due/<time><name>`: the same time in order, for the sweep.
//! - `discovery/lapsing/<time><name>`: whose lease has ended and who is not yet evicted.
//! - `discovery/ended/<name>`: a world that ended by itself, so that it can come back.
//! - `discovery/skeleton/<skeleton>`, `discovery/uuid/<uuid>`: who was the first to have a
//!   look, and an id.
//! - `discovery/index/`: the search index; see `index::keys`.
//!
//! Of an operator:
//! - `discovery/operator/<id>`: its last action and its recovery key.
//! - `discovery/recovery/<time><id>`: recoveries in the order in which they take effect.
//!
//! Of the port:
//! - `discovery/delegation/<label>`: a subtree that another port serves.
//! - `discovery/count/...`: counters of leases.
//! - `discovery/evict`: until when an administrator let leases lapse, whatever the guard says.
//! - `discovery/keys/zone`: the keyring that signs receipts.
//!
//! A time in a key is in milliseconds, as eight big-endian bytes.

use vwp_core::name::WorldName;
use vwp_storage::kv::{Key, KeyRange};

/// The keyring that signs receipts.
pub const ZONE_KEYRING: &str = "discovery/keys/zone";
/// The counter of the worlds that are served under a lease.
pub const LEASED: &str = "discovery/count/leased";
/// The counter of those of them whose lease has ended.
pub const LAPSING: &str = "discovery/count/lapsing";
/// Until when an administrator let leases lapse, whatever the guard says.
pub const EVICT: &str = "discovery/evict";

const WORLD: &str = "discovery/world/";
const DUE: &str = "discovery/due/";
const LAPSING_QUEUE: &str = "discovery/lapsing/";
const RECOVERY: &str = "discovery/recovery/";
const DELEGATION: &str = "discovery/delegation/";
/// The longest id of an operator that is looked for. Ids are thumbprints, of 43 characters; a
/// longer one from outside names nothing, and is cut so that the store takes the key.
const ID_LENGTH_MAX: usize = 128;
const TIME_LENGTH: usize = 8;

/// The key of a world as registered.
pub fn world(name: &WorldName) -> Key {
    world_text(name.as_str())
}

/// The key of the world whose name was read from an index key.
pub fn world_text(name: &str) -> Key {
    format!("{WORLD}{name}").into_bytes()
}

/// The key of who holds a name.
pub fn holder(name: &WorldName) -> Key {
    holder_text(name.as_str())
}

/// The key of who holds the name that was read from a record.
pub fn holder_text(name: &str) -> Key {
    format!("discovery/holder/{name}").into_bytes()
}

/// The key of a world's lease and live state.
pub fn lease(name: &WorldName) -> Key {
    lease_text(name.as_str())
}

/// The key of the lease of the world whose name was read from its record.
pub fn lease_text(name: &str) -> Key {
    format!("discovery/lease/{name}").into_bytes()
}

/// The key of a world that ended by itself.
pub fn ended(name: &WorldName) -> Key {
    format!("discovery/ended/{name}").into_bytes()
}

/// The key of who was the first to have a name of this look.
pub fn skeleton(skeleton: &str) -> Key {
    format!("discovery/skeleton/{skeleton}").into_bytes()
}

/// The key of who was the first to have a world of this id.
pub fn uuid(uuid: &str) -> Key {
    format!("discovery/uuid/{uuid}").into_bytes()
}

/// The place of a world in the sweep's queue.
pub fn due(at: u64, name: &str) -> Key {
    timed(DUE, at, name)
}

/// The place of a world among those whose lease has ended, by when they may be evicted.
pub fn lapsing(at: u64, name: &str) -> Key {
    timed(LAPSING_QUEUE, at, name)
}

/// The time and the name in a key of [`due`].
pub fn parts_of_due(key: &[u8]) -> Option<(u64, &str)> {
    parts(DUE, key)
}

/// The time and the name in a key of [`lapsing`].
pub fn parts_of_lapsing(key: &[u8]) -> Option<(u64, &str)> {
    parts(LAPSING_QUEUE, key)
}

/// The key of what the registry knows of an operator.
pub fn operator(id: &str) -> Key {
    let id: String = id.chars().take(ID_LENGTH_MAX).collect();
    format!("discovery/operator/{id}").into_bytes()
}

/// The place of an operator in the queue of recoveries.
pub fn recovery(at: u64, id: &str) -> Key {
    timed(RECOVERY, at, id)
}

/// The time and the operator in a key of [`recovery`].
pub fn parts_of_recovery(key: &[u8]) -> Option<(u64, &str)> {
    parts(RECOVERY, key)
}

/// The key of a subtree that another port serves.
pub fn delegation(label: &WorldName) -> Key {
    format!("{DELEGATION}{label}").into_bytes()
}

/// All subtrees that other ports serve.
pub fn delegations() -> KeyRange {
    KeyRange::prefix(DELEGATION)
}

/// The label in a key of [`delegation`].
pub fn label_of_delegation(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key).ok()?.strip_prefix(DELEGATION)
}

/// The counter of the worlds that were evicted in a minute, counted from the epoch.
pub fn evicted(minute: u64) -> Key {
    timed("discovery/count/evicted/", minute, "")
}

/// All worlds, by name.
pub fn worlds() -> KeyRange {
    KeyRange::prefix(WORLD)
}

/// The name in a world's key.
pub fn name_of_world(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key).ok()?.strip_prefix(WORLD)
}

fn timed(prefix: &str, at: u64, rest: &str) -> Key {
    [prefix.as_bytes(), &at.to_be_bytes(), rest.as_bytes()].concat()
}

fn parts<'a>(prefix: &str, key: &'a [u8]) -> Option<(u64, &'a str)> {
    let (at, rest) = key.strip_prefix(prefix.as_bytes())?.split_at_checked(TIME_LENGTH)?;
    Some((u64::from_be_bytes(at.try_into().ok()?), std::str::from_utf8(rest).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_in_the_order_of_time() {
        let keys = [due(1, "b"), due(2, "a"), due(255, "z"), due(256, "a"), due(u64::MAX, "a")];
        assert!(keys.is_sorted());
        assert_eq!(parts_of_due(&keys[3]), Some((256, "a")));
        assert_eq!(parts_of_due(&lapsing(1, "a")), None);
    }
}
