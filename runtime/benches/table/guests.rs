//! The components that are measured, and what they need to run in this process.

use crate::tools;
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tokio::sync::Semaphore;
use vwp_runtime::host::Grants;
use vwp_runtime::host::outbound::{Guard, Network};
use vwp_runtime::hosts::AllowedHosts;
use vwp_runtime::manifest::{Limits, OutboundLimits};
use vwp_runtime::networks::BlockedNetworks;
use vwp_runtime::telemetry::Observed;
use vwp_store::{FjallEngine, FjallOptions};

/// Whether a guest may use instructions that not every host has.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Profile {
    /// For every host.
    Baseline,
    /// With 64-bit multiplication whose result has 128 bits.
    Wide,
}

/// The project's folder.
pub(crate) fn project() -> &'static Path {
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR"));
    runtime.parent().unwrap_or(runtime)
}

/// Compiles a guest of `benches/guests`; its bytes.
pub(crate) fn build(name: &str, profile: Profile) -> Result<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/guests");
    // Both profiles in one folder: cargo tells them apart, and proc macros are shared.
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("guests");
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--quiet", "--locked", "--release", "--target", "wasm32-wasip2", "-p", name]);
    command.current_dir(&folder).env("CARGO_TARGET_DIR", &target);
    command.env(
        "RUSTFLAGS",
        match profile {
            Profile::Baseline => "",
            Profile::Wide => "-Ctarget-feature=+wide-arithmetic",
        },
    );
    tools::output(&mut command)?;
    read(&target.join(format!("wasm32-wasip2/release/{}.wasm", name.replace('-', "_"))))
}

/// The bytes of a file that a build should have made.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}; is it built?", file.display()))
}

/// Grants that grant nothing but the defaults of a manifest.
pub(crate) fn grants(component: &str, scratch: &Path) -> Result<Arc<Grants>> {
    let store = FjallEngine::open(&scratch.join(component).join("store"), FjallOptions::default())?;
    Ok(Arc::new(Grants {
        component: component.to_owned(),
        variables: BTreeMap::new(),
        environment: BTreeMap::new(),
        files: None,
        write_spaces: BTreeSet::new(),
        read_spaces: BTreeSet::new(),
        key_value_stores: BTreeSet::new(),
        own_key_value_stores: BTreeMap::new(),
        sqlite_databases: BTreeMap::new(),
        postgres: Arc::default(),
        outbound: AllowedHosts::default(),
        guard: Guard::new("bench", &OutboundLimits::default(), None),
        network: Arc::new(Network::new(BlockedNetworks::default(), None)),
        store: Arc::new(store),
        machines: BTreeMap::new(),
        memory_bytes_max: 64 * 1024 * 1024,
        request_ms_max: 10_000,
        limits: Limits::default(),
        turns: Arc::new(Semaphore::new(Limits::default().requests_max)),
        stopping: Arc::default(),
        observed: Observed::default(),
        secrets: Arc::default(),
    }))
}
