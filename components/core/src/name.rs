//! The names of worlds and assets. A world's name is one DNS label in the port's zone, or a
//! domain that its operator owns; an asset's is a code and the world that answers for it,
//! `gold@arena`.

use std::fmt;
use std::str::FromStr;

/// The longest world name: a DNS label (RFC 1035, section 2.3.4). A domain is no longer
/// either, so that an asset's name has one bound whoever issues it.
pub const WORLD_NAME_LENGTH_MAX: usize = 63;
/// The longest asset code.
pub const ASSET_CODE_LENGTH_MAX: usize = 16;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NameError(pub &'static str);

/// A world's name in the form that DNS carries: lower-case LDH labels (RFC 5890, section
/// 2.3.1) with dots between them. Internationalised ones are in their A-label form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorldName(String);

impl WorldName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a domain of its operator's, and not a label in the port's zone.
    pub fn is_domain(&self) -> bool {
        self.0.contains('.')
    }
}

impl FromStr for WorldName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() || text.len() > WORLD_NAME_LENGTH_MAX {
            return Err(NameError("a world's name has 1 to 63 characters"));
        }
        text.split('.').try_for_each(check_label)?;
        // A name whose last label is a number is taken for an address by clients (RFC 3696,
        // section 2: top-level names are not all digits).
        let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
        if text.rsplit_once('.').is_some_and(|(_, last)| is_number(last)) {
            return Err(NameError("a domain does not end in a number"));
        }
        Ok(Self(text.to_owned()))
    }
}

fn check_label(label: &str) -> Result<(), NameError> {
    if label.is_empty() {
        return Err(NameError("a world's name has no empty labels"));
    }
    let is_ldh = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !label.bytes().all(is_ldh) {
        return Err(NameError("a world's name has only a-z, 0-9, hyphens, and dots between labels"));
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err(NameError("a label neither starts nor ends with a hyphen"));
    }
    // RFC 5891, section 4.2.3.1: hyphens in both these places are an A-label's mark.
    if label.get(2..4) == Some("--") && !label.starts_with("xn--") {
        return Err(NameError("hyphens in the third and fourth place are reserved"));
    }
    Ok(())
}

impl fmt::Display for WorldName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// An asset: a code of an issuing world, written `code@world`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssetName {
    /// 1 to 16 characters of a-z, 0-9.
    pub code: String,
    /// The world whose operator issues it.
    pub world: WorldName,
}

impl FromStr for AssetName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (code, world) = text.split_once('@').ok_or(NameError("an asset is written code@world"))?;
        let is_code = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if code.is_empty() || code.len() > ASSET_CODE_LENGTH_MAX || !code.bytes().all(is_code) {
            return Err(NameError("an asset's code has 1 to 16 characters of a-z and 0-9"));
        }
        Ok(Self { code: code.to_owned(), world: world.parse()? })
    }
}

impl fmt::Display for AssetName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.code, self.world)
    }
}
