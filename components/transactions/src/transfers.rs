//! Transfers: making one, and reading its receipt.
//!
//! A transfer is idempotent by its caller's key: the key becomes the transfer's id in
//! the ledger, which keeps the first answer for ever, refusals included. What is
//! refused before the ledger is asked (a malformed body, a foreign account, an unknown
//! world) leaves the key unused.

use crate::amount::Amount;
use crate::authority::{operator_of, require_owner};
use crate::orders::{self, Accounts, Kind, Order, Parties, Party, Wanted};
use crate::reference::{Owner, id_text, parse_id, transfer_id};
use crate::signed::{self, Signed};
use crate::{Error, ledger};
use serde::{Deserialize, Serialize};
use vwp_core::caller::Caller;
use vwp_core::directory;
use vwp_core::{Environment, Problem};
use vwp_ledger::codec::{self, Answer, Opening, Outcome, Transfer, TransferView};
use vwp_storage::{Kv, Machines};

/// What an operator signs to make a transfer: an order with its idempotency key.
impl Signed for Order {
    const TYPE: &'static str = "vwp-transfer+jws";
}

/// Says that a transfer was made, and where in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The transfer's id: 32 hexadecimal digits.
    pub transfer_id: String,
    /// Its command's position in the ledger's log.
    pub position: u64,
    /// When it was made, in milliseconds since the Unix epoch.
    pub time: u64,
    /// What it did.
    #[serde(default, skip_serializing_if = "Kind::is_plain")]
    pub kind: Kind,
    /// The transfer that it follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The account that was debited, or on which an amount was held or released.
    pub from: String,
    /// The account that was credited, or for which an amount was held or released.
    pub to: String,
    /// `code@world`.
    pub asset: String,
    /// How much was moved, held or released, in minor units.
    pub amount: Amount,
    /// What the caller wanted to find with it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memo: Option<String>,
    /// The caller's word for why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// The day from which on it counts in statements, if that is another one than the log's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_date: Option<String>,
    /// The SHA-256 of the preimage that posting this hold takes, in base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// When this hold expires, in milliseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// What has become of this hold. Only where a transfer is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// How much of it was moved back, if anything. Only where a transfer is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned: Option<Amount>,
}

/// What has become of a hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Hold {
    /// It holds.
    Open,
    /// It was posted.
    Posted {
        /// The transfer that did.
        settled_by: String,
    },
    /// It was voided.
    Voided {
        /// The transfer that did.
        settled_by: String,
    },
    /// It expired.
    Expired,
}

impl Hold {
    fn of(view: &TransferView) -> Option<Self> {
        let settled_by = || id_text(view.settled_by);
        Some(match view.hold? {
            codec::HoldState::Open => Self::Open,
            codec::HoldState::Posted => Self::Posted { settled_by: settled_by() },
            codec::HoldState::Voided => Self::Voided { settled_by: settled_by() },
            codec::HoldState::Expired => Self::Expired,
        })
    }
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeTransfer {
    /// The receipt: the same one for every repeat.
    pub receipt: Receipt,
    /// Whether the transfer had been made before.
    pub repeated: bool,
}

/// Makes the transfer that a traveller asks for, or that the administrator does to issue what no world
/// issues. An operator signs its own.
pub async fn transfer<S: Kv + Machines>(
    store: &S,
    caller: &Caller,
    idempotency_key: &str,
    order: Order,
) -> Result<MadeTransfer, Error> {
    require_asker(caller, &order)?;
    if order.idempotency_key.is_some() {
        return Err(Error::Invalid("the header says the idempotency key, and the order does not".to_owned()));
    }
    make(store, caller, idempotency_key, &order).await
}

/// Makes the transfer that an operator signed.
pub async fn transfer_signed<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    signed: &str,
) -> Result<MadeTransfer, Error> {
    let (id, order) = signed::verify::<Order>(store, environment, signed).await?;
    let key = order.idempotency_key.as_deref().ok_or(Error::IdempotencyKeyMissing)?;
    make(store, &Caller::Operator { id }, key, &order).await
}

/// Requires that who asks without a signature is a traveller, or the administrator for what is issued.
fn require_asker(caller: &Caller, order: &Order) -> Result<(), Error> {
    let issues = order.from.as_deref().is_some_and(|from| from.starts_with("issuance:"));
    match caller {
        Caller::Traveller { .. } => Ok(()),
        Caller::Administrator if issues => Ok(()),
        Caller::Nobody => {
            Err(Problem::unauthorised("sign in, or send a body that an operator signed").into())
        }
        Caller::Operator { .. } | Caller::Administrator => {
            Err(Error::Forbidden("a transfer is a traveller's, or signed by an operator".to_owned()))
        }
    }
}

/// Reads a receipt. Only the owners of the two accounts may.
pub async fn get_transfer<S: Kv + Machines>(store: &S, caller: &Caller, id: &str) -> Result<Receipt, Error> {
    if *caller == Caller::Nobody {
        return Err(Problem::unauthorised("sign in, or send an operator's assertion").into());
    }
    let view = ledger::transfer(store, parse_id(id)?).await?.ok_or(Error::UnknownTransfer)?;
    // What has the id and is not in a batch is not a transfer.
    let kind = Kind::of_ledger(view.kind).ok_or(Error::UnknownTransfer)?;
    let sent = ledger::logged_transfer(store, &view).await?;
    let names = Names::of_logged(store, &view, &sent).await?;
    let mut party = false;
    for owner in [&names.from, &names.to] {
        let Ok(owner) = owner.parse::<Owner>() else { continue };
        match require_owner(store, caller, &owner).await {
            Ok(()) => party = true,
            // A world that has gone has no operator, so nobody is its party.
            Err(Error::Forbidden(_) | Error::UnknownWorld(_)) => {}
            Err(error) => return Err(error),
        }
    }
    if !party {
        return Err(Error::Forbidden("only the owners of its accounts read a transfer".to_owned()));
    }
    // A refused transfer has no receipt: whoever may read it learns why it was refused.
    ledger::require_created(&view.answer, &names.asset)?;
    let returned = (view.returned != 0).then_some(Amount(view.returned));
    let receipt = Receipt::new(kind, &sent, &view.answer, names);
    Ok(Receipt { hold: Hold::of(&view), returned, ..receipt })
}

/// The receipt of a transfer as who made it got it, of accounts whose owners are known: without what has become
/// of it since.
pub(crate) async fn receipt_as_made(
    store: &impl Machines,
    view: &TransferView,
    sent: &Transfer,
    (from, to): (String, String),
) -> Result<Receipt, Error> {
    let kind = Kind::of_ledger(view.kind).ok_or_else(Problem::internal)?;
    let asset = ledger::asset(store, view.asset).await?.ok_or_else(Problem::internal)?;
    let asset = asset.asset.name.as_str().to_owned();
    Ok(Receipt::new(kind, sent, &view.answer, Names { from, to, asset }))
}

/// Whose accounts a transfer has, and of which asset.
#[derive(Debug, Clone)]
struct Names {
    from: String,
    to: String,
    asset: String,
}

impl Names {
    fn of(from: &Party, to: &Party) -> Self {
        Self { from: from.owner.to_string(), to: to.owner.to_string(), asset: from.asset.to_string() }
    }

    async fn of_logged(store: &impl Machines, view: &TransferView, sent: &Transfer) -> Result<Self, Error> {
        // A refused one has no accounts in the ledger, and what follows another names none.
        let of = |kept: u128, sent: u128| if kept == 0 { sent } else { kept };
        Self::of_accounts(store, of(view.debit, sent.debit), of(view.credit, sent.credit)).await
    }

    async fn of_accounts(store: &impl Machines, debit: u128, credit: u128) -> Result<Self, Error> {
        let accounts = [ledger::account(store, debit).await?, ledger::account(store, credit).await?];
        let asset = accounts.into_iter().flatten().next().map(|account| account.asset);
        let asset = match asset {
            Some(asset) => ledger::asset(store, asset).await?,
            None => None,
        };
        Ok(Self {
            from: ledger::owner_of(store, debit).await?.unwrap_or_default(),
            to: ledger::owner_of(store, credit).await?.unwrap_or_default(),
            asset: asset.map(|view| view.asset.name.as_str().to_owned()).unwrap_or_default(),
        })
    }
}

impl Receipt {
    fn new(kind: Kind, sent: &Transfer, answer: &Answer, names: Names) -> Self {
        Self {
            transfer_id: id_text(sent.id),
            position: answer.position,
            time: answer.time,
            kind,
            origin: kind.follows().then(|| id_text(sent.debit)),
            from: names.from,
            to: names.to,
            asset: names.asset,
            amount: Amount(answer.amount),
            memo: orders::memo_of(sent),
            code: (sent.code != 0).then_some(sent.code),
            effective_date: orders::date_text(sent.effective_day),
            condition: orders::condition_of(sent),
            expires_at: expires_at(sent, answer.time),
            hold: None,
            returned: None,
        }
    }
}

/// When a hold that was made at a time expires, if it does.
pub(crate) fn expires_at(sent: &Transfer, time: u64) -> Option<u64> {
    let timeout_s = u64::from(sent.timeout_s);
    (timeout_s != 0).then(|| time.saturating_add(timeout_s * 1000))
}

async fn make<S: Kv + Machines>(
    store: &S,
    caller: &Caller,
    idempotency_key: &str,
    order: &Order,
) -> Result<MadeTransfer, Error> {
    orders::require_key(idempotency_key)?;
    if order.linked {
        return Err(Error::Invalid("only in a bulk there is a next one to be linked with".to_owned()));
    }
    let id = transfer_id(caller, idempotency_key)?;
    let Wanted { accounts, transfer } = orders::read(&mut Parties::default(), caller, id, order)?;
    let (answer, names) = match &accounts {
        Accounts::Named { from, to } => {
            require_owner(store, caller, &from.owner).await?;
            (move_to(store, to, &transfer).await?, Names::of(from, to))
        }
        Accounts::Of { origin } => {
            let origin = moved(store, *origin).await?;
            require_credited(store, caller, &origin).await?;
            require_returnable(store, &origin).await?;
            let moves_back = matches!(order.kind, Kind::Reverse | Kind::Refund);
            let (debit, credit) =
                if moves_back { (origin.credit, origin.debit) } else { (origin.debit, origin.credit) };
            let names = Names::of_accounts(store, debit, credit).await?;
            (ledger::create_transfer(store, None, &transfer).await?, names)
        }
    };
    ledger::require_created(&answer, &names.asset)?;
    let receipt = Receipt::new(order.kind, &transfer, &answer, names);
    Ok(MadeTransfer { receipt, repeated: answer.repeated })
}

async fn move_to<S: Kv + Machines>(store: &S, to: &Party, transfer: &Transfer) -> Result<Answer, Error> {
    match require_known_receiver(store, &to.owner).await {
        Ok(()) => {
            let opening: Option<Opening> = to.opening()?;
            ledger::create_transfer(store, opening.as_ref(), transfer).await
        }
        // The receiver may have gone since the first time: a repeat still gets its answer.
        Err(error @ (Error::UnknownWorld(_) | Error::UnknownTraveller(_))) => {
            ledger::known_transfer(store, transfer).await?.ok_or(error)
        }
        Err(error) => Err(error),
    }
}

/// A transfer that moved or holds something.
pub(crate) async fn moved(store: &impl Machines, id: u128) -> Result<TransferView, Error> {
    let view = ledger::transfer(store, id).await?.filter(|view| view.answer.outcome == Outcome::Created);
    view.filter(|view| view.credit != 0).ok_or(Error::UnknownTransfer)
}

/// Requires that what follows a transfer is asked for by who that one credited, or would: a hold is the
/// receiver's to take or to give up, and what moved is the receiver's to move back.
pub(crate) async fn require_credited<S: Kv + Machines>(
    store: &S,
    caller: &Caller,
    origin: &TransferView,
) -> Result<(), Error> {
    let forbidden =
        || Error::Forbidden("only the owner of the account that a transfer credits follows it".to_owned());
    let owner = ledger::owner_of(store, origin.credit).await?.ok_or_else(forbidden)?;
    match require_owner(store, caller, &owner.parse()?).await {
        Err(Error::Forbidden(_) | Error::UnknownWorld(_)) => Err(forbidden()),
        other => other,
    }
}

/// Requires that what would be followed did not come from an account of the port's own: moved back there,
/// nobody could take it.
pub(crate) async fn require_returnable(store: &impl Machines, origin: &TransferView) -> Result<(), Error> {
    let owner = ledger::owner_of(store, origin.debit).await?.unwrap_or_default();
    match owner.parse() {
        Ok(Owner::Escrow { .. }) => {
            Err(Error::Forbidden("what an escrow paid is given back with another transfer".to_owned()))
        }
        Ok(Owner::Processor(_)) => {
            Err(Error::Forbidden("what was paid through a processor is refunded as a payment".to_owned()))
        }
        _ => Ok(()),
    }
}

/// Money that is credited to nobody is lost, so the receiver must exist.
pub(crate) async fn require_known_receiver(store: &impl Kv, to: &Owner) -> Result<(), Error> {
    if let Owner::Traveller(id) = to {
        let known = store.get(&directory::traveller_key(id)).await?;
        return known.map(|_| ()).ok_or_else(|| Error::UnknownTraveller(id.clone()));
    }
    match to.world() {
        Some(world) => operator_of(store, world).await.map(|_| ()),
        None => Ok(()),
    }
}
