//! A host takes what is due for a while, so that no other one sends it at the same time. If the host ends
//! meanwhile, the delivery is due again when that while is over.
//!
//! Endpoints take turns, and each has a few attempts at a time. Those that are failing have one each, and only a few
//! among them all: one that does not answer holds up itself, and the others go on.

use crate::deliveries::{self, Attempt, DUE, DUE_END, Delivery, State};
use crate::fan_out::DISABLED;
use crate::retries::Retries;
use crate::roster::{self, Endpoint, Roster};
use crate::{WebhookError, attempts, destination};
use http::{Request, header};
use std::collections::BTreeMap;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Direction, KeyRange, Version};

/// How many attempts go on at a time, and how many of one endpoint.
pub const ATTEMPTS_MAX: usize = 16;
/// How many of one endpoint.
pub const ATTEMPTS_OF_ENDPOINT_MAX: usize = 4;
/// How many endpoints that are failing have one.
pub const FAILING_MAX: usize = 4;
/// How long a delivery is a host's that took it, in milliseconds: longer than an attempt takes.
pub const CLAIM_MS: u64 = 60_000;
/// How many endpoints are looked at in one go.
const ENDPOINTS_MAX: usize = 128;
/// The word for an attempt of which nobody knows how it ended, and for one that the port does not make any more.
const LOST: &str = "lost";
const NOT_ALLOWED: &str = "not-allowed";

/// What goes on, by endpoint.
#[derive(Debug)]
pub struct Slots {
    attempts: BTreeMap<String, (usize, bool)>,
    /// From which endpoint on is looked next.
    start: Vec<u8>,
}

/// A delivery that this host is to send.
#[derive(Debug)]
pub struct Claimed {
    pub(crate) delivery: Delivery,
    pub(crate) version: Version,
    pub(crate) failing_since: Option<u64>,
    pub(crate) request: Request<Vec<u8>>,
    /// The name whose addresses have to be public.
    pub(crate) looked_up: Option<String>,
}

impl Slots {
    /// Nothing goes on. Who is looked at first is random, so that hosts do not all begin with the same.
    pub fn new(environment: &Environment<'_>) -> Self {
        let [first] = environment.random_bytes::<1>();
        Self { attempts: BTreeMap::new(), start: format!("{DUE}{first:02x}").into_bytes() }
    }

    fn is_full(&self) -> bool {
        self.attempts.values().map(|(count, _)| count).sum::<usize>() >= ATTEMPTS_MAX
    }

    fn room(&self, endpoint: &str) -> usize {
        let begun = self.attempts.get(endpoint).map_or(0, |(count, _)| *count);
        ATTEMPTS_OF_ENDPOINT_MAX.saturating_sub(begun)
    }

    /// Whether an endpoint may have one more attempt.
    fn admits(&self, endpoint: &Endpoint, takes_failing: bool) -> bool {
        if self.is_full() {
            return false;
        }
        if endpoint.failing_since.is_none() {
            return self.room(&endpoint.id) > 0;
        }
        let failing = self.attempts.values().filter(|(_, is_failing)| *is_failing).count();
        takes_failing && !self.attempts.contains_key(&endpoint.id) && failing < FAILING_MAX
    }

    fn take(&mut self, endpoint: &Endpoint) {
        let slot = self.attempts.entry(endpoint.id.clone()).or_default();
        *slot = (slot.0 + 1, endpoint.failing_since.is_some());
    }

    /// An attempt has ended.
    pub(crate) fn free(&mut self, endpoint: &str) {
        if let Some((count, _)) = self.attempts.get_mut(endpoint) {
            *count = count.saturating_sub(1);
        }
        self.attempts.retain(|_, (count, _)| *count > 0);
    }
}

/// Takes what is due and has room.
pub async fn fill(
    store: &impl Kv,
    environment: &Environment<'_>,
    slots: &mut Slots,
    takes_failing: bool,
) -> Result<Vec<Claimed>, WebhookError> {
    let retries = Retries::of(environment.settings)?;
    let start = slots.start.clone();
    // From where the last one stopped to the end, and then from the beginning.
    let round =
        [KeyRange { start: start.clone(), end: DUE_END.into() }, KeyRange { start: DUE.into(), end: start }];
    let (mut claimed, mut looked_at) = (Vec::new(), 0);
    for mut range in round {
        while looked_at < ENDPOINTS_MAX && !slots.is_full() && range.start < range.end {
            let first = store.scan(&range, 1, Direction::Forward).await?.items.pop();
            let Some(first) = first else { break };
            let Some((endpoint, _)) = deliveries::parse_due(&first.key) else {
                return Err(Problem::internal().into());
            };
            let later = deliveries::due_key(endpoint, environment.now.saturating_add(1), "");
            if first.key < later {
                let of = (&retries, endpoint);
                of_endpoint(store, environment, of, (&mut *slots, takes_failing), &mut claimed).await?;
            }
            range.start = deliveries::due_range(endpoint).end;
            slots.start.clone_from(&range.start);
            looked_at += 1;
        }
    }
    Ok(claimed)
}

/// Takes what is due of one endpoint and has room.
async fn of_endpoint(
    store: &impl Kv,
    environment: &Environment<'_>,
    (retries, id): (&Retries, &str),
    (slots, takes_failing): (&mut Slots, bool),
    claimed: &mut Vec<Claimed>,
) -> Result<(), WebhookError> {
    let room = u32::try_from(slots.room(id)).unwrap_or_default();
    if room == 0 {
        return Ok(());
    }
    let start = deliveries::due_range(id).start;
    let end = deliveries::due_key(id, environment.now.saturating_add(1), "");
    let page = store.scan(&KeyRange { start, end }, room, Direction::Forward).await?;
    let mut known_roster: Option<Roster> = None;
    for item in &page.items {
        let (_, name) = deliveries::parse_due(&item.key).ok_or_else(Problem::internal)?;
        let known = deliveries::stored(store, id, name).await?;
        let Some((delivery, version)) = known.filter(|(delivery, _)| delivery.due_key() == item.key) else {
            // It was moved in between.
            continue;
        };
        let roster = match &mut known_roster {
            Some(roster) => roster,
            none => none.insert(roster::stored(store, &delivery.owner).await?.0),
        };
        let Some(endpoint) = roster.find(id) else {
            deliveries::remove(store, (&delivery, version)).await?;
            continue;
        };
        if let Some(why) = hopeless(&delivery, endpoint, retries) {
            bury(store, (&delivery, version), why, environment.now).await?;
            continue;
        }
        if !slots.admits(endpoint, takes_failing) {
            break;
        }
        if let Some(taken) = claim(store, environment, (&delivery, version), endpoint).await? {
            slots.take(endpoint);
            claimed.push(taken);
        }
    }
    Ok(())
}

/// Why a delivery that is due is not tried.
fn hopeless(delivery: &Delivery, endpoint: &Endpoint, retries: &Retries) -> Option<&'static str> {
    if endpoint.disabled.is_some() {
        return Some(DISABLED);
    }
    // A host ended in the last attempt.
    (!retries.has_more(delivery.attempts)).then_some(LOST)
}

async fn bury(
    store: &impl Kv,
    (delivery, version): (&Delivery, Version),
    why: &str,
    now: u64,
) -> Result<(), WebhookError> {
    let last = Some(Attempt { time: now, status: None, error: Some(why.to_owned()) });
    let dead = Delivery { state: State::Dead, last, ..delivery.clone() };
    deliveries::change(store, (delivery, version), &dead, now).await?;
    Ok(())
}

/// Takes a delivery. None: another host has, or it cannot be sent now.
async fn claim(
    store: &impl Kv,
    environment: &Environment<'_>,
    (delivery, version): (&Delivery, Version),
    endpoint: &Endpoint,
) -> Result<Option<Claimed>, WebhookError> {
    let destination = match destination::require(environment.settings, &endpoint.url) {
        Ok(destination) => destination,
        Err(WebhookError::Destination(_) | WebhookError::Invalid(_)) => {
            // The administrator has changed where webhooks go.
            bury(store, (delivery, version), NOT_ALLOWED, environment.now).await?;
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let Ok(secrets) = endpoint.secrets(environment) else {
        // It stays due. The others' may be opened.
        eprintln!("the secret of the webhook endpoint {} cannot be opened", endpoint.id);
        return Ok(None);
    };
    let timestamp = environment.now_seconds();
    let signatures = secrets.iter().map(|secret| secret.sign(&delivery.id, timestamp, &delivery.payload));
    let signatures: Vec<String> = signatures.collect::<Result<_, _>>()?;
    // Standard Webhooks 1.0.0, section Webhook headers: several signatures are separated by spaces.
    let request = Request::post(destination.url.as_str())
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, attempts::USER_AGENT)
        .header("webhook-id", &delivery.id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", signatures.join(" "))
        .body(delivery.payload.clone().into_bytes())
        .map_err(|_| Problem::internal())?;
    let taken = Delivery {
        attempts: delivery.attempts.saturating_add(1),
        next_at: environment.now.saturating_add(CLAIM_MS),
        ..delivery.clone()
    };
    let taken_as = deliveries::change(store, (delivery, version), &taken, environment.now).await?;
    Ok(taken_as.map(|version| Claimed {
        delivery: taken,
        version,
        failing_since: endpoint.failing_since,
        request,
        looked_up: destination.looked_up,
    }))
}
