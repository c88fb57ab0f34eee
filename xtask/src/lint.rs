//! Linting what is ours as it is compiled for the tests.
//!
//! `cargo clippy` checks, and what is checked is of no use to what is built: all dependencies would be
//! gone through twice. Here clippy compiles as well, as rustc with more lints, and only the packages of
//! the workspace: the dependencies are the ones that a build has compiled.

use crate::build::Profile;
use crate::project::Project;
use crate::steps::{Steps, readable};
use anyhow::{Context, Result, ensure};
use std::process::Command;

/// A command of cargo that lints what it compiles of ours, with warnings denied.
pub(crate) fn linted(mut command: Command) -> Command {
    // What `cargo clippy` sets for the compiler, which reads an argument of clippy's from there.
    command.env("RUSTC_WORKSPACE_WRAPPER", "clippy-driver").env("CLIPPY_ARGS", "-Dwarnings");
    command
}

/// Lints what components consist of, as it is compiled for WebAssembly, from the dependencies that a build of
/// them has left.
pub(crate) fn components(project: &Project) -> Result<()> {
    let profile = Profile::BASELINE;
    let members = members(project)?;
    let mut steps = Steps::new(profile.packages.len());
    for packages in profile.packages {
        let mut command = linted(profile.cargo(project, packages));
        // Nobody runs it. Each is named, because the dependencies shall stay what a build has made of them.
        for member in &members {
            command.args(["--config", &format!("profile.release.package.{member}.opt-level=0")]);
        }
        // What comes of it takes the place of no component.
        command.env("CARGO_TARGET_DIR", project.target().join("lint"));
        steps.run(&packages.join(", "), command)?;
    }
    Ok(())
}

/// The packages of the workspace.
fn members(project: &Project) -> Result<Vec<String>> {
    let mut tree = project.cargo("tree --quiet --workspace --depth 0 --prefix none --format {p}");
    let output = tree.output().with_context(|| format!("cannot start {tree:?}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{}`: {complaint}", readable(&tree));
    // A line is a name, a version and a folder; between packages are empty ones.
    let listing = String::from_utf8_lossy(&output.stdout);
    Ok(listing.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}
