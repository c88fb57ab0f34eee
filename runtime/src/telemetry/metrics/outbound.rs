//! What guards components' requests to others: refusals, circuit breakers, retries and connections.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Why a request was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutboundRefused {
    /// The manifest does not allow it.
    Denied,
    /// The host is left alone, because it did not answer.
    CircuitOpen,
    /// Too many requests were under way, for as long as one waits.
    Busy,
}

/// In the order of [`OutboundRefused`].
const REASONS: [&str; 3] = ["denied", "circuit_open", "busy"];

/// What a circuit breaker has become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaker {
    /// Requests go through again.
    Closed,
    /// They are refused.
    Open,
    /// One goes through, to see.
    HalfOpen,
}

/// In the order of [`Breaker`].
const STATES: [&str; 3] = ["closed", "open", "half_open"];

/// Whether a request that could be sent again was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It was.
    Sent,
    /// The budget did not allow it.
    Refused,
}

/// In the order of [`Retry`].
const RETRIES: [&str; 2] = ["sent", "refused"];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    component: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    component: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    component: String,
    outcome: &'static str,
}

/// All of them.
#[derive(Clone)]
pub(super) struct Families {
    refusals: Family<ReasonLabels, Counter>,
    changes: Family<StateLabels, Counter>,
    retries: Family<OutcomeLabels, Counter>,
    /// Of all components together, which share them.
    connections: Gauge,
}

impl Families {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self {
            refusals: Family::default(),
            changes: Family::default(),
            retries: Family::default(),
            connections: Gauge::default(),
        };
        registry.register(
            "http_client_refusals",
            "Requests of components to others that were not sent",
            families.refusals.clone(),
        );
        registry.register(
            "http_client_breaker_changes",
            "Changes of circuit breakers, by what they became",
            families.changes.clone(),
        );
        registry.register(
            "http_client_retries",
            "Requests whose kept connection proved dead, by whether they were sent again",
            families.retries.clone(),
        );
        registry.register(
            "http_client_connections",
            "Connections to other hosts, those that are kept for later included",
            families.connections.clone(),
        );
        families
    }

    /// What is counted of a component.
    pub(super) fn of(&self, component: &str) -> Outbound {
        let component = || component.to_owned();
        Outbound {
            refusals: REASONS.map(|reason| {
                self.refusals.get_or_create_owned(&ReasonLabels { component: component(), reason })
            }),
            changes: STATES.map(|state| {
                self.changes.get_or_create_owned(&StateLabels { component: component(), state })
            }),
            retries: RETRIES.map(|outcome| {
                self.retries.get_or_create_owned(&OutcomeLabels { component: component(), outcome })
            }),
        }
    }

    /// There is a connection, until what this gives out is dropped.
    pub(super) fn connected(&self) -> Open {
        self.connections.inc();
        Open(self.connections.clone())
    }
}

/// What is counted of one component's requests to others.
pub struct Outbound {
    /// In the order of [`REASONS`].
    refusals: [Counter; REASONS.len()],
    /// In the order of [`STATES`].
    changes: [Counter; STATES.len()],
    /// In the order of [`RETRIES`].
    retries: [Counter; RETRIES.len()],
}

impl Outbound {
    /// A request was not sent.
    pub fn refused(&self, reason: OutboundRefused) {
        self.refusals[reason as usize].inc();
    }

    /// A circuit breaker has become this.
    pub fn breaker(&self, state: Breaker) {
        self.changes[state as usize].inc();
    }

    /// A request could have been sent again.
    pub fn retried(&self, outcome: Retry) {
        self.retries[outcome as usize].inc();
    }
}

/// One connection.
#[derive(Debug)]
pub struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
