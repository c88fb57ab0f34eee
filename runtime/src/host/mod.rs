//! What a guest instance has from the host: one file per imported interface, and here
//! the state that they share and the linker that offers them.

pub mod config;
pub mod key_value;
mod logs;
mod otel;
pub mod outbound;
pub mod postgres;
mod rows;
pub mod sqlite;
pub mod storage;
pub mod variables;

use crate::handler::Origin;
use crate::hosts::AllowedHosts;
use crate::manifest::Limits;
use crate::telemetry::Observed;
use crate::telemetry::metrics::InUse;
use anyhow::Result;
use outbound::{Guard, Network, Outbound};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use vwp_store::{Engine as StoreEngine, Replicated};
use wasmtime::component::{Linker, ResourceTable};
use wasmtime::{Engine, ResourceLimiter, Store, UpdateDeadline};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttp, WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// What one component was granted, shared by all its instances.
pub struct Grants {
    /// The component's id, for the log.
    pub component: String,
    /// Its variables, filled in.
    pub variables: BTreeMap<String, String>,
    /// The values of the application's secret variables, which no log may have.
    pub secrets: Arc<[String]>,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// The folder with the files that it may read, if there are any.
    pub files: Option<PathBuf>,
    /// The spaces of the key-value store that it may write, and so read.
    pub write_spaces: BTreeSet<String>,
    /// The spaces that it may only read.
    pub read_spaces: BTreeSet<String>,
    /// The labels of the key-value stores that it may open.
    pub key_value_stores: BTreeSet<String>,
    /// The stores among them that are kept apart from the others.
    pub own_key_value_stores: BTreeMap<String, Arc<dyn StoreEngine>>,
    /// The SQLite databases that it may open.
    pub sqlite_databases: sqlite::Databases,
    /// The hosts that it may reach.
    pub outbound: AllowedHosts,
    /// The connections to PostgreSQL, to the hosts that it may reach.
    pub postgres: Arc<postgres::Pools>,
    /// How it reaches them.
    pub network: Arc<Network>,
    /// What it may have of that.
    pub guard: Guard,
    /// The key-value store.
    pub store: Arc<dyn StoreEngine>,
    /// The machines that it may use.
    pub machines: BTreeMap<String, Arc<dyn Replicated>>,
    /// How much memory one instance may have, in bytes.
    pub memory_bytes_max: usize,
    /// How long one request may take, in milliseconds.
    pub request_ms_max: u64,
    /// What else is bounded.
    pub limits: Limits,
    /// As many permits as requests may run at once.
    pub turns: Arc<Semaphore>,
    /// Turns true when the host stops, and instances end without it being their fault.
    pub stopping: Arc<AtomicBool>,
    /// What is told of its work.
    pub observed: Observed,
}

/// The moment at which an instance is stopped if it still runs.
#[derive(Clone)]
pub struct Deadline {
    origin: Instant,
    at_ms: Arc<AtomicU64>,
}

impl Default for Deadline {
    fn default() -> Self {
        Self::new()
    }
}

impl Deadline {
    /// One that is never reached, until it is set.
    pub fn new() -> Self {
        Self { origin: Instant::now(), at_ms: Arc::new(AtomicU64::new(u64::MAX)) }
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Gives the instance `ms` more from now on.
    pub fn extend(&self, ms: u64) {
        self.at_ms.store(self.elapsed_ms().saturating_add(ms), Ordering::Relaxed);
    }

    /// Whether it has been reached.
    pub fn has_passed(&self) -> bool {
        self.elapsed_ms() > self.at_ms.load(Ordering::Relaxed)
    }

    /// How long is left.
    fn left(&self) -> Duration {
        Duration::from_millis(self.at_ms.load(Ordering::Relaxed).saturating_sub(self.elapsed_ms()))
    }

    /// When it has certainly been reached. One that is not set is a day away.
    pub fn at(&self) -> Instant {
        let at_ms = self.at_ms.load(Ordering::Relaxed).saturating_add(1);
        self.origin + Duration::from_millis(at_ms.min(24 * 60 * 60 * 1000))
    }
}

/// The state of one guest instance.
pub struct State {
    /// What the component was granted.
    pub grants: Arc<Grants>,
    /// When the instance is stopped.
    pub deadline: Deadline,
    storage: storage::Access,
    key_value: key_value::Stores,
    sqlite: sqlite::Connections,
    postgres: postgres::Connections,
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outbound: Outbound,
    spans: otel::Spans,
    memory: MemoryLimit,
}

impl State {
    /// Tells the instance, and what it has open, when its next request's time has passed, and
    /// what led to that request.
    pub fn begin(&mut self, deadline: Deadline, origin: Origin) {
        self.sqlite.begin(deadline.clone());
        self.deadline = deadline;
        self.storage.span.clone_from(&origin.span);
        self.spans.begin(origin.span.clone());
        self.outbound.origin = origin;
    }
}

/// Bounds the memory of all linear memories of an instance together.
struct MemoryLimit {
    used: usize,
    bytes_max: usize,
    /// Where the instance and its memory are counted, if they are.
    counted: Option<InUse>,
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.bytes_max {
            return Ok(false);
        }
        if let Some(counted) = &mut self.counted {
            counted.grow(used - self.used);
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= 100_000)
    }
}

/// Makes the store of a new instance.
pub fn store(engine: &Engine, grants: &Arc<Grants>) -> wasmtime::Result<Store<State>> {
    let mut wasi = WasiCtx::builder();
    for (name, value) in &grants.environment {
        wasi.env(name, value);
    }
    if let Some(folder) = &grants.files {
        wasi.preopened_dir(folder, "/", FsPerms::ReadOnly)?;
    }
    wasi.stdout(logs::Lines::new(grants.component.clone(), grants.secrets.clone(), false));
    wasi.stderr(logs::Lines::new(grants.component.clone(), grants.secrets.clone(), true));
    // No sockets: a component talks to the network through interfaces with grants.
    wasi.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
    let deadline = Deadline::new();
    let state = State {
        postgres: postgres::Connections::new(grants.clone()),
        sqlite: sqlite::Connections::new(grants.clone(), deadline.clone()),
        deadline,
        storage: storage::Access::new(grants.clone()),
        key_value: key_value::Stores::new(grants.clone()),
        table: ResourceTable::new(),
        wasi: wasi.build(),
        http: WasiHttpCtx::new(),
        outbound: Outbound::new(grants.clone()),
        spans: otel::Spans::default(),
        memory: MemoryLimit {
            used: 0,
            bytes_max: grants.memory_bytes_max,
            counted: grants.observed.metrics.as_ref().map(|metrics| metrics.instance()),
        },
        grants: grants.clone(),
    };
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.memory);
    store.set_epoch_deadline(1);
    // Each tick lets other tasks run, and ends a guest that has had its time. A guest that
    // loops can so hold a worker thread for one tick at most.
    store.epoch_deadline_callback(|context| {
        if context.data().deadline.has_passed() {
            return Ok(UpdateDeadline::Interrupt);
        }
        Ok(UpdateDeadline::Yield(1))
    });
    Ok(store)
}

/// The linker that offers guests everything this host has.
pub fn linker(engine: &Engine) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p2::bindings::http::types::add_to_linker::<_, WasiHttp>(
        &mut linker,
        &wasmtime_wasi_http::p2::bindings::LinkOptions::default().into(),
        State::http,
    )?;
    wasmtime_wasi_http::p3::bindings::http::types::add_to_linker::<_, WasiHttp>(&mut linker, State::http)?;
    outbound::relative::add_to_linker(&mut linker)?;
    storage::add_to_linker(&mut linker)?;
    key_value::add_to_linker(&mut linker)?;
    sqlite::add_to_linker(&mut linker)?;
    postgres::add_to_linker(&mut linker)?;
    variables::add_to_linker(&mut linker)?;
    config::add_to_linker(&mut linker)?;
    otel::add_to_linker(&mut linker)?;
    Ok(linker)
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.outbound, table: &mut self.table, ctx: &mut self.http }
    }
}
