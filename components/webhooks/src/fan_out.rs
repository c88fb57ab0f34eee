//! An event becomes a delivery to each endpoint of its owner that wants it, in the commit that takes it out of the
//! outbox: so it does once, whoever does it how often.

use crate::WebhookError;
use crate::deliveries::{Attempt, Delivery, State};
use crate::roster::{self, Endpoint, Roster};
use chrono::DateTime;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use vwp_core::outbox::{EVENTS, Event};
use vwp_core::{Environment, Problem};
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Direction, KeyRange, Outcome, Write};
use vwp_storage::limits;

/// The most events of a call.
const EVENTS_MAX: u32 = 64;
/// The most writes and bytes of a commit, which the store bounds by 256 and 1 MiB.
const WRITES_MAX: usize = 240;
const BYTES_MAX: usize = 900_000;
/// The word for a delivery that is given up because its endpoint is disabled.
pub(crate) const DISABLED: &str = "disabled";

/// What is sent (Standard Webhooks 1.0.0, section Payload structure).
#[derive(Serialize)]
struct Payload<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    timestamp: String,
    data: &'a Value,
}

/// What is sent of an event, as text.
pub(crate) fn payload(kind: &str, time: u64, data: &Value) -> Result<String, WebhookError> {
    let moment = i64::try_from(time).ok().and_then(DateTime::from_timestamp_millis);
    let moment = moment.ok_or_else(Problem::internal)?;
    // RFC 3339, section 5.6.
    let timestamp = format!("{}T{}Z", moment.date_naive(), moment.time());
    Ok(serde_json::to_string(&Payload { kind, timestamp, data }).map_err(|_| Problem::internal())?)
}

/// A delivery of something to an endpoint. To one that is disabled it is a dead letter from the beginning, so that it
/// can be replayed when the endpoint is enabled again.
pub(crate) fn delivery(
    (owner, endpoint): (&str, &Endpoint),
    (id, kind, payload): (&str, &str, &str),
    now: u64,
) -> Delivery {
    let is_disabled = endpoint.disabled.is_some();
    let gave_up = || Attempt { time: now, status: None, error: Some(DISABLED.to_owned()) };
    Delivery {
        id: id.to_owned(),
        endpoint: endpoint.id.clone(),
        owner: owner.to_owned(),
        kind: kind.to_owned(),
        payload: payload.to_owned(),
        created_at: now,
        state: if is_disabled { State::Dead } else { State::Pending },
        attempts: 0,
        next_at: now,
        last: is_disabled.then(gave_up),
    }
}

/// Makes deliveries of events, the oldest first; of how many.
pub async fn run(store: &impl Kv, environment: &Environment<'_>) -> Result<u32, WebhookError> {
    let page = store.scan(&KeyRange::prefix(EVENTS), EVENTS_MAX, Direction::Forward).await?;
    let mut rosters: BTreeMap<String, Roster> = BTreeMap::new();
    let (mut checks, mut writes, mut taken) = (Vec::new(), Vec::new(), 0);
    for item in &page.items {
        let mut of_event = vec![Write::delete(item.key.clone())];
        if let Ok(event) = serde_json::from_slice::<Event>(&item.entry.value) {
            if !rosters.contains_key(&event.owner) {
                rosters.insert(event.owner.clone(), roster::stored(store, &event.owner).await?.0);
            }
            let roster = rosters.get(&event.owner).ok_or_else(Problem::internal)?;
            of_event.extend(deliveries_of(&event, roster, environment.now)?);
        } else {
            // A fault of ours, which must not keep what comes after it from being told.
            eprintln!("an event in the outbox cannot be read, and is left out");
        }
        let bytes = limits::commit_bytes(&[], &writes) + limits::commit_bytes(&[], &of_event);
        let is_full = writes.len() + of_event.len() > WRITES_MAX || bytes > BYTES_MAX;
        if is_full && !writes.is_empty() {
            break;
        }
        checks.push(Check::unchanged(item.key.clone(), Some(&item.entry)));
        writes.extend(of_event);
        taken += 1;
    }
    if taken == 0 {
        return Ok(0);
    }
    match store.commit(&checks, &writes).await? {
        // If another host took one of them, what is left is taken by the next call.
        Outcome::Committed(_) | Outcome::Conflict(_) => Ok(taken),
        Outcome::OutOfBounds(_) | Outcome::NotACounter(_) => Err(Problem::internal().into()),
    }
}

fn deliveries_of(event: &Event, roster: &Roster, now: u64) -> Result<Vec<Write>, WebhookError> {
    let payload = payload(&event.kind, event.time.unwrap_or(now), &event.data)?;
    let mut writes = Vec::new();
    for endpoint in roster.endpoints.iter().filter(|endpoint| endpoint.wants(&event.kind)) {
        let sent = (event.id.as_str(), event.kind.as_str(), payload.as_str());
        writes.extend(delivery((&event.owner, endpoint), sent, now).created(now)?);
    }
    Ok(writes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_payload_is_the_specifications_with_the_time_in_utc() {
        assert_eq!(
            payload("transfer.created", 1_667_507_170_344, &json!({"amount": "1"})).unwrap(),
            r#"{"type":"transfer.created","timestamp":"2022-11-03T20:26:10.344Z","data":{"amount":"1"}}"#
        );
        let whole = payload("transfer.created", 1_667_507_170_000, &json!({})).unwrap();
        assert!(whole.contains(r#""2022-11-03T20:26:10Z""#), "{whole}");
    }
}
