//! Accounts: signing up and signing in.
//!
//! A traveller has a random id that never changes and says nothing about the person, and a
//! handle. The record of the traveller and the claim to the handle are written in one
//! commit, so of two sign-ups for one handle one wins. Whether a handle is taken is
//! public; whether a password belongs to it is not, and a sign-in answers the same, after
//! the same work, for a wrong password and for a handle that nobody has.

use crate::attempts;
use crate::audit::{self, Event, Kind};
use crate::data::quarantine;
use crate::error::AuthError;
use crate::handle::Handle;
use crate::password::{self, Password, Verdict};
use crate::sessions::{self, Session};
use serde::{Deserialize, Serialize};
use vwp_core::environment::Timestamp;
use vwp_core::{Environment, Problem, directory, jose};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Entry, Outcome, Write};

/// A traveller, as the traveller sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Traveller {
    /// The traveller's id: 128 random bits, base64url.
    #[serde(rename = "traveller")]
    pub id: String,
    /// The handle as it was chosen.
    pub handle: String,
    /// When the traveller signed up, in milliseconds since the Unix epoch.
    pub created_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Record {
    handle: String,
    password: String,
    created_at: Timestamp,
}

/// Signs a traveller up.
pub async fn sign_up(
    kv: &impl Kv,
    handle: &str,
    password: &str,
    environment: &Environment<'_>,
) -> Result<Traveller, AuthError> {
    let handle = Handle::new(handle)?;
    let password = Password::chosen(password, &handle)?;
    let handle_key = handle_key(handle.folded());
    let free = quarantine::require_free(kv, handle.folded(), environment).await?;
    if kv.get(&handle_key).await?.is_some() {
        return Err(AuthError::HandleTaken);
    }
    let id = jose::encode(environment.random_bytes::<16>());
    let record = Record {
        handle: handle.shown().to_owned(),
        password: password::hash(&password, environment)?,
        created_at: environment.now,
    };
    let traveller_key = traveller_key(&id);
    let mut checks = vec![Check::absent(handle_key.clone()), Check::absent(traveller_key.clone())];
    checks.extend(free);
    let writes = [
        Write::put(handle_key, id.clone()),
        Write::put(traveller_key, to_json(&record)?),
        Write::put(directory::traveller_key(&id), []),
    ];
    let event = Event::traveller(Kind::SignedUp, &id).with("method", "password");
    match audit::commit(kv, &event, &checks, &writes, environment).await? {
        Outcome::Committed(_) => Ok(Traveller { id, handle: record.handle, created_at: record.created_at }),
        _ => Err(AuthError::HandleTaken),
    }
}

/// Signs a traveller in: opens a session and gives out its access token.
pub async fn sign_in(
    kv: &impl Kv,
    handle: &str,
    password: &str,
    environment: &Environment<'_>,
) -> Result<Session, AuthError> {
    // What breaks the rules cannot belong to anybody, which tells nothing about who exists.
    let handle = Handle::new(handle).map_err(|_| AuthError::WrongCredentials)?;
    let password = Password::given(password).map_err(|_| AuthError::WrongCredentials)?;
    attempts::count(kv, handle.folded(), environment).await?;
    let found = find(kv, &handle).await?;
    let hash = found.as_ref().map(|(_, record, _)| record.password.as_str());
    let verdict = password::verify(&password, hash)?;
    let known = found.as_ref().map(|(id, ..)| id.clone());
    let (Some((id, record, entry)), Verdict::Right { outdated }) = (found, verdict) else {
        audit::sign_in_failed(kv, known.as_deref(), handle.folded(), "password", environment).await?;
        return Err(AuthError::WrongCredentials);
    };
    let (session, mut writes) = sessions::open(kv, &id, environment).await?;
    writes.push(attempts::clear(handle.folded()));
    let event = Event::traveller(Kind::SignedIn, &id).with("method", "password");
    if outdated {
        let rehashed = Record { password: password::hash(&password, environment)?, ..record };
        let key = traveller_key(&id);
        let put = Write::put(key.clone(), to_json(&rehashed)?);
        let with_rehash: Vec<Write> = writes.iter().cloned().chain([put]).collect();
        let check = Check::unchanged(key, Some(&entry));
        let outcome = audit::commit(kv, &event, &[check], &with_rehash, environment).await?;
        if let Outcome::Committed(_) = outcome {
            return Ok(session);
        }
        // Another sign-in hashed it anew at the same time; this one only opens its session.
    }
    match audit::commit(kv, &event, &[], &writes, environment).await? {
        Outcome::Committed(_) => Ok(session),
        _ => Err(Problem::internal().into()),
    }
}

/// Requires that a traveller who is signed in knows the password. Counted like a sign-in, so that
/// whoever found an open session cannot guess here either.
pub(crate) async fn reauthenticate(
    kv: &impl Kv,
    id: &str,
    password: &str,
    environment: &Environment<'_>,
) -> Result<(), AuthError> {
    let password = Password::given(password).map_err(|_| AuthError::WrongCredentials)?;
    let (record, _) =
        read(kv, id).await?.ok_or_else(|| Problem::unauthorised("there is no such traveller"))?;
    let handle = Handle::new(&record.handle)?;
    attempts::count(kv, handle.folded(), environment).await?;
    match password::verify(&password, Some(&record.password))? {
        Verdict::Right { .. } => Ok(()),
        Verdict::Wrong => {
            audit::sign_in_failed(kv, Some(id), handle.folded(), "password", environment).await?;
            Err(AuthError::WrongCredentials)
        }
    }
}

/// The traveller with an id. The id comes from a verified token, so its absence means
/// that the token is of no account here.
pub async fn traveller(kv: &impl Kv, id: &str) -> Result<Traveller, AuthError> {
    let (record, _) =
        read(kv, id).await?.ok_or_else(|| Problem::unauthorised("there is no such traveller"))?;
    Ok(Traveller { id: id.to_owned(), handle: record.handle, created_at: record.created_at })
}

async fn find(kv: &impl Kv, handle: &Handle) -> Result<Option<(String, Record, Entry)>, AuthError> {
    // Both reads are made in either case: the second one for nobody, if nobody was found.
    let claim = kv.get(&handle_key(handle.folded())).await?;
    let id = match &claim {
        Some(entry) => std::str::from_utf8(&entry.value).map_err(|_| Problem::internal())?,
        None => "nobody",
    };
    Ok(read(kv, id).await?.map(|(record, entry)| (id.to_owned(), record, entry)))
}

async fn read(kv: &impl Kv, id: &str) -> Result<Option<(Record, Entry)>, AuthError> {
    let Some(entry) = kv.get(&traveller_key(id)).await? else {
        return Ok(None);
    };
    let record = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    Ok(Some((record, entry)))
}

fn to_json(record: &Record) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(record).map_err(|_| Problem::internal())
}

pub(crate) fn handle_key(folded: &str) -> Vec<u8> {
    format!("auth/handle/{folded}").into_bytes()
}

pub(crate) fn traveller_key(id: &str) -> Vec<u8> {
    format!("auth/traveller/{id}").into_bytes()
}
