//! Every field of Spin's manifest, version 2, and our own beside them: each is honoured,
//! or refused with the file, the key and the reason. None is ignored. The fields are those
//! of `crates/manifest/src/schema/v2.rs`, `crates/manifest/src/schema/common.rs` and
//! `crates/http/src/config.rs` of Spin 4.1.

use vwp_runtime::manifest::{
    self, App, DnsLimits, FileMount, Inherit, Limits, Mode, OutboundLimits, RouteLimits,
};

/// A manifest with room for more in each of its tables.
const MANIFEST: &str = r#"
    #top
    spin_manifest_version = 2
    [application]
    name = "fields"
    #application
    [variables]
    town = { default = "Jena" }
    #variables
    [[trigger.http]]
    route = "/..."
    component = "c"
    #trigger
    [component.c]
    source = "c.wasm"
    #component
    [component.other]
    source = "other.wasm"
"#;

/// What becomes of a field.
enum Fate {
    /// It is taken, and this holds of the application.
    Honoured(fn(&App) -> bool),
    /// It asks nothing of a host that serves: it is for people, for building or for checks.
    NoConcern,
    /// It is refused with this key and reason.
    Refused(&'static str, &'static str),
}

use Fate::{Honoured, NoConcern, Refused};

/// What the manifest gives with some lines added to a table, or with some replaced.
fn load(place: &str, lines: &str) -> Result<App, String> {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["c.wasm", "other.wasm"] {
        std::fs::write(folder.path().join(name), "").expect("a file");
    }
    assert!(MANIFEST.contains(place), "the manifest has no `{place}`");
    let file = folder.path().join("spin.toml");
    std::fs::write(&file, MANIFEST.replacen(place, lines, 1)).expect("a manifest");
    manifest::load(&file, Mode::Full).map_err(|error| {
        let said = error.to_string();
        assert!(said.starts_with(&file.display().to_string()), "the file is not named: {said}");
        said
    })
}

/// A place in the manifest, what stands there, and what becomes of it.
type Case = (&'static str, &'static str, Fate);

fn check(cases: &[Case]) {
    for (place, lines, fate) in cases {
        match (load(place, lines), fate) {
            (Ok(app), Honoured(holds)) => assert!(holds(&app), "{lines}: {app:#?}"),
            (Ok(_), NoConcern) => {}
            (Err(said), Refused(key, reason)) => {
                assert!(said.contains(key), "{lines}: `{key}` is missing: {said}");
                assert!(said.contains(reason), "{lines}: `{reason}` is missing: {said}");
            }
            (Ok(_), Refused(key, _)) => panic!("{lines}: {key} was taken"),
            (Err(said), _) => panic!("{lines}: {said}"),
        }
    }
}

const FIELDS_OF_AN_APPLICATION: &[Case] = &[
    ("spin_manifest_version = 2", "spin_manifest_version = 1", Refused("spin_manifest_version", "version 2")),
    ("#top", "unknown = 1", Refused("unknown", "unknown field")),
    ("name = \"fields\"", "name = \"other\"", Honoured(|app| app.name == "other")),
    ("#application", "version = \"1.0.0\"", NoConcern),
    ("#application", "description = \"fields\"", NoConcern),
    ("#application", "authors = [\"a@example.com\"]", NoConcern),
    ("#application", "targets = [\"spin-up:4.1\"]", NoConcern),
    ("#application", "tool.other = { any = 1 }", NoConcern),
    ("#application", "trigger.http = {}", NoConcern),
    ("#application", "trigger.http.base = \"/x\"", Refused("application.trigger.http", "not offered")),
    ("#application", "trigger.redis.address = \"x\"", Refused("application.trigger.redis", "not offered")),
    ("#application", "unknown = 1", Refused("unknown", "unknown field")),
    ("#application", "tool.vwp.wait_ms_max = 5", Honoured(|app| app.wait.as_millis() == 5)),
    ("#application", "tool.vwp.wait_ms_max = 600001", Refused("tool.vwp.wait_ms_max", "at most")),
    ("#application", "tool.vwp.store_cache_bytes_max = 0", Honoured(|app| app.store_cache_bytes == Some(0))),
    (
        "#application",
        "tool.vwp.store_cache_bytes_max = 1000000000000",
        Refused("tool.vwp.store_cache_bytes_max", "at most"),
    ),
    (
        "#application",
        "tool.vwp.served_url_variable = \"town\"",
        Honoured(|app| app.served_url_variable.as_deref() == Some("town")),
    ),
    ("#application", "tool.vwp.served_url_variable = \"x\"", Refused("served_url_variable", "no variable")),
    (
        "#application",
        "tool.vwp.generated_secrets = { town = 32 }",
        Refused("generated_secrets.town", "no secret"),
    ),
    ("#application", "tool.vwp.machines = { m = \"other\" }", Honoured(|app| app.machines["m"] == "other")),
    ("#application", "tool.vwp.machines = { m = \"x\" }", Refused("tool.vwp.machines.m", "no component `x`")),
    (
        "#application",
        "tool.vwp.resolver = \"other\"",
        Honoured(|app| app.resolver.as_deref() == Some("other")),
    ),
    (
        "#application",
        "tool.vwp.scheduled = [\"c\", \"other\"]",
        Honoured(|app| app.scheduled == ["c", "other"]),
    ),
    ("#application", "tool.vwp.scheduled = [\"x\"]", Refused("tool.vwp.scheduled", "no component `x`")),
    ("#application", "tool.vwp.scheduled = [\"c\", \"c\"]", Refused("tool.vwp.scheduled", "twice")),
    (
        "#application",
        "tool.vwp.routes.\"/...\" = { requests_max = 5, wait_ms_max = 7 }",
        Honoured(|app| {
            let limits = app.routes[0].limits;
            limits.requests_max == Some(5) && limits.wait.is_some_and(|wait| wait.as_millis() == 7)
        }),
    ),
    (
        "#application",
        "tool.vwp.routes.\"/...\" = {}",
        Honoured(|app| app.routes[0].limits == RouteLimits::default()),
    ),
    ("#application", "tool.vwp.routes.\"/...\".cache = true", Honoured(|app| app.routes[0].cache)),
    ("#application", "tool.vwp.routes.\"/...\" = {}", Honoured(|app| !app.routes[0].cache)),
    (
        "#application",
        "tool.vwp.http_cache_bytes_max = 5\ntool.vwp.routes.\"/...\".cache = true",
        Honoured(|app| app.http_cache_bytes == 5),
    ),
    ("#application", "tool.vwp.http_cache_bytes_max = 5", Honoured(|app| app.http_cache_bytes == 0)),
    (
        "#application",
        "tool.vwp.http_cache_bytes_max = 1000000000000",
        Refused("tool.vwp.http_cache_bytes_max", "at most"),
    ),
    ("#application", "tool.vwp.routes.\"/x\" = {}", Refused("tool.vwp.routes.\"/x\"", "no trigger")),
    (
        "#application",
        "tool.vwp.routes.\"/...\".requests_max = 0",
        Refused("routes.\"/...\".requests_max", "between"),
    ),
    (
        "#application",
        "tool.vwp.routes.\"/...\".wait_ms_max = 600001",
        Refused("routes.\"/...\".wait_ms_max", "at most"),
    ),
    ("#application", "tool.vwp.routes.\"/...\".unknown = 1", Refused("unknown", "unknown field")),
    ("#application", "tool.vwp.unknown = 1", Refused("unknown", "unknown field")),
];

const FIELDS_OF_DNS: &[Case] = &[
    ("#application", "tool.vwp.dns = {}", Honoured(|app| app.dns == DnsLimits::default())),
    (
        "#application",
        "tool.vwp.dns.answers_per_second_max = 0",
        Honoured(|app| app.dns.answers_per_second_max == 0),
    ),
    (
        "#application",
        "tool.vwp.dns.queries_per_second_max = 7",
        Honoured(|app| app.dns.queries_per_second_max == 7),
    ),
    ("#application", "tool.vwp.dns.connections_max = 7", Honoured(|app| app.dns.connections_max == 7)),
    ("#application", "tool.vwp.dns.connections_max = 0", Refused("dns.connections_max", "between")),
    (
        "#application",
        "tool.vwp.dns.connections_per_source_max = 7",
        Honoured(|app| app.dns.connections_per_source_max == 7),
    ),
    (
        "#application",
        "tool.vwp.dns.connections_per_source_max = 0",
        Refused("dns.connections_per_source_max", "between"),
    ),
    ("#application", "tool.vwp.dns.transfers_max = 7", Honoured(|app| app.dns.transfers_max == 7)),
    ("#application", "tool.vwp.dns.transfers_max = 0", Refused("dns.transfers_max", "between")),
    ("#application", "tool.vwp.dns.cache_bytes_max = 0", Honoured(|app| app.dns.cache_bytes_max == 0)),
    (
        "#application",
        "tool.vwp.dns.cache_bytes_max = 1000000000000",
        Refused("dns.cache_bytes_max", "between"),
    ),
    (
        "#application",
        "tool.vwp.dns.exempt_networks = [\"192.0.2.0/24\", \"2001:db8::1\"]",
        Honoured(|app| app.dns.exempt_networks.len() == 2),
    ),
    (
        "#application",
        "tool.vwp.dns.exempt_networks = [\"here\"]",
        Refused("dns.exempt_networks", "not a network"),
    ),
    ("#application", "tool.vwp.dns.unknown = 1", Refused("unknown", "unknown field")),
];

#[test]
fn every_field_of_the_dns_service_is_honoured_or_refused() {
    check(FIELDS_OF_DNS);
}

#[test]
fn every_field_of_an_application_is_honoured_or_refused() {
    check(FIELDS_OF_AN_APPLICATION);
}

const FIELDS_OF_A_VARIABLE: &[Case] = &[
    (
        "#variables",
        "v = { default = \"x\" }",
        Honoured(|app| app.variables["v"].default.as_deref() == Some("x")),
    ),
    ("#variables", "v = { required = true }", Honoured(|app| app.variables["v"].default.is_none())),
    ("#variables", "v = { required = true, secret = true }", Honoured(|app| app.variables["v"].secret)),
    ("#variables", "v = { required = true, description = \"x\" }", NoConcern),
    ("#variables", "v = {}", Refused("variables.v", "either")),
    ("#variables", "v = { required = true, default = \"x\" }", Refused("variables.v", "either")),
    ("#variables", "v = { default = 1 }", Refused("v =", "invalid type")),
    ("#variables", "v = { required = true, unknown = 1 }", Refused("unknown", "unknown field")),
];

#[test]
fn every_field_of_a_variable_is_honoured_or_refused() {
    check(FIELDS_OF_A_VARIABLE);
}

const FIELDS_OF_A_TRIGGER: &[Case] = &[
    ("#trigger", "id = \"it\"", NoConcern),
    ("#trigger", "executor = { type = \"http\" }", NoConcern),
    ("#trigger", "executor = { type = \"spin\" }", NoConcern),
    (
        "#trigger",
        "executor = { type = \"wagi\", argv = \"x\" }",
        Refused("trigger.http[0].executor", "`wagi` is not run"),
    ),
    (
        "#trigger",
        "static_response = { status_code = 404 }",
        Refused("trigger.http[0].static_response", "component"),
    ),
    ("#trigger", "components = { x = \"c\" }", Refused("trigger.http[0].components", "one component")),
    ("#trigger", "unknown = 1", Refused("trigger.http", "unknown field `unknown`")),
    (
        "component = \"c\"",
        "component = { source = \"c.wasm\" }",
        Honoured(|app| app.routes[0].component == "inline-component1"),
    ),
    ("component = \"c\"", "component = \"x\"", Refused("trigger.http[0].component", "no component `x`")),
    ("component = \"c\"", "", Refused("trigger.http[0].component", "by its id")),
    ("route = \"/...\"", "route = { private = true }", Honoured(|app| app.routes[0].pattern.is_none())),
    ("route = \"/...\"", "route = \"x\"", Refused("trigger.http[0].route", "starts with /")),
    ("route = \"/...\"", "", Refused("trigger.http[0].route", "path")),
    (
        "[[trigger.http]]",
        "[[trigger.redis]]\nchannel = \"x\"",
        Refused("trigger.redis", "only the http trigger"),
    ),
    (
        "#trigger",
        "[[trigger.http.dependencies.middleware]]\ncomponent = \"other\"",
        Honoured(|app| app.routes[0].middleware.len() == 1),
    ),
    (
        "#trigger",
        "[[trigger.http.dependencies.middleware]]\npath = \"other.wasm\"",
        Honoured(|app| app.routes[0].middleware[0].inherit == Inherit::Some(vec![])),
    ),
    (
        "#trigger",
        "[[trigger.http.dependencies.middleware]]\npath = \"other.wasm\"\ninherit_configuration = true",
        Honoured(|app| app.routes[0].middleware[0].inherit == Inherit::All),
    ),
    (
        "#trigger",
        "[[trigger.http.dependencies.middleware]]\nurl = \"x\"\ndigest = \"x\"",
        Refused("middleware[0].url", "only `path` and `component`"),
    ),
    (
        "#trigger",
        "[[trigger.http.dependencies.middleware]]\nversion = \"1\"\npackage = \"a:b\"",
        Refused("middleware[0].version", "only `path` and `component`"),
    ),
    (
        "#trigger",
        "[[trigger.http.dependencies.middleware]]\nunknown = 1",
        Refused("trigger.http", "unknown field `unknown`"),
    ),
    (
        "#trigger",
        "[[trigger.http.dependencies.other]]\ncomponent = \"other\"",
        Refused("trigger.http[0].dependencies.other", "only `middleware`"),
    ),
];

#[test]
fn every_field_of_a_trigger_is_honoured_or_refused() {
    check(FIELDS_OF_A_TRIGGER);
}

const FIELDS_OF_A_COMPONENT: &[Case] = &[
    (
        "source = \"c.wasm\"",
        "source = \"other.wasm\"",
        Honoured(|app| app.components["c"].source.ends_with("other.wasm")),
    ),
    ("source = \"c.wasm\"", "source = \"x.wasm\"", Refused("component.c.source", "is it built?")),
    (
        "source = \"c.wasm\"",
        "source = { url = \"x\", digest = \"x\" }",
        Refused("component.c.source", "only a path"),
    ),
    (
        "source = \"c.wasm\"",
        "source = { registry = \"x\", package = \"a:b\", version = \"1\" }",
        Refused("component.c.source", "only a path"),
    ),
    ("#component", "description = \"c\"", NoConcern),
    (
        "#component",
        "variables = { at = \"{{ town }}\" }",
        Honoured(|app| app.components["c"].variables["at"] == "{{ town }}"),
    ),
    (
        "#component",
        "environment = { A = \"b\" }",
        Honoured(|app| app.components["c"].environment["A"] == "b"),
    ),
    (
        "#component",
        "key_value_stores = [\"default\"]",
        Honoured(|app| app.components["c"].key_value_stores == ["default"]),
    ),
    ("#component", "key_value_stores = [\"a/b\"]", Refused("component.c.key_value_stores", "not a label")),
    ("#component", "ai_models = [\"x\"]", Refused("component.c.ai_models", "does not offer")),
    ("#component", "allowed_http_hosts = [\"x\"]", Refused("component.c.allowed_http_hosts", "")),
    (
        "#component",
        "allowed_outbound_hosts = [\"https://*.example.com\"]",
        Honoured(|app| app.components["c"].allowed_outbound_hosts == ["https://*.example.com"]),
    ),
    (
        "#component",
        "allowed_outbound_hosts = [\"https://a b\"]",
        Refused("component.c.allowed_outbound_hosts", ""),
    ),
    (
        "#component",
        "sqlite_databases = [\"default\"]",
        Honoured(|app| app.components["c"].sqlite_databases == ["default"]),
    ),
    ("#component", "sqlite_databases = [\"../x\"]", Refused("component.c.sqlite_databases", "not a label")),
    (
        "#component",
        "files = [\"page/*.html\"]",
        Honoured(
            |app| matches!(&app.components["c"].files[..], [FileMount::Pattern(at)] if at == "page/*.html"),
        ),
    ),
    (
        "#component",
        "files = [{ source = \"page\", destination = \"/\" }]",
        Honoured(|app| matches!(app.components["c"].files[..], [FileMount::Placement { .. }])),
    ),
    ("#component", "files = [\"../x\"]", Refused("component.c.files", "")),
    (
        "#component",
        "exclude_files = [\"page/*.md\"]",
        Honoured(|app| app.components["c"].exclude_files == ["page/*.md"]),
    ),
    ("#component", "targets = [\"spin-up:4.1\"]", NoConcern),
    ("#component", "build = { command = \"x\", workdir = \"x\", watch = [\"x\"] }", NoConcern),
    ("#component", "build = { command = [\"x\", \"y\"] }", NoConcern),
    ("#component", "profile.debug = { source = \"x.wasm\" }", NoConcern),
    ("#component", "tool.other = { any = 1 }", NoConcern),
    ("#component", "unknown = 1", Refused("unknown", "unknown field")),
    (
        "#component",
        "tool.vwp.source = \"other.wasm\"",
        Honoured(|app| app.components["c"].source.ends_with("other.wasm")),
    ),
    (
        "#component",
        "tool.vwp.write_spaces = [\"a\"]",
        Honoured(|app| app.components["c"].write_spaces == ["a"]),
    ),
    (
        "#component",
        "tool.vwp.read_spaces = [\"a\"]",
        Honoured(|app| app.components["c"].read_spaces == ["a"]),
    ),
    ("#component", "tool.vwp.machines = [\"m\"]", Refused("component.c.tool.vwp.machines", "`m` is not in")),
    (
        "#component",
        "tool.vwp.memory_bytes_max = 65536",
        Honoured(|app| app.components["c"].memory_bytes_max == 65536),
    ),
    (
        "#component",
        "tool.vwp.memory_bytes_max = 99999999999",
        Refused("tool.vwp.memory_bytes_max", "at most"),
    ),
    ("#component", "tool.vwp.request_ms_max = 5", Honoured(|app| app.components["c"].request_ms_max == 5)),
    ("#component", "tool.vwp.request_ms_max = 0", Refused("component.c.tool.vwp.request_ms_max", "between")),
    (
        "#component",
        "tool.vwp.response_ms_max = 5",
        Honoured(|app| app.components["c"].limits == Limits { response_ms_max: 5, ..Limits::default() }),
    ),
    (
        "#component",
        "tool.vwp.requests_max = 5",
        Honoured(|app| app.components["c"].limits == Limits { requests_max: 5, ..Limits::default() }),
    ),
    ("#component", "tool.vwp.requests_max = 1000", Refused("component.c.tool.vwp.requests_max", "between")),
    (
        "#component",
        "tool.vwp.requests_per_instance_max = 5",
        Honoured(|app| {
            app.components["c"].limits == Limits { requests_per_instance_max: 5, ..Limits::default() }
        }),
    ),
    (
        "#component",
        "tool.vwp.request_body_bytes_max = 5",
        Honoured(|app| {
            app.components["c"].limits == Limits { request_body_bytes_max: Some(5), ..Limits::default() }
        }),
    ),
    (
        "#component",
        "tool.vwp.outbound = { requests_max = 5, failures_max = 0, pause_ms = 7, retries_per_hundred_max = 0 }",
        Honoured(|app| {
            let outbound =
                OutboundLimits { requests_max: 5, failures_max: 0, pause_ms: 7, retries_per_hundred_max: 0 };
            app.components["c"].outbound == outbound
        }),
    ),
    (
        "#component",
        "tool.vwp.outbound = {}",
        Honoured(|app| app.components["c"].outbound == OutboundLimits::default()),
    ),
    (
        "#component",
        "tool.vwp.outbound.requests_max = 257",
        Refused("c.tool.vwp.outbound.requests_max", "between"),
    ),
    ("#component", "tool.vwp.outbound.pause_ms = 0", Refused("c.tool.vwp.outbound.pause_ms", "between")),
    (
        "#component",
        "tool.vwp.outbound.retries_per_hundred_max = 101",
        Refused("c.tool.vwp.outbound.retries_per_hundred_max", "between"),
    ),
    ("#component", "tool.vwp.outbound.unknown = 5", Refused("unknown", "unknown field")),
    ("#component", "tool.vwp.unknown = 5", Refused("unknown", "unknown field")),
];

#[test]
fn every_field_of_a_component_is_honoured_or_refused() {
    check(FIELDS_OF_A_COMPONENT);
}

const KEY: &str = "component.c.dependencies.\"a:b/c\"";

fn inherits(app: &App) -> &Inherit {
    &app.components["c"].dependencies["a:b/c"].inherit
}

const FORMS_OF_A_DEPENDENCY: &[Case] = &[
    (
        "#component",
        "dependencies.\"a:b/c\" = { path = \"other.wasm\" }",
        Honoured(|app| *inherits(app) == Inherit::Some(vec![])),
    ),
    (
        "#component",
        "dependencies.\"a:b/c\" = { component = \"other\" }",
        Honoured(|app| *inherits(app) == Inherit::Some(vec![])),
    ),
    (
        "#component",
        "dependencies.\"a:b/c\" = { component = \"other\", export = \"x\" }",
        Honoured(|app| app.components["c"].dependencies["a:b/c"].export.as_deref() == Some("x")),
    ),
    (
        "#component",
        "dependencies.\"a:b/c\" = { component = \"other\", inherit_configuration = true }",
        Honoured(|app| *inherits(app) == Inherit::All),
    ),
    (
        "#component",
        "dependencies.\"a:b/c\" = { component = \"other\", inherit_configuration = [\"variables\"] }",
        Honoured(|app| *inherits(app) == Inherit::Some(vec!["variables".into()])),
    ),
    (
        "#component",
        "dependencies_inherit_configuration = true\ndependencies.\"a:b/c\" = { component = \"other\" }",
        Honoured(|app| *inherits(app) == Inherit::All),
    ),
    (
        "#component",
        "dependencies.\"a:b/c\" = { component = \"other\", inherit_configuration = [\"x\"] }",
        Refused(KEY, "`x` is not a kind"),
    ),
    ("#component", "dependencies.\"a:b/c\" = { component = \"x\" }", Refused(KEY, "no component `x`")),
    (
        "#component",
        "dependencies.\"a:b/c\" = { component = \"other\", path = \"other.wasm\" }",
        Refused(KEY, "either"),
    ),
    ("#component", "dependencies.\"a:b/c\" = \">= 1.0\"", Refused(KEY, "only `path` and `component`")),
    (
        "#component",
        "dependencies.\"a:b/c\" = { version = \"1\", registry = \"x\", package = \"a:b\" }",
        Refused(KEY, "only `path` and `component`"),
    ),
    (
        "#component",
        "dependencies.\"a:b/c\" = { url = \"x\", digest = \"x\" }",
        Refused(KEY, "only `path` and `component`"),
    ),
    ("#component", "dependencies.\"a:b/c\" = { unknown = 1 }", Refused("unknown", "unknown field")),
    (
        "#component",
        "dependencies.\"a:b\" = { path = \"other.wasm\", export = \"x\" }",
        Refused("component.c.dependencies.\"a:b\".export", "whole package"),
    ),
];

#[test]
fn every_form_of_a_dependency_is_honoured_or_refused() {
    check(FORMS_OF_A_DEPENDENCY);
}
