//! Accounts: signing up and signing in.
//!
//! A traveller has a random id that never changes and says nothing about the person, and a
//! handle. The record of the traveller and the claim to the handle are written in one
//! commit, so of two sign-ups for one handle one wins. Whether a handle is taken is
//! public; whether a password belongs to it is not, and a sign-in answers the same, after
//! the same work, for a wrong password and for a handle that nobody has.

use crate::audit::{self, Event, Kind};
use crate::data::quarantine;
use crate::devices::{self, Source};
use crate::error::AuthError;
use crate::handle::Handle;
use crate::limits::Client;
use crate::password::{self, Composed, Hasher, Password, Verdict};
use crate::sign_ins::{self, SignedIn};
use crate::{attempts, sessions};
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
    /// The hash of the password; none for who signed up with another port's account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    created_at: Timestamp,
}

/// A traveller who is there as soon as the checks hold and the writes are committed.
pub(crate) struct Created {
    pub(crate) traveller: Traveller,
    pub(crate) checks: Vec<Check>,
    pub(crate) writes: Vec<Write>,
}

/// Makes a traveller with a handle that [nobody has](require_free), and with the hash of a password if
/// there is one.
pub(crate) fn create(
    handle: &Handle,
    is_free: Vec<Check>,
    password: Option<String>,
    environment: &Environment<'_>,
) -> Result<Created, AuthError> {
    let id = jose::encode(environment.random_bytes::<16>());
    let record = Record { handle: handle.shown().to_owned(), password, created_at: environment.now };
    let (handle_key, traveller_key) = (handle_key(handle.folded()), traveller_key(&id));
    let mut checks = is_free;
    checks.push(Check::absent(traveller_key.clone()));
    let writes = vec![
        Write::put(handle_key, id.clone()),
        Write::put(traveller_key, to_json(&record)?),
        Write::put(directory::traveller_key(&id), []),
    ];
    let traveller = Traveller { id, handle: record.handle, created_at: record.created_at };
    Ok(Created { traveller, checks, writes })
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
    let is_free = require_free(kv, &handle, environment).await?;
    let hash = password::hash(&Composed, &password, environment)?;
    let Created { traveller, checks, writes } = create(&handle, is_free, Some(hash), environment)?;
    let event = Event::traveller(Kind::SignedUp, &traveller.id).with("method", "password");
    match audit::commit(kv, &event, &checks, &writes, environment).await? {
        Outcome::Committed(_) => Ok(traveller),
        _ => Err(AuthError::HandleTaken),
    }
}

/// Requires that nobody has a handle, before anything expensive is done for it. Answers with the checks
/// that see to it that this is still so when it is taken.
pub(crate) async fn require_free(
    kv: &impl Kv,
    handle: &Handle,
    environment: &Environment<'_>,
) -> Result<Vec<Check>, AuthError> {
    let mut checks = quarantine::require_free(kv, handle.folded(), environment).await?;
    let key = handle_key(handle.folded());
    if kv.get(&key).await?.is_some() {
        return Err(AuthError::HandleTaken);
    }
    checks.push(Check::absent(key));
    Ok(checks)
}

/// Signs a traveller in with a password: opens a session and gives out its access token.
pub async fn sign_in(
    kv: &impl Kv,
    handle: &str,
    password: &str,
    client: &Client,
    environment: &Environment<'_>,
) -> Result<SignedIn, AuthError> {
    sign_in_with(&Composed, kv, (handle, password), client, environment).await
}

/// The same with another hasher, for whoever compares the work that answers take, which a clock
/// does badly.
pub async fn sign_in_with(
    hasher: &impl Hasher,
    kv: &impl Kv,
    (handle, password): (&str, &str),
    client: &Client,
    environment: &Environment<'_>,
) -> Result<SignedIn, AuthError> {
    // What breaks the rules cannot belong to anybody, which tells nothing about who exists.
    let handle = Handle::new(handle).map_err(|_| AuthError::WrongCredentials)?;
    let password = Password::given(password).map_err(|_| AuthError::WrongCredentials)?;
    let Seen { found, source } = look(kv, &handle, client).await?;
    attempts::count(kv, handle.folded(), &source, environment).await?;
    let hash = found.as_ref().and_then(|found| found.record.password.as_deref());
    let verdict = password::verify(hasher, &password, hash)?;
    let known = found.as_ref().map(|found| found.id.clone());
    let (Some(found), Verdict::Right { outdated }) = (found, verdict) else {
        audit::sign_in_failed(kv, known.as_deref(), handle.folded(), "password", environment).await?;
        return Err(AuthError::WrongCredentials);
    };
    let (signed_in, mut writes) = sign_ins::open(kv, &found.id, client, &source, environment).await?;
    writes.push(attempts::clear(handle.folded(), &source));
    let event = Event::traveller(Kind::SignedIn, &found.id).with("method", "password");
    // The password was right for this record, and for no other that took its place meanwhile.
    let key = traveller_key(&found.id);
    let check = Check::unchanged(key.clone(), Some(&found.entry));
    if outdated {
        let rehashed =
            Record { password: Some(password::hash(hasher, &password, environment)?), ..found.record };
        let put = Write::put(key, to_json(&rehashed)?);
        let with_rehash: Vec<Write> = writes.iter().cloned().chain([put]).collect();
        let outcome = audit::commit(kv, &event, &[check], &with_rehash, environment).await?;
        if let Outcome::Committed(_) = outcome {
            return Ok(signed_in);
        }
        // Another sign-in hashed it anew at the same time, or the password was changed.
        return Err(Problem::unavailable("the account was changed at the same time; sign in again").into());
    }
    match audit::commit(kv, &event, &[check], &writes, environment).await? {
        Outcome::Committed(_) => Ok(signed_in),
        _ => Err(Problem::unavailable("the account was changed at the same time; sign in again").into()),
    }
}

/// Gives a traveller who has just signed in another password.
pub async fn change_password(
    kv: &impl Kv,
    traveller: &str,
    session: &str,
    password: &str,
    environment: &Environment<'_>,
) -> Result<(), AuthError> {
    sessions::require_recent(kv, session, environment).await?;
    let (record, entry) = read(kv, traveller).await?.ok_or_else(no_such_traveller)?;
    let handle = Handle::new(&record.handle)?;
    let password = Password::chosen(password, &handle)?;
    let changed = Record { password: Some(password::hash(&Composed, &password, environment)?), ..record };
    let key = traveller_key(traveller);
    let check = Check::unchanged(key.clone(), Some(&entry));
    let event = Event::traveller(Kind::MethodAdded, traveller).with("method", "password");
    match audit::commit(kv, &event, &[check], &[Write::put(key, to_json(&changed)?)], environment).await? {
        Outcome::Committed(_) => Ok(()),
        _ => Err(Problem::unavailable("the account was changed at the same time; try again").into()),
    }
}

/// Requires that a traveller who is signed in knows the password. Counted like a sign-in, so that
/// whoever found an open session cannot guess here either.
pub(crate) async fn reauthenticate(
    kv: &impl Kv,
    id: &str,
    password: &str,
    client: &Client,
    environment: &Environment<'_>,
) -> Result<(), AuthError> {
    let password = Password::given(password).map_err(|_| AuthError::WrongCredentials)?;
    let (record, _) = read(kv, id).await?.ok_or_else(no_such_traveller)?;
    let handle = Handle::new(&record.handle)?;
    let source = sign_ins::source(kv, client, id).await?;
    attempts::count(kv, handle.folded(), &source, environment).await?;
    match password::verify(&Composed, &password, record.password.as_deref())? {
        Verdict::Right { .. } => Ok(()),
        Verdict::Wrong => {
            audit::sign_in_failed(kv, Some(id), handle.folded(), "password", environment).await?;
            Err(AuthError::WrongCredentials)
        }
    }
}

/// Whether a traveller has a password. Nothing takes one away.
pub(crate) async fn has_password(kv: &impl Kv, id: &str) -> Result<bool, AuthError> {
    let (record, _) = read(kv, id).await?.ok_or_else(no_such_traveller)?;
    Ok(record.password.is_some())
}

/// The traveller with an id. The id comes from a verified token, so its absence means
/// that the token is of no account here.
pub async fn traveller(kv: &impl Kv, id: &str) -> Result<Traveller, AuthError> {
    let (record, _) = read(kv, id).await?.ok_or_else(no_such_traveller)?;
    Ok(Traveller { id: id.to_owned(), handle: record.handle, created_at: record.created_at })
}

/// An account that was found by its handle.
pub(crate) struct Found {
    pub(crate) id: String,
    record: Record,
    entry: Entry,
}

/// What is known when somebody names a handle.
pub(crate) struct Seen {
    pub(crate) found: Option<Found>,
    pub(crate) source: Source,
}

/// Looks for an account, and whether it knows the client. The reads are the same ones for a handle
/// that nobody has, whose traveller is "nobody".
pub(crate) async fn look(kv: &impl Kv, handle: &Handle, client: &Client) -> Result<Seen, AuthError> {
    let claim = kv.get(&handle_key(handle.folded())).await?;
    let id = match &claim {
        Some(entry) => std::str::from_utf8(&entry.value).map_err(|_| Problem::internal())?,
        None => "nobody",
    };
    let [device, network] = devices::keys(client, id);
    let mut seen = kv.get_many(&[traveller_key(id), device, network]).await?.into_iter();
    let entry = seen.next().flatten();
    let [has_device, has_network] = [(); 2].map(|()| seen.next().flatten().is_some());
    let source = devices::source(client, has_device, has_network);
    let Some(entry) = entry else { return Ok(Seen { found: None, source }) };
    let record = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    Ok(Seen { found: Some(Found { id: id.to_owned(), record, entry }), source })
}

async fn read(kv: &impl Kv, id: &str) -> Result<Option<(Record, Entry)>, AuthError> {
    let Some(entry) = kv.get(&traveller_key(id)).await? else {
        return Ok(None);
    };
    let record = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    Ok(Some((record, entry)))
}

fn no_such_traveller() -> Problem {
    Problem::unauthorised("there is no such traveller")
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
