//! An application made ready: its store open, its components compiled and linked.

use crate::admission::Room;
use crate::chain::Chain;
use crate::compiled;
use crate::compose::{self, Binaries};
use crate::dns::Resolver;
use crate::handler::Handler;
use crate::host::outbound::{Guard, Network};
use crate::host::{self, Grants, State};
use crate::hosts::AllowedHosts;
use crate::http::{Router, Served};
use crate::manifest::{App, Component, Route};
use crate::runtime_config::RuntimeConfig;
use crate::telemetry::{Observed, Telemetry};
use crate::timer::Timer;
use crate::{databases, engine, files, machine, memory, variables};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::Semaphore;
use vwp_store::{Engine as StoreEngine, FjallEngine, FjallOptions, ReplicaOptions, Replicated};
use wasmtime::Engine;
use wasmtime::component::{Component as Compiled, InstancePre, Linker};

/// Everything that serves an application.
pub struct Application {
    /// Answers HTTP requests.
    pub router: Arc<Router>,
    /// Answers requests from within the application.
    pub chain: Arc<Chain>,
    /// Answers DNS messages, if a component does.
    pub resolver: Option<Resolver>,
    /// The components with scheduled work.
    pub timers: Vec<Timer>,
    /// The state machines.
    pub machines: BTreeMap<String, Arc<dyn Replicated>>,
    /// The store of all of it.
    pub store: Arc<dyn StoreEngine>,
    /// Set before the instances are dropped, so that their end is not logged as a defect.
    pub stopping: Arc<AtomicBool>,
    /// Keeps guests interruptible.
    _ticker: engine::EpochTicker,
}

/// Where an application keeps what it keeps.
pub struct Folders {
    /// The store.
    pub store: PathBuf,
    /// Compiled code.
    pub cache: PathBuf,
    /// The files that components may read.
    pub files: PathBuf,
    /// SQLite databases.
    pub sqlite: PathBuf,
}

impl Folders {
    /// The folders of a state folder.
    pub fn below(state: &Path) -> Self {
        let of = |name| state.join(name);
        Self { store: of("store"), cache: of("cache"), files: of("files"), sqlite: of("sqlite") }
    }
}

/// Makes an application ready. `progress` is told what is being done.
pub fn ready(
    app: &App,
    values: &BTreeMap<String, String>,
    folders: &Folders,
    config: &RuntimeConfig,
    telemetry: &Telemetry,
    progress: impl Fn(&str),
) -> Result<Application> {
    let engine = engine::engine()?;
    let linker = host::linker(&engine)?;
    let mut binaries = Binaries::default();
    let code = compiled::Folder::open(&folders.cache)?;
    progress("opening the store");
    let cache_bytes = app.store_cache_bytes.unwrap_or_else(memory::store_cache_bytes);
    let store = open(&folders.store, cache_bytes, telemetry)?;
    let machines = machines(app, &mut binaries, &*store, &code, &progress)?;
    let stopping = Arc::new(AtomicBool::new(false));
    let databases = databases::open(app, config, &folders.sqlite)?;
    let network = Arc::new(Network::new(config.blocked_networks.clone(), telemetry.metrics.clone()));
    let secrets = variables::secrets(app, values);
    let mut grants = BTreeMap::new();
    for (id, component) in &app.components {
        let observed = telemetry.of(id);
        let mut grant = grant(component, values, &store, &network, &machines, &stopping, observed)?;
        grant.secrets = secrets.clone();
        databases.grant(component, &mut grant);
        grant.files = files::collect(&app.folder(), component, &folders.files)?;
        if let Some(bytes) = config.memory_bytes_max {
            grant.memory_bytes_max = grant.memory_bytes_max.min(bytes);
        }
        grants.insert(id.clone(), Arc::new(grant));
    }
    let mut maker =
        Maker { app, engine: &engine, linker: &linker, binaries, code: &code, progress: &progress };
    let handlers = handlers(&mut maker, &grants)?;
    let router = Arc::new(Router::new(handlers.routes, app.wait, app.http_cache_bytes, telemetry));
    let chain = Arc::new(Chain::new(handlers.components, router.clone()));
    network.attach(&chain);
    // What answers requests does the rest as well; what answers none is made for it.
    let mut made = handlers.linked;
    for id in app.resolver.iter().chain(&app.scheduled) {
        if !made.contains_key(id) {
            made.insert(id.clone(), maker.component(id)?);
        }
    }
    code.tidy();
    let resolver = app.resolver.as_ref().map(|id| Resolver::start(&engine, &made[id], &grants[id]));
    let timers = app.scheduled.iter().map(|id| Timer::new(&engine, &made[id], &grants[id]));
    let (resolver, timers) = (resolver.transpose()?, timers.collect::<Result<_>>()?);
    let ticker = engine::EpochTicker::start(&engine)?;
    Ok(Application { router, chain, resolver, timers, machines, store, stopping, _ticker: ticker })
}

/// Opens the store, with what goes through it counted if anything is.
fn open(folder: &Path, cache_bytes: u64, telemetry: &Telemetry) -> Result<Arc<dyn StoreEngine>> {
    let mut options = FjallOptions { cache_bytes, ..FjallOptions::default() };
    let Some(metrics) = &telemetry.metrics else {
        return Ok(Arc::new(FjallEngine::open(folder, options)?));
    };
    options.log.observer = Some(metrics.log());
    Ok(metrics.count(FjallEngine::open(folder, options)?))
}

/// Makes what runs out of binaries.
struct Maker<'a> {
    app: &'a App,
    engine: &'a Engine,
    linker: &'a Linker<State>,
    binaries: Binaries,
    code: &'a compiled::Folder,
    progress: &'a dyn Fn(&str),
}

impl Maker<'_> {
    /// A component alone, with its dependencies.
    fn component(&mut self, id: &str) -> Result<InstancePre<State>> {
        let (binaries, component) = (&mut self.binaries, &self.app.components[id]);
        let recipe = compose::recipe::component(binaries, component)?;
        let compiled = self.code.component(self.engine, &recipe, || {
            (self.progress)(&format!("compiling {id}"));
            compose::component(binaries, component)
        })?;
        self.link(&compiled, id)
    }

    /// What answers a route.
    fn route(&mut self, route: &Route) -> Result<InstancePre<State>> {
        let binaries = &mut self.binaries;
        let recipe = compose::recipe::route(binaries, self.app, route)?;
        let compiled = self.code.component(self.engine, &recipe, || {
            (self.progress)(&format!("compiling {}", route.component));
            compose::route(binaries, self.app, route)
        })?;
        self.link(&compiled, &route.component)
    }

    fn link(&self, compiled: &Compiled, id: &str) -> Result<InstancePre<State>> {
        let pre = self.linker.instantiate_pre(compiled).map_err(anyhow::Error::from);
        pre.with_context(|| format!("component `{id}` needs what this host does not offer"))
    }
}

fn machines(
    app: &App,
    binaries: &mut Binaries,
    store: &dyn StoreEngine,
    code: &compiled::Folder,
    progress: &impl Fn(&str),
) -> Result<BTreeMap<String, Arc<dyn Replicated>>> {
    let mut machines = BTreeMap::new();
    if app.machines.is_empty() {
        return Ok(machines);
    }
    let engine = machine::engine()?;
    for (name, component) in &app.machines {
        progress(&format!("replaying machine {name}"));
        let component = &app.components[component];
        let recipe = compose::recipe::component(binaries, component)?;
        let compiled = code.component(&engine, &recipe, || compose::component(binaries, component))?;
        let factory = machine::factory(&engine, &compiled).with_context(|| format!("machine `{name}`"))?;
        machines.insert(name.clone(), store.open_machine(name, factory, ReplicaOptions::default())?);
    }
    Ok(machines)
}

fn grant(
    component: &Component,
    values: &BTreeMap<String, String>,
    store: &Arc<dyn StoreEngine>,
    network: &Arc<Network>,
    machines: &BTreeMap<String, Arc<dyn Replicated>>,
    stopping: &Arc<AtomicBool>,
    observed: Observed,
) -> Result<Grants> {
    let granted = machines.iter().filter(|(name, _)| component.machines.contains(name));
    Ok(Grants {
        component: component.id.clone(),
        variables: variables::component(component, values)?,
        environment: component.environment.clone(),
        files: None,
        write_spaces: component.write_spaces.iter().cloned().collect(),
        read_spaces: component.read_spaces.iter().cloned().collect(),
        key_value_stores: component.key_value_stores.iter().cloned().collect(),
        own_key_value_stores: BTreeMap::new(),
        sqlite_databases: BTreeMap::new(),
        postgres: Arc::default(),
        outbound: AllowedHosts::parse(&component.allowed_outbound_hosts, values)
            .with_context(|| format!("component.{}.allowed_outbound_hosts", component.id))?,
        network: network.clone(),
        guard: Guard::new(&component.id, &component.outbound, observed.metrics.clone()),
        store: store.clone(),
        machines: granted.map(|(name, machine)| (name.clone(), machine.clone())).collect(),
        memory_bytes_max: component.memory_bytes_max,
        request_ms_max: component.request_ms_max,
        limits: component.limits.clone(),
        turns: Arc::new(Semaphore::new(component.limits.requests_max)),
        stopping: stopping.clone(),
        observed,
        secrets: Arc::default(),
    })
}

/// What answers requests: from outside by route, and from within by component too. A
/// component with several triggers is reached through the middleware of the first.
struct Handlers {
    routes: Vec<Served>,
    components: BTreeMap<String, Handler>,
    linked: BTreeMap<String, InstancePre<State>>,
}

/// One handler per different composition, however many routes lead to it.
fn handlers(maker: &mut Maker<'_>, grants: &BTreeMap<String, Arc<Grants>>) -> Result<Handlers> {
    let app = maker.app;
    let room = Arc::new(Room::new(app.wait));
    let mut made: Vec<(&Route, Handler)> = Vec::new();
    let mut handlers = Handlers { routes: Vec::new(), components: BTreeMap::new(), linked: BTreeMap::new() };
    for route in &app.routes {
        let same = made
            .iter()
            .find(|(other, _)| other.component == route.component && other.middleware == route.middleware);
        let handler = if let Some((_, handler)) = same {
            handler.clone()
        } else {
            let linked = maker.route(route)?;
            handlers.linked.entry(route.component.clone()).or_insert_with(|| linked.clone());
            let handler = Handler::new(maker.engine, linked, &grants[&route.component], &room)?;
            made.push((route, handler.clone()));
            handler
        };
        handlers.components.entry(route.component.clone()).or_insert_with(|| handler.clone());
        let (limits, cache) = (route.limits, route.cache);
        let served = |pattern| Served { pattern, handler, limits, cache };
        handlers.routes.extend(route.pattern.clone().map(served));
    }
    Ok(handlers)
}
