//! The Debian packages that tests use.
//!
//! Each test installs what it needs and does not find, one after the other, while all wait. Where CI
//! compiles for minutes before the first of them runs, everything is installed meanwhile.

use std::process::{Command, Stdio};
use std::thread::JoinHandle;

/// What tests ask for by themselves if it is not here.
const PACKAGES: &[&str] = &[
    "beancount",
    "bind9",
    "bind9-dnsutils",
    "bind9-utils",
    "chromium",
    "chromium-driver",
    "curl",
    "golang-go",
    "golang-golang-x-mod-dev",
    "hledger",
    "knot",
    "knot-dnssecutils",
    "knot-dnsutils",
    "ldnsutils",
    "nodejs",
    "npm",
    "nsd",
    "postgresql",
    "prometheus",
    "python3-venv",
    "unbound",
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
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    apt(&["update", "-qq"]) && apt(&[&["install", "-y", "-qq"], PACKAGES].concat())
}
