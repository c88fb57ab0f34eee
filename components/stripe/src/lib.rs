//! An adapter for payment processors that speak Stripe's API: payment intents, refunds, payouts, events and signed
//! webhooks (<https://docs.stripe.com/api>).
//!
//! - [`Stripe`]: the adapter; [`answer`]: what a request becomes there.
//! - [`signature`]: whether a webhook is Stripe's.
//! - `api`: requests to Stripe, and what its refusals mean; `objects`: what it answers.
//!
//! Whatever is made there carries the request's key, in `metadata[vwp]`, so that an event says whose it is, and so
//! that a refund and a payout are found again after Stripe has forgotten the key, which it may after a day.

mod api;
mod objects;
pub mod signature;

use api::Api;
use futures_util::future::try_join_all;
use objects::{EventObject, Intent, Page, Transfer};
use std::collections::BTreeMap;
use vwp_core::Outbound;
use vwp_processor::{
    Adapter, Command, EVENTS_MAX, Event, Events, Fault, Notice, PaymentState, Reply, Request, Subject,
};

/// How many pages of payouts are looked through for one.
const PAGES_MAX: usize = 10;

/// The adapter.
#[derive(Debug)]
pub struct Stripe;

impl Adapter for Stripe {
    /// Where Stripe is, the secret key, and the secrets of webhooks.
    const OPTIONS: &'static [&'static str] = &["stripe_url", "stripe_key", "stripe_webhook_secret"];

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
    /// Where the API is, without a final slash.
    pub url: String,
    /// The secret key.
    pub key: String,
    /// The secrets of webhooks, of which each may sign.
    pub webhook_secrets: Vec<String>,
}

impl std::fmt::Debug for Settings {
    /// Leaves out the secrets, so that no log can hold them.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Settings").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Settings {
    /// Takes them from the values of [`Stripe::OPTIONS`]. What is missing is empty, and then nothing works.
    pub fn new(options: &BTreeMap<&'static str, String>) -> Self {
        let of = |name: &str| options.get(name).map(|value| value.trim().to_owned()).unwrap_or_default();
        let secrets = of("stripe_webhook_secret");
        let secrets = secrets.split(',').map(str::trim).filter(|secret| !secret.is_empty());
        Self {
            url: of("stripe_url").trim_end_matches('/').to_owned(),
            key: of("stripe_key"),
            webhook_secrets: secrets.map(str::to_owned).collect(),
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
    let api = Api { network, settings };
    let Request { key, is_repeat, command } = request;
    match command {
        Command::CreatePayment { amount, currency, is_captured_at_once } => {
            let method = if *is_captured_at_once { "automatic" } else { "manual" };
            let fields = [
                ("amount", amount.to_string()),
                ("currency", currency_of(currency)?),
                ("capture_method", method.to_owned()),
                ("payment_method_types[]", "card".to_owned()),
                ("metadata[vwp]", key.clone()),
            ];
            payment(api.post("payment_intents", key, &fields).await?)
        }
        Command::Confirm { reference, payment_method, return_url } => {
            let done = confirm(&api, key, reference, payment_method.as_deref(), return_url.as_deref()).await;
            seen(&api, reference, *is_repeat, done, |state| state > PaymentState::Open).await
        }
        Command::Capture { reference, amount } => {
            let fields = [("amount_to_capture", amount.to_string())];
            let done = api.post(&intent_path(reference, "/capture")?, key, &fields).await;
            seen(&api, reference, *is_repeat, done, |state| state == PaymentState::Captured).await
        }
        Command::Cancel { reference } => {
            let done = api.post(&intent_path(reference, "/cancel")?, key, &[]).await;
            seen(&api, reference, *is_repeat, done, |state| state == PaymentState::Cancelled).await
        }
        Command::Refund { reference, amount, .. } => {
            if *is_repeat && let Some(made) = known_refund(&api, reference, key).await? {
                return made.movement().map(Reply::Movement);
            }
            let fields = [
                ("payment_intent", word(reference)?.to_owned()),
                ("amount", amount.to_string()),
                ("metadata[vwp]", key.clone()),
            ];
            api.post::<Transfer>("refunds", key, &fields).await?.movement().map(Reply::Movement)
        }
        Command::Payout { amount, currency, destination } => {
            if *is_repeat && let Some(made) = known_payout(&api, key).await? {
                return made.movement().map(Reply::Movement);
            }
            let fields = [
                ("amount", amount.to_string()),
                ("currency", currency_of(currency)?),
                ("destination", word(destination)?.to_owned()),
                ("metadata[vwp]", key.clone()),
            ];
            api.post::<Transfer>("payouts", key, &fields).await?.movement().map(Reply::Movement)
        }
        Command::Look { .. } => Err(Fault::Refused("told_by_webhooks".to_owned())),
        Command::VerifyWebhook { headers, body } => {
            signature::verify(&settings.webhook_secrets, headers, body, now)?;
            let event: EventObject =
                serde_json::from_str(body).map_err(|_| Fault::Forged("it is no event".to_owned()))?;
            told(&api, event).await.map(Reply::Event)
        }
        Command::Events { since, after } => events(&api, *since, after.as_deref()).await,
    }
}

async fn confirm(
    api: &Api<'_, impl Outbound>,
    key: &str,
    reference: &str,
    payment_method: Option<&str>,
    return_url: Option<&str>,
) -> Result<Intent, Fault> {
    // Apart, because not every server that speaks this API takes both at once.
    if let Some(method) = payment_method {
        let fields = [("payment_method", word(method)?.to_owned())];
        let _: Intent = api.post(&intent_path(reference, "")?, &format!("{key}-method"), &fields).await?;
    }
    let fields: Vec<_> = return_url.map(|url| ("return_url", url.to_owned())).into_iter().collect();
    api.post(&intent_path(reference, "/confirm")?, key, &fields).await
}

/// What a call did. One that may have been made before is refused because it was: then the payment says so.
async fn seen(
    api: &Api<'_, impl Outbound>,
    reference: &str,
    is_repeat: bool,
    done: Result<Intent, Fault>,
    is_done: impl Fn(PaymentState) -> bool,
) -> Result<Reply, Fault> {
    match done {
        Err(Fault::Refused(why)) if is_repeat => {
            let now: Intent = api.get(&intent_path(reference, "")?).await?;
            match now.payment()? {
                known if is_done(known.state) => Ok(Reply::Payment(known)),
                _ => Err(Fault::Refused(why)),
            }
        }
        other => payment(other?),
    }
}

fn payment(intent: Intent) -> Result<Reply, Fault> {
    intent.payment().map(Reply::Payment)
}

async fn known_refund(
    api: &Api<'_, impl Outbound>,
    reference: &str,
    key: &str,
) -> Result<Option<Transfer>, Fault> {
    let path = format!("refunds?payment_intent={}&limit=100", word(reference)?);
    let page: Page<Transfer> = api.get(&path).await?;
    Ok(page.data.into_iter().find(|made| made.has_key(key)))
}

async fn known_payout(api: &Api<'_, impl Outbound>, key: &str) -> Result<Option<Transfer>, Fault> {
    let mut path = "payouts?limit=100".to_owned();
    for _ in 0..PAGES_MAX {
        let page: Page<Transfer> = api.get(&path).await?;
        let last = page.data.last().map(|made| made.id.clone());
        if let Some(made) = page.data.into_iter().find(|made| made.has_key(key)) {
            return Ok(Some(made));
        }
        match last.filter(|_| page.has_more) {
            Some(last) => path = format!("payouts?limit=100&starting_after={}", word(&last)?),
            None => return Ok(None),
        }
    }
    Err(Fault::Unknown("there are too many payouts to find one again".to_owned()))
}

async fn events(api: &Api<'_, impl Outbound>, since: u64, after: Option<&str>) -> Result<Reply, Fault> {
    let mut path = format!("events?created[gte]={since}&limit={EVENTS_MAX}");
    if let Some(after) = after {
        path = format!("{path}&starting_after={}", word(after)?);
    }
    let page: Page<EventObject> = api.get(&path).await?;
    let next = page.data.last().map(|event| event.id.clone()).filter(|_| page.has_more);
    // Together, because each dispute is a question more, and the whole page has to be there in time.
    let events = try_join_all(page.data.into_iter().map(|event| told(api, event))).await?;
    Ok(Reply::Events(Events { events, next }))
}

/// What an event is about. Of a dispute, the payment that it is against says which request made it.
async fn told(api: &Api<'_, impl Outbound>, event: EventObject) -> Result<Event, Fault> {
    let Some(disputed) = event.disputed() else { return Ok(event.event()) };
    let id = event.id;
    let nothing = Event { id: id.clone(), notice: None };
    let Some(reference) = &disputed.payment_intent else { return Ok(nothing) };
    let intent: Intent = match api.get(&intent_path(reference, "")?).await {
        Ok(intent) => intent,
        // It was made with other keys than ours.
        Err(Fault::Refused(_)) => return Ok(nothing),
        Err(fault) => return Err(fault),
    };
    let notice = intent.key().map(str::to_owned).zip(disputed.dispute());
    let notice = notice.map(|(key, dispute)| Notice { key, subject: Subject::Dispute(dispute) });
    Ok(Event { id, notice })
}

fn intent_path(reference: &str, rest: &str) -> Result<String, Fault> {
    Ok(format!("payment_intents/{}{rest}", word(reference)?))
}

/// A name that may stand in a path.
fn word(text: &str) -> Result<&str, Fault> {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let is_name = (1..=255).contains(&text.len()) && text.bytes().all(is_fit);
    if is_name { Ok(text) } else { Err(Fault::Refused("malformed_reference".to_owned())) }
}

/// A currency as Stripe writes it. Of a few, Stripe's minor unit is not that of ISO 4217
/// (<https://docs.stripe.com/currencies#special-cases>), and an amount would be another one.
fn currency_of(code: &str) -> Result<String, Fault> {
    if ["HUF", "ISK", "MGA", "MRU", "TWD", "UGX"].contains(&code) || code.len() != 3 {
        return Err(Fault::Refused("unsupported_currency".to_owned()));
    }
    Ok(code.to_ascii_lowercase())
}
