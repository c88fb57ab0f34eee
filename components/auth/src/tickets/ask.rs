//! Asking for a ticket.

use super::doors;
use super::statement::{self, StatementError};
use super::{TicketError, is_token, operator_of};
use crate::accounts;
use crate::audit::{self, Event, Kind};
use crate::bans;
use crate::error::AuthError;
use crate::keys;
use crate::passports::claims::Available;
use crate::passports::proof;
use crate::passports::subject::Pairwise;
use crate::status::Bucket;
use serde::{Deserialize, Serialize};
use vwp_core::environment::Timestamp;
use vwp_core::name::WorldName;
use vwp_core::{Environment, Problem, jose};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Outcome, Write};
use vwp_verifier::ticket::{Confirmation, LIFETIME_MAX_S, TICKET_TYPE, TICKET_VERSION, TicketClaims};

/// The type of a world's statement that asks for a ticket for one of its visitors.
pub const REQUEST_TYPE: &str = "vwp-ticket-request+jws";
/// The most tickets that one traveller gets in a minute.
pub const TICKETS_PER_MINUTE_MAX: i64 = 10;
/// The window in which they are counted, in milliseconds.
const WINDOW_MS: u64 = 60_000;

/// What a traveller wants, and consents to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// The world to go to.
    pub world: String,
    /// The claims that it may be told; said explicitly, and possibly none.
    pub claims: Vec<String>,
    /// Where to arrive.
    #[serde(default)]
    pub entry_point: Option<String>,
    /// The protocol that the traveller's program speaks, such as `minecraft/1.21.4`.
    #[serde(default)]
    pub protocol: Option<String>,
    /// What the world that the traveller is in has signed, if it asks.
    #[serde(default)]
    pub request: Option<String>,
    /// A proof of the key to bind the ticket to.
    #[serde(default)]
    pub proof: Option<String>,
}

/// What the operator of the world that asks has signed, beside the frame of all statements
/// (whose `world` is the one that asks).
#[derive(Debug, Clone, Deserialize)]
struct Request {
    to: String,
    subject: String,
    #[serde(default)]
    entry_point: Option<String>,
}

/// A ticket that was just signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Granted {
    /// The ticket.
    pub ticket: String,
    /// When it ends, in milliseconds since the Unix epoch.
    pub expires_at: Timestamp,
}

/// Signs a ticket for a traveller who is signed in, and who consents by asking.
pub async fn ask(
    kv: &impl Kv,
    traveller: &str,
    wish: &Wish,
    environment: &Environment<'_>,
) -> Result<Granted, AuthError> {
    let refused = |_| Problem::bad_request("world must be a world's name");
    let world: WorldName = wish.world.parse().map_err(refused)?;
    let texts = [wish.entry_point.as_deref(), wish.protocol.as_deref()];
    if !texts.into_iter().flatten().all(is_token) {
        return Err(Problem::bad_request("entry_point and protocol are short names without spaces").into());
    }
    let holder = wish.proof.as_deref().map(|proof| proof::verify(proof, environment)).transpose()?;
    count(kv, traveller, environment).await?;
    let traveller = accounts::traveller(kv, traveller).await?;
    operator_of(kv, &world).await?;
    let pairwise = Pairwise::open(kv, environment).await?;
    let subject = pairwise.subject(&traveller.id, &world)?;
    let origin = origin(kv, wish, &world, &traveller.id, &pairwise, environment).await?;
    let seen = kv.get_many(&[doors::key(&world), bans::key(&world, &subject)]).await?;
    let [door, ban] = seen.as_slice() else {
        return Err(Problem::internal().into());
    };
    bans::require_none(ban.as_ref(), environment)?;
    if let Some(door) = doors::read(door.as_ref(), environment)? {
        door.admit(wish.protocol.as_deref(), wish.entry_point.as_deref())?;
    }
    let as_of = Bucket::at(environment.now).begins_at();
    let available = Available::read(kv, &traveller, as_of, environment).await?.without_id();
    let claims = available.choose(Some(&wish.claims))?;
    let key = keys::active(kv, environment).await?;
    let iat = environment.now_seconds();
    let ticket = TicketClaims {
        ver: TICKET_VERSION,
        iss: environment.settings.issuer.clone(),
        aud: world.to_string(),
        sub: subject,
        jti: jose::encode(environment.random_bytes::<16>()),
        iat,
        exp: iat.saturating_add(LIFETIME_MAX_S),
        origin,
        entry_point: wish.entry_point.clone(),
        claims,
        cnf: holder.map(|jwk| Confirmation { jwk }),
    };
    let event = Event::traveller(Kind::TicketIssued, &traveller.id).with("world", world.as_str());
    audit::record(kv, &event, environment).await?;
    let payload = serde_json::to_vec(&ticket).map_err(|_| Problem::internal())?;
    let header = jose::Header::new(TICKET_TYPE).with_kid(key.kid);
    Ok(Granted {
        ticket: jose::sign(&header, &payload, &key.key),
        expires_at: ticket.exp.saturating_mul(1000),
    })
}

/// The world that asked, if one did: its operator signed that it asks for this traveller, by
/// the name that the traveller has there, and for this journey.
async fn origin(
    kv: &impl Kv,
    wish: &Wish,
    world: &WorldName,
    traveller: &str,
    pairwise: &Pairwise,
    environment: &Environment<'_>,
) -> Result<Option<String>, AuthError> {
    let Some(request) = &wish.request else {
        return Ok(None);
    };
    let statement = statement::verify::<Request>(kv, request, REQUEST_TYPE, environment).await?;
    let asked = statement.matter;
    let is_entry = asked.entry_point.is_none() || asked.entry_point == wish.entry_point;
    if asked.to != world.as_str() || !is_entry {
        return Err(StatementError::Rule("the request is for another journey").into());
    }
    if pairwise.subject(traveller, &statement.world)? != asked.subject {
        return Err(StatementError::Rule("the request is for another traveller").into());
    }
    Ok(Some(statement.world.to_string()))
}

/// Counts a ticket, or refuses it because there were too many in this minute.
async fn count(kv: &impl Kv, traveller: &str, environment: &Environment<'_>) -> Result<(), AuthError> {
    let window = environment.now / WINDOW_MS;
    let ends_at = window.saturating_add(1).saturating_mul(WINDOW_MS);
    let key = format!("auth/ticket-count/{traveller}/{window}").into_bytes();
    // The counter is put with its end, which it keeps; of two that would do so, the second adds.
    let first =
        Write::Put { key: key.clone(), value: 1_i64.to_le_bytes().to_vec(), expires_at: Some(ends_at) };
    if let Outcome::Committed(_) = kv.commit(&[Check::absent(key.clone())], &[first]).await? {
        return Ok(());
    }
    let add = Write::Add { key, delta: 1, minimum: 0, maximum: TICKETS_PER_MINUTE_MAX };
    match kv.commit(&[], &[add]).await? {
        Outcome::Committed(_) => Ok(()),
        Outcome::OutOfBounds(_) => {
            let seconds = ends_at.saturating_sub(environment.now).div_ceil(1000);
            let retry_after_s = u32::try_from(seconds).unwrap_or(u32::MAX);
            Err(TicketError::Throttled { retry_after_s }.into())
        }
        _ => Err(Problem::internal().into()),
    }
}
