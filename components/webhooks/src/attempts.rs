//! A delivery is sent, and what becomes of it.

use crate::WebhookError;
use crate::claims::Claimed;
use crate::deliveries::{self, Attempt, Delivery, State};
use crate::retries::Retries;
use crate::roster::{self, Disabled, Reason};
use http::{HeaderMap, StatusCode, header};
use std::time::Duration;
use vwp_core::Environment;
use vwp_core::outbound::{Limits, Outbound, OutboundError};
use vwp_core::resolver::{self, Resolver};
use vwp_storage::Kv;

/// Who sends.
pub(crate) const USER_AGENT: &str = "VirtualWorldPort";
/// What an answer may cost (Standard Webhooks 1.0.0, section Request timeouts: 15 to 30 s). Nobody reads its body.
pub const LIMITS: Limits = Limits { body_bytes_max: 64 * 1024, time_max: Duration::from_secs(15) };

/// After how long in which nothing arrived an endpoint is disabled, in milliseconds: longer than a delivery is
/// tried, so that each got its attempts.
pub const FAILING_MS_MAX: u64 = 5 * 86_400_000;

/// What an endpoint answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It has it (2xx).
    Taken(u16),
    /// It does not want anything any more (410).
    Gone,
    /// It does not have it, and may ask for a pause in milliseconds.
    Refused(u16, Option<u64>),
    /// Nothing. Why, in a word that says nothing of the port's network.
    Nothing(&'static str),
}

/// Sends a delivery, and waits for the answer.
pub async fn send(
    outbound: &impl Outbound,
    environment: &Environment<'_>,
    claimed: Claimed,
) -> (Claimed, Answer) {
    let answer = answer(outbound, environment, &claimed).await;
    (claimed, answer)
}

async fn answer(outbound: &impl Outbound, environment: &Environment<'_>, claimed: &Claimed) -> Answer {
    if let Some(name) = &claimed.looked_up {
        let Ok(Some(url)) = resolver::url(environment.settings) else {
            return Answer::Nothing("not-allowed");
        };
        match (Resolver { url: &url, outbound }).is_public(name).await {
            Ok(true) => {}
            Ok(false) => return Answer::Nothing("not-public"),
            Err(_) => return Answer::Nothing("not-found"),
        }
    }
    match outbound.send(claimed.request.clone(), LIMITS).await {
        Ok(answer) => {
            let status = answer.status();
            if status.is_success() {
                Answer::Taken(status.as_u16())
            } else if status == StatusCode::GONE {
                Answer::Gone
            } else {
                // A redirect is one of them.
                Answer::Refused(status.as_u16(), retry_after_ms(answer.headers()))
            }
        }
        Err(OutboundError::Denied(_)) => Answer::Nothing("not-allowed"),
        Err(OutboundError::Exceeded(_)) => Answer::Nothing("exceeded"),
        Err(OutboundError::Failed(_)) => Answer::Nothing("failed"),
    }
}

/// How long an endpoint asks to be left alone (RFC 9110, section 10.2.3); only in seconds.
fn retry_after_ms(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse::<u64>().ok()?.checked_mul(1000)
}

/// Notes what has become of a delivery, and of its endpoint with it. If the delivery was another host's in between,
/// that one notes it.
pub async fn settle(
    store: &impl Kv,
    environment: &Environment<'_>,
    (claimed, answer): (&Claimed, &Answer),
) -> Result<(), WebhookError> {
    let now = environment.now;
    let attempts = claimed.delivery.attempts;
    let (status, error) = match answer {
        Answer::Taken(status) | Answer::Refused(status, _) => (Some(*status), None),
        Answer::Gone => (Some(StatusCode::GONE.as_u16()), None),
        Answer::Nothing(why) => (None, Some((*why).to_owned())),
    };
    let asked_ms = if let Answer::Refused(_, asked_ms) = answer { *asked_ms } else { None };
    let pause_ms = Retries::of(environment.settings)?.pause_ms(attempts, asked_ms, environment);
    let (state, next_at) = match (answer, pause_ms) {
        (Answer::Taken(_), _) => (State::Delivered, now),
        (Answer::Gone, _) | (_, None) => (State::Dead, now),
        (_, Some(pause_ms)) => (State::Pending, now.saturating_add(pause_ms)),
    };
    let last = Some(Attempt { time: now, status, error });
    let after = Delivery { state, next_at, last, ..claimed.delivery.clone() };
    deliveries::change(store, (&claimed.delivery, claimed.version), &after, now).await?;
    settle_endpoint(store, environment, claimed, answer).await
}

/// Notes since when an endpoint is failing, or that it is not; disables it if it is gone, or fails for days.
async fn settle_endpoint(
    store: &impl Kv,
    environment: &Environment<'_>,
    claimed: &Claimed,
    answer: &Answer,
) -> Result<(), WebhookError> {
    let now = environment.now;
    let since = claimed.failing_since;
    let is_over = since.is_some_and(|since| now.saturating_sub(since) > FAILING_MS_MAX);
    let reason = match answer {
        Answer::Taken(_) if since.is_none() => return Ok(()),
        Answer::Refused(..) | Answer::Nothing(_) if since.is_some() && !is_over => return Ok(()),
        Answer::Taken(_) => None,
        Answer::Gone => Some(Reason::Gone),
        Answer::Refused(..) | Answer::Nothing(_) => is_over.then_some(Reason::Failing),
    };
    let is_taken = matches!(answer, Answer::Taken(_));
    roster::change(store, environment, &claimed.delivery.owner, |roster| {
        let Some(endpoint) = roster.find_mut(&claimed.delivery.endpoint) else { return Ok(()) };
        endpoint.failing_since = if is_taken { None } else { endpoint.failing_since.or(Some(now)) };
        if let Some(reason) = reason
            && endpoint.disabled.is_none()
        {
            endpoint.disabled = Some(Disabled { reason, time: now });
        }
        Ok(())
    })
    .await
}
