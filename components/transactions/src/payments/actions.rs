//! What may be done with payments, and who may.
//!
//! | | who asked for it | who owns the account that is credited |
//! |---|---|---|
//! | read, cancel | ✓ | ✓ |
//! | confirm | ✓ | |
//! | capture, refund | | ✓ |

use super::assets::payable;
use super::phases::{advance, finish, look, minor, require_direct, run};
use super::record::{self, Act, Capture, Direct, Intent, Phase, Record, Terms};
use super::views::{PaymentInfo, info};
use crate::Error;
use crate::amount::Amount;
use crate::authority::require_owner;
use crate::orders;
use crate::reference::{Owner, caller_text, parse_id, payment_id};
use crate::transfers::require_known_receiver;
use serde::Deserialize;
use vwp_core::Environment;
use vwp_core::caller::Caller;
use vwp_processor::Processor;
use vwp_storage::{Kv, Machines};

/// The longest word that only a processor understands, in bytes.
pub const TOKEN_LENGTH_MAX: usize = 128;
/// The longest name of a means of payment or of a destination, in bytes. It may be a URL.
pub const PLACE_LENGTH_MAX: usize = 240;
/// The longest URL, in bytes.
pub const URL_LENGTH_MAX: usize = 512;

/// What a caller asks for to be paid.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPayment {
    /// What makes a repeat harmless: 1 to 128 visible ASCII characters.
    pub idempotency_key: Option<String>,
    /// Who is credited; a traveller itself if it is left out.
    pub payee: Option<String>,
    /// `code@world`.
    pub asset: String,
    /// How much, in minor units.
    pub amount: Amount,
    /// When the money is taken.
    #[serde(default)]
    pub capture: Capture,
}

/// What is done with a payment. Which members it has depends on what is done.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Step {
    /// What makes a repeat harmless: 1 to 128 visible ASCII characters.
    pub idempotency_key: Option<String>,
    /// How much, in minor units: of a capture and a refund.
    pub amount: Option<Amount>,
    /// What pays, as the processor calls it: of a confirmation.
    pub payment_method: Option<String>,
    /// Where the payer comes back to: of a confirmation.
    pub return_url: Option<String>,
}

/// Prepares a payment, and says whether it had been prepared before.
pub async fn create<S: Kv + Machines>(
    store: &S,
    processor: &impl Processor,
    environment: &Environment<'_>,
    caller: &Caller,
    wanted: NewPayment,
) -> Result<(PaymentInfo, bool), Error> {
    let key = required_key(wanted.idempotency_key)?;
    let id = payment_id(caller, &key)?;
    let owner = Owner::named(caller, wanted.payee.as_deref(), "payee")?;
    let by = caller_text(caller);
    let NewPayment { asset, amount, capture, .. } = wanted;
    if amount.0 == 0 {
        return Err(Error::ZeroAmount);
    }
    minor(amount)?;
    let terms = Terms {
        direct: Direct::Payment,
        by,
        owner: owner.to_string(),
        asset,
        amount,
        capture,
        destination: None,
    };
    let intent = Intent { act: Act::Create, key, amount: None, payment_method: None, return_url: None };
    let known = record::stored(store, id).await?;
    let (kept, is_new) = match known {
        Some(kept) if kept.terms == terms => (kept, false),
        Some(_) => return Err(Error::IdempotencyKeyReused),
        None => {
            require_known_receiver(store, &owner).await?;
            (prepared(store, environment, (id, terms), intent).await?, true)
        }
    };
    let done = finish(store, processor, kept, (0, is_new)).await?;
    Ok((info(store, &done).await?, !is_new))
}

/// Keeps what was asked for, with its first phase.
pub(crate) async fn prepared<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    (id, terms): (u128, Terms),
    intent: Intent,
) -> Result<Record, Error> {
    let how = payable(store, environment, &terms.asset).await?;
    let record = Record {
        id,
        terms,
        processor: how.processor,
        currency: how.currency,
        created_at: environment.now,
        phases: vec![Phase::new(intent)],
        payment: None,
        captured: None,
        disputes: Vec::new(),
    };
    record::keep(store, &record).await
}

/// Reads a payment, which goes on first if something of it was broken off.
pub async fn get<S: Kv + Machines>(
    store: &S,
    processor: &impl Processor,
    caller: &Caller,
    id: &str,
) -> Result<PaymentInfo, Error> {
    let record = require_direct(record::stored(store, parse_id(id)?).await?, Direct::Payment)?;
    if !is_payer(caller, &record) {
        require_owner(store, caller, &record.owner()?).await?;
    }
    let (record, _) = advance(store, processor, record, None).await?;
    let record = look(store, processor, record).await?;
    info(store, &record).await
}

/// Does something with a payment.
pub(crate) async fn act<S: Kv + Machines>(
    store: &S,
    processor: &impl Processor,
    caller: &Caller,
    id: &str,
    (act, step): (Act, Step),
) -> Result<PaymentInfo, Error> {
    let intent = intent(act, step)?;
    let record = require_direct(record::stored(store, parse_id(id)?).await?, Direct::Payment)?;
    let may = match act {
        Act::Confirm => is_payer(caller, &record),
        Act::Cancel => is_payer(caller, &record) || is_payee(store, caller, &record).await?,
        _ => is_payee(store, caller, &record).await?,
    };
    if !may {
        return Err(Error::Forbidden("the caller may not do this with the payment".to_owned()));
    }
    let allow = |record: &Record| {
        // Where the processor did not prepare it, there is nothing to do anything with.
        if record.payment.is_none() {
            return Err(Error::PaymentRefused("not_prepared".to_owned()));
        }
        let room = match act {
            Act::Refund => record.refundable(),
            _ => record.terms.amount.0,
        };
        if intent.amount.is_some_and(|amount| amount.0 > room) { Err(Error::ExceedsOrigin) } else { Ok(()) }
    };
    let done = run(store, processor, record, intent.clone(), allow).await?;
    info(store, &done).await
}

fn intent(act: Act, step: Step) -> Result<Intent, Error> {
    let Step { idempotency_key, amount, payment_method, return_url } = step;
    let key = required_key(idempotency_key)?;
    let invalid = |text: &str| Err(Error::Invalid(text.to_owned()));
    let has_amount = matches!(act, Act::Capture | Act::Refund);
    match amount {
        Some(Amount(0)) => return Err(Error::ZeroAmount),
        Some(_) if !has_amount => return invalid("only a capture and a refund have an amount"),
        None if act == Act::Refund => return invalid("amount is missing"),
        _ => {}
    }
    if act != Act::Confirm && (payment_method.is_some() || return_url.is_some()) {
        return invalid("only a confirmation says what pays");
    }
    if let Some(method) = &payment_method {
        require_place(method, "payment_method")?;
    }
    if let Some(url) = &return_url {
        let is_url = url.parse::<::http::Uri>().is_ok_and(|url| url.scheme_str() == Some("https"));
        if url.len() > URL_LENGTH_MAX || !is_url {
            return invalid("return_url is an https URL of at most 512 bytes");
        }
    }
    Ok(Intent { act, key, amount, payment_method, return_url })
}

/// Requires that a word is one that a processor may understand.
pub(crate) fn require_token(token: &str, member: &str) -> Result<(), Error> {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !(1..=TOKEN_LENGTH_MAX).contains(&token.len()) || !token.bytes().all(is_fit) {
        return Err(Error::Invalid(format!(
            "{member} has 1 to {TOKEN_LENGTH_MAX} of A to Z, a to z, 0 to 9, _ and -"
        )));
    }
    Ok(())
}

/// Requires that a text may be what a processor calls a means of payment or a destination: a word, or a URL.
pub(crate) fn require_place(text: &str, member: &str) -> Result<(), Error> {
    let is_fit = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\');
    if !(1..=PLACE_LENGTH_MAX).contains(&text.len()) || !text.bytes().all(is_fit) {
        return Err(Error::Invalid(format!(
            "{member} has 1 to {PLACE_LENGTH_MAX} visible ASCII characters and none of \" < > \\"
        )));
    }
    Ok(())
}

/// The key that makes a repeat harmless.
pub(crate) fn required_key(key: Option<String>) -> Result<String, Error> {
    let key = key.ok_or(Error::IdempotencyKeyMissing)?;
    orders::require_key(&key)?;
    Ok(key)
}

fn is_payer(caller: &Caller, record: &Record) -> bool {
    caller_text(caller) == record.terms.by
}

async fn is_payee(store: &impl Kv, caller: &Caller, record: &Record) -> Result<bool, Error> {
    match require_owner(store, caller, &record.owner()?).await {
        Ok(()) => Ok(true),
        Err(Error::Forbidden(_) | Error::UnknownWorld(_)) => Ok(false),
        Err(error) => Err(error),
    }
}
