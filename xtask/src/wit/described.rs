//! What stands beside a package of ours for those who depend on it: a page, and what is published with it.

use super::package::{self, Package};
use crate::project::Project;
use anyhow::{Result, bail};
use wit_parser::AstItem;

/// Fails with what a folder lacks.
pub(crate) fn check(project: &Project) -> Result<()> {
    let mut faults = Vec::new();
    for package in package::read_all(&project.root.join("wit"))? {
        let read = |file: &str| std::fs::read_to_string(package.folder.join(file)).ok();
        let folder = package.folder.strip_prefix(&project.root).unwrap_or(&package.folder).display();
        match read("README.md") {
            Some(page) => faults.extend(missing(&package, &page)),
            None => faults.push(format!("{folder} has no README.md: nobody knows what it is for")),
        }
        if read("wkg.toml").is_none() {
            faults.push(format!("{folder} has no wkg.toml: wkg would publish it without a word about it"));
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    bail!("packages that are not described:\n  {}", faults.join("\n  "))
}

/// What of a package its page does not say: its name with the version, and each interface.
fn missing(package: &Package, page: &str) -> Vec<String> {
    let name = package.name();
    let mut faults = Vec::new();
    if page.lines().next() != Some(&format!("# {name}")) {
        faults.push(format!("the page of {name} does not begin with this name"));
    }
    let main = &package.group.main;
    // What stands in for the interfaces of other packages is described there.
    let foreign: Vec<AstItem> =
        main.foreign_deps.values().flat_map(|items| items.values().map(|(item, _)| *item)).collect();
    let own = main.interfaces.iter().filter(|(id, _)| !foreign.contains(&AstItem::Interface(*id)));
    for interface in own.filter_map(|(_, interface)| interface.name.as_ref()) {
        // In the table, where it says who exports it.
        if !page.contains(&format!("| `{interface}` |")) {
            faults.push(format!("the page of {name} does not tell of its interface {interface}"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use wit_parser::UnresolvedPackageGroup;

    #[test]
    fn a_page_names_the_package_and_each_of_its_interfaces() {
        let text = "package a:b@1.0.0; interface things { get: func(); }";
        let group = UnresolvedPackageGroup::parse("test.wit", text).expect("valid WIT");
        let package = Package { folder: PathBuf::new(), group };
        assert_eq!(missing(&package, "# a:b@1.0.0\n\n| `things` | all |\n"), Vec::<String>::new());
        assert_eq!(missing(&package, "# a:b@0.9.0\n").len(), 2);
    }
}
