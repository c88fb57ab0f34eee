//! `infra/spin/postgres.toml`: the application's manifest with PostgreSQL in SQLite's place.
//! It is made from `spin.toml`, so that the two cannot drift apart.

use crate::project::Project;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;

/// What is replaced, in this order, and how often each must be found: a manifest in which one
/// is missing has changed its shape, and what follows from it would be wrong.
const REPLACEMENTS: &[(&str, &str, usize)] = &[
    ("\"target/spin/storage-sqlite.wasm\"", "\"target/spin/storage-postgres.wasm\"", 1),
    ("\"target/", "\"../../target/", 14),
    ("\"components/", "\"../../components/", 23),
    ("\"wit/", "\"../../wit/", 9),
    ("\"openapi/", "\"../../openapi/", 1),
    ("vwp:storage over SQLite", "vwp:storage over PostgreSQL", 1),
    (
        "sqlite_databases = [\"default\"]\nallowed_outbound_hosts = [",
        "allowed_outbound_hosts = [\"postgres://{{ postgres_host }}\", ",
        4,
    ),
    ("sqlite_databases = [\"default\"]", "allowed_outbound_hosts = [\"postgres://{{ postgres_host }}\"]", 2),
    ("[\"sqlite_databases\"]", "[\"allowed_outbound_hosts\", \"variables\"]", 6),
    (
        "admin_token = \"{{ admin_token }}\" }",
        "admin_token = \"{{ admin_token }}\", postgres_url = \"{{ postgres_url }}\" }",
        3,
    ),
    (
        "[component.auth.variables]\n",
        "[component.auth.variables]\npostgres_url = \"{{ postgres_url }}\"\n",
        1,
    ),
    (
        "[component.discovery.variables]\n",
        "[component.discovery.variables]\npostgres_url = \"{{ postgres_url }}\"\n",
        1,
    ),
    (
        "[component.webhooks.variables]\n",
        "[component.webhooks.variables]\npostgres_url = \"{{ postgres_url }}\"\n",
        1,
    ),
    (
        "admin_token = { required = true, secret = true }\n",
        "admin_token = { required = true, secret = true }\n\
         # The database, as postgres://USER:PASSWORD@HOST:PORT/NAME, and its HOST:PORT once more, because\n\
         # a component may reach only what its manifest names.\n\
         postgres_url = { required = true, secret = true }\n\
         postgres_host = { default = \"127.0.0.1:5432\" }\n",
        1,
    ),
];

/// What stands above the rest in place of the original's introduction.
const INTRODUCTION: &str = "\
# The application as in spin.toml, with its state in PostgreSQL, which several replicas of Spin can
# share. `cargo xtask manifests` makes this file from spin.toml; change that one.
";

/// Writes the manifest.
pub(crate) fn write(project: &Project) -> Result<()> {
    let path = path(project);
    std::fs::write(&path, derived(project)?).with_context(|| format!("cannot write {}", path.display()))
}

/// What is wrong with the manifest, if it is not what `spin.toml` gives.
pub(crate) fn fault(project: &Project) -> Option<String> {
    let present = std::fs::read_to_string(path(project)).unwrap_or_default();
    match derived(project) {
        Ok(derived) if derived == present => None,
        Ok(_) => Some(
            "infra/spin/postgres.toml is not what spin.toml gives; `cargo xtask manifests` writes it".into(),
        ),
        Err(error) => Some(format!("{error:#}")),
    }
}

fn path(project: &Project) -> PathBuf {
    project.root.join("infra/spin/postgres.toml")
}

fn derived(project: &Project) -> Result<String> {
    let original = std::fs::read_to_string(project.root.join("spin.toml")).context("spin.toml")?;
    derive(&original)
}

fn derive(original: &str) -> Result<String> {
    let (schema, rest) = original.split_once('\n').context("spin.toml is empty")?;
    let body: Vec<&str> = rest.lines().skip_while(|line| line.starts_with('#')).collect();
    let mut text = format!("{schema}\n{INTRODUCTION}{}\n", body.join("\n"));
    for (from, to, count) in REPLACEMENTS {
        let found = text.matches(from).count();
        if found != *count {
            bail!("spin.toml has {from} {found} times, and {count} are expected in xtask/src/manifests.rs");
        }
        text = text.replace(from, to);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_of_another_shape_is_refused_and_not_half_replaced() {
        let error = derive("#:schema\nspin_manifest_version = 2\n").unwrap_err();
        assert!(error.to_string().contains("storage-sqlite.wasm"), "{error}");
    }
}
