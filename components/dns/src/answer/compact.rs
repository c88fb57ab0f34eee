//! Compact denial of existence (RFC 9824): one NSEC record, made and signed for the question,
//! which speaks of no name but the one that was asked for.

use super::lookup::Lookup;
use crate::DnsError;
use crate::name::{OrderedName, OwnName};
use crate::node::{Node, Set};
use crate::{keys, sign};
use domain::base::iana::Rtype as Type;
use domain::base::{Name, Rtype};
use vwp_storage::Kv;

impl<S: Kv> Lookup<'_, S> {
    /// The NSEC record of a name with these types, to which NSEC and RRSIG are added. None if
    /// the name has no room for a next one, or is a wildcard's: the chain then is the proof.
    pub(super) async fn compact_nsec(
        &mut self,
        owner: &OwnName,
        types: Vec<Rtype>,
    ) -> Result<Option<Set>, DnsError> {
        let Some(next) = successor(owner) else {
            return Ok(None);
        };
        let mut nsec = sign::nsec(&next, types, self.policy);
        let signer = keys::signer(self.store, self.zone, self.policy, self.environment).await?;
        signer.sign(&mut nsec, owner, self.zone, self.policy, self.environment.now_seconds());
        self.depends_on(self.zone.keys().into_bytes());
        Ok(Some(nsec))
    }
}

/// The types that a name has; NSEC and RRSIG are among them where they matter.
pub(super) fn types(name: &OrderedName, node: &Node) -> Vec<Rtype> {
    // The apex has a start of authority, which is kept elsewhere.
    let start = name.is_apex().then_some(Type::SOA);
    node.sets.iter().map(|set| set.rtype).chain(start).collect()
}

/// The name that follows immediately in DNSSEC's order: the smallest one under it
/// (RFC 4471, section 3.1.1).
fn successor(owner: &OwnName) -> Option<OwnName> {
    if owner.as_slice().starts_with(b"\x01*") {
        return None;
    }
    Name::from_octets([&[1, 0], owner.as_slice()].concat()).ok()
}
