//! What a dependency may use of what its parent was granted.

use super::{Binaries, empty, register};
use crate::manifest::{Dependency, Inherit};
use anyhow::{Result, bail};
use wac_graph::{CompositionGraph, NodeId, PackageId};

/// The interfaces that hand out configuration, by the kind that Spin names in
/// `inherit_configuration`. Versions do not matter here. Sockets are not among them: no
/// component has any on this host.
const CAPABILITIES: [(&str, &str); 25] = [
    ("ai_models", "fermyon:spin/llm"),
    ("allowed_outbound_hosts", "wasi:http/client"),
    ("allowed_outbound_hosts", "wasi:http/outgoing-handler"),
    ("allowed_outbound_hosts", "spin:postgres/"),
    ("allowed_outbound_hosts", "spin:redis/"),
    ("allowed_outbound_hosts", "spin:mysql/"),
    ("allowed_outbound_hosts", "spin:mqtt/"),
    ("allowed_outbound_hosts", "fermyon:spin/http"),
    ("allowed_outbound_hosts", "fermyon:spin/postgres"),
    ("allowed_outbound_hosts", "fermyon:spin/redis"),
    ("allowed_outbound_hosts", "fermyon:spin/mysql"),
    ("allowed_outbound_hosts", "fermyon:spin/mqtt"),
    ("environment", "wasi:cli/environment"),
    ("files", "wasi:filesystem/preopens"),
    ("key_value_stores", "spin:key-value/"),
    ("key_value_stores", "fermyon:spin/key-value"),
    ("key_value_stores", "wasi:keyvalue/"),
    ("key_value_stores", "vwp:storage/kv"),
    ("key_value_stores", "vwp:storage/replicated"),
    ("sqlite_databases", "spin:sqlite/"),
    ("sqlite_databases", "fermyon:spin/sqlite"),
    ("variables", "spin:variables/"),
    ("variables", "fermyon:spin/variables"),
    ("variables", "fermyon:spin/config"),
    ("variables", "wasi:config/"),
];

/// Instantiates a dependency without what it does not inherit. What cannot be left empty
/// is an error here, rather than a trap when it is called.
pub(super) fn instantiate(
    graph: &mut CompositionGraph,
    binaries: &mut Binaries,
    dependency: &Dependency,
    name: &str,
) -> Result<(PackageId, NodeId)> {
    let bytes = binaries.read(&dependency.source)?.to_vec();
    let package = register(graph, name, bytes)?;
    let imports: Vec<String> = graph.types()[graph[package].ty()].imports.keys().cloned().collect();
    let instance = graph.instantiate(package);
    for import in imports {
        let Some(kind) = denied(&dependency.inherit, &import) else { continue };
        let Some(bytes) = empty::component(&import)? else {
            bail!(
                "{} imports `{import}`: add `{kind}` to its inherit_configuration, or use another component",
                dependency.source.display()
            );
        };
        let empty = register(graph, &format!("{name} without {import}"), bytes)?;
        let empty = graph.instantiate(empty);
        let nothing = graph.alias_instance_export(empty, &import)?;
        graph.set_instantiation_argument(instance, &import, nothing)?;
    }
    Ok((package, instance))
}

/// The kind of configuration that the import needs and the dependency does not inherit.
fn denied(inherit: &Inherit, import: &str) -> Option<&'static str> {
    let Inherit::Some(given) = inherit else { return None };
    let needs = |interface: &str| {
        let rest = import.strip_prefix(interface);
        // A name that only begins like an interface is another one.
        rest.is_some_and(|rest| interface.ends_with('/') || rest.is_empty() || rest.starts_with('@'))
    };
    let (kind, _) = CAPABILITIES.iter().find(|(_, interface)| needs(interface))?;
    (!given.iter().any(|given| given == kind)).then_some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_is_denied_unless_its_kind_is_inherited() {
        let nothing = Inherit::Some(Vec::new());
        let stores = Inherit::Some(vec!["key_value_stores".to_owned()]);
        for import in
            ["wasi:keyvalue/atomics@0.2.0-draft2", "wasi:keyvalue/batch@0.2.0-draft2", "vwp:storage/kv@0.1.0"]
        {
            assert_eq!(denied(&nothing, import), Some("key_value_stores"), "{import}");
            assert_eq!(denied(&stores, import), None, "{import}");
            assert_eq!(denied(&Inherit::All, import), None, "{import}");
        }
        assert_eq!(denied(&stores, "wasi:cli/environment@0.2.6"), Some("environment"));
        for import in [
            "wasi:cli/stdout@0.2.6",
            "wasi:sockets/tcp@0.2.6",
            "wasi:filesystem/types@0.3.0",
            "vwp:storage/types@0.1.0",
        ] {
            assert_eq!(denied(&nothing, import), None, "{import}");
        }
    }
}
