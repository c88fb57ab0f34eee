//! Interfaces with nothing behind them.
//!
//! Whatever is written in Rust with its standard library imports the environment and the
//! preopened folders, whether it uses them or not. A dependency that does not inherit them
//! is given an environment without variables and a file system without folders: a component
//! written here in the text format, for the version that it imports.

use anyhow::{Context, Result};

/// The core module that answers every call with zeros: an empty list, or none. A result
/// that does not fit into one value is returned as the address of where it is (Canonical
/// ABI, "flattening").
const CODE: &str = r#"
    (core module $code
        (memory (export "memory") 1)
        (func (export "nothing") (result i32) i32.const 16))
    (core instance $code (instantiate $code))
    (alias core export $code "memory" (core memory $memory))
    (alias core export $code "nothing" (core func $nothing))
"#;

/// A component that exports the interface of this name, empty; none if it cannot be empty.
pub(super) fn component(interface: &str) -> Result<Option<Vec<u8>>> {
    let Some((name, version)) = interface.split_once('@') else { return Ok(None) };
    let rest = match name {
        "wasi:cli/environment" => environment(interface, version),
        "wasi:filesystem/preopens" => preopens(interface, version),
        _ => return Ok(None),
    };
    let text = format!("(component {CODE} {rest})");
    Ok(Some(wat::parse_str(text).with_context(|| format!("making an empty `{interface}`"))?))
}

fn environment(interface: &str, version: &str) -> String {
    // WASI 0.3 renamed it.
    let folder = if version.starts_with("0.2.") { "initial-cwd" } else { "get-initial-cwd" };
    format!(
        r#"
        (func $pairs (result (list (tuple string string))) (canon lift (core func $nothing) (memory $memory)))
        (func $list (result (list string)) (canon lift (core func $nothing) (memory $memory)))
        (func $none (result (option string)) (canon lift (core func $nothing) (memory $memory)))
        (instance $environment
            (export "get-environment" (func $pairs))
            (export "get-arguments" (func $list))
            (export "{folder}" (func $none)))
        (export "{interface}" (instance $environment))
        "#
    )
}

fn preopens(interface: &str, version: &str) -> String {
    format!(
        r#"
        (import "wasi:filesystem/types@{version}" (instance $types
            (export "descriptor" (type (sub resource)))))
        (alias export $types "descriptor" (type $descriptor))
        (func $list (result (list (tuple (own $descriptor) string)))
            (canon lift (core func $nothing) (memory $memory)))
        (instance $preopens
            (export "descriptor" (type $descriptor))
            (export "get-directories" (func $list)))
        (export "{interface}" (instance $preopens))
        "#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_interface_is_a_valid_component() {
        for interface in [
            "wasi:cli/environment@0.2.6",
            "wasi:cli/environment@0.3.0",
            "wasi:filesystem/preopens@0.2.6",
            "wasi:filesystem/preopens@0.3.0",
        ] {
            let bytes = component(interface).expect("text that parses").expect("a component");
            let engine = crate::engine::engine().expect("an engine");
            wasmtime::component::Component::new(&engine, bytes).expect(interface);
        }
        assert!(component("wasi:keyvalue/store@0.2.0-draft2").expect("no error").is_none());
    }
}
