//! From the file's shape to an [`App`], refusing what this host cannot honour.

use super::schema::{self, InheritConfiguration};
use super::{
    App, Component, Dependency, Inherit, KEY_VALUE_SPACE, Limits, ManifestError, Pattern, Route, Variable,
};
use crate::admission::REQUESTS_MAX;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How much memory one instance may have if the manifest does not say.
const MEMORY_BYTES_DEFAULT: usize = 64 * 1024 * 1024;
/// The most that a manifest may allow: what the pooling allocator reserves per instance.
pub const MEMORY_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// How long one request may take if the manifest does not say.
const REQUEST_MS_DEFAULT: u64 = 10_000;
/// How long a request waits for its turn if the manifest does not say.
const WAIT_MS_DEFAULT: u64 = 1000;
/// The longest time that a manifest may allow a request or an answer.
const TIME_MS_MAX: u64 = 600_000;
/// The longest label of a key-value store, in bytes.
const LABEL_LENGTH_MAX: usize = 64;
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

/// Reads and resolves the manifest at a path, which may be its folder.
pub fn load(path: &Path) -> Result<App, ManifestError> {
    let file = if path.is_dir() { path.join("spin.toml") } else { path.to_owned() };
    let text = std::fs::read_to_string(&file)
        .map_err(|source| ManifestError::Unreadable { file: file.clone(), source })?;
    let manifest: schema::Manifest = toml::from_str(&text)
        .map_err(|error| ManifestError::Malformed { file: file.clone(), reason: error.to_string() })?;
    let folder = file.parent().unwrap_or(Path::new(".")).to_owned();
    Resolver { file, folder, sources: BTreeMap::new() }.app(manifest)
}

struct Resolver {
    file: PathBuf,
    folder: PathBuf,
    /// The binaries of the application's components, which dependencies may name.
    sources: BTreeMap<String, PathBuf>,
}

impl Resolver {
    fn refuse<T>(&self, key: impl Into<String>, reason: impl Into<String>) -> Result<T, ManifestError> {
        Err(ManifestError::Refused { file: self.file.clone(), key: key.into(), reason: reason.into() })
    }

    fn app(mut self, manifest: schema::Manifest) -> Result<App, ManifestError> {
        if manifest.spin_manifest_version != 2 {
            return self.refuse("spin_manifest_version", "only version 2 is known here");
        }
        for (id, component) in &manifest.components {
            let source = self.source(id, component)?;
            self.sources.insert(id.clone(), source);
        }
        let tool = manifest.application.tool.vwp.unwrap_or_default();
        let mut variables = BTreeMap::new();
        for (name, variable) in manifest.variables {
            if variable.required == variable.default.is_some() {
                return self
                    .refuse(format!("variables.{name}"), "set either `required = true` or a `default`");
            }
            variables.insert(name, Variable { default: variable.default, secret: variable.secret });
        }
        for (name, length) in &tool.generated_secrets {
            let key = format!("application.tool.vwp.generated_secrets.{name}");
            if !variables.get(name).is_some_and(|variable| variable.secret) {
                return self.refuse(key, "there is no secret variable of this name");
            }
            if !(16..=64).contains(length) {
                return self.refuse(key, "a secret has 16 to 64 bytes");
            }
        }
        if let Some(name) = tool.served_url_variable.as_ref().filter(|name| !variables.contains_key(*name)) {
            let reason = format!("there is no variable `{name}`");
            return self.refuse("application.tool.vwp.served_url_variable", reason);
        }
        if let Some((kind, _)) = manifest.application.trigger.iter().find(|(_, table)| !table.is_empty()) {
            return self
                .refuse(format!("application.trigger.{kind}"), "trigger settings are not offered here");
        }
        let components = manifest
            .components
            .iter()
            .map(|(id, component)| Ok((id.clone(), self.component(id, component)?)))
            .collect::<Result<BTreeMap<_, _>, ManifestError>>()?;
        for (machine, component) in &tool.machines {
            self.known(&format!("application.tool.vwp.machines.{machine}"), component)?;
        }
        if let Some(resolver) = &tool.resolver {
            self.known("application.tool.vwp.resolver", resolver)?;
        }
        for (id, machine) in components.iter().flat_map(|(id, c)| c.machines.iter().map(move |m| (id, m))) {
            if !tool.machines.contains_key(machine) {
                let key = format!("component.{id}.tool.vwp.machines");
                return self.refuse(key, format!("`{machine}` is not in application.tool.vwp.machines"));
            }
        }
        let wait_ms_max = tool.wait_ms_max.unwrap_or(WAIT_MS_DEFAULT);
        if wait_ms_max > TIME_MS_MAX {
            return self.refuse("application.tool.vwp.wait_ms_max", format!("at most {TIME_MS_MAX}"));
        }
        // Targets name Spin environments to check against when Spin builds; they ask nothing of a host.
        let _ = manifest.application.targets;
        Ok(App {
            name: manifest.application.name,
            variables,
            generated_secrets: tool.generated_secrets,
            served_url_variable: tool.served_url_variable,
            routes: self.routes(manifest.triggers)?,
            components,
            machines: tool.machines,
            resolver: tool.resolver,
            wait: Duration::from_millis(wait_ms_max),
            file: self.file,
        })
    }

    fn known(&self, key: &str, component: &str) -> Result<(), ManifestError> {
        if self.sources.contains_key(component) {
            return Ok(());
        }
        self.refuse(key, format!("there is no component `{component}`"))
    }

    fn source(&self, id: &str, component: &schema::Component) -> Result<PathBuf, ManifestError> {
        let own = component.tool.vwp.as_ref().and_then(|tool| tool.source.as_deref());
        let (key, path) = match (own, &component.source) {
            (Some(path), _) => ("tool.vwp.source", path),
            (None, toml::Value::String(path)) => ("source", path.as_str()),
            (None, _) => {
                return self.refuse(
                    format!("component.{id}.source"),
                    "only a path is taken here; download the component and name its file",
                );
            }
        };
        let path = self.folder.join(path);
        if !path.is_file() {
            let reason = format!("there is no file {}; is it built?", path.display());
            return self.refuse(format!("component.{id}.{key}"), reason);
        }
        Ok(path)
    }

    fn routes(&self, triggers: BTreeMap<String, toml::Value>) -> Result<Vec<Route>, ManifestError> {
        if let Some(kind) = triggers.keys().find(|kind| *kind != "http") {
            return self.refuse(format!("trigger.{kind}"), "only the http trigger is offered here");
        }
        let mut http: Vec<schema::Trigger> = Vec::new();
        for (_, triggers) in triggers {
            http = match triggers.try_into() {
                Ok(triggers) => triggers,
                Err(error) => return self.refuse("trigger.http", error.message()),
            };
        }
        let mut routes: Vec<Route> = Vec::new();
        for (at, trigger) in http.into_iter().enumerate() {
            let route = self.route(&format!("trigger.http[{at}]"), &trigger)?;
            if routes.iter().any(|other| other.pattern == route.pattern) {
                return self
                    .refuse(format!("trigger.http[{at}].route"), "another trigger has the same route");
            }
            routes.push(route);
        }
        Ok(routes)
    }

    fn route(&self, key: &str, trigger: &schema::Trigger) -> Result<Route, ManifestError> {
        if let Some(executor) = &trigger.executor
            && !["http", "spin"].contains(&executor.kind.as_str())
        {
            let reason = format!("`{}` is not run here, only components are: \"http\"", executor.kind);
            return self.refuse(format!("{key}.executor"), reason);
        }
        if trigger.static_response.is_some() {
            let reason = "only a component answers here; let one answer this";
            return self.refuse(format!("{key}.static_response"), reason);
        }
        if trigger.components.is_some() {
            return self.refuse(format!("{key}.components"), "the http trigger takes one component");
        }
        let Some(toml::Value::String(component)) = &trigger.component else {
            return self.refuse(format!("{key}.component"), "name a component by its id");
        };
        self.known(&format!("{key}.component"), component)?;
        let Some(toml::Value::String(route)) = &trigger.route else {
            return self.refuse(format!("{key}.route"), "set a path; private routes are not offered here");
        };
        let pattern = match Pattern::parse(route) {
            Ok(pattern) => pattern,
            Err(reason) => return self.refuse(format!("{key}.route"), reason),
        };
        let mut middleware = Vec::new();
        for (kind, dependencies) in &trigger.dependencies {
            if kind != "middleware" {
                return self.refuse(format!("{key}.dependencies.{kind}"), "only `middleware` is known here");
            }
            for (at, dependency) in dependencies.iter().enumerate() {
                let key = format!("{key}.dependencies.middleware[{at}]");
                middleware.push(self.dependency(&key, dependency, false)?);
            }
        }
        Ok(Route { pattern, component: component.clone(), middleware })
    }

    fn dependency(
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
                    return self.refuse(key, format!("`{kind}` is not a kind of configuration"));
                }
                Inherit::Some(kinds.clone())
            }
            None if inherit_all => Inherit::All,
            Some(InheritConfiguration::All(false)) | None => Inherit::Some(Vec::new()),
        };
        Ok(Dependency { source, export: dependency.export.clone(), inherit })
    }

    fn component(&self, id: &str, component: &schema::Component) -> Result<Component, ManifestError> {
        let key = |field: &str| format!("component.{id}.{field}");
        let unsupported = [
            ("files", !component.files.is_empty()),
            ("exclude_files", !component.exclude_files.is_empty()),
            ("allowed_http_hosts", !component.allowed_http_hosts.is_empty()),
            ("allowed_outbound_hosts", !component.allowed_outbound_hosts.is_empty()),
            ("sqlite_databases", !component.sqlite_databases.is_empty()),
            ("ai_models", !component.ai_models.is_empty()),
        ];
        if let Some((field, _)) = unsupported.iter().find(|(_, used)| *used) {
            return self.refuse(key(field), "this host does not offer it yet; leave it empty");
        }
        let _ = &component.targets;
        let inherit_all = component.dependencies_inherit_configuration;
        let mut dependencies = BTreeMap::new();
        for (name, dependency) in &component.dependencies {
            // On Spin an adapter supplies vwp:storage; here the host itself does, so that the
            // store is transactional. See ARCHITECTURE.md.
            if name == "vwp:storage" || name.starts_with("vwp:storage/") || name.starts_with("vwp:storage@") {
                continue;
            }
            let key = format!("component.{id}.dependencies.\"{name}\"");
            let schema::VersionOrDependency(dependency) = dependency;
            if dependency.export.is_some() && name.contains(':') && !name.contains('/') {
                let reason = "the dependency is a whole package; name the interface that this is";
                return self.refuse(format!("{key}.export"), reason);
            }
            dependencies.insert(name.clone(), self.dependency(&key, dependency, inherit_all)?);
        }
        for label in &component.key_value_stores {
            if !(1..=LABEL_LENGTH_MAX).contains(&label.len()) || label.contains('/') {
                let reason = format!("`{label}` is not a label: 1 to {LABEL_LENGTH_MAX} bytes without /");
                return self.refuse(key("key_value_stores"), reason);
            }
        }
        let default_tool = schema::ComponentTool::default();
        let tool = component.tool.vwp.as_ref().unwrap_or(&default_tool);
        for space in tool.write_spaces.iter().chain(&tool.read_spaces) {
            if space.is_empty() || space.contains('/') {
                return self.refuse(key("tool.vwp"), format!("`{space}` is not a space: no / and not empty"));
            }
            if space == KEY_VALUE_SPACE {
                return self.refuse(key("tool.vwp"), format!("space `{space}` is the host's own"));
            }
        }
        let memory_bytes_max = tool.memory_bytes_max.unwrap_or(MEMORY_BYTES_DEFAULT);
        if memory_bytes_max > MEMORY_BYTES_MAX {
            return self.refuse(key("tool.vwp.memory_bytes_max"), format!("at most {MEMORY_BYTES_MAX}"));
        }
        let limits = self.limits(id, tool)?;
        Ok(Component {
            id: id.to_owned(),
            source: self.sources[id].clone(),
            variables: component.variables.clone(),
            environment: component.environment.clone(),
            key_value_stores: component.key_value_stores.clone(),
            dependencies,
            write_spaces: tool.write_spaces.clone(),
            read_spaces: tool.read_spaces.clone(),
            machines: tool.machines.clone(),
            memory_bytes_max,
            request_ms_max: tool.request_ms_max.unwrap_or(REQUEST_MS_DEFAULT),
            limits,
        })
    }

    fn limits(&self, id: &str, tool: &schema::ComponentTool) -> Result<Limits, ManifestError> {
        let default = Limits::default();
        let limits = Limits {
            requests_max: tool.requests_max.unwrap_or(default.requests_max),
            requests_per_instance_max: tool
                .requests_per_instance_max
                .unwrap_or(default.requests_per_instance_max),
            response_ms_max: tool.response_ms_max.unwrap_or(default.response_ms_max),
            request_body_bytes_max: tool.request_body_bytes_max,
        };
        let bounds = [
            ("requests_max", limits.requests_max as u64, REQUESTS_MAX as u64),
            ("requests_per_instance_max", limits.requests_per_instance_max as u64, u64::MAX),
            ("request_ms_max", tool.request_ms_max.unwrap_or(REQUEST_MS_DEFAULT), TIME_MS_MAX),
            ("response_ms_max", limits.response_ms_max, TIME_MS_MAX),
        ];
        for (field, value, max) in bounds {
            if !(1..=max).contains(&value) {
                let key = format!("component.{id}.tool.vwp.{field}");
                return self.refuse(key, format!("{value} is not between 1 and {max}"));
            }
        }
        Ok(limits)
    }
}
