//! What an approver signs with a key that the terms name.

use super::actions::{self, Actor, Choice};
use super::state::EscrowInfo;
use super::terms::{self, Approver};
use super::votes::Decision;
use crate::Error;
use crate::reference::parse_id;
use serde::Deserialize;
use vwp_core::environment::is_current;
use vwp_core::jose::Unverified;
use vwp_core::{Environment, Problem};
use vwp_storage::{Kv, Machines};

/// The type of what an approver signs.
const VOTE_TYPE: &str = "vwp-escrow-vote+jws";

/// What an approver signs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vote {
    /// The escrow's id.
    escrow: String,
    /// What is decided.
    decision: Decision,
    /// About which milestone; about all that wait if it is left out.
    #[serde(default)]
    milestone: Option<usize>,
    /// When it was signed, in seconds since the Unix epoch.
    iat: u64,
    /// The port's URL.
    aud: String,
}

/// Releases milestones to the payee or back to the payer, or votes for it, as who has an approver's key signed.
pub async fn decide_signed<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    compact: &str,
    id: &str,
    decision: Decision,
) -> Result<EscrowInfo, Error> {
    let (actor, choice) = voted(store, environment, compact, (id, decision)).await?;
    actions::decide(store, environment, &actor, id, decision, &choice).await
}

/// A vote that was signed with a key of the terms.
async fn voted<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    compact: &str,
    (id, decision): (&str, Decision),
) -> Result<(Actor, Choice), Error> {
    let token = Unverified::parse(compact, VOTE_TYPE).map_err(Problem::from)?;
    let unknown = || Problem::unauthorised("the header's kid is no thumbprint of an approver's key");
    let kid = token.header.kid.clone().ok_or_else(unknown)?;
    let terms = terms::stored(store, parse_id(id)?).await?.ok_or(Error::UnknownEscrow)?;
    let key = terms.approvers.iter().find_map(|approver| match approver {
        Approver::Key(key) if key.thumbprint() == kid => Some(key),
        _ => None,
    });
    let key = key.ok_or_else(unknown)?.to_key().map_err(Problem::from)?;
    let payload = token.verify(&key).map_err(Problem::from)?;
    let vote: Vote = serde_json::from_slice(&payload)
        .map_err(|error| Problem::bad_request(format!("the payload is not the expected JSON: {error}")))?;
    if vote.aud != environment.settings.issuer {
        return Err(Error::WrongAudience);
    }
    if !is_current(vote.iat, environment.now) {
        return Err(Error::ClockSkew);
    }
    if vote.escrow != id || vote.decision != decision {
        return Err(Error::Invalid("the vote is about another escrow, or for something else".to_owned()));
    }
    Ok((Actor::Key(kid), Choice { milestone: vote.milestone, preimage: None }))
}
