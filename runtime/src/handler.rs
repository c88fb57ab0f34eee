//! HTTP handlers: a composed component and its pool of instances.
//!
//! Wasmtime's `ProxyHandler` starts instances when requests wait, and reuses each for
//! many requests, one after the other. Here is when an instance takes another request,
//! how long a request may take, and what the caller is told when a guest fails.

use crate::host::{Grants, State, store};
use anyhow::{Context as _, Result};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::time::Sleep;
use vwp_core::Problem;
use wasmtime::component::{Component, GuestTaskId, Linker};
use wasmtime::{Engine, Store, StoreContextMut};
use wasmtime_wasi_http::handler::{
    ExpirationError, HandlerState, Instance, InstantiationError, ProxyHandler, ProxyPre, Request, Response,
    ShouldAccept, WorkerExpiration, WorkerState, WorkerStatus,
};
use wasmtime_wasi_http::{WasiHttpView, p2, p3};

/// How many requests one instance serves before it is replaced.
const REQUESTS_PER_INSTANCE_MAX: usize = 100_000;
/// How long an instance without work is kept.
const IDLE: Duration = Duration::from_secs(5);
/// How long a guest may go on working after it answered.
const POST_RETURN: Duration = Duration::from_secs(30);

/// A component that answers HTTP requests, with its instances.
#[derive(Clone)]
pub struct Handler {
    proxy: ProxyHandler<Instances>,
}

impl Handler {
    /// Compiles a composed component and links it.
    pub fn new(engine: &Engine, linker: &Linker<State>, bytes: &[u8], grants: &Arc<Grants>) -> Result<Self> {
        let component = Component::new(engine, bytes)?;
        let pre = linker.instantiate_pre(&component).map_err(anyhow::Error::from).with_context(|| {
            format!("component `{}` needs what this host does not offer", grants.component)
        })?;
        // WASI 0.3 is tried first; a handler of WASI 0.2 is as good.
        let pre = match p3::bindings::ServicePre::new(pre.clone()) {
            Ok(pre) => ProxyPre::P3(pre),
            Err(_) => ProxyPre::P2(
                p2::bindings::ProxyPre::new(pre)
                    .map_err(anyhow::Error::from)
                    .with_context(|| format!("component `{}` exports no HTTP handler", grants.component))?,
            ),
        };
        let instances = Instances { engine: engine.clone(), pre, grants: grants.clone() };
        Ok(Self { proxy: ProxyHandler::new(instances) })
    }

    /// Answers a request. A guest that fails is a problem document, without internals.
    pub async fn handle(&self, request: Request) -> Result<Response, Problem> {
        self.handle_after(request, 0).await
    }

    /// Answers a request that came from within the application, after so many others.
    pub async fn handle_after(&self, request: Request, hops: u32) -> Result<Response, Problem> {
        self.proxy.handle(hops, request).await.map_err(|error| {
            let component = &*self.proxy.state().grants.component;
            if error.is::<ExpirationError>() {
                tracing::warn!(component, "a request took too long and was given up");
                return Problem::unavailable(
                    "the request took too long; it may or may not have had an effect",
                );
            }
            if error.is::<InstantiationError<u32>>() {
                tracing::warn!(component, "no instance could be made: {error:#}");
                return Problem::unavailable("too many requests at once");
            }
            tracing::error!(component, "defect: the guest failed: {error:#}");
            Problem::internal()
        })
    }
}

struct Instances {
    engine: Engine,
    pre: ProxyPre<State>,
    grants: Arc<Grants>,
}

impl HandlerState for Instances {
    type StoreData = State;
    type WorkerExpiration = Expiration;
    type WorkerState = Worker;

    async fn instantiate(&self) -> wasmtime::Result<Instance<State, Expiration, Worker>> {
        let mut store = store(&self.engine, &self.grants)?;
        let request = Duration::from_millis(self.grants.request_ms_max);
        store.data().deadline.extend(self.grants.request_ms_max);
        let proxy = self.pre.instantiate_async(&mut store).await?;
        let given_up = Arc::new(AtomicBool::new(false));
        let sleep = Box::pin(tokio::time::sleep(IDLE));
        Ok(Instance {
            store,
            proxy,
            view: State::http,
            expiration: Expiration { sleep, request, given_up: given_up.clone() },
            state: Worker { request, given_up, grants: self.grants.clone() },
        })
    }
}

/// Ends an instance that idles, or that is stuck where its own deadline is not looked at.
struct Expiration {
    sleep: Pin<Box<Sleep>>,
    request: Duration,
    given_up: Arc<AtomicBool>,
}

impl WorkerExpiration for Expiration {
    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        status: WorkerStatus,
        start: Instant,
    ) -> Poll<()> {
        let allowed = match status {
            WorkerStatus::Idle => IDLE,
            // Behind the request's own deadline, which ends a request more gently.
            WorkerStatus::Requests => self.request + Duration::from_secs(1),
            // An instance that gave a request up takes no other one, but still stands in the
            // queue, where it would swallow the wake-up that is meant for an idle one.
            WorkerStatus::PostReturn if self.given_up.load(Ordering::Relaxed) => Duration::ZERO,
            WorkerStatus::PostReturn => POST_RETURN,
        };
        let end = tokio::time::Instant::from_std(start + allowed);
        if self.sleep.deadline() != end {
            self.sleep.as_mut().reset(end);
        }
        self.sleep.as_mut().poll(context)
    }
}

struct Worker {
    request: Duration,
    given_up: Arc<AtomicBool>,
    grants: Arc<Grants>,
}

impl WorkerState for Worker {
    type StoreData = State;
    /// How many requests within the application led to this one.
    type RequestData = u32;

    fn should_accept_request(&self, concurrent: usize, total: usize) -> ShouldAccept {
        if total >= REQUESTS_PER_INSTANCE_MAX {
            return ShouldAccept::Never;
        }
        // One at a time: a guest that computes or loops after waiting for I/O would hold up
        // the others in its instance, and a trap would take them with it.
        if concurrent > 0 { ShouldAccept::No } else { ShouldAccept::Yes }
    }

    fn on_request_start(
        &self,
        mut store: StoreContextMut<'_, State>,
        hops: u32,
        _: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + 'static + Send + Sync>> {
        store.data().deadline.extend(self.grants.request_ms_max);
        store.data_mut().after_hops(hops);
        let (request, given_up) = (self.request, self.given_up.clone());
        // It is dropped when the guest answers, so its end means that the guest did not.
        Box::pin(async move {
            tokio::time::sleep(request).await;
            given_up.store(true, Ordering::Relaxed);
        })
    }

    fn drop(&self, store: Store<State>, result: Result<(), wasmtime::Error>) {
        drop(store);
        if let Err(error) = result
            && !self.grants.stopping.load(Ordering::Relaxed)
            && !self.given_up.load(Ordering::Relaxed)
        {
            let component = &*self.grants.component;
            tracing::error!(component, "defect: an instance ended: {error:#}");
        }
    }
}
