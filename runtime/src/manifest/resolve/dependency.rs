//! Dependencies: components that are composed into others.

use super::Resolver;
use crate::manifest::schema::{self, InheritConfiguration};
use crate::manifest::{Dependency, Inherit, ManifestError, Mode};
use std::collections::BTreeMap;

/// The kinds of configuration that Spin lets a dependency inherit.
const INHERITABLE: [&str; 7] = [
    "ai_models",
    "allowed_outbound_hosts",
    "environment",
    "files",
    "key_value_stores",
    "sqlite_databases",
    "variables",
];

impl Resolver {
    pub(super) fn dependencies(
        &self,
        id: &str,
        component: &schema::Component,
    ) -> Result<BTreeMap<String, Dependency>, ManifestError> {
        let inherit_all = component.dependencies_inherit_configuration;
        let says = |dependency: &schema::VersionOrDependency| dependency.0.inherit_configuration.is_some();
        if inherit_all.is_some() && component.dependencies.values().any(says) {
            let key = format!("component.{id}.dependencies_inherit_configuration");
            return self
                .refuse(key, "a dependency has its own `inherit_configuration`; set one or the other");
        }
        let mut dependencies = BTreeMap::new();
        for (name, dependency) in &component.dependencies {
            // On Spin an adapter supplies vwp:storage; here the host itself does, so that the
            // store is transactional. See ARCHITECTURE.md.
            if self.mode == Mode::Full && is_storage(name) {
                continue;
            }
            let key = format!("component.{id}.dependencies.\"{name}\"");
            let schema::VersionOrDependency(dependency) = dependency;
            if dependency.export.is_some() && name.contains(':') && !name.contains('/') {
                let reason = "the dependency is a whole package; name the interface that this is";
                return self.refuse(format!("{key}.export"), reason);
            }
            let dependency = self.dependency(&key, dependency, inherit_all == Some(true))?;
            dependencies.insert(name.clone(), dependency);
        }
        Ok(dependencies)
    }

    pub(super) fn dependency(
        &self,
        key: &str,
        dependency: &schema::Dependency,
        inherit_all: bool,
    ) -> Result<Dependency, ManifestError> {
        let remote = [
            ("version", &dependency.version),
            ("registry", &dependency.registry),
            ("package", &dependency.package),
            ("url", &dependency.url),
            ("digest", &dependency.digest),
        ];
        if let Some((name, _)) = remote.iter().find(|(_, value)| value.is_some()) {
            return self.refuse(format!("{key}.{name}"), "only `path` and `component` are taken here");
        }
        let source = match (&dependency.path, &dependency.component) {
            (Some(path), None) => self.folder.join(path),
            (None, Some(id)) => match self.sources.get(id) {
                Some(source) => source.clone(),
                None => return self.refuse(key, format!("there is no component `{id}`")),
            },
            _ => return self.refuse(key, "set either `path` or `component`"),
        };
        let inherit = match &dependency.inherit_configuration {
            Some(InheritConfiguration::All(true)) => Inherit::All,
            Some(InheritConfiguration::Some(kinds)) => {
                if let Some(kind) = kinds.iter().find(|kind| !INHERITABLE.contains(&kind.as_str())) {
                    let key = format!("{key}.inherit_configuration");
                    let known = INHERITABLE.join(", ");
                    return self
                        .refuse(key, format!("`{kind}` is not a kind of configuration; these are: {known}"));
                }
                Inherit::Some(kinds.clone())
            }
            None if inherit_all => Inherit::All,
            Some(InheritConfiguration::All(false)) | None => Inherit::Some(Vec::new()),
        };
        Ok(Dependency { source, export: dependency.export.clone(), inherit })
    }
}

fn is_storage(name: &str) -> bool {
    name.strip_prefix("vwp:storage").is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '@']))
}
