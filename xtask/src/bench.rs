//! Measuring the runtime.

use crate::build::{self, Profile};
use crate::project::Project;
use crate::steps::readable;
use anyhow::{Context, Result, bail};

/// Builds what is measured, then runs the benchmark, which prints its own table.
pub(crate) fn run(project: &Project, arguments: &[String]) -> Result<()> {
    build::run(project, &Profile::ALL)?;
    let mut command = project.cargo("bench -p vwp-runtime --bench table");
    if !arguments.is_empty() {
        command.arg("--").args(arguments);
    }
    let status = command.status().context("cannot start cargo")?;
    if !status.success() {
        bail!("`{}` failed", readable(&command));
    }
    Ok(())
}
