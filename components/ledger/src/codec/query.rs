//! Queries, and what they find.

use super::wire::Header;
use super::{
    ASSET_LENGTH, Answer, Asset, HEADER_LENGTH, Malformed, NAME_LENGTH_MAX, OWNER_LENGTH_MAX, Reader, Text,
    Transfer, Writer,
};
use alloc::vec::Vec;

/// A question about the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Query {
    /// An asset by id.
    Asset(u128),
    /// An account by id.
    Account(u128),
    /// A transfer by id.
    Transfer(u128),
    /// How much there is of everything.
    Totals,
}

/// An asset and how much of it there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssetView {
    /// The asset as it was created.
    pub asset: Asset,
    /// How much exists: what was issued less what was given back.
    pub supply: u128,
    /// The position in the log of the command that created it.
    pub position: u64,
    /// The time of that command.
    pub time: u64,
}

/// An account and what moved through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountView {
    /// The account's id.
    pub id: u128,
    /// The asset that it holds.
    pub asset: u128,
    /// The sum of all that left it.
    pub debits: u128,
    /// The sum of all that reached it.
    pub credits: u128,
    /// Whether it is its asset's issuance account, whose debits exceed its credits.
    pub issuance: bool,
    /// Whose it is; empty if only a credit has opened it.
    pub owner: Text<OWNER_LENGTH_MAX>,
}

/// A transfer that was asked for, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferView {
    /// The transfer.
    pub transfer: Transfer,
    /// What became of it; `repeated` is false.
    pub answer: Answer,
    /// The owner of the debited account, if there is one.
    pub debit_owner: Text<OWNER_LENGTH_MAX>,
    /// The owner of the credited account, if there is one.
    pub credit_owner: Text<OWNER_LENGTH_MAX>,
    /// The asset's name, if there is one.
    pub asset_name: Text<NAME_LENGTH_MAX>,
}

/// How much there is of everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// The assets.
    pub assets: u64,
    /// The accounts.
    pub accounts: u64,
    /// The transfers that are recorded, refused ones among them.
    pub transfers: u64,
    /// The position of the last command that was applied.
    pub position: u64,
    /// The time of that command.
    pub time: u64,
}

const ASSET: u8 = 1;
const ACCOUNT: u8 = 2;
const TRANSFER: u8 = 3;
const TOTALS: u8 = 4;

const QUERY_LENGTH: usize = HEADER_LENGTH + 16;
const FOUND: u8 = 1;
/// The kind of the answer to a query that is malformed.
const MALFORMED: u8 = 0;

/// What a query found, as bytes.
pub(crate) trait View {
    const KIND: u8;
    fn write(&self, writer: &mut Writer);
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed>
    where
        Self: Sized;
}

impl View for AssetView {
    const KIND: u8 = ASSET;

    fn write(&self, writer: &mut Writer) {
        self.asset.write(writer);
        writer.u128(self.supply).u64(self.position).u64(self.time);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let asset = Asset::decode(&reader.array::<ASSET_LENGTH>()?)?;
        Ok(Self { asset, supply: reader.u128()?, position: reader.u64()?, time: reader.u64()? })
    }
}

impl View for AccountView {
    const KIND: u8 = ACCOUNT;

    fn write(&self, writer: &mut Writer) {
        writer.u128(self.id).u128(self.asset).u128(self.debits).u128(self.credits);
        writer.bytes(self.owner.bytes()).u8(self.issuance.into()).zeros::<7>();
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (id, asset, debits, credits) = (reader.u128()?, reader.u128()?, reader.u128()?, reader.u128()?);
        let (owner, issuance) = (reader.text()?, reader.bool()?);
        reader.zeros::<7>()?;
        Ok(Self { id, asset, debits, credits, issuance, owner })
    }
}

impl View for TransferView {
    const KIND: u8 = TRANSFER;

    fn write(&self, writer: &mut Writer) {
        self.transfer.write(writer);
        self.answer.write(writer);
        writer.bytes(self.debit_owner.bytes()).bytes(self.credit_owner.bytes());
        writer.bytes(self.asset_name.bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            transfer: Transfer::decode(&reader.array()?),
            answer: Answer::read(reader)?,
            debit_owner: reader.text()?,
            credit_owner: reader.text()?,
            asset_name: reader.text()?,
        })
    }
}

impl View for Totals {
    const KIND: u8 = TOTALS;

    fn write(&self, writer: &mut Writer) {
        writer.u64(self.assets).u64(self.accounts).u64(self.transfers);
        writer.u64(self.position).u64(self.time);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            assets: reader.u64()?,
            accounts: reader.u64()?,
            transfers: reader.u64()?,
            position: reader.u64()?,
            time: reader.u64()?,
        })
    }
}

/// A query as bytes.
pub fn encode_query(query: Query) -> Vec<u8> {
    let (kind, id) = match query {
        Query::Asset(id) => (ASSET, id),
        Query::Account(id) => (ACCOUNT, id),
        Query::Transfer(id) => (TRANSFER, id),
        Query::Totals => (TOTALS, 0),
    };
    let mut writer = Writer::with_capacity(QUERY_LENGTH);
    writer.header(Header { kind, ..Header::default() }).u128(id);
    writer.0
}

/// Reads a query.
pub fn decode_query(query: &[u8]) -> Result<Query, Malformed> {
    let (header, body) = Header::split(query)?;
    if (header.code, header.openings, header.transfers) != (0, 0, 0) {
        return Err(Malformed::Field);
    }
    let mut reader = Reader::new(body);
    let id = reader.u128()?;
    reader.end()?;
    match (header.kind, id) {
        (ASSET, id) => Ok(Query::Asset(id)),
        (ACCOUNT, id) => Ok(Query::Account(id)),
        (TRANSFER, id) => Ok(Query::Transfer(id)),
        (TOTALS, 0) => Ok(Query::Totals),
        (TOTALS, _) => Err(Malformed::Field),
        _ => Err(Malformed::Kind),
    }
}

/// The answer to a query.
pub(crate) fn encode_view<V: View>(view: Option<&V>) -> Vec<u8> {
    let mut writer = Writer::with_capacity(HEADER_LENGTH + 512);
    let code = if view.is_some() { FOUND } else { 0 };
    writer.header(Header { kind: V::KIND, code, ..Header::default() });
    if let Some(view) = view {
        view.write(&mut writer);
    }
    writer.0
}

/// The answer to a malformed query.
pub(crate) fn malformed_query(reason: Malformed) -> Vec<u8> {
    let mut writer = Writer::with_capacity(HEADER_LENGTH);
    writer.header(Header { kind: MALFORMED, code: reason.code(), ..Header::default() });
    writer.0
}

fn decode<V: View>(answer: &[u8]) -> Result<Option<V>, Malformed> {
    let (header, body) = Header::split(answer)?;
    if header.kind != V::KIND {
        return Err(Malformed::from_code(header.code).unwrap_or(Malformed::Kind));
    }
    let mut reader = Reader::new(body);
    let view = if header.code == FOUND { Some(V::read(&mut reader)?) } else { None };
    reader.end()?;
    Ok(view)
}

/// Reads the answer to [`Query::Asset`]; none if there is no such asset.
pub fn decode_asset(answer: &[u8]) -> Result<Option<AssetView>, Malformed> {
    decode(answer)
}

/// Reads the answer to [`Query::Account`]; none if there is no such account.
pub fn decode_account(answer: &[u8]) -> Result<Option<AccountView>, Malformed> {
    decode(answer)
}

/// Reads the answer to [`Query::Transfer`]; none if no such transfer is recorded.
pub fn decode_transfer(answer: &[u8]) -> Result<Option<TransferView>, Malformed> {
    decode(answer)
}

/// Reads the answer to [`Query::Totals`].
pub fn decode_totals(answer: &[u8]) -> Result<Totals, Malformed> {
    decode(answer)?.ok_or(Malformed::Field)
}
