//! Changing names: the checks and writes of a commit that leaves the zone whole, with
//! signatures, the NSEC chain and the journal. The caller adds them to a commit of its own.
//!
//! The chain stays whole although commits run side by side. Whoever puts a name where there
//! was none, or removes one, rewrites the NSEC record of the name before it, and so writes that
//! name's node; and requires that it is still what was read. Two commits that change the
//! chain in the same place therefore write the same node, and one of them starts over. For the
//! same reason a name cannot appear below one that becomes a delegation at that moment: in a
//! subtree where there is nothing, whoever adds either of them has the same name before it.

mod build;
mod rules;
mod view;

use crate::error::DnsError;
use crate::journal;
use crate::keys::Signer;
use crate::name::OrderedName;
use crate::node::{Glue, Set};
use crate::zone::{Policy, Zone};
use std::collections::BTreeMap;
use view::View;
use vwp_storage::kv::{COMMIT_ITEMS_MAX, Check, Outcome, Version, Write};
use vwp_storage::{Kv, limits};

/// How many names one edit changes at most.
pub const NAMES_MAX: usize = 64;
/// How many bytes a name's node has at most, so that one journal record holds what was there
/// and what is there now.
pub const NODE_LENGTH_MAX: usize = 30_000;
/// How many bytes of a commit an edit takes at most; the caller has the rest.
const BYTES_MAX: usize = 786_432;

/// What a name shall hold: sets without signatures, without NSEC and RRSIG.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    /// The record sets, by type.
    pub sets: Vec<Set>,
    /// At a delegation: addresses of its name servers that are below it.
    pub glue: Vec<Glue>,
}

/// New contents of names; none, or one without records, removes a name. Names that are not
/// mentioned stay.
pub type Edit = BTreeMap<OrderedName, Option<Content>>;

/// A part of a commit. A commit has at most one of each zone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What must still be true.
    pub checks: Vec<Check>,
    /// What is to be written.
    pub writes: Vec<Write>,
}

impl Plan {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Adds another part of the same commit.
    pub fn extend(&mut self, other: Self) {
        self.checks.extend(other.checks);
        self.writes.extend(other.writes);
    }

    /// Commits it by itself. Returns its version; none if there was nothing to write.
    pub async fn commit<S: Kv>(&self, store: &S) -> Result<Option<Version>, DnsError> {
        if self.is_empty() {
            return Ok(None);
        }
        match store.commit(&self.checks, &self.writes).await? {
            Outcome::Committed(version) => Ok(Some(version)),
            Outcome::Conflict(_) => Err(DnsError::Conflict),
            Outcome::OutOfBounds(_) | Outcome::NotACounter(_) => {
                Err(DnsError::Corrupt("the count of a zone's journal"))
            }
        }
    }
}

/// Plans an edit: at most a write for each name and its neighbour, and the journal's. The zone
/// exists: whoever got a signer, or published it, has made it.
///
/// The apex's own sets (NS, DNSKEY, CDS, CDNSKEY) stay as they are; content for the apex is what
/// it holds besides.
pub async fn plan<S: Kv>(
    store: &S,
    zone: &Zone,
    policy: &Policy,
    signer: Option<&Signer>,
    edit: &Edit,
    now_s: u64,
) -> Result<Plan, DnsError> {
    rules::admit(zone, policy, edit)?;
    let view = View::read(store, zone, policy, edit).await?;
    rules::admit_delegations(store, zone, edit, &view).await?;
    finish(&Change { zone, policy, signer, edit, apex: None, now_s }, &view)
}

/// Plans the apex's own sets: those given replace all that there are.
pub(crate) async fn plan_apex<S: Kv>(
    store: &S,
    zone: &Zone,
    policy: &Policy,
    signer: Option<&Signer>,
    apex: Vec<Set>,
    now_s: u64,
) -> Result<Plan, DnsError> {
    let edit = Edit::new();
    let view = View::read_apex(store, zone, policy).await?;
    finish(&Change { zone, policy, signer, edit: &edit, apex: Some(apex), now_s }, &view)
}

/// A change that may be made, and what it is made with.
struct Change<'a> {
    zone: &'a Zone,
    policy: &'a Policy,
    signer: Option<&'a Signer>,
    edit: &'a Edit,
    /// The apex's own sets, if they change.
    apex: Option<Vec<Set>>,
    now_s: u64,
}

fn finish(change: &Change<'_>, view: &View) -> Result<Plan, DnsError> {
    let zone = change.zone;
    let mut plan = Plan { checks: view.checks(zone), writes: Vec::new() };
    plan.checks.extend(change.signer.map(|signer| signer.check().clone()));
    let mut steps = Vec::new();
    for (name, after) in build::nodes(change, view)? {
        let before = view.stored(&name);
        let after = after.map(|node| node.encode());
        if before == after.as_deref() {
            continue;
        }
        if after.as_ref().is_some_and(|bytes| bytes.len() > NODE_LENGTH_MAX) {
            return Err(DnsError::Refused(format!(
                "a name has more than {NODE_LENGTH_MAX} bytes of records"
            )));
        }
        plan.writes.push(match &after {
            Some(bytes) => Write::put(zone.node(&name), bytes.clone()),
            None => Write::delete(zone.node(&name)),
        });
        steps.push((name, before.map(<[u8]>::to_vec), after));
    }
    plan.writes.extend(journal::writes(zone, change.now_s, &steps));
    let is_large = limits::commit_bytes(&plan.checks, &plan.writes) > BYTES_MAX;
    if is_large || plan.writes.len() > COMMIT_ITEMS_MAX || plan.checks.len() > COMMIT_ITEMS_MAX {
        return Err(DnsError::Refused("the change is too large for one commit".into()));
    }
    Ok(plan)
}
