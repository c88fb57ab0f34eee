//! What a host tells of its work: metrics, traces, and a line of the log for each request.
//!
//! - [`metrics`]: counts and times, which Prometheus fetches from a listener of their own
//!   ([`exposition`]).
//! - [`trace`]: spans of requests, of the components that answer them, and of what those do in the
//!   store and on the network; [`otlp`] sends them to a collector.
//! - [`request`]: one request, from its arrival to its answer, as all three see it.
//! - [`log`]: the log's format.
//!
//! What is told is bounded and names nobody. A label or an attribute is a component, a route's
//! pattern, a method that is known, a status, a host that the manifest names: never a path, a
//! query, a header, a body, an account, a traveller or an address.
//!
//! Nothing is on unless an option says so, and what is off costs a look at an empty `Option`.

pub mod arguments;
pub mod exposition;
pub mod log;
pub mod metrics;
pub mod otlp;
pub mod request;
pub mod trace;

pub use metrics::Metrics;
pub use trace::Tracing;

use std::sync::Arc;

/// What is told of the host's work. The default is nothing.
#[derive(Clone, Default)]
pub struct Telemetry {
    /// Where it is counted, if it is.
    pub metrics: Option<Arc<Metrics>>,
    /// Where spans go, if they are made.
    pub tracing: Option<Arc<Tracing>>,
}

/// What is told of one component's work. The default is nothing.
#[derive(Clone, Default)]
pub struct Observed {
    /// Where it is counted, if it is.
    pub metrics: Option<Arc<metrics::Component>>,
    /// Where spans go, if they are made.
    pub tracing: Option<Arc<Tracing>>,
}

impl Telemetry {
    /// What is told of a component's work.
    pub fn of(&self, component: &str) -> Observed {
        Observed {
            metrics: self.metrics.as_ref().map(|metrics| Arc::new(metrics.component(component))),
            tracing: self.tracing.clone(),
        }
    }
}
