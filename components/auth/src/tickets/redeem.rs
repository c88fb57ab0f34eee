//! The single use of a ticket at the port, for worlds that have no memory of their own.

use super::doors;
use super::{TicketError, require_operator};
use crate::bans;
use crate::error::AuthError;
use crate::keys;
use ::http::{HeaderMap, HeaderValue, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use vwp_core::caller::{self, Caller};
use vwp_core::environment::CLOCK_SKEW_MAX_MS;
use vwp_core::name::WorldName;
use vwp_core::{Environment, Problem, jose};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Outcome, Write};
use vwp_verifier::ticket::{self, Expected, Ticket};

/// How often a ticket is tried when the world's bans or door change at the same time.
const ATTEMPTS_MAX: usize = 8;

/// What a world shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// The world that the traveller wants to enter.
    pub world: String,
    /// The ticket.
    pub ticket: String,
    /// The proof of the ticket's key, if it is bound to one.
    #[serde(default)]
    pub proof: Option<String>,
    /// The nonce that the world gave the traveller for the proof.
    #[serde(default)]
    pub nonce: String,
}

/// What a world learns of a traveller who arrives.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Arrival {
    /// What the port calls the traveller at this world.
    pub subject: String,
    /// The world that asked for the ticket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Where the traveller arrives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_point: Option<String>,
    /// What the traveller approved of telling.
    pub claims: Map<String, Value>,
    /// The thumbprint of the traveller's key, if it was proved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
}

impl From<Ticket> for Arrival {
    fn from(ticket: Ticket) -> Self {
        let Ticket { subject, origin, entry_point, claims, holder, .. } = ticket;
        Self { subject, origin, entry_point, claims, holder }
    }
}

/// The operator whom an assertion names.
pub async fn operator_of(
    kv: &impl Kv,
    assertion: &str,
    environment: &Environment<'_>,
) -> Result<String, AuthError> {
    let value = HeaderValue::from_str(&format!("Bearer {assertion}"));
    let value = value.map_err(|_| Problem::unauthorised("that is not an assertion"))?;
    operator(kv, &HeaderMap::from_iter([(header::AUTHORIZATION, value)]), environment).await
}

/// The operator whom a request's headers name.
pub(crate) async fn operator(
    kv: &impl Kv,
    headers: &HeaderMap,
    environment: &Environment<'_>,
) -> Result<String, AuthError> {
    match caller::authenticate(kv, headers, environment).await? {
        Caller::Operator { id } => Ok(id),
        Caller::Nobody => {
            Err(Problem::unauthorised("send Authorization: Bearer and an operator's assertion").into())
        }
        _ => Err(Problem::forbidden("this is for operators").into()),
    }
}

/// Uses a ticket up, for the operator of the world that it is for. Of several who show one
/// ticket at the same time one succeeds.
pub async fn redeem(
    kv: &impl Kv,
    operator: &str,
    shown: &Shown,
    environment: &Environment<'_>,
) -> Result<Ticket, AuthError> {
    let refused = |_| Problem::bad_request("world must be a world's name");
    let world: WorldName = shown.world.parse().map_err(refused)?;
    require_operator(kv, operator, &world).await?;
    let keys = keys::published(kv, environment).await?;
    let expected = Expected {
        issuer: &environment.settings.issuer,
        world: world.as_str(),
        nonce: &shown.nonce,
        now: environment.now,
    };
    let ticket = ticket::verify(&shown.ticket, shown.proof.as_deref(), &keys, &expected)?;
    spend(kv, &world, &ticket, environment).await?;
    Ok(ticket)
}

/// Marks a ticket as used, in a commit that fails if it was, or if the world's ban of the
/// traveller or its door is no longer as it was read.
async fn spend(
    kv: &impl Kv,
    world: &WorldName,
    ticket: &Ticket,
    environment: &Environment<'_>,
) -> Result<(), AuthError> {
    // The id comes from a ticket of our own, whose form was checked.
    let spent = format!("auth/ticket/{}", jose::encode(&ticket.id)).into_bytes();
    let keys = [spent.clone(), bans::key(world, &ticket.subject), doors::key(world)];
    let put = Write::Put {
        key: spent.clone(),
        value: Vec::new(),
        expires_at: Some(ticket.expires_at_s.saturating_mul(1000).saturating_add(2 * CLOCK_SKEW_MAX_MS)),
    };
    for _ in 0..ATTEMPTS_MAX {
        let seen = kv.get_many(&keys).await?;
        let [used, ban, door] = seen.as_slice() else {
            return Err(Problem::internal().into());
        };
        if used.is_some() {
            return Err(TicketError::TicketSpent.into());
        }
        bans::require_none(ban.as_ref(), environment)?;
        if let Some(door) = doors::read(door.as_ref(), environment)? {
            door.admit(None, ticket.entry_point.as_deref())?;
        }
        let checks: Vec<Check> = keys
            .iter()
            .zip(&seen)
            .map(|(key, entry)| Check::unchanged(key.clone(), entry.as_ref()))
            .collect();
        match kv.commit(&checks, std::slice::from_ref(&put)).await? {
            Outcome::Committed(_) => return Ok(()),
            Outcome::Conflict(_) => {}
            _ => return Err(Problem::internal().into()),
        }
    }
    Err(Problem::unavailable("the world's bans are changing too often").into())
}
