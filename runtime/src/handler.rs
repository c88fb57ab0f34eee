//! HTTP handlers: a composed component and its pool of instances.
//!
//! Wasmtime's `ProxyHandler` starts instances when requests wait, and reuses each for
//! many requests, one after the other. Here is when an instance takes another request,
//! how long a request may take, and what the caller is told when a guest fails.

use crate::admission::{Admission, Room};
use crate::body::{self, CutOff};
use crate::host::{Deadline, Grants, State, store};
use crate::telemetry::metrics::{Class, Failure};
use crate::telemetry::trace::{self, Span, SpanContext};
use anyhow::{Context as _, Result};
use opentelemetry::trace::SpanKind;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::futures::OwnedNotified;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use vwp_core::Problem;
use wasmtime::component::{GuestTaskId, InstancePre};
use wasmtime::{Engine, Store, StoreContextMut};
use wasmtime_wasi_http::handler::{
    ExpirationError, HandlerState, Instance, InstantiationError, ProxyHandler, ProxyPre, Request, Response,
    ShouldAccept, WorkerExpiration, WorkerState, WorkerStatus,
};
use wasmtime_wasi_http::{WasiHttpView, p2, p3};

/// How long an instance without work is kept.
const IDLE: Duration = Duration::from_secs(5);
/// How long after its deadline an instance is ended that is stuck in the host, where the
/// deadline is not looked at.
const STUCK: Duration = Duration::from_secs(1);

/// A component that answers HTTP requests, with its instances.
#[derive(Clone)]
pub struct Handler {
    proxy: ProxyHandler<Instances>,
}

impl Handler {
    /// Serves a component that was linked.
    pub fn new(
        engine: &Engine,
        pre: InstancePre<State>,
        grants: &Arc<Grants>,
        room: &Arc<Room>,
    ) -> Result<Self> {
        // WASI 0.3 is tried first; a handler of WASI 0.2 is as good.
        let pre = match p3::bindings::ServicePre::new(pre.clone()) {
            Ok(pre) => ProxyPre::P3(pre),
            Err(_) => ProxyPre::P2(
                p2::bindings::ProxyPre::new(pre)
                    .map_err(anyhow::Error::from)
                    .with_context(|| format!("component `{}` exports no HTTP handler", grants.component))?,
            ),
        };
        let instances = Instances { engine: engine.clone(), pre, grants: grants.clone(), room: room.clone() };
        Ok(Self { proxy: ProxyHandler::new(instances) })
    }

    /// The turns of the component's requests.
    pub fn turns(&self) -> &Arc<Semaphore> {
        &self.proxy.state().grants.turns
    }

    /// The component's id.
    pub fn component(&self) -> &str {
        &self.proxy.state().grants.component
    }

    /// Answers a request. A guest that fails is a problem document, without internals. The
    /// admission ends when the instance is done with the request, not when it has answered.
    pub async fn handle(
        &self,
        mut request: Request,
        mut origin: Origin,
        admission: Option<Admission>,
    ) -> Result<Response, Problem> {
        let mut span = self.begin(&mut origin, &mut request);
        let answer = self.answer(request, origin, admission).await;
        match &answer {
            Ok(answer) => {
                let status = answer.status();
                trace::set(&mut span, "http.response.status_code", i64::from(status.as_u16()));
            }
            Err(problem) => trace::fail(&mut span, Class::of(problem.status).name()),
        }
        answer
    }

    /// Begins the span of the component's work, and tells the component of it.
    fn begin(&self, origin: &mut Origin, request: &mut Request) -> Option<Span> {
        let tracing = self.proxy.state().grants.observed.tracing.as_ref()?;
        let above = origin.span.as_ref()?;
        let mut span = tracing.child(above, SpanKind::Internal, format!("component {}", self.component()));
        trace::set(&mut span, "vwp.component", self.component().to_owned());
        if let Some(span) = &span {
            origin.span = Some(span.context().clone());
        }
        // Also where nothing is sampled, so that whoever comes next samples nothing either.
        tracing.inject(origin.span.as_ref()?, request.headers_mut());
        span
    }

    async fn answer(
        &self,
        request: Request,
        origin: Origin,
        admission: Option<Admission>,
    ) -> Result<Response, Problem> {
        let limits = &self.proxy.state().grants.limits;
        let (request, exceeded) = body::bound(request, limits.request_body_bytes_max)?;
        let deadline = Deadline::new();
        let cut_off = CutOff::default();
        let ticket = Ticket { deadline: deadline.clone(), cut_off: cut_off.clone(), origin, admission };
        let result = self.proxy.handle(ticket, request).await;
        if let Some(bytes_max) = limits.request_body_bytes_max.filter(|_| exceeded.is_so()) {
            return Err(body::too_long(bytes_max));
        }
        let response = result.map_err(|error| self.explain(&error, &deadline))?;
        if response.status().is_informational() {
            // It would not be the end of the answer (RFC 9110, section 15.2).
            let status = response.status().as_u16();
            tracing::error!(component = self.component(), "defect: the guest answered {status}");
            self.count(Failure::Defect);
            return Err(Problem::internal());
        }
        deadline.extend(limits.response_ms_max);
        Ok(response.map(|inner| body::honest(inner, cut_off)))
    }

    fn explain(&self, error: &wasmtime::Error, deadline: &Deadline) -> Problem {
        let component = self.component();
        if error.is::<ExpirationError>() || deadline.has_passed() {
            tracing::warn!(component, "a request took too long and was given up");
            self.count(Failure::Deadline);
            return Problem::unavailable("the request took too long; it may or may not have had an effect");
        }
        if error.is::<InstantiationError<Ticket>>() {
            tracing::warn!(component, "no instance could be made: {error:#}");
            self.count(Failure::NoInstance);
            return Problem::unavailable("too many requests at once");
        }
        tracing::error!(component, "defect: the guest failed: {error:#}");
        self.count(Failure::Defect);
        Problem::internal()
    }

    fn count(&self, failure: Failure) {
        if let Some(metrics) = &self.proxy.state().grants.observed.metrics {
            metrics.failed(failure);
        }
    }
}

/// What led to a request.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// How many requests within the application.
    pub hops: u32,
    /// Under which span it is answered, if spans are made.
    pub span: Option<SpanContext>,
}

/// What goes with a request to its instance.
struct Ticket {
    /// When the instance is stopped. A cell for each request, so that what is late for one
    /// request does not touch the next.
    deadline: Deadline,
    /// Tells the answer's body that the instance ended before its time.
    cut_off: CutOff,
    /// What led to the request.
    origin: Origin,
    admission: Option<Admission>,
}

/// The request that an instance works on, for all who watch the instance.
type Current = Arc<Mutex<Ticket>>;

fn lock(current: &Current) -> MutexGuard<'_, Ticket> {
    // Nothing is ever half done under this lock.
    current.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Instances {
    engine: Engine,
    pre: ProxyPre<State>,
    grants: Arc<Grants>,
    room: Arc<Room>,
}

impl HandlerState for Instances {
    type StoreData = State;
    type WorkerExpiration = Expiration;
    type WorkerState = Worker;

    async fn instantiate(&self) -> wasmtime::Result<Instance<State, Expiration, Worker>> {
        let slot = self.room.take().await;
        let slot = slot.ok_or_else(|| wasmtime::format_err!("there is no room for another instance"))?;
        let mut store = store(&self.engine, &self.grants)?;
        let deadline = store.data().deadline.clone();
        deadline.extend(self.grants.request_ms_max);
        let proxy = self.pre.instantiate_async(&mut store).await?;
        let given_up = Arc::new(AtomicBool::new(false));
        let busy = Arc::new(AtomicBool::new(false));
        let current = Arc::new(Mutex::new(Ticket {
            deadline,
            cut_off: CutOff::default(),
            origin: Origin::default(),
            admission: None,
        }));
        let expiration = Expiration {
            sleep: Box::pin(tokio::time::sleep(IDLE)),
            look: Box::pin(self.room.look().notified_owned()),
            room: self.room.clone(),
            current: current.clone(),
            busy: busy.clone(),
            given_up: given_up.clone(),
        };
        let state = Worker { current, busy, given_up, grants: self.grants.clone(), _slot: slot };
        Ok(Instance { store, proxy, view: State::http, expiration, state })
    }
}

/// Ends an instance that idles, or that is stuck where its own deadline is not looked at.
struct Expiration {
    sleep: Pin<Box<Sleep>>,
    look: Pin<Box<OwnedNotified>>,
    room: Arc<Room>,
    current: Current,
    busy: Arc<AtomicBool>,
    given_up: Arc<AtomicBool>,
}

impl Expiration {
    /// Whether another instance shall have the room of this one, which idles.
    fn makes_room(&mut self, context: &mut Context<'_>) -> bool {
        // The wake-up is asked for before the wish is looked for, so that none is missed.
        while self.look.as_mut().poll(context).is_ready() {
            self.look.set(self.room.look().notified_owned());
        }
        self.room.claim()
    }
}

impl WorkerExpiration for Expiration {
    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        status: WorkerStatus,
        start: Instant,
    ) -> Poll<()> {
        let end = match status {
            WorkerStatus::Idle => {
                if self.busy.swap(false, Ordering::Relaxed) {
                    drop(lock(&self.current).admission.take());
                    // The instance takes requests again, and is to see that it does.
                    context.waker().wake_by_ref();
                }
                if self.makes_room(context) {
                    return Poll::Ready(());
                }
                start + IDLE
            }
            // Behind the request's own deadline, which ends a request more gently.
            WorkerStatus::Requests => lock(&self.current).deadline.at() + STUCK,
            // An instance that gave a request up takes no other one, but still stands in the
            // queue, where it would swallow the wake-up that is meant for an idle one.
            WorkerStatus::PostReturn if self.given_up.load(Ordering::Relaxed) => return Poll::Ready(()),
            WorkerStatus::PostReturn => lock(&self.current).deadline.at(),
        };
        let end = tokio::time::Instant::from_std(end);
        if self.sleep.deadline() != end {
            self.sleep.as_mut().reset(end);
        }
        self.sleep.as_mut().poll(context)
    }
}

struct Worker {
    current: Current,
    /// From a request's start until the guest is done with it, answer and all.
    busy: Arc<AtomicBool>,
    given_up: Arc<AtomicBool>,
    grants: Arc<Grants>,
    /// Dropped after the store, whose room it stands for.
    _slot: OwnedSemaphorePermit,
}

impl WorkerState for Worker {
    type StoreData = State;
    type RequestData = Ticket;

    fn should_accept_request(&self, concurrent: usize, total: usize) -> ShouldAccept {
        if total >= self.grants.limits.requests_per_instance_max {
            return ShouldAccept::Never;
        }
        // One at a time, to the end of its answer and of what the guest does after it: a guest
        // that computes or loops after waiting for I/O would hold up the others in its
        // instance, and a trap would take them with it.
        if concurrent > 0 || self.busy.load(Ordering::Relaxed) { ShouldAccept::No } else { ShouldAccept::Yes }
    }

    fn on_request_start(
        &self,
        mut store: StoreContextMut<'_, State>,
        ticket: Ticket,
        _: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + 'static + Send + Sync>> {
        let deadline = ticket.deadline.clone();
        deadline.extend(self.grants.request_ms_max);
        store.data_mut().begin(deadline.clone(), ticket.origin.clone());
        *lock(&self.current) = ticket;
        self.busy.store(true, Ordering::Relaxed);
        let given_up = self.given_up.clone();
        // It is dropped when the guest's handler returns, so its end means that it did not.
        Box::pin(async move {
            while !deadline.has_passed() {
                tokio::time::sleep_until(tokio::time::Instant::from_std(deadline.at())).await;
            }
            given_up.store(true, Ordering::Relaxed);
        })
    }

    fn drop(&self, store: Store<State>, result: Result<(), wasmtime::Error>) {
        if result.is_err() {
            lock(&self.current).cut_off.set();
        }
        drop(store);
        let Err(error) = result else { return };
        if self.grants.stopping.load(Ordering::Relaxed) || self.given_up.load(Ordering::Relaxed) {
            return;
        }
        let component = &*self.grants.component;
        if lock(&self.current).deadline.has_passed() {
            tracing::warn!(component, "a guest still ran at its deadline and was stopped");
        } else {
            tracing::error!(component, "defect: an instance ended: {error:#}");
        }
    }
}
