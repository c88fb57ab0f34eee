//! Accounts: what somebody holds.

use crate::amount::Amount;
use crate::authority::require_owner;
use crate::reference::{Owner, account_id, asset_id, asset_name};
use crate::{Error, ledger};
use serde::Serialize;
use vwp_core::caller::Caller;
use vwp_storage::{Kv, Machines};

/// An account as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountInfo {
    /// Whose it is.
    pub owner: String,
    /// `code@world`.
    pub asset: String,
    /// What it holds; for an issuance account, what was issued and not given back.
    pub balance: Amount,
    /// The sum of all that left it.
    pub debits: Amount,
    /// The sum of all that reached it.
    pub credits: Amount,
}

/// Looks at an account. Only its owner may. One that nothing has reached is empty.
pub async fn get_account<S: Kv + Machines>(
    store: &S,
    caller: &Caller,
    owner: &str,
    asset: &str,
) -> Result<AccountInfo, Error> {
    let owner: Owner = owner.parse()?;
    let name = asset_name(asset)?;
    if let Owner::Issuance(issued) = &owner
        && *issued != name
    {
        return Err(Error::Invalid(format!("{owner} is not an account of {name}")));
    }
    require_owner(store, caller, &owner).await?;
    let account = ledger::account(store, account_id(&owner, &name)).await?;
    if account.is_none() && ledger::asset(store, asset_id(&name)).await?.is_none() {
        return Err(Error::UnknownAsset(asset.to_owned()));
    }
    let (balance, debits, credits) =
        account.map_or((0, 0, 0), |account| (account.balance(), account.debits, account.credits));
    Ok(AccountInfo {
        owner: owner.to_string(),
        asset: name.to_string(),
        balance: Amount(balance),
        debits: Amount(debits),
        credits: Amount(credits),
    })
}
