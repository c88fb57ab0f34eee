//! Where values of variables come from, beside the command line and the environment.

use super::{Refusal, kind, only, path, refuse, text};
use std::collections::BTreeMap;
use std::fmt;
use toml::Value;

/// What environment variables start with if the provider does not say.
const PREFIX_DEFAULT: &str = "SPIN_VARIABLE";

/// Supplies values of variables.
pub(super) enum Provider {
    /// The values in the configuration itself.
    Static(BTreeMap<String, String>),
    /// The environment, and under it a file of lines like `NAME=VALUE`.
    Environment { prefix: String, file: BTreeMap<String, String> },
}

/// Without the values, which may be secret.
impl fmt::Debug for Provider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Static(_) => "Static",
            Self::Environment { .. } => "Environment",
        })
    }
}

impl Provider {
    pub(super) fn read(key: &str, value: &Value) -> Result<Self, Refusal> {
        if kind(key, value, &["static", "env"])? == "static" {
            let value = only(key, value, &["type", "values"])?;
            let key = format!("{key}.values");
            let Some(Value::Table(values)) = value.get("values") else {
                return refuse(key, "it is a table of text");
            };
            let values = values
                .iter()
                .map(|(name, value)| Ok((name.clone(), text(&format!("{key}.{name}"), value)?.to_owned())))
                .collect::<Result<_, Refusal>>()?;
            return Ok(Self::Static(values));
        }
        let value = only(key, value, &["type", "prefix", "dotenv_path"])?;
        let prefix = match value.get("prefix") {
            Some(value) => text(&format!("{key}.prefix"), value)?.to_owned(),
            None => PREFIX_DEFAULT.to_owned(),
        };
        let file = match value.get("dotenv_path") {
            Some(value) => dotenv(&format!("{key}.dotenv_path"), value)?,
            None => BTreeMap::new(),
        };
        Ok(Self::Environment { prefix, file })
    }

    pub(super) fn get(&self, name: &str) -> Option<String> {
        match self {
            Self::Static(values) => values.get(name).cloned(),
            Self::Environment { prefix, file } => {
                let name = format!("{prefix}_{}", name.to_ascii_uppercase());
                std::env::var(&name).ok().or_else(|| file.get(&name).cloned())
            }
        }
    }
}

fn dotenv(key: &str, value: &Value) -> Result<BTreeMap<String, String>, Refusal> {
    let path = path(key, value)?;
    let lines = match dotenvy::from_path_iter(&path) {
        Ok(lines) => lines,
        Err(error) => return refuse(key, format!("{} cannot be read: {error}", path.display())),
    };
    // Not what is wrong with the line, which would show it, and it may hold a secret.
    let lines = lines.collect::<Result<_, _>>();
    lines.map_err(|_| (key.to_owned(), format!("{} has a line that is not NAME=VALUE", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_from_the_configuration_or_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("env");
        std::fs::write(&file, "# a comment\nAPP_TOWN='Jena'\n").expect("a file");
        let value = format!("type = 'env'\nprefix = 'APP'\ndotenv_path = '{}'", file.display());
        let provider = |text: &str| {
            let table: toml::Table = toml::from_str(text).expect("TOML");
            Provider::read("p", &Value::Table(table)).expect("a provider")
        };
        assert_eq!(provider(&value).get("town").as_deref(), Some("Jena"));
        assert_eq!(provider(&value).get("country"), None);
        let value = "type = 'static'\nvalues = { town = 'Weimar' }";
        assert_eq!(provider(value).get("town").as_deref(), Some("Weimar"));
    }

    #[test]
    fn a_file_that_is_malformed_is_refused_without_showing_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("env");
        std::fs::write(&file, "APP_TOWN='secret\n").expect("a file");
        let (_, reason) = dotenv("p", &Value::String(file.display().to_string())).expect_err("refused");
        assert!(reason.contains("not NAME=VALUE") && !reason.contains("secret"), "{reason}");
    }
}
