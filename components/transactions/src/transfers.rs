//! Transfers: making one, and reading its receipt.
//!
//! A transfer is idempotent by its caller's key: the key becomes the transfer's id in
//! the ledger, which keeps the first answer for ever, refusals included. What is
//! refused before the ledger is asked (a malformed body, a foreign account, an unknown
//! world) leaves the key unused.

use crate::amount::Amount;
use crate::authority::{operator_of, require_owner};
use crate::reference::{Owner, account_id, asset_id, asset_name, id_text, parse_id, transfer_id};
use crate::signed::{self, Signed};
use crate::{Error, ledger};
use serde::{Deserialize, Serialize};
use vwp_core::caller::Caller;
use vwp_core::directory;
use vwp_core::name::AssetName;
use vwp_core::{Environment, Problem};
use vwp_ledger::codec::{Answer, Kind, MEMO_LENGTH, Memo, Opening, Text, Transfer, TransferView};
use vwp_storage::{Kv, Machines};

/// The longest idempotency key.
pub const IDEMPOTENCY_KEY_LENGTH_MAX: usize = 128;
/// The longest memo, in bytes.
pub const MEMO_LENGTH_MAX: usize = MEMO_LENGTH;

/// What a caller asks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The account to debit; a traveller's own if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The account to credit.
    pub to: String,
    /// `code@world`.
    pub asset: String,
    /// How much, in minor units.
    pub amount: Amount,
    /// What the caller wants to find with it again: 1 to 48 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memo: Option<String>,
}

/// What an operator signs to make a transfer: a JWS of type `vwp-transfer+jws`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedOrder {
    /// What makes a repeat harmless: 1 to 128 visible ASCII characters.
    pub idempotency_key: String,
    /// The account to debit.
    pub from: String,
    /// The account to credit.
    pub to: String,
    /// `code@world`.
    pub asset: String,
    /// How much, in minor units.
    pub amount: Amount,
    /// What the operator wants to find with it again: 1 to 48 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memo: Option<String>,
    /// When this was signed, in seconds.
    pub iat: u64,
    /// This port's URL.
    pub aud: String,
}

impl Signed for SignedOrder {
    const TYPE: &'static str = "vwp-transfer+jws";

    fn issued_at(&self) -> u64 {
        self.iat
    }

    fn audience(&self) -> &str {
        &self.aud
    }
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
    /// The account that was debited.
    pub from: String,
    /// The account that was credited.
    pub to: String,
    /// `code@world`.
    pub asset: String,
    /// How much, in minor units.
    pub amount: Amount,
    /// What the caller wanted to find with it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memo: Option<String>,
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeTransfer {
    /// The receipt: the same one for every repeat.
    pub receipt: Receipt,
    /// Whether the transfer had been made before.
    pub repeated: bool,
}

/// Makes the transfer that a traveller asks for. An operator signs its own.
pub async fn transfer<S: Kv + Machines>(
    store: &S,
    caller: &Caller,
    idempotency_key: &str,
    order: Order,
) -> Result<MadeTransfer, Error> {
    match caller {
        Caller::Traveller { .. } => make(store, caller, idempotency_key, order).await,
        Caller::Nobody => {
            Err(Problem::unauthorised("sign in, or send a body that an operator signed").into())
        }
        Caller::Operator { .. } | Caller::Administrator => {
            Err(Error::Forbidden("a transfer is a traveller's, or signed by an operator".to_owned()))
        }
    }
}

/// Makes the transfer that an operator signed.
pub async fn transfer_signed<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    signed: &str,
) -> Result<MadeTransfer, Error> {
    let (id, body) = signed::verify::<SignedOrder>(store, environment, signed).await?;
    let SignedOrder { idempotency_key, from, to, asset, amount, memo, .. } = body;
    let order = Order { from: Some(from), to, asset, amount, memo };
    make(store, &Caller::Operator { id }, &idempotency_key, order).await
}

/// Reads a receipt. Only the owners of the two accounts may.
pub async fn get_transfer<S: Kv + Machines>(store: &S, caller: &Caller, id: &str) -> Result<Receipt, Error> {
    if *caller == Caller::Nobody {
        return Err(Problem::unauthorised("sign in, or send an operator's assertion").into());
    }
    let view = ledger::transfer(store, parse_id(id)?).await?.ok_or(Error::UnknownTransfer)?;
    let logged = logged(store, &view).await?;
    let mut party = false;
    for owner in [&logged.from, &logged.to] {
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
    ledger::require_created(&view.answer, &logged.asset)?;
    Ok(receipt_of(&view, logged))
}

/// What the log says about a transfer.
struct Logged {
    from: String,
    to: String,
    asset: String,
    memo: Option<String>,
}

async fn logged(store: &impl Machines, view: &TransferView) -> Result<Logged, Error> {
    // What has the id and is not in a batch is not a transfer.
    if matches!(view.kind, Kind::Setting | Kind::Rules) {
        return Err(Error::UnknownTransfer);
    }
    let transfer = ledger::logged_transfer(store, view).await?;
    // What follows another transfer names no accounts; a refused one has none in the ledger.
    let of = |kept: u128, sent: u128| if kept == 0 { sent } else { kept };
    let (debit, credit) = (of(view.debit, transfer.debit), of(view.credit, transfer.credit));
    let accounts = [ledger::account(store, debit).await?, ledger::account(store, credit).await?];
    let asset = accounts.into_iter().flatten().next().map(|account| account.asset);
    let asset = match asset {
        Some(asset) => ledger::asset(store, asset).await?,
        None => None,
    };
    Ok(Logged {
        from: ledger::owner_of(store, debit).await?.unwrap_or_default(),
        to: ledger::owner_of(store, credit).await?.unwrap_or_default(),
        asset: asset.map(|view| view.asset.name.as_str().to_owned()).unwrap_or_default(),
        memo: memo_of(&transfer),
    })
}

async fn make<S: Kv + Machines>(
    store: &S,
    caller: &Caller,
    idempotency_key: &str,
    order: Order,
) -> Result<MadeTransfer, Error> {
    require_key(idempotency_key)?;
    let wanted = Wanted::read(caller, idempotency_key, &order)?;
    require_owner(store, caller, &wanted.from).await?;
    let answer = match require_known_receiver(store, &wanted.to).await {
        Ok(()) => ledger::create_transfer(store, wanted.opening.as_ref(), &wanted.transfer).await?,
        // The receiver may have gone since the first time: a repeat still gets its answer.
        Err(error @ (Error::UnknownWorld(_) | Error::UnknownTraveller(_))) => {
            ledger::known_transfer(store, &wanted.transfer).await?.ok_or(error)?
        }
        Err(error) => return Err(error),
    };
    ledger::require_created(&answer, &order.asset)?;
    Ok(MadeTransfer { receipt: wanted.receipt(&order, &answer), repeated: answer.repeated })
}

/// An order that was read.
struct Wanted {
    from: Owner,
    to: Owner,
    /// None for an issuance account, which is opened with its asset.
    opening: Option<Opening>,
    transfer: Transfer,
}

impl Wanted {
    fn read(caller: &Caller, idempotency_key: &str, order: &Order) -> Result<Self, Error> {
        let asset = asset_name(&order.asset)?;
        let from = match (&order.from, caller) {
            (Some(from), _) => from.parse()?,
            (None, Caller::Traveller { id, .. }) => format!("traveller:{id}").parse()?,
            (None, _) => return Err(Error::Invalid("from is missing".to_owned())),
        };
        let to: Owner = order.to.parse()?;
        for owner in [&from, &to] {
            require_same_asset(owner, &asset)?;
        }
        let transfer = Transfer {
            id: transfer_id(caller, idempotency_key)?,
            debit: account_id(&from, &asset),
            credit: account_id(&to, &asset),
            amount: order.amount.0,
            memo: Memo(*memo(order.memo.as_deref())?.bytes()),
            ..Transfer::default()
        };
        let opening = match &to {
            Owner::Issuance(_) => None,
            other => {
                let owner = Text::new(&other.to_string()).ok_or_else(Problem::internal)?;
                Some(Opening::new(transfer.credit, asset_id(&asset), owner))
            }
        };
        Ok(Self { from, to, opening, transfer })
    }

    fn receipt(&self, order: &Order, answer: &Answer) -> Receipt {
        Receipt {
            transfer_id: id_text(self.transfer.id),
            position: answer.position,
            time: answer.time,
            from: self.from.to_string(),
            to: self.to.to_string(),
            asset: order.asset.clone(),
            amount: order.amount,
            memo: order.memo.clone(),
        }
    }
}

fn receipt_of(view: &TransferView, logged: Logged) -> Receipt {
    Receipt {
        transfer_id: id_text(view.id),
        position: view.answer.position,
        time: view.answer.time,
        from: logged.from,
        to: logged.to,
        asset: logged.asset,
        amount: Amount(view.answer.amount),
        memo: logged.memo,
    }
}

/// What the caller of a transfer wanted to find with it again.
pub(crate) fn memo_of(transfer: &Transfer) -> Option<String> {
    let memo = Text::<MEMO_LENGTH_MAX>::from_bytes(transfer.memo.0).unwrap_or(Text::EMPTY);
    (!memo.is_empty()).then(|| memo.as_str().to_owned())
}

fn require_key(key: &str) -> Result<(), Error> {
    if key.is_empty() {
        return Err(Error::IdempotencyKeyMissing);
    }
    if key.len() > IDEMPOTENCY_KEY_LENGTH_MAX || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::Invalid(format!(
            "an idempotency key has 1 to {IDEMPOTENCY_KEY_LENGTH_MAX} visible ASCII characters"
        )));
    }
    Ok(())
}

/// An issuance account is of one asset only.
fn require_same_asset(owner: &Owner, asset: &AssetName) -> Result<(), Error> {
    match owner {
        Owner::Issuance(other) if other != asset => {
            Err(Error::Invalid(format!("{owner} is not an account of {asset}")))
        }
        _ => Ok(()),
    }
}

/// Money that is credited to nobody is lost, so the receiver must exist.
async fn require_known_receiver(store: &impl Kv, to: &Owner) -> Result<(), Error> {
    match to {
        Owner::World(world) => operator_of(store, world).await.map(|_| ()),
        Owner::Traveller(id) => match store.get(&directory::traveller_key(id)).await? {
            Some(_) => Ok(()),
            None => Err(Error::UnknownTraveller(id.clone())),
        },
        Owner::Issuance(_) => Ok(()),
    }
}

fn memo(memo: Option<&str>) -> Result<Text<MEMO_LENGTH_MAX>, Error> {
    let Some(memo) = memo else { return Ok(Text::EMPTY) };
    let invalid = || Error::Invalid(format!("a memo has 1 to {MEMO_LENGTH_MAX} bytes, none of them control"));
    if memo.is_empty() || memo.chars().any(char::is_control) {
        return Err(invalid());
    }
    Text::new(memo).ok_or_else(invalid)
}
