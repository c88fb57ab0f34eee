//! The components of `tests/guests`, which stand for those that integrators write.

use crate::{project, tools};
use std::path::{Path, PathBuf};
use std::process::Command;
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions};

/// Builds the components of a folder of `tests/guests`, and gives the folder with their binaries.
pub fn build(workspace: &str) -> PathBuf {
    let target = project().join("target/guests");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--release", "--locked", "--workspace", "--target", "wasm32-wasip2"]);
    cargo.arg("--manifest-path").arg(project().join("tests/guests").join(workspace).join("Cargo.toml"));
    cargo.arg("--target-dir").arg(&target).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    tools::run(&mut cargo);
    target.join("wasm32-wasip2/release")
}

/// Writes what `wac plug SOCKET --plug PLUG` makes: the socket, with all that it imports and the plug
/// exports filled.
pub fn plug(socket: &Path, plug: &Path, output: &Path) {
    let mut graph = CompositionGraph::new();
    let mut instance = |path: &Path, name: &str| {
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let package = Package::from_bytes(name, None, bytes, graph.types_mut()).expect("a component");
        let package = graph.register_package(package).expect("another name");
        (package, graph.instantiate(package))
    };
    let (socket, socket_instance) = instance(socket, "test:socket");
    let (plug, plug_instance) = instance(plug, "test:plug");
    let (socket, plug) = (&graph.types()[graph[socket].ty()], &graph.types()[graph[plug].ty()]);
    let plugs: Vec<String> =
        plug.exports.keys().filter(|name| socket.imports.contains_key(*name)).cloned().collect();
    let exports: Vec<String> = socket.exports.keys().cloned().collect();
    assert!(!plugs.is_empty(), "the plug fits");
    for name in plugs {
        let export = graph.alias_instance_export(plug_instance, &name).expect("the plug exports it");
        graph.set_instantiation_argument(socket_instance, &name, export).expect("the socket imports it");
    }
    for name in exports {
        let export = graph.alias_instance_export(socket_instance, &name).expect("the socket exports it");
        graph.export(export, &name).expect("it is exported once");
    }
    let composed = graph.encode(EncodeOptions::default()).expect("the composition is valid");
    std::fs::write(output, composed).expect("a file");
}
