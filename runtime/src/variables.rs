//! The values of an application's variables, and from them those of a component.

use crate::manifest::{self, App, Component};
use crate::secrets;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::Path;

/// What environment variables that set application variables start with, as in Spin.
const ENVIRONMENT_PREFIX: &str = "SPIN_VARIABLE_";

/// The values of all application variables. The first of these that has one wins: the
/// command line, the environment, the URL served, the host's own secrets, the default.
pub fn application(
    app: &App,
    given: &BTreeMap<String, String>,
    served_url: &str,
    secrets_folder: &Path,
) -> Result<BTreeMap<String, String>> {
    if let Some(unknown) = given.keys().find(|name| !app.variables.contains_key(*name)) {
        bail!("--variable {unknown}: the manifest has no variable of this name");
    }
    let mut values = BTreeMap::new();
    for (name, variable) in &app.variables {
        let from_environment = std::env::var(format!("{ENVIRONMENT_PREFIX}{}", name.to_uppercase())).ok();
        let value = if let Some(value) = given.get(name).cloned().or(from_environment) {
            value
        } else if app.served_url_variable.as_ref() == Some(name) {
            served_url.to_owned()
        } else if let Some(length) = app.generated_secrets.get(name) {
            secrets::obtain(secrets_folder, name, *length)?
        } else {
            variable.default.clone().with_context(|| {
                format!("variable `{name}` is required: set it with --variable {name}=… or {ENVIRONMENT_PREFIX}{}", name.to_uppercase())
            })?
        };
        values.insert(name.clone(), value);
    }
    Ok(values)
}

/// A component's variables, from its templates.
pub fn component(
    component: &Component,
    values: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>> {
    let fill = |(name, template): (&String, &String)| {
        let value = manifest::fill(template, values)
            .map_err(|reason| anyhow::anyhow!("component.{}.variables.{name}: {reason}", component.id))?;
        Ok((name.clone(), value))
    };
    component.variables.iter().map(fill).collect()
}
