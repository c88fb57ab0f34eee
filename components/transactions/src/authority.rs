//! Who asks, and which accounts it may debit and read.

use crate::Error;
use crate::reference::Owner;
use ::http::{HeaderMap, HeaderValue, header};
use serde::de::DeserializeOwned;
use vwp_core::caller::{self, Caller};
use vwp_core::directory::{self, World};
use vwp_core::name::WorldName;
use vwp_core::{Environment, Problem, reply};
use vwp_storage::Kv;

/// Finds out who shows a token: an access token, an operator's assertion, or none.
pub async fn caller_of(
    store: &impl Kv,
    environment: &Environment<'_>,
    token: Option<&str>,
) -> Result<Caller, Error> {
    Ok(caller::authenticate(store, &bearer(token)?, environment).await?)
}

/// Finds out who asks for a change, with a body that nobody signed: a traveller by its token, an operator by an
/// assertion for exactly this body.
pub async fn asker(
    store: &impl Kv,
    environment: &Environment<'_>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Caller, Error> {
    match caller::authenticate_with_body(store, headers, environment, body).await? {
        Caller::Nobody => Err(Problem::unauthorised("sign in, or send an operator's assertion").into()),
        Caller::Administrator => {
            Err(Error::Forbidden("this is for travellers and operators to ask for".to_owned()))
        }
        caller => Ok(caller),
    }
}

/// The same where a token comes as it is.
pub async fn asker_of(
    store: &impl Kv,
    environment: &Environment<'_>,
    token: Option<&str>,
    body: &[u8],
) -> Result<Caller, Error> {
    asker(store, environment, &bearer(token)?, body).await
}

/// Finds out which traveller shows a token for a change that comes as values: there is no body that an
/// operator's assertion could be for.
pub async fn traveller_of(
    store: &impl Kv,
    environment: &Environment<'_>,
    token: Option<&str>,
) -> Result<Caller, Error> {
    match caller_of(store, environment, token).await? {
        Caller::Nobody => Err(Problem::unauthorised("sign in, or send what an operator asserts").into()),
        caller @ Caller::Traveller { .. } => Ok(caller),
        Caller::Operator { .. } | Caller::Administrator => Err(Error::Forbidden(
            "a traveller's token is for this, and an operator's assertion for a body".to_owned(),
        )),
    }
}

/// What an operator asserts: JSON, of which nothing is read before it is known who vouches for it.
pub async fn asserted<T: DeserializeOwned>(
    store: &impl Kv,
    environment: &Environment<'_>,
    assertion: &str,
    body: &str,
    length_max: usize,
) -> Result<(Caller, T), Error> {
    if body.len() > length_max {
        return Err(reply::too_large(length_max).into());
    }
    let caller = asker_of(store, environment, Some(assertion), body.as_bytes()).await?;
    if !matches!(caller, Caller::Operator { .. }) {
        return Err(Error::Forbidden("only an operator asserts a body".to_owned()));
    }
    let wanted = serde_json::from_str(body)
        .map_err(|error| Problem::bad_request(format!("the body is not the expected JSON: {error}")))?;
    Ok((caller, wanted))
}

/// A token where HTTP has it (RFC 6750, section 2.1).
fn bearer(token: Option<&str>) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        let value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| Problem::unauthorised("the token has characters that no token has"))?;
        headers.insert(header::AUTHORIZATION, value);
    }
    Ok(headers)
}

/// Who answers for the accounts and assets that are named after a world.
pub async fn operator_of(store: &impl Kv, world: &WorldName) -> Result<String, Error> {
    let entry = store.get(&directory::world_key(world)).await?;
    let entry = entry.ok_or_else(|| Error::UnknownWorld(world.to_string()))?;
    let world: World = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    Ok(world.assets_of.unwrap_or(world.operator))
}

/// The world whose operator answers for an account, if one does.
fn world_of(owner: &Owner) -> Option<&WorldName> {
    let issuer = if let Owner::Issuance(asset) = owner { asset.world() } else { None };
    owner.world().or(issuer)
}

/// Who debits and reads an account: whom [`require_owner`] lets. None: nobody, or the operator of a world that has
/// gone.
pub(crate) async fn reader_of(store: &impl Kv, owner: &Owner) -> Result<Option<Caller>, Error> {
    if let Some(world) = world_of(owner) {
        return match operator_of(store, world).await {
            Ok(id) => Ok(Some(Caller::Operator { id })),
            Err(Error::UnknownWorld(_)) => Ok(None),
            Err(error) => Err(error),
        };
    }
    Ok(match owner {
        Owner::Traveller(id) => Some(Caller::Traveller { id: id.clone(), session: String::new() }),
        Owner::Issuance(_) | Owner::Processor(_) => Some(Caller::Administrator),
        _ => None,
    })
}

/// Requires that the account is the caller's to debit and read: a traveller's own, or
/// one of a world that the operator runs, or of an asset of such a world; the administrator's, those that
/// currencies and assets of chains come from.
pub async fn require_owner(store: &impl Kv, caller: &Caller, owner: &Owner) -> Result<(), Error> {
    let own = match (caller, owner) {
        (Caller::Nobody, _) => {
            return Err(Problem::unauthorised("sign in, or send an operator's assertion").into());
        }
        (Caller::Traveller { id, .. }, Owner::Traveller(owner)) => id == owner,
        (Caller::Operator { id }, owner) => match world_of(owner) {
            Some(world) => operator_of(store, world).await? == *id,
            None => false,
        },
        // What no world issues the port does.
        (Caller::Administrator, Owner::Issuance(asset)) => asset.world().is_none(),
        // Who runs the port has the account at the processor. Nobody makes transfers from it.
        (Caller::Administrator, Owner::Processor(_)) => true,
        _ => false,
    };
    if own { Ok(()) } else { Err(Error::Forbidden(format!("{owner} is not the caller's account"))) }
}
