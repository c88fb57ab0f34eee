//! Components: their instances and memory, how they fail, what they ask of others, and their
//! scheduled work.

use super::{Class, Make, Metrics, Outbound, TraceLabel, Traced, seconds, traced};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ComponentLabels {
    component: String,
}

/// How a guest failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It trapped, or answered what it must not.
    Defect,
    /// It took longer than it may.
    Deadline,
    /// There was no room for another instance.
    NoInstance,
}

/// In the order of [`Failure`].
const FAILURES: [&str; 3] = ["defect", "deadline", "no_instance"];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    component: String,
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutboundLabels {
    component: String,
    /// As the manifest allows it: a host, or a pattern of hosts.
    host: String,
    status: &'static str,
}

/// How a call of scheduled work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// It did what it had to.
    Succeeded,
    /// It said that it could not.
    Failed,
    /// It trapped, or took longer than it may.
    Defect,
}

/// In the order of [`Run`].
const RUNS: [&str; 3] = ["succeeded", "failed", "defect"];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RunLabels {
    component: String,
    outcome: &'static str,
}

/// All of them.
#[derive(Clone)]
pub(super) struct Families {
    instances: Family<ComponentLabels, Gauge>,
    memory: Family<ComponentLabels, Gauge>,
    failures: Family<FailureLabels, Counter>,
    outbound: Family<OutboundLabels, Traced, Make<Traced>>,
    runs: Family<RunLabels, Counter>,
    run_durations: Family<ComponentLabels, Histogram, Make<Histogram>>,
    last_success: Family<ComponentLabels, Gauge>,
}

impl Families {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self {
            instances: Family::default(),
            memory: Family::default(),
            failures: Family::default(),
            outbound: Family::new_with_constructor(traced as Make<Traced>),
            runs: Family::default(),
            run_durations: Family::new_with_constructor(seconds as Make<Histogram>),
            last_success: Family::default(),
        };
        registry.register("component_instances", "Instances, idle ones included", families.instances.clone());
        registry.register(
            "component_memory_bytes",
            "Linear memory of all instances",
            families.memory.clone(),
        );
        registry.register(
            "component_failures",
            "Requests that a component did not answer by itself",
            families.failures.clone(),
        );
        registry.register(
            "http_client_request_duration_seconds",
            "Time from a component's request to the head of its answer",
            families.outbound.clone(),
        );
        registry.register("timer_runs", "Calls of scheduled work", families.runs.clone());
        registry.register(
            "timer_run_duration_seconds",
            "Time that a call of scheduled work took",
            families.run_durations.clone(),
        );
        registry.register(
            "timer_last_success_timestamp_seconds",
            "When scheduled work last did what it had to, since the Unix epoch; 0 if never",
            families.last_success.clone(),
        );
        families
    }
}

/// One component.
pub struct Component {
    name: String,
    families: Families,
    instances: Gauge,
    memory: Gauge,
    /// In the order of [`FAILURES`].
    failures: [Counter; FAILURES.len()],
    /// What guards its requests to others.
    pub outbound: Outbound,
}

impl Metrics {
    /// What is counted of a component.
    pub fn component(&self, name: &str) -> Component {
        let labels = ComponentLabels { component: name.to_owned() };
        Component {
            name: name.to_owned(),
            instances: self.components.instances.get_or_create_owned(&labels),
            memory: self.components.memory.get_or_create_owned(&labels),
            failures: FAILURES.map(|kind| {
                let labels = FailureLabels { component: name.to_owned(), kind };
                self.components.failures.get_or_create_owned(&labels)
            }),
            outbound: self.outbound.of(name),
            families: self.components.clone(),
        }
    }
}

impl Component {
    fn labels(&self) -> ComponentLabels {
        ComponentLabels { component: self.name.clone() }
    }

    /// An instance was made. It counts until what this gives out is dropped.
    pub fn instance(&self) -> InUse {
        self.instances.inc();
        InUse { instances: self.instances.clone(), memory: self.memory.clone(), bytes: 0 }
    }

    /// A request was not answered by the component.
    pub fn failed(&self, kind: Failure) {
        self.failures[kind as usize].inc();
    }

    /// A request of the component was answered, or failed.
    pub fn reached(&self, host: String, class: Class, took: Duration, trace: Option<TraceLabel>) {
        let labels = OutboundLabels { component: self.name.clone(), host, status: class.name() };
        self.families.outbound.get_or_create(&labels).observe(took.as_secs_f64(), trace, None);
    }

    /// Scheduled work is about to begin: from now on it can be missed.
    pub fn scheduled(&self) {
        for outcome in RUNS {
            let labels = RunLabels { component: self.name.clone(), outcome };
            let _ = self.families.runs.get_or_create_owned(&labels);
        }
        let _ = self.families.last_success.get_or_create_owned(&self.labels());
    }

    /// A call of scheduled work has ended.
    pub fn ran(&self, outcome: Run, took: Duration) {
        let labels = RunLabels { component: self.name.clone(), outcome: RUNS[outcome as usize] };
        self.families.runs.get_or_create(&labels).inc();
        self.families.run_durations.get_or_create(&self.labels()).observe(took.as_secs_f64());
        if outcome == Run::Succeeded {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let last = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
            self.families.last_success.get_or_create(&self.labels()).set(last);
        }
    }
}

/// An instance, and the memory that it has.
pub struct InUse {
    instances: Gauge,
    memory: Gauge,
    bytes: i64,
}

impl InUse {
    /// It has so many bytes more.
    pub fn grow(&mut self, bytes: usize) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.bytes = self.bytes.saturating_add(bytes);
        self.memory.inc_by(bytes);
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.instances.dec();
        self.memory.dec_by(self.bytes);
    }
}
