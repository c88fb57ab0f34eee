//! What is kept of a delivery, and where it is listed.
//!
//! A delivery is one record. It is listed among those of its endpoint with the same state, and, while it is pending,
//! among those that are due. Every change of it moves it there in the same commit.

use crate::WebhookError;
use serde::{Deserialize, Serialize};
use vwp_core::Problem;
use vwp_storage::Kv;
use vwp_storage::kv::{Check, Direction, Entry, KeyRange, Outcome, Version, Write};

/// How long a delivery that was made is kept, in milliseconds.
pub const DELIVERED_KEPT_MS: u64 = 3 * 86_400_000;
/// How long one that was given up is kept, in milliseconds: in this time it can be replayed.
pub const DEAD_KEPT_MS: u64 = 30 * 86_400_000;
/// Where what is due is listed: by endpoint, then by time.
pub(crate) const DUE: &str = "webhooks/due/";
/// The first key after those.
pub(crate) const DUE_END: &str = "webhooks/due0";

/// What has become of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is tried, or tried again.
    Pending,
    /// The endpoint has it.
    Delivered,
    /// It was given up.
    Dead,
}

impl State {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Delivered, Self::Dead].into_iter().find(|state| state.name() == text)
    }
}

/// An attempt, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it ended, in milliseconds since the Unix epoch.
    pub time: u64,
    /// What the endpoint answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why there is no answer, in a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A delivery as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Delivery {
    /// The `webhook-id`.
    pub(crate) id: String,
    pub(crate) endpoint: String,
    pub(crate) owner: String,
    pub(crate) kind: String,
    /// What is sent, byte for byte.
    pub(crate) payload: String,
    pub(crate) created_at: u64,
    pub(crate) state: State,
    /// How many attempts were begun.
    pub(crate) attempts: u32,
    /// When the next one is, if it is pending; while one goes on, when it counts as failed.
    pub(crate) next_at: u64,
    pub(crate) last: Option<Attempt>,
}

/// A delivery as the endpoint's owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeliveryInfo {
    /// The `webhook-id` that it is sent with.
    pub webhook_id: String,
    /// The type of the event.
    #[serde(rename = "type")]
    pub kind: String,
    /// What has become of it.
    pub state: State,
    /// How many attempts were begun since it was made or replayed.
    pub attempts: u32,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at: u64,
    /// When it is tried next, in milliseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_at: Option<u64>,
    /// How the last attempt ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_attempt: Option<Attempt>,
    /// What is sent. Only where one delivery is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
}

/// A page of an endpoint's deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page {
    /// The deliveries, newest first.
    pub items: Vec<DeliveryInfo>,
    /// Where the next page starts, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Delivery {
    /// As the endpoint's owner sees it in a list.
    pub(crate) fn info(&self) -> DeliveryInfo {
        DeliveryInfo {
            webhook_id: self.id.clone(),
            kind: self.kind.clone(),
            state: self.state,
            attempts: self.attempts,
            created_at: self.created_at,
            next_at: (self.state == State::Pending).then_some(self.next_at),
            last_attempt: self.last.clone(),
            payload: None,
        }
    }

    fn key(&self) -> Vec<u8> {
        delivery_key(&self.endpoint, &self.id)
    }

    fn listed_key(&self) -> Vec<u8> {
        let place = place(self.created_at, &self.id);
        format!("{}{place}", listed_prefix(&self.endpoint, self.state)).into_bytes()
    }

    pub(crate) fn due_key(&self) -> Vec<u8> {
        due_key(&self.endpoint, self.next_at, &self.id)
    }

    /// What writes it where there was none. `now` decides when it is forgotten.
    pub(crate) fn created(&self, now: u64) -> Result<Vec<Write>, WebhookError> {
        let kept = match self.state {
            State::Pending => None,
            State::Delivered => Some(DELIVERED_KEPT_MS),
            State::Dead => Some(DEAD_KEPT_MS),
        };
        let expires_at = kept.map(|kept| now.saturating_add(kept));
        let value = serde_json::to_vec(self).map_err(|_| Problem::internal())?;
        let mut writes = vec![
            Write::Put { key: self.key(), value, expires_at },
            Write::Put { key: self.listed_key(), value: Vec::new(), expires_at },
        ];
        if self.state == State::Pending {
            writes.push(Write::put(self.due_key(), []));
        }
        Ok(writes)
    }

    /// What removes it from where it is listed, unless it is listed there afterwards too.
    fn unlisted(&self, after: Option<&Self>) -> Vec<Write> {
        let mut writes = Vec::new();
        if after.is_none_or(|after| after.listed_key() != self.listed_key()) {
            writes.push(Write::delete(self.listed_key()));
        }
        let stays_due = |after: &Self| after.state == State::Pending && after.due_key() == self.due_key();
        if self.state == State::Pending && !after.is_some_and(stays_due) {
            writes.push(Write::delete(self.due_key()));
        }
        writes
    }
}

/// A delivery, and the version of the commit that wrote it.
pub(crate) async fn stored(
    store: &impl Kv,
    endpoint: &str,
    id: &str,
) -> Result<Option<(Delivery, Version)>, WebhookError> {
    let Some(entry) = store.get(&delivery_key(endpoint, id)).await? else { return Ok(None) };
    Ok(Some((read(&entry)?, entry.version)))
}

fn read(entry: &Entry) -> Result<Delivery, WebhookError> {
    Ok(serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())?)
}

/// Changes a delivery from what was read at a version; the version that it has then. None: it is another one by now.
pub(crate) async fn change(
    store: &impl Kv,
    (before, version): (&Delivery, Version),
    after: &Delivery,
    now: u64,
) -> Result<Option<Version>, WebhookError> {
    let mut writes = after.created(now)?;
    writes.extend(before.unlisted(Some(after)));
    committed(store, before, version, &writes).await
}

/// Forgets a delivery, if it is still what was read.
pub(crate) async fn remove(
    store: &impl Kv,
    (before, version): (&Delivery, Version),
) -> Result<(), WebhookError> {
    let mut writes = before.unlisted(None);
    writes.push(Write::delete(before.key()));
    committed(store, before, version, &writes).await?;
    Ok(())
}

async fn committed(
    store: &impl Kv,
    before: &Delivery,
    version: Version,
    writes: &[Write],
) -> Result<Option<Version>, WebhookError> {
    let check = Check { key: before.key(), version: Some(version) };
    match store.commit(&[check], writes).await? {
        Outcome::Committed(version) => Ok(Some(version)),
        Outcome::Conflict(_) => Ok(None),
        Outcome::OutOfBounds(_) | Outcome::NotACounter(_) => Err(Problem::internal().into()),
    }
}

/// A page of an endpoint's deliveries with a state, newest first, from a cursor on, made since a time.
pub(crate) async fn list(
    store: &impl Kv,
    (endpoint, state): (&str, State),
    (cursor, since): (Option<&str>, u64),
    limit: u32,
) -> Result<(Vec<(Delivery, Version)>, Option<String>), WebhookError> {
    let prefix = listed_prefix(endpoint, state);
    let mut range = KeyRange::prefix(prefix.clone());
    if let Some(cursor) = cursor {
        // The first key after the one that the cursor names.
        range.start = format!("{prefix}{cursor}\0").into_bytes();
    }
    if since > 0 {
        range.end = format!("{prefix}{}", place(since - 1, "")).into_bytes();
    }
    if range.start >= range.end {
        return Ok((Vec::new(), None));
    }
    let page = store.scan(&range, limit, Direction::Forward).await?;
    let places = page.items.iter().map(|item| {
        let place = item.key.get(prefix.len()..).and_then(|place| std::str::from_utf8(place).ok());
        place.ok_or_else(Problem::internal)
    });
    let places: Vec<&str> = places.collect::<Result<_, _>>()?;
    let ids = places.iter().map(|place| place.get(16..).unwrap_or_default());
    let keys: Vec<Vec<u8>> = ids.map(|id| delivery_key(endpoint, id)).collect();
    let mut found = Vec::with_capacity(keys.len());
    for entry in store.get_many(&keys).await?.into_iter().flatten() {
        let delivery = read(&entry)?;
        // It may have moved between the two reads.
        if delivery.state == state {
            found.push((delivery, entry.version));
        }
    }
    let next = places.last().map(|place| (*place).to_owned()).filter(|_| page.next.is_some());
    Ok((found, next))
}

/// Whether a text may be a cursor.
pub(crate) fn is_cursor(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Where a list has a delivery: newest first.
fn place(created_at: u64, id: &str) -> String {
    format!("{:016x}{id}", u64::MAX - created_at)
}

fn listed_prefix(endpoint: &str, state: State) -> String {
    format!("webhooks/list/{endpoint}/{}/", state.name())
}

pub(crate) fn delivery_key(endpoint: &str, id: &str) -> Vec<u8> {
    // An id from outside may be of any length, and one that is too long names nothing.
    let id: String = id.chars().take(128).collect();
    format!("webhooks/delivery/{endpoint}/{id}").into_bytes()
}

/// Where a delivery is listed that is due.
pub(crate) fn due_key(endpoint: &str, next_at: u64, id: &str) -> Vec<u8> {
    format!("{DUE}{endpoint}/{next_at:016x}{id}").into_bytes()
}

/// Where everything of an endpoint's is that is due.
pub(crate) fn due_range(endpoint: &str) -> KeyRange {
    KeyRange::prefix(format!("{DUE}{endpoint}/"))
}

/// The endpoint and the delivery that a key of what is due names.
pub(crate) fn parse_due(key: &[u8]) -> Option<(&str, &str)> {
    let (endpoint, rest) = std::str::from_utf8(key).ok()?.strip_prefix(DUE)?.split_once('/')?;
    Some((endpoint, rest.get(16..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_is_found_by_its_key() {
        let key = due_key("ab", 7, "msg_1");
        assert_eq!(parse_due(&key), Some(("ab", "msg_1")));
        let range = due_range("ab");
        assert!(range.start < key && key < range.end && range.end.as_slice() < DUE_END.as_bytes());
        assert!(due_key("ab", 7, "") < key && key < due_key("ab", 8, ""));
    }
}
