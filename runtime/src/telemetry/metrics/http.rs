//! Requests that arrive: how many, how long, how they ended, and which were not admitted.

use super::{Make, Metrics, TraceLabel, Traced, traced};
use crate::http_cache::Outcome;
use http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::OnceLock;

/// The methods that are told apart (RFC 9110, section 9.3; RFC 5789); others are `other`, because
/// clients may make them up.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"];

/// The name of a method, if it is one that is told apart.
pub(super) fn method_index(method: &Method) -> usize {
    METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(METHODS.len() - 1)
}

/// A method as it may be told.
pub fn method_name(method: &Method) -> &'static str {
    METHODS[method_index(method)]
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The client went away before there was an answer.
    Aborted,
    /// With a status of this hundred (RFC 9110, section 15).
    Hundred(u8),
}

/// How many classes there are: five hundreds, and none.
const CLASSES: usize = 6;

impl Class {
    /// The class of a status.
    pub fn of(status: StatusCode) -> Self {
        // A status has three digits; those of 600 and more are errors of the server (RFC 9110,
        // section 15).
        Self::Hundred(u8::try_from(status.as_u16() / 100).unwrap_or(5).clamp(1, 5))
    }

    fn index(self) -> usize {
        match self {
            Self::Aborted => 0,
            Self::Hundred(hundred) => usize::from(hundred),
        }
    }

    /// As it is told.
    pub fn name(self) -> &'static str {
        ["aborted", "1xx", "2xx", "3xx", "4xx", "5xx"][self.index()]
    }
}

/// Why a request was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// As many requests waited as may wait.
    QueueFull,
    /// The route had as many requests as it may have, for as long as one waits.
    RouteBusy,
    /// The component had as many requests as it may have, for as long as one waits.
    ComponentBusy,
    /// The host had as many.
    HostBusy,
}

/// In the order of [`Refused`].
const REASONS: [&str; 4] = ["queue_full", "route_busy", "component_busy", "host_busy"];

/// Where the answer to a request on a route with a cache came from. In the order of [`result_index`].
const RESULTS: [&str; 4] = ["hit", "collapsed", "miss", "bypass"];

fn result_index(outcome: Outcome) -> usize {
    match outcome {
        Outcome::Hit(_) => 0,
        Outcome::Collapsed => 1,
        Outcome::Miss(_) => 2,
        Outcome::Bypass => 3,
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CacheLabels {
    component: String,
    route: String,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    component: String,
    route: String,
    method: &'static str,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    component: String,
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    component: String,
    route: String,
    reason: &'static str,
}

/// All of them.
#[derive(Clone)]
pub(super) struct Families {
    durations: Family<RequestLabels, Traced, Make<Traced>>,
    in_flight: Family<RouteLabels, Gauge>,
    refusals: Family<RefusalLabels, Counter>,
    cached: Family<CacheLabels, Counter>,
}

impl Families {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self {
            durations: Family::new_with_constructor(traced as Make<Traced>),
            in_flight: Family::default(),
            refusals: Family::default(),
            cached: Family::default(),
        };
        registry.register(
            "http_server_request_duration_seconds",
            "Time from a request's head to the answer's, and to its end if it ends at once",
            families.durations.clone(),
        );
        registry.register(
            "http_server_requests_in_flight",
            "Requests that were admitted and with which their instances are not done",
            families.in_flight.clone(),
        );
        registry.register(
            "http_server_refusals",
            "Requests that were answered 503 because too many ran or waited",
            families.refusals.clone(),
        );
        registry.register(
            "http_server_cache_requests",
            "Requests on routes with a cache, by where their answers came from",
            families.cached.clone(),
        );
        families
    }
}

/// The requests of a route. Series of times are made when they are first needed; there would be
/// many.
pub struct Route {
    labels: RouteLabels,
    families: Families,
    durations: [[OnceLock<Traced>; CLASSES]; METHODS.len()],
    in_flight: Gauge,
    /// In the order of [`REASONS`].
    refusals: [Counter; REASONS.len()],
    /// In the order of [`RESULTS`]; made when it is first needed, because most routes have no cache.
    cached: OnceLock<[Counter; RESULTS.len()]>,
}

impl Metrics {
    /// The requests that a component answers on a route.
    pub fn route(&self, component: &str, route: &str) -> Route {
        let labels = RouteLabels { component: component.to_owned(), route: route.to_owned() };
        let in_flight = self.http.in_flight.get_or_create_owned(&labels);
        let refusals = REASONS.map(|reason| {
            let RouteLabels { component, route } = labels.clone();
            self.http.refusals.get_or_create_owned(&RefusalLabels { component, route, reason })
        });
        Route {
            labels,
            families: self.http.clone(),
            durations: Default::default(),
            in_flight,
            refusals,
            cached: OnceLock::new(),
        }
    }
}

impl Route {
    /// A request has ended, after so many seconds.
    pub fn answered(&self, method: &Method, class: Class, seconds: f64, trace: Option<TraceLabel>) {
        let method = method_index(method);
        let durations = self.durations[method][class.index()].get_or_init(|| {
            let RouteLabels { component, route } = self.labels.clone();
            let labels = RequestLabels { component, route, method: METHODS[method], status: class.name() };
            self.families.durations.get_or_create_owned(&labels)
        });
        durations.observe(seconds, trace, None);
    }

    /// A request was not admitted.
    pub fn refused(&self, reason: Refused) {
        self.refusals[reason as usize].inc();
    }

    /// The cache did this with a request.
    pub fn cached(&self, outcome: Outcome) {
        let cached = self.cached.get_or_init(|| {
            RESULTS.map(|result| {
                let RouteLabels { component, route } = self.labels.clone();
                self.families.cached.get_or_create_owned(&CacheLabels { component, route, result })
            })
        });
        cached[result_index(outcome)].inc();
    }

    /// A request was admitted, and is in flight until what this gives out is dropped.
    pub fn admitted(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }
}

/// One request in flight.
#[derive(Debug)]
pub struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}
