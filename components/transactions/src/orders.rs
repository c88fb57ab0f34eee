//! What callers ask for, and the item of the ledger that it becomes.

use crate::Error;
use crate::amount::Amount;
use crate::names::AssetName;
use crate::reference::{Owner, account_id, asset_id, asset_name, parse_id, require_same_asset};
use base64ct::{Base64UrlUnpadded, Encoding};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::rc::Rc;
use vwp_core::Problem;
use vwp_core::caller::Caller;
use vwp_ledger::codec::{self, AccountFlags, Flags, LOCK_LENGTH, MEMO_LENGTH, Memo, Opening, Text, Transfer};

/// The longest idempotency key.
pub const IDEMPOTENCY_KEY_LENGTH_MAX: usize = 128;
/// The longest memo, in bytes; half of a locked hold's or of its post's.
pub const MEMO_LENGTH_MAX: usize = MEMO_LENGTH;
/// The longest time that a hold may be open, in seconds: what is held is the receiver's to release,
/// and a receiver that is gone must not keep it.
pub const TIMEOUT_S_MAX: u32 = 366 * 86_400;

/// What a transfer does. The words are the ledger's, and the field's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Moves an amount from one account to another.
    #[default]
    Plain,
    /// Holds an amount until it is posted or voided, or expires.
    Pending,
    /// Moves what a hold holds, or a part of it, and releases the rest.
    Post,
    /// Releases what a hold holds.
    Void,
    /// Moves back exactly what another transfer moved.
    Reverse,
    /// Moves back some of what another transfer moved, by the receiver's will.
    Refund,
    /// Moves back some of what another transfer moved, by a processor's word. Nobody asks for one here.
    Chargeback,
}

impl Kind {
    /// The kind as callers know it; none for what is no transfer.
    pub fn of_ledger(kind: codec::Kind) -> Option<Self> {
        Some(match kind {
            codec::Kind::Plain => Self::Plain,
            codec::Kind::Pending => Self::Pending,
            codec::Kind::Post => Self::Post,
            codec::Kind::Void => Self::Void,
            codec::Kind::Reverse => Self::Reverse,
            codec::Kind::Refund => Self::Refund,
            codec::Kind::Chargeback => Self::Chargeback,
            codec::Kind::Setting | codec::Kind::Rules => return None,
        })
    }

    pub(crate) fn to_ledger(self) -> codec::Kind {
        match self {
            Self::Plain => codec::Kind::Plain,
            Self::Pending => codec::Kind::Pending,
            Self::Post => codec::Kind::Post,
            Self::Void => codec::Kind::Void,
            Self::Reverse => codec::Kind::Reverse,
            Self::Refund => codec::Kind::Refund,
            Self::Chargeback => codec::Kind::Chargeback,
        }
    }

    /// The kind as it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Pending => "pending",
            Self::Post => "post",
            Self::Void => "void",
            Self::Reverse => "reverse",
            Self::Refund => "refund",
            Self::Chargeback => "chargeback",
        }
    }

    /// Whether it follows another transfer, and has that one's accounts.
    pub fn follows(self) -> bool {
        !matches!(self, Self::Plain | Self::Pending)
    }

    /// Whether it is what a receipt need not say.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it skips by reference")]
    pub(crate) fn is_plain(&self) -> bool {
        *self == Self::Plain
    }
}

/// Which account a balancing transfer looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Balancing {
    /// At most what the debited account can give.
    Debit,
    /// At most what the credited account can take.
    Credit,
    /// At most what both allow.
    Both,
}

/// What a caller asks for. Which members it has depends on its kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Order {
    /// What makes a repeat harmless: 1 to 128 visible ASCII characters. In a body that is signed and in
    /// a bulk; elsewhere the header `Idempotency-Key` says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// What it does.
    #[serde(skip_serializing_if = "Kind::is_plain")]
    pub kind: Kind,
    /// The account to debit; a traveller's own if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The account to credit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// `code@world`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset: Option<String>,
    /// The transfer that it follows, by id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// How much, in minor units; none for a void, a reversal, and for posting all of a hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    /// What the caller wants to find with it again: 1 to 48 bytes; 16 if there is a condition or a
    /// preimage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memo: Option<String>,
    /// The caller's word for why, by which a history is filtered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// The day from which on it counts in statements (`2026-11-28`): today, or at most 92
    /// days ago.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_date: Option<String>,
    /// Whether it moves or holds less if an account does not allow it all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balancing: Option<Balancing>,
    /// After how many seconds a hold expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u32>,
    /// The SHA-256 of the preimage that posting a hold takes, in base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// The 32 bytes that a hold's condition asks for, in base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preimage: Option<String>,
    /// In a bulk: whether it succeeds or fails as one with the next one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub linked: bool,
}

/// An account by its names.
#[derive(Debug)]
pub(crate) struct Party {
    pub(crate) owner: Owner,
    pub(crate) asset: AssetName,
    pub(crate) id: u128,
}

impl Party {
    /// What opens the account, unless it is one that is opened with its asset.
    pub(crate) fn opening(&self) -> Result<Option<Opening>, Error> {
        if matches!(self.owner, Owner::Issuance(_)) {
            return Ok(None);
        }
        let owner = Text::new(&self.owner.to_string()).ok_or_else(Problem::internal)?;
        let opening = Opening::new(self.id, asset_id(&self.asset), owner);
        let flags = match self.owner {
            // What is at a processor is the port's, and owed to those who are credited with it.
            Owner::Processor(_) => AccountFlags::DEBIT_NORMAL,
            _ => AccountFlags::NONE,
        };
        Ok(Some(Opening { flags, ..opening }))
    }
}

/// The parties that orders name. Each is read once, because a bulk names few of them often, and an
/// account's id costs a hash.
#[derive(Debug, Default)]
pub(crate) struct Parties {
    by_asset: BTreeMap<String, (AssetName, BTreeMap<String, Rc<Party>>)>,
}

impl Parties {
    pub(crate) fn party(&mut self, owner: &str, asset: &str) -> Result<Rc<Party>, Error> {
        if !self.by_asset.contains_key(asset) {
            self.by_asset.insert(asset.to_owned(), (asset_name(asset)?, BTreeMap::new()));
        }
        let (name, parties) = self.by_asset.get_mut(asset).ok_or_else(Problem::internal)?;
        if let Some(party) = parties.get(owner) {
            return Ok(Rc::clone(party));
        }
        let read: Owner = owner.parse()?;
        if matches!(read, Owner::Escrow { .. }) {
            return Err(Error::Forbidden("an escrow's money moves by the escrow's terms only".to_owned()));
        }
        if matches!(read, Owner::Processor(_)) {
            return Err(Error::Forbidden(
                "a processor's money moves by payments and payouts only".to_owned(),
            ));
        }
        require_same_asset(&read, name)?;
        let id = account_id(&read, name);
        let party = Rc::new(Party { owner: read, asset: name.clone(), id });
        parties.insert(owner.to_owned(), Rc::clone(&party));
        Ok(party)
    }
}

/// Where the money of an order is.
#[derive(Debug, Clone)]
pub(crate) enum Accounts {
    /// Named by the order.
    Named { from: Rc<Party>, to: Rc<Party> },
    /// Those of the transfer that it follows.
    Of { origin: u128 },
}

/// An order that was read.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) accounts: Accounts,
    pub(crate) transfer: Transfer,
}

/// Reads an order of a caller, whose transfer has this id.
pub(crate) fn read(parties: &mut Parties, caller: &Caller, id: u128, order: &Order) -> Result<Wanted, Error> {
    let accounts = if order.kind.follows() { follows(order)? } else { moves(parties, caller, order)? };
    let transfer = Transfer {
        id,
        amount: order.amount.map_or(0, |amount| amount.0),
        timeout_s: timeout(order)?,
        effective_day: order.effective_date.as_deref().map_or(Ok(0), day_of)?,
        kind: order.kind.to_ledger(),
        flags: flags(order),
        code: order.code.unwrap_or_default(),
        memo: memo(order)?,
        ..Transfer::default()
    };
    let (debit, credit) = match &accounts {
        Accounts::Named { from, to } => (from.id, to.id),
        Accounts::Of { origin } => (*origin, 0),
    };
    Ok(Wanted { accounts, transfer: Transfer { debit, credit, ..transfer } })
}

fn moves(parties: &mut Parties, caller: &Caller, order: &Order) -> Result<Accounts, Error> {
    refuse(order, &[("origin", order.origin.is_some()), ("preimage", order.preimage.is_some())])?;
    let to = required(order, "to", order.to.as_deref())?;
    let asset = required(order, "asset", order.asset.as_deref())?;
    if order.amount.is_none() {
        return Err(missing(order, "amount"));
    }
    if order.kind != Kind::Pending {
        let held = [("timeout_s", order.timeout_s.is_some()), ("condition", order.condition.is_some())];
        refuse(order, &held)?;
    } else if order.effective_date.is_some() {
        refuse(order, &[("effective_date", true)])?;
    }
    let own = || Owner::own(caller).map(|owner| owner.to_string());
    let from = order.from.clone().or_else(own).ok_or_else(|| missing(order, "from"))?;
    let from = parties.party(&from, asset)?;
    Ok(Accounts::Named { from, to: parties.party(to, asset)? })
}

fn follows(order: &Order) -> Result<Accounts, Error> {
    if order.kind == Kind::Chargeback {
        return Err(Error::Invalid("a chargeback is asked for by nobody".to_owned()));
    }
    let is_post = order.kind == Kind::Post;
    let whole = matches!(order.kind, Kind::Void | Kind::Reverse);
    let foreign = [
        ("from", order.from.is_some()),
        ("to", order.to.is_some()),
        ("asset", order.asset.is_some()),
        ("balancing", order.balancing.is_some()),
        ("timeout_s", order.timeout_s.is_some()),
        ("condition", order.condition.is_some()),
        ("amount", whole && order.amount.is_some()),
        ("effective_date", order.kind == Kind::Void && order.effective_date.is_some()),
        ("preimage", !is_post && order.preimage.is_some()),
    ];
    refuse(order, &foreign)?;
    match order.amount {
        // In the ledger zero stands for all of it, which a caller says by leaving it out.
        Some(Amount(0)) => return Err(Error::ZeroAmount),
        None if order.kind == Kind::Refund => return Err(missing(order, "amount")),
        _ => {}
    }
    Ok(Accounts::Of { origin: parse_id(required(order, "origin", order.origin.as_deref())?)? })
}

/// Refuses members that an order of its kind does not have.
fn refuse(order: &Order, members: &[(&str, bool)]) -> Result<(), Error> {
    match members.iter().find(|(_, is_there)| *is_there) {
        Some((member, _)) => {
            Err(Error::Invalid(format!("a transfer of kind {} has no {member}", order.kind.name())))
        }
        None => Ok(()),
    }
}

fn required<'a>(order: &Order, member: &str, value: Option<&'a str>) -> Result<&'a str, Error> {
    value.ok_or_else(|| missing(order, member))
}

fn missing(order: &Order, member: &str) -> Error {
    Error::Invalid(format!("{member} is missing, which a transfer of kind {} has", order.kind.name()))
}

fn timeout(order: &Order) -> Result<u32, Error> {
    if order.kind != Kind::Pending {
        return Ok(0);
    }
    order.timeout_s.filter(|timeout_s| (1..=TIMEOUT_S_MAX).contains(timeout_s)).ok_or_else(|| {
        Error::Invalid(format!("a transfer of kind pending has a timeout_s of 1 to {TIMEOUT_S_MAX}"))
    })
}

fn flags(order: &Order) -> Flags {
    let balancing = match order.balancing {
        None => Flags::NONE,
        Some(Balancing::Debit) => Flags::BALANCING_DEBIT,
        Some(Balancing::Credit) => Flags::BALANCING_CREDIT,
        Some(Balancing::Both) => Flags::BALANCING_DEBIT.with(Flags::BALANCING_CREDIT),
    };
    let locked = order.condition.is_some() || order.preimage.is_some();
    let with = |flags: Flags, flag, wanted: bool| if wanted { flags.with(flag) } else { flags };
    with(with(balancing, Flags::LOCKED, locked), Flags::LINKED, order.linked)
}

/// A date as a day of the ledger: days since the Unix epoch.
pub(crate) fn day_of(text: &str) -> Result<u32, Error> {
    let invalid = || Error::Invalid("effective_date is a date like 2026-11-28".to_owned());
    // RFC 3339, section 5.6, full-date: chrono takes shorter ones as well.
    let date: NaiveDate = text.parse().ok().filter(|_| text.len() == 10).ok_or_else(invalid)?;
    let day = date.signed_duration_since(NaiveDate::default()).num_days();
    u32::try_from(day).ok().filter(|&day| day != 0).ok_or_else(invalid)
}

/// A day of the ledger (days since the Unix epoch) as a date like `2026-11-28`; none for zero, which
/// stands for the log's day.
pub fn date_text(day: u32) -> Option<String> {
    let date = NaiveDate::default().checked_add_days(chrono::Days::new(day.into()))?;
    (day != 0).then(|| date.to_string())
}

/// The bytes of the memo. A lock's come first.
fn memo(order: &Order) -> Result<Memo, Error> {
    let lock = order.condition.as_deref().or(order.preimage.as_deref()).map(lock_bytes).transpose()?;
    let skipped = if lock.is_some() { LOCK_LENGTH } else { 0 };
    let room = MEMO_LENGTH_MAX - skipped;
    let mut bytes = [0; MEMO_LENGTH];
    let (start, rest) = bytes.split_at_mut(skipped);
    if let Some(lock) = lock {
        start.copy_from_slice(&lock);
    }
    if let Some(memo) = &order.memo {
        let invalid = || Error::Invalid(format!("a memo has 1 to {room} bytes here, none of them control"));
        if memo.is_empty() || memo.chars().any(char::is_control) {
            return Err(invalid());
        }
        rest.get_mut(..memo.len()).ok_or_else(invalid)?.copy_from_slice(memo.as_bytes());
    }
    Ok(Memo(bytes))
}

pub(crate) fn lock_bytes(text: &str) -> Result<[u8; LOCK_LENGTH], Error> {
    let mut bytes = [0; LOCK_LENGTH];
    match Base64UrlUnpadded::decode(text.as_bytes(), &mut bytes) {
        Ok(read) if read.len() == LOCK_LENGTH => Ok(bytes),
        _ => Err(Error::Invalid("a condition and a preimage are 32 bytes in base64url".to_owned())),
    }
}

/// What the caller of a transfer wanted to find with it again.
pub fn memo_of(transfer: &Transfer) -> Option<String> {
    let skipped = if transfer.flags.contains(Flags::LOCKED) { LOCK_LENGTH } else { 0 };
    let bytes = transfer.memo.0.get(skipped..)?;
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let text = std::str::from_utf8(bytes.get(..end)?).ok()?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// The condition of a locked hold, in base64url.
pub(crate) fn condition_of(transfer: &Transfer) -> Option<String> {
    let is_locked = transfer.flags.contains(Flags::LOCKED) && transfer.kind == codec::Kind::Pending;
    let lock = transfer.memo.0.get(..LOCK_LENGTH).filter(|_| is_locked)?;
    Some(Base64UrlUnpadded::encode_string(lock))
}

/// Requires that an idempotency key is one.
pub(crate) fn require_key(key: &str) -> Result<(), Error> {
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
