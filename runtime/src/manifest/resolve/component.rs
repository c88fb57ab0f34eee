//! Components, and what each was granted.

use super::{
    LABEL_LENGTH_MAX, MEMORY_BYTES_DEFAULT, MEMORY_BYTES_MAX, REQUEST_MS_DEFAULT, Resolver, TIME_MS_MAX,
};
use crate::admission::REQUESTS_MAX;
use crate::files;
use crate::host::outbound::REQUESTS_MAX as OUTBOUND_MAX;
use crate::hosts::AllowedHosts;
use crate::manifest::{Component, FileMount, KEY_VALUE_SPACE, Limits, ManifestError, OutboundLimits, schema};

impl Resolver {
    pub(super) fn component(
        &self,
        id: &str,
        component: &schema::Component,
    ) -> Result<Component, ManifestError> {
        self.offered(id, component)?;
        // Targets name Spin environments to check against when Spin builds; they ask nothing of a host.
        let _ = &component.targets;
        if let Err(invalid) = AllowedHosts::check(&component.allowed_outbound_hosts) {
            return self.refuse(format!("component.{id}.allowed_outbound_hosts"), invalid.to_string());
        }
        self.labels(id, component)?;
        let tool = self.tool(id, component)?;
        Ok(Component {
            id: id.to_owned(),
            source: self.sources[id].clone(),
            variables: component.variables.clone(),
            environment: component.environment.clone(),
            files: self.files(id, component)?,
            exclude_files: component.exclude_files.clone(),
            allowed_outbound_hosts: component.allowed_outbound_hosts.clone(),
            key_value_stores: component.key_value_stores.clone(),
            sqlite_databases: component.sqlite_databases.clone(),
            dependencies: self.dependencies(id, component)?,
            write_spaces: tool.write_spaces.clone(),
            read_spaces: tool.read_spaces.clone(),
            machines: tool.machines.clone(),
            memory_bytes_max: tool.memory_bytes_max.unwrap_or(MEMORY_BYTES_DEFAULT),
            request_ms_max: tool.request_ms_max.unwrap_or(REQUEST_MS_DEFAULT),
            limits: self.limits(id, &tool)?,
            outbound: self.outbound(id, tool.outbound.as_ref())?,
        })
    }

    fn offered(&self, id: &str, component: &schema::Component) -> Result<(), ManifestError> {
        if !component.allowed_http_hosts.is_empty() {
            let key = format!("component.{id}.allowed_http_hosts");
            return self.refuse(key, "it is deprecated in Spin; write the hosts to allowed_outbound_hosts");
        }
        if !component.ai_models.is_empty() {
            let key = format!("component.{id}.ai_models");
            return self.refuse(key, "this host does not offer it; leave it empty");
        }
        Ok(())
    }

    fn labels(&self, id: &str, component: &schema::Component) -> Result<(), ManifestError> {
        let stores = component.key_value_stores.iter().map(|label| ("key_value_stores", label));
        let databases = component.sqlite_databases.iter().map(|label| ("sqlite_databases", label));
        for (field, label) in stores.chain(databases) {
            // A label is part of a key, and of a file's name.
            let is_label = (1..=LABEL_LENGTH_MAX).contains(&label.len()) && !label.contains(['/', '\0']);
            if !is_label || label == "." || label == ".." {
                let reason = format!("`{label}` is not a label: 1 to {LABEL_LENGTH_MAX} bytes without /");
                return self.refuse(format!("component.{id}.{field}"), reason);
            }
        }
        Ok(())
    }

    fn tool(&self, id: &str, component: &schema::Component) -> Result<schema::ComponentTool, ManifestError> {
        let key = |field: &str| format!("component.{id}.{field}");
        let tool = self.component_tool(component).cloned().unwrap_or_default();
        for space in tool.write_spaces.iter().chain(&tool.read_spaces) {
            if space.is_empty() || space.contains('/') {
                return self.refuse(key("tool.vwp"), format!("`{space}` is not a space: no / and not empty"));
            }
            if space == KEY_VALUE_SPACE {
                return self.refuse(key("tool.vwp"), format!("space `{space}` is the host's own"));
            }
        }
        if tool.memory_bytes_max.is_some_and(|bytes| bytes > MEMORY_BYTES_MAX) {
            return self.refuse(key("tool.vwp.memory_bytes_max"), format!("at most {MEMORY_BYTES_MAX}"));
        }
        Ok(tool)
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

    fn outbound(
        &self,
        id: &str,
        tool: Option<&schema::OutboundTool>,
    ) -> Result<OutboundLimits, ManifestError> {
        let default = OutboundLimits::default();
        let Some(tool) = tool else { return Ok(default) };
        let limits = OutboundLimits {
            requests_max: tool.requests_max.unwrap_or(default.requests_max),
            failures_max: tool.failures_max.unwrap_or(default.failures_max),
            pause_ms: tool.pause_ms.unwrap_or(default.pause_ms),
            retries_per_hundred_max: tool.retries_per_hundred_max.unwrap_or(default.retries_per_hundred_max),
        };
        let bounds = [
            ("requests_max", limits.requests_max as u64, 1, OUTBOUND_MAX as u64),
            ("pause_ms", limits.pause_ms, 1, TIME_MS_MAX),
            ("retries_per_hundred_max", limits.retries_per_hundred_max.into(), 0, 100),
        ];
        for (field, value, min, max) in bounds {
            if !(min..=max).contains(&value) {
                let key = format!("component.{id}.tool.vwp.outbound.{field}");
                return self.refuse(key, format!("{value} is not between {min} and {max}"));
            }
        }
        Ok(limits)
    }

    fn files(&self, id: &str, component: &schema::Component) -> Result<Vec<FileMount>, ManifestError> {
        let mounts: Vec<FileMount> = component
            .files
            .iter()
            .map(|mount| match mount {
                schema::FileMount::Pattern(pattern) => FileMount::Pattern(pattern.clone()),
                schema::FileMount::Placement { source, destination } => {
                    FileMount::Placement { source: source.clone(), destination: destination.clone() }
                }
            })
            .collect();
        if let Err(reason) = files::check(&mounts) {
            return self.refuse(format!("component.{id}.files"), reason);
        }
        if let Err(reason) = files::check_patterns(&component.exclude_files) {
            return self.refuse(format!("component.{id}.exclude_files"), reason);
        }
        Ok(mounts)
    }
}
