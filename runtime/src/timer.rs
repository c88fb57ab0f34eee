//! Scheduled work: calls `vwp:timer/scheduled` of the components that the manifest lists,
//! when they asked to be called.

use crate::host::{Grants, State, store};
use crate::server::stopped;
use crate::telemetry::metrics::Run;
use anyhow::{Context, Result};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use wasmtime::Engine;
use wasmtime::component::InstancePre;

mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]
    wasmtime::component::bindgen!({
        path: "../wit/timer",
        world: "timer",
    });
}

/// The shortest pause between two calls, whatever the component asks for.
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_mins(1);
/// The pause after the first failure; it doubles with each further one.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);
/// How long after its deadline a call is given up that is stuck in the host, where the
/// deadline is not looked at.
const STUCK: Duration = Duration::from_secs(1);

/// A component with scheduled work.
pub struct Timer {
    engine: Engine,
    pre: bindings::TimerPre<State>,
    grants: Arc<Grants>,
}

/// What the loop knows from one call to the next.
struct Progress {
    failures: u32,
    stop: watch::Receiver<bool>,
    after: Arc<Notify>,
}

impl Timer {
    /// Refuses a component that has no scheduled work.
    pub fn new(engine: &Engine, pre: &InstancePre<State>, grants: &Arc<Grants>) -> Result<Self> {
        let pre = bindings::TimerPre::new(pre.clone())
            .map_err(anyhow::Error::from)
            .with_context(|| format!("component `{}` exports no vwp:timer/scheduled", grants.component))?;
        if let Some(metrics) = &grants.observed.metrics {
            metrics.scheduled();
        }
        Ok(Self { engine: engine.clone(), pre, grants: grants.clone() })
    }

    /// Calls at once, and then whenever the component wants it, until `stop` turns true; a
    /// call that runs then comes to its end. `after` is told after each call.
    pub async fn run(self, after: Arc<Notify>, stop: watch::Receiver<bool>) {
        let mut progress = Progress { failures: 0, stop, after };
        while !*progress.stop.borrow() {
            if let Err(error) = self.serve(&mut progress).await {
                let component = &*self.grants.component;
                tracing::error!(component, "defect: scheduled work failed: {error:#}");
                let pause = progress.failed();
                progress.rest(pause).await;
            }
        }
    }

    /// With one instance, until it has done its share, or fails, or the host stops.
    async fn serve(&self, progress: &mut Progress) -> wasmtime::Result<()> {
        let metrics = self.grants.observed.metrics.as_deref();
        let mut store = store(&self.engine, &self.grants)?;
        let deadline = store.data().deadline.clone();
        deadline.extend(self.grants.request_ms_max);
        let timer = self.pre.instantiate_async(&mut store).await?;
        let scheduled = timer.vwp_timer_scheduled();
        let patience = Duration::from_millis(self.grants.request_ms_max) + STUCK;
        store
            .run_concurrent(async |accessor| {
                for _ in 0..self.grants.limits.requests_per_instance_max {
                    if *progress.stop.borrow() {
                        break;
                    }
                    deadline.extend(self.grants.request_ms_max);
                    let start = Instant::now();
                    let ran = |outcome| {
                        if let Some(metrics) = metrics {
                            metrics.ran(outcome, start.elapsed());
                        }
                    };
                    let done = timeout(patience, scheduled.call_run(accessor)).await;
                    let done = done.map_err(wasmtime::Error::from).flatten();
                    let pause = match done.inspect_err(|_| ran(Run::Defect))? {
                        Ok(wanted_ms) => {
                            ran(Run::Succeeded);
                            progress.succeeded(wanted_ms)
                        }
                        Err(reason) => {
                            ran(Run::Failed);
                            let component = &*self.grants.component;
                            tracing::warn!(component, "scheduled work failed: {reason}");
                            progress.failed()
                        }
                    };
                    progress.rest(pause).await;
                }
                Ok::<_, wasmtime::Error>(())
            })
            .await?
    }
}

impl Progress {
    fn succeeded(&mut self, wanted_ms: u32) -> Duration {
        self.failures = 0;
        Duration::from_millis(wanted_ms.into()).clamp(PAUSE_MIN, PAUSE_MAX)
    }

    fn failed(&mut self) -> Duration {
        let doubled = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        FAILURE_PAUSE.saturating_mul(doubled).min(PAUSE_MAX)
    }

    /// Until the pause is over or the host stops.
    async fn rest(&mut self, pause: Duration) {
        self.after.notify_one();
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stopped(&mut self.stop) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress() -> Progress {
        Progress { failures: 0, stop: watch::channel(false).1, after: Arc::default() }
    }

    #[test]
    fn a_component_is_called_when_it_wants_within_bounds() {
        let mut progress = progress();
        assert_eq!(progress.succeeded(200), Duration::from_millis(200));
        assert_eq!(progress.succeeded(0), PAUSE_MIN);
        assert_eq!(progress.succeeded(u32::MAX), PAUSE_MAX);
    }

    #[test]
    fn work_that_fails_is_tried_again_ever_more_slowly_until_it_succeeds() {
        let mut progress = progress();
        let pauses: Vec<u64> = (0..8).map(|_| progress.failed().as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        progress.failures = u32::MAX;
        assert_eq!(progress.failed(), PAUSE_MAX);
        progress.succeeded(200);
        assert_eq!(progress.failed(), FAILURE_PAUSE);
    }
}
