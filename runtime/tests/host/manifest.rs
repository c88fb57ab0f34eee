//! A manifest that this host cannot honour is refused at start, with the file, the key
//! and the reason; and `vwp check` says what one needs.

use crate::support::{MANIFEST, run};

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
