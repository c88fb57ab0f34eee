//! The shared space `outbox/`: what happened, for those who want to be told of it.
//!
//! Whoever changes something writes the event in the commit that changes it, so that there is one without the
//! other never. Webhooks takes events out, in the commit that makes deliveries of them. Webhooks also keeps here
//! who listens at all: for nobody else is anything written. Nothing secret is in it.

use crate::caller::Caller;
use crate::digest::digest;
use crate::problem::Problem;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vwp_storage::kv::{Entry, Write};
use vwp_storage::{Kv, StorageError};

/// Where the events are: below this, in the order of the commits that wrote them.
pub const EVENTS: &str = "outbox/event/";
/// Where those are who listen.
pub const LISTENERS: &str = "outbox/listener/";
/// The longest data of an event, in bytes of JSON. The specification of Standard Webhooks (section Payload size)
/// recommends less than 20 kB.
pub const DATA_LENGTH_MAX: usize = 20_000;
/// Every type of event that is written here. What happens to a thing is named after the thing as the HTTP API
/// names it.
pub const TYPES: &[&str] = &[
    "escrow.disputed",
    "escrow.expired",
    "escrow.funded",
    "escrow.refunded",
    "escrow.released",
    "payment.action_required",
    "payment.authorised",
    "payment.cancelled",
    "payment.captured",
    "payment.declined",
    "payment.disputed",
    "payment.processing",
    "payment.refund_failed",
    "payment.refunded",
    "payment.refused",
    "payment.reinstated",
    "payout.failed",
    "payout.paid",
    "payout.refused",
    "schedule.ended",
    "schedule.refused",
    "schedule.skipped",
    "transfer.chargeback",
    "transfer.created",
    "transfer.held",
    "transfer.posted",
    "transfer.refunded",
    "transfer.reversed",
    "transfer.voided",
];

/// Something that happened, for one who listens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// What tells it from all others, however often it is sent: `msg_` and 32 hexadecimal digits.
    pub id: String,
    /// Whom it is for, as [`owner_of`] writes it.
    pub owner: String,
    /// One of [`TYPES`].
    #[serde(rename = "type")]
    pub kind: String,
    /// When it happened, in milliseconds since the Unix epoch; none if that is when it is taken out of here.
    pub time: Option<u64>,
    /// What it happened to, as the HTTP API shows it to whom the event is for.
    pub data: Value,
}

/// Somebody who listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Since when, in milliseconds since the Unix epoch. What happened long before is not told.
    pub since: u64,
}

impl Event {
    /// An event whose id follows from whom it is for, what it is, and what it is about.
    pub fn new(owner: &str, kind: &str, about: &[&str], time: Option<u64>, data: Value) -> Self {
        let parts = [&[owner, kind], about].concat();
        let id = format!("msg_{:032x}", digest("vwp-event-v1", &parts));
        Self { id, owner: owner.to_owned(), kind: kind.to_owned(), time, data: bounded(data) }
    }

    /// What puts it into the outbox.
    pub fn write(&self) -> Result<Write, Problem> {
        let value = serde_json::to_vec(self).map_err(|_| Problem::internal())?;
        Ok(Write::Append { prefix: EVENTS.into(), suffix: self.id.clone().into_bytes(), value })
    }
}

/// Data that is too long loses its lists and objects: who wants them reads the thing.
fn bounded(mut data: Value) -> Value {
    let is_long = data.to_string().len() > DATA_LENGTH_MAX;
    if let Some(members) = data.as_object_mut().filter(|_| is_long) {
        members.retain(|_, value| !value.is_array() && !value.is_object());
    }
    data
}

/// Whom events are for: an operator or who runs the port. Nobody else listens.
pub fn owner_of(caller: &Caller) -> Option<String> {
    match caller {
        Caller::Operator { id } => Some(format!("operator:{id}")),
        Caller::Administrator => Some("administrator".to_owned()),
        Caller::Traveller { .. } | Caller::Nobody => None,
    }
}

/// The key of the record that somebody listens.
pub fn listener_key(owner: &str) -> Vec<u8> {
    format!("{LISTENERS}{owner}").into_bytes()
}

/// What a listener's record says.
pub fn read_listener(entry: &Entry) -> Result<Listener, Problem> {
    serde_json::from_slice(&entry.value).map_err(|_| Problem::internal())
}

/// Whether somebody listens.
pub async fn is_listening(kv: &impl Kv, owner: &str) -> Result<bool, StorageError> {
    Ok(kv.get(&listener_key(owner)).await?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_has_one_id_and_another_one_another() {
        let event =
            |owner: &str, kind: &str, about: &[&str]| Event::new(owner, kind, about, None, json!({})).id;
        let id = event("operator:a", "transfer.created", &["1"]);
        assert_eq!(id, event("operator:a", "transfer.created", &["1"]));
        for other in [
            event("operator:b", "transfer.created", &["1"]),
            event("operator:a", "transfer.held", &["1"]),
            event("operator:a", "transfer.created", &["2"]),
        ] {
            assert_ne!(id, other);
        }
        // The specification: neither a full stop nor anything that a caller chooses.
        assert!(id.strip_prefix("msg_").unwrap().bytes().all(|byte| byte.is_ascii_hexdigit()));
    }

    #[test]
    fn what_is_too_long_keeps_what_names_it() {
        let long =
            json!({"escrow_id": "e", "milestones": vec!["1"; 10_000], "terms": {"payee": "world:arena"}});
        assert_eq!(Event::new("o", "escrow.funded", &[], None, long).data, json!({"escrow_id": "e"}));
        let short = json!({"escrow_id": "e", "milestones": ["1"]});
        assert_eq!(Event::new("o", "escrow.funded", &[], None, short.clone()).data, short);
    }

    #[test]
    fn types_are_sorted_and_made_of_the_letters_that_the_specification_recommends() {
        assert!(TYPES.is_sorted());
        let is_plain = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        assert!(TYPES.iter().all(|kind| kind.split('.').count() == 2 && kind.split('.').all(is_plain)));
    }
}
