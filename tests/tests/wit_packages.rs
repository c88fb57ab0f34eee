//! The WIT packages, as those see them who publish or depend on them: each becomes a binary package that says
//! the same, has what wkg needs to know, and its page's example resolves.

use std::collections::BTreeSet;
use std::path::PathBuf;
use toml::{Table, Value};
use vwp_tests::project;
use wit_parser::decoding::{DecodedWasm, decode};
use wit_parser::{PackageId, Resolve, UnresolvedPackageGroup};

/// The packages, in the order in which they can be published: what another needs comes first.
const PACKAGES: [&str; 6] = ["timer", "storage", "auth", "policy", "discovery", "transactions"];

fn folder(package: &str) -> PathBuf {
    project().join("wit").join(package)
}

/// A package with those before it.
fn resolved(package: &str) -> (Resolve, PackageId) {
    let mut resolve = Resolve::default();
    let mut last = None;
    for each in PACKAGES {
        let (id, _) = resolve.push_dir(folder(each)).unwrap_or_else(|error| panic!("{each}: {error:#}"));
        last = Some(id);
        if each == package {
            break;
        }
    }
    (resolve, last.expect("a package"))
}

/// The text of a package's page.
fn page(package: &str) -> String {
    std::fs::read_to_string(folder(package).join("README.md")).expect("a package has a page")
}

#[test]
fn every_folder_of_ours_is_a_package_that_is_published() {
    let is_package = |path: &PathBuf| path.is_dir() && path.file_name().is_some_and(|name| name != "deps");
    let listed = std::fs::read_dir(folder("")).expect("the folder").flatten().map(|entry| entry.path());
    let found: BTreeSet<PathBuf> = listed.filter(is_package).collect();
    assert_eq!(found, PACKAGES.iter().map(|package| folder(package)).collect());
}

#[test]
fn a_package_is_the_same_in_the_binary_form_that_is_published() {
    for package in PACKAGES {
        let (resolve, id) = resolved(package);
        let binary =
            wit_component::encode(&resolve, id).unwrap_or_else(|error| panic!("{package}: {error:#}"));
        let DecodedWasm::WitPackage(again, decoded) = decode(&binary).expect("a binary package") else {
            panic!("{package} became a component")
        };
        let (written, read) = (&resolve.packages[id], &again.packages[decoded]);
        assert_eq!(written.name, read.name);
        assert_eq!(written.docs, read.docs, "{package}: the documentation goes along");
        let interfaces =
            |package: &wit_parser::Package| package.interfaces.keys().cloned().collect::<Vec<_>>();
        assert_eq!(interfaces(written), interfaces(read));
        for (name, interface) in &written.interfaces {
            let (written, read) = (&resolve.interfaces[*interface], &again.interfaces[read.interfaces[name]]);
            let functions = |it: &wit_parser::Interface| {
                it.functions.values().map(|it| (it.name.clone(), it.docs.clone())).collect::<Vec<_>>()
            };
            assert_eq!(functions(written), functions(read), "{package}/{name}");
            assert_eq!(written.stability, read.stability, "{package}/{name}");
        }
    }
}

#[test]
fn a_package_has_what_wkg_puts_into_its_annotations_and_finds_what_it_needs() {
    for package in PACKAGES {
        let text =
            std::fs::read_to_string(folder(package).join("wkg.toml")).expect("a package has a wkg.toml");
        let manifest: Table = text.parse().expect("TOML");
        // What wkg's manifest may have; it refuses anything else.
        assert!(manifest.keys().all(|table| table == "metadata" || table == "overrides"), "{package}");
        let metadata = manifest["metadata"].as_table().expect("a table");
        for (name, value) in metadata {
            let known = ["authors", "description", "license", "homepage", "repository", "revision"];
            assert!(known.contains(&name.as_str()), "{package}: wkg knows no {name}");
            assert!(value.as_str().is_some_and(|value| !value.is_empty()), "{package}: {name} is a text");
        }
        assert!(["authors", "description"].iter().all(|name| metadata.contains_key(*name)), "{package}");
        assert_eq!(metadata["license"], Value::from(env!("CARGO_PKG_LICENSE")), "{package}");

        let group = UnresolvedPackageGroup::parse_dir(folder(package)).expect("a package");
        let needed: BTreeSet<String> =
            group.main.foreign_deps.keys().map(|name| format!("{}:{}", name.namespace, name.name)).collect();
        let overrides = manifest.get("overrides").and_then(Value::as_table).cloned().unwrap_or_default();
        assert_eq!(overrides.keys().cloned().collect::<BTreeSet<_>>(), needed, "{package}");
        for (name, found) in &overrides {
            let path = folder(package).join(found["path"].as_str().expect("a path"));
            let group = UnresolvedPackageGroup::parse_dir(path).expect("the package that is needed");
            assert_eq!(format!("{}:{}", group.main.name.namespace, group.main.name.name), *name);
        }
    }
}

#[test]
fn the_example_of_a_packages_page_resolves() {
    for package in PACKAGES {
        let text = page(package);
        let (_, example) = text.split_once("```wit\n").unwrap_or_else(|| panic!("{package} has an example"));
        let (example, _) = example.split_once("```").expect("the example ends");
        let (mut resolve, _) = resolved("transactions");
        assert!(example.contains(&format!("vwp:{package}/")), "{package}: the example uses the package");
        resolve.push_str("example.wit", example).unwrap_or_else(|error| panic!("{package}: {error:#}"));
        let name = resolve
            .packages
            .iter()
            .map(|(_, it)| it.name.to_string())
            .find(|name| name.starts_with(&format!("vwp:{package}@")));
        let title = format!("# {}\n", name.expect("the package is resolved"));
        assert!(text.starts_with(&title), "{package}: the page names the version: {title}");
    }
}
