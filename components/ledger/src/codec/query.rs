//! Queries: questions about the ledger.

use super::command::decode_items;
use super::wire::Header;
use super::{
    ITEM_LENGTH, Kind, Malformed, Opening, PAGE_ENTRIES_MAX, Reader, Transfer, Writer, encode_batch,
};
use alloc::vec::Vec;

/// A question about the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Query<'a> {
    /// An asset by id.
    Asset(u128),
    /// An account by id.
    Account(u128),
    /// A transfer by id, or a setting or a rule set.
    Transfer(u128),
    /// How much there is of everything.
    Totals,
    /// What the accounts of an asset add up to, of the [`super::TOTALS_ACCOUNTS_MAX`] accounts of any asset from
    /// a number on. The sums of all pages are those of all accounts, if no command came between.
    AssetTotals {
        /// The asset.
        asset: u128,
        /// The number of the first account; zero, or where the page before says.
        start: u32,
    },
    /// What was posted on an account up to a moment.
    Balance(u128, Moment),
    /// A page of an account's entries.
    History(HistoryQuery),
    /// The velocity rules.
    Rules,
    /// What the velocity rules leave an account.
    Velocity(u128),
    /// Where in the log an id comes from, whatever has it.
    Place(u128),
    /// What a batch would be answered at the time of the last command, as long as no other comes. Nothing
    /// changes. As a query has at
    /// most 65,536 bytes, the batch has at most 511 items.
    DryRun {
        /// The openings.
        openings: &'a [[u8; ITEM_LENGTH]],
        /// The transfers.
        transfers: &'a [[u8; ITEM_LENGTH]],
    },
}

/// The moment that a balance is asked for. What happened at it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// After the command at this position of the log.
    Position(u64),
    /// After this time of the log, in milliseconds since the Unix epoch.
    Time(u64),
    /// At the end of this day, in days since the Unix epoch, by effective dates: what the
    /// log says until then, and what was dated back to then later.
    EffectiveDay(u32),
}

/// Which way a history goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// The last entry first.
    #[default]
    NewestFirst,
    /// The first entry first.
    OldestFirst,
}

/// Which entries of an account are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryQuery {
    /// The account's id.
    pub account: u128,
    /// The number of the entry to start with; none for the first one in this order.
    pub start: Option<u32>,
    /// Which way to go.
    pub order: Order,
    /// The most entries: 1 to [`PAGE_ENTRIES_MAX`].
    pub limit: u32,
    /// Only those of a kind.
    pub kind: Option<Kind>,
    /// Only those with a code.
    pub code: Option<u16>,
}

impl HistoryQuery {
    /// The newest entries of an account.
    pub fn newest(account: u128, limit: u32) -> Self {
        Self { account, start: None, order: Order::NewestFirst, limit, kind: None, code: None }
    }
}

pub(super) const ASSET: u8 = 1;
pub(super) const ACCOUNT: u8 = 2;
pub(super) const TRANSFER: u8 = 3;
pub(super) const TOTALS: u8 = 4;
pub(super) const ASSET_TOTALS: u8 = 5;
pub(super) const BALANCE: u8 = 6;
pub(super) const HISTORY: u8 = 7;
pub(super) const RULES: u8 = 8;
pub(super) const VELOCITY: u8 = 9;
pub(super) const PLACE: u8 = 10;
const DRY_RUN: u8 = 11;

/// What a query says besides an id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Details {
    choice: u8,
    order: u8,
    kind: u8,
    has_code: bool,
    code: u16,
    limit: u32,
    at: u64,
}

impl Details {
    fn write(self, writer: &mut Writer) {
        writer.u8(self.choice).u8(self.order).u8(self.kind).u8(self.has_code.into());
        writer.u16(self.code).zeros::<2>().u32(self.limit).zeros::<4>().u64(self.at).zeros::<8>();
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (choice, order, kind) = (reader.u8()?, reader.u8()?, reader.u8()?);
        let (has_code, code) = (reader.bool()?, reader.u16()?);
        reader.zeros::<2>()?;
        let limit = reader.u32()?;
        reader.zeros::<4>()?;
        let at = reader.u64()?;
        reader.zeros::<8>()?;
        Ok(Self { choice, order, kind, has_code, code, limit, at })
    }

    fn of_moment(moment: Moment) -> Self {
        let (choice, at) = match moment {
            Moment::Position(position) => (0, position),
            Moment::Time(time) => (1, time),
            Moment::EffectiveDay(day) => (2, day.into()),
        };
        Self { choice, at, ..Self::default() }
    }

    fn moment(self) -> Option<Moment> {
        let moment = match self.choice {
            0 => Moment::Position(self.at),
            1 => Moment::Time(self.at),
            2 => Moment::EffectiveDay(u32::try_from(self.at).ok()?),
            _ => return None,
        };
        (Self::of_moment(moment) == self).then_some(moment)
    }

    fn of_history(query: HistoryQuery) -> Self {
        Self {
            choice: query.start.is_some().into(),
            order: u8::from(query.order == Order::OldestFirst),
            kind: query.kind.map_or(0, |kind| kind.code() + 1),
            has_code: query.code.is_some(),
            code: query.code.unwrap_or_default(),
            limit: query.limit,
            at: query.start.unwrap_or_default().into(),
        }
    }

    fn history(self, account: u128) -> Option<HistoryQuery> {
        let start = u32::try_from(self.at).ok()?;
        let query = HistoryQuery {
            account,
            start: (self.choice == 1).then_some(start),
            order: if self.order == 1 { Order::OldestFirst } else { Order::NewestFirst },
            limit: self.limit,
            kind: self.kind.checked_sub(1).and_then(Kind::from_code),
            code: self.has_code.then_some(self.code),
        };
        let bounded = (1..=PAGE_ENTRIES_MAX).contains(&query.limit);
        (bounded && Self::of_history(query) == self).then_some(query)
    }
}

/// A query as bytes.
pub fn encode_query(query: Query<'_>) -> Vec<u8> {
    let none = Details::default();
    let (kind, id, details) = match query {
        Query::Asset(id) => (ASSET, id, none),
        Query::Account(id) => (ACCOUNT, id, none),
        Query::Transfer(id) => (TRANSFER, id, none),
        Query::Totals => (TOTALS, 0, none),
        Query::AssetTotals { asset, start } => (ASSET_TOTALS, asset, Details { at: start.into(), ..none }),
        Query::Balance(id, moment) => (BALANCE, id, Details::of_moment(moment)),
        Query::History(query) => (HISTORY, query.account, Details::of_history(query)),
        Query::Rules => (RULES, 0, none),
        Query::Velocity(id) => (VELOCITY, id, none),
        Query::Place(id) => (PLACE, id, none),
        Query::DryRun { openings, transfers } => return dry_run(openings, transfers),
    };
    let mut writer = Writer::with_capacity(64);
    writer.header(Header { kind, ..Header::default() }).u128(id);
    details.write(&mut writer);
    writer.0
}

fn dry_run(openings: &[[u8; ITEM_LENGTH]], transfers: &[[u8; ITEM_LENGTH]]) -> Vec<u8> {
    let count = |items: usize| u32::try_from(items).unwrap_or(u32::MAX);
    let (opening_count, transfer_count) = (count(openings.len()), count(transfers.len()));
    let mut writer = Writer::with_capacity(1024);
    let header = Header { kind: DRY_RUN, code: 0, openings: opening_count, transfers: transfer_count };
    writer.header(header).bytes(openings.as_flattened()).bytes(transfers.as_flattened());
    writer.0
}

/// The query for a dry run. Its answer is that of the batch: see [`super::decode_reply`].
pub fn encode_dry_run(openings: &[Opening], transfers: &[Transfer]) -> Result<Vec<u8>, Malformed> {
    let mut query = encode_batch(openings, transfers)?;
    if let Some(kind) = query.first_mut() {
        *kind = DRY_RUN;
    }
    Ok(query)
}

/// Reads a query.
pub fn decode_query(query: &[u8]) -> Result<Query<'_>, Malformed> {
    let (header, body) = Header::split(query)?;
    if header.kind == DRY_RUN {
        let (openings, transfers) = decode_items(header, body)?;
        return Ok(Query::DryRun { openings, transfers });
    }
    if (header.code, header.openings, header.transfers) != (0, 0, 0) {
        return Err(Malformed::Field);
    }
    let mut reader = Reader::new(body);
    let (id, details) = (reader.u128()?, Details::read(&mut reader)?);
    reader.end()?;
    let query = match header.kind {
        ASSET => Query::Asset(id),
        ACCOUNT => Query::Account(id),
        TRANSFER => Query::Transfer(id),
        TOTALS => Query::Totals,
        ASSET_TOTALS => {
            let start = u32::try_from(details.at).map_err(|_| Malformed::Field)?;
            let is_whole = details == Details { at: start.into(), ..Details::default() };
            return if is_whole {
                Ok(Query::AssetTotals { asset: id, start })
            } else {
                Err(Malformed::Field)
            };
        }
        BALANCE => return details.moment().map(|moment| Query::Balance(id, moment)).ok_or(Malformed::Field),
        HISTORY => return details.history(id).map(Query::History).ok_or(Malformed::Field),
        RULES => Query::Rules,
        VELOCITY => Query::Velocity(id),
        PLACE => Query::Place(id),
        _ => return Err(Malformed::Kind),
    };
    let idle = matches!(query, Query::Totals | Query::Rules) && id != 0;
    if idle || details != Details::default() { Err(Malformed::Field) } else { Ok(query) }
}
