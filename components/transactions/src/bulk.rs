//! Many transfers in one request, each with an answer of its own.
//!
//! What is wrong with the request (a malformed order, a foreign account, an unknown receiver) refuses
//! all of it, and names the order; nothing was done then. What the ledger refuses is the answer to that
//! order alone, or to its chain: orders that are linked succeed or fail as one.
//!
//! All orders go to the ledger in one command, or in as few as hold them; those of a chain are in one.

use crate::amount::Amount;
use crate::authority::require_owner;
use crate::orders::{self, Accounts, Order, Parties, Party, Wanted};
use crate::reference::{Owner, id_text, transfer_id};
use crate::transfers;
use crate::{Error, ledger};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use vwp_core::caller::Caller;
use vwp_core::{Problem, directory};
use vwp_ledger::codec::{Answer, BATCH_ITEMS_MAX, CHAIN_ITEMS_MAX, Flags, Opening, Transfer};
use vwp_storage::kv::READ_KEYS_MAX;
use vwp_storage::{Kv, Machines};

/// The most transfers in a bulk.
pub const BULK_TRANSFERS_MAX: usize = 8190;
/// How many accounts of its own a caller names in a bulk, at most: each is looked up.
pub const BULK_OWN_ACCOUNTS_MAX: usize = 64;

/// Transfers that are asked for together.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bulk {
    /// The orders, each with its idempotency key.
    pub transfers: Vec<Order>,
}

/// What became of one order.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    /// The transfer's id.
    pub id: u128,
    /// Its command's position in the ledger's log, and that one's time.
    pub answer: Answer,
    /// What it moved, or why it did not.
    pub result: Result<u128, Error>,
}

/// What became of the orders of a bulk, in their order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BulkResult {
    /// One for each.
    pub transfers: Vec<SettledInfo>,
}

/// What became of one order, as callers see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum SettledInfo {
    /// The transfer is in the ledger.
    Created {
        /// The transfer's id.
        transfer_id: String,
        /// Its command's position in the ledger's log.
        position: u64,
        /// When it was made, in milliseconds since the Unix epoch.
        time: u64,
        /// How much was moved, held or released, in minor units.
        amount: Amount,
        /// Whether it had been made before.
        repeated: bool,
    },
    /// It is not, and will not be.
    Refused {
        /// The transfer's id.
        transfer_id: String,
        /// Why (RFC 9457).
        problem: BTreeMap<String, Value>,
    },
}

impl From<Settled> for SettledInfo {
    fn from(settled: Settled) -> Self {
        let transfer_id = id_text(settled.id);
        let Answer { position, time, repeated, .. } = settled.answer;
        match settled.result {
            Ok(amount) => {
                let amount = Amount(amount);
                Self::Created { transfer_id, position, time, amount, repeated }
            }
            Err(error) => Self::Refused { transfer_id, problem: Problem::from(error).document() },
        }
    }
}

/// Makes the transfers of a bulk. The answers are in the order of the orders.
pub async fn transfer_bulk<S: Kv + Machines>(
    store: &S,
    caller: &Caller,
    orders: &[Order],
) -> Result<Vec<Settled>, Error> {
    if orders.is_empty() || orders.len() > BULK_TRANSFERS_MAX {
        return Err(Error::Invalid(format!("a bulk has 1 to {BULK_TRANSFERS_MAX} transfers")));
    }
    let mut parties = Parties::default();
    let mut wanted = Vec::with_capacity(orders.len());
    for (number, order) in orders.iter().enumerate() {
        let read = read(&mut parties, caller, order).map_err(|error| at(number, error))?;
        wanted.push(read);
    }
    require_chains(orders)?;
    require_own(store, caller, &wanted).await?;
    require_receivers(store, &wanted).await?;
    let mut answers = Vec::with_capacity(wanted.len());
    for Batch { openings, transfers } in batches(&wanted)? {
        let openings: Vec<Opening> = openings.into_values().collect();
        answers.extend(ledger::create_transfers(store, &openings, &transfers).await?);
    }
    Ok(wanted
        .iter()
        .zip(orders)
        .zip(answers)
        .map(|((wanted, order), answer)| settled(wanted, order, answer))
        .collect())
}

fn read(parties: &mut Parties, caller: &Caller, order: &Order) -> Result<Wanted, Error> {
    let key = order.idempotency_key.as_deref().ok_or(Error::IdempotencyKeyMissing)?;
    orders::require_key(key)?;
    orders::read(parties, caller, transfer_id(caller, key)?, order)
}

fn settled(wanted: &Wanted, order: &Order, answer: Answer) -> Settled {
    let asset = order.asset.as_deref().unwrap_or_default();
    let result = ledger::require_created(&answer, asset).map(|()| answer.amount);
    Settled { id: wanted.transfer.id, answer, result }
}

/// Says which order a refusal is about.
pub fn at(number: usize, error: Error) -> Error {
    match error {
        Error::Invalid(text) => Error::Invalid(format!("transfers[{number}]: {text}")),
        Error::Forbidden(text) => Error::Forbidden(format!("transfers[{number}]: {text}")),
        other => other,
    }
}

fn require_chains(orders: &[Order]) -> Result<(), Error> {
    let mut length = 0_usize;
    for (number, order) in orders.iter().enumerate() {
        length += 1;
        if length > CHAIN_ITEMS_MAX {
            return Err(Error::Invalid(format!(
                "transfers[{number}]: more than {CHAIN_ITEMS_MAX} transfers are linked"
            )));
        }
        if !order.linked {
            length = 0;
        }
    }
    if length != 0 {
        return Err(Error::Invalid("the last transfer is linked with one that is not there".to_owned()));
    }
    Ok(())
}

/// Requires that the caller may debit what is debited, and follow what is followed.
async fn require_own<S: Kv + Machines>(store: &S, caller: &Caller, wanted: &[Wanted]) -> Result<(), Error> {
    let mut own: BTreeSet<(bool, u128)> = BTreeSet::new();
    let mut payers: BTreeSet<u128> = BTreeSet::new();
    for (number, wanted) in wanted.iter().enumerate() {
        let known = match &wanted.accounts {
            Accounts::Named { from, .. } if own.insert((false, from.id)) => {
                require_owner(store, caller, &from.owner).await
            }
            Accounts::Of { origin } => {
                let view = transfers::moved(store, *origin).await?;
                if own.insert((true, view.credit)) {
                    transfers::require_credited(store, caller, &view)
                        .await
                        .map_err(|error| at(number, error))?;
                }
                let is_new = payers.insert(view.debit);
                if is_new { transfers::require_returnable(store, &view).await } else { Ok(()) }
            }
            Accounts::Named { .. } => Ok(()),
        };
        known.map_err(|error| at(number, error))?;
        if own.len() > BULK_OWN_ACCOUNTS_MAX {
            return Err(Error::Invalid(format!(
                "a bulk names at most {BULK_OWN_ACCOUNTS_MAX} accounts of the caller's"
            )));
        }
    }
    Ok(())
}

/// Requires that who is credited exists, unless the transfer was made before: its answer stays.
async fn require_receivers<S: Kv + Machines>(store: &S, wanted: &[Wanted]) -> Result<(), Error> {
    let mut receivers: BTreeMap<u128, &Rc<Party>> = BTreeMap::new();
    for wanted in wanted {
        if let Accounts::Named { to, .. } = &wanted.accounts {
            receivers.insert(to.id, to);
        }
    }
    let keyed: Vec<(u128, Vec<u8>)> =
        receivers.iter().filter_map(|(id, party)| Some((*id, directory_key(&party.owner)?))).collect();
    let mut gone: BTreeSet<u128> = BTreeSet::new();
    for page in keyed.chunks(READ_KEYS_MAX) {
        let keys: Vec<Vec<u8>> = page.iter().map(|(_, key)| key.clone()).collect();
        let entries = store.get_many(&keys).await?;
        gone.extend(page.iter().zip(entries).filter(|(_, entry)| entry.is_none()).map(|((id, _), _)| *id));
    }
    for wanted in wanted {
        let Accounts::Named { to, .. } = &wanted.accounts else { continue };
        if gone.contains(&to.id) && ledger::known_transfer(store, &wanted.transfer).await?.is_none() {
            return Err(unknown(&to.owner));
        }
    }
    Ok(())
}

/// Where the directory has an owner; none for an issuance account.
fn directory_key(owner: &Owner) -> Option<Vec<u8>> {
    match owner {
        Owner::Traveller(id) => Some(directory::traveller_key(id)),
        _ => owner.world().map(directory::world_key),
    }
}

fn unknown(owner: &Owner) -> Error {
    match owner {
        Owner::Traveller(id) => Error::UnknownTraveller(id.clone()),
        Owner::World(world) | Owner::Liquidity(world) | Owner::Rounding(world) => {
            Error::UnknownWorld(world.to_string())
        }
        Owner::Issuance(asset) => Error::UnknownAsset(asset.to_string()),
        Owner::Escrow { .. } => Error::UnknownEscrow,
        Owner::Processor(_) => Error::UnknownPayment,
    }
}

/// What goes to the ledger in one command.
#[derive(Default)]
struct Batch {
    openings: BTreeMap<u128, Opening>,
    transfers: Vec<Transfer>,
}

impl Batch {
    /// Whether a chain fits as well, if each of its transfers opens an account.
    fn has_room(&self, chain: &[Wanted]) -> bool {
        self.openings.len() + self.transfers.len() + 2 * chain.len() <= BATCH_ITEMS_MAX
    }

    fn add(&mut self, chain: &[Wanted]) -> Result<(), Error> {
        for wanted in chain {
            self.transfers.push(wanted.transfer);
            if let Accounts::Named { to, .. } = &wanted.accounts
                && !self.openings.contains_key(&to.id)
                && let Some(opening) = to.opening()?
            {
                self.openings.insert(to.id, opening);
            }
        }
        Ok(())
    }
}

/// The transfers in as few batches as hold them. A chain is in one.
fn batches(wanted: &[Wanted]) -> Result<Vec<Batch>, Error> {
    let mut batches = Vec::new();
    let mut batch = Batch::default();
    for chain in wanted.chunk_by(|one, _| one.transfer.flags.contains(Flags::LINKED)) {
        if !batch.has_room(chain) {
            batches.push(std::mem::take(&mut batch));
        }
        batch.add(chain)?;
    }
    batches.push(batch);
    Ok(batches)
}
