//! Where a Spin is at hand, everything can be run and measured on it too.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::Command;

/// The variable that names the program.
pub(crate) const VARIABLE: &str = "SPIN";

/// The Spin that the environment names, once it has said its version.
pub(crate) fn locate() -> Result<PathBuf> {
    let named = std::env::var_os(VARIABLE).filter(|path| !path.is_empty());
    let named =
        named.with_context(|| format!("{VARIABLE} must name a spin program, version 4.1 or later"))?;
    // Tests start it from folders of their own.
    let path = if PathBuf::from(&named).components().count() > 1 {
        std::fs::canonicalize(&named).with_context(|| format!("{VARIABLE}: {}", named.display()))?
    } else {
        PathBuf::from(named)
    };
    let output = Command::new(&path).arg("--version").output();
    let output = output.with_context(|| format!("{} cannot be started", path.display()))?;
    if !output.status.success() {
        bail!("{} --version failed", path.display());
    }
    eprintln!("{}: {}", path.display(), String::from_utf8_lossy(&output.stdout).trim());
    Ok(path)
}
