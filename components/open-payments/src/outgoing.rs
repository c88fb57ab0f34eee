//! Payments out of the port's own wallet: payouts and refunds. Its owner consented once to what they may cost.
//!
//! Open Payments has no idempotency key. A repeat looks through the payments that the wallet lists for the one that
//! carries the key. A call that is still at it cannot be found so; therefore each call first makes a *claim* in the
//! port's own wallet, a payment in that nobody is told of, and pays only if no other claim for the key is young. The
//! wallet of the destination decides nothing of that, because anybody may run one.

use crate::api::{Api, can_be_mended, place};
use crate::incoming::{self, of};
use crate::objects::{Amount, CLAIM, Incoming, KEY, Listed, Outgoing, PublicIncoming, Quote, Wallet};
use serde_json::json;
use vwp_core::Outbound;
use vwp_processor::{Fault, Movement, MovementState};

/// What these are called in the URLs of a wallet.
pub(crate) const KIND: &str = "outgoing-payments";
/// How long a call may be at it after its claim, in seconds: more than all its requests together may take.
const CLAIM_S: i64 = 180;

/// Pays, or finds what was paid.
pub(crate) async fn pay(
    api: &Api<'_, impl Outbound>,
    (key, is_repeat): (&str, bool),
    (amount, currency): (u64, &str),
    destination: &str,
) -> Result<Movement, Fault> {
    let own = api.own().await?;
    if is_repeat && let Some(made) = known(api, &own, key).await? {
        return movement(api, &made).await;
    }
    // A refusal is final, and so nothing is refused before no other call can be at it.
    claim(api, &own, (key, is_repeat)).await.map_err(|fault| can_be_mended("a claim", fault))?;
    // An older call may have come through since.
    if is_repeat && let Some(made) = known(api, &own, key).await? {
        return movement(api, &made).await;
    }
    let token = consent(api)?;
    let amount = own.amount(amount, currency)?;
    let receiver = receiver(api, destination, key).await?;
    let quote = quote(api, &own, &receiver, &amount).await?;
    let body = json!({"walletAddress": own.id, "quoteId": quote.id, "metadata": {KEY: key}});
    let made: Outgoing = api.post(&own.collection(KIND), Some(token), Some(&body)).await?;
    movement(api, &made).await
}

/// What has become of one.
pub(crate) async fn read(api: &Api<'_, impl Outbound>, reference: &str) -> Result<Movement, Fault> {
    let own = api.own().await?;
    let url = of(&own, KIND, reference)?;
    let made: Outgoing = api.get(url, consent(api)?).await?;
    movement(api, &made).await
}

/// The token of the grant that the wallet's owner consented to.
pub(crate) fn consent<'a>(api: &Api<'a, impl Outbound>) -> Result<&'a str, Fault> {
    let token = &api.settings.access_token;
    if token.is_empty() {
        return Err(Fault::Refused("no_consent_to_pay".to_owned()));
    }
    Ok(token)
}

async fn known(api: &Api<'_, impl Outbound>, own: &Wallet, key: &str) -> Result<Option<Outgoing>, Fault> {
    let Ok(token) = consent(api) else {
        return Err(Fault::Unknown("open_payments_access_token is missing".to_owned()));
    };
    let found: Result<Vec<Outgoing>, Fault> = api.marked((own, KIND), token, (KEY, key), None).await;
    let found = found.map_err(|fault| can_be_mended("its list", fault))?;
    Ok(found.into_iter().next())
}

/// Claims a key, so that one call alone is at it.
async fn claim(
    api: &Api<'_, impl Outbound>,
    own: &Wallet,
    (key, is_repeat): (&str, bool),
) -> Result<(), Fault> {
    let busy = || Fault::Unknown("another call for this key may be at it".to_owned());
    let token = api.token(own, incoming::access()).await?;
    let list = (own, incoming::KIND);
    if is_repeat {
        let now = i64::try_from(api.now).unwrap_or(i64::MAX);
        let after = Some(now.saturating_sub(CLAIM_S));
        let claims: Vec<Incoming> = api.marked(list, &token, (CLAIM, key), after).await?;
        // Whoever comes again and again is not to keep the claims young.
        if is_young(&claims, now)? {
            return Err(busy());
        }
    }
    let body = json!({"walletAddress": own.id, "metadata": {CLAIM: key}});
    let mine: Incoming = api.post(&own.collection(incoming::KIND), Some(&token), Some(&body)).await?;
    // Both times are the wallet's.
    let made_at = mine.created_at()?;
    let after = Some(made_at.saturating_sub(CLAIM_S));
    let claims: Vec<Incoming> = api.marked(list, &token, (CLAIM, key), after).await?;
    if !claims.iter().any(|claim| claim.id == mine.id) {
        return Err(Fault::Unknown("the port's own wallet does not list what it made".to_owned()));
    }
    let others: Vec<Incoming> = claims.into_iter().filter(|claim| claim.id != mine.id).collect();
    if is_young(&others, made_at)? { Err(busy()) } else { Ok(()) }
}

fn is_young(claims: &[Incoming], now: i64) -> Result<bool, Fault> {
    for claim in claims {
        if claim.created_at()?.saturating_add(CLAIM_S) > now {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Makes what is paid, at the wallet of the destination.
async fn receiver(api: &Api<'_, impl Outbound>, destination: &str, key: &str) -> Result<String, Fault> {
    let theirs = api.wallet(destination).await?;
    let token = api.token(&theirs, json!({"type": "incoming-payment", "actions": ["create"]})).await?;
    let body = json!({"walletAddress": theirs.id, "metadata": {KEY: key}});
    let made: Incoming = api.post(&theirs.collection(incoming::KIND), Some(&token), Some(&body)).await?;
    place(&made.id).map(|_| made.id)
}

/// What it costs, which is what the port's account pays, and not more: the receiver gets what is left after fees.
async fn quote(
    api: &Api<'_, impl Outbound>,
    own: &Wallet,
    receiver: &str,
    amount: &Amount,
) -> Result<Quote, Fault> {
    let token = api.token(own, json!({"type": "quote", "actions": ["create"]})).await?;
    let body = json!({"walletAddress": own.id, "receiver": receiver, "method": "ilp", "debitAmount": amount});
    let quote: Quote = api.post(&own.collection("quotes"), Some(&token), Some(&body)).await?;
    if quote.debit_amount != *amount {
        return Err(Fault::Refused("quote_differs".to_owned()));
    }
    Ok(quote)
}

/// A payment out as the port knows it.
pub(crate) async fn movement(api: &Api<'_, impl Outbound>, made: &Outgoing) -> Result<Movement, Fault> {
    place(&made.id).map_err(|_| Fault::Unknown("a payment has no URL that can be kept".to_owned()))?;
    let sent = made.sent_amount.minor()?;
    let state = match (made.failed, sent) {
        (true, 0) => MovementState::Failed,
        // A part has left, which no state says. It stays held until somebody has looked at it.
        (true, _) | (false, 0) => MovementState::Pending,
        (false, _) if made.sent_amount.covers(&made.debit_amount)? || has_arrived(api, made).await => {
            MovementState::Done
        }
        (false, _) => MovementState::Pending,
    };
    Ok(Movement { reference: made.id.clone(), state })
}

/// Whether the receiver has what was promised to it: where fees are taken, less is sent than is debited. A wallet
/// that says so too early harms only its own owner.
async fn has_arrived(api: &Api<'_, impl Outbound>, made: &Outgoing) -> bool {
    let Ok(seen) = api.public::<PublicIncoming>(&made.receiver).await else { return false };
    seen.received_amount.is_some_and(|received| received.covers(&made.receive_amount).unwrap_or(false))
}

/// What a list has of one that a call made: the key, and what has become of it.
pub(crate) async fn told(
    api: &Api<'_, impl Outbound>,
    made: Outgoing,
) -> Result<Option<(String, Movement)>, Fault> {
    let Some(key) = made.says(KEY).map(str::to_owned) else { return Ok(None) };
    Ok(Some((key, movement(api, &made).await?)))
}
