//! Measuring the runtime.

use crate::build;
use crate::project::Project;
use crate::spin;
use crate::steps::readable;
use anyhow::{Context, Result, bail};

/// Builds what is measured, then runs the benchmark, which prints its own table. It measures
/// Spin as well where it is told of one, and is told only if that is asked for.
pub(crate) fn run(project: &Project, with_spin: bool, arguments: &[String]) -> Result<()> {
    let spin = if with_spin { Some(spin::locate()?) } else { None };
    build::run(project, true)?;
    let mut command = project.cargo("bench -p vwp-runtime --bench table");
    if !arguments.is_empty() {
        command.arg("--").args(arguments);
    }
    match spin {
        Some(spin) => command.env(spin::VARIABLE, spin),
        None => command.env_remove(spin::VARIABLE),
    };
    let status = command.status().context("cannot start cargo")?;
    if !status.success() {
        bail!("`{}` failed", readable(&command));
    }
    Ok(())
}
