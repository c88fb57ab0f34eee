//! Where the project is, and how its tools are called.

use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::Command;

/// The checkout that this xtask belongs to.
pub(crate) struct Project {
    /// The folder of the workspace's Cargo.toml.
    pub(crate) root: PathBuf,
}

impl Project {
    /// Finds the project through what `cargo run` says of the package it runs.
    pub(crate) fn find() -> Result<Self> {
        let manifest_dir =
            std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = PathBuf::from(manifest_dir).join("..");
        let root = root.canonicalize().with_context(|| format!("no project at {}", root.display()))?;
        Ok(Self { root })
    }

    /// The folder of what is built. Always this one: spin.toml names paths in it, so a
    /// `CARGO_TARGET_DIR` of the environment would only separate the two.
    pub(crate) fn target(&self) -> PathBuf {
        self.root.join("target")
    }

    /// The runtime, once it is built.
    pub(crate) fn runtime(&self) -> PathBuf {
        self.target().join("release").join("vwp")
    }

    /// Cargo in the project, with arguments that are separated by spaces.
    pub(crate) fn cargo(&self, arguments: &str) -> Command {
        let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(program);
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", self.target());
        // What the outer cargo says of this package would make build scripts that look at it run
        // anew (ring's does), and all that depends on them be compiled again.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_LINKS" {
                command.env_remove(name);
            }
        }
        command.env_remove("CARGO_MANIFEST_DIR").env_remove("CARGO_MANIFEST_PATH");
        command.args(arguments.split_whitespace());
        command
    }
}
