//! The middleware of `examples/passport-check`, composed as its README says with the verifier and
//! with a handler that knows nothing of the port: who presents a passport for the world is let
//! through and named to the handler, and nobody else is.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;
use vwp_client::presentation;
use vwp_client::sign;
use vwp_core::jose;
use vwp_tests::host::Host;
use vwp_tests::http::{Call, Http, Reply};
use vwp_tests::people::{Operator, Traveller};
use vwp_tests::{build_folder, project, tools};
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions};

/// The manifest that the README shows.
const README: &str = include_str!("../../examples/passport-check/README.md");

/// The middleware with the verifier and the foreign handler inside.
fn checked() -> &'static Path {
    static CHECKED: OnceLock<PathBuf> = OnceLock::new();
    CHECKED.get_or_init(|| {
        let target = project().join("target/guests");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--release", "--locked", "--workspace", "--target", "wasm32-wasip2"]);
        cargo.arg("--manifest-path").arg(project().join("tests/guests/typed/Cargo.toml"));
        cargo.arg("--target-dir").arg(&target).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        tools::run(&mut cargo);
        let read = |path: PathBuf| {
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let built = |name: &str| read(project().join("target/wasm32-wasip2/release").join(name));
        let check = plugged(built("vwp_passport_check.wasm"), built("vwp_verifier_component.wasm"));
        let checked = plugged(check, read(target.join("wasm32-wasip2/release/vwp_foreign_guest.wasm")));
        let path = target.join("passport-checked.wasm");
        std::fs::write(&path, checked).expect("a file");
        path
    })
}

/// What `wac plug SOCKET --plug PLUG` makes: the socket with all that it imports and the plug
/// exports filled.
fn plugged(socket: Vec<u8>, plug: Vec<u8>) -> Vec<u8> {
    let mut graph = CompositionGraph::new();
    let mut instance = |bytes: Vec<u8>, name: &str| {
        let package = Package::from_bytes(name, None, bytes, graph.types_mut()).expect("a component");
        let package = graph.register_package(package).expect("another name");
        (package, graph.instantiate(package))
    };
    let (socket, socket_instance) = instance(socket, "test:socket");
    let (plug, plug_instance) = instance(plug, "test:plug");
    let (socket, plug) = (&graph.types()[graph[socket].ty()], &graph.types()[graph[plug].ty()]);
    let plugs: Vec<String> =
        plug.exports.keys().filter(|name| socket.imports.contains_key(*name)).cloned().collect();
    let exports: Vec<String> = socket.exports.keys().cloned().collect();
    assert!(!plugs.is_empty(), "the plug fits");
    for name in plugs {
        let export = graph.alias_instance_export(plug_instance, &name).expect("the plug exports it");
        graph.set_instantiation_argument(socket_instance, &name, export).expect("the socket imports it");
    }
    for name in exports {
        let export = graph.alias_instance_export(socket_instance, &name).expect("the socket exports it");
        graph.export(export, &name).expect("it is exported once");
    }
    graph.encode(EncodeOptions::default()).expect("the composition is valid")
}

/// The world's own host, which serves the foreign handler behind the middleware.
struct World {
    child: Child,
    folder: TempDir,
    http: Http,
}

impl World {
    /// Starts with the README's manifest.
    fn start(issuer: &str, name: &str, keys: &str) -> Self {
        let folder = TempDir::with_prefix("vwp-passport-check-").expect("a folder");
        let (_, manifest) = README.split_once("```toml\n").expect("the README shows a manifest");
        let (manifest, _) = manifest.split_once("```").expect("the manifest ends");
        let manifest = manifest.replace("checked.wasm", &checked().display().to_string());
        std::fs::write(folder.path().join("spin.toml"), manifest).expect("a manifest");
        let state = folder.path().join("state");
        std::fs::create_dir(&state).expect("a folder for the state");
        // Compiled code is worth keeping between runs; the state is not.
        std::os::unix::fs::symlink(build_folder("cache"), state.join("cache")).expect("a link");
        let log = File::create(folder.path().join("log")).expect("a file for the log");
        let mut command = Command::new(Host::program());
        command.arg("up").arg("-f").arg(folder.path()).arg("--state-dir").arg(state);
        command.args(["--listen", "127.0.0.1:0", "--dns-listen", "127.0.0.1:0"]);
        for (name, value) in [("issuer", issuer), ("world", name), ("keys", keys)] {
            command.arg("--variable").arg(format!("passport_{name}={value}"));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().expect("vwp is built and starts");
        let mut printed = BufReader::new(child.stdout.take().expect("standard output is piped")).lines();
        let serving = |line: String| Some(line.strip_prefix("Serving ")?.to_owned());
        let url = printed.by_ref().map_while(Result::ok).find_map(serving).unwrap_or_default();
        // Nobody else reads what it goes on to print, and a full pipe would stop it.
        std::thread::spawn(move || printed.map_while(Result::ok).for_each(drop));
        let world = Self { child, folder, http: Http::new(&url) };
        assert!(!url.is_empty(), "the host did not start:\n{}", world.log());
        world
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The nonce that somebody is given who has none.
    #[track_caller]
    fn nonce(&self) -> String {
        let reply = self.http.send(&Call::get("/"));
        reply.expect_problem(401, "passport-refused");
        assert_eq!(reply.text("reason"), "passport-missing");
        let nonce = reply.text("nonce");
        assert_eq!(reply.header("www-authenticate"), format!("Passport nonce=\"{nonce}\""));
        nonce
    }

    /// Sends a request with a presentation.
    fn show(&self, call: Call, shown: &str, nonce: &str) -> Reply {
        let call = call.header("authorization", format!("Passport {shown}"));
        self.http.send(&call.header("passport-nonce", nonce))
    }

    /// Requires that a presentation is refused for a reason, and gives the next nonce.
    #[track_caller]
    fn refuses(&self, shown: &str, nonce: &str, reason: &str) {
        let reply = self.show(Call::get("/"), shown, nonce);
        reply.expect_problem(401, "passport-refused");
        assert_eq!(reply.text("reason"), reason, "{}", reply.shown());
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = self.log();
        if std::thread::panicking() {
            eprintln!("the world's log:\n{log}");
        } else {
            assert!(!log.contains("panicked at"), "the world logged defects: {log}");
        }
    }
}

/// The port that issues, a world that is registered there, and its own host.
struct Stage {
    port: Arc<Host>,
    operator: Operator,
    world: World,
}

impl Stage {
    fn set() -> Self {
        let port = Host::shared();
        let operator = Operator::registered(&port, "arena");
        let keys = port.http.send(&Call::get("/.well-known/jwks.json")).expect(200).json().to_string();
        let world = World::start(&port.issuer, &operator.world, &keys);
        Self { port, operator, world }
    }

    /// A copy of a traveller's passport for one world.
    #[track_caller]
    fn copy(&self, traveller: &Traveller, world: &str) -> String {
        let proof = sign::proof_of_possession(&traveller.key, &self.port.issuer).expect("a proof");
        let order = json!({ "proof": proof, "world": world });
        let call = Call::json("/v1/passports", &order).bearer(&traveller.token);
        self.port.http.send(&call).expect(200).text("passport")
    }

    /// A presentation to the world with nothing disclosed.
    fn present(&self, traveller: &Traveller, passport: &str, nonce: &str) -> String {
        self.reveal(traveller, passport, nonce, &[])
    }

    /// A presentation to the world that discloses some claims.
    fn reveal(&self, traveller: &Traveller, passport: &str, nonce: &str, claims: &[&str]) -> String {
        presentation::present(&traveller.key, passport, &self.operator.world, nonce, claims)
            .expect("a presentation")
    }
}

/// The values of each header that the handler got.
fn headers(seen: &Value) -> BTreeMap<String, Vec<String>> {
    serde_json::from_value(seen["headers"].clone()).expect("lists of texts")
}

/// The claims that the handler was told.
#[track_caller]
fn claims(headers: &BTreeMap<String, Vec<String>>) -> Value {
    let [told] = headers["passport-claims"].as_slice() else { panic!("claims, once: {headers:?}") };
    serde_json::from_slice(&jose::decode(told).expect("base64url")).expect("JSON")
}

#[test]
fn a_handler_is_told_what_the_traveller_discloses_and_nothing_else() {
    let stage = Stage::set();
    let ada = Traveller::signed_in(&stage.port);
    let copy = stage.copy(&ada, &stage.operator.world);
    let nonce = stage.world.nonce();
    let shown = [stage.present(&ada, &copy, &nonce), stage.reveal(&ada, &copy, &nonce, &["handle"])];
    let [hidden, disclosed] = shown.map(|shown| {
        let seen = stage.world.show(Call::get("/"), &shown, &nonce).expect(200).json();
        claims(&headers(&seen))
    });
    assert_eq!(hidden.get("handle"), None, "{hidden}");
    assert_eq!(disclosed["handle"], ada.handle.as_str());
    assert_eq!(disclosed["iss"], stage.port.issuer.as_str());
    // Neither is of use to a handler, and both would tell copies of one traveller apart.
    assert_eq!((disclosed.get("cnf"), disclosed.get("status")), (None, None), "{disclosed}");
}

#[test]
fn a_traveller_is_let_through_and_named_to_a_handler_that_knows_no_passports() {
    let stage = Stage::set();
    let (ada, grace) = (Traveller::signed_in(&stage.port), Traveller::signed_in(&stage.port));
    let mut subjects = Vec::new();
    for traveller in [&ada, &grace, &ada] {
        let nonce = stage.world.nonce();
        let shown = stage.present(traveller, &stage.copy(traveller, &stage.operator.world), &nonce);
        let call = Call::new("POST", "/duels?of=today")
            .body("text/plain", "on the hill")
            .header("passport-subject", "somebody-else")
            .header("Passport_Subject", "somebody-else")
            .header("passport-presentation", "forged")
            .header("passport-claims", "forged");
        let seen = stage.world.show(call, &shown, &nonce).expect(200).json();
        assert_eq!(
            (&seen["method"], &seen["path"], &seen["content"]),
            (&json!("POST"), &json!("/duels?of=today"), &json!("on the hill"))
        );
        let headers = headers(&seen);
        assert_eq!(headers["content-type"], ["text/plain"]);
        assert_eq!(headers["passport-subject"].len(), 1, "{seen}");
        assert_eq!(headers["passport-presentation"].len(), 1, "{seen}");
        assert_ne!(headers["passport-presentation"], ["forged"]);
        for gone in ["authorization", "passport-nonce", "passport_subject"] {
            assert!(!headers.contains_key(gone), "the handler got `{gone}`: {seen}");
        }
        assert_eq!(claims(&headers)["sub"], headers["passport-subject"][0].as_str());
        subjects.extend(headers["passport-subject"].clone());
    }
    // The same at every visit, another for everybody else, and not what the port calls them.
    assert_eq!(subjects[0], subjects[2]);
    assert_ne!(subjects[0], subjects[1]);
    assert!(subjects.iter().all(|subject| *subject != ada.id && *subject != grace.id));
}

#[test]
fn whoever_presents_no_passport_for_this_world_and_nonce_is_refused() {
    let stage = Stage::set();
    let world = &stage.world;
    let (ada, mallory) = (Traveller::signed_in(&stage.port), Traveller::signed_in(&stage.port));
    let copy = stage.copy(&ada, &stage.operator.world);
    let nonce = world.nonce();
    let shown = stage.present(&ada, &copy, &nonce);

    let of_mine = stage.present(&ada, &copy, "a-nonce-of-my-own");
    world.refuses(&of_mine, "a-nonce-of-my-own", "nonce-stale");
    world.refuses(&of_mine, &nonce, "nonce-mismatch");
    world.refuses(&shown, "", "nonce-stale");
    world.refuses(&copy, &nonce, "key-binding-missing");
    let stolen = presentation::present(&mallory.key, &copy, &stage.operator.world, &nonce, &[]);
    world.refuses(&stolen.expect("a presentation"), &nonce, "key-binding-signature");
    let elsewhere = presentation::present(&ada.key, &copy, "elsewhere", &nonce, &[]);
    world.refuses(&elsewhere.expect("a presentation"), &nonce, "audience-mismatch");
    let other = Operator::registered(&stage.port, "other");
    let for_other = stage.present(&ada, &stage.copy(&ada, &other.world), &nonce);
    world.refuses(&for_other, &nonce, "passport-audience");
    let for_any = stage.present(&ada, &ada.passport(&stage.port), &nonce);
    world.refuses(&for_any, &nonce, "passport-not-pairwise");
    world.refuses("no-passport", &nonce, "presentation-malformed");

    // None of it has spoilt the nonce.
    let seen = world.show(Call::get("/"), &shown, &nonce).expect(200).json();
    assert_eq!(headers(&seen)["passport-subject"].len(), 1);
}

#[test]
fn a_port_whose_keys_are_not_set_is_not_believed() {
    let stage = Stage::set();
    let ada = Traveller::signed_in(&stage.port);
    let world = World::start(&stage.port.issuer, &stage.operator.world, r#"{"keys":[]}"#);
    let nonce = world.nonce();
    let shown = stage.present(&ada, &stage.copy(&ada, &stage.operator.world), &nonce);
    let reply = world.show(Call::get("/"), &shown, &nonce);
    reply.expect_problem(401, "passport-refused");
}
