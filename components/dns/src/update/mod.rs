//! Dynamic updates (RFC 2136): from a message to a part of a commit.
//!
//! - [`request`]: what a message asks for.
//! - [`state`]: the names that it is about, as the store has them.
//! - [`plan`]: whether its prerequisites hold, and what it then changes. Who may ask for it
//!   is the caller's to decide.

pub mod request;
pub mod state;

use crate::DnsError;
use crate::edit::{self, Plan};
use crate::keys::Signer;
use crate::name::OrderedName;
use crate::zone::{Policy, Zone};
use domain::base::Rtype;
use domain::base::iana::Rcode;
use request::Request;
use state::State;
use vwp_storage::Kv;

/// What an update comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Planned {
    /// It is answered with this code and changes nothing: an error, or no error where the
    /// zone is already as asked for.
    Answer(Rcode),
    /// It is carried out by a commit with these checks and writes.
    Commit(Plan),
}

/// Plans what a request asks for. The plan's checks hold as long as everything is as it was
/// when the prerequisites were judged. `permit` says which sets may be changed; if another one
/// would be, the request is refused as a whole (RFC 2136, section 3.3).
pub async fn plan<S: Kv>(
    store: &S,
    zone: &Zone,
    policy: &Policy,
    signer: Option<&Signer>,
    request: &Request,
    permit: impl Fn(&OrderedName, Rtype) -> bool,
    now_s: u64,
) -> Result<Planned, DnsError> {
    let state = State::read(store, zone, request).await?;
    if let Err(rcode) = state.judge(&request.prerequisites) {
        return Ok(Planned::Answer(rcode));
    }
    let edit = state.apply(&request.changes);
    if state.changed_sets(&edit).any(|(name, rtype)| !permit(name, rtype)) {
        return Ok(Planned::Answer(Rcode::REFUSED));
    }
    if edit.is_empty() {
        return Ok(Planned::Answer(Rcode::NOERROR));
    }
    let mut plan = match edit::plan(store, zone, policy, signer, &edit, now_s).await {
        Ok(plan) => plan,
        // RFC 2136, section 3.4.2 and 3.6: what a zone cannot hold is refused as a whole.
        Err(DnsError::Refused(_)) => return Ok(Planned::Answer(Rcode::REFUSED)),
        Err(error) => return Err(error),
    };
    for check in state.checks() {
        if !plan.checks.iter().any(|planned| planned.key == check.key) {
            plan.checks.push(check);
        }
    }
    Ok(Planned::Commit(plan))
}
