//! What each commit did to nodes, so that transfers can tell the difference between two
//! serial numbers and a transfer of everything can show one moment.

use crate::error::DnsError;
use crate::name::OrderedName;
use crate::node::Node;
use crate::zone::Zone;
use vwp_storage::Kv;
use vwp_storage::kv::Version;

/// What a commit did to one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The commit.
    pub version: Version,
    /// The name.
    pub name: OrderedName,
    /// What was there; none: nothing.
    pub before: Option<Node>,
    /// What is there now; none: nothing.
    pub after: Option<Node>,
}

/// The steps of up to `limit` journal records after `since`, up to and with `until`, in
/// order, and the version up to which they are complete.
pub async fn steps<S: Kv>(
    _store: &S,
    _zone: &Zone,
    _since: Version,
    _until: Version,
    _limit: u32,
) -> Result<(Vec<Step>, Version), DnsError> {
    unimplemented!()
}
