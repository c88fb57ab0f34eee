//! Sessions: an access token (RFC 9068) that every component verifies without asking,
//! and a record of each session for the time that it lasts.
//!
//! Ending a session writes its id into the directory until its token would have ended
//! anyway. Components look there, so the end is visible with the commit, and the list
//! stays as short as an hour of sign-outs.

use crate::audit::{self, Event, Kind};
use crate::error::AuthError;
use crate::keys;
use http::{HeaderMap, HeaderValue, header};
use serde::{Deserialize, Serialize};
use vwp_core::caller::{self, ACCESS_TOKEN_TYPE, AccessClaims, Caller};
use vwp_core::environment::{CLOCK_SKEW_MAX_MS, Timestamp};
use vwp_core::{Environment, Problem, directory, jose};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Entry, Outcome, Write};

/// How long a session lasts, in seconds.
pub const LIFETIME_S: u64 = 3600;
/// How long ago a sign-in may be to count as one that was just made, in seconds.
pub const RECENT_S: u64 = 300;

/// A session that was just opened: the answer of RFC 6749, section 5.1.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Session {
    /// The token to send as `Authorization: Bearer`.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: &'static str,
    /// Seconds until the session ends.
    pub expires_in: u64,
    /// The traveller's id.
    pub traveller: String,
    /// What the traveller has to be told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<Notice>,
}

/// Something about the account that its owner has to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "notice", rename_all = "kebab-case")]
pub enum Notice {
    /// Somebody with a device that was signed in before has asked to recover the account.
    RecoveryPending {
        /// When it was asked for, in milliseconds since the Unix epoch.
        requested_at: Timestamp,
        /// From when on it gives access, if it is not cancelled before.
        ready_at: Timestamp,
    },
    /// A recovery code was used up; so many are left.
    RecoveryCodeUsed {
        /// How many codes are left.
        left: usize,
    },
    /// With one passkey, whoever loses its device loses a way in: a second one should be added.
    AddPasskey,
    /// A passkey's counter went backwards: there may be a copy of it. It is told until the passkey
    /// is removed.
    PasskeyCounterRegressed {
        /// Which passkey.
        passkey: String,
        /// When it was last seen.
        at: Timestamp,
    },
}

#[derive(Serialize, Deserialize)]
struct Record {
    traveller: String,
    created_at: Timestamp,
    expires_at: Timestamp,
}

/// Makes a session and the writes that open it.
pub(crate) async fn open(
    kv: &impl Kv,
    traveller: &str,
    environment: &Environment<'_>,
) -> Result<(Session, Vec<Write>), AuthError> {
    let id = jose::encode(environment.random_bytes::<16>());
    let iat = environment.now_seconds();
    let claims = AccessClaims {
        iss: environment.settings.issuer.clone(),
        aud: environment.settings.issuer.clone(),
        sub: traveller.to_owned(),
        client_id: environment.settings.issuer.clone(),
        jti: id.clone(),
        iat,
        exp: iat.saturating_add(LIFETIME_S),
    };
    let key = keys::active(kv, environment).await?;
    let payload = serde_json::to_vec(&claims).map_err(|_| Problem::internal())?;
    let header = jose::Header::new(ACCESS_TOKEN_TYPE).with_kid(key.kid);
    let access_token = jose::sign(&header, &payload, &key.key);
    let expires_at = claims.exp.saturating_mul(1000);
    let record = Record { traveller: traveller.to_owned(), created_at: environment.now, expires_at };
    let put = Write::Put {
        key: session_key(&id),
        value: serde_json::to_vec(&record).map_err(|_| Problem::internal())?,
        expires_at: Some(expires_at),
    };
    let session = Session {
        access_token,
        token_type: "Bearer",
        expires_in: LIFETIME_S,
        traveller: traveller.to_owned(),
        notices: Vec::new(),
    };
    Ok((session, vec![put]))
}

/// Requires that the traveller has signed in a few minutes ago: what changes the ways to sign in is
/// not for whoever finds a device unlocked.
pub async fn require_recent(
    kv: &impl Kv,
    session: &str,
    environment: &Environment<'_>,
) -> Result<(), AuthError> {
    let (record, _) = read(kv, session).await?.ok_or(AuthError::SignInNotRecent)?;
    let age_ms = environment.now.saturating_sub(record.created_at);
    if age_ms > RECENT_S * 1000 { Err(AuthError::SignInNotRecent) } else { Ok(()) }
}

/// Who holds an access token: always a traveller, with the session.
pub async fn authenticate(
    kv: &impl Kv,
    access_token: &str,
    environment: &Environment<'_>,
) -> Result<(String, String), AuthError> {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::from_str(&format!("Bearer {access_token}"))
        .map_err(|_| Problem::unauthorised("that is not an access token"))?;
    headers.insert(header::AUTHORIZATION, value);
    traveller_of(caller::authenticate(kv, &headers, environment).await?)
}

/// The traveller and the session of a caller, if the caller is a traveller.
pub fn traveller_of(caller: Caller) -> Result<(String, String), AuthError> {
    match caller {
        Caller::Traveller { id, session } => Ok((id, session)),
        Caller::Nobody => {
            Err(Problem::unauthorised("sign in and send Authorization: Bearer and the access token").into())
        }
        Caller::Operator { .. } | Caller::Administrator => {
            Err(Problem::forbidden("this is for travellers").into())
        }
    }
}

/// Ends a session, at once and for every component.
pub async fn sign_out(kv: &impl Kv, session: &str, environment: &Environment<'_>) -> Result<(), AuthError> {
    let key = session_key(session);
    let kind = Kind::SignedOut;
    let (ends_at, event) = match read(kv, session).await? {
        Some((record, _)) => (record.expires_at, Event::traveller(kind, &record.traveller)),
        // Whoever gets here showed a token that has not ended, so this is not too early.
        None => (environment.now.saturating_add(LIFETIME_S * 1000), Event::stranger(kind, session)),
    };
    let writes = [revoke(session, ends_at), Write::delete(key)];
    match audit::commit(kv, &event, &[], &writes, environment).await? {
        Outcome::Committed(_) => Ok(()),
        _ => Err(Problem::internal().into()),
    }
}

/// Ends a session that was opened at most `age_max_ms` milliseconds ago, and says whether it was this
/// call that did: of two at once, one does.
pub(crate) async fn take(
    kv: &impl Kv,
    session: &str,
    age_max_ms: u64,
    environment: &Environment<'_>,
) -> Result<bool, AuthError> {
    let Some((record, entry)) = read(kv, session).await? else { return Ok(false) };
    if environment.now > record.created_at.saturating_add(age_max_ms) {
        return Ok(false);
    }
    let key = session_key(session);
    let event = Event::traveller(Kind::SignedOut, &record.traveller);
    let check = Check::unchanged(key.clone(), Some(&entry));
    let writes = [revoke(session, record.expires_at), Write::delete(key)];
    let outcome = audit::commit(kv, &event, &[check], &writes, environment).await?;
    Ok(matches!(outcome, Outcome::Committed(_)))
}

/// What tells every component that a session has ended.
fn revoke(session: &str, ends_at: Timestamp) -> Write {
    Write::Put {
        key: directory::revoked_session_key(session),
        value: Vec::new(),
        // A component whose clock is behind still takes the token a little later.
        expires_at: Some(ends_at.saturating_add(CLOCK_SKEW_MAX_MS)),
    }
}

/// When a session was opened; none if it has ended.
pub(crate) async fn opened_at(kv: &impl Kv, session: &str) -> Result<Option<Timestamp>, AuthError> {
    Ok(read(kv, session).await?.map(|(record, _)| record.created_at))
}

async fn read(kv: &impl Kv, session: &str) -> Result<Option<(Record, Entry)>, AuthError> {
    let Some(entry) = kv.get(&session_key(session)).await? else { return Ok(None) };
    let record = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    Ok(Some((record, entry)))
}

fn session_key(id: &str) -> Vec<u8> {
    format!("auth/session/{id}").into_bytes()
}
