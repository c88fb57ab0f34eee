//! Accounts: signing up and signing in.
//!
//! A traveller has a random id that never changes and says nothing about the person, and a
//! handle. The record of the traveller and the claim to the handle are written in one
//! commit, so of two sign-ups for one handle one wins. Whether a handle is taken is
//! public; whether a password belongs to it is not, and a sign-in answers the same, after
//! the same work, for a wrong password and for a handle that nobody has.

use crate::attempts;
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
    let checks = [Check::absent(handle_key.clone()), Check::absent(traveller_key.clone())];
    let writes = [
        Write::put(handle_key, id.clone()),
        Write::put(traveller_key, to_json(&record)?),
        Write::put(directory::traveller_key(&id), []),
    ];
    match kv.commit(&checks, &writes).await? {
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
    let (Some((id, record, entry)), Verdict::Right { outdated }) = (found, verdict) else {
        return Err(AuthError::WrongCredentials);
    };
    let (session, mut writes) = sessions::open(kv, &id, environment).await?;
    writes.push(attempts::clear(handle.folded()));
    if outdated {
        let rehashed = Record { password: password::hash(&password, environment)?, ..record };
        let key = traveller_key(&id);
        let put = Write::put(key.clone(), to_json(&rehashed)?);
        let with_rehash: Vec<Write> = writes.iter().cloned().chain([put]).collect();
        let check = Check::unchanged(key, Some(&entry));
        if let Outcome::Committed(_) = kv.commit(&[check], &with_rehash).await? {
            return Ok(session);
        }
        // Another sign-in hashed it anew at the same time; this one only opens its session.
    }
    match kv.commit(&[], &writes).await? {
        Outcome::Committed(_) => Ok(session),
        _ => Err(Problem::internal().into()),
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

fn handle_key(folded: &str) -> Vec<u8> {
    format!("auth/handle/{folded}").into_bytes()
}

fn traveller_key(id: &str) -> Vec<u8> {
    format!("auth/traveller/{id}").into_bytes()
}
