//! Components that others are composed into as they are built, because Spin composes one level of
//! dependencies: storage adapters, with the state machine; and auth, with the password hasher, so
//! that who takes auth as a dependency need not know of it.

use crate::build::{AUTH, HASHER, MACHINE, Profile};
use crate::project::Project;
use anyhow::{Context, Result};
use std::path::Path;
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions, PackageId};

/// The packages that supply `vwp:storage`, each over a database that Spin offers.
pub(crate) const ADAPTERS: &[&str] = &["vwp-storage-sqlite", "vwp-storage-postgres"];

/// What the machine exports and an adapter imports.
const MACHINE_EXPORTS: [&str; 2] = ["vwp:storage/types@0.1.0", "vwp:storage/state-machine@0.1.0"];

/// What the hasher exports and auth imports.
const HASHER_EXPORTS: [&str; 1] = ["vwp:auth/password-hasher@0.1.0"];

/// Writes `composed/auth.wasm`: the component of travellers with the password hasher inside.
pub(crate) fn compose_auth(project: &Project, profile: Profile) -> Result<()> {
    let (auth, hasher) = (profile.component(project, AUTH), profile.component(project, HASHER));
    let bytes = plugged(&auth, &hasher, &HASHER_EXPORTS)
        .with_context(|| format!("composing {} with {}", auth.display(), hasher.display()))?;
    let path = profile.composed(project, "auth");
    let folder = path.parent().context("the file is in a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes `target/spin/storage-….wasm`: each adapter with the machine inside.
pub(crate) fn compose(project: &Project) -> Result<()> {
    let folder = project.target().join("spin");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let machine = Profile::BASELINE.component(project, MACHINE);
    for adapter in ADAPTERS {
        let built = Profile::BASELINE.component(project, adapter);
        let bytes = plugged(&built, &machine, &MACHINE_EXPORTS)
            .with_context(|| format!("composing {} with {}", built.display(), machine.display()))?;
        let name = adapter.strip_prefix("vwp-").unwrap_or(adapter);
        let path = folder.join(name).with_extension("wasm");
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The socket with the plug's exports of these names, and its own imports and exports otherwise.
fn plugged(socket: &Path, plug: &Path, names: &[&str]) -> Result<Vec<u8>> {
    let mut graph = CompositionGraph::new();
    let socket = register(&mut graph, "vwp:socket", socket)?;
    let plug = register(&mut graph, "vwp:plug", plug)?;
    let (socket_instance, plug_instance) = (graph.instantiate(socket), graph.instantiate(plug));
    for name in names {
        let export = graph.alias_instance_export(plug_instance, name)?;
        graph.set_instantiation_argument(socket_instance, name, export)?;
    }
    let exports: Vec<String> = graph.types()[graph[socket].ty()].exports.keys().cloned().collect();
    for name in exports {
        let export = graph.alias_instance_export(socket_instance, &name)?;
        graph.export(export, &name)?;
    }
    Ok(graph.encode(EncodeOptions::default())?)
}

fn register(graph: &mut CompositionGraph, name: &str, path: &Path) -> Result<PackageId> {
    let bytes =
        std::fs::read(path).with_context(|| format!("cannot read {}; is it built?", path.display()))?;
    let package = Package::from_bytes(name, None, bytes, graph.types_mut())
        .with_context(|| format!("{} is not a WebAssembly component", path.display()))?;
    Ok(graph.register_package(package)?)
}
