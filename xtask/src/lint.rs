//! Linting what is ours as it is compiled for the tests.
//!
//! `cargo clippy` checks, and what is checked is of no use to what is built: all dependencies would be
//! gone through twice. Here clippy compiles as well, as rustc with more lints, and only the packages of
//! the workspace: the dependencies are the ones that a build has compiled.

use crate::build::Profile;
use crate::project::Project;
use crate::steps::Steps;
use anyhow::Result;
use std::process::Command;

/// Has a command of cargo that compiles in the profile `release` lint what is ours, with warnings denied, and
/// optimise it less: that it is compiled soon is worth more to tests than that it is fast.
pub(crate) fn linted(mut command: Command, level: u8) -> Command {
    // What `cargo clippy` sets for the compiler, which reads its arguments from there.
    command.env("RUSTC_WORKSPACE_WRAPPER", "clippy-driver");
    command.env("CLIPPY_ARGS", "-Dwarnings__CLIPPY_HACKERY__");
    command.args(["--config", &format!("profile.release.opt-level={level}")]);
    // Of the dependencies, which stay as they are for a build.
    command.args(["--config", "profile.release.package.\"*\".opt-level=3"]);
    command
}

/// Lints what components consist of, as it is compiled for WebAssembly, from the dependencies that a build of
/// them has left.
pub(crate) fn components(project: &Project) -> Result<()> {
    let profile = Profile::BASELINE;
    let mut steps = Steps::new(profile.packages.len());
    for packages in profile.packages {
        let mut command = linted(profile.cargo(project, packages), 0);
        // What comes of it takes the place of no component.
        command.env("CARGO_TARGET_DIR", project.target().join("lint"));
        steps.run(&packages.join(", "), command)?;
    }
    Ok(())
}
