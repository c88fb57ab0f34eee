//! What assets are called: `code@world` for a token that a world issues, the code of a currency (ISO 4217),
//! or the id of an asset on a chain (CAIP-19). The last two are the port's to issue.

use std::fmt;
use std::str::FromStr;
use vwp_core::currency::Currency;
use vwp_core::name::{AssetName as TokenName, NameError, WorldName};
use vwp_ledger::codec::{AssetKind, NAME_LENGTH_MAX};

/// The longest parts of a CAIP-19 id: the chain's namespace (CAIP-2) and reference, the asset's namespace and
/// reference, and the token's id.
const CAIP_NAMESPACE_LENGTHS: std::ops::RangeInclusive<usize> = 3..=8;
const CAIP_CHAIN_LENGTH_MAX: usize = 32;
const CAIP_REFERENCE_LENGTH_MAX: usize = 128;
const CAIP_TOKEN_LENGTH_MAX: usize = 78;

/// An asset's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssetName {
    /// A token, which the operator of its world issues.
    Token(TokenName),
    /// A currency that ISO 4217 lists.
    Currency(Currency),
    /// An asset on a chain (CAIP-19).
    Chain(ChainAsset),
}

/// The id of an asset on a chain: `eip155:1/slip44:60` (CAIP-19).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainAsset(String);

impl AssetName {
    /// The world whose operator issues it; none if the port does.
    pub fn world(&self) -> Option<&WorldName> {
        match self {
            Self::Token(token) => Some(&token.world),
            Self::Currency(_) | Self::Chain(_) => None,
        }
    }

    /// What the ledger calls such a name.
    pub fn kind(&self) -> AssetKind {
        match self {
            Self::Token(_) => AssetKind::Custom,
            Self::Currency(_) => AssetKind::Iso4217,
            Self::Chain(_) => AssetKind::Caip19,
        }
    }
}

impl FromStr for AssetName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.contains('@') {
            return text.parse().map(Self::Token);
        }
        if text.contains('/') {
            return text.parse().map(Self::Chain);
        }
        let unknown = NameError("an asset is code@world, a currency of ISO 4217, or a CAIP-19 id");
        text.parse().map(Self::Currency).map_err(|_| unknown)
    }
}

impl FromStr for ChainAsset {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let invalid = NameError("the name is no CAIP-19 id, such as eip155:1/slip44:60");
        if text.len() > NAME_LENGTH_MAX {
            return Err(NameError("an asset's name has at most 160 characters"));
        }
        let (chain, rest) = text.split_once('/').ok_or(invalid.clone())?;
        let (kind, token) = match rest.split_once('/') {
            Some((kind, token)) => (kind, Some(token)),
            None => (rest, None),
        };
        let (namespace, chain) = chain.split_once(':').ok_or(invalid.clone())?;
        let (asset, reference) = kind.split_once(':').ok_or(invalid.clone())?;
        // CAIP-2: [-a-z0-9]{3,8} and [-_a-zA-Z0-9]{1,32}. CAIP-19: [-.%a-zA-Z0-9], up to 128 and 78.
        let is_namespace = |text: &str| {
            let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            CAIP_NAMESPACE_LENGTHS.contains(&text.len()) && text.bytes().all(is_plain)
        };
        let is_text = |text: &str, more: &[u8], most: usize| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || more.contains(&byte);
            (1..=most).contains(&text.len()) && text.bytes().all(is_plain)
        };
        let is_id = is_namespace(namespace)
            && is_text(chain, b"-_", CAIP_CHAIN_LENGTH_MAX)
            && is_namespace(asset)
            && is_text(reference, b"-.%", CAIP_REFERENCE_LENGTH_MAX)
            && token.is_none_or(|token| is_text(token, b"-.%", CAIP_TOKEN_LENGTH_MAX));
        if !is_id {
            return Err(invalid);
        }
        // One contract has one name: EIP-55 writes a checksum of the address in its letters' case.
        if namespace == "eip155" && reference.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(NameError("an address of an eip155 chain is written in lower case"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for AssetName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(token) => token.fmt(formatter),
            Self::Currency(currency) => currency.fmt(formatter),
            Self::Chain(asset) => formatter.write_str(&asset.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_as_it_was_written() {
        let token = "9c5f3e1d0b7a4f21";
        let examples = [
            ("gold@arena".to_owned(), AssetKind::Custom),
            ("EUR".to_owned(), AssetKind::Iso4217),
            ("eip155:1/slip44:60".to_owned(), AssetKind::Caip19),
            ("eip155:1/erc20:0x6b175474e89094c44da98b954eedeac495271d0f".to_owned(), AssetKind::Caip19),
            (format!("hedera:mainnet/nft:0.0.55492/{token}"), AssetKind::Caip19),
            (
                "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp/token:EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
                    .to_owned(),
                AssetKind::Caip19,
            ),
        ];
        for (text, kind) in examples {
            let name: AssetName = text.parse().expect(&text);
            assert_eq!(
                (name.to_string(), name.kind(), name.world().is_some()),
                (text, kind, kind == AssetKind::Custom)
            );
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = format!("eip155:1/nft:{}/{}", "a".repeat(128), "b".repeat(30));
        for text in [
            "",
            "eur",
            "EURO",
            "ZZZ",
            "gold",
            "gold@",
            "eip155:1",
            "eip155:1/slip44",
            "eip155/slip44:60",
            "EIP155:1/slip44:60",
            "ei:1/slip44:60",
            "eip155:1/slip44:",
            "eip155:1/slip44:60/",
            "eip155:1/slip44:60/1/2",
            "eip155:1/slip44:6 0",
            "eip155:1/erc20:0x6B175474E89094C44Da98b954EedeAC495271d0F",
            &long,
        ] {
            assert!(text.parse::<AssetName>().is_err(), "{text}");
        }
    }
}
