//! The rules that no other tool checks. How long a function may be is clippy's to check;
//! clippy.toml says the number.
//!
//! - [`text`]: what every text file is held to.
//! - [`code`]: what Rust files are held to.
//! - [`crates`]: what manifests are held to.
//!
//! What WIT items are held to is in `wit::documented`.

mod code;
mod crates;
mod text;

use crate::manifests;
use crate::project::Project;
use crate::wit;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// One file of the project.
struct File {
    /// Its path below the root, with `/` between folders.
    path: String,
    contents: Vec<u8>,
}

/// Checks every rule. Fails with all that is wrong, each with the reason of its rule.
pub(crate) fn check(project: &Project) -> Result<()> {
    let files = files(project)?;
    let mut faults: Vec<String> = files.iter().flat_map(faults_of).collect();
    for package in wit::own_packages(project)? {
        let of_package = wit::documented::faults(&package).into_iter();
        faults.extend(of_package.map(|fault| format!("{fault}: a contract is what its documentation says")));
    }
    faults.extend(manifests::fault(project));
    if faults.is_empty() {
        println!("{} files are tidy", files.len());
        return Ok(());
    }
    bail!("{} rules broken:\n  {}", faults.len(), faults.join("\n  "))
}

fn faults_of(file: &File) -> Vec<String> {
    let path = &file.path;
    // What others wrote is copied as it is.
    if path.starts_with("wit/deps/") {
        return Vec::new();
    }
    let text = match text::decode(path, &file.contents) {
        Ok(text) => text,
        Err(fault) => return vec![fault],
    };
    let mut faults = text::faults(path, text);
    if Path::new(path).extension().is_some_and(|extension| extension == "rs") {
        faults.extend(code::faults(path, text));
    }
    if path.ends_with("Cargo.toml") {
        faults.extend(crates::faults(path, text));
    }
    faults
}

/// The files that are committed or would be.
fn files(project: &Project) -> Result<Vec<File>> {
    let output = Command::new("git")
        // In a container the checkout often belongs to somebody else, which git refuses to
        // read; whoever runs this runs the checkout's code anyway.
        .args(["-c", "safe.directory=*"])
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(&project.root)
        .output()
        .context("git is needed to tell which files belong to the project")?;
    if !output.status.success() {
        bail!("`git ls-files` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let listed = String::from_utf8(output.stdout).context("a path that is not UTF-8")?;
    let mut files = Vec::new();
    for path in listed.split('\0').filter(|path| !path.is_empty()) {
        let location: PathBuf = project.root.join(path);
        // A file that is listed and not there was removed and is not committed yet.
        if location.is_file() {
            let contents = std::fs::read(&location).with_context(|| format!("cannot read {path}"))?;
            files.push(File { path: path.to_owned(), contents });
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, contents: &[u8]) -> File {
        File { path: path.to_owned(), contents: contents.to_vec() }
    }

    #[test]
    fn a_compiled_component_does_not_belong_in_the_repository() {
        assert_eq!(faults_of(&file("tests/fixtures/auth.wasm", b"\0asm\x0d\0\x01\0")).len(), 1);
    }

    #[test]
    fn vendored_packages_are_left_as_they_are() {
        assert!(faults_of(&file("wit/deps/wasi-http@0.3.0/types.wit", b"interface types {} \n")).is_empty());
    }

    #[test]
    fn every_rule_for_a_file_applies_to_it() {
        let contents = b"use spin_sdk::http; \n";
        assert_eq!(faults_of(&file("components/auth/src/http.rs", contents)).len(), 2);
    }
}
