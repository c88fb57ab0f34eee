//! Whether the built components fit Spin, checked against the worlds that Spin publishes
//! (`spin:up`, in `tests/fixtures`), so that it is known where no Spin is at hand.
//!
//! The check is the component model's own subtyping: a component fits a world if it imports
//! no more and exports no less, with the same types.

use std::path::{Path, PathBuf};
use vwp_tests::project;
use wit_parser::{PackageId, Resolve};

/// Spin's worlds, and what the parts of this application add to them: what a dependency
/// supplies, or what middleware wraps.
const WORLDS: &str = r"
package vwp:targets;

world middleware {
    include spin:up/http-trigger@4.1.0;
    import wasi:http/handler@0.3.0;
}

world middleware-with-storage {
    include spin:up/http-trigger@4.1.0;
    import wasi:http/handler@0.3.0;
    import vwp:storage/kv@0.1.0;
}

world handler {
    include spin:up/http-trigger@4.1.0;
    import vwp:auth/types@0.1.0;
    import vwp:discovery/types@0.1.0;
    import vwp:policy/types@0.1.0;
    import vwp:transactions/types@0.1.0;
    import vwp:storage/kv@0.1.0;
    import vwp:storage/replicated@0.1.0;
}

world storage {
    include spin:up/platform@4.1.0;
    export vwp:storage/types@0.1.0;
    export vwp:storage/kv@0.1.0;
    export vwp:storage/replicated@0.1.0;
}

world machine {
    export vwp:storage/state-machine@0.1.0;
}
";

/// Spin's worlds and ours, resolved.
struct Worlds {
    resolve: Resolve,
    package: PackageId,
}

impl Worlds {
    fn load() -> Self {
        let mut resolve = Resolve::default();
        let wit = project().join("wit");
        resolve
            .push_file(project().join("tests/fixtures/spin-up@4.1.0.wit"))
            .expect("Spin's worlds are valid WIT");
        for package in ["storage", "timer", "auth", "discovery", "policy", "transactions"] {
            resolve.push_dir(wit.join(package)).expect("our packages are valid WIT");
        }
        let package = resolve.push_str("targets.wit", WORLDS).expect("the worlds above are valid WIT");
        Self { resolve, package }
    }

    /// Why the component does not fit the world, if it does not.
    fn misfit(&self, world: &str, component: &Path) -> Option<String> {
        let bytes = std::fs::read(component)
            .unwrap_or_else(|error| panic!("{}: {error}; build it first", component.display()));
        let world = self.resolve.select_world(&[self.package], Some(world)).expect("one of the worlds above");
        wit_component::targets(&self.resolve, world, &bytes).err().map(|error| format!("{error:#}"))
    }
}

/// The binary that the manifest gives Spin for a component.
fn source(component: &str) -> PathBuf {
    let manifest = std::fs::read_to_string(project().join("spin.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().expect("the manifest is TOML");
    project().join(manifest["component"][component]["source"].as_str().expect("a source is a path"))
}

#[test]
fn every_component_fits_the_world_that_spin_offers_it() {
    let worlds = Worlds::load();
    let fits = |component: &Path, world| {
        let misfit = worlds.misfit(world, component);
        assert_eq!(misfit, None, "{} does not fit the world {world}", component.display());
    };
    for handler in ["discovery", "auth", "policy", "transactions", "stripe", "open-payments", "webhooks"] {
        fits(&source(handler), "handler");
    }
    for middleware in ["gateway", "compress", "caching"] {
        let built = format!("target/wasm32-wasip2/release/vwp_{middleware}_component.wasm");
        fits(&project().join(built), "middleware");
    }
    let limits = project().join("target/wasm32-wasip2/release/vwp_limits_component.wasm");
    fits(&limits, "middleware-with-storage");
    fits(&source("ledger"), "machine");
    for adapter in ["storage-sqlite.wasm", "storage-postgres.wasm"] {
        fits(&project().join("target/spin").join(adapter), "storage");
    }
}

#[test]
fn a_component_that_asks_for_more_does_not_fit() {
    let worlds = Worlds::load();
    let misfit = worlds.misfit("middleware", &source("discovery")).expect("middleware has no storage");
    assert!(misfit.contains("vwp:"), "{misfit}");
    assert!(worlds.misfit("machine", &source("gateway")).is_some(), "the gateway is no machine");
}
