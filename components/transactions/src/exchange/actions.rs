//! Who may do what with a quote: the provider's operator publishes and withdraws it, and a payer accepts it.

use super::fill::{Fill, FillInfo, fill_id, progress};
use super::terms::{self, Kept, Quote, Terms};
use crate::amount::Amount;
use crate::authority::{operator_of, reader_of, require_owner};
use crate::listing::{self, Listing, Paged};
use crate::reference::{Owner, asset_name, caller_text, id_text, parse_id, quote_id};
use crate::transfers::require_known_receiver;
use crate::{Error, assets, orders, signed};
use serde::{Deserialize, Serialize};
use vwp_core::caller::Caller;
use vwp_core::{Environment, Problem};
use vwp_storage::{Kv, Machines};

/// How often an acceptance is tried anew because another one came in between.
const TRIES_MAX: u32 = 8;

/// What has become of a quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It may be accepted.
    Open,
    /// It was, and is for one acceptance.
    Filled,
    /// It has ended.
    Expired,
    /// The provider took it back.
    Withdrawn,
}

/// A quote as callers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuoteInfo {
    /// The quote's id: 32 hexadecimal digits.
    pub quote_id: String,
    /// What has become of it.
    pub state: State,
    /// When it ends, in milliseconds since the Unix epoch.
    pub expires_at: u64,
    /// The operator who signed it.
    pub operator: String,
    /// What is quoted.
    pub terms: Terms,
    /// What the operator signed, for who wants to show it to somebody.
    pub signed: String,
    /// What an amount buys, if one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<PriceInfo>,
}

/// What an amount buys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PriceInfo {
    /// What would be paid, in minor units.
    pub paid: Amount,
    /// The fee, which is a part of it.
    pub fee: Amount,
    /// What the payer would get, in minor units.
    pub received: Amount,
}

/// What a payer accepts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// Who pays; a traveller's own account if it is left out.
    #[serde(default)]
    pub payer: Option<String>,
    /// How much is paid, in minor units of what the quote takes.
    pub amount: Amount,
    /// What makes a repeat harmless, of a standing quote.
    #[serde(default)]
    pub idempotency_key: Option<String>,
}

/// Keeps the quote that an operator signed, and says whether it was kept before.
pub async fn publish<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    compact: &str,
) -> Result<(QuoteInfo, bool), Error> {
    let (operator, terms) = signed::verify::<Terms>(store, environment, compact).await?;
    let id = quote_id(&operator, &terms.idempotency_key)?;
    terms.check(environment.now_seconds())?;
    if operator_of(store, &terms.world()?).await? != operator {
        return Err(Error::Forbidden(format!("{} is another operator's", terms.provider)));
    }
    for asset in [&terms.takes, &terms.gives] {
        assets::get_asset(store, asset).await?;
    }
    require_receivers(store, &terms).await?;
    let readers = readers(store, &operator, &terms).await?;
    let signed = compact.to_owned();
    let quote = Quote { operator, signed, terms, created_at: environment.now, readers };
    let (kept, repeated) = terms::keep(store, id, &quote).await?;
    Ok((info(store, environment, id, kept).await?, repeated))
}

/// In whose lists a quote is: who signed it, and who answers for its taker at this moment.
async fn readers(store: &impl Kv, operator: &str, terms: &Terms) -> Result<Vec<String>, Error> {
    let mut readers = vec![caller_text(&Caller::Operator { id: operator.to_owned() })];
    if let Some(taker) = &terms.taker {
        let reader = reader_of(store, &taker.parse()?).await?.as_ref().map(caller_text);
        readers.extend(reader.filter(|reader| !readers.contains(reader)));
    }
    Ok(readers)
}

/// A page of the quotes that the caller signed, or that are for it, newest first.
pub(crate) async fn list<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    caller: &Caller,
    page: &Paged,
) -> Result<Listing<QuoteInfo>, Error> {
    if !matches!(caller, Caller::Traveller { .. } | Caller::Operator { .. }) {
        return Err(Error::Forbidden("only travellers and operators have quotes".to_owned()));
    }
    let (ids, next) = listing::ids(store, &terms::listed_prefix(&caller_text(caller)), page).await?;
    let mut items = Vec::with_capacity(ids.len());
    for id in ids {
        let Some(quote) = terms::stored(store, id).await? else { continue };
        match require_reader(store, caller, &quote).await {
            Ok(()) => items.push(info(store, environment, id, quote).await?),
            // The world that it is for is another operator's by now, or has gone.
            Err(Error::Forbidden(_) | Error::UnknownWorld(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Listing { items, next })
}

/// Requires that the caller may see a quote. One that names its taker is the taker's and the provider's to see.
async fn require_reader(store: &impl Kv, caller: &Caller, quote: &Quote) -> Result<(), Error> {
    let is_providers = matches!(caller, Caller::Operator { id } if *id == quote.operator);
    match quote.terms.taker.as_deref().filter(|_| !is_providers) {
        Some(taker) => require_owner(store, caller, &taker.parse()?).await,
        None => Ok(()),
    }
}

/// Looks at a quote, and at what an amount would buy.
pub async fn get<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    caller: &Caller,
    id: &str,
    amount: Option<Amount>,
) -> Result<QuoteInfo, Error> {
    let id = parse_id(id)?;
    let quote = terms::stored(store, id).await?.ok_or(Error::UnknownQuote)?;
    require_reader(store, caller, &quote).await?;
    let price = amount.map(|amount| quote.terms.price(amount)).transpose()?;
    let price = price.map(|price| PriceInfo {
        paid: Amount(price.paid),
        fee: Amount(price.fee),
        received: Amount(price.received),
    });
    Ok(QuoteInfo { price, ..info(store, environment, id, quote).await? })
}

/// Takes a quote back. What was accepted before stays.
pub async fn withdraw<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    caller: &Caller,
    id: &str,
) -> Result<QuoteInfo, Error> {
    let id = parse_id(id)?;
    let quote = terms::stored(store, id).await?.ok_or(Error::UnknownQuote)?;
    if !matches!(caller, Caller::Operator { id } if *id == quote.operator) {
        return Err(Error::Forbidden("only who signed a quote withdraws it".to_owned()));
    }
    terms::withdraw(store, id).await?;
    info(store, environment, id, quote).await
}

/// Exchanges an amount as a quote says, and says whether that had been done before.
pub async fn accept<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    caller: &Caller,
    id: &str,
    wanted: &Acceptance,
) -> Result<(FillInfo, bool), Error> {
    let id = parse_id(id)?;
    let quote = match terms::kept(store, id).await?.ok_or(Error::UnknownQuote)? {
        (Kept::Quote(quote), _) => quote,
        (Kept::Mark, _) => return Err(Error::QuoteExpired),
    };
    let payer = Owner::named(caller, wanted.payer.as_deref(), "payer")?;
    require_owner(store, caller, &payer).await?;
    let payer_name = payer.to_string();
    if quote.terms.taker.as_ref().is_some_and(|taker| *taker != payer_name) {
        return Err(Error::Forbidden("the quote is for somebody else".to_owned()));
    }
    let key = match (quote.terms.standing, wanted.idempotency_key.as_deref()) {
        (true, key) => Some((payer_name.as_str(), key.ok_or(Error::IdempotencyKeyMissing)?)),
        (false, None) => None,
        (false, Some(_)) => {
            return Err(Error::Invalid("only a standing quote is accepted under a key".to_owned()));
        }
    };
    if let Some((_, key)) = key {
        orders::require_key(key)?;
    }
    let fill = Fill::new(id, fill_id(id, key), &quote.terms, &payer, wanted.amount)?;
    fill_once(store, environment, (id, &quote), &fill).await
}

/// Makes a fill, unless it was made. What was made stays, whatever has become of the quote since.
async fn fill_once<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    (id, quote): (u128, &Quote),
    fill: &Fill,
) -> Result<(FillInfo, bool), Error> {
    let taken = || if quote.terms.standing { Error::IdempotencyKeyReused } else { Error::QuoteFilled };
    let mut known = progress(store, fill.id).await?;
    if known.made.is_some() {
        return fill.answered(&known).map(|info| (info, true)).ok_or_else(taken);
    }
    require_open(store, environment, id, quote).await?;
    require_receivers(store, &quote.terms).await?;
    if quote.terms.standing {
        // Nothing in the ledger says afterwards whether any payer under any key has accepted it.
        terms::keep_for_good(store, id, quote).await?;
    }
    for _ in 0..TRIES_MAX {
        let repeated;
        (known, repeated) = fill.make(store, &known).await?;
        if known.made.is_some() {
            return fill.answered(&known).map(|info| (info, repeated)).ok_or_else(taken);
        }
    }
    Err(Problem::unavailable("others accept this quote at the same time").into())
}

/// Requires that a quote has neither ended nor been withdrawn.
async fn require_open<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    id: u128,
    quote: &Quote,
) -> Result<(), Error> {
    if quote.terms.exp <= environment.now_seconds() {
        return Err(Error::QuoteExpired);
    }
    // What the operator of a world signed does not bind the next one.
    let is_providers = match operator_of(store, &quote.terms.world()?).await {
        Ok(operator) => operator == quote.operator,
        Err(Error::UnknownWorld(_)) => false,
        Err(error) => return Err(error),
    };
    if !is_providers || terms::is_withdrawn(store, id).await? {
        return Err(Error::QuoteWithdrawn);
    }
    Ok(())
}

/// Requires that everybody exists whom the terms pay, or who alone may accept.
async fn require_receivers(store: &impl Kv, terms: &Terms) -> Result<(), Error> {
    let shares = terms.fee.iter().flat_map(|fee| &fee.shares).map(|share| &share.to);
    for owner in shares.chain(&terms.taker) {
        let owner: Owner = owner.parse()?;
        crate::reference::require_same_asset(&owner, &asset_name(&terms.takes)?)?;
        require_known_receiver(store, &owner).await?;
    }
    Ok(())
}

async fn info<S: Kv + Machines>(
    store: &S,
    environment: &Environment<'_>,
    id: u128,
    quote: Quote,
) -> Result<QuoteInfo, Error> {
    let is_filled = !quote.terms.standing && progress(store, fill_id(id, None)).await?.made.is_some();
    let state = if is_filled {
        State::Filled
    } else {
        match require_open(store, environment, id, &quote).await {
            Ok(()) => State::Open,
            Err(Error::QuoteExpired) => State::Expired,
            Err(Error::QuoteWithdrawn) => State::Withdrawn,
            Err(error) => return Err(error),
        }
    };
    Ok(QuoteInfo {
        quote_id: id_text(id),
        state,
        expires_at: quote.terms.exp.saturating_mul(1000),
        operator: quote.operator,
        terms: quote.terms,
        signed: quote.signed,
        price: None,
    })
}
