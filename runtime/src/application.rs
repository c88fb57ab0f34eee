//! An application made ready: its store open, its components compiled and linked.

use crate::compose::{self, Binaries};
use crate::dns::Resolver;
use crate::handler::Handler;
use crate::host::{self, Grants, State};
use crate::http::Router;
use crate::manifest::{App, Component, Pattern, Route};
use crate::{engine, machine, variables};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use vwp_store::{Engine as StoreEngine, FjallEngine, FjallOptions, ReplicaOptions, Replicated};
use wasmtime::Engine;
use wasmtime::component::Linker;

/// Everything that serves an application.
pub struct Application {
    /// Answers HTTP requests.
    pub router: Arc<Router>,
    /// Answers DNS messages, if a component does.
    pub resolver: Option<Resolver>,
    /// Set before the instances are dropped, so that their end is not logged as a defect.
    pub stopping: Arc<AtomicBool>,
    /// Keeps guests interruptible.
    _ticker: engine::EpochTicker,
}

/// Where an application keeps what it keeps.
pub struct Folders<'a> {
    /// The store.
    pub store: &'a Path,
    /// Compiled code.
    pub cache: &'a Path,
}

/// Makes an application ready. `progress` is told what is being done.
pub fn ready(
    app: &App,
    values: &BTreeMap<String, String>,
    folders: &Folders<'_>,
    progress: impl Fn(&str),
) -> Result<Application> {
    let engine = engine::engine(Some(folders.cache))?;
    let linker = host::linker(&engine)?;
    let mut binaries = Binaries::default();
    progress("opening the store");
    let store: Arc<dyn StoreEngine> = Arc::new(FjallEngine::open(folders.store, FjallOptions::default())?);
    let machines = machines(app, &mut binaries, &*store, folders, &progress)?;
    let stopping = Arc::new(AtomicBool::new(false));
    let mut grants = BTreeMap::new();
    for (id, component) in &app.components {
        grants.insert(id.clone(), Arc::new(grant(component, values, &store, &machines, &stopping)?));
    }
    let routes = routes(app, &engine, &linker, &mut binaries, &grants, &progress)?;
    let resolver = match &app.resolver {
        Some(id) => {
            progress(&format!("compiling {id} as the resolver"));
            let bytes = compose::component(&mut binaries, &app.components[id])?;
            Some(Resolver::start(&engine, &linker, &bytes, &grants[id])?)
        }
        None => None,
    };
    engine::release_memory();
    let ticker = engine::EpochTicker::start(&engine)?;
    Ok(Application { router: Arc::new(Router::new(routes)), resolver, stopping, _ticker: ticker })
}

fn machines(
    app: &App,
    binaries: &mut Binaries,
    store: &dyn StoreEngine,
    folders: &Folders<'_>,
    progress: &impl Fn(&str),
) -> Result<BTreeMap<String, Arc<dyn Replicated>>> {
    let mut machines = BTreeMap::new();
    if app.machines.is_empty() {
        return Ok(machines);
    }
    let engine = machine::engine(Some(folders.cache))?;
    for (name, component) in &app.machines {
        progress(&format!("replaying machine {name}"));
        let bytes = compose::component(binaries, &app.components[component])?;
        let factory = machine::factory(&engine, &bytes).with_context(|| format!("machine `{name}`"))?;
        machines.insert(name.clone(), store.open_machine(name, factory, ReplicaOptions::default())?);
    }
    Ok(machines)
}

fn grant(
    component: &Component,
    values: &BTreeMap<String, String>,
    store: &Arc<dyn StoreEngine>,
    machines: &BTreeMap<String, Arc<dyn Replicated>>,
    stopping: &Arc<AtomicBool>,
) -> Result<Grants> {
    let granted = machines.iter().filter(|(name, _)| component.machines.contains(name));
    Ok(Grants {
        component: component.id.clone(),
        variables: variables::component(component, values)?,
        environment: component.environment.clone(),
        write_spaces: component.write_spaces.iter().cloned().collect(),
        read_spaces: component.read_spaces.iter().cloned().collect(),
        key_value_stores: component.key_value_stores.iter().cloned().collect(),
        store: store.clone(),
        machines: granted.map(|(name, machine)| (name.clone(), machine.clone())).collect(),
        memory_bytes_max: component.memory_bytes_max,
        request_ms_max: component.request_ms_max,
        stopping: stopping.clone(),
    })
}

/// One handler per different composition, however many routes lead to it.
fn routes(
    app: &App,
    engine: &Engine,
    linker: &Linker<State>,
    binaries: &mut Binaries,
    grants: &BTreeMap<String, Arc<Grants>>,
    progress: &impl Fn(&str),
) -> Result<Vec<(Pattern, Handler)>> {
    let mut made: Vec<(&Route, Handler)> = Vec::new();
    let mut routes = Vec::new();
    for route in &app.routes {
        let same = made
            .iter()
            .find(|(other, _)| other.component == route.component && other.middleware == route.middleware);
        let handler = if let Some((_, handler)) = same {
            handler.clone()
        } else {
            progress(&format!("compiling {}", route.component));
            let bytes = compose::route(binaries, app, route)?;
            let handler = Handler::new(engine, linker, &bytes, &grants[&route.component])?;
            made.push((route, handler.clone()));
            handler
        };
        routes.push((route.pattern.clone(), handler));
    }
    Ok(routes)
}
