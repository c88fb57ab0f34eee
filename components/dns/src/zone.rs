//! A zone: its apex, where its parts are in the store, and the rules that it is kept by.
//!
//! Below `discovery/zone/<apex>/`:
//!
//! - `n/<ordered name>`: a [`Node`](crate::node::Node). Written with its signatures and its
//!   place in the NSEC chain by the commit that changes it, see [`crate::edit`].
//! - `j/<version><part>`: what that commit did to nodes, see [`crate::journal`].
//! - `head`: the serial number that secondaries see, its start of authority, signed, and
//!   the version of the last commit that it covers, see [`crate::publish`].
//! - `s/<serial>`: the same of earlier serial numbers, as long as the journal goes back.
//! - `keys`: the zone's keys, sealed, see [`crate::keys`].
//! - `floor`: how far back the journal goes; `journaled`: how many records it has.
//! - `sweep`: how far the renewal of signatures has come, see [`crate::refresh`].
//!
//! The start of authority is not in the apex's node, so that commits do not meet there: a
//! commit is answered from at once, and the serial number follows within a second.

use crate::name::{OrderedName, OwnName};
use domain::base::Name;
use vwp_storage::kv::{Key, KeyRange, Version};

/// What all keys of all zones start with.
pub const PREFIX: &str = "discovery/zone/";

/// A zone that this port is the authority for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    apex: OwnName,
    prefix: String,
}

impl Zone {
    /// The zone of a name; none if it is not one, or the root.
    pub fn new(apex: &str) -> Option<Self> {
        let apex: OwnName = Name::vec_from_str(&apex.trim_end_matches('.').to_ascii_lowercase()).ok()?;
        (!apex.is_root()).then(|| Self { prefix: format!("{PREFIX}{apex}/"), apex })
    }

    /// The apex.
    pub fn apex(&self) -> &OwnName {
        &self.apex
    }

    /// The key of a node.
    pub fn node(&self, name: &OrderedName) -> Key {
        self.key("n/", name.as_bytes())
    }

    /// All nodes, in the order of the NSEC chain.
    pub fn nodes(&self) -> KeyRange {
        self.subtree(&OrderedName::apex())
    }

    /// The nodes of a name and of all names under it.
    pub fn subtree(&self, name: &OrderedName) -> KeyRange {
        let start = self.node(name);
        let mut end = start.clone();
        // A key of a node ends in the end of a label, 0x00, or in the slash.
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        KeyRange { start, end }
    }

    /// The nodes before a name.
    pub fn before(&self, name: &OrderedName) -> KeyRange {
        KeyRange { start: self.nodes().start, end: self.node(name) }
    }

    /// The name in a node's key.
    pub fn name_of_node(&self, key: &[u8]) -> Option<OrderedName> {
        let rest = key.strip_prefix(self.prefix.as_bytes())?.strip_prefix(b"n/")?;
        Some(OrderedName::from_bytes(rest))
    }

    /// The key of the head.
    pub fn head(&self) -> Key {
        self.key("head", b"")
    }

    /// The key of a serial number's head.
    pub fn published(&self, serial: u32) -> Key {
        self.key("s/", &serial.to_be_bytes())
    }

    /// The key of the zone's keys, as text because it names a keyring.
    pub fn keys(&self) -> String {
        format!("{}keys", self.prefix)
    }

    /// The key of the renewal's place.
    pub fn sweep(&self) -> Key {
        self.key("sweep", b"")
    }

    /// What the keys of the journal start with; the version follows.
    pub fn journal_prefix(&self) -> Key {
        self.key("j/", b"")
    }

    /// The journal of the commits after `since`, up to and with `until`.
    pub fn journal(&self, since: Version, until: Version) -> KeyRange {
        KeyRange {
            start: self.key("j/", &since.saturating_add(1).to_be_bytes()),
            end: self.key("j/", &until.saturating_add(1).to_be_bytes()),
        }
    }

    /// The key of how far back the journal goes.
    pub fn floor(&self) -> Key {
        self.key("floor", b"")
    }

    /// The key of how many records the journal has.
    pub fn journaled(&self) -> Key {
        self.key("journaled", b"")
    }

    /// Everything of the zone.
    pub fn everything(&self) -> KeyRange {
        KeyRange::prefix(self.prefix.as_bytes())
    }

    /// All serial numbers' heads.
    pub fn all_published(&self) -> KeyRange {
        KeyRange::prefix(self.key("s/", b""))
    }

    fn key(&self, part: &str, rest: &[u8]) -> Key {
        [self.prefix.as_bytes(), part.as_bytes(), rest].concat()
    }
}

/// Which keys sign a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyScheme {
    /// One key signs everything (a CSK).
    Combined,
    /// One key signs the keys (a KSK), another one the rest (a ZSK).
    Split,
}

/// How the zone proves that a name or a type does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// With the chain of NSEC records that is signed at write (RFC 4035, section 3.1.3).
    Chain,
    /// With one NSEC record made for the question (RFC 9824). Costs a signature a question
    /// and does not tell which names there are.
    Compact,
}

/// The rules that a zone is kept by. All times are in seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The names of the zone's name servers; the first is the primary one of the SOA.
    pub nameservers: Vec<OwnName>,
    /// The mailbox of who is responsible, as a name (RFC 1035, section 3.3.13).
    pub contact: OwnName,
    /// How long the apex's records may be cached.
    pub apex_ttl_s: u32,
    /// How long an absence may be cached (RFC 2308, section 5).
    pub negative_ttl_s: u32,
    /// How long any record may be cached. A longer time is served as this one, because a key
    /// that no longer signs stays published until nothing of it is cached.
    pub record_ttl_max_s: u32,
    /// When secondaries look for a newer zone unless they are told (SOA refresh, retry, expire).
    pub secondary_times_s: [u32; 3],
    /// Whether the zone is signed. A catalog zone is not.
    pub is_signed: bool,
    /// Which keys sign it.
    pub scheme: KeyScheme,
    /// How absence is proved.
    pub denial: Denial,
    /// How long a signature is valid.
    pub signature_s: u32,
    /// How long before its end a signature is renewed.
    pub renew_before_s: u32,
    /// How long a key signs before the next one takes over; 0: until it is told.
    pub key_lifetime_s: u64,
    /// How long a key is published before it signs, and after it no longer does: at least the
    /// apex's TTL, and the time that secondaries take to follow (RFC 7583, section 3.2.1).
    pub key_publish_s: u64,
    /// How long the journal goes back.
    pub journal_s: u64,
    /// The shortest time from one serial number to the next, in milliseconds.
    pub publish_every_ms: u64,
}

impl Policy {
    /// The defaults for a zone with these name servers.
    pub fn new(nameservers: Vec<OwnName>, contact: OwnName) -> Self {
        const DAY_S: u32 = 24 * 60 * 60;
        Self {
            nameservers,
            contact,
            apex_ttl_s: 3600,
            negative_ttl_s: 10,
            record_ttl_max_s: DAY_S,
            secondary_times_s: [60, 30, 14 * DAY_S],
            is_signed: true,
            scheme: KeyScheme::Combined,
            denial: Denial::Chain,
            signature_s: 14 * DAY_S,
            renew_before_s: 5 * DAY_S,
            key_lifetime_s: 90 * u64::from(DAY_S),
            key_publish_s: 2 * 3600,
            journal_s: u64::from(2 * DAY_S),
            publish_every_ms: 200,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_apart_and_in_order() {
        let zone = Zone::new("VWP.test.").expect("a zone");
        assert_eq!(zone, Zone::new("vwp.test").expect("a zone"));
        assert_eq!(Zone::new("."), None);
        let arena = OrderedName::apex().child(b"arena");
        let key = zone.node(&arena);
        assert_eq!(zone.name_of_node(&key), Some(arena.clone()));
        assert!(zone.nodes().start < key && key < zone.nodes().end);
        let subtree = zone.subtree(&arena);
        let within = |name: &OrderedName| subtree.start <= zone.node(name) && zone.node(name) < subtree.end;
        assert!(within(&arena) && within(&arena.child(b"_vw")));
        assert!(!within(&OrderedName::apex().child(b"arena2")) && !within(&OrderedName::apex()));
        assert!(zone.journal(1, 2).start > [zone.journal_prefix(), 1_u64.to_be_bytes().to_vec()].concat());
    }
}
