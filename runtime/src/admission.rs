//! Admission: how many requests run at once, and how long others wait for their turn.
//!
//! An admission belongs to a request until its instance is done with it: until the answer
//! is written and the guest has ended, not only until the answer's head. Otherwise slow
//! readers and guests that go on working would hold instances that nobody counts.

use crate::engine::INSTANCES_MAX;
use crate::manifest::RouteLimits;
use crate::telemetry::metrics::{InFlight, Refused};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use vwp_core::Problem;

/// How many requests run at once in the whole host; each has an instance of its own, and
/// there is room for some more than these, which idle.
pub const REQUESTS_MAX: usize = INSTANCES_MAX as usize - 56;
/// How many instances of handlers there are at once, idle ones included. The rest of the
/// engine's room is the resolver's, the timers', and of instances that are just being dropped.
const HANDLER_INSTANCES_MAX: usize = INSTANCES_MAX as usize - 32;
/// How many requests wait for their turn; beyond that they are refused at once.
const WAITING_MAX: usize = 1024;
/// How many of them may wait for one route that has a limit of its own, so that it leaves room for the
/// others.
const WAITING_PER_ROUTE_MAX: usize = 256;

/// The requests of the whole host that run.
pub struct Admissions {
    wait: Duration,
    running: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// What bounds the requests of one route.
pub struct Gate {
    /// None: what bounds the component alone does.
    turns: Option<Arc<Semaphore>>,
    waiting: AtomicUsize,
    wait: Option<Duration>,
}

impl Gate {
    /// With these limits.
    pub fn new(limits: &RouteLimits) -> Self {
        let turns = limits.requests_max.map(|max| Arc::new(Semaphore::new(max)));
        Self { turns, waiting: AtomicUsize::new(0), wait: limits.wait }
    }
}

/// A request's right to run, while it runs.
#[derive(Debug)]
pub struct Admission {
    _route: Option<OwnedSemaphorePermit>,
    _component: OwnedSemaphorePermit,
    _host: OwnedSemaphorePermit,
    _counted: Option<InFlight>,
}

impl Admission {
    /// The same, counted as long as it lasts.
    #[must_use]
    pub fn counted(self, counted: Option<InFlight>) -> Self {
        Self { _counted: counted, ..self }
    }
}

impl From<Refused> for Problem {
    fn from(_: Refused) -> Self {
        // Which of the bounds it was is the operator's to know.
        Self::unavailable("too many requests at once")
    }
}

impl Admissions {
    /// With `wait` as the time that a request waits for its turn at most.
    pub fn new(wait: Duration) -> Self {
        Self { wait, running: Arc::new(Semaphore::new(REQUESTS_MAX)), waiting: AtomicUsize::new(0) }
    }

    /// Admits a request on a route to a component with these turns, or refuses it after a while.
    /// Requests are admitted in the order in which they came.
    pub async fn admit(&self, gate: &Gate, component: &Arc<Semaphore>) -> Result<Admission, Refused> {
        if let Some(admission) = self.at_once(gate, component) {
            return Ok(admission);
        }
        // They leave the counts right even if the client goes away, and this is dropped.
        let _waiting = Waiting::begin(&self.waiting, WAITING_MAX)?;
        let _of_route = match gate.turns {
            Some(_) => Some(Waiting::begin(&gate.waiting, WAITING_PER_ROUTE_MAX)?),
            None => None,
        };
        tracing::debug!("a request waits for its turn");
        let deadline = Instant::now() + gate.wait.unwrap_or(self.wait);
        // From the narrowest on: who waits for one of them holds nothing that others need.
        let of_route = match &gate.turns {
            Some(turns) => Some(turn(turns, deadline, Refused::RouteBusy).await?),
            None => None,
        };
        let of_component = turn(component, deadline, Refused::ComponentBusy).await?;
        let of_host = turn(&self.running, deadline, Refused::HostBusy).await?;
        Ok(Admission { _route: of_route, _component: of_component, _host: of_host, _counted: None })
    }

    fn at_once(&self, gate: &Gate, component: &Arc<Semaphore>) -> Option<Admission> {
        let turn = |turns: &Arc<Semaphore>| turns.clone().try_acquire_owned().ok();
        let of_route = match &gate.turns {
            Some(turns) => Some(turn(turns)?),
            None => None,
        };
        let (of_component, of_host) = (turn(component)?, turn(&self.running)?);
        Some(Admission { _route: of_route, _component: of_component, _host: of_host, _counted: None })
    }
}

/// Waits for a turn until the deadline.
async fn turn(
    turns: &Arc<Semaphore>,
    deadline: Instant,
    refused: Refused,
) -> Result<OwnedSemaphorePermit, Refused> {
    let turn = timeout_at(deadline, turns.clone().acquire_owned()).await;
    turn.ok().and_then(Result::ok).ok_or(refused)
}

struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(waiting: &'a AtomicUsize, max: usize) -> Result<Self, Refused> {
        let one_more = |waiting: usize| (waiting < max).then_some(waiting + 1);
        let begun = waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        begun.map(|_| Self(waiting)).map_err(|_| Refused::QueueFull)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The engine's room for instances of handlers. When it is full of idle instances, one of
/// those ends for each that is needed.
pub struct Room {
    wait: Duration,
    slots: Arc<Semaphore>,
    /// How many idle instances shall end.
    wanted: AtomicUsize,
    /// Tells idle instances to look at `wanted`.
    look: Arc<Notify>,
}

impl Room {
    /// With `wait` as the time that is waited for room at most.
    pub fn new(wait: Duration) -> Self {
        let slots = Arc::new(Semaphore::new(HANDLER_INSTANCES_MAX));
        Self { wait, slots, wanted: AtomicUsize::new(0), look: Arc::default() }
    }

    /// Room for one instance; none if there is none in time.
    pub async fn take(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(slot) = self.slots.clone().try_acquire_owned() {
            return Some(slot);
        }
        self.wanted.fetch_add(1, Ordering::SeqCst);
        self.look.notify_waiters();
        let slot = tokio::time::timeout(self.wait, self.slots.clone().acquire_owned()).await;
        // If no idle instance took up the wish, nobody needs to any more.
        self.claim();
        slot.ok().and_then(Result::ok)
    }

    /// Whether an idle instance shall end; each wish is granted to one.
    pub fn claim(&self) -> bool {
        let one_less = |wanted: usize| wanted.checked_sub(1);
        self.wanted.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok()
    }

    /// Wakes those that idle when there is something to claim.
    pub fn look(&self) -> Arc<Notify> {
        self.look.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn requests_beyond_the_limit_get_their_turn_in_order_or_are_refused_in_time() {
        let (admissions, turns) = (Admissions::new(WAIT), Arc::new(Semaphore::new(1)));
        let gate = Gate::new(&RouteLimits::default());
        let first = admissions.admit(&gate, &turns).await.expect("admitted");
        let mut second = Box::pin(admissions.admit(&gate, &turns));
        let mut third = Box::pin(admissions.admit(&gate, &turns));
        assert!(futures::poll!(&mut second).is_pending());
        assert!(futures::poll!(&mut third).is_pending());
        drop(first);
        assert!(futures::poll!(&mut third).is_pending(), "it came after the second");
        let second = second.await.expect("admitted");
        let refusal = third.await.expect_err("refused");
        assert_eq!(refusal, Refused::ComponentBusy);
        let refusal = Problem::from(refusal);
        assert_eq!((refusal.status.as_u16(), refusal.retry_after_s), (503, Some(1)));
        drop(second);
        assert!(admissions.admit(&gate, &turns).await.is_ok());
        assert_eq!(admissions.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_route_has_turns_and_patience_of_its_own_and_leaves_room_for_others() {
        let (admissions, turns) = (Admissions::new(Duration::from_mins(1)), Arc::new(Semaphore::new(5)));
        let narrow = Gate::new(&RouteLimits { requests_max: Some(1), wait: Some(Duration::ZERO) });
        let wide = Gate::new(&RouteLimits::default());
        let first = admissions.admit(&narrow, &turns).await.expect("admitted");
        assert_eq!(admissions.admit(&narrow, &turns).await.expect_err("refused"), Refused::RouteBusy);
        assert!(admissions.admit(&wide, &turns).await.is_ok(), "the component has turns left");
        let patient = Gate { wait: None, ..narrow };
        let mut waiting: Vec<_> =
            (0..WAITING_PER_ROUTE_MAX).map(|_| Box::pin(admissions.admit(&patient, &turns))).collect();
        for request in &mut waiting {
            assert!(futures::poll!(request).is_pending());
        }
        assert_eq!(admissions.admit(&patient, &turns).await.expect_err("refused"), Refused::QueueFull);
        let all = turns.clone().acquire_many_owned(4).await.expect("turns");
        let mut other = Box::pin(admissions.admit(&wide, &turns));
        assert!(futures::poll!(&mut other).is_pending());
        drop((first, all));
        assert!(other.await.is_ok(), "others still wait, and get their turn");
        drop(waiting);
        let left = (admissions.waiting.load(Ordering::Relaxed), patient.waiting.load(Ordering::Relaxed));
        assert_eq!(left, (0, 0));
    }

    #[tokio::test]
    async fn room_that_is_idle_is_given_to_who_needs_it() {
        let room = Room::new(WAIT);
        let mut taken = Vec::new();
        while let Ok(slot) = room.slots.clone().try_acquire_owned() {
            taken.push(slot);
        }
        assert!(!room.claim(), "nobody needs any");
        assert!(room.take().await.is_none(), "all are busy");
        assert!(!room.claim(), "the wish ended with the wait");
        let mut wish = Box::pin(room.take());
        assert!(futures::poll!(&mut wish).is_pending());
        assert!(room.claim(), "an idle instance is asked to end");
        taken.pop();
        assert!(wish.await.is_some());
    }
}
