//! Recovery after a wait, for whoever has neither a password, a passkey nor a code.
//!
//! It needs a device from which the traveller has signed in before ([`crate::devices`]), and 72
//! hours. Every sign-in of that time tells of it, and any of them can cancel it. A request is
//! answered alike whether there is such an account and whether the device may: what is refused is
//! so after the wait, and costs the same until then.

use super::RecoveryError;
use crate::accounts::{self, Seen};
use crate::attempts;
use crate::audit::{self, Event, Kind};
use crate::error::AuthError;
use crate::handle::Handle;
use crate::limits::Client;
use crate::sessions::Notice;
use crate::sign_ins::{self, SignedIn};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vwp_core::environment::Timestamp;
use vwp_core::{Environment, Problem, jose};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Entry, Outcome, Write};

/// How long the owner has to say no, in milliseconds.
pub const WAIT_MS: u64 = 72 * 3600 * 1000;
/// How long after the wait the account can be recovered, in milliseconds.
pub const OPEN_MS: u64 = 7 * 24 * 3600 * 1000;
/// The length of what a request is answered with: 256 bits, base64url.
const TOKEN_LENGTH: usize = 43;

/// A request, as whoever made it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Requested {
    /// What completes it. A secret.
    pub request: String,
    /// From when on, in milliseconds since the Unix epoch.
    pub ready_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Request {
    /// Whose account; none if it cannot be recovered so.
    traveller: Option<String>,
    ready_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Pending {
    /// The hash of the request.
    request: String,
    requested_at: Timestamp,
    ready_at: Timestamp,
}

/// Asks for an account. A request of the same traveller before it ends with that.
pub async fn request(
    kv: &impl Kv,
    handle: &str,
    client: &Client,
    environment: &Environment<'_>,
) -> Result<Requested, AuthError> {
    let handle = Handle::new(handle)?;
    let Seen { found, source } = accounts::look(kv, &handle, client).await?;
    attempts::count(kv, handle.folded(), &source, environment).await?;
    let traveller = found.filter(|_| source.is_device).map(|found| found.id);
    let token = jose::encode(environment.random_bytes::<32>());
    let ready_at = environment.now.saturating_add(WAIT_MS);
    let expires_at = Some(ready_at.saturating_add(OPEN_MS));
    let put = |key: Vec<u8>, value: Vec<u8>| Write::Put { key, value, expires_at };
    let pending = Pending { request: hash(&token), requested_at: environment.now, ready_at };
    let kind = Kind::RecoveryStarted;
    let event = match &traveller {
        Some(id) => Event::traveller(kind, id),
        None => Event::stranger(kind, handle.folded()),
    };
    // For nobody in particular there is a pending request too, so that the work is the same.
    let whose = traveller.clone().unwrap_or_else(|| format!("nobody/{}", hash(&token)));
    let writes = [
        put(request_key(&hash(&token)), to_json(&Request { traveller, ready_at })?),
        put(pending_key(&whose), to_json(&pending)?),
    ];
    match audit::commit(kv, &event, &[], &writes, environment).await? {
        Outcome::Committed(_) => Ok(Requested { request: token, ready_at }),
        _ => Err(Problem::internal().into()),
    }
}

/// Signs the traveller in whose account was asked for, after the wait.
pub async fn complete(
    kv: &impl Kv,
    token: &str,
    client: &Client,
    environment: &Environment<'_>,
) -> Result<SignedIn, AuthError> {
    if token.len() != TOKEN_LENGTH {
        return Err(RecoveryError::Refused.into());
    }
    let hash = hash(token);
    let entry = kv.get(&request_key(&hash)).await?.ok_or(RecoveryError::Refused)?;
    let request: Request = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    if request.ready_at > environment.now {
        let wait_s = (request.ready_at - environment.now).div_ceil(1000);
        return Err(RecoveryError::NotYet { wait_s }.into());
    }
    let traveller = request.traveller.ok_or(RecoveryError::Refused)?;
    let (pending, current) = pending(kv, &traveller).await?.ok_or(RecoveryError::Refused)?;
    if current.request != hash {
        return Err(RecoveryError::Refused.into());
    }
    let checks = [
        Check::unchanged(request_key(&hash), Some(&entry)),
        Check::unchanged(pending_key(&traveller), Some(&pending)),
    ];
    let source = sign_ins::source(kv, client, &traveller).await?;
    let (mut signed_in, mut writes) = sign_ins::open(kv, &traveller, client, &source, environment).await?;
    let notices = &mut signed_in.session.notices;
    // It is not pending any more.
    notices.retain(|notice| !matches!(notice, Notice::RecoveryPending { .. }));
    if !notices.contains(&Notice::AddPasskey) {
        notices.push(Notice::AddPasskey);
    }
    writes.extend([Write::delete(request_key(&hash)), Write::delete(pending_key(&traveller))]);
    let event = Event::traveller(Kind::RecoveryCompleted, &traveller);
    match audit::commit(kv, &event, &checks, &writes, environment).await? {
        Outcome::Committed(_) => Ok(signed_in),
        _ => Err(RecoveryError::Refused.into()),
    }
}

/// Says no to a request, and whether there was one.
pub async fn cancel(kv: &impl Kv, traveller: &str, environment: &Environment<'_>) -> Result<bool, AuthError> {
    let Some((entry, pending)) = pending(kv, traveller).await? else {
        return Ok(false);
    };
    let check = Check::unchanged(pending_key(traveller), Some(&entry));
    let writes = [Write::delete(pending_key(traveller)), Write::delete(request_key(&pending.request))];
    let event = Event::traveller(Kind::RecoveryCancelled, traveller);
    match audit::commit(kv, &event, &[check], &writes, environment).await? {
        Outcome::Committed(_) => Ok(true),
        _ => Err(Problem::unavailable("the recovery was changed at the same time; try again").into()),
    }
}

/// What a traveller has to be told of a request.
pub(crate) async fn notice(
    kv: &impl Kv,
    traveller: &str,
    environment: &Environment<'_>,
) -> Result<Option<Notice>, AuthError> {
    let Some((_, pending)) = pending(kv, traveller).await? else {
        return Ok(None);
    };
    let is_over = pending.ready_at.saturating_add(OPEN_MS) <= environment.now;
    let Pending { requested_at, ready_at, .. } = pending;
    Ok((!is_over).then_some(Notice::RecoveryPending { requested_at, ready_at }))
}

async fn pending(kv: &impl Kv, traveller: &str) -> Result<Option<(Entry, Pending)>, AuthError> {
    let Some(entry) = kv.get(&pending_key(traveller)).await? else {
        return Ok(None);
    };
    let pending = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    Ok(Some((entry, pending)))
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(value).map_err(|_| Problem::internal())
}

fn hash(token: &str) -> String {
    jose::encode(Sha256::digest(token.as_bytes()))
}

fn request_key(hash: &str) -> Vec<u8> {
    format!("auth/recovery-request/{hash}").into_bytes()
}

pub(crate) fn pending_key(traveller: &str) -> Vec<u8> {
    format!("auth/recovery-pending/{traveller}").into_bytes()
}
