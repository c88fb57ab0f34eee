//! Deliveries that were given up, or made, are made again: with the same `webhook-id`, so that an endpoint that has it
//! knows it.

use crate::deliveries::{self, Delivery, DeliveryInfo, Page, State};
use crate::endpoints::random_text;
use crate::fan_out::{delivery, payload};
use crate::{WebhookError, roster};
use serde::Serialize;
use serde_json::json;
use vwp_core::digest::digest;
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Outcome, Version};

/// How many deliveries are replayed by one call, at most.
pub const REPLAYED_MAX: u32 = 100;
/// How many deliveries a page has unless it is told, and at most.
pub const PAGE: (u32, u32) = (20, 100);
/// The type of what is sent to try an endpoint out.
pub const TEST: &str = "webhook.test";

/// What was replayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// How many deliveries.
    pub replayed: u32,
    /// Whether there are more, for the same call again.
    pub more: bool,
}

/// A page of the deliveries to one of an owner's endpoints, newest first.
pub async fn list(
    store: &impl Kv,
    (owner, endpoint): (&str, &str),
    state: State,
    (cursor, limit): (Option<&str>, Option<u32>),
) -> Result<Page, WebhookError> {
    let limit = limit.unwrap_or(PAGE.0);
    if !(1..=PAGE.1).contains(&limit) || cursor.is_some_and(|cursor| !deliveries::is_cursor(cursor)) {
        return Err(WebhookError::Invalid(format!("limit is 1 to {}, and cursor what a page says", PAGE.1)));
    }
    roster::own(store, owner, endpoint).await?;
    let (items, next) = deliveries::list(store, (endpoint, state), (cursor, 0), limit).await?;
    Ok(Page { items: items.iter().map(|(delivery, _)| delivery.info()).collect(), next })
}

/// A delivery to one of an owner's endpoints, with what is sent.
pub async fn get(
    store: &impl Kv,
    (owner, endpoint): (&str, &str),
    id: &str,
) -> Result<DeliveryInfo, WebhookError> {
    roster::own(store, owner, endpoint).await?;
    let (delivery, _) =
        deliveries::stored(store, endpoint, id).await?.ok_or(WebhookError::UnknownDelivery)?;
    let payload = Some(delivery.payload.clone());
    Ok(DeliveryInfo { payload, ..delivery.info() })
}

/// Makes a delivery again, with all its attempts. One that is pending stays as it is.
pub async fn replay(
    store: &impl Kv,
    environment: &Environment<'_>,
    (owner, endpoint): (&str, &str),
    id: &str,
) -> Result<DeliveryInfo, WebhookError> {
    require_enabled(store, owner, endpoint).await?;
    let (delivery, version) =
        deliveries::stored(store, endpoint, id).await?.ok_or(WebhookError::UnknownDelivery)?;
    if delivery.state != State::Pending {
        again(store, environment, (&delivery, version)).await?;
    }
    let (delivery, _) =
        deliveries::stored(store, endpoint, id).await?.ok_or(WebhookError::UnknownDelivery)?;
    Ok(delivery.info())
}

/// Makes all deliveries again that were made since a time and given up.
pub async fn replay_dead(
    store: &impl Kv,
    environment: &Environment<'_>,
    (owner, endpoint): (&str, &str),
    since: u64,
) -> Result<Replayed, WebhookError> {
    require_enabled(store, owner, endpoint).await?;
    let of = (endpoint, State::Dead);
    let (dead, next) = deliveries::list(store, of, (None, since), REPLAYED_MAX).await?;
    let mut replayed = 0;
    for (delivery, version) in &dead {
        if again(store, environment, (delivery, *version)).await? {
            replayed += 1;
        }
    }
    Ok(Replayed { replayed, more: next.is_some() })
}

/// Sends something to an endpoint that says nothing, to try it out.
pub async fn test(
    store: &impl Kv,
    environment: &Environment<'_>,
    (owner, id): (&str, &str),
) -> Result<DeliveryInfo, WebhookError> {
    let endpoint = require_enabled(store, owner, id).await?;
    let message = format!("msg_{:032x}", digest("vwp-event-v1", &[id, TEST, &random_text(environment)]));
    let payload = payload(TEST, environment.now, &json!({ "endpoint_id": id }))?;
    let delivery = delivery((owner, &endpoint), (&message, TEST, &payload), environment.now);
    match store.commit(&[], &delivery.created(environment.now)?).await? {
        Outcome::Committed(_) => Ok(delivery.info()),
        _ => Err(Problem::internal().into()),
    }
}

async fn require_enabled(
    store: &impl Kv,
    owner: &str,
    endpoint: &str,
) -> Result<roster::Endpoint, WebhookError> {
    let endpoint = roster::own(store, owner, endpoint).await?;
    if endpoint.disabled.is_some() { Err(WebhookError::Disabled) } else { Ok(endpoint) }
}

/// Makes a delivery pending again; whether it was still what was read.
async fn again(
    store: &impl Kv,
    environment: &Environment<'_>,
    (before, version): (&Delivery, Version),
) -> Result<bool, WebhookError> {
    let now = environment.now;
    let after = Delivery { state: State::Pending, attempts: 0, next_at: now, ..before.clone() };
    Ok(deliveries::change(store, (before, version), &after, now).await?.is_some())
}
