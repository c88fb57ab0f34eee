//! Fuzzing what reads bytes from outside: the targets of `tests/fuzz`, which is laid out as
//! cargo-fuzz wants it (`cargo fuzz run -s none --fuzz-dir tests/fuzz TARGET` works too).
//!
//! The targets are built here with the flags that cargo-fuzz would give, less a sanitizer:
//! the code is safe Rust, whose faults are panics, and sanitizers need a nightly compiler.

use crate::project::Project;
use crate::steps::{Steps, readable};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the targets are, below the project.
const FOLDER: &str = "tests/fuzz";
/// What libFuzzer is built for: naming it keeps the flags away from build scripts.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Coverage as libFuzzer reads it (Clang's SanitizerCoverage), and comparisons, from which it
/// learns what a parser waits for.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";
/// How much each target tries where nothing else is said: bounded, and the same each time, so that
/// what fails can be tried again.
const BOUNDS: [&str; 3] = ["-runs=50000", "-max_total_time=20", "-seed=1"];

/// Builds the targets, then runs each from its seeds, or only the one that is named. What
/// follows goes to libFuzzer. Fails with the input if one fails.
pub(crate) fn run(project: &Project, wanted: Option<&str>, arguments: &[String]) -> Result<()> {
    let targets = targets(project)?;
    if let Some(wanted) = wanted.filter(|wanted| !targets.iter().any(|target| target == wanted)) {
        bail!("there is no target {wanted}, only {}", targets.join(", "));
    }
    let chosen = || targets.iter().filter(|target| wanted.is_none_or(|wanted| *target == wanted));
    let mut steps = Steps::new(1 + chosen().count());
    let mut build = project.cargo(&format!("build --release --target {TARGET}"));
    build
        .current_dir(project.root.join(FOLDER))
        .env("CARGO_TARGET_DIR", built(project))
        .env("RUSTFLAGS", FLAGS);
    if arguments.is_empty() {
        // So little is tried then that optimising would take longer than it saves.
        build.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0");
    }
    steps.run("the fuzz targets", build)?;
    for target in chosen() {
        let corpus = corpus(project, target)?;
        let mut command = Command::new(built(project).join(TARGET).join("release").join(target));
        command.current_dir(&corpus).arg(&corpus);
        if arguments.is_empty() {
            command.args(BOUNDS);
        } else {
            command.args(arguments);
        }
        let line = readable(&command);
        steps
            .run(&format!("fuzzing {target}"), command)
            .with_context(|| format!("`{line}`: the input is in {}", corpus.display()))?;
    }
    Ok(())
}

/// The names of the targets, in order.
fn targets(project: &Project) -> Result<Vec<String>> {
    let folder = project.root.join(FOLDER).join("fuzz_targets");
    let mut names: Vec<String> = files(&folder)?.iter().filter_map(|file| stem(file)).collect();
    names.sort();
    Ok(names)
}

/// The folder of a target's inputs, with the seeds in it. Seeds are text in the repository: bytes
/// as hexadecimal digits in `.hex`, and what is text anyway as it is.
fn corpus(project: &Project, target: &str) -> Result<PathBuf> {
    let corpus = project.target().join("fuzz-corpus").join(target);
    std::fs::create_dir_all(&corpus)?;
    for seed in files(&project.root.join(FOLDER).join("seeds").join(target))? {
        let text = std::fs::read(&seed).with_context(|| format!("cannot read {}", seed.display()))?;
        let is_hex = seed.extension().is_some_and(|extension| extension == "hex");
        let bytes = if is_hex { unhex(&text).with_context(|| seed.display().to_string())? } else { text };
        let name = stem(&seed).context("a seed has a name")?;
        std::fs::write(corpus.join(name), bytes)?;
    }
    Ok(corpus)
}

fn unhex(text: &[u8]) -> Result<Vec<u8>> {
    let digits: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let whole = digits.len().is_multiple_of(2).then(|| digits.chunks(2).map(byte).collect());
    whole.flatten().context("not pairs of hexadecimal digits")
}

fn built(project: &Project) -> PathBuf {
    project.target().join("fuzz")
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let listing = std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    Ok(listing.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?)
}

fn stem(file: &Path) -> Option<String> {
    Some(file.file_stem()?.to_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_pairs_of_digits() {
        assert_eq!(unhex(b"00 ff\n1A").expect("digits"), [0, 255, 26]);
        assert!(unhex(b"0").is_err());
        assert!(unhex(b"0g").is_err());
    }
}
