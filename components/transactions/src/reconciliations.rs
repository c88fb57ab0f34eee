//! Reconciliation (`vwp-reconciliation`) with this ledger and its callers: who may see which
//! account's, and what the account's entries are.

use crate::authority::require_owner;
use crate::ledger::MACHINE;
use crate::reference::{Owner, account_id, asset_name, id_text};
use crate::{Error, assets, ledger};
use ::http::{Request, Response};
use chrono::{DateTime, NaiveDate};
use vwp_core::caller::Caller;
use vwp_core::{Environment, Problem};
use vwp_ledger::codec::{self, Command, Outcome, Text, Transfer};
use vwp_reconciliation::http::Port;
use vwp_reconciliation::ledger::{LedgerEntries, LedgerEntry, LedgerPage};
use vwp_reconciliation::money::Money;
use vwp_reconciliation::source::Account;
use vwp_storage::{Kv, Machines};

/// How many commands of the log are read at once.
const COMMANDS: u32 = 200;
/// After this many entries of the account a part of the log ends with the command that they are in.
const ENTRIES: usize = 2000;

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
        match self.caller {
            Caller::Administrator => "administrator".to_owned(),
            Caller::Operator { id } => format!("operator:{id}"),
            Caller::Traveller { id, .. } => format!("traveller:{id}"),
            Caller::Nobody => "nobody".to_owned(),
        }
    }

    async fn require_access(&self, account: &Account) -> Result<(), Problem> {
        let owner: Owner = account.owner.parse().map_err(Problem::from)?;
        let asset = asset_name(&account.asset).map_err(Problem::from)?;
        if let Owner::Issuance(issued) = &owner
            && *issued != asset
        {
            return Err(Problem::bad_request(format!("{owner} is not an account of {asset}")));
        }
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
        let id = account_id(&owner, &asset);
        let log = self.store.entries(MACHINE, from, COMMANDS).await?;
        let mut page = LedgerPage { entries: Vec::new(), next: from, is_end: log.len() < COMMANDS as usize };
        for command in log {
            if page.entries.len() >= ENTRIES {
                page.is_end = false;
                break;
            }
            page.next = command.position.saturating_add(1);
            if let Ok(Command::CreateTransfers { transfers, .. }) = codec::decode_command(&command.command) {
                for bytes in transfers {
                    let transfer = Transfer::decode(bytes);
                    if transfer.debit == id || transfer.credit == id {
                        page.entries.extend(self.entry(id, command.position, &transfer).await?);
                    }
                }
            }
        }
        Ok(page)
    }
}

impl<S: Kv + Machines> Ours<'_, S> {
    /// The entry that a transfer in the log is, if the ledger made it there: the log has what was
    /// asked for, refused and repeated transfers included.
    async fn entry(
        &self,
        account: u128,
        position: u64,
        transfer: &Transfer,
    ) -> Result<Option<LedgerEntry>, Problem> {
        let Some(view) = ledger::transfer(self.store, transfer.id).await? else { return Ok(None) };
        if view.answer.outcome != Outcome::Created
            || view.answer.position != position
            || view.transfer != *transfer
        {
            return Ok(None);
        }
        let is_credit = transfer.credit == account;
        let counterparty = if is_credit { &view.debit_owner } else { &view.credit_owner };
        let size = i128::try_from(transfer.amount).unwrap_or(i128::MAX);
        let memo = Text::<{ codec::USER_DATA_LENGTH }>::from_bytes(transfer.user_data).unwrap_or(Text::EMPTY);
        Ok(Some(LedgerEntry {
            transfer: id_text(transfer.id),
            position,
            time: view.answer.time,
            date: day_of(view.answer.time),
            amount: Money(if is_credit { size } else { -size }),
            memo: memo.as_str().to_owned(),
            counterparty: counterparty.as_str().to_owned(),
        }))
    }
}

/// The day, in UTC, of a time in milliseconds since the Unix epoch.
fn day_of(time: u64) -> NaiveDate {
    let time = i64::try_from(time).unwrap_or(i64::MAX);
    DateTime::from_timestamp_millis(time).map_or(NaiveDate::MAX, |time| time.date_naive())
}
