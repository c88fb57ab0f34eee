//! Accounts: what somebody holds, and what bounds it.

use crate::amount::Amount;
use crate::authority::require_owner;
use crate::names::AssetName;
use crate::reference::{Owner, account_id, asset_id, asset_name, require_same_asset};
use crate::{Error, ledger};
use serde::Serialize;
use vwp_core::caller::Caller;
use vwp_ledger::codec::{AccountFlags, AccountView};
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
    /// What of the balance open holds keep for others.
    pub debits_pending: Amount,
    /// What open holds of others keep for it.
    pub credits_pending: Amount,
    /// How far it is overdrawn, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overdrawn: Option<Amount>,
    /// Whether nothing may be debited.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub frozen: bool,
    /// Whether nothing may be debited or credited, ever again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub closed: bool,
}

/// Looks at an account. Only its owner may. One that nothing has reached is empty.
pub async fn get_account<S: Kv + Machines>(
    store: &S,
    caller: &Caller,
    owner: &str,
    asset: &str,
) -> Result<AccountInfo, Error> {
    let (owner, name) = require_readable(store, caller, owner, asset).await?;
    let account = ledger::account(store, account_id(&owner, &name)).await?;
    if account.is_none() && ledger::asset(store, asset_id(&name)).await?.is_none() {
        return Err(Error::UnknownAsset(asset.to_owned()));
    }
    let of = |part: fn(&AccountView) -> u128| Amount(account.as_ref().map_or(0, part));
    let is = |flag| account.as_ref().is_some_and(|account| account.flags.contains(flag));
    let overdrawn = of(AccountView::overdrawn);
    Ok(AccountInfo {
        owner: owner.to_string(),
        asset: name.to_string(),
        balance: of(AccountView::balance),
        debits: of(|account| account.debits),
        credits: of(|account| account.credits),
        debits_pending: of(|account| account.debits_pending),
        credits_pending: of(|account| account.credits_pending),
        overdrawn: (overdrawn.0 != 0).then_some(overdrawn),
        frozen: is(AccountFlags::FROZEN),
        closed: is(AccountFlags::CLOSED),
    })
}

/// Requires that an account is one that the caller may look at.
pub(crate) async fn require_readable<S: Kv + Machines>(
    store: &S,
    caller: &Caller,
    owner: &str,
    asset: &str,
) -> Result<(Owner, AssetName), Error> {
    let owner: Owner = owner.parse()?;
    let name = asset_name(asset)?;
    require_same_asset(&owner, &name)?;
    require_owner(store, caller, &owner).await?;
    Ok((owner, name))
}
