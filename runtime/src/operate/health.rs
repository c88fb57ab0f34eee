//! Whether the host lives and is ready, for orchestrators.
//!
//! Served on a listener of its own (`--health-listen`), so that no route of an application can
//! be taken for it, nor it for one, and so that a probe needs no turn among requests:
//!
//! - `/livez` answers 200 unless only a restart helps: 503 when the store or a machine has stopped
//!   after a failure, and nothing when the process cannot answer at all.
//! - `/readyz` answers 200 if requests would be served: the store takes writes, every machine is
//!   replayed and serves, and the host is not stopping. Otherwise 503: it is to be sent nothing.
//!
//! Both answer with the same JSON, which names what is not well and no secrets.

use super::probes::{self, answer, problem};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use tokio::net::TcpListener;
use vwp_store::{Engine, Replicated};

/// Where a host is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// It opens its store and compiles what it serves.
    Starting = 0,
    /// It serves.
    Serving = 1,
    /// It was told to stop, and lets requests in flight end.
    Stopping = 2,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::Stopping => "stopping",
        }
    }
}

/// What a host needs to serve. Not held, so that who asks keeps nothing open that is to end.
struct Parts {
    store: Weak<dyn Engine>,
    machines: BTreeMap<String, Weak<dyn Replicated>>,
}

/// How a host is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whether it may come to serve, or serve again, without a restart.
    pub is_alive: bool,
    /// Whether requests would be served.
    pub is_ready: bool,
    /// The same in words, with what is not well.
    pub said: Value,
}

/// The health of a host.
pub struct Health {
    phase: AtomicU8,
    parts: OnceLock<Parts>,
}

impl Health {
    /// Of a host that starts.
    pub fn starting() -> Arc<Self> {
        Arc::new(Self { phase: AtomicU8::new(Phase::Starting as u8), parts: OnceLock::new() })
    }

    /// The host serves from this store.
    pub fn serving(&self, store: &Arc<dyn Engine>, machines: &BTreeMap<String, Arc<dyn Replicated>>) {
        let machines = machines.iter().map(|(name, machine)| (name.clone(), Arc::downgrade(machine)));
        // A host begins to serve once.
        let _ = self.parts.set(Parts { store: Arc::downgrade(store), machines: machines.collect() });
        self.phase.store(Phase::Serving as u8, Ordering::Release);
    }

    /// The host is told to stop.
    pub fn stopping(&self) {
        self.phase.store(Phase::Stopping as u8, Ordering::Release);
    }

    fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Serving,
            _ => Phase::Stopping,
        }
    }

    /// How the host is.
    pub fn report(&self) -> Report {
        let phase = self.phase();
        let said = |health: Option<Result<(), String>>| match health {
            Some(Ok(())) => "ok".to_owned(),
            Some(Err(reason)) => reason,
            None => "closed".to_owned(),
        };
        let Some(parts) = self.parts.get() else {
            let said = json!({"ready": false, "phase": phase.name()});
            return Report { is_alive: true, is_ready: false, said };
        };
        let store = said(parts.store.upgrade().map(|store| store.health()));
        let machines = parts.machines.iter().map(|(name, machine)| {
            let health = machine.upgrade().map(|machine| machine.health());
            (name.clone(), said(health))
        });
        let machines: BTreeMap<String, String> = machines.collect();
        let is_well = store == "ok" && machines.values().all(|said| said == "ok");
        let is_ready = is_well && phase == Phase::Serving;
        let said = json!({"ready": is_ready, "phase": phase.name(), "store": store, "machines": machines});
        // A host that stops closes its store itself.
        Report { is_alive: is_well || phase == Phase::Stopping, is_ready, said }
    }

    /// Answers a probe.
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return problem(StatusCode::METHOD_NOT_ALLOWED);
        }
        let Report { is_alive, is_ready, said } = self.report();
        match (request.uri().path(), is_alive, is_ready) {
            ("/livez", true, _) | ("/readyz", _, true) => answer(StatusCode::OK, &said),
            ("/livez" | "/readyz", _, _) => answer(StatusCode::SERVICE_UNAVAILABLE, &said),
            _ => problem(StatusCode::NOT_FOUND),
        }
    }

    /// Answers probes until the process ends.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        probes::serve(listener, move |request| self.answer(request)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vwp_store::{FjallEngine, FjallOptions};

    #[test]
    fn a_host_is_alive_from_its_start_and_ready_as_long_as_its_store_serves() {
        let folder = tempfile::tempdir().expect("a folder");
        let health = Health::starting();
        let report = health.report();
        assert!(report.is_alive && !report.is_ready, "{:?}", report.said);
        let store = FjallEngine::open(folder.path(), FjallOptions::default()).expect("a store");
        let store: Arc<dyn Engine> = Arc::new(store);
        health.serving(&store, &BTreeMap::new());
        let report = health.report();
        assert!(report.is_alive && report.is_ready, "{:?}", report.said);
        drop(store);
        let report = health.report();
        assert!(!report.is_alive && !report.is_ready, "only a restart helps: {:?}", report.said);
        health.stopping();
        assert!(health.report().is_alive, "it is about to end anyway");
    }
}
