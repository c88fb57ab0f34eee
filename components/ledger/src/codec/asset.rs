//! Assets: what can be owned and counted.

use super::{
    ASSET_LENGTH, ISSUER_LENGTH_MAX, Malformed, NAME_LENGTH_MAX, Reader, SCALE_MAX, TITLE_LENGTH_MAX, Text,
    Writer,
};

/// What an asset's name is. Whether the name is a good one of its kind, and the scale the
/// right one, whoever creates the asset checks; the ledger holds no tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AssetKind {
    /// `code@world`: a token of a world.
    #[default]
    Custom,
    /// An ISO 4217 currency code.
    Iso4217,
    /// A CAIP-19 asset id.
    Caip19,
}

/// Something that can be owned and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asset {
    /// The asset's id.
    pub id: u128,
    /// The id of its issuance account, which is opened with it.
    pub issuance: u128,
    /// The most that may ever exist, if there is such a bound.
    pub cap: Option<u128>,
    /// How many decimal places the minor unit stands for; at most [`SCALE_MAX`].
    pub scale: u8,
    /// What the name is.
    pub kind: AssetKind,
    /// What it is called everywhere.
    pub name: Text<NAME_LENGTH_MAX>,
    /// The operator who created it.
    pub issuer: Text<ISSUER_LENGTH_MAX>,
    /// What people call it; may be empty.
    pub title: Text<TITLE_LENGTH_MAX>,
}

impl AssetKind {
    fn code(self) -> u8 {
        match self {
            Self::Custom => 0,
            Self::Iso4217 => 1,
            Self::Caip19 => 2,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        [Self::Custom, Self::Iso4217, Self::Caip19].get(usize::from(code)).copied()
    }
}

impl Asset {
    /// Reads an asset.
    pub fn decode(bytes: &[u8; ASSET_LENGTH]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let (id, issuance, cap) = (reader.u128()?, reader.u128()?, reader.u128()?);
        let (scale, has_cap) = (reader.u8()?, reader.bool()?);
        let kind = AssetKind::from_code(reader.u8()?).ok_or(Malformed::Field)?;
        reader.zeros::<5>()?;
        let cap = match (has_cap, cap) {
            (true, cap) => Some(cap),
            (false, 0) => None,
            (false, _) => return Err(Malformed::Field),
        };
        let (name, issuer, title) = (reader.text()?, reader.text()?, reader.text()?);
        reader.end()?;
        let asset = Self { id, issuance, cap, scale, kind, name, issuer, title };
        if id == 0 || issuance == 0 || scale > SCALE_MAX || name.is_empty() || issuer.is_empty() {
            return Err(Malformed::Field);
        }
        Ok(asset)
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u128(self.id).u128(self.issuance).u128(self.cap.unwrap_or_default());
        writer.u8(self.scale).u8(self.cap.is_some().into()).u8(self.kind.code()).zeros::<5>();
        writer.bytes(self.name.bytes()).bytes(self.issuer.bytes()).bytes(self.title.bytes());
    }
}
