//! The WIT packages: ours in `wit/`, and those of others in `wit/deps/`.
//!
//! - [`package`]: reading packages, in the order of their dependencies.
//! - [`vendor`]: what `wit/deps/` holds, from the published spin-sdk.
//! - [`documented`]: what an item of ours must say about itself.

pub(crate) mod documented;
mod package;
mod vendor;

pub(crate) use vendor::{check, vendor};

use crate::project::Project;
use anyhow::Result;

/// Reads our own packages. Fails if one does not resolve with what is vendored.
pub(crate) fn own_packages(project: &Project) -> Result<Vec<wit_parser::UnresolvedPackage>> {
    let wit = project.root.join("wit");
    let own = package::read_all(&wit)?;
    let vendored = package::read_all(&wit.join("deps"))?;
    let mains = own.iter().map(|package| package.group.main.clone()).collect();
    package::resolve(own.into_iter().chain(vendored).collect())?;
    Ok(mains)
}
