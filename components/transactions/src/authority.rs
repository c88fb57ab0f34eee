//! Which accounts a caller may debit and read.

use crate::Error;
use crate::reference::Owner;
use vwp_core::caller::{self, Caller};
use vwp_core::directory::{self, World};
use vwp_core::name::WorldName;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;

/// Finds out who shows a token: an access token, an operator's assertion, or none.
pub async fn caller_of(
    store: &impl Kv,
    environment: &Environment<'_>,
    token: Option<&str>,
) -> Result<Caller, Error> {
    let mut headers = ::http::HeaderMap::new();
    if let Some(token) = token {
        let value = ::http::HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| Problem::unauthorised("the token has characters that no token has"))?;
        headers.insert(::http::header::AUTHORIZATION, value);
    }
    Ok(caller::authenticate(store, &headers, environment).await?)
}

/// Who answers for the accounts and assets that are named after a world.
pub async fn operator_of(store: &impl Kv, world: &WorldName) -> Result<String, Error> {
    let entry = store.get(&directory::world_key(world)).await?;
    let entry = entry.ok_or_else(|| Error::UnknownWorld(world.to_string()))?;
    let world: World = serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?;
    Ok(world.assets_of.unwrap_or(world.operator))
}

/// Who debits and reads an account: whom [`require_owner`] lets. None: nobody, or the operator of a world that has
/// gone.
pub(crate) async fn reader_of(store: &impl Kv, owner: &Owner) -> Result<Option<Caller>, Error> {
    let issuer = if let Owner::Issuance(asset) = owner { asset.world() } else { None };
    if let Some(world) = owner.world().or(issuer) {
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
        (Caller::Operator { id }, owner) => {
            let issuer = if let Owner::Issuance(asset) = owner { asset.world() } else { None };
            match owner.world().or(issuer) {
                Some(world) => operator_of(store, world).await? == *id,
                None => false,
            }
        }
        // What no world issues the port does.
        (Caller::Administrator, Owner::Issuance(asset)) => asset.world().is_none(),
        // Who runs the port has the account at the processor. Nobody makes transfers from it.
        (Caller::Administrator, Owner::Processor(_)) => true,
        _ => false,
    };
    if own { Ok(()) } else { Err(Error::Forbidden(format!("{owner} is not the caller's account"))) }
}
