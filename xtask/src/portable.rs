//! What hosts other than ours need: storage adapters, with the state machine composed
//! in, because Spin composes one level of dependencies.

use crate::build::{MACHINE, Profile};
use crate::project::Project;
use anyhow::{Context, Result};
use std::path::Path;
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions, PackageId};

/// The packages that supply `vwp:storage`, each over a database that Spin offers.
pub(crate) const ADAPTERS: &[&str] = &["vwp-storage-sqlite", "vwp-storage-postgres"];

/// What the machine exports and an adapter imports.
const MACHINE_EXPORTS: [&str; 2] = ["vwp:storage/types@0.1.0", "vwp:storage/state-machine@0.1.0"];

/// Writes `target/spin/storage-….wasm`: each adapter with the machine inside.
pub(crate) fn compose(project: &Project) -> Result<()> {
    let folder = project.target().join("spin");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let machine = Profile::BASELINE.component(project, MACHINE);
    for adapter in ADAPTERS {
        let built = Profile::BASELINE.component(project, adapter);
        let bytes = with_machine(&built, &machine)
            .with_context(|| format!("composing {} with {}", built.display(), machine.display()))?;
        let name = adapter.strip_prefix("vwp-").unwrap_or(adapter);
        let path = folder.join(name).with_extension("wasm");
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn with_machine(adapter: &Path, machine: &Path) -> Result<Vec<u8>> {
    let mut graph = CompositionGraph::new();
    let adapter = register(&mut graph, "vwp:storage-adapter", adapter)?;
    let machine = register(&mut graph, "vwp:machine", machine)?;
    let (adapter_instance, machine_instance) = (graph.instantiate(adapter), graph.instantiate(machine));
    for name in MACHINE_EXPORTS {
        let export = graph.alias_instance_export(machine_instance, name)?;
        graph.set_instantiation_argument(adapter_instance, name, export)?;
    }
    let exports: Vec<String> = graph.types()[graph[adapter].ty()].exports.keys().cloned().collect();
    for name in exports {
        let export = graph.alias_instance_export(adapter_instance, &name)?;
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
