//! The databases and stores that a manifest names by label, and where they are.

use crate::host::Grants;
use crate::host::postgres::Pools;
use crate::host::sqlite::{Database, Databases, Location};
use crate::manifest::{App, Component, ManifestError};
use crate::runtime_config::RuntimeConfig;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use vwp_store::{Engine as StoreEngine, FjallEngine, FjallOptions};

/// The label of the database that is there without being configured.
const DEFAULT: &str = "default";

/// What components may be granted by label.
pub struct Labelled {
    sqlite: Databases,
    key_value: BTreeMap<String, Arc<dyn StoreEngine>>,
    postgres: Arc<Pools>,
}

/// Opens every database and store that a component of the application names. As in Spin,
/// `default` is there by itself, in `folder`, and any other database must be configured.
pub fn open(app: &App, config: &RuntimeConfig, folder: &Path) -> Result<Labelled> {
    let mut sqlite = Databases::new();
    let mut opened: Vec<(Location, Arc<Database>)> = Vec::new();
    let mut key_value: BTreeMap<String, Arc<dyn StoreEngine>> = BTreeMap::new();
    for component in app.components.values() {
        for label in &component.sqlite_databases {
            if sqlite.contains_key(label) {
                continue;
            }
            let location = match config.sqlite_databases.get(label) {
                Some(location) => location.clone(),
                None if label == DEFAULT => Location::File(folder.join(format!("{label}.db"))),
                None => return Err(unconfigured(app, component, label).into()),
            };
            // Two labels of one file are one database, so that its writers wait in one queue.
            let same = opened.iter().find(|(other, _)| *other == location && location != Location::Memory);
            let database = match same {
                Some((_, database)) => database.clone(),
                None => Database::open(location.clone())
                    .with_context(|| format!("SQLite database `{label}` ({location:?})"))?,
            };
            opened.push((location, database.clone()));
            sqlite.insert(label.clone(), database);
        }
        for label in &component.key_value_stores {
            if let Some(path) = config.key_value_stores.get(label)
                && !key_value.contains_key(label)
            {
                let store = FjallEngine::open(path, FjallOptions::default())
                    .with_context(|| format!("key-value store `{label}` in {}", path.display()))?;
                key_value.insert(label.clone(), Arc::new(store));
            }
        }
    }
    let postgres = Arc::new(Pools::new(config.postgres_connections_max));
    Ok(Labelled { sqlite, key_value, postgres })
}

fn unconfigured(app: &App, component: &Component, label: &str) -> ManifestError {
    ManifestError::Refused {
        file: app.file.clone(),
        key: format!("component.{}.sqlite_databases", component.id),
        reason: format!(
            "`{label}` is not configured: add [sqlite_database.{label}] to the file that \
             --runtime-config-file names"
        ),
    }
}

impl Labelled {
    /// Gives a component what it names.
    pub fn grant(&self, component: &Component, grants: &mut Grants) {
        let named = component.sqlite_databases.iter();
        grants.sqlite_databases =
            named.filter_map(|label| Some((label.clone(), self.sqlite.get(label)?.clone()))).collect();
        grants.postgres = self.postgres.clone();
        let named = component.key_value_stores.iter();
        grants.own_key_value_stores =
            named.filter_map(|label| Some((label.clone(), self.key_value.get(label)?.clone()))).collect();
    }
}
