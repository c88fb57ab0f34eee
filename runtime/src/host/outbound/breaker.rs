//! Circuit breakers: a host that a component cannot reach is left alone for a while, so that
//! neither the component waits for it in vain nor the host, when it comes back, meets all that has
//! piled up meanwhile.
//!
//! Each component has its own for each scheme, host and port. One is *closed* as long as requests
//! are answered, whatever the answer is. When so many in a row were not, it *opens*, and requests
//! are refused at once. After a pause one request is let through as a probe (*half open*): if it is
//! answered the breaker closes, and else it opens again.

use crate::manifest::OutboundLimits;
use crate::telemetry::metrics::{Breaker, Component};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many hosts a component's breakers know at once. A host whose last request was answered needs
/// none, so there are as many as fail.
const HOSTS_MAX: usize = 1024;

/// The breakers of a component.
pub(super) struct Breakers {
    component: String,
    /// How many requests in a row fail before one opens; 0 is never.
    failures_max: u32,
    /// How long one stays open.
    pause: Duration,
    /// Those that are not closed, or about to open.
    circuits: Mutex<HashMap<String, Circuit>>,
    metrics: Option<Arc<Component>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Circuit {
    /// So many requests in a row have failed, the last of them then.
    Failing { failures: u32, last: Instant },
    /// Requests are refused until then.
    Open { until: Instant },
    /// A probe is under way.
    HalfOpen,
}

/// A request that a breaker let through. What becomes of it is to be said; if it is dropped instead,
/// whoever sent it has given it up, which says nothing of the host.
pub(super) struct Pass {
    breakers: Arc<Breakers>,
    host: String,
    is_probe: bool,
    is_settled: bool,
}

impl Breakers {
    pub(super) fn new(
        component: &str,
        limits: &OutboundLimits,
        metrics: Option<Arc<Component>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            component: component.to_owned(),
            failures_max: limits.failures_max,
            pause: Duration::from_millis(limits.pause_ms),
            circuits: Mutex::default(),
            metrics,
        })
    }

    /// Lets a request to a host through; none if the host is left alone.
    pub(super) fn pass(self: &Arc<Self>, host: String, now: Instant) -> Option<Pass> {
        let mut is_probe = false;
        if let Some(circuit) = self.circuits().get_mut(&host) {
            match *circuit {
                Circuit::Failing { .. } => {}
                Circuit::Open { until } if until <= now => {
                    *circuit = Circuit::HalfOpen;
                    is_probe = true;
                    self.tell(Breaker::HalfOpen);
                }
                Circuit::Open { .. } | Circuit::HalfOpen => return None,
            }
        }
        Some(Pass { breakers: self.clone(), host, is_probe, is_settled: false })
    }

    fn circuits(&self) -> MutexGuard<'_, HashMap<String, Circuit>> {
        // Nothing is ever half done under this lock.
        self.circuits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answered(&self, host: &str, is_probe: bool) {
        let mut circuits = self.circuits();
        let is_failing = matches!(circuits.get(host), Some(Circuit::Failing { .. }));
        // What was sent before the breaker opened closes it no more.
        if is_probe || is_failing {
            circuits.remove(host);
        }
        if is_probe {
            self.tell(Breaker::Closed);
            tracing::info!(component = self.component, "{host} answers again");
        }
    }

    fn failed(&self, host: &str, is_probe: bool, now: Instant) {
        let mut circuits = self.circuits();
        let failures = match circuits.get(host) {
            Some(Circuit::Failing { failures, .. }) => failures.saturating_add(1),
            None => 1,
            // It was sent before the breaker opened.
            Some(_) if !is_probe => return,
            Some(_) => self.failures_max,
        };
        self.make_room(&mut circuits, now);
        if circuits.len() >= HOSTS_MAX && !circuits.contains_key(host) {
            return;
        }
        if failures < self.failures_max {
            circuits.insert(host.to_owned(), Circuit::Failing { failures, last: now });
            return;
        }
        circuits.insert(host.to_owned(), Circuit::Open { until: now + self.pause });
        self.tell(Breaker::Open);
        if !is_probe {
            tracing::warn!(
                component = self.component,
                "{host} did not answer {failures} requests in a row, and is left alone for {:?}",
                self.pause
            );
        }
    }

    /// Forgets hosts that have not failed for long, if there are too many.
    fn make_room(&self, circuits: &mut HashMap<String, Circuit>, now: Instant) {
        if circuits.len() < HOSTS_MAX {
            return;
        }
        circuits.retain(|_, circuit| match circuit {
            Circuit::Failing { last, .. } => *last + self.pause > now,
            Circuit::Open { until } => *until > now,
            Circuit::HalfOpen => true,
        });
    }

    fn tell(&self, change: Breaker) {
        if let Some(metrics) = &self.metrics {
            metrics.outbound.breaker(change);
        }
    }
}

impl Pass {
    /// It was answered.
    pub(super) fn answered(mut self) {
        self.is_settled = true;
        self.breakers.answered(&self.host, self.is_probe);
    }

    /// It was not, which is the host's fault or that of the way there.
    pub(super) fn failed(mut self, now: Instant) {
        self.is_settled = true;
        if self.breakers.failures_max > 0 {
            self.breakers.failed(&self.host, self.is_probe, now);
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.is_probe && !self.is_settled {
            // The next request is the probe.
            let open = Circuit::Open { until: Instant::now() };
            self.breakers.circuits().insert(self.host.clone(), open);
            self.breakers.tell(Breaker::Open);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(5);

    fn breakers(failures_max: u32) -> Arc<Breakers> {
        let pause_ms = u64::try_from(PAUSE.as_millis()).expect("a short time");
        Breakers::new("c", &OutboundLimits { failures_max, pause_ms, ..OutboundLimits::default() }, None)
    }

    fn pass(breakers: &Arc<Breakers>, now: Instant) -> Option<Pass> {
        breakers.pass("http://a.test:80".to_owned(), now)
    }

    fn fail(breakers: &Arc<Breakers>, now: Instant) {
        pass(breakers, now).expect("let through").failed(now);
    }

    #[test]
    fn a_host_that_fails_in_a_row_is_left_alone_until_a_probe_is_answered() {
        let (breakers, start) = (breakers(3), Instant::now());
        fail(&breakers, start);
        fail(&breakers, start);
        pass(&breakers, start).expect("let through").answered();
        assert!(breakers.circuits().is_empty(), "nothing is kept of a host that answers");
        let late = [pass(&breakers, start), pass(&breakers, start)];
        for _ in 0..3 {
            fail(&breakers, start);
        }
        assert!(pass(&breakers, start).is_none() && pass(&breakers, start + PAUSE / 2).is_none());
        assert!(breakers.pass("http://b.test:80".to_owned(), start).is_some(), "others are not");
        // What was sent before says nothing of now.
        let [first, second] = late.map(|late| late.expect("let through"));
        first.answered();
        second.failed(start);
        assert!(pass(&breakers, start).is_none());

        let probe = pass(&breakers, start + PAUSE).expect("a probe");
        assert!(pass(&breakers, start + PAUSE).is_none(), "one at a time");
        probe.failed(start + PAUSE);
        assert!(pass(&breakers, start + PAUSE).is_none(), "it opens again");
        pass(&breakers, start + 2 * PAUSE).expect("a probe").answered();
        assert!(breakers.circuits().is_empty());
    }

    #[test]
    fn a_probe_that_is_given_up_makes_room_for_the_next() {
        let (breakers, start) = (breakers(1), Instant::now());
        fail(&breakers, start);
        drop(pass(&breakers, start + PAUSE).expect("a probe"));
        assert!(pass(&breakers, Instant::now() + PAUSE).is_some());
    }

    #[test]
    fn without_a_limit_no_host_is_left_alone() {
        let (breakers, start) = (breakers(0), Instant::now());
        for _ in 0..100 {
            fail(&breakers, start);
        }
        assert!(breakers.circuits().is_empty());
    }

    #[test]
    fn hosts_that_a_guest_makes_up_do_not_take_more_than_there_is() {
        let (breakers, start) = (breakers(2), Instant::now());
        let fail = |host: usize, now| {
            breakers.pass(format!("http://{host}.test:80"), now).map(|pass| pass.failed(now))
        };
        for host in 0..HOSTS_MAX * 3 {
            fail(host, start);
        }
        assert_eq!(breakers.circuits().len(), HOSTS_MAX);
        fail(HOSTS_MAX * 3, start + PAUSE);
        assert_eq!(breakers.circuits().len(), 1, "those that failed long ago are forgotten");
    }
}
