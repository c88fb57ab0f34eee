//! What a provider quotes.

use crate::amount::Amount;
use crate::listing::place;
use crate::reference::{Owner, asset_name, id_text};
use crate::shares::{Share, parts, require_shares, scaled};
use crate::signed::Signed;
use crate::{Error, orders};
use serde::{Deserialize, Serialize};
use vwp_core::Problem;
use vwp_core::name::WorldName;
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Entry, Write};

/// How far ahead a quote may end, in seconds: rates move.
pub const LIFETIME_S_MAX: u64 = 86_400;
/// The most that share a fee.
pub const FEE_SHARES_MAX: usize = 16;
/// Where quotes are listed that are forgotten some time after their end, by that.
pub(crate) const ENDING: &str = "transactions/quote-ending/";
/// What a fee is a part of: a million parts of what is paid.
const MILLION: u32 = 1_000_000;

/// What an operator signs: a JWS of the type `vwp-quote+jws`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// What makes a repeat harmless: 1 to 128 visible ASCII characters.
    pub idempotency_key: String,
    /// Whose liquidity it is: `world:<name>`, of the signer's.
    pub provider: String,
    /// The asset that is paid.
    pub takes: String,
    /// The asset that is bought with it.
    pub gives: String,
    /// How much of one for how much of the other.
    pub rate: Rate,
    /// The least that is paid at once, in minor units; 1 if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Amount>,
    /// The most that is paid at once, in minor units.
    pub max: Amount,
    /// What others get of what is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<Fee>,
    /// Who alone may accept it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taker: Option<String>,
    /// Whether it may be accepted again and again, and not once only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub standing: bool,
    /// When it ends, in seconds since the Unix epoch (RFC 7519, section 4.1.4).
    pub exp: u64,
}

impl Signed for Terms {
    const TYPE: &'static str = "vwp-quote+jws";
}

/// A ratio of two amounts in minor units, each below 2^64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// So much of what is paid …
    pub take: Amount,
    /// … buys so much of what is given.
    pub give: Amount,
}

/// What others get of what is paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fee {
    /// How many millionths of what is paid, rounded up: 1 to 999,999.
    pub ppm: u32,
    /// Who gets it, by largest remainder.
    pub shares: Vec<Share>,
}

/// What an amount buys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Price {
    /// What is paid, with the fee.
    pub(crate) paid: u128,
    /// Of that, the fee.
    pub(crate) fee: u128,
    /// The parts of the fee.
    pub(crate) fees: Vec<u128>,
    /// What the payer gets.
    pub(crate) received: u128,
    /// What goes to the rounding account: 1 if a fraction of a unit was lost, else 0.
    pub(crate) rounding: u128,
}

impl Terms {
    /// The world whose liquidity it is.
    pub(crate) fn world(&self) -> Result<WorldName, Error> {
        match self.provider.parse()? {
            Owner::World(world) => Ok(world),
            _ => Err(Error::Invalid("a provider is a world".to_owned())),
        }
    }

    /// Requires that the terms are within their bounds. Who they name is not looked up here.
    pub(crate) fn check(&self, now_s: u64) -> Result<(), Error> {
        let invalid = |text: &str| Err(Error::Invalid(text.to_owned()));
        orders::require_key(&self.idempotency_key)?;
        self.world()?;
        if asset_name(&self.takes)? == asset_name(&self.gives)? {
            return invalid("a quote is about two assets");
        }
        self.ratio()?;
        let min = self.min.unwrap_or(Amount(1));
        if min.0 == 0 || min > self.max {
            return invalid("min is 1 or more, and not more than max");
        }
        if let Some(fee) = &self.fee {
            require_shares(&fee.shares, FEE_SHARES_MAX)?;
            if !(1..MILLION).contains(&fee.ppm) {
                return invalid("a fee is 1 to 999999 millionths");
            }
        }
        if let Some(taker) = &self.taker {
            match taker.parse()? {
                Owner::Traveller(_) | Owner::World(_) => {}
                _ => return invalid("a taker is a traveller or a world"),
            }
        }
        if self.exp <= now_s {
            return Err(Error::QuoteExpired);
        }
        if self.exp - now_s > LIFETIME_S_MAX {
            return Err(Error::Invalid(format!("a quote ends within {LIFETIME_S_MAX} seconds")));
        }
        Ok(())
    }

    fn ratio(&self) -> Result<(u64, u64), Error> {
        let side = |amount: Amount| u64::try_from(amount.0).ok().filter(|side| *side != 0);
        let both = side(self.rate.take).zip(side(self.rate.give));
        both.ok_or_else(|| Error::Invalid("each side of a rate is 1 or more, and below 2^64".to_owned()))
    }

    /// What an amount buys, if it is within the bounds.
    pub(crate) fn price(&self, amount: Amount) -> Result<Price, Error> {
        if amount < self.min.unwrap_or(Amount(1)) || amount > self.max {
            return Err(Error::QuoteBounds("the amount is less or more than the quote allows"));
        }
        let (take, give) = self.ratio()?;
        let (fee, fees) = match &self.fee {
            Some(fee) => {
                let (rounded, left) =
                    scaled(amount.0, fee.ppm.into(), MILLION.into()).ok_or(Error::Overflow)?;
                // Up: else many small amounts would have none.
                let whole = rounded + u128::from(left != 0);
                (whole, parts(whole, &fee.shares)?)
            }
            None => (0, Vec::new()),
        };
        let sold = amount.0.checked_sub(fee).ok_or(Error::Overflow)?;
        let (received, left) = scaled(sold, give, take).ok_or(Error::Overflow)?;
        if received == 0 {
            return Err(Error::QuoteBounds("the amount buys nothing"));
        }
        Ok(Price { paid: amount.0, fee, fees, received, rounding: u128::from(left != 0) })
    }
}

/// A quote as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Quote {
    /// The operator who signed it.
    pub(crate) operator: String,
    /// What it signed.
    pub(crate) signed: String,
    /// What that says.
    pub(crate) terms: Terms,
    /// When it was published, in milliseconds since the Unix epoch.
    #[serde(default)]
    pub(crate) created_at: u64,
    /// In whose lists it is: who signed it, and for whom it was when it was published.
    #[serde(default)]
    pub(crate) readers: Vec<String>,
}

/// What is kept under the id of a quote.
#[derive(Debug)]
pub(crate) enum Kept {
    /// The quote.
    Quote(Box<Quote>),
    /// That there was one, which ended without being accepted.
    Mark,
}

fn quote_key(id: u128) -> Vec<u8> {
    format!("transactions/quote/{}", id_text(id)).into_bytes()
}

fn withdrawn_key(id: u128) -> Vec<u8> {
    format!("transactions/quote-withdrawn/{}", id_text(id)).into_bytes()
}

/// Where a quote is listed that ends: times of one length, so that the earliest is the first.
fn ending_key(id: u128, terms: &Terms) -> Vec<u8> {
    format!("{ENDING}{:016x}/{}", terms.exp, id_text(id)).into_bytes()
}

/// What the keys start with that list somebody's quotes.
pub(crate) fn listed_prefix(reader: &str) -> String {
    format!("transactions/quotes-of/{reader}/")
}

impl Quote {
    /// The keys that list it.
    fn listed_keys(&self, id: u128) -> impl Iterator<Item = String> {
        let place = place(self.created_at, id);
        self.readers.iter().map(move |reader| format!("{}{place}", listed_prefix(reader)))
    }
}

/// What is kept under an id, if anything, and the entry that it was read from.
pub(crate) async fn kept(store: &impl Kv, id: u128) -> Result<Option<(Kept, Entry)>, Error> {
    let Some(entry) = store.get(&quote_key(id)).await? else { return Ok(None) };
    let kept = match entry.value.as_slice() {
        [] => Kept::Mark,
        value => Kept::Quote(Box::new(serde_json::from_slice(value).map_err(|_| Problem::internal())?)),
    };
    Ok(Some((kept, entry)))
}

/// A quote, if there is one that was not forgotten.
pub(crate) async fn stored(store: &impl Kv, id: u128) -> Result<Option<Quote>, Error> {
    match kept(store, id).await? {
        Some((Kept::Quote(quote), _)) => Ok(Some(*quote)),
        Some((Kept::Mark, _)) | None => Ok(None),
    }
}

/// Keeps a quote, unless other terms are kept under this id already; whether it was kept before.
pub(crate) async fn keep(store: &impl Kv, id: u128, quote: &Quote) -> Result<(Quote, bool), Error> {
    let value = serde_json::to_vec(quote).map_err(|_| Problem::internal())?;
    let known = kept(store, id).await?.is_some();
    if !known {
        // Whether this commit or another wrote it, what is there now decides.
        let mut writes = vec![Write::put(quote_key(id), value), Write::put(ending_key(id, &quote.terms), [])];
        writes.extend(quote.listed_keys(id).map(|key| Write::put(key, [])));
        store.commit(&[Check::absent(quote_key(id))], &writes).await?;
    }
    match kept(store, id).await? {
        // The same terms may be signed again: a signature has randomness in it, and a time.
        Some((Kept::Quote(kept), _)) if kept.terms == quote.terms => Ok((*kept, known)),
        Some(_) => Err(Error::IdempotencyKeyReused),
        None => Err(Problem::unavailable("the quote could not be kept").into()),
    }
}

/// Leaves a mark in place of a quote that nobody accepted.
pub(crate) async fn forget(store: &impl Kv, id: u128, (quote, entry): (&Quote, &Entry)) -> Result<(), Error> {
    let mut writes = vec![
        Write::put(quote_key(id), []),
        Write::delete(withdrawn_key(id)),
        Write::delete(ending_key(id, &quote.terms)),
    ];
    writes.extend(quote.listed_keys(id).map(Write::delete));
    // If it is not what was read any more, another host was first.
    store.commit(&[Check::unchanged(quote_key(id), Some(entry))], &writes).await?;
    Ok(())
}

/// Keeps a quote for good, which is accepted now.
pub(crate) async fn keep_for_good(store: &impl Kv, id: u128, quote: &Quote) -> Result<(), Error> {
    let key = ending_key(id, &quote.terms);
    if store.get(&key).await?.is_some() {
        store.commit(&[], &[Write::delete(key)]).await?;
    }
    Ok(())
}

/// Whether the provider took a quote back.
pub(crate) async fn is_withdrawn(store: &impl Kv, id: u128) -> Result<bool, Error> {
    Ok(store.get(&withdrawn_key(id)).await?.is_some())
}

/// Takes a quote back.
pub(crate) async fn withdraw(store: &impl Kv, id: u128) -> Result<(), Error> {
    store.commit(&[], &[Write::put(withdrawn_key(id), [])]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn terms(take: u64, give: u64, ppm: Option<u32>) -> Terms {
        let share = |to: &str, weight| Share { to: to.to_owned(), weight };
        let shares = vec![share("world:bank", 2), share("world:arena", 1)];
        Terms {
            idempotency_key: "q".into(),
            provider: "world:bazaar".into(),
            takes: "gold@arena".into(),
            gives: "gems@bazaar".into(),
            rate: Rate { take: Amount(take.into()), give: Amount(give.into()) },
            min: None,
            max: Amount(u128::MAX),
            fee: ppm.map(|ppm| Fee { ppm, shares }),
            taker: None,
            standing: false,
            exp: 100,
        }
    }

    #[test]
    fn terms_are_bounded() {
        assert_eq!(terms(2, 3, Some(1)).check(1), Ok(()));
        let refused: [fn(&mut Terms); 12] = [
            |terms| terms.idempotency_key = String::new(),
            |terms| terms.provider = "traveller:ada".into(),
            |terms| terms.gives = "gold@arena".into(),
            |terms| terms.rate.take = Amount(0),
            |terms| terms.rate.give = Amount(1 << 64),
            |terms| terms.min = Some(Amount(0)),
            |terms| (terms.min, terms.max) = (Some(Amount(2)), Amount(1)),
            |terms| terms.taker = Some("issuance:gold@arena".into()),
            |terms| terms.exp = 1,
            |terms| terms.exp = 86_402,
            |terms| terms.fee.as_mut().unwrap().ppm = 1_000_000,
            |terms| terms.fee.as_mut().unwrap().shares.clear(),
        ];
        for (number, change) in refused.into_iter().enumerate() {
            let mut terms = terms(2, 3, Some(1));
            change(&mut terms);
            assert!(terms.check(1).is_err(), "{number}");
        }
    }

    #[test]
    fn a_price_is_rounded_against_who_could_split() {
        let price = terms(3, 2, None).price(Amount(10)).unwrap();
        assert_eq!((price.received, price.rounding, price.fee), (6, 1, 0));
        let price = terms(1, 2, Some(1)).price(Amount(10)).unwrap();
        assert_eq!((price.fee, price.fees, price.received, price.rounding), (1, vec![1, 0], 18, 0));
        assert!(matches!(terms(3, 1, None).price(Amount(2)), Err(Error::QuoteBounds(_))));
        assert!(matches!(terms(1, 1, Some(1)).price(Amount(1)), Err(Error::QuoteBounds(_))));
    }

    proptest! {
        #[test]
        fn no_split_of_an_amount_buys_more_than_the_whole(
            take in 1..1000_u64, give in 1..1000_u64, ppm in prop::option::of(1..999_999_u32),
            parts in prop::collection::vec(1..10_000_u128, 1..12),
        ) {
            let terms = terms(take, give, ppm);
            let whole = terms.price(Amount(parts.iter().sum()));
            // A part that buys nothing is refused, which is no better.
            let prices = parts.iter().filter_map(|part| terms.price(Amount(*part)).ok());
            let received: u128 = prices.map(|price| price.received).sum();
            prop_assert!(received <= whole.map_or(0, |price| price.received));
        }

        #[test]
        fn a_price_is_all_of_what_is_paid_and_a_whole_number_of_units(
            take in 1..=u64::MAX, give in 1..=u64::MAX, ppm in prop::option::of(1..999_999_u32), amount in 1..=u128::MAX,
        ) {
            let Ok(price) = terms(take, give, ppm).price(Amount(amount)) else { return Ok(()) };
            prop_assert_eq!(price.fees.iter().sum::<u128>(), price.fee);
            let sold = price.paid - price.fee;
            let exact = scaled(sold, give, take).unwrap();
            prop_assert_eq!((price.received, price.rounding == 1), (exact.0, exact.1 != 0));
        }
    }
}
