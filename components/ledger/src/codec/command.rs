//! Commands: what changes the ledger.

use super::wire::Header;
use super::{
    ASSET_LENGTH, Asset, BATCH_ITEMS_MAX, HEADER_LENGTH, ITEM_LENGTH, Malformed, Opening, RuleSet, Setting,
    Transfer, Writer,
};
use alloc::boxed::Box;
use alloc::vec::Vec;

const CREATE_ASSET: u8 = 1;
const CREATE_TRANSFERS: u8 = 2;
const SET_ACCOUNT: u8 = 3;
const SET_RULES: u8 = 4;
const TICK: u8 = 5;

/// A command whose outside is in order. The items of a batch are read one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command<'a> {
    /// Creates an asset and its issuance account.
    CreateAsset(Box<Asset>),
    /// Opens accounts, then makes transfers, in order.
    CreateTransfers {
        /// The openings, each as [`Opening::decode`] reads it.
        openings: &'a [[u8; ITEM_LENGTH]],
        /// The transfers, each as [`Transfer::decode`] reads it.
        transfers: &'a [[u8; ITEM_LENGTH]],
    },
    /// Sets the limits of an account.
    SetAccount(Setting),
    /// Sets the velocity rules.
    SetRules(RuleSet),
    /// Does nothing but what every command does: release the holds that have expired.
    Tick,
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
    let mut writer = Writer::with_capacity(HEADER_LENGTH + items * ITEM_LENGTH);
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

/// The command that sets the limits of an account.
pub fn encode_setting(setting: &Setting) -> Vec<u8> {
    let mut writer = Writer::with_capacity(HEADER_LENGTH + ITEM_LENGTH);
    writer.header(Header { kind: SET_ACCOUNT, ..Header::default() });
    setting.write(&mut writer);
    writer.0
}

/// The command that sets the velocity rules; at most [`super::RULES_MAX`].
pub fn encode_rules(rules: &RuleSet) -> Result<Vec<u8>, Malformed> {
    let count = u32::try_from(rules.rules.len()).map_err(|_| Malformed::TooMany)?;
    let mut writer = Writer::with_capacity(HEADER_LENGTH + ITEM_LENGTH);
    writer.header(Header { kind: SET_RULES, transfers: count, ..Header::default() });
    rules.write(&mut writer);
    let (_, body) = Header::split(&writer.0)?;
    RuleSet::decode(body, count)?;
    Ok(writer.0)
}

/// The command that only lets time pass.
pub fn encode_tick() -> Vec<u8> {
    let mut writer = Writer::with_capacity(HEADER_LENGTH);
    writer.header(Header { kind: TICK, ..Header::default() });
    writer.0
}

/// Reads a command.
pub fn decode_command(command: &[u8]) -> Result<Command<'_>, Malformed> {
    let (header, body) = Header::split(command)?;
    if header.code != 0 {
        return Err(Malformed::Field);
    }
    let counts_fit = match header.kind {
        CREATE_TRANSFERS => true,
        SET_RULES => header.openings == 0,
        _ => (header.openings, header.transfers) == (0, 0),
    };
    if !counts_fit {
        return Err(Malformed::Field);
    }
    match header.kind {
        CREATE_ASSET => {
            let body = body.try_into().map_err(|_| Malformed::Length)?;
            Ok(Command::CreateAsset(Box::new(Asset::decode(body)?)))
        }
        CREATE_TRANSFERS => {
            let (openings, transfers) = decode_items(header, body)?;
            Ok(Command::CreateTransfers { openings, transfers })
        }
        SET_ACCOUNT => {
            let body = body.try_into().map_err(|_| Malformed::Length)?;
            Ok(Command::SetAccount(Setting::decode(body)?))
        }
        SET_RULES => Ok(Command::SetRules(RuleSet::decode(body, header.transfers)?)),
        TICK if body.is_empty() => Ok(Command::Tick),
        TICK => Err(Malformed::Length),
        _ => Err(Malformed::Kind),
    }
}

/// The items of a batch, which are not read yet.
pub(super) fn decode_items(header: Header, body: &[u8]) -> Result<Items<'_>, Malformed> {
    let items = header.openings.saturating_add(header.transfers) as usize;
    if items > BATCH_ITEMS_MAX {
        return Err(Malformed::TooMany);
    }
    let (chunks, rest) = body.as_chunks::<ITEM_LENGTH>();
    if header.code != 0 || chunks.len() != items || !rest.is_empty() {
        return Err(Malformed::Length);
    }
    chunks.split_at_checked(header.openings as usize).ok_or(Malformed::Length)
}

/// The openings and the transfers of a batch.
type Items<'a> = (&'a [[u8; ITEM_LENGTH]], &'a [[u8; ITEM_LENGTH]]);

const _: () = assert!(HEADER_LENGTH + BATCH_ITEMS_MAX * ITEM_LENGTH <= 1_048_576);
