//! `--runtime-config-file`: where what an application names is to be found. The format is
//! Spin's (<https://spinframework.dev/dynamic-configuration>). What this host does not
//! honour is refused with file, key and reason: a database that is silently another one
//! is worse than none.

mod providers;

use crate::host::sqlite::Location;
use crate::manifest::{App, MEMORY_BYTES_MAX};
use crate::networks::BlockedNetworks;
use providers::Provider;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::Value;

/// Why a runtime configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeConfigError {
    /// The file cannot be read.
    #[error("{file}: {source}")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{file}: {reason}")]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong and where.
        reason: String,
    },
    /// The file asks for something that this host does not do.
    #[error("{file}: {key}: {reason}")]
    Refused {
        /// The file.
        file: PathBuf,
        /// The key, as a path in the file.
        key: String,
        /// Why it is refused.
        reason: String,
    },
}

/// What a runtime configuration says; without one, nothing.
#[derive(Debug, Default)]
pub struct RuntimeConfig {
    /// Where the host keeps its state, unless the command line says.
    pub state_dir: Option<PathBuf>,
    /// SQLite databases by label.
    pub sqlite_databases: BTreeMap<String, Location>,
    /// The folders of key-value stores that are kept apart from the host's own store.
    pub key_value_stores: BTreeMap<String, PathBuf>,
    /// How much memory any instance may have, in bytes.
    pub memory_bytes_max: Option<usize>,
    /// How many connections to PostgreSQL there may be at a time.
    pub postgres_connections_max: Option<usize>,
    /// The networks that no component reaches.
    pub blocked_networks: BlockedNetworks,
    providers: Vec<Provider>,
}

/// Why a key is refused.
type Refusal = (String, String);

impl RuntimeConfig {
    /// Reads the file, if one is named.
    pub fn load(file: Option<&Path>) -> Result<Self, RuntimeConfigError> {
        let Some(file) = file else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(file)
            .map_err(|source| RuntimeConfigError::Unreadable { file: file.to_owned(), source })?;
        let table: toml::Table = toml::from_str(&text).map_err(|error| {
            // Not the line itself, which may hold a secret.
            let reason = error.message().to_owned();
            RuntimeConfigError::Malformed { file: file.to_owned(), reason }
        })?;
        let folder = file.parent().unwrap_or(Path::new("."));
        let mut config = Self::default();
        for (key, value) in &table {
            config.read(key, value, folder).map_err(|(key, reason)| RuntimeConfigError::Refused {
                file: file.to_owned(),
                key,
                reason,
            })?;
        }
        Ok(config)
    }

    fn read(&mut self, key: &str, value: &Value, folder: &Path) -> Result<(), Refusal> {
        match key {
            "state_dir" => self.state_dir = Some(path(key, value)?),
            "log_dir" if value.as_str() == Some("") => {}
            "sqlite_database" => {
                for (label, value) in table(key, value)? {
                    let key = format!("{key}.{label}");
                    self.sqlite_databases.insert(label.clone(), sqlite_database(&key, value)?);
                }
            }
            "key_value_store" => {
                for (label, value) in table(key, value)? {
                    let key = format!("{key}.{label}");
                    if let Some(path) = key_value_store(&key, value)? {
                        self.key_value_stores.insert(label.clone(), folder.join(path));
                    }
                }
            }
            "variables_provider" | "config_provider" => {
                let Value::Array(values) = value else { return refuse(key, "it is an array of tables") };
                for (at, value) in values.iter().enumerate() {
                    self.providers.push(Provider::read(&format!("{key}[{at}]"), value)?);
                }
            }
            "max_instance_memory" => {
                let bytes = number(key, value)?;
                if bytes > MEMORY_BYTES_MAX {
                    return refuse(key, format!("at most {MEMORY_BYTES_MAX}"));
                }
                self.memory_bytes_max = Some(bytes);
            }
            "outbound_pg" => {
                let value = only(key, value, &["max_connections"])?;
                let key = format!("{key}.max_connections");
                let connections = value.get("max_connections");
                self.postgres_connections_max = connections
                    .map(|value| number(&key, value))
                    .transpose()?
                    .or(self.postgres_connections_max);
            }
            "outbound_networking" => {
                let value = only(key, value, &["block_networks"])?;
                let networks = value.get("block_networks").cloned().unwrap_or(Value::Array(Vec::new()));
                let key = format!("{key}.block_networks");
                let Ok(networks) = networks.try_into::<Vec<String>>() else {
                    return refuse(key, "it is an array of networks, or `private`");
                };
                self.blocked_networks = BlockedNetworks::parse(&networks).map_err(|reason| (key, reason))?;
            }
            _ => return refuse(key, not_offered(key)),
        }
        Ok(())
    }

    /// The values that `given` has for the application's variables, and for others those of
    /// the providers, the first that has one.
    pub fn supplement(&self, app: &App, mut given: BTreeMap<String, String>) -> BTreeMap<String, String> {
        for name in app.variables.keys() {
            if !given.contains_key(name)
                && let Some(value) = self.providers.iter().find_map(|provider| provider.get(name))
            {
                given.insert(name.clone(), value);
            }
        }
        given
    }
}

fn not_offered(key: &str) -> &'static str {
    match key {
        "log_dir" => "components' output is in the host's log, on standard error; leave it out",
        "outbound_redis" | "outbound_mysql" | "outbound_mqtt" => "this host does not offer that interface",
        "llm_compute" => "this host runs no language models",
        "outbound_http" | "client_tls" => "this host does not offer these settings yet; leave them out",
        _ => "this host does not know it",
    }
}

fn sqlite_database(key: &str, value: &Value) -> Result<Location, Refusal> {
    kind(key, value, &["spin"])?;
    let value = only(key, value, &["type", "path", "allow_attach_file"])?;
    if value.get("allow_attach_file").is_some_and(|value| value.as_bool() != Some(false)) {
        let reason = "a component reaches no file but its own database here; leave it out";
        return refuse(format!("{key}.allow_attach_file"), reason);
    }
    // As in Spin, a relative path starts at the working folder.
    Ok(match value.get("path") {
        Some(value) => Location::File(path(&format!("{key}.path"), value)?),
        None => Location::Memory,
    })
}

fn key_value_store(key: &str, value: &Value) -> Result<Option<PathBuf>, Refusal> {
    kind(key, value, &["spin"])?;
    let value = only(key, value, &["type", "path"])?;
    value.get("path").map(|value| path(&format!("{key}.path"), value)).transpose()
}

fn refuse<T>(key: impl Into<String>, reason: impl Into<String>) -> Result<T, Refusal> {
    Err((key.into(), reason.into()))
}

fn table<'a>(key: &str, value: &'a Value) -> Result<&'a toml::Table, Refusal> {
    value.as_table().ok_or_else(|| (key.to_owned(), "it is a table".to_owned()))
}

/// A table that has no other keys than these.
fn only<'a>(key: &str, value: &'a Value, keys: &[&str]) -> Result<&'a toml::Table, Refusal> {
    let table = table(key, value)?;
    match table.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(other) => {
            refuse(format!("{key}.{other}"), format!("it is not known here; {} are", keys.join(", ")))
        }
        None => Ok(table),
    }
}

/// The `type` of a table, which must be one of these.
fn kind<'a>(key: &str, value: &'a Value, kinds: &[&str]) -> Result<&'a str, Refusal> {
    let key = format!("{key}.type");
    match value.get("type").and_then(Value::as_str) {
        Some(kind) if kinds.contains(&kind) => Ok(kind),
        Some(kind) => refuse(key, format!("`{kind}` is not offered here, only {}", kinds.join(" and "))),
        None => refuse(key, "it is missing"),
    }
}

fn text<'a>(key: &str, value: &'a Value) -> Result<&'a str, Refusal> {
    value.as_str().ok_or_else(|| (key.to_owned(), "it is text".to_owned()))
}

fn path(key: &str, value: &Value) -> Result<PathBuf, Refusal> {
    match text(key, value)? {
        "" => refuse(key, "it is empty; name a path"),
        path => Ok(PathBuf::from(path)),
    }
}

fn number(key: &str, value: &Value) -> Result<usize, Refusal> {
    let number = value.as_integer().and_then(|number| usize::try_from(number).ok());
    number.filter(|number| *number > 0).ok_or_else(|| (key.to_owned(), "it is a number above 0".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<RuntimeConfig, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("runtime.toml");
        std::fs::write(&file, text).expect("a file");
        RuntimeConfig::load(Some(&file)).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_honoured_is_refused_with_file_key_and_reason() {
        for (text, key, reason) in [
            (
                "[sqlite_database.a]\ntype = 'libsql'\nurl = ''\ntoken = ''",
                "sqlite_database.a.type",
                "`libsql`",
            ),
            ("[sqlite_database.a]\npath = 'a'", "sqlite_database.a.type", "missing"),
            ("[sqlite_database.a]\ntype = 'spin'\nfile = 'a'", "sqlite_database.a.file", "not known"),
            (
                "[sqlite_database.a]\ntype = 'spin'\nallow_attach_file = true",
                "sqlite_database.a.allow_attach_file",
                "no file but its own",
            ),
            (
                "[key_value_store.a]\ntype = 'redis'\nurl = 'redis://secret@a'",
                "key_value_store.a.type",
                "`redis`",
            ),
            (
                "[[variables_provider]]\ntype = 'vault'\ntoken = 'secret'",
                "variables_provider[0].type",
                "`vault`",
            ),
            ("[llm_compute]\ntype = 'spin'", "llm_compute", "language models"),
            ("[outbound_redis]\nmax_connections = 1", "outbound_redis", "does not offer"),
            (
                "[outbound_networking]\nblock_networks = ['public']",
                "outbound_networking.block_networks",
                "`public` is neither",
            ),
            ("log_dir = 'logs'", "log_dir", "standard error"),
            ("state_dir = ''", "state_dir", "empty"),
            ("max_instance_memory = -1", "max_instance_memory", "above 0"),
            ("other = 1", "other", "does not know"),
        ] {
            let said = load(text).expect_err(text);
            for part in ["runtime.toml: ", key, reason] {
                assert!(said.contains(part), "`{part}` is missing: {said}");
            }
            assert!(!said.contains("secret"), "{said}");
        }
    }

    #[test]
    fn a_line_that_is_not_toml_is_not_shown() {
        let said =
            load("[[variables_provider]]\ntype = 'static'\nvalues = { a = 'secret }").expect_err("refused");
        assert!(!said.contains("secret"), "{said}");
    }

    #[test]
    fn what_is_honoured_is_read() {
        let config = load(
            "state_dir = 'state'\nlog_dir = ''\nmax_instance_memory = 1000000\n\
             [outbound_pg]\nmax_connections = 3\n\
             [outbound_networking]\nblock_networks = ['192.0.2.0/24', 'private']\n\
             [sqlite_database.default]\ntype = 'spin'\npath = '/a.db'\n\
             [sqlite_database.scratch]\ntype = 'spin'\n\
             [key_value_store.default]\ntype = 'spin'\n\
             [key_value_store.apart]\ntype = 'spin'\npath = '/apart'",
        )
        .expect("read");
        assert_eq!(config.state_dir, Some("state".into()));
        assert_eq!(config.memory_bytes_max, Some(1_000_000));
        assert_eq!(config.postgres_connections_max, Some(3));
        assert!(config.blocked_networks.contain([10, 0, 0, 1].into()));
        assert!(!config.blocked_networks.contain([1, 1, 1, 1].into()));
        assert_eq!(config.sqlite_databases["default"], Location::File("/a.db".into()));
        assert_eq!(config.sqlite_databases["scratch"], Location::Memory);
        assert_eq!(config.key_value_stores["apart"], Path::new("/apart"));
        assert!(!config.key_value_stores.contains_key("default"));
    }
}
