//! From the file's shape to an [`App`], refusing what this host cannot honour.

mod component;
mod dependency;
mod dns;
mod trigger;

use super::{App, ManifestError, Mode, Variable, schema};
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
/// The longest time that a manifest may allow a request, an answer or a wait.
const TIME_MS_MAX: u64 = 600_000;
/// The most memory that a manifest may give to a cache, in bytes.
const CACHE_BYTES_MAX: u64 = 64 * 1024 * 1024 * 1024;
/// How much memory keeps answers of routes, where the manifest does not say, in bytes.
const HTTP_CACHE_BYTES_DEFAULT: u64 = 32 * 1024 * 1024;
/// The longest id of a component, in bytes: as long as a label of a host name may be.
const ID_LENGTH_MAX: usize = 63;
/// The longest label of a store or database, in bytes.
const LABEL_LENGTH_MAX: usize = 64;

/// Reads and resolves the manifest at a path, which may be its folder.
pub fn load(path: &Path, mode: Mode) -> Result<App, ManifestError> {
    let file = if path.is_dir() { path.join("spin.toml") } else { path.to_owned() };
    let text = std::fs::read_to_string(&file)
        .map_err(|source| ManifestError::Unreadable { file: file.clone(), source })?;
    let mut manifest: schema::Manifest = toml::from_str(&text)
        .map_err(|error| ManifestError::Malformed { file: file.clone(), reason: error.to_string() })?;
    let folder = file.parent().unwrap_or(Path::new(".")).to_owned();
    let resolver = Resolver { file, folder, mode, sources: BTreeMap::new() };
    let mut triggers = resolver.http_triggers(std::mem::take(&mut manifest.triggers))?;
    trigger::name_inline_components(&mut triggers, &mut manifest.components);
    resolver.app(manifest, &triggers)
}

struct Resolver {
    file: PathBuf,
    folder: PathBuf,
    mode: Mode,
    /// The binaries of the application's components, which dependencies may name.
    sources: BTreeMap<String, PathBuf>,
}

impl Resolver {
    fn refuse<T>(&self, key: impl Into<String>, reason: impl Into<String>) -> Result<T, ManifestError> {
        Err(ManifestError::Refused { file: self.file.clone(), key: key.into(), reason: reason.into() })
    }

    fn app(mut self, manifest: schema::Manifest, triggers: &[schema::Trigger]) -> Result<App, ManifestError> {
        if manifest.spin_manifest_version != 2 {
            return self.refuse("spin_manifest_version", "only version 2 is known here");
        }
        for (id, component) in &manifest.components {
            // An id is a part of host names and of paths.
            let is_kebab = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            if id.is_empty() || id.len() > ID_LENGTH_MAX || !id.bytes().all(is_kebab) {
                let reason = format!("an id has 1 to {ID_LENGTH_MAX} letters, digits and hyphens");
                return self.refuse(format!("component.\"{id}\""), reason);
            }
            let source = self.source(id, component)?;
            self.sources.insert(id.clone(), source);
        }
        let mut tool = manifest.application.tool.vwp.unwrap_or_default();
        if self.mode == Mode::Portable {
            tool.machines.clear();
            tool.resolver = None;
            tool.scheduled.clear();
            tool.routes.clear();
        }
        let mut variables = BTreeMap::new();
        for (name, variable) in manifest.variables {
            if variable.required == variable.default.is_some() {
                return self
                    .refuse(format!("variables.{name}"), "set either `required = true` or a `default`");
            }
            variables.insert(name, Variable { default: variable.default, secret: variable.secret });
        }
        self.check_tool(&tool, &variables)?;
        if let Some((kind, _)) = manifest.application.trigger.iter().find(|(_, table)| !table.is_empty()) {
            return self
                .refuse(format!("application.trigger.{kind}"), "trigger settings are not offered here");
        }
        let components = manifest
            .components
            .iter()
            .map(|(id, component)| Ok((id.clone(), self.component(id, component)?)))
            .collect::<Result<BTreeMap<_, _>, ManifestError>>()?;
        for (id, machine) in components.iter().flat_map(|(id, c)| c.machines.iter().map(move |m| (id, m))) {
            if !tool.machines.contains_key(machine) {
                let key = format!("component.{id}.tool.vwp.machines");
                return self.refuse(key, format!("`{machine}` is not in application.tool.vwp.machines"));
            }
        }
        // Targets name Spin environments to check against when Spin builds; they ask nothing of a host.
        let _ = manifest.application.targets;
        let routes = self.routes(triggers, &tool.routes)?;
        let has_cache = routes.iter().any(|route| route.cache);
        let http_cache_bytes = tool.http_cache_bytes_max.unwrap_or(HTTP_CACHE_BYTES_DEFAULT);
        Ok(App {
            name: manifest.application.name,
            variables,
            generated_secrets: tool.generated_secrets,
            served_url_variable: tool.served_url_variable,
            routes,
            components,
            machines: tool.machines,
            resolver: tool.resolver,
            scheduled: tool.scheduled,
            dns: self.dns(tool.dns)?,
            wait: Duration::from_millis(tool.wait_ms_max.unwrap_or(WAIT_MS_DEFAULT)),
            store_cache_bytes: tool.store_cache_bytes_max,
            http_cache_bytes: if has_cache { http_cache_bytes } else { 0 },
            file: self.file,
        })
    }

    fn check_tool(
        &self,
        tool: &schema::ApplicationTool,
        variables: &BTreeMap<String, Variable>,
    ) -> Result<(), ManifestError> {
        for (name, length) in &tool.generated_secrets {
            let key = format!("application.tool.vwp.generated_secrets.{name}");
            if !variables.get(name).is_some_and(|variable| variable.secret) {
                return self.refuse(key, "there is no secret variable of this name");
            }
            if !(16..=64).contains(length) {
                return self.refuse(key, "a secret has 16 to 64 bytes");
            }
        }
        if tool.wait_ms_max.is_some_and(|ms| ms > TIME_MS_MAX) {
            return self.refuse("application.tool.vwp.wait_ms_max", format!("at most {TIME_MS_MAX}"));
        }
        let caches = [
            ("store_cache_bytes_max", tool.store_cache_bytes_max),
            ("http_cache_bytes_max", tool.http_cache_bytes_max),
        ];
        if let Some((name, _)) =
            caches.iter().find(|(_, bytes)| bytes.is_some_and(|bytes| bytes > CACHE_BYTES_MAX))
        {
            let key = format!("application.tool.vwp.{name}");
            return self.refuse(key, format!("at most {CACHE_BYTES_MAX}"));
        }
        if let Some(name) = tool.served_url_variable.as_ref().filter(|name| !variables.contains_key(*name)) {
            let reason = format!("there is no variable `{name}`");
            return self.refuse("application.tool.vwp.served_url_variable", reason);
        }
        for (machine, component) in &tool.machines {
            self.known(&format!("application.tool.vwp.machines.{machine}"), component)?;
        }
        if let Some(resolver) = &tool.resolver {
            self.known("application.tool.vwp.resolver", resolver)?;
        }
        self.check_scheduled(&tool.scheduled)
    }

    fn known(&self, key: &str, component: &str) -> Result<(), ManifestError> {
        if self.sources.contains_key(component) {
            return Ok(());
        }
        self.refuse(key, format!("there is no component `{component}`"))
    }

    /// What stands under a component's `tool.vwp`, unless the host is to do without.
    fn component_tool<'a>(&self, component: &'a schema::Component) -> Option<&'a schema::ComponentTool> {
        component.tool.vwp.as_ref().filter(|_| self.mode == Mode::Full)
    }

    fn source(&self, id: &str, component: &schema::Component) -> Result<PathBuf, ManifestError> {
        let own = self.component_tool(component).and_then(|tool| tool.source.as_deref());
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
}
