//! `vwp check`: what a manifest needs, and whether this host satisfies it.

use crate::compose::{self, Binaries};
use crate::manifest::App;
use crate::{engine, host, machine, manifest};
use anyhow::{Result, bail};
use std::path::PathBuf;
use wasmtime::Engine;
use wasmtime::component::Component;

/// What `vwp check` takes.
#[derive(Debug, clap::Args)]
pub struct Check {
    /// The manifest, or its folder
    #[arg(short = 'f', long = "from", default_value = ".")]
    from: PathBuf,
    /// Check what Spin would run: nothing under tool.vwp, and vwp:storage from the dependencies
    #[arg(long)]
    portable: bool,
}

impl Check {
    /// Prints each component with its grants and imports; fails if any is not satisfied.
    pub fn run(&self) -> Result<()> {
        let app = manifest::load(&self.from, manifest::Mode::portable(self.portable))?;
        examine(&app, &mut |line| println!("{line}"))
    }
}

/// Tells, line by line, what each component was granted and imports; fails if any is not satisfied.
pub fn examine(app: &App, told: &mut dyn FnMut(String)) -> Result<()> {
    let engine = engine::engine()?;
    let machine_engine = machine::engine()?;
    let linker = host::linker(&engine)?;
    let mut binaries = Binaries::default();
    let mut unsatisfied = 0;
    told(format!("{} ({})", app.name, app.file.display()));
    for (name, variable) in &app.variables {
        let origin = match (&variable.default, app.generated_secrets.contains_key(name)) {
            (_, true) => "made on first start",
            (Some(_), false) => "has a default",
            (None, false) => "must be given",
        };
        told(format!("  variable {name}: {origin}{}", if variable.secret { ", secret" } else { "" }));
    }
    for component in app.components.values() {
        told(format!("component {}", component.id));
        for space in &component.write_spaces {
            told(format!("  writes space {space}/"));
        }
        for space in &component.read_spaces {
            told(format!("  reads space {space}/"));
        }
        let bytes = compose::component(&mut binaries, component)?;
        let is_machine = app.machines.values().any(|id| *id == component.id);
        let satisfied = if is_machine {
            let compiled = imports(&machine_engine, &bytes, told)?;
            machine::factory(&machine_engine, &compiled).map(|_| ())
        } else {
            let compiled = imports(&engine, &bytes, told)?;
            let middleware = app.routes.iter().flat_map(|route| &route.middleware);
            // Middleware imports the next handler, which only a route gives it.
            if middleware.into_iter().any(|dependency| dependency.source == component.source) {
                Ok(())
            } else {
                linker.instantiate_pre(&compiled).map(|_| ()).map_err(Into::into)
            }
        };
        match satisfied {
            Ok(()) => told("  satisfied".to_owned()),
            Err(error) => {
                told(format!("  NOT SATISFIED: {error:#}"));
                unsatisfied += 1;
            }
        }
    }
    for route in &app.routes {
        compose::route(&mut binaries, app, route)?;
    }
    told(format!("{} routes composed", app.routes.len()));
    if unsatisfied > 0 {
        bail!("{unsatisfied} components need what this host does not offer");
    }
    Ok(())
}

fn imports(engine: &Engine, bytes: &[u8], told: &mut dyn FnMut(String)) -> Result<Component> {
    let component = Component::new(engine, bytes)?;
    let mut names: Vec<String> =
        component.component_type().imports(engine).map(|(name, _)| name.to_owned()).collect();
    names.sort();
    for name in &names {
        told(format!("  imports {name}"));
    }
    if names.is_empty() {
        told("  imports nothing".to_owned());
    }
    Ok(component)
}
