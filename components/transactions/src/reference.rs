//! How accounts are named, and the ids that follow from names.
//!
//! An account is the pair of an owner and an asset. The owner is written
//! `traveller:<id>`, `world:<name>` or, for the account that an asset comes from,
//! `issuance:<asset>`; an escrow has the accounts `escrow:<id>` and `escrow:<id>:disputed`. What a world
//! exchanges is on `liquidity:<name>`, and what rounding leaves on `rounding:<name>`; what is at a payment
//! processor stands on `processor:<name>`. Ids in the ledger follow from names: see [`vwp_core::digest`].

use crate::Error;
use crate::names::AssetName;
use std::fmt;
use std::str::FromStr;
use vwp_core::caller::Caller;
use vwp_core::digest::digest;
use vwp_core::name::WorldName;
use vwp_ledger::codec::{MEMO_LENGTH, Memo};

/// The longest traveller id.
pub const TRAVELLER_ID_LENGTH_MAX: usize = 64;

/// The end of the account on which an escrow keeps what is disputed.
const DISPUTED: &str = ":disputed";

/// Whose account it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// A traveller, by id.
    Traveller(String),
    /// A world, by name.
    World(WorldName),
    /// Nobody: what exists of an asset was debited here.
    Issuance(AssetName),
    /// A world, by name: what it exchanges.
    Liquidity(WorldName),
    /// A world, by name: what rounding leaves of what it exchanges.
    Rounding(WorldName),
    /// Nobody: here an escrow's money waits until it is decided whose it is.
    Escrow {
        /// The escrow's id.
        id: u128,
        /// Whether it is disputed whose it is.
        is_disputed: bool,
    },
    /// Nobody: what is at a payment processor was debited here, and what left it credited.
    Processor(String),
}

impl Owner {
    /// The account that is meant where a caller names none: a traveller's own.
    pub(crate) fn own(caller: &Caller) -> Option<Self> {
        match caller {
            Caller::Traveller { id, .. } => Some(Self::Traveller(id.clone())),
            Caller::Nobody | Caller::Operator { .. } | Caller::Administrator => None,
        }
    }

    /// The account that a caller names in a member, or its own: a traveller's or a world's.
    pub(crate) fn named(caller: &Caller, named: Option<&str>, member: &str) -> Result<Self, Error> {
        let owner = match named {
            Some(named) => named.parse()?,
            None => Self::own(caller).ok_or_else(|| Error::Invalid(format!("{member} is missing")))?,
        };
        match owner {
            Self::Traveller(_) | Self::World(_) => Ok(owner),
            _ => Err(Error::Invalid(format!("{member} is an account of a traveller or a world"))),
        }
    }

    /// The world that it is an account of.
    pub(crate) fn world(&self) -> Option<&WorldName> {
        match self {
            Self::World(world) | Self::Liquidity(world) | Self::Rounding(world) => Some(world),
            Self::Traveller(_) | Self::Issuance(_) | Self::Escrow { .. } | Self::Processor(_) => None,
        }
    }
}

impl FromStr for Owner {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid =
            || Error::Invalid("an account is traveller:<id>, world:<name> or issuance:<asset>".to_owned());
        match text.split_once(':') {
            Some(("traveller", id)) if is_traveller_id(id) => Ok(Self::Traveller(id.to_owned())),
            Some(("world", name)) => Ok(Self::World(name.parse().map_err(|_| invalid())?)),
            Some(("liquidity", name)) => Ok(Self::Liquidity(name.parse().map_err(|_| invalid())?)),
            Some(("rounding", name)) => Ok(Self::Rounding(name.parse().map_err(|_| invalid())?)),
            // What an asset is called may have colons in it.
            Some(("issuance", asset)) => Ok(Self::Issuance(asset.parse().map_err(|_| invalid())?)),
            Some(("escrow", rest)) => {
                let id = rest.strip_suffix(DISPUTED);
                let read = parse_id(id.unwrap_or(rest)).map_err(|_| invalid())?;
                Ok(Self::Escrow { id: read, is_disputed: id.is_some() })
            }
            Some(("processor", name)) if vwp_processor::is_name(name) => Ok(Self::Processor(name.to_owned())),
            _ => Err(invalid()),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Traveller(id) => write!(formatter, "traveller:{id}"),
            Self::World(name) => write!(formatter, "world:{name}"),
            Self::Liquidity(name) => write!(formatter, "liquidity:{name}"),
            Self::Rounding(name) => write!(formatter, "rounding:{name}"),
            Self::Issuance(asset) => write!(formatter, "issuance:{asset}"),
            Self::Processor(name) => write!(formatter, "processor:{name}"),
            Self::Escrow { id, is_disputed } => {
                let disputed = if *is_disputed { DISPUTED } else { "" };
                write!(formatter, "escrow:{}{disputed}", id_text(*id))
            }
        }
    }
}

fn is_traveller_id(id: &str) -> bool {
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=TRAVELLER_ID_LENGTH_MAX).contains(&id.len()) && id.bytes().all(is_base64url)
}

/// Reads an asset's name.
pub fn asset_name(text: &str) -> Result<AssetName, Error> {
    text.parse().map_err(|error: vwp_core::name::NameError| Error::Invalid(error.to_string()))
}

/// The id of an asset.
pub fn asset_id(asset: &AssetName) -> u128 {
    digest("vwp-asset-v1", &[&asset.to_string()])
}

/// The id of an account.
pub fn account_id(owner: &Owner, asset: &AssetName) -> u128 {
    digest("vwp-account-v1", &[&owner.to_string(), &asset.to_string()])
}

/// The id of the transfer that a caller asks for under an idempotency key: another
/// caller's same key is another transfer.
pub fn transfer_id(caller: &Caller, idempotency_key: &str) -> Result<u128, Error> {
    keyed_id("vwp-transfer-v1", caller, idempotency_key)
}

/// The id of the payment that a caller asks for under an idempotency key.
pub fn payment_id(caller: &Caller, idempotency_key: &str) -> Result<u128, Error> {
    keyed_id("vwp-payment-v1", caller, idempotency_key)
}

/// The id of the payout that a caller asks for under an idempotency key.
pub fn payout_id(caller: &Caller, idempotency_key: &str) -> Result<u128, Error> {
    keyed_id("vwp-payout-v1", caller, idempotency_key)
}

/// The id of the escrow that a caller asks for under an idempotency key.
pub fn escrow_id(caller: &Caller, idempotency_key: &str) -> Result<u128, Error> {
    keyed_id("vwp-escrow-v1", caller, idempotency_key)
}

/// The id of the split that a caller asks for under an idempotency key.
pub(crate) fn split_id(caller: &Caller, idempotency_key: &str) -> Result<u128, Error> {
    keyed_id("vwp-split-v1", caller, idempotency_key)
}

/// The id of the schedule that a caller asks for under an idempotency key.
pub(crate) fn schedule_id(caller: &Caller, idempotency_key: &str) -> Result<u128, Error> {
    keyed_id("vwp-schedule-v1", caller, idempotency_key)
}

/// The id of the quote that an operator signed under an idempotency key.
pub(crate) fn quote_id(operator: &str, idempotency_key: &str) -> Result<u128, Error> {
    keyed_id("vwp-quote-v1", &Caller::Operator { id: operator.to_owned() }, idempotency_key)
}

/// Who calls, as it is kept.
pub(crate) fn caller_text(caller: &Caller) -> String {
    match caller {
        Caller::Traveller { id, .. } => format!("traveller:{id}"),
        Caller::Operator { id } => format!("operator:{id}"),
        Caller::Administrator => "administrator".to_owned(),
        Caller::Nobody => "nobody".to_owned(),
    }
}

fn keyed_id(domain: &str, caller: &Caller, idempotency_key: &str) -> Result<u128, Error> {
    let (kind, id) = match caller {
        Caller::Traveller { id, .. } => ("traveller", id.as_str()),
        Caller::Operator { id } => ("operator", id.as_str()),
        Caller::Administrator => ("administrator", ""),
        Caller::Nobody => {
            return Err(Error::Forbidden("only who is known has transfers".to_owned()));
        }
    };
    Ok(digest(domain, &[kind, id, idempotency_key]))
}

/// An id as callers see it: 32 hexadecimal digits.
pub fn id_text(id: u128) -> String {
    format!("{id:032x}")
}

/// Reads what [`id_text`] wrote.
pub fn parse_id(text: &str) -> Result<u128, Error> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != 32 || !text.bytes().all(is_digit) {
        return Err(Error::Invalid("an id has 32 lower-case hexadecimal digits".to_owned()));
    }
    u128::from_str_radix(text, 16).map_err(|_| Error::UnknownTransfer)
}

/// A text as a transfer's memo, for who reads its receipt; what does not fit is left out.
pub(crate) fn memo(text: &str) -> Memo {
    let mut bytes = [0; MEMO_LENGTH];
    bytes.iter_mut().zip(text.bytes()).for_each(|(byte, written)| *byte = written);
    Memo(bytes)
}

/// Requires that an account is of the one asset that it may be of.
pub(crate) fn require_same_asset(owner: &Owner, asset: &AssetName) -> Result<(), Error> {
    match owner {
        Owner::Issuance(issued) if issued != asset => {
            Err(Error::Invalid(format!("{owner} is not an account of {asset}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_reads_back_as_it_was_written_and_nothing_else_is_one() {
        let id = "0123456789abcdef0123456789abcdef";
        let (escrow, disputed) = (format!("escrow:{id}"), format!("escrow:{id}:disputed"));
        for text in [
            "traveller:aZ_-9",
            "world:arena",
            "liquidity:arena",
            "rounding:arena",
            "issuance:gold@arena",
            "issuance:EUR",
            "issuance:eip155:1/slip44:60",
            "processor:stripe",
            &escrow,
            &disputed,
        ] {
            assert_eq!(text.parse::<Owner>().map(|owner| owner.to_string()).as_deref(), Ok(text));
        }
        let long = format!("traveller:{}", "a".repeat(65));
        for text in [
            "",
            "arena",
            "traveller:",
            "traveller:a b",
            "World:arena",
            "world:-a",
            "issuance:gold",
            "escrow:7",
            "processor:a.b",
            &long,
        ] {
            assert!(text.parse::<Owner>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_same_key_of_two_callers_names_two_transfers() {
        let traveller = |id: &str| Caller::Traveller { id: id.to_owned(), session: String::new() };
        let operator = Caller::Operator { id: "a".to_owned() };
        let ids = [
            transfer_id(&traveller("a"), "k"),
            transfer_id(&traveller("b"), "k"),
            transfer_id(&operator, "k"),
            transfer_id(&traveller("a"), "k2"),
        ];
        for (index, id) in ids.iter().enumerate() {
            assert!(ids.iter().skip(index + 1).all(|other| other != id));
        }
        assert_eq!(transfer_id(&traveller("a"), "k"), ids[0]);
    }

    #[test]
    fn ids_never_change_because_the_ledger_keeps_them() {
        let asset: AssetName = "gold@arena".parse().unwrap();
        let ids = [asset_id(&asset), account_id(&Owner::Traveller("ada".to_owned()), &asset)];
        assert_eq!(
            ids.map(id_text),
            ["5a0fc9cdc5960ad4065b2a5e4e449f23", "2d1133aeccf2f53a2c4c2decdee6b09e"]
        );
        assert_eq!(parse_id(&id_text(ids[0])), Ok(ids[0]));
        assert!(parse_id("+0000000000000000000000000000000").is_err());
    }
}
