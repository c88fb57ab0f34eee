//! The zone's keys: made on first use, sealed at rest, rolled over by pre-publication
//! (RFC 6781, section 4.1.1.1; RFC 7583).

use crate::error::DnsError;
use crate::zone::{Policy, Zone};
use vwp_core::Environment;
use vwp_storage::Kv;

/// The private keys that sign now.
pub struct Signer {}

/// The keys that sign now; made if there are none.
pub async fn signer<S: Kv>(
    _store: &S,
    _zone: &Zone,
    _policy: &Policy,
    _environment: &Environment<'_>,
) -> Result<Signer, DnsError> {
    unimplemented!()
}
