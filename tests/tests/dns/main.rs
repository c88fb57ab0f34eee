//! The zone as others see it: clients, validators, name servers and libraries that this
//! project did not write, over loopback.

mod clients;
mod denial;
mod encrypted;
mod exports;
mod libraries;
mod ports;
mod resolver;
mod rollover;
mod secondaries;
mod updates;

use std::net::SocketAddr;
use std::sync::Arc;
use vwp_tests::dns;
use vwp_tests::host::Host;
use vwp_tests::kind::Kind;
use vwp_tests::secondaries::TsigKey;
use vwp_tests::signed::printed_json;
use vwp_tests::tools;

/// The deployment of the tests that only ask, and where it answers; none on a host that
/// answers no DNS.
fn shared() -> Option<(Arc<Host>, SocketAddr)> {
    if !is_tested() {
        return None;
    }
    let host = Host::shared();
    let server = host.dns_for("the zone")?;
    Some((host, server))
}

/// A deployment of our runtime with more arguments than usual, and where it answers.
fn started(arguments: &[&str]) -> Option<(Host, SocketAddr)> {
    if !is_tested() {
        return None;
    }
    let host = Host::start_with(arguments);
    let server = host.dns_for("the zone")?;
    Some((host, server))
}

/// Whether the host that is tested answers DNS, and `dig` is there to ask it.
fn is_tested() -> bool {
    Kind::chosen().is_vwp() && dns::has_dig()
}

/// A new TSIG key, made with options such as `--transfer`.
#[track_caller]
fn tsig_key(host: &Host, name: &str, options: &[&str]) -> TsigKey {
    let mut command = host.shell(&["zone", "tsig-keys", "new", "--json", name]);
    let made = printed_json(command.args(options));
    let secret = made["secret"].as_str().expect("the secret is shown when the key is made");
    TsigKey { name: name.to_owned(), secret: secret.to_owned() }
}

/// Runs a command of the administrator's.
#[track_caller]
fn administer(host: &Host, arguments: &[&str]) -> String {
    tools::run(&mut host.shell(arguments))
}
