//! Which traveller an account belongs to: one record for all accounts of a traveller, and an index by
//! which no two travellers have the same one.

use super::UpstreamError;
use super::browser::Browser;
use super::registrations::{self, Account, Registration};
use crate::accounts::{self, Created};
use crate::audit::{self, Event, Kind};
use crate::error::AuthError;
use crate::handle::Handle;
use crate::limits::Client;
use crate::provider::hashed;
use crate::sign_ins::{self, SignedIn};
use crate::{methods, sessions};
use serde::{Deserialize, Serialize};
use vwp_core::environment::Timestamp;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Outcome, Write};

/// The most accounts of a traveller.
pub const LINKS_MAX: usize = 20;
/// What the log calls this way to sign in.
pub(super) const METHOD: &str = "upstream";

/// An account that a traveller linked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linked {
    /// The link's id here.
    pub id: String,
    /// The account.
    #[serde(flatten)]
    pub account: Account,
    /// When it was linked, in milliseconds since the Unix epoch.
    pub linked_at: Timestamp,
}

/// Links an account to a traveller who has just signed in.
pub async fn link(
    kv: &impl Kv,
    (traveller, session): (&str, &str),
    (registration, browser): (&str, &Browser),
    environment: &Environment<'_>,
) -> Result<Linked, AuthError> {
    sessions::require_recent(kv, session, environment).await?;
    let Registration { account, check, end } =
        registrations::find(kv, registration, browser, environment).await?;
    let (seen, mut links) = load(kv, traveller).await?;
    if links.len() >= LINKS_MAX {
        return Err(UpstreamError::TooMany.into());
    }
    let linked = linked(account, environment);
    links.push(linked.clone());
    let owner = owner_key(&linked.id);
    let checks = [check, seen, Check::absent(owner.clone())];
    let writes = [end, put(traveller, &links)?, Write::put(owner.clone(), traveller)];
    let event = event(Kind::MethodAdded, traveller, &linked.account);
    match audit::commit(kv, &event, &checks, &writes, environment).await? {
        Outcome::Committed(_) => Ok(linked),
        Outcome::Conflict(keys) if keys.contains(&owner) => Err(UpstreamError::Linked.into()),
        _ => Err(UpstreamError::RegistrationEnded.into()),
    }
}

/// Signs a traveller up whose only way to sign in is the account, and in.
pub async fn sign_up(
    kv: &impl Kv,
    handle: &str,
    (registration, browser): (&str, &Browser),
    client: &Client,
    environment: &Environment<'_>,
) -> Result<SignedIn, AuthError> {
    let Registration { account, check, end } =
        registrations::find(kv, registration, browser, environment).await?;
    let handle = Handle::new(handle)?;
    let is_free = accounts::require_free(kv, &handle, environment).await?;
    let Created { traveller, mut checks, mut writes } =
        accounts::create(&handle, is_free, None, environment)?;
    let linked = linked(account, environment);
    let owner = owner_key(&linked.id);
    let source = sign_ins::source(kv, client, &traveller.id).await?;
    let (signed_in, opened) = sign_ins::open(kv, &traveller.id, client, &source, environment).await?;
    let ended = check.key.clone();
    checks.extend([check, Check::absent(owner.clone())]);
    writes.extend(opened);
    writes.push(end);
    writes.push(Write::put(owner.clone(), traveller.id.clone()));
    let event = event(Kind::SignedUp, &traveller.id, &linked.account);
    writes.push(put(&traveller.id, &[linked])?);
    match audit::commit(kv, &event, &checks, &writes, environment).await? {
        Outcome::Committed(_) => Ok(signed_in),
        Outcome::Conflict(keys) if keys.contains(&owner) => Err(UpstreamError::Linked.into()),
        Outcome::Conflict(keys) if keys.contains(&ended) => Err(UpstreamError::RegistrationEnded.into()),
        _ => Err(AuthError::HandleTaken),
    }
}

/// Signs the traveller in to whom an account belongs; none if it belongs to nobody.
pub(super) async fn sign_in(
    kv: &impl Kv,
    account: &Account,
    client: &Client,
    environment: &Environment<'_>,
) -> Result<Option<SignedIn>, AuthError> {
    let owner = owner_key(&id(account));
    let Some(entry) = kv.get(&owner).await? else { return Ok(None) };
    let traveller = std::str::from_utf8(&entry.value).map_err(|_| Problem::internal())?;
    let source = sign_ins::source(kv, client, traveller).await?;
    let (signed_in, writes) = sign_ins::open(kv, traveller, client, &source, environment).await?;
    // Still linked when the session opens.
    let is_linked = Check::unchanged(owner, Some(&entry));
    let event = event(Kind::SignedIn, traveller, account);
    match audit::commit(kv, &event, &[is_linked], &writes, environment).await? {
        Outcome::Committed(_) => Ok(Some(signed_in)),
        _ => Err(UpstreamError::Ended.into()),
    }
}

/// A traveller's accounts, oldest first.
pub async fn list(kv: &impl Kv, traveller: &str) -> Result<Vec<Linked>, AuthError> {
    Ok(load(kv, traveller).await?.1)
}

/// Removes the link of an account. The traveller must have signed in just now, and keep another way to
/// do so.
pub async fn unlink(
    kv: &impl Kv,
    (traveller, session): (&str, &str),
    id: &str,
    environment: &Environment<'_>,
) -> Result<(), AuthError> {
    sessions::require_recent(kv, session, environment).await?;
    let (seen, mut links) = load(kv, traveller).await?;
    let Some(index) = links.iter().position(|linked| linked.id == id) else {
        return Err(Problem::not_found("this account is not linked").into());
    };
    let mut checks = methods::require_another(kv, traveller).await?;
    checks.push(seen);
    let linked = links.remove(index);
    let event = event(Kind::MethodRemoved, traveller, &linked.account);
    let writes = [put(traveller, &links)?, Write::delete(owner_key(&linked.id))];
    match audit::commit(kv, &event, &checks, &writes, environment).await? {
        Outcome::Committed(_) => Ok(()),
        _ => Err(Problem::unavailable("the ways to sign in are being changed elsewhere").into()),
    }
}

/// The log has the provider and not the subject, which names a person elsewhere.
fn event(kind: Kind, traveller: &str, account: &Account) -> Event {
    Event::traveller(kind, traveller).with("method", METHOD).with("provider", account.provider.clone())
}

fn linked(account: Account, environment: &Environment<'_>) -> Linked {
    Linked { id: id(&account), account, linked_at: environment.now }
}

/// An account's id: its issuer and subject, of which the first has no space (RFC 3986, section 2).
fn id(account: &Account) -> String {
    hashed(format!("{} {}", account.issuer, account.subject))
}

async fn load(kv: &impl Kv, traveller: &str) -> Result<(Check, Vec<Linked>), AuthError> {
    let key = links_key(traveller);
    let entry = kv.get(&key).await?;
    let links = match &entry {
        Some(entry) => serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?,
        None => Vec::new(),
    };
    Ok((Check::unchanged(key, entry.as_ref()), links))
}

fn put(traveller: &str, links: &[Linked]) -> Result<Write, Problem> {
    let value = serde_json::to_vec(links).map_err(|_| Problem::internal())?;
    Ok(Write::put(links_key(traveller), value))
}

pub(crate) fn links_key(traveller: &str) -> Vec<u8> {
    format!("auth/upstream-links/{traveller}").into_bytes()
}

fn owner_key(id: &str) -> Vec<u8> {
    format!("auth/upstream-owner/{id}").into_bytes()
}
