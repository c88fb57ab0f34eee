//! Commands: what changes the ledger.

use super::wire::Header;
use super::{
    ASSET_LENGTH, BATCH_ITEMS_MAX, HEADER_LENGTH, ISSUER_LENGTH_MAX, Malformed, NAME_LENGTH_MAX,
    OPENING_LENGTH, OWNER_LENGTH_MAX, Reader, SCALE_MAX, TITLE_LENGTH_MAX, TRANSFER_LENGTH, Text,
    USER_DATA_LENGTH, Writer,
};
use alloc::boxed::Box;
use alloc::vec::Vec;

const CREATE_ASSET: u8 = 1;
const CREATE_TRANSFERS: u8 = 2;

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
    /// `code@world`.
    pub name: Text<NAME_LENGTH_MAX>,
    /// The operator who created it.
    pub issuer: Text<ISSUER_LENGTH_MAX>,
    /// What people call it; may be empty.
    pub title: Text<TITLE_LENGTH_MAX>,
}

/// Opens an account under its owner's name. A credit opens one too, without a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// The account's id.
    pub account: u128,
    /// The asset that it holds.
    pub asset: u128,
    /// Whose it is.
    pub owner: Text<OWNER_LENGTH_MAX>,
}

/// Moves an amount from one account to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// The transfer's id, which makes a repeat of it harmless.
    pub id: u128,
    /// The account that the amount leaves.
    pub debit: u128,
    /// The account that the amount reaches.
    pub credit: u128,
    /// The asset that both hold.
    pub asset: u128,
    /// How much, in the asset's minor units.
    pub amount: u128,
    /// What the caller wants to find with it again.
    pub user_data: [u8; USER_DATA_LENGTH],
}

/// A command whose outside is in order. The items of a batch are read one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command<'a> {
    /// Creates an asset and its issuance account.
    CreateAsset(Box<Asset>),
    /// Opens accounts, then makes transfers, each in order and each by itself.
    CreateTransfers {
        /// The openings, each as [`Opening::decode`] reads it.
        openings: &'a [[u8; OPENING_LENGTH]],
        /// The transfers, each as [`Transfer::decode`] reads it.
        transfers: &'a [[u8; TRANSFER_LENGTH]],
    },
}

impl Asset {
    /// Reads an asset.
    pub fn decode(bytes: &[u8; ASSET_LENGTH]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let (id, issuance, cap) = (reader.u128()?, reader.u128()?, reader.u128()?);
        let (scale, has_cap) = (reader.u8()?, reader.bool()?);
        reader.zeros::<6>()?;
        let cap = match (has_cap, cap) {
            (true, cap) => Some(cap),
            (false, 0) => None,
            (false, _) => return Err(Malformed::Field),
        };
        let (name, issuer, title) = (reader.text()?, reader.text()?, reader.text()?);
        reader.end()?;
        let asset = Self { id, issuance, cap, scale, name, issuer, title };
        if scale > SCALE_MAX || name.is_empty() || issuer.is_empty() {
            return Err(Malformed::Field);
        }
        Ok(asset)
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u128(self.id).u128(self.issuance).u128(self.cap.unwrap_or_default());
        writer.u8(self.scale).u8(self.cap.is_some().into()).zeros::<6>();
        writer.bytes(self.name.bytes()).bytes(self.issuer.bytes()).bytes(self.title.bytes());
    }
}

impl Opening {
    /// Reads an opening.
    pub fn decode(bytes: &[u8; OPENING_LENGTH]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let opening = Self { account: reader.u128()?, asset: reader.u128()?, owner: reader.text()? };
        reader.end()?;
        if opening.owner.is_empty() { Err(Malformed::Field) } else { Ok(opening) }
    }

    fn write(&self, writer: &mut Writer) {
        writer.u128(self.account).u128(self.asset).bytes(self.owner.bytes());
    }
}

impl Transfer {
    /// Reads a transfer. Every 128 bytes are one.
    pub fn decode(bytes: &[u8; TRANSFER_LENGTH]) -> Self {
        let (words, _) = bytes.as_chunks::<16>();
        let word = |index: usize| words.get(index).map_or(0, |word| u128::from_le_bytes(*word));
        Self {
            id: word(0),
            debit: word(1),
            credit: word(2),
            asset: word(3),
            amount: word(4),
            user_data: bytes.last_chunk().copied().unwrap_or([0; USER_DATA_LENGTH]),
        }
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u128(self.id).u128(self.debit).u128(self.credit).u128(self.asset).u128(self.amount);
        writer.bytes(&self.user_data);
    }
}

/// The command that creates an asset.
pub fn encode_asset(asset: &Asset) -> Vec<u8> {
    let mut writer = Writer::with_capacity(HEADER_LENGTH + ASSET_LENGTH);
    writer.header(Header { kind: CREATE_ASSET, ..Header::default() });
    asset.write(&mut writer);
    writer.0
}

/// The command that opens accounts and makes transfers; at most [`BATCH_ITEMS_MAX`]
/// of both together.
pub fn encode_batch(openings: &[Opening], transfers: &[Transfer]) -> Result<Vec<u8>, Malformed> {
    let items = openings.len().saturating_add(transfers.len());
    if items > BATCH_ITEMS_MAX {
        return Err(Malformed::TooMany);
    }
    let count = |count: usize| u32::try_from(count).map_err(|_| Malformed::TooMany);
    let (opening_count, transfer_count) = (count(openings.len())?, count(transfers.len())?);
    let mut writer = Writer::with_capacity(HEADER_LENGTH + items * TRANSFER_LENGTH);
    writer.header(Header {
        kind: CREATE_TRANSFERS,
        code: 0,
        openings: opening_count,
        transfers: transfer_count,
    });
    for opening in openings {
        opening.write(&mut writer);
    }
    for transfer in transfers {
        transfer.write(&mut writer);
    }
    Ok(writer.0)
}

/// Reads a command.
pub fn decode_command(command: &[u8]) -> Result<Command<'_>, Malformed> {
    let (header, body) = Header::split(command)?;
    if header.code != 0 {
        return Err(Malformed::Field);
    }
    match header.kind {
        CREATE_ASSET => {
            if header.openings != 0 || header.transfers != 0 {
                return Err(Malformed::Field);
            }
            let body = body.try_into().map_err(|_| Malformed::Length)?;
            Ok(Command::CreateAsset(Box::new(Asset::decode(body)?)))
        }
        CREATE_TRANSFERS => {
            let items = header.openings.saturating_add(header.transfers) as usize;
            if items > BATCH_ITEMS_MAX {
                return Err(Malformed::TooMany);
            }
            // Openings and transfers have the same length, so one view serves both.
            let (chunks, rest) = body.as_chunks::<TRANSFER_LENGTH>();
            if chunks.len() != items || !rest.is_empty() {
                return Err(Malformed::Length);
            }
            let (openings, transfers) =
                chunks.split_at_checked(header.openings as usize).ok_or(Malformed::Length)?;
            Ok(Command::CreateTransfers { openings, transfers })
        }
        _ => Err(Malformed::Kind),
    }
}

const _: () = assert!(OPENING_LENGTH == TRANSFER_LENGTH);
const _: () = assert!(HEADER_LENGTH + BATCH_ITEMS_MAX * TRANSFER_LENGTH <= 1_048_576);
