//! Reconciliation (`vwp-reconciliation`) with this ledger and its callers: who may see which
//! account's, and what the account's entries are.

use crate::authority::require_owner;
use crate::ledger::Owners;
use crate::orders::memo_of;
use crate::reference::{Owner, account_id, asset_name, caller_text, id_text, require_same_asset};
use crate::{Error, assets, ledger};
use ::http::{Request, Response};
use chrono::{DateTime, NaiveDate};
use vwp_core::caller::Caller;
use vwp_core::{Environment, Problem};
use vwp_ledger::codec::{EntryView, HistoryQuery, Order};
use vwp_reconciliation::http::Port;
use vwp_reconciliation::ledger::{LedgerEntries, LedgerEntry, LedgerPage};
use vwp_reconciliation::money::Money;
use vwp_reconciliation::source::Account;
use vwp_storage::{Kv, Machines};

/// How many entries of an account are read at once. The memo of each is read in the log.
const ENTRIES: u32 = 200;
/// How many transfers may follow each other: a hold, its post, and what moves that back.
const FOLLOWING_MAX: usize = 3;
/// A day in milliseconds.
const DAY_MS: u64 = 86_400_000;

/// Answers a request for what is below `/v1/reconciliations`; `path` are the parts after it.
pub(crate) async fn handle<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    caller: &Caller,
    request: &Request<Vec<u8>>,
    path: &[&str],
) -> Result<Response<Vec<u8>>, Error> {
    let port = Ours { store, caller };
    let answer = vwp_reconciliation::http::handle(store, &port, environment, request, path).await;
    answer.map_err(|error| Error::Shared(error.into()))
}

struct Ours<'a, S> {
    store: &'a S,
    caller: &'a Caller,
}

impl<S: Kv + Machines> Port for Ours<'_, S> {
    fn caller(&self) -> String {
        caller_text(self.caller)
    }

    async fn require_access(&self, account: &Account) -> Result<(), Problem> {
        let owner: Owner = account.owner.parse().map_err(Problem::from)?;
        let asset = asset_name(&account.asset).map_err(Problem::from)?;
        require_same_asset(&owner, &asset)?;
        match self.caller {
            Caller::Administrator => Ok(()),
            Caller::Operator { .. } => Ok(require_owner(self.store, self.caller, &owner).await?),
            Caller::Nobody => {
                Err(Problem::unauthorised("send the administrator's token or an operator's assertion"))
            }
            Caller::Traveller { .. } => Err(Problem::forbidden("travellers reconcile no accounts")),
        }
    }

    async fn scale(&self, account: &Account) -> Result<u8, Problem> {
        Ok(assets::get_asset(self.store, &account.asset).await?.scale)
    }
}

impl<S: Kv + Machines> LedgerEntries for Ours<'_, S> {
    async fn entries(&self, account: &Account, from: u64) -> Result<LedgerPage, Problem> {
        let owner: Owner = account.owner.parse().map_err(Problem::from)?;
        let asset = asset_name(&account.asset).map_err(Problem::from)?;
        let start = u32::try_from(from).map_err(|_| Problem::internal())?;
        let query = HistoryQuery {
            start: Some(start),
            order: Order::OldestFirst,
            ..HistoryQuery::newest(account_id(&owner, &asset), ENTRIES)
        };
        let mut page = LedgerPage { entries: Vec::new(), next: from, is_end: true };
        // An account that nothing has reached is not there yet.
        let Some(history) = ledger::history(self.store, query).await? else { return Ok(page) };
        let mut owners = Owners::default();
        for entry in &history.entries {
            page.next = u64::from(entry.number).saturating_add(1);
            // What is held or released has not moved.
            if !entry.kind.moves() {
                continue;
            }
            let counterparty = owners.of(self.store, entry.other).await?;
            page.entries.push(ledger_entry(entry, self.memo(entry).await?, counterparty)?);
        }
        page.is_end = history.next.is_none();
        Ok(page)
    }
}

impl<S: Kv + Machines> Ours<'_, S> {
    /// What an entry's maker wanted to find it with again. What follows another transfer and says
    /// nothing itself is found by what that one says.
    async fn memo(&self, entry: &EntryView) -> Result<String, Problem> {
        let place = (entry.position, entry.item);
        let mut transfer = ledger::transfer_at(self.store, entry.transfer, place).await?;
        for _ in 1..FOLLOWING_MAX {
            if transfer.credit != 0 || memo_of(&transfer).is_some() {
                break;
            }
            let Some(origin) = ledger::transfer(self.store, transfer.debit).await? else { break };
            transfer = ledger::logged_transfer(self.store, &origin).await?;
        }
        Ok(memo_of(&transfer).unwrap_or_default())
    }
}

fn ledger_entry(entry: &EntryView, memo: String, counterparty: String) -> Result<LedgerEntry, Problem> {
    // What does not fit would be compared with another amount without a word.
    let size = i128::try_from(entry.amount).map_err(|_| {
        Problem::from(vwp_reconciliation::Error::TooMuch(
            "an entry of the ledger moves 2^127 minor units or more",
        ))
    })?;
    Ok(LedgerEntry {
        number: entry.number.into(),
        transfer: id_text(entry.transfer),
        position: entry.position,
        time: entry.time,
        date: day_of(match entry.effective_day {
            0 => entry.time,
            day => u64::from(day) * DAY_MS,
        }),
        amount: Money(if entry.is_debit { -size } else { size }),
        memo,
        counterparty,
    })
}

/// The day, in UTC, of a time in milliseconds since the Unix epoch.
fn day_of(time: u64) -> NaiveDate {
    let time = i64::try_from(time).unwrap_or(i64::MAX);
    DateTime::from_timestamp_millis(time).map_or(NaiveDate::MAX, |time| time.date_naive())
}
