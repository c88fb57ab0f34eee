//! Composition: a component with its dependencies, and a chain of middleware in
//! front of it, become one component, as Spin 4.1 composes them.

mod empty;
mod inherit;
pub mod recipe;

use crate::compiled::Digest;
use crate::manifest::{App, Component, Dependency, Route};
use anyhow::{Context, Result, bail};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use wac_graph::types::{Package, SubtypeChecker};
use wac_graph::{CompositionGraph, EncodeOptions, NodeId, PackageId};

/// What a middleware imports for what stands behind it, and what a handler exports.
const HANDLER: &str = "wasi:http/handler@0.3.0";

/// How much of a binary is read at once, in bytes, where it is not kept.
const PART_LENGTH: usize = 64 * 1024;

/// Reads component binaries, each file once.
#[derive(Default)]
pub struct Binaries {
    read: BTreeMap<PathBuf, Vec<u8>>,
    digests: BTreeMap<PathBuf, Digest>,
}

impl Binaries {
    /// The bytes of a component.
    pub fn read(&mut self, path: &Path) -> Result<&[u8]> {
        if !self.read.contains_key(path) {
            let bytes = std::fs::read(path).with_context(|| unreadable(path))?;
            if self.digests.get(path).is_some_and(|digest| *digest != Digest::from(Sha256::digest(&bytes))) {
                bail!("{} was changed while it was read", path.display());
            }
            self.read.insert(path.to_owned(), bytes);
        }
        Ok(&self.read[path])
    }

    /// The SHA-256 of a component, which is not kept in memory for it.
    fn digest(&mut self, path: &Path) -> Result<Digest> {
        if let Some(digest) = self.digests.get(path) {
            return Ok(*digest);
        }
        let mut hasher = Sha256::new();
        let mut file = File::open(path).with_context(|| unreadable(path))?;
        let mut part = vec![0; PART_LENGTH];
        loop {
            match file.read(&mut part).with_context(|| unreadable(path))? {
                0 => break,
                length => hasher.update(&part[..length]),
            }
        }
        let digest = hasher.finalize().into();
        self.digests.insert(path.to_owned(), digest);
        Ok(digest)
    }
}

fn unreadable(path: &Path) -> String {
    format!("cannot read {}; is it built?", path.display())
}

/// The component alone, with its dependencies composed in.
pub fn component(binaries: &mut Binaries, component: &Component) -> Result<Vec<u8>> {
    let source = binaries.read(&component.source)?.to_vec();
    if component.dependencies.is_empty() {
        return Ok(source);
    }
    with_dependencies(binaries, component, source)
        .with_context(|| format!("composing component `{}` with its dependencies", component.id))
}

/// What answers a route: the component behind its middleware. What else the component exports, this
/// does too, so that one instance serves whoever calls it.
pub fn route(binaries: &mut Binaries, app: &App, route: &Route) -> Result<Vec<u8>> {
    let innermost = component(binaries, &app.components[&route.component])?;
    if route.middleware.is_empty() {
        return Ok(innermost);
    }
    chain(binaries, &route.middleware, innermost)
        .with_context(|| format!("composing component `{}` with its middleware", route.component))
}

fn with_dependencies(binaries: &mut Binaries, component: &Component, source: Vec<u8>) -> Result<Vec<u8>> {
    let mut graph = CompositionGraph::new();
    let main = register(&mut graph, &component.id, source)?;
    let world = graph[main].ty();
    let main_instance = graph.instantiate(main);
    let imports: Vec<String> = graph.types()[world].imports.keys().cloned().collect();
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    for (name, dependency) in &component.dependencies {
        let matching: Vec<&String> = imports.iter().filter(|import| names_import(name, import)).collect();
        if matching.is_empty() {
            bail!("dependency `{name}` matches no import; the imports are: {}", imports.join(", "));
        }
        // Once for all that it satisfies, so that its interfaces share their state.
        let (package, instance) = inherit::instantiate(&mut graph, binaries, dependency, name)?;
        for import in matching {
            if let Some(other) = taken.insert(import.clone(), name) {
                bail!("import `{import}` is satisfied by both `{other}` and `{name}`");
            }
            let argument = alias(&mut graph, main, package, instance, dependency, import)?;
            graph.set_instantiation_argument(main_instance, import, argument)?;
        }
    }
    let exports: Vec<String> = graph.types()[world].exports.keys().cloned().collect();
    for export in exports {
        let node = graph.alias_instance_export(main_instance, &export)?;
        graph.export(node, &export)?;
    }
    Ok(graph.encode(EncodeOptions::default())?)
}

/// The dependency's export for an import, if its type fits.
fn alias(
    graph: &mut CompositionGraph,
    main: PackageId,
    package: PackageId,
    instance: NodeId,
    dependency: &Dependency,
    import: &str,
) -> Result<NodeId> {
    let export = dependency.export.as_deref().unwrap_or(import);
    let (main_world, dependency_world) = (graph[main].ty(), graph[package].ty());
    let types = graph.types();
    let Some(export_kind) = types[dependency_world].exports.get(export) else {
        bail!("{} does not export `{export}`", dependency.source.display());
    };
    let import_kind = types[main_world].imports[import];
    SubtypeChecker::new(&mut HashSet::default())
        .is_subtype(*export_kind, types, import_kind, types)
        .with_context(|| format!("export `{export}` does not fit import `{import}`"))?;
    Ok(graph.alias_instance_export(instance, export)?)
}

fn chain(binaries: &mut Binaries, middleware: &[Dependency], innermost: Vec<u8>) -> Result<Vec<u8>> {
    let mut graph = CompositionGraph::new();
    let handler = register(&mut graph, "handler", innermost)?;
    let instance = graph.instantiate(handler);
    let exports: Vec<String> = graph.types()[graph[handler].ty()].exports.keys().cloned().collect();
    for export in exports.iter().filter(|export| *export != HANDLER) {
        let node = graph.alias_instance_export(instance, export)?;
        graph.export(node, export)?;
    }
    let mut next = graph
        .alias_instance_export(instance, HANDLER)
        .with_context(|| format!("middleware needs a component that exports {HANDLER}"))?;
    for (at, dependency) in middleware.iter().enumerate().rev() {
        let name = format!("middleware{at}");
        let (_, instance) = inherit::instantiate(&mut graph, binaries, dependency, &name)?;
        graph
            .set_instantiation_argument(instance, HANDLER, next)
            .with_context(|| format!("{} is not middleware", dependency.source.display()))?;
        next = graph.alias_instance_export(instance, HANDLER)?;
    }
    graph.export(next, HANDLER)?;
    Ok(graph.encode(EncodeOptions::default())?)
}

fn register(graph: &mut CompositionGraph, name: &str, bytes: Vec<u8>) -> Result<PackageId> {
    let package = Package::from_bytes(name, None, bytes, graph.types_mut())
        .with_context(|| format!("`{name}` is not a WebAssembly component"))?;
    Ok(graph.register_package(package)?)
}

/// Whether a dependency's name in the manifest means an import: the name alone, the
/// whole package, or one interface of it, with or without the version.
fn names_import(name: &str, import: &str) -> bool {
    fn split(text: &str) -> (&str, Option<&str>, Option<&str>) {
        let (path, version) = text.split_once('@').map_or((text, None), |(path, v)| (path, Some(v)));
        let (package, interface) = path.split_once('/').map_or((path, None), |(p, i)| (p, Some(i)));
        (package, interface, version)
    }
    if name == import {
        return true;
    }
    let (package, interface, version) = split(name);
    let (import_package, import_interface, import_version) = split(import);
    package.contains(':')
        && package == import_package
        && interface.is_none_or(|interface| Some(interface) == import_interface)
        && version.is_none_or(|version| Some(version) == import_version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Inherit;
    use tempfile::TempDir;
    use wasmtime::{Engine, Store};

    const MAIN: &str = r#"(component
        (import "a:b/count@0.1.0" (instance $count (export "next" (func (result u32)))))
        (import "a:b/read@0.1.0" (instance $read (export "last" (func (result u32)))))
        (alias export $count "next" (func $next))
        (alias export $read "last" (func $last))
        (export "next" (func $next))
        (export "last" (func $last)))"#;

    /// Exports two interfaces over one number; `MORE` stands for further imports.
    const DEPENDENCY: &str = r#"(component
        MORE
        (core module $code
            (global $number (mut i32) (i32.const 0))
            (func (export "next") (result i32)
                (global.set $number (i32.add (global.get $number) (i32.const 1)))
                (global.get $number))
            (func (export "last") (result i32) (global.get $number)))
        (core instance $code (instantiate $code))
        (func $next (result u32) (canon lift (core func $code "next")))
        (func $last (result u32) (canon lift (core func $code "last")))
        (instance $count (export "next" (func $next)))
        (instance $read (export "last" (func $last)))
        (export "a:b/count@0.1.0" (instance $count))
        (export "a:b/read@0.1.0" (instance $read)))"#;

    /// A component whose dependencies of these names are all the same one.
    fn composed(names: &[&str], dependency: &str, inherit: &Inherit) -> Result<Vec<u8>> {
        let folder = TempDir::new()?;
        let write = |name: &str, text: &str| -> Result<PathBuf> {
            let file = folder.path().join(name);
            std::fs::write(&file, wat::parse_str(text)?)?;
            Ok(file)
        };
        let source = write("dependency.wasm", dependency)?;
        let dependency = Dependency { source, export: None, inherit: inherit.clone() };
        let dependencies = names.iter().map(|name| ((*name).to_owned(), dependency.clone())).collect();
        let source = write("main.wasm", MAIN)?;
        let main = Component { id: "main".to_owned(), source, dependencies, ..Component::default() };
        component(&mut Binaries::default(), &main)
    }

    fn nothing() -> Inherit {
        Inherit::Some(Vec::new())
    }

    #[test]
    fn a_package_is_one_instance_for_all_its_interfaces() {
        let dependency = DEPENDENCY.replace("MORE", "");
        for name in ["a:b", "a:b@0.1.0"] {
            let bytes = composed(&[name], &dependency, &nothing()).expect("composed");
            let engine = Engine::default();
            let component = wasmtime::component::Component::new(&engine, bytes).expect("a component");
            let mut store = Store::new(&engine, ());
            let linker = wasmtime::component::Linker::new(&engine);
            let instance = linker.instantiate(&mut store, &component).expect("nothing is imported");
            let mut call = |name: &str| {
                let function = instance.get_typed_func::<(), (u32,)>(&mut store, name).expect("a function");
                function.call(&mut store, ()).expect("an answer").0
            };
            assert_eq!((call("next"), call("next"), call("last")), (1, 2, 2));
        }
    }

    #[test]
    fn an_interface_that_the_dependency_lacks_or_two_supply_is_an_error() {
        let dependency = DEPENDENCY.replace("MORE", "");
        let without = dependency.replace("(export \"a:b/read@0.1.0\" (instance $read))", "");
        let error = composed(&["a:b"], &without, &nothing()).expect_err("refused");
        assert!(format!("{error:#}").contains("does not export `a:b/read@0.1.0`"), "{error:#}");
        let error = composed(&["a:b", "a:b/count"], &dependency, &nothing()).expect_err("refused");
        assert!(format!("{error:#}").contains("is satisfied by both"), "{error:#}");
    }

    #[test]
    fn a_dependency_that_needs_a_store_inherits_it_or_is_told_why_not() {
        for interface in ["wasi:keyvalue/atomics@0.2.0-draft2", "wasi:keyvalue/batch@0.2.0-draft2"] {
            let more = format!("(import \"{interface}\" (instance (export \"f\" (func))))");
            let dependency = DEPENDENCY.replace("MORE", &more);
            let error = composed(&["a:b"], &dependency, &nothing()).expect_err("refused");
            let error = format!("{error:#}");
            assert!(error.contains(interface) && error.contains("`key_value_stores`"), "{error}");
            let stores = Inherit::Some(vec!["key_value_stores".to_owned()]);
            composed(&["a:b"], &dependency, &stores).expect("composed");
        }
    }

    #[test]
    fn a_dependency_gets_an_empty_environment_and_no_folders() {
        let more = r#"
            (import "wasi:cli/environment@0.2.6" (instance
                (export "get-environment" (func (result (list (tuple string string)))))))
            (import "wasi:filesystem/types@0.2.6" (instance $types
                (export "descriptor" (type (sub resource)))))
            (alias export $types "descriptor" (type $descriptor))
            (import "wasi:filesystem/preopens@0.2.6" (instance
                (alias outer 1 $descriptor (type $outer))
                (export "descriptor" (type (eq $outer)))
                (export "get-directories" (func (result (list (tuple (own $outer) string)))))))"#;
        let bytes = composed(&["a:b"], &DEPENDENCY.replace("MORE", more), &nothing()).expect("composed");
        let engine = Engine::default();
        let component = wasmtime::component::Component::new(&engine, bytes).expect("a component");
        let imports: Vec<String> =
            component.component_type().imports(&engine).map(|(name, _)| name.to_owned()).collect();
        assert_eq!(imports, ["wasi:filesystem/types@0.2.6"]);
    }

    #[test]
    fn a_dependency_names_an_import_by_package_interface_or_version() {
        for name in ["foo:bar", "foo:bar@0.1.0", "foo:bar/baz", "foo:bar/baz@0.1.0"] {
            assert!(names_import(name, "foo:bar/baz@0.1.0"), "{name}");
        }
        for name in ["foo", "foo:ba", "foo:bar@0.2.0", "foo:bar/qux"] {
            assert!(!names_import(name, "foo:bar/baz@0.1.0"), "{name}");
        }
        assert!(names_import("plain", "plain"));
    }
}
