//! The WIT packages: ours in `wit/`, and those of others in `wit/deps/`.
//!
//! - [`package`]: reading packages, in the order of their dependencies.
//! - [`vendor`]: what `wit/deps/` holds, from the published spin-sdk.
//! - [`documented`]: what an item of ours must say about itself.
//! - [`described`]: what stands beside a package of ours.

mod described;
pub(crate) mod documented;
mod package;
mod vendor;

pub(crate) use vendor::vendor;

use crate::project::Project;
use anyhow::Result;

/// Checks what is vendored, and what is said of our own packages.
pub(crate) fn check(project: &Project) -> Result<()> {
    vendor::check(project)?;
    described::check(project)
}

/// Reads our own packages. Fails if one does not resolve with what is vendored.
pub(crate) fn own_packages(project: &Project) -> Result<Vec<wit_parser::UnresolvedPackage>> {
    let wit = project.root.join("wit");
    let own = package::read_all(&wit)?;
    let vendored = package::read_all(&wit.join("deps"))?;
    let mains = own.iter().map(|package| package.group.main.clone()).collect();
    package::resolve(own.into_iter().chain(vendored).collect())?;
    Ok(mains)
}
