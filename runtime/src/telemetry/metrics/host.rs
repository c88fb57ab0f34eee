//! The process: its version, how it is, and what it takes, named after what Prometheus' own
//! clients tell (<https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>).

use crate::operate::health::Health;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// In what `/proc` counts processor time: `USER_HZ` is 100 wherever Linux shows it (proc_pid_stat(5)).
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

/// Adds what is told of the process and of its health.
pub(super) fn register(registry: &mut Registry, health: &Arc<Health>) {
    let build = Family::<BuildLabels, Gauge>::default();
    build.get_or_create(&BuildLabels { version: env!("CARGO_PKG_VERSION") }).set(1);
    registry.register("build_info", "1, with the version of the program", build);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    registry.register_collector(Box::new(Host { health: health.clone(), started_s: since.as_secs_f64() }));
}

struct Host {
    health: Arc<Health>,
    started_s: f64,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

impl Collector for Host {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let report = self.health.report();
        let mut gauge = |name: &str, help: &str, value: f64| {
            let metric = ConstGauge::new(value);
            metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
        };
        gauge(
            "alive",
            "1 unless only a restart helps, as /livez says",
            f64::from(u8::from(report.is_alive)),
        )?;
        gauge(
            "ready",
            "1 if requests would be served, as /readyz says",
            f64::from(u8::from(report.is_ready)),
        )?;
        gauge(
            "process_start_time_seconds",
            "When the process started, since the Unix epoch",
            self.started_s,
        )?;
        // Without /proc there is nothing to say.
        if let Some(bytes) = resident_bytes() {
            gauge("process_resident_memory_bytes", "Memory that the process occupies", bytes)?;
        }
        if let Some(count) = open_descriptors() {
            gauge("process_open_fds", "File descriptors that are open", count)?;
        }
        if let Some(seconds) = cpu_seconds() {
            let metric = ConstCounter::new(seconds);
            let help = "Processor time, of the user and of the system";
            let name = "process_cpu_seconds";
            metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)?;
        }
        Ok(())
    }
}

/// From proc_pid_status(5), which counts in KiB.
fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024.0)
}

fn open_descriptors() -> Option<f64> {
    // The one with which they are listed is one of them.
    let count = std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    u32::try_from(count).ok().map(f64::from)
}

/// From the fields 14 and 15 of proc_pid_stat(5). The name, in parentheses, is the second, and may
/// hold anything.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let ticks: Result<Vec<f64>, _> = rest.split(' ').skip(11).take(2).map(str::parse).collect();
    Some(ticks.ok()?.iter().sum::<f64>() / TICKS_PER_SECOND)
}
