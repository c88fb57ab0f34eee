//! The head of a zone: the serial number that secondaries see.

use crate::error::DnsError;
use crate::node::Set;
use crate::zone::{Policy, Zone};
use vwp_core::Environment;
use vwp_storage::Kv;
use vwp_storage::kv::Version;

/// What is published under a serial number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The serial number, in the circle of RFC 1982.
    pub serial: u32,
    /// The last commit that it covers.
    pub version: Version,
    /// When it was published, in milliseconds since the Unix epoch.
    pub published_at: u64,
    /// The start of authority with its signatures.
    pub soa: Set,
}

impl Head {
    /// Reads a stored head; none if it is something else.
    pub fn decode(_bytes: &[u8]) -> Option<Self> {
        unimplemented!()
    }
}

/// Gives the zone a new serial number if it changed since the last one and that is long
/// enough ago; makes the zone if there is none. Returns the head that is then current.
pub async fn publish<S: Kv>(
    _store: &S,
    _zone: &Zone,
    _policy: &Policy,
    _environment: &Environment<'_>,
) -> Result<Head, DnsError> {
    unimplemented!()
}
