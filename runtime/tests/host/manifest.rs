//! A manifest that this host cannot honour is refused at start, with the file, the key
//! and the reason; and `vwp check` says what one needs.

use crate::support::{MANIFEST, run, run_with};

/// `vwp up` and `vwp check` refuse the manifest and say all of this.
fn refused(manifest: &str, says: &[&str]) {
    for command in ["up", "check"] {
        let output = run(command, manifest);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{command} took it: {manifest}");
        for text in says.iter().chain(&["spin.toml"]) {
            assert!(said.contains(text), "{command} does not say `{text}`: {said}");
        }
    }
}

fn replaced(from: &str, to: &str) -> String {
    assert!(MANIFEST.contains(from), "the manifest has no `{from}`");
    MANIFEST.replace(from, to)
}

#[test]
fn an_unknown_key_is_refused() {
    let manifest = replaced("key_value_stores", "key_value_store");
    refused(&manifest, &["unknown field `key_value_store`", "key_value_store ="]);
}

#[test]
fn what_the_host_does_not_offer_is_refused() {
    let manifest = replaced("key_value_stores = [", "ai_models = [\"llama\"]\nkey_value_stores = [");
    refused(&manifest, &["component.guest.ai_models", "does not offer"]);
    let manifest = replaced("trigger.http", "trigger.redis");
    refused(&manifest, &["trigger.redis", "only the http trigger"]);
}

#[test]
fn a_trigger_that_the_host_cannot_serve_is_refused() {
    for kind in ["redis", "mqtt", "timer"] {
        let manifest = replaced("trigger.http", &format!("trigger.{kind}"));
        refused(&manifest, &[&format!("trigger.{kind}"), "only the http trigger"]);
    }
    let manifest = replaced("route = \"/...\"", "route = \"/...\"\n    executor = { type = \"wagi\" }");
    refused(&manifest, &["trigger.http[0].executor", "`wagi` is not run here"]);
    let manifest = replaced("route = \"/...\"", "route = { private = false }");
    refused(&manifest, &["trigger.http[0].route", "{ private = true }"]);
}

#[test]
fn a_malformed_host_is_refused_as_it_was_written() {
    let hosts = "allowed_outbound_hosts = [\"http://a.test\", \"http://a.test/path\"]\nkey_value_stores = [";
    let manifest = replaced("key_value_stores = [", hosts);
    refused(&manifest, &["component.guest.allowed_outbound_hosts", "`http://a.test/path`", "no path"]);
    let manifest =
        replaced("key_value_stores = [", "allowed_http_hosts = [\"a.test\"]\nkey_value_stores = [");
    refused(&manifest, &["component.guest.allowed_http_hosts", "allowed_outbound_hosts"]);
}

#[test]
fn a_host_that_a_variable_makes_malformed_is_refused_without_its_value() {
    let hosts = "allowed_outbound_hosts = [\"http://{{ password }}\"]\nkey_value_stores = [";
    let manifest = replaced("key_value_stores = [", hosts);
    let output = run_with("up", &manifest, &["--variable", "password=open sesame"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("component.guest.allowed_outbound_hosts"), "{said}");
    assert!(!said.contains("sesame"), "{said}");
}

#[test]
fn what_a_dependency_inherits_is_said_once_and_by_its_name() {
    let dependency = |more: &str, inherit: &str| {
        let from = "[component.guest.variables]";
        let text = format!(
            "{more}\n[component.guest.dependencies]\n\"a:b\" = {{ path = \"GUEST\", inherit_configuration = {inherit} }}\n{from}"
        );
        replaced(from, &text)
    };
    refused(&dependency("", "[\"secrets\"]"), &["inherit_configuration", "`secrets` is none of the kinds"]);
    let both = dependency("dependencies_inherit_configuration = true", "true");
    refused(&both, &["component.guest.dependencies_inherit_configuration", "one or the other"]);
}

#[test]
fn a_binary_that_is_not_there_is_refused() {
    refused(&replaced("GUEST", "missing.wasm"), &["component.guest.source", "missing.wasm"]);
}

#[test]
fn a_trigger_for_an_unknown_component_is_refused() {
    let manifest = replaced("component = \"guest\"", "component = \"stranger\"");
    refused(&manifest, &["trigger.http[0].component", "there is no component `stranger`"]);
}

#[test]
fn the_hosts_own_space_and_labels_that_are_none_are_refused() {
    let manifest = format!("{MANIFEST}\n[component.guest.tool.vwp]\nread_spaces = [\"key-value\"]");
    refused(&manifest, &["component.guest.tool.vwp", "`key-value` is the host's own"]);
    refused(
        &replaced("\"second\"", "\"a/b\""),
        &["component.guest.key_value_stores", "`a/b` is not a label"],
    );
}

#[test]
fn a_check_lists_what_a_component_needs() {
    let output = run("check", MANIFEST);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    for text in [
        "variable town: has a default",
        "variable password: must be given, secret",
        "component guest",
        "imports spin:key-value/key-value@3.0.0",
        "imports wasi:keyvalue/atomics@0.2.0-draft2",
        "satisfied",
        "1 routes composed",
    ] {
        assert!(said.contains(text), "`{text}` is missing: {said}");
    }
    assert!(!said.contains("NOT SATISFIED"), "{said}");
}

#[test]
fn a_check_fails_if_a_component_needs_what_it_cannot_have() {
    let output = run("check", &replaced("wait_ms_max = 60000", "machines = { m = \"guest\" }"));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("NOT SATISFIED: a state machine must import nothing"), "{said}");
}
