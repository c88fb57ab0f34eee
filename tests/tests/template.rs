//! The template for a new world: it becomes a project that builds and lets travellers in, rendered as Spin
//! renders templates, or by Spin itself where one is at hand.

use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use vwp_client::presentation;
use vwp_client::sign;
use vwp_tests::application::Application;
use vwp_tests::host::Host;
use vwp_tests::http::{Call, Reply};
use vwp_tests::people::{Operator, Traveller};
use vwp_tests::{build_folder, project, tools, unique};

/// What the build of the project is given besides, so that its libraries are those that were compiled already: what
/// the workspace's profile says.
const PROFILE: [&str; 4] = [
    "profile.release.codegen-units=16",
    "profile.release.overflow-checks=true",
    "profile.release.strip=\"debuginfo\"",
    "profile.release.package.\"*\".codegen-units=1",
];

fn template() -> PathBuf {
    project().join("templates/vwp-world")
}

/// The files of the template's content, by their paths there.
fn contents(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()) {
        if path.is_dir() { found.extend(contents(&path)) } else { found.push(path) }
    }
    found
}

/// The parameters of a new project, with what the template's manifest says where nothing else is.
fn parameters(given: &[(&str, &str)]) -> BTreeMap<String, String> {
    let manifest =
        std::fs::read_to_string(template().join("metadata/spin-template.toml")).expect("a manifest");
    let manifest: toml::Table = manifest.parse().expect("TOML");
    let asked = manifest["parameters"].as_table().expect("parameters");
    let default = |about: &toml::Value| about["default"].as_str().expect("a default").to_owned();
    let mut values: BTreeMap<String, String> =
        asked.iter().map(|(name, about)| (name.clone(), default(about))).collect();
    // What Spin knows by itself.
    values.insert("authors".to_owned(), "Ada <ada@harbour.example>".to_owned());
    values.extend(given.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
    values
}

/// A text with its parameters in place, as Spin's templates are rendered (Liquid). Of Liquid, what this template may
/// use: values, two of Spin's filters, and text that is left as it is.
fn rendered(text: &str, values: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    for (at, part) in text.split("{% raw %}").enumerate() {
        let (raw, rest) =
            if at == 0 { ("", part) } else { part.split_once("{% endraw %}").expect("it ends") };
        out.push_str(raw);
        let mut pieces = rest.split("{{");
        out.push_str(pieces.next().unwrap_or_default());
        for piece in pieces {
            let (expression, after) = piece.split_once("}}").expect("an expression ends");
            let (name, filter) = expression.split_once('|').unwrap_or((expression, ""));
            let value = values.get(name.trim()).unwrap_or_else(|| panic!("there is no parameter {name}"));
            out.push_str(&match filter.trim() {
                "" => value.clone(),
                "kebab_case" => value.to_lowercase().replace(['_', ' '], "-"),
                "snake_case" => value.to_lowercase().replace(['-', ' '], "_"),
                other => panic!("this template uses no filter {other}"),
            });
            out.push_str(after);
        }
    }
    assert!(!out.contains("{%"), "the template has no other tags");
    out
}

/// Makes a project, as `spin new` does.
fn render(folder: &Path, given: &[(&str, &str)]) {
    let (values, content) = (parameters(given), template().join("content"));
    for file in contents(&content) {
        let below = file.strip_prefix(&content).expect("below the content").to_owned();
        let below =
            if below.extension().is_some_and(|it| it == "tmpl") { below.with_extension("") } else { below };
        let target = folder.join(below);
        std::fs::create_dir_all(target.parent().expect("a folder")).expect("a folder is made");
        let text = std::fs::read_to_string(&file).expect("text");
        std::fs::write(target, rendered(&text, &values)).expect("a file is written");
    }
}

/// Has Spin make the project.
fn render_with_spin(spin: &Path, folder: &Path, given: &[(&str, &str)]) {
    let home = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(spin);
        command.args(arguments).env("HOME", home.path()).env("XDG_DATA_HOME", home.path().join("data"));
        tools::run(&mut command)
    };
    // Spin looks for a folder `templates` in what it is given.
    run(&["templates", "install", "--dir", &project().display().to_string()]);
    let mut arguments = vec!["new", "-t", "vwp-world", "--accept-defaults", "--allow-overwrite", "-o"];
    let folder = folder.display().to_string();
    arguments.push(&folder);
    let values: Vec<String> = given.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let (name, values) = values.split_first().expect("the project's name is the first");
    for value in values {
        arguments.extend(["--value", value]);
    }
    arguments.push(name.split_once('=').expect("a name").1);
    run(&arguments);
}

/// Compiles a project with the versions and into the folder of the workspace, whose libraries are there already.
fn build(folder: &Path) {
    std::fs::copy(project().join("Cargo.lock"), folder.join("Cargo.lock")).expect("a lock file");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--release", "--offline", "--target", "wasm32-wasip2", "--target-dir"]);
    cargo.arg(project().join("target")).current_dir(folder);
    for setting in PROFILE {
        cargo.args(["--config", setting]);
    }
    tools::run(cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS"));
}

/// A world of the template, and the port whose passports it believes.
struct World {
    port: std::sync::Arc<Host>,
    name: String,
    application: Application,
}

impl World {
    fn found() -> Self {
        let port = Host::shared();
        let name = Operator::registered(&port, "harbour").world;
        let built = project().join("target/wasm32-wasip2/release");
        let verifier = built.join("vwp_verifier_component.wasm").display().to_string();
        let given = [("project-name", "Free Harbour"), ("port-url", &port.issuer), ("verifier", &verifier)];
        // Below the project, whose settings for cargo hold there.
        let folder = build_folder("template");
        std::fs::remove_dir_all(&folder).expect("what was made before is taken away");
        match std::env::var_os("SPIN").filter(|_| std::env::var("VWP_HOST").as_deref() == Ok("spin")) {
            Some(spin) => render_with_spin(Path::new(&spin), &folder, &given),
            None => render(&folder, &given),
        }
        build(&folder);
        let manifest = std::fs::read_to_string(folder.join("spin.toml")).expect("a manifest");
        let wasm = built.join("free_harbour.wasm").display().to_string();
        let manifest = manifest.replace("target/wasm32-wasip2/release/free_harbour.wasm", &wasm);
        let application = Application::start(&manifest, &[("world", &name)]);
        Self { port, name, application }
    }

    fn enter(&self, nonce: &str, shown: &str) -> Reply {
        let body = json!({ "nonce": nonce, "presentation": shown });
        self.application.http.send(&Call::json("/entries", &body))
    }
}

#[test]
fn a_world_of_the_template_lets_in_who_has_a_passport_for_it() {
    let world = World::found();
    let asked = world.application.http.send(&Call::get("/")).expect(200);
    assert_eq!(asked.text("world"), world.name);
    let nonce = asked.text("nonce");

    let ada = Traveller::signed_in(&world.port);
    let proof = sign::proof_of_possession(&ada.key, &world.port.issuer).expect("a proof");
    let order = json!({ "proof": proof, "world": world.name });
    let ask = Call::json("/v1/passports", &order).bearer(&ada.token);
    let passport = world.port.http.send(&ask).expect(200).text("passport");
    let present = |audience: &str, nonce: &str| {
        presentation::present(&ada.key, &passport, audience, nonce, &["handle"]).expect("a presentation")
    };
    let entered = world.enter(&nonce, &present(&world.name, &nonce)).expect(200);
    assert_eq!(entered.text("handle"), ada.handle);
    assert!(!entered.text("subject").is_empty());

    let other = unique("1795372522.");
    for (nonce, shown) in [
        (&*nonce, present("elsewhere", &nonce)),
        (&*nonce, present(&world.name, "another")),
        (&*nonce, ada.passport(&world.port)),
        (&*other, present(&world.name, &other)),
    ] {
        let refused = world.enter(nonce, &shown).expect(401);
        assert!(!refused.text("error").is_empty(), "{}", refused.shown());
    }
    let _ = world.application.http.send(&Call::json("/entries", &json!({}))).expect(400);
    let _ = world.application.http.send(&Call::get("/elsewhere")).expect(404);
}

#[test]
fn the_template_has_the_package_that_the_port_has() {
    let read = |path: PathBuf| std::fs::read_to_string(path).expect("a file");
    let copy = read(template().join("content/wit/vwp-auth/auth.wit"));
    assert_eq!(copy, read(project().join("wit/auth/auth.wit")), "copy wit/auth/auth.wit to the template");
}
