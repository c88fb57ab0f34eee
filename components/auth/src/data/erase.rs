//! The end of everything that the port keeps of a traveller.
//!
//! One commit decides it: the claim to the handle and the credentials go, the handle is put in
//! quarantine, and a note in the directory ends every token of the traveller's for every
//! component. The rest follows in portions; what is left of them if the port stops in between
//! is noted in the same commit, and done with the next erasure or when the administrator asks.

use super::places::RECORDS;
use super::quarantine;
use crate::attempts;
use crate::audit::{self, Chain, Event, Kind};
use crate::error::AuthError;
use crate::handle::Handle;
use crate::limits::Client;
use crate::{accounts, passports, sessions};
use serde::Deserialize;
use vwp_core::environment::CLOCK_SKEW_MAX_MS;
use vwp_core::{Environment, Problem, directory};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Direction, Key, KeyRange, Outcome, Write};

/// How long after its beginning a session stands for the traveller in person, in milliseconds.
pub const RECENT_MS: u64 = 5 * 60 * 1000;
/// How long tokens of somebody who was erased are refused by name, in milliseconds: the life of one
/// that a sign-in at the same moment got, and twice the skew, for both clocks.
const TOKENS_REFUSED_MS: u64 = sessions::LIFETIME_S * 1000 + 4 * CLOCK_SKEW_MAX_MS;
/// What is left to be done, by traveller: the starts of keys of records that are found by the handle,
/// which the account had.
const LEFT: &str = "auth/erasing/";
/// How many of the travellers who are left one call finishes.
const LEFT_MAX: u32 = 16;
/// How many records one commit deletes.
const PORTION: u32 = 200;
/// How often an erasure is tried when the account changes at the same time.
const ATTEMPTS_MAX: usize = 8;

/// The part of an account's record that is needed to erase it.
#[derive(Deserialize)]
struct Account {
    handle: String,
}

/// How a traveller who is signed in proves to be there in person.
#[derive(Debug, Clone, Copy)]
pub struct Proof<'a> {
    /// The session that asks.
    pub session: &'a str,
    /// The password, if it was given.
    pub password: Option<&'a str>,
    /// Where the request comes from.
    pub client: &'a Client,
}

/// Requires the password or, without one, a session that was opened a moment ago.
pub async fn require_presence(
    kv: &impl Kv,
    traveller: &str,
    proof: Proof<'_>,
    environment: &Environment<'_>,
) -> Result<(), AuthError> {
    if let Some(password) = proof.password {
        return accounts::reauthenticate(kv, traveller, password, proof.client, environment).await;
    }
    let opened_at = sessions::opened_at(kv, proof.session).await?;
    if opened_at.is_some_and(|opened_at| environment.now.saturating_sub(opened_at) <= RECENT_MS) {
        return Ok(());
    }
    Err(Problem::new(
        http::StatusCode::UNAUTHORIZED,
        "sign-in-again",
        "This needs a recent sign-in",
        "send the password, or sign in again and ask within five minutes",
    )
    .into())
}

/// Erases a traveller who has proved to be there.
pub async fn erase(kv: &impl Kv, traveller: &str, environment: &Environment<'_>) -> Result<(), AuthError> {
    for _ in 0..ATTEMPTS_MAX {
        if decide(kv, traveller, environment).await? {
            finish(kv, traveller).await?;
            return finish_left(kv).await;
        }
    }
    Err(Problem::unavailable("the account is changing too often").into())
}

/// The commit that decides. False if the account changed meanwhile.
async fn decide(kv: &impl Kv, traveller: &str, environment: &Environment<'_>) -> Result<bool, AuthError> {
    let key = accounts::traveller_key(traveller);
    let gone = || Problem::unauthorised("there is no such traveller");
    let entry = kv.get(&key).await?.ok_or_else(gone)?;
    let account: Account = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    let handle = Handle::new(&account.handle)?;
    let left = serde_json::to_vec(&attempts::counts_of(handle.folded())).map_err(|_| Problem::internal())?;
    let until = |time_ms: u64| Some(environment.now.saturating_add(time_ms));
    let mut writes = vec![
        Write::delete(accounts::handle_key(handle.folded())),
        Write::delete(directory::traveller_key(traveller)),
        Write::Put {
            key: directory::erased_traveller_key(traveller),
            value: Vec::new(),
            expires_at: until(TOKENS_REFUSED_MS),
        },
        Write::put(left_key(traveller), left),
        Write::delete(key.clone()),
    ];
    writes.extend(quarantine::put(handle.folded(), environment));
    let event = Event::traveller(Kind::DataErased, traveller);
    let checks = [Check::unchanged(key, Some(&entry))];
    Ok(matches!(audit::commit(kv, &event, &checks, &writes, environment).await?, Outcome::Committed(_)))
}

/// Deletes what the decision left.
async fn finish(kv: &impl Kv, traveller: &str) -> Result<(), AuthError> {
    passports::issued::forget_all(kv, traveller).await?;
    for records in RECORDS {
        let found = records.find(kv, traveller).await?;
        for portion in found.chunks(PORTION as usize) {
            let writes: Vec<Write> = portion.iter().map(|item| Write::delete(item.key.clone())).collect();
            kv.commit(&[], &writes).await?;
        }
    }
    delete_below(kv, &audit::details_of(&Chain::Traveller(traveller.to_owned()))).await?;
    let left = kv.get(&left_key(traveller)).await?;
    let by_handle: Vec<String> =
        left.and_then(|entry| serde_json::from_slice(&entry.value).ok()).unwrap_or_default();
    for prefix in by_handle {
        delete_below(kv, &prefix).await?;
    }
    kv.commit(&[], &[Write::delete(left_key(traveller))]).await?;
    Ok(())
}

/// Deletes every record whose key starts like this.
async fn delete_below(kv: &impl Kv, prefix: &str) -> Result<(), AuthError> {
    let range = KeyRange::prefix(prefix);
    loop {
        let page = kv.scan(&range, PORTION, Direction::Forward).await?;
        let writes: Vec<Write> = page.items.into_iter().map(|item| Write::delete(item.key)).collect();
        if writes.is_empty() {
            return Ok(());
        }
        kv.commit(&[], &writes).await?;
    }
}

fn left_key(traveller: &str) -> Key {
    format!("{LEFT}{traveller}").into_bytes()
}

/// Finishes erasures that were decided and not finished, a bounded number of them.
pub async fn finish_left(kv: &impl Kv) -> Result<(), AuthError> {
    let left = kv.scan(&KeyRange::prefix(LEFT), LEFT_MAX, Direction::Forward).await?;
    for item in left.items {
        if let Some(traveller) = std::str::from_utf8(&item.key).ok().and_then(|key| key.strip_prefix(LEFT)) {
            finish(kv, traveller).await?;
        }
    }
    Ok(())
}
