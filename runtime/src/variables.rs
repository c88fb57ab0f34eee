//! The values of an application's variables, and from them those of a component.

use crate::arguments::Environment;
use crate::manifest::{self, App, Component};
use crate::secrets;
use anyhow::{Context, Result, bail};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What environment variables that set application variables start with, as in Spin.
const ENVIRONMENT_PREFIX: &str = "SPIN_VARIABLE_";

/// The shortest value that is taken for a secret, in bytes.
const SECRET_LENGTH_MIN: usize = 8;

/// The values of all application variables. The first of these that has one wins: the
/// command line, the environment, `.env` in the current folder, the URL served, the host's
/// own secrets, the default.
pub fn application(
    app: &App,
    given: &BTreeMap<String, String>,
    served_url: &str,
    secrets_folder: &Path,
) -> Result<BTreeMap<String, String>> {
    if let Some(unknown) = given.keys().find(|name| !app.variables.contains_key(*name)) {
        bail!("--variable {unknown}: {} has no variable of this name", app.file.display());
    }
    let environment = Environment::read()?;
    let mut values = BTreeMap::new();
    for (name, variable) in &app.variables {
        let from_environment = environment.get(&environment_name(name))?;
        let value = if let Some(value) = given.get(name).cloned().or(from_environment) {
            value
        } else if app.served_url_variable.as_ref() == Some(name) {
            served_url.to_owned()
        } else if let Some(length) = app.generated_secrets.get(name) {
            secrets::obtain(secrets_folder, name, *length)?
        } else {
            variable.default.clone().with_context(|| missing(app, name))?
        };
        values.insert(name.clone(), value);
    }
    Ok(values)
}

/// The values of the variables that must not be shown, the longest first, so that one which is a part of
/// another does not leave the rest of that. One that is too short to be a secret would hide what it
/// happens to be in.
pub fn secrets(app: &App, values: &BTreeMap<String, String>) -> Arc<[String]> {
    let secret = app.variables.iter().filter(|(_, variable)| variable.secret);
    let values = secret.filter_map(|(name, _)| values.get(name));
    let mut values: Vec<String> = values.filter(|value| value.len() >= SECRET_LENGTH_MIN).cloned().collect();
    values.sort_by_key(|value| Reverse(value.len()));
    values.into()
}

fn environment_name(variable: &str) -> String {
    format!("{ENVIRONMENT_PREFIX}{}", variable.to_uppercase())
}

/// Says which variable has no value, and each way to give it one.
fn missing(app: &App, name: &str) -> String {
    let (file, environment_name) = (app.file.display(), environment_name(name));
    format!(
        "{file}: variables.{name}: variable `{name}` is required and has no value: give it with \
         `--variable {name}=VALUE` or `--variable {name}=@FILE`, or set {environment_name} in the \
         environment or in .env"
    )
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
