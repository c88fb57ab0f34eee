//! What happened on an account: its transfers, its balance at a moment, and statements.

use crate::accounts;
use crate::amount::Amount;
use crate::ledger::Owners;
use crate::orders::{self, Kind};
use crate::reference::{account_id, id_text};
use crate::{Error, ledger};
use serde::{Deserialize, Serialize};
use vwp_core::Problem;
use vwp_core::caller::Caller;
use vwp_ledger::codec::{AccountFlags, BalanceView, EntryView, HistoryQuery, HistoryView, Moment, Order};
use vwp_storage::{Kv, Machines};

/// The most transfers of a page. Whose the other accounts are is read from the log, one by one.
pub const PAGE_TRANSFERS_MAX: u32 = 100;
/// How many a page has unless it is told.
pub const PAGE_TRANSFERS_DEFAULT: u32 = 50;

/// Which transfers of an account are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Page {
    /// The number of the first one; none for the first one in this order.
    pub start: Option<u32>,
    /// Which way to go.
    pub order: Direction,
    /// The most transfers: 1 to [`PAGE_TRANSFERS_MAX`].
    pub limit: Option<u32>,
    /// Only those of a kind.
    pub kind: Option<Kind>,
    /// Only those with a code.
    pub code: Option<u16>,
}

/// Which way a history goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// The last transfer first.
    #[default]
    NewestFirst,
    /// The first transfer first.
    OldestFirst,
}

/// Some transfers of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct History {
    /// The transfers, in the order that was asked for.
    pub transfers: Vec<Entry>,
    /// Where to go on, if there may be more. With a filter a page may have few transfers, or none, and
    /// be followed by another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u32>,
}

/// A transfer as one of its accounts sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its number among the account's transfers; the first one has 1.
    pub number: u32,
    /// The transfer's id.
    pub transfer_id: String,
    /// What it did.
    pub kind: Kind,
    /// Which side of the transfer the account is.
    pub side: Side,
    /// Whose the other account is.
    pub counterparty: String,
    /// How much was moved, held or released, in minor units.
    pub amount: Amount,
    /// What the account held after it.
    pub balance: Amount,
    /// Its command's position in the ledger's log.
    pub position: u64,
    /// When it was made, in milliseconds since the Unix epoch.
    pub time: u64,
    /// The day from which on it counts in statements, if that is another one than the log's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_date: Option<String>,
    /// The caller's word for why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
}

/// A side of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The amount left the account, or was to.
    Debit,
    /// The amount reached the account, or was to.
    Credit,
}

/// What an account held at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// Whose it is.
    pub owner: String,
    /// `code@world`.
    pub asset: String,
    /// What it held; for an issuance account, what was issued and not given back.
    pub balance: Amount,
    /// The sum of all that had left it.
    pub debits: Amount,
    /// The sum of all that had reached it.
    pub credits: Amount,
}

/// What happened on an account in a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// Whose it is.
    pub owner: String,
    /// `code@world`.
    pub asset: String,
    /// From when on, in milliseconds since the Unix epoch.
    pub from: u64,
    /// Until when, exclusive.
    pub until: u64,
    /// What it held before.
    pub opening: Amount,
    /// What it held after.
    pub closing: Amount,
    /// What left it.
    pub debits: Amount,
    /// What reached it.
    pub credits: Amount,
    /// The transfers, the first one first. Holds and what releases them move nothing.
    pub transfers: Vec<Entry>,
    /// With which number the next page starts, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u32>,
}

/// An account that its owner looks at.
struct Looked {
    id: u128,
    owner: String,
    asset: String,
    /// How many transfers it has.
    entries: u32,
    /// Whether it grows with what is debited, as an issuance account does.
    is_debit_normal: bool,
}

impl Looked {
    async fn at<S: Kv + Machines>(
        store: &S,
        caller: &Caller,
        (owner, asset): (&str, &str),
    ) -> Result<Self, Error> {
        let (owner, asset) = accounts::require_readable(store, caller, owner, asset).await?;
        let id = account_id(&owner, &asset);
        let view = ledger::account(store, id).await?;
        Ok(Self {
            id,
            owner: owner.to_string(),
            asset: asset.to_string(),
            entries: view.map_or(0, |view| view.entries),
            is_debit_normal: view.is_some_and(|view| view.flags.contains(AccountFlags::DEBIT_NORMAL)),
        })
    }

    /// What it held with these sums. Only an overdrawn account is below zero, and how far it is the
    /// account itself says.
    fn net(&self, debits: u128, credits: u128) -> Amount {
        let (less, more) = if self.is_debit_normal { (credits, debits) } else { (debits, credits) };
        Amount(more.saturating_sub(less))
    }

    async fn balance(&self, store: &impl Machines, moment: Moment) -> Result<BalanceView, Error> {
        Ok(ledger::balance(store, self.id, moment).await?.unwrap_or_default())
    }
}

/// Reads the transfers of an account. Only its owner may. One that nothing has reached has none.
pub async fn transfers<S: Kv + Machines>(
    store: &S,
    caller: &Caller,
    of: (&str, &str),
    page: Page,
) -> Result<History, Error> {
    let account = Looked::at(store, caller, of).await?;
    let HistoryView { entries, next } = page_of(store, account.id, page).await?;
    Ok(History { transfers: self::entries(store, &account, &entries).await?, next })
}

/// What an account held at a moment. Only its owner may ask.
pub async fn balance_at<S: Kv + Machines>(
    store: &S,
    caller: &Caller,
    of: (&str, &str),
    moment: Moment,
) -> Result<Balance, Error> {
    let account = Looked::at(store, caller, of).await?;
    let BalanceView { debits, credits } = account.balance(store, moment).await?;
    Ok(Balance {
        balance: account.net(debits, credits),
        owner: account.owner,
        asset: account.asset,
        debits: Amount(debits),
        credits: Amount(credits),
    })
}

/// What happened on an account between two times of the log, a page at a time. Only its owner may ask.
pub async fn statement<S: Kv + Machines>(
    store: &S,
    caller: &Caller,
    of: (&str, &str),
    (from, until): (u64, u64),
    page: Page,
) -> Result<Statement, Error> {
    if from >= until {
        return Err(Error::Invalid("a statement's from comes before its until".to_owned()));
    }
    let account = Looked::at(store, caller, of).await?;
    let before = async |time: u64| match time.checked_sub(1) {
        Some(time) => account.balance(store, Moment::Time(time)).await,
        None => Ok(BalanceView::default()),
    };
    let (opening, closing) = (before(from).await?, before(until).await?);
    let start = match page.start {
        Some(start) => start,
        None => first_since(store, &account, from).await?,
    };
    let page = Page { start: Some(start), order: Direction::OldestFirst, ..page };
    let HistoryView { mut entries, mut next } = page_of(store, account.id, page).await?;
    if let Some(end) = entries.iter().position(|entry| entry.time >= until) {
        entries.truncate(end);
        next = None;
    }
    Ok(Statement {
        from,
        until,
        opening: account.net(opening.debits, opening.credits),
        closing: account.net(closing.debits, closing.credits),
        // Sums never fall.
        debits: Amount(closing.debits.saturating_sub(opening.debits)),
        credits: Amount(closing.credits.saturating_sub(opening.credits)),
        transfers: self::entries(store, &account, &entries).await?,
        next,
        owner: account.owner,
        asset: account.asset,
    })
}

/// The number of an account's first transfer that was made at a time or later. Times never go back along
/// a history, so it is searched for by halves.
async fn first_since(store: &impl Machines, account: &Looked, time: u64) -> Result<u32, Error> {
    let (mut low, mut high) = (1, account.entries.saturating_add(1));
    while low < high {
        let middle = low + (high - low) / 2;
        let query = HistoryQuery {
            start: Some(middle),
            order: Order::OldestFirst,
            ..HistoryQuery::newest(account.id, 1)
        };
        let view = ledger::history(store, query).await?.unwrap_or_default();
        if view.entries.first().is_some_and(|entry| entry.time < time) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

async fn page_of(store: &impl Machines, account: u128, page: Page) -> Result<HistoryView, Error> {
    let limit = page.limit.unwrap_or(PAGE_TRANSFERS_DEFAULT);
    if !(1..=PAGE_TRANSFERS_MAX).contains(&limit) {
        return Err(Error::Invalid(format!("limit is 1 to {PAGE_TRANSFERS_MAX}")));
    }
    let query = HistoryQuery {
        account,
        start: page.start,
        order: match page.order {
            Direction::NewestFirst => Order::NewestFirst,
            Direction::OldestFirst => Order::OldestFirst,
        },
        limit,
        kind: page.kind.map(Kind::to_ledger),
        code: page.code,
    };
    // One that nothing has reached is not there yet.
    Ok(ledger::history(store, query).await?.unwrap_or_default())
}

async fn entries(store: &impl Machines, account: &Looked, views: &[EntryView]) -> Result<Vec<Entry>, Error> {
    let mut owners = Owners::default();
    let mut entries = Vec::with_capacity(views.len());
    for view in views {
        entries.push(Entry {
            number: view.number,
            transfer_id: id_text(view.transfer),
            kind: Kind::of_ledger(view.kind).ok_or_else(Problem::internal)?,
            side: if view.is_debit { Side::Debit } else { Side::Credit },
            counterparty: owners.of(store, view.other).await?,
            amount: Amount(view.amount),
            balance: account.net(view.debits, view.credits),
            position: view.position,
            time: view.time,
            effective_date: orders::date_text(view.effective_day),
            code: (view.code != 0).then_some(view.code),
        });
    }
    Ok(entries)
}
