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

/// Where `cargo clippy` has its arguments for the compiler, and so do we.
const ARGUMENTS: &str = "CLIPPY_ARGS";

/// Has commands of cargo that compile in the profile `release` lint what is ours, and optimise it less: that it is
/// compiled soon is worth more to tests than that it is fast.
pub(crate) struct Linted {
    /// The packages of the workspace.
    members: Vec<String>,
}

impl Linted {
    /// Asks cargo what is ours.
    pub(crate) fn find(project: &Project) -> Result<Self> {
        let mut tree = project.cargo("tree --quiet --workspace --depth 0 --prefix none --format {p}");
        let output = tree.output().with_context(|| format!("cannot start {tree:?}"))?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`{}`: {complaint}", readable(&tree));
        // A line is a name, a version and a folder; between packages are empty ones.
        let listing = String::from_utf8_lossy(&output.stdout);
        let members = listing.lines().filter_map(|line| line.split_whitespace().next());
        // What Cargo.toml optimises even less stays so.
        let members = members.filter(|member| *member != "vwp-tests");
        Ok(Self { members: members.map(str::to_owned).collect() })
    }

    /// A run of `cargo test`. All of them lint and optimise alike, so that nothing is compiled twice.
    pub(crate) fn test(&self, project: &Project, arguments: &str) -> Command {
        self.native(project.cargo(&format!("test {arguments}")))
    }

    /// Compiles for this machine as tests do.
    pub(crate) fn native(&self, command: Command) -> Command {
        self.command(command, 1)
    }

    fn command(&self, mut command: Command, level: u8) -> Command {
        command.env("RUSTC_WORKSPACE_WRAPPER", "clippy-driver").env(ARGUMENTS, "-Dwarnings");
        // Each by its name, because the dependencies shall stay what a build has made of them.
        for member in &self.members {
            command.args(["--config", &format!("profile.release.package.{member}.opt-level={level}")]);
        }
        command
    }
}

/// Whether a test has started this.
pub(crate) fn is_inside_a_test() -> bool {
    std::env::var_os(ARGUMENTS).is_some()
}

/// Lints what components consist of, as it is compiled for WebAssembly, from the dependencies that a build of
/// them has left.
pub(crate) fn components(project: &Project, linted: &Linted) -> Result<()> {
    let profile = Profile::BASELINE;
    let mut steps = Steps::new(profile.packages.len());
    for packages in profile.packages {
        // Nobody runs it.
        let mut command = linted.command(profile.cargo(project, packages), 0);
        // What comes of it takes the place of no component.
        command.env("CARGO_TARGET_DIR", project.target().join("lint"));
        steps.run(&packages.join(", "), command)?;
    }
    Ok(())
}
