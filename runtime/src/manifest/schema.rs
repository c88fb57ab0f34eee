//! The shape of `spin.toml`, version 2. Field names and meanings are Spin's; what Spin
//! knows and this host does not is here too, so that it can be refused by name.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) spin_manifest_version: u32,
    pub(super) application: Application,
    #[serde(default)]
    pub(super) variables: BTreeMap<String, Variable>,
    /// Not read further yet, because the fields of a trigger are its kind's.
    #[serde(default, rename = "trigger")]
    pub(super) triggers: BTreeMap<String, toml::Value>,
    #[serde(default, rename = "component")]
    pub(super) components: BTreeMap<String, Component>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Application {
    pub(super) name: String,
    #[serde(default, rename = "version")]
    pub(super) _version: String,
    #[serde(default, rename = "description")]
    pub(super) _description: String,
    #[serde(default, rename = "authors")]
    pub(super) _authors: Vec<String>,
    #[serde(default)]
    pub(super) targets: Vec<toml::Value>,
    #[serde(default)]
    pub(super) trigger: BTreeMap<String, toml::Table>,
    #[serde(default)]
    pub(super) tool: Tools<ApplicationTool>,
}

/// Settings for tools. Ours is `vwp`; every other tool's are none of our business.
#[derive(Debug, Deserialize)]
pub(super) struct Tools<T> {
    pub(super) vwp: Option<T>,
}

impl<T> Default for Tools<T> {
    fn default() -> Self {
        Self { vwp: None }
    }
}

/// `[application.tool.vwp]`: what this host adds and Spin ignores.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApplicationTool {
    /// Secrets that the host makes on first start: variable and length in bytes.
    #[serde(default)]
    pub(super) generated_secrets: BTreeMap<String, usize>,
    /// The variable that holds the URL at which the application is served.
    pub(super) served_url_variable: Option<String>,
    /// State machines: name and component.
    #[serde(default)]
    pub(super) machines: BTreeMap<String, String>,
    /// The component that answers DNS messages.
    pub(super) resolver: Option<String>,
    /// The components with scheduled work.
    #[serde(default)]
    pub(super) scheduled: Vec<String>,
    /// How much of the DNS service there is.
    pub(super) dns: Option<DnsTool>,
    /// How long a request waits for its turn, in milliseconds.
    pub(super) wait_ms_max: Option<u64>,
    /// What bounds single routes: a trigger's route, and its limits. They stand here because Spin
    /// takes no other keys in a trigger than its own.
    #[serde(default)]
    pub(super) routes: BTreeMap<String, RouteTool>,
    /// How much memory caches what the store has on disk, in bytes.
    pub(super) store_cache_bytes_max: Option<u64>,
    /// How much memory keeps answers of the routes that have a cache, in bytes.
    pub(super) http_cache_bytes_max: Option<u64>,
}

/// `[application.tool.vwp.routes."ROUTE"]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteTool {
    pub(super) requests_max: Option<usize>,
    pub(super) wait_ms_max: Option<u64>,
    #[serde(default)]
    pub(super) cache: bool,
}

/// `[application.tool.vwp.dns]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DnsTool {
    pub(super) answers_per_second_max: Option<u32>,
    pub(super) queries_per_second_max: Option<u32>,
    pub(super) connections_max: Option<u64>,
    pub(super) connections_per_source_max: Option<u64>,
    pub(super) transfers_max: Option<u64>,
    pub(super) cache_bytes_max: Option<u64>,
    pub(super) exempt_networks: Option<Vec<String>>,
}

/// `[component.ID.tool.vwp]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ComponentTool {
    /// Another build of the same component, for this host.
    pub(super) source: Option<String>,
    #[serde(default)]
    pub(super) write_spaces: Vec<String>,
    #[serde(default)]
    pub(super) read_spaces: Vec<String>,
    #[serde(default)]
    pub(super) machines: Vec<String>,
    pub(super) memory_bytes_max: Option<usize>,
    pub(super) request_ms_max: Option<u64>,
    pub(super) response_ms_max: Option<u64>,
    pub(super) request_body_bytes_max: Option<u64>,
    pub(super) requests_max: Option<usize>,
    pub(super) requests_per_instance_max: Option<usize>,
    pub(super) outbound: Option<OutboundTool>,
}

/// `[component.ID.tool.vwp.outbound]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutboundTool {
    pub(super) requests_max: Option<usize>,
    pub(super) failures_max: Option<u32>,
    pub(super) pause_ms: Option<u64>,
    pub(super) retries_per_hundred_max: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Variable {
    #[serde(default)]
    pub(super) required: bool,
    pub(super) default: Option<String>,
    #[serde(default)]
    pub(super) secret: bool,
    #[serde(default, rename = "description")]
    pub(super) _description: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trigger {
    #[serde(default)]
    pub(super) id: String,
    pub(super) component: Option<ComponentReference>,
    pub(super) route: Option<Route>,
    pub(super) executor: Option<Executor>,
    pub(super) static_response: Option<toml::Table>,
    pub(super) components: Option<toml::Table>,
    #[serde(default)]
    pub(super) dependencies: BTreeMap<String, Vec<Dependency>>,
}

/// How a component is run.
#[derive(Debug, Deserialize)]
pub(super) struct Executor {
    #[serde(rename = "type")]
    pub(super) kind: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Component {
    pub(super) source: toml::Value,
    #[serde(default, rename = "description")]
    pub(super) _description: String,
    #[serde(default)]
    pub(super) variables: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) environment: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) files: Vec<FileMount>,
    #[serde(default)]
    pub(super) exclude_files: Vec<String>,
    #[serde(default)]
    pub(super) allowed_http_hosts: Vec<String>,
    #[serde(default)]
    pub(super) allowed_outbound_hosts: Vec<String>,
    #[serde(default)]
    pub(super) key_value_stores: Vec<String>,
    #[serde(default)]
    pub(super) sqlite_databases: Vec<String>,
    #[serde(default)]
    pub(super) ai_models: Vec<String>,
    #[serde(default)]
    pub(super) targets: Vec<toml::Value>,
    #[serde(rename = "build")]
    pub(super) _build: Option<toml::Table>,
    #[serde(default)]
    pub(super) tool: Tools<ComponentTool>,
    pub(super) dependencies_inherit_configuration: Option<bool>,
    #[serde(default)]
    pub(super) dependencies: BTreeMap<String, VersionOrDependency>,
    /// What another profile would change. None is ever chosen here, as by `spin up` alone.
    #[serde(default, rename = "profile")]
    pub(super) _profile: BTreeMap<String, toml::Value>,
}

/// A component's id, or the component itself.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum ComponentReference {
    Id(String),
    Inline(Box<Component>),
}

/// A path or pattern, or a source and where the guest finds it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum FileMount {
    Pattern(String),
    Placement { source: String, destination: String },
}

/// A path, or `{ private = true }` for a component that only others of the application call.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Route {
    Path(String),
    Private { private: bool },
}

/// `{ path = … }`, `{ component = … }`, or what only a registry or the web could satisfy,
/// of which a text alone is a version.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dependency {
    pub(super) path: Option<String>,
    pub(super) component: Option<String>,
    pub(super) export: Option<String>,
    pub(super) inherit_configuration: Option<InheritConfiguration>,
    pub(super) version: Option<String>,
    pub(super) registry: Option<String>,
    pub(super) package: Option<String>,
    pub(super) url: Option<String>,
    pub(super) digest: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum InheritConfiguration {
    All(bool),
    Some(Vec<String>),
}

/// A dependency of a component, in either form.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "toml::Value")]
pub(super) struct VersionOrDependency(pub(super) Dependency);

impl TryFrom<toml::Value> for VersionOrDependency {
    type Error = toml::de::Error;

    fn try_from(value: toml::Value) -> Result<Self, Self::Error> {
        if let toml::Value::String(version) = value {
            return Ok(Self(Dependency { version: Some(version), ..Dependency::default() }));
        }
        Ok(Self(Dependency::deserialize(value)?))
    }
}
