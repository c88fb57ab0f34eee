//! Reading WIT packages, in the order of their dependencies.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use wit_parser::{PackageName, Resolve, UnresolvedPackageGroup};

/// A package and where it was read.
pub(crate) struct Package {
    /// The folder of its `.wit` files.
    pub(crate) folder: PathBuf,
    /// What they say.
    pub(crate) group: UnresolvedPackageGroup,
}

impl Package {
    /// The package's name with its version.
    pub(crate) fn name(&self) -> &PackageName {
        &self.group.main.name
    }

    /// The packages that it mentions.
    pub(crate) fn dependencies(&self) -> impl Iterator<Item = &PackageName> {
        self.group.main.foreign_deps.keys()
    }
}

/// Reads every package below a folder: one in each folder that holds `.wit` files.
pub(crate) fn read_all(folder: &Path) -> Result<Vec<Package>> {
    let mut packages = Vec::new();
    for path in folders(folder)? {
        if wit_files(&path)?.is_empty() {
            continue;
        }
        let group = UnresolvedPackageGroup::parse_dir(&path)
            .with_context(|| format!("no valid WIT package in {}", path.display()))?;
        packages.push(Package { folder: path, group });
    }
    Ok(packages)
}

/// The `.wit` files of a folder, sorted.
pub(crate) fn wit_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let is_wit = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "wit");
    Ok(entries(folder)?.into_iter().filter(is_wit).collect())
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(folder)?.into_iter().filter(|path| path.is_dir()).collect())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let listing = std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths = listing.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Resolves the packages together, as a generator of bindings would.
pub(crate) fn resolve(mut packages: Vec<Package>) -> Result<Resolve> {
    let mut resolve = Resolve::default();
    while !packages.is_empty() {
        let is_ready =
            |package: &Package| package.dependencies().all(|name| resolve.package_names.contains_key(name));
        let Some(ready) = packages.iter().position(is_ready) else {
            bail!("{}", unmet(&packages, &resolve));
        };
        let package = packages.swap_remove(ready);
        let name = package.name().clone();
        resolve.push_group(package.group).with_context(|| format!("{name} does not resolve"))?;
    }
    Ok(resolve)
}

fn unmet(packages: &[Package], resolve: &Resolve) -> String {
    let mut lines = vec!["WIT packages that need what is not there, or each other:".to_owned()];
    for package in packages {
        for name in package.dependencies().filter(|name| !resolve.package_names.contains_key(*name)) {
            lines.push(format!("  {} needs {name}", package.name()));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(text: &str) -> Package {
        let group = UnresolvedPackageGroup::parse("test.wit", text).expect("valid WIT");
        Package { folder: PathBuf::new(), group }
    }

    const USED: &str = "package a:used@1.0.0; interface things { type thing = u32; }";
    const USER: &str =
        "package a:user; interface uses { use a:used/things@1.0.0.{thing}; get: func() -> thing; }";

    #[test]
    fn packages_resolve_in_whatever_order_they_are_read() {
        assert!(resolve(vec![package(USED), package(USER)]).is_ok());
        assert!(resolve(vec![package(USER), package(USED)]).is_ok());
    }

    #[test]
    fn a_package_that_is_missing_is_named() {
        let error = resolve(vec![package(USER)]).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("a:user needs a:used@1.0.0"), "{error}");
    }
}
