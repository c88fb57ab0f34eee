//! Changing names: the checks and writes of a commit that leaves the zone whole, with
//! signatures, the NSEC chain and the journal. The caller adds them to a commit of its own.

use crate::error::DnsError;
use crate::keys::Signer;
use crate::name::OrderedName;
use crate::node::{Glue, Set};
use crate::zone::{Policy, Zone};
use std::collections::BTreeMap;
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Write};

/// What a name shall hold: sets without signatures, without NSEC and RRSIG.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    /// The record sets, by type.
    pub sets: Vec<Set>,
    /// At a delegation: addresses of its name servers that are below it.
    pub glue: Vec<Glue>,
}

/// New contents of names; none removes a name. Names that are not mentioned stay.
pub type Edit = BTreeMap<OrderedName, Option<Content>>;

/// A part of a commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What must still be true.
    pub checks: Vec<Check>,
    /// What is to be written.
    pub writes: Vec<Write>,
}

/// Plans an edit. At most 3 writes a name and one more for each of its neighbours.
pub async fn plan<S: Kv>(
    _store: &S,
    _zone: &Zone,
    _policy: &Policy,
    _signer: Option<&Signer>,
    _edit: &Edit,
    _now_s: u64,
) -> Result<Plan, DnsError> {
    unimplemented!()
}
