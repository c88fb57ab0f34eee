//! Where the component's state is in the store. Keys under `discovery/` are this
//! component's own; those under `directory/` are in `vwp_core::directory`.
//!
//! - `discovery/world/<name>`: the world as registered; expires with its record.
//! - `discovery/holder/<name>`: who holds the name and the last sequence number;
//!   never expires.
//! - `discovery/index/`: the search index; see `index::keys`.
//! - `discovery/zone/serial`: a counter of the registrations.
//! - `discovery/keys/zone`: the keyring that signs receipts.

use vwp_core::name::WorldName;
use vwp_storage::kv::{Key, KeyRange};

/// The counter that the zone's serial number is made of.
pub const SERIAL: &str = "discovery/zone/serial";
/// The keyring that signs receipts.
pub const ZONE_KEYRING: &str = "discovery/keys/zone";

const WORLD: &str = "discovery/world/";

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
    format!("discovery/holder/{name}").into_bytes()
}

/// All worlds, by name.
pub fn worlds() -> KeyRange {
    KeyRange::prefix(WORLD)
}

/// The name in a world's key.
pub fn name_of_world(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key).ok()?.strip_prefix(WORLD)
}
