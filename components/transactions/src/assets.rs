//! Assets: creating one, and looking at it.

use crate::amount::Amount;
use crate::authority::operator_of;
use crate::names::AssetName;
use crate::reference::{Owner, account_id, asset_id, asset_name};
use crate::signed::{self, Signed};
use crate::{Error, ledger};
use serde::{Deserialize, Serialize};
use vwp_core::caller::Caller;
use vwp_core::{Environment, Problem};
use vwp_ledger::codec::{Asset, AssetView, Outcome, SCALE_MAX, TITLE_LENGTH_MAX, Text};
use vwp_storage::{Kv, Machines};

/// What an operator signs to create an asset: a JWS of type `vwp-asset+jws`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// `code@world`, a currency of ISO 4217, or a CAIP-19 id.
    pub asset: String,
    /// How many decimal places the minor unit stands for: 0 to 18; of a currency, what ISO 4217 says.
    pub scale: u8,
    /// The most that may be issued and not given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Amount>,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

impl Signed for Definition {
    const TYPE: &'static str = "vwp-asset+jws";
}

/// An asset as callers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AssetInfo {
    /// `code@world`.
    pub asset: String,
    /// How many decimal places the minor unit stands for.
    pub scale: u8,
    /// The most that may be issued and not given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cap: Option<Amount>,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The operator who created it; `administrator` if the port did.
    pub issuer: String,
    /// How much is in circulation: what all accounts hold, but those that the asset comes from.
    pub supply: Amount,
    /// Where in the ledger's log it was created.
    pub position: u64,
    /// When it was created, in milliseconds since the Unix epoch.
    pub time: u64,
}

impl From<&AssetView> for AssetInfo {
    fn from(view: &AssetView) -> Self {
        let title = view.asset.title.as_str();
        Self {
            asset: view.asset.name.as_str().to_owned(),
            scale: view.asset.scale,
            cap: view.asset.cap.map(Amount),
            title: (!title.is_empty()).then(|| title.to_owned()),
            issuer: view.asset.issuer.as_str().to_owned(),
            supply: Amount(view.supply),
            position: view.position,
            time: view.time,
        }
    }
}

/// What became of a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedAsset {
    /// The asset.
    pub info: AssetInfo,
    /// Whether it existed already, with the same definition.
    pub repeated: bool,
}

/// Who creates and issues what no world does.
const PORT: &str = "administrator";

/// Creates the asset that a signed body defines. Only the operator of its world may.
pub async fn create_asset<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    signed: &str,
) -> Result<CreatedAsset, Error> {
    let (operator, definition) = signed::verify::<Definition>(store, environment, signed).await?;
    let name = asset_name(&definition.asset)?;
    let Some(world) = name.world() else {
        return Err(Error::Forbidden(format!("{name} is the port's to issue")));
    };
    if operator_of(store, world).await? != operator {
        return Err(Error::Forbidden(format!("{world} is another operator's world")));
    }
    create(store, &operator, &name, &definition).await
}

/// Creates an asset that no world issues: a currency, or what is on a chain. Only the administrator may.
pub async fn create_port_asset<S: Kv + Machines>(
    store: &S,
    caller: &Caller,
    definition: &Definition,
) -> Result<CreatedAsset, Error> {
    let name = asset_name(&definition.asset)?;
    match caller {
        Caller::Administrator if name.world().is_none() => create(store, PORT, &name, definition).await,
        Caller::Administrator => Err(Error::Forbidden(format!("{name} is its world's to issue"))),
        _ => {
            Err(Error::Forbidden("an asset is created by the operator of its world, who signs it".to_owned()))
        }
    }
}

async fn create(
    store: &impl Machines,
    issuer: &str,
    name: &AssetName,
    definition: &Definition,
) -> Result<CreatedAsset, Error> {
    let asset = read(issuer, name, definition)?;
    let answer = ledger::create_asset(store, &asset).await?;
    if answer.outcome == Outcome::IdReused {
        return Err(Error::AssetExists);
    }
    ledger::require_created(&answer, &definition.asset)?;
    let (position, time) = (answer.position, answer.time);
    let info = if answer.repeated {
        get_asset(store, &definition.asset).await?
    } else {
        AssetInfo::from(&AssetView { asset, supply: 0, position, time })
    };
    Ok(CreatedAsset { info, repeated: answer.repeated })
}

/// Looks at an asset. Anyone may.
pub async fn get_asset(store: &impl Machines, name: &str) -> Result<AssetInfo, Error> {
    let view = ledger::asset(store, asset_id(&asset_name(name)?)).await?;
    view.as_ref().map(AssetInfo::from).ok_or_else(|| Error::UnknownAsset(name.to_owned()))
}

fn read(issuer: &str, name: &AssetName, definition: &Definition) -> Result<Asset, Error> {
    if let AssetName::Currency(currency) = name {
        match currency.scale() {
            Some(scale) if scale == definition.scale => {}
            Some(scale) => return Err(Error::Invalid(format!("the scale of {currency} is {scale}"))),
            None => return Err(Error::Invalid(format!("{currency} has no minor unit"))),
        }
    }
    if definition.scale > SCALE_MAX {
        return Err(Error::Invalid(format!("scale is 0 to {SCALE_MAX}")));
    }
    let title = definition.title.as_deref();
    if title.is_some_and(|title| title.is_empty() || title.chars().any(char::is_control)) {
        return Err(Error::Invalid("a title is not empty and has no control characters".to_owned()));
    }
    let too_long = || Error::Invalid(format!("a title has at most {TITLE_LENGTH_MAX} bytes"));
    Ok(Asset {
        id: asset_id(name),
        issuance: account_id(&Owner::Issuance(name.clone()), name),
        cap: definition.cap.map(|cap| cap.0),
        scale: definition.scale,
        kind: name.kind(),
        // The bounds of names and operator ids are tighter than the ledger's fields.
        name: Text::new(&name.to_string()).ok_or_else(Problem::internal)?,
        issuer: Text::new(issuer).ok_or_else(Problem::internal)?,
        title: Text::new(title.unwrap_or_default()).ok_or_else(too_long)?,
    })
}
