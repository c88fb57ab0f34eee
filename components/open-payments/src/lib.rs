//! An adapter for wallets that speak Open Payments (<https://openpayments.dev>): wallet addresses, grants (GNAP,
//! RFC 9635), incoming payments, quotes and outgoing payments.
//!
//! - [`OpenPayments`]: the adapter; [`answer`]: what a request becomes there.
//! - `api`: requests to wallets, and what their refusals mean; `signature`: how they are signed.
//! - `incoming`: what is paid to the port; `outgoing`: what it pays; `objects`: what wallets answer.
//!
//! A payment is an incoming payment of the port's own wallet, which the payer pays from a wallet of its own. Nothing can
//! be reserved and captured later. A wallet tells nothing by itself, and so the port looks.
//!
//! Whatever is made carries the request's key in its metadata, because Open Payments has no idempotency keys.

mod api;
mod incoming;
mod objects;
mod outgoing;
mod signature;

use api::Api;
use base64ct::{Base64UrlUnpadded, Encoding};
use futures_util::future::try_join_all;
use objects::{Incoming, KEY, Listed, Outgoing};
use std::collections::BTreeMap;
use vwp_core::Outbound;
use vwp_processor::{
    Adapter, Command, EVENTS_MAX, Event, Events, Fault, Movement, Notice, Payment, Reply, Request, Subject,
};

/// The adapter.
#[derive(Debug)]
pub struct OpenPayments;

impl Adapter for OpenPayments {
    /// The port's wallet address, the private key and what the wallet publishes the public one as, and the token of
    /// the grant to pay.
    const OPTIONS: &'static [&'static str] = &[
        "open_payments_wallet_address",
        "open_payments_key",
        "open_payments_key_id",
        "open_payments_access_token",
    ];

    async fn answer(
        network: &impl Outbound,
        options: &BTreeMap<&'static str, String>,
        now: u64,
        request: &Request,
    ) -> Result<Reply, Fault> {
        answer(network, &Settings::new(options), now, request).await
    }
}

/// What the administrator says.
#[derive(Clone)]
pub struct Settings {
    /// The port's own wallet address.
    pub wallet_address: String,
    /// The private key: PKCS #8 in base64, or PEM.
    pub key: String,
    /// What the wallet publishes the public key as.
    pub key_id: String,
    /// The token of the grant to pay out of the wallet; empty: nothing is paid out.
    pub access_token: String,
}

impl std::fmt::Debug for Settings {
    /// Leaves out the secrets, so that no log can hold them.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("wallet_address", &self.wallet_address)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Takes them from the values of [`OpenPayments::OPTIONS`]. What is missing is empty, and then nothing works.
    pub fn new(options: &BTreeMap<&'static str, String>) -> Self {
        let of = |name: &str| options.get(name).map(|value| value.trim().to_owned()).unwrap_or_default();
        Self {
            wallet_address: of("open_payments_wallet_address"),
            key: of("open_payments_key"),
            key_id: of("open_payments_key_id"),
            access_token: of("open_payments_access_token"),
        }
    }
}

/// Answers a request. `now` is in seconds since the Unix epoch.
pub async fn answer(
    network: &impl Outbound,
    settings: &Settings,
    now: u64,
    request: &Request,
) -> Result<Reply, Fault> {
    let Request { key, is_repeat, command } = request;
    let call = (key.as_str(), *is_repeat);
    let refused = |why: &str| Err(Fault::Refused(why.to_owned()));
    // What needs no wallet needs no key either.
    let api = || Api::new(network, settings, now);
    match command {
        Command::CreatePayment { is_captured_at_once: false, .. } | Command::Capture { .. } => {
            refused("capture_unsupported")
        }
        Command::CreatePayment { amount, currency, .. } => {
            incoming::create(&api()?, call, *amount, currency).await.map(Reply::Payment)
        }
        Command::Confirm { reference, payment_method, .. } => {
            let api = api()?;
            // It is where a refund goes, and so it is looked at while the payer is there.
            if let Some(address) = payment_method {
                api.wallet(address).await?;
            }
            incoming::read(&api, reference).await.map(Reply::Payment)
        }
        Command::Cancel { reference } => incoming::complete(&api()?, reference).await.map(Reply::Payment),
        Command::Refund { payment_method: None, .. } => refused("payer_unknown"),
        Command::Refund { amount, currency, payment_method: Some(destination), .. }
        | Command::Payout { amount, currency, destination } => {
            outgoing::pay(&api()?, call, (*amount, currency), destination).await.map(Reply::Movement)
        }
        Command::Look { reference } => look(&api()?, reference).await,
        Command::Events { after, .. } => events(&api()?, after.as_deref()).await.map(Reply::Events),
        Command::VerifyWebhook { .. } => Err(Fault::Forged("Open Payments has no webhooks".to_owned())),
    }
}

/// The URL of something says what it is.
async fn look(api: &Api<'_, impl Outbound>, reference: &str) -> Result<Reply, Fault> {
    let has = |kind: &str| reference.rsplit('/').nth(1) == Some(kind);
    if has(incoming::KIND) {
        incoming::read(api, reference).await.map(Reply::Payment)
    } else if has(outgoing::KIND) {
        outgoing::read(api, reference).await.map(Reply::Movement)
    } else {
        Err(Fault::Refused("malformed_reference".to_owned()))
    }
}

/// Tells what has become of everything: first of what comes in, then of what leaves. A wallet says when something was
/// made, but not when it changed, and so a time says nothing of what is news.
async fn events(api: &Api<'_, impl Outbound>, after: Option<&str>) -> Result<Events, Fault> {
    let own = api.own().await?;
    let place = after.map(read_place).transpose()?.unwrap_or_else(|| place_of(incoming::KIND, ""));
    let Some((kind, cursor)) = place.split_once(' ') else { return Err(malformed_place()) };
    let from = Some(cursor).filter(|cursor| !cursor.is_empty());
    if kind == incoming::KIND {
        let token = api.token(&own, incoming::access()).await?;
        let page = api.page::<Incoming>((&own, kind), &token, from, EVENTS_MAX).await?;
        let leaves = || (!api.settings.access_token.is_empty()).then(|| place_of(outgoing::KIND, ""));
        let next = page.next().map(|cursor| place_of(kind, &cursor)).or_else(leaves);
        let told = page.result.iter().filter_map(|made| Some((made.says(KEY)?.to_owned(), made)));
        let told = told.map(|(key, made)| Ok(of_payment(key, incoming::payment(made, api.now)?)));
        Ok(Events { events: told.collect::<Result<_, Fault>>()?, next: next.map(|place| written(&place)) })
    } else if kind == outgoing::KIND {
        let page = api.page::<Outgoing>((&own, kind), outgoing::consent(api)?, from, EVENTS_MAX).await?;
        let next = page.next().map(|cursor| place_of(kind, &cursor));
        let told = try_join_all(page.result.into_iter().map(|made| outgoing::told(api, made))).await?;
        let events = told.into_iter().flatten().map(|(key, movement)| of_movement(key, movement)).collect();
        Ok(Events { events, next: next.map(|place| written(&place)) })
    } else {
        Err(malformed_place())
    }
}

fn of_payment(key: String, payment: Payment) -> Event {
    let id = format!("{}#{:?}", payment.reference, payment.state);
    Event { id, notice: Some(Notice { key, subject: Subject::Payment(payment) }) }
}

fn of_movement(key: String, movement: Movement) -> Event {
    let id = format!("{}#{:?}", movement.reference, movement.state);
    Event { id, notice: Some(Notice { key, subject: Subject::Movement(movement) }) }
}

fn place_of(kind: &str, cursor: &str) -> String {
    format!("{kind} {cursor}")
}

/// Where a page starts, as a word that callers may pass on.
fn written(place: &str) -> String {
    Base64UrlUnpadded::encode_string(place.as_bytes())
}

fn read_place(word: &str) -> Result<String, Fault> {
    let bytes = Base64UrlUnpadded::decode_vec(word).map_err(|_| malformed_place())?;
    String::from_utf8(bytes).map_err(|_| malformed_place())
}

fn malformed_place() -> Fault {
    Fault::Refused("malformed_cursor".to_owned())
}
