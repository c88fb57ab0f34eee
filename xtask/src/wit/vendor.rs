//! `wit/deps/`: the packages of others that our components and our host speak, copied
//! without a change from the spin-sdk crate that the components are built with. So they
//! are the ones that Spin implements, and cargo's lock file pins them. What only the host
//! offers, to components older than that crate, is no part of it; it was copied by hand
//! from Spin's repository, and is pinned here.

use super::package::{self, Package};
use crate::project::Project;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the components import and the runtime offers. What these need comes along.
const WANTED: &[&str] = &[
    "spin:key-value@3.0.0",
    "spin:postgres@4.2.0",
    "spin:sqlite@3.1.0",
    "spin:variables@3.0.0",
    "wasi:cli@0.3.0",
    "wasi:clocks@0.3.0",
    "wasi:config@0.2.0-draft-2024-09-27",
    "wasi:filesystem@0.3.0",
    "wasi:http@0.3.0",
    "wasi:keyvalue@0.2.0-draft2",
    "wasi:otel@0.2.0-rc.2",
    "wasi:random@0.3.0",
    "wasi:sockets@0.3.0",
];

/// The crate that carries them.
const SOURCE: &str = "spin-sdk";

/// Files copied by hand, by their path below `wit/deps`, and git's ids of their contents.
/// All but the last are Spin's; the last is a world that names these interfaces only.
const BY_HAND: &[(&str, &str)] = &[
    ("fermyon-spin@2.0.0/key-value.wit", "7ba4ed943bb70109e691b7b531bc8b32ceda6ccf"),
    ("fermyon-spin@2.0.0/sqlite.wit", "d82f2d9058fc952c6fdf46590d03f126946e85cd"),
    ("fermyon-spin@2.0.0/variables.wit", "6c0511a8bf47d63585ab3b506ea576f108ca8300"),
    ("fermyon-spin@2.0.0/world.wit", "cc49bf88d15ebb22349469b47c5344aa85e89acb"),
];

/// The worlds of Spin that components are checked against, by their path in the project, and
/// git's id of the contents: `spin:up/http-trigger` and `spin:up/platform` and the interfaces
/// that they name, from `wit` of Spin's repository at 4.1.0-pre0 (Apache-2.0 WITH
/// LLVM-exception), printed into one file by wit-component's printer, without comments.
const TARGETS: &[(&str, &str)] =
    &[("tests/fixtures/spin-up@4.1.0.wit", "31c59173130b52297f7ee8bebfe626cdbf66de94")];

/// Files by their path below `wit/deps`.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// Makes `wit/deps` what it should be.
pub(crate) fn vendor(project: &Project) -> Result<()> {
    let deps = deps(project);
    let wanted = wanted_files(project)?;
    for path in differences(&wanted, &present_files(&deps)?) {
        let target = deps.join(&path);
        match wanted.get(&path) {
            Some(contents) => {
                std::fs::create_dir_all(target.parent().unwrap_or(&deps))?;
                std::fs::write(&target, contents)
            }
            None => std::fs::remove_file(&target),
        }
        .with_context(|| format!("cannot write {}", target.display()))?;
        println!("{}", target.display());
    }
    remove_empty_folders(&deps)?;
    check_by_hand(project)?;
    super::own_packages(project)?;
    Ok(())
}

/// Fails if `wit/deps` is not what it should be, or if our packages do not resolve.
pub(crate) fn check(project: &Project) -> Result<()> {
    let drifted = differences(&wanted_files(project)?, &present_files(&deps(project))?);
    if !drifted.is_empty() {
        let lines: Vec<_> = drifted.iter().map(|path| format!("  wit/deps/{}", path.display())).collect();
        bail!(
            "these files are not what {SOURCE} carries; `cargo xtask wit` puts them right:\n{}",
            lines.join("\n")
        );
    }
    check_by_hand(project)?;
    let own = super::own_packages(project)?;
    println!("wit/deps is in step with {SOURCE}; {} packages of ours resolve with it", own.len());
    Ok(())
}

/// Fails if a file that was copied by hand is not what it was then.
fn check_by_hand(project: &Project) -> Result<()> {
    let by_hand = BY_HAND.iter().map(|(path, id)| (format!("wit/deps/{path}"), id));
    let targets = TARGETS.iter().map(|(path, id)| ((*path).to_owned(), id));
    for (path, id) in by_hand.chain(targets) {
        let output = Command::new("git")
            .args(["hash-object", "--no-filters", "--"])
            .arg(project.root.join(&path))
            .output()
            .context("git is needed to tell whether files have changed")?;
        if String::from_utf8_lossy(&output.stdout).trim() != *id {
            bail!("{path} is not the file that was copied; xtask/src/wit/vendor.rs pins it");
        }
    }
    Ok(())
}

fn deps(project: &Project) -> PathBuf {
    project.root.join("wit").join("deps")
}

fn wanted_files(project: &Project) -> Result<Files> {
    let (source, version) = locate(project)?;
    let carried = package::read_all(&source.join("wit").join("deps"))?;
    let mut files = Files::new();
    files.insert(PathBuf::from("README.md"), readme(&version).into_bytes());
    for package in closure(&carried, WANTED)? {
        let folder = package.name().to_string().replace(':', "-");
        for file in package::wit_files(&package.folder)? {
            let contents = std::fs::read(&file)?;
            let name = file.file_name().context("a file without a name")?;
            files.insert(Path::new(&folder).join(name), contents);
        }
    }
    Ok(files)
}

/// The wanted packages and all that they depend on.
fn closure<'a>(carried: &'a [Package], wanted: &[&str]) -> Result<Vec<&'a Package>> {
    let mut names: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    let mut found: Vec<&Package> = Vec::new();
    while let Some(name) = names.pop() {
        let package = carried
            .iter()
            .find(|package| package.name().to_string() == name)
            .with_context(|| format!("{SOURCE} does not carry {name}"))?;
        if found.iter().all(|known| known.name() != package.name()) {
            names.extend(package.dependencies().map(ToString::to_string));
            found.push(package);
        }
    }
    Ok(found)
}

/// The source's folder and version, as cargo resolved it.
fn locate(project: &Project) -> Result<(PathBuf, String)> {
    let output = project
        .cargo("metadata --format-version 1 --filter-platform wasm32-wasip2")
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!("`cargo metadata` failed");
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().context("`cargo metadata` lists no packages")?;
    let source = packages
        .iter()
        .find(|package| package["name"] == SOURCE)
        .with_context(|| format!("no component depends on {SOURCE}"))?;
    let text = |key: &str| source[key].as_str().with_context(|| format!("{SOURCE} has no {key}"));
    let manifest = Path::new(text("manifest_path")?);
    let folder = manifest.parent().context("a manifest without a folder")?;
    Ok((folder.to_owned(), text("version")?.to_owned()))
}

fn readme(version: &str) -> String {
    format!(
        "The WIT packages of others, copied by `cargo xtask wit` from `wit/deps` of the crate {SOURCE} {version}, \
         each in a folder named after the package. `fermyon-spin@2.0.0` alone was copied by hand, from \
         `wit/deps/spin@2.0.0` of Spin's repository at 4.1.0-pre0, with a world of the interfaces that the runtime \
         offers. Do not edit any of them: `cargo xtask test` fails where one differs.\n"
    )
}

/// The files that are there, except those that were copied by hand.
fn present_files(deps: &Path) -> Result<Files> {
    let mut files = Files::new();
    let mut folders = vec![deps.to_owned()];
    while let Some(folder) = folders.pop() {
        if !folder.is_dir() {
            continue;
        }
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let relative = path.strip_prefix(deps)?.to_owned();
                if BY_HAND.iter().all(|(by_hand, _)| relative != Path::new(by_hand)) {
                    files.insert(relative, std::fs::read(&path)?);
                }
            }
        }
    }
    Ok(files)
}

/// The paths that are in one only, or differ.
fn differences(wanted: &Files, present: &Files) -> Vec<PathBuf> {
    let differing = wanted.iter().filter(|(path, contents)| present.get(*path) != Some(contents));
    let surplus = present.iter().filter(|(path, _)| !wanted.contains_key(*path));
    let mut paths: Vec<_> = differing.chain(surplus).map(|(path, _)| path.clone()).collect();
    paths.sort();
    paths
}

fn remove_empty_folders(deps: &Path) -> Result<()> {
    for entry in std::fs::read_dir(deps)? {
        let path = entry?.path();
        if path.is_dir() && std::fs::read_dir(&path)?.next().is_none() {
            std::fs::remove_dir(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wit_parser::UnresolvedPackageGroup;

    fn package(text: &str) -> Package {
        let group = UnresolvedPackageGroup::parse("test.wit", text).expect("valid WIT");
        Package { folder: PathBuf::new(), group }
    }

    fn files(list: &[(&str, &str)]) -> Files {
        list.iter().map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn a_wanted_package_brings_what_it_needs_and_nothing_else() {
        let carried = [
            package("package a:base@1.0.0; interface things { type thing = u32; }"),
            package("package a:top@2.0.0; interface uses { use a:base/things@1.0.0.{thing}; }"),
            package("package a:other@1.0.0; interface nothing {}"),
        ];
        let found = closure(&carried, &["a:top@2.0.0"]).unwrap();
        let names: Vec<_> = found.iter().map(|package| package.name().to_string()).collect();
        assert_eq!(names, ["a:top@2.0.0", "a:base@1.0.0"]);
        assert!(closure(&carried, &["a:top@3.0.0"]).is_err());
    }

    #[test]
    fn files_that_changed_or_are_missing_or_surplus_have_drifted() {
        let wanted = files(&[("same.wit", "1"), ("changed.wit", "1"), ("missing.wit", "1")]);
        let present = files(&[("same.wit", "1"), ("changed.wit", "2"), ("surplus.wit", "1")]);
        let drifted = differences(&wanted, &present);
        assert_eq!(drifted, ["changed.wit", "missing.wit", "surplus.wit"].map(PathBuf::from));
    }
}
