//! What the built components ask of their host: no more than the manifest grants, and the
//! ledger nothing at all.

use std::path::PathBuf;
use std::process::Command;
use vwp_tests::host::Host;
use vwp_tests::{project, tools};
use wasmparser::{Encoding, Parser, Payload};

/// What a handler may import: to answer requests, to read its settings, to reach what the
/// manifest lets it reach, and what the standard library asks for.
const HANDLER_MAY: [&str; 9] = [
    "wasi:http/types@",
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:io/",
    "wasi:random/",
    "wasi:filesystem/",
    "spin:variables/variables@",
    "fermyon:spin/variables@",
    "vwp:storage/",
];
/// What middleware may import besides: the handler behind it.
const MIDDLEWARE_MAY: &str = "wasi:http/handler@";
/// Discovery asks who controls a domain, and auth other providers: of the hosts that the manifest allows them.
const OUTBOUND_MAY: &str = "wasi:http/client@";
/// What nobody may import: connections past the host's rules.
const NOBODY_MAY: [&str; 2] = ["wasi:sockets/", "wasi:http/outgoing-handler@"];

/// The builds of a component that the manifest names: for every host, and for ours.
fn builds(component: &str) -> Vec<PathBuf> {
    let manifest = std::fs::read_to_string(project().join("spin.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().expect("the manifest is TOML");
    let entry = &manifest["component"][component];
    let ours = entry.get("tool").and_then(|tool| tool.get("vwp")?.get("source"));
    let sources = [Some(&entry["source"]), ours].into_iter().flatten();
    let paths = sources.map(|source| project().join(source.as_str().expect("a source is a path")));
    paths.inspect(|path| assert!(path.exists(), "{} is missing; build it first", path.display())).collect()
}

/// The names of what a component imports and exports at its outside.
fn interface(path: &PathBuf) -> (Vec<String>, Vec<String>) {
    let bytes = std::fs::read(path).unwrap();
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(&bytes) {
        match payload.expect("the file is WebAssembly") {
            Payload::Version { encoding, .. } if depth == 0 => {
                assert_eq!(encoding, Encoding::Component, "{} is a core module", path.display());
                depth = 1;
            }
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 1 => {
                imports.extend(section.into_iter().map(|import| import.unwrap().name.name.to_owned()));
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                exports.extend(section.into_iter().map(|export| export.unwrap().name.name.to_owned()));
            }
            _ => {}
        }
    }
    (imports, exports)
}

#[test]
fn the_ledger_imports_nothing() {
    for path in builds("ledger") {
        let (imports, exports) = interface(&path);
        assert_eq!(imports, [""; 0], "{}", path.display());
        let is_machine = |name: &String| name.starts_with("vwp:storage/state-machine@");
        assert!(exports.iter().any(is_machine), "{}: {exports:?}", path.display());
    }
}

#[test]
fn the_password_hasher_imports_nothing_and_has_24_mib() {
    let path = project().join("target/wasm32-wasip2/release/vwp_password_component.wasm");
    let (imports, exports) = interface(&path);
    assert_eq!(imports, [""; 0]);
    assert_eq!(exports, ["vwp:auth/password-hasher@0.1.0"]);
    let bytes = std::fs::read(&path).unwrap();
    let mut memories = 0;
    for payload in Parser::new(0).parse_all(&bytes) {
        if let Payload::MemorySection(section) = payload.unwrap() {
            for memory in section {
                memories += 1;
                assert_eq!(memory.unwrap().maximum, Some(24 * 16), "in pages of 64 KiB");
            }
        }
    }
    assert_eq!(memories, 1);
}

#[test]
fn the_description_of_the_api_is_served_with_nothing_but_http() {
    for path in builds("openapi") {
        let (imports, exports) = interface(&path);
        let is_http = |name: &String| name.starts_with("wasi:http/types@");
        let is_std = |name: &String| HANDLER_MAY[1..6].iter().any(|prefix| name.starts_with(prefix));
        let others: Vec<_> = imports.iter().filter(|name| !is_http(name) && !is_std(name)).collect();
        assert!(others.is_empty(), "{}: {others:?}", path.display());
        assert!(exports.iter().any(|name| name.starts_with("wasi:http/handler@")), "{exports:?}");
    }
}

#[test]
fn adapters_for_processors_reach_the_network_and_no_store() {
    for path in builds("stripe").into_iter().chain(builds("open-payments")) {
        let (imports, exports) = interface(&path);
        let may = |name: &String| {
            HANDLER_MAY[..8].iter().chain([&OUTBOUND_MAY]).any(|prefix| name.starts_with(prefix))
                && !NOBODY_MAY.iter().any(|prefix| name.starts_with(prefix))
        };
        let others: Vec<_> = imports.iter().filter(|name| !may(name)).collect();
        assert!(others.is_empty(), "{}: {others:?}", path.display());
        assert!(exports.iter().any(|name| name == "vwp:transactions/processor@0.1.0"), "{exports:?}");
    }
}

#[test]
fn webhooks_reach_the_network_and_the_store_and_no_machine() {
    for path in builds("webhooks") {
        let (imports, exports) = interface(&path);
        let may = |name: &String| {
            HANDLER_MAY.iter().chain([&OUTBOUND_MAY]).any(|prefix| name.starts_with(prefix))
                && !NOBODY_MAY.iter().any(|prefix| name.starts_with(prefix))
                && !name.starts_with("vwp:storage/replicated@")
        };
        let others: Vec<_> = imports.iter().filter(|name| !may(name)).collect();
        assert!(others.is_empty(), "{}: {others:?}", path.display());
        assert!(exports.iter().any(|name| name.starts_with("vwp:timer/scheduled@")), "{exports:?}");
    }
}

#[test]
fn a_handler_imports_no_more_than_it_is_granted() {
    for component in ["discovery", "auth", "policy", "transactions"] {
        for path in builds(component) {
            let (imports, exports) = interface(&path);
            for import in imports {
                let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| import.starts_with(prefix));
                // The types of its own typed interface, which are no capability.
                let types = import.starts_with(&format!("vwp:{component}/types@"));
                let may = types
                    || starts(&HANDLER_MAY)
                    || matches!(component, "discovery" | "auth" | "transactions") && starts(&[OUTBOUND_MAY]);
                assert!(may && !starts(&NOBODY_MAY), "{} imports {import}", path.display());
                let replicates = import.starts_with("vwp:storage/replicated@");
                assert!(!replicates || component == "transactions", "{component} imports {import}");
            }
            let serves = |name: &String| name.starts_with("wasi:http/");
            assert!(exports.iter().any(serves), "{} serves no HTTP: {exports:?}", path.display());
            let typed = format!("vwp:{component}/");
            let is_typed = exports.iter().any(|name| name.starts_with(&typed));
            assert!(is_typed, "{component} exports {exports:?}");
        }
    }
}

#[test]
fn middleware_imports_the_handler_behind_it_and_what_its_readme_says() {
    let cases: [(&str, &[&str]); 4] = [
        ("gateway", &[]),
        ("compress", &[]),
        ("caching", &["wasi:config/store@"]),
        ("limits", &["wasi:config/store@", "vwp:storage/kv@", "vwp:storage/types@"]),
    ];
    for (middleware, more) in cases {
        let path = project().join(format!("target/wasm32-wasip2/release/vwp_{middleware}_component.wasm"));
        let (imports, exports) = interface(&path);
        // Up to what the standard library asks for.
        let may: Vec<&str> = [&HANDLER_MAY[..6], &[MIDDLEWARE_MAY], more].concat();
        let others: Vec<_> =
            imports.iter().filter(|name| !may.iter().any(|prefix| name.starts_with(prefix))).collect();
        assert!(others.is_empty(), "{middleware} imports {others:?}");
        assert!(imports.iter().any(|name| name.starts_with(MIDDLEWARE_MAY)), "{middleware}: {imports:?}");
        assert_eq!(exports, ["wasi:http/handler@0.3.0"], "{middleware}");
    }
}

#[test]
fn this_host_satisfies_the_manifest_and_says_so() {
    let mut check = Command::new(Host::program());
    let printed = tools::run(check.args(["check", "-f"]).arg(project().join("spin.toml")));
    assert!(!printed.contains("NOT SATISFIED"), "{printed}");
    let ledger = printed.split("component ledger").nth(1).expect("the ledger is in the list");
    let ledger = ledger.split("\ncomponent ").next().unwrap_or_default();
    assert!(ledger.contains("imports nothing"), "{printed}");
}

#[test]
fn a_manifest_that_cannot_be_honoured_is_refused_with_file_key_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = std::fs::read_to_string(project().join("spin.toml")).unwrap();
    let source = format!("source = \"{}/target/", project().display());
    let manifest = manifest.replace("source = \"target/", &source);
    let cases = [
        (manifest.replace("spin_manifest_version = 2", "spin_manifest_version = 1"), "spin_manifest_version"),
        (manifest.replacen("component = \"auth\"", "component = \"nobody\"", 1), "nobody"),
        (manifest.replacen("[variables]", "[variables]\nzone2 = 7", 1), "zone2"),
        (
            manifest.clone() + "\n[component.stray]\nsource = \"nowhere.wasm\"\nallowed_outbound_hosts = 7\n",
            "allowed_outbound_hosts",
        ),
        ("this is not TOML".to_owned(), "spin.toml"),
    ];
    for (text, key) in cases {
        std::fs::write(folder.path().join("spin.toml"), text).unwrap();
        let mut up = Command::new(Host::program());
        up.args([
            "up",
            "--listen",
            "127.0.0.1:0",
            "--dns-listen",
            "127.0.0.1:0",
            "--state-dir",
            "data",
            "-f",
        ]);
        let output = tools::output(up.arg("spin.toml").current_dir(folder.path()));
        let shown = tools::shown(&output);
        assert!(!output.status.success(), "{key}: the host started");
        assert!(shown.contains("spin.toml") && shown.contains(key), "{key}: {shown}");
    }
}
