//! The Debian packages that tests use.
//!
//! Each test installs what it needs and does not find, one after the other, while all wait. Where CI
//! compiles for minutes before the first of them runs, everything is installed meanwhile.

use std::process::{Command, Stdio};
use std::thread::JoinHandle;

/// What tests look for, as a program or a folder, and the package that brings it.
const WANTED: &[(&str, &str)] = &[
    ("bean-check", "beancount"),
    ("chromedriver", "chromium-driver"),
    ("chromium", "chromium"),
    ("curl", "curl"),
    ("dig", "bind9-dnsutils"),
    ("dnssec-verify", "bind9-utils"),
    ("drill", "ldnsutils"),
    ("go", "golang-go"),
    ("/usr/share/gocode/src/golang.org/x/mod", "golang-golang-x-mod-dev"),
    ("hledger", "hledger"),
    ("kdig", "knot-dnsutils"),
    ("knotd", "knot"),
    ("kzonecheck", "knot-dnssecutils"),
    ("named", "bind9"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("nsd", "nsd"),
    ("openssl", "openssl"),
    ("/usr/lib/postgresql", "postgresql"),
    ("promtool", "prometheus"),
    ("python3", "python3-venv"),
    ("unbound", "unbound"),
];

/// An installation that is under way, or none.
#[derive(Debug)]
pub(crate) struct Installing(Option<JoinHandle<bool>>);

impl Installing {
    /// Begins if this is CI and may install.
    pub(crate) fn start() -> Self {
        let is_ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
        Self(is_ci.then(|| std::thread::spawn(install)))
    }

    /// Waits until it has ended. That it failed is nothing to stop for: the tests try again, and say
    /// what they miss.
    pub(crate) fn wait(&mut self) {
        let Some(thread) = self.0.take() else { return };
        if !thread.join().unwrap_or(false) {
            eprintln!("not all Debian packages were installed beforehand; the tests will try");
        }
    }
}

fn install() -> bool {
    let missing: Vec<&str> =
        WANTED.iter().filter(|(what, _)| !is_there(what)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return true;
    }
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    apt(&["update", "-qq"]) && apt(&[&["install", "-y", "-qq"], missing.as_slice()].concat())
}

/// Whether a program can be started by its name, or a path is there.
fn is_there(what: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(what).exists())
}
