//! `vwp doctor`: looks at a deployment and says what is wrong with it, in plain words.
//!
//! It is told what `vwp up` is told, changes nothing that matters, and may be run while the
//! deployment serves; what only the process that serves can know it is asked over the control
//! socket. A finding is *ok*, a *warning* (it works, and may not go on doing so), or *wrong*,
//! which makes the exit status 1. What cannot be looked at is said too.
//!
//! - [`files`]: the state folder, its secrets, and room on the disk.
//! - [`system`]: descriptors, the clock, memory, and ports.
//! - [`store`]: what the store holds, to the last byte.
//! - [`certificate`]: the certificate of TLS.
//! - [`delegation`]: what the DNS says of the zone.

mod certificate;
mod delegation;
mod files;
mod store;
mod system;

use crate::manifest::{self, App, Mode};
use crate::runtime_config::RuntimeConfig;
use crate::{arguments, check, dns};
use anyhow::{Result, bail};
use serde::Serialize;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::PathBuf;
use vwp_client::output::{OutputArguments, at};

/// What `vwp doctor` takes: what `vwp up` takes, where it says where things are.
#[derive(Debug, clap::Args)]
pub struct Doctor {
    /// The manifest, or its folder
    #[arg(short = 'f', long = "from", default_value = ".")]
    from: PathBuf,
    /// Where HTTP is or is to be served
    #[arg(long, env = "SPIN_HTTP_LISTEN_ADDR", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3000",
        value_parser = arguments::address)]
    listen: SocketAddr,
    #[command(flatten)]
    dns: dns::arguments::Arguments,
    /// The certificate of TLS, and the chain behind it, in PEM
    #[arg(long, env = "SPIN_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's key, in PEM
    #[arg(long, env = "SPIN_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Where the store, secrets and compiled code are kept [default: data]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Where databases and stores are that the manifest names, in Spin's format
    #[arg(long, env = "RUNTIME_CONFIG_FILE", value_name = "FILE")]
    runtime_config_file: Option<PathBuf>,
    /// An application variable, or a file of them, as `vwp up` is given them; may be repeated
    #[arg(long = "variable", value_name = "NAME=VALUE | NAME=@FILE | @FILE.json | @FILE.toml")]
    variables: Vec<String>,
    /// Which resolver is asked about the zone [default: the first one in /etc/resolv.conf]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = arguments::address)]
    resolver: Option<SocketAddr>,
    #[command(flatten)]
    output: OutputArguments,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// As it should be.
    Ok,
    /// It works, and may not go on doing so.
    Warning,
    /// It does not work, or is not safe.
    Wrong,
    /// It was not looked at, for the reason that is told.
    Skipped,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    /// What was looked at.
    check: String,
    /// How it is.
    state: State,
    /// What was seen, and what to do about it.
    text: String,
}

impl Finding {
    fn new(check: impl Into<String>, state: State, text: impl Into<String>) -> Self {
        Self { check: check.into(), state, text: text.into() }
    }

    fn ok(check: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(check, State::Ok, text)
    }

    fn warning(check: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(check, State::Warning, text)
    }

    fn wrong(check: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(check, State::Wrong, text)
    }

    fn skipped(check: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(check, State::Skipped, text)
    }
}

impl Doctor {
    /// Looks at everything, and prints what it found. Fails if something is wrong.
    pub fn run(&self) -> Result<()> {
        let findings = self.findings();
        let rows: Vec<Value> = findings.iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
        self.output.rows(
            &rows,
            &[
                ("CHECK", |row| at(row, "/check")),
                ("STATE", |row| at(row, "/state")),
                ("WHAT", |row| at(row, "/text")),
            ],
        )?;
        let wrong = findings.iter().filter(|finding| finding.state == State::Wrong).count();
        match wrong {
            0 => Ok(()),
            1 => bail!("one thing is wrong"),
            wrong => bail!("{wrong} things are wrong"),
        }
    }

    fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let app = match manifest::load(&self.from, Mode::Full) {
            Ok(app) => Some(app),
            Err(error) => {
                findings.push(Finding::wrong("manifest", error.to_string()));
                None
            }
        };
        let config = RuntimeConfig::load(self.runtime_config_file.as_deref()).unwrap_or_else(|error| {
            findings.push(Finding::wrong("runtime configuration", format!("{error:#}")));
            RuntimeConfig::default()
        });
        let state = self.state_dir.clone().or(config.state_dir.clone()).unwrap_or("data".into());
        let serving = store::serving(&state);
        findings.extend(app.as_ref().map(|app| satisfied(app, serving.is_some())));
        files::look(&state, &mut findings);
        store::look(&state, serving.as_ref(), &mut findings);
        findings.push(system::descriptors());
        system::clock(&state, &mut findings);
        if let Some(app) = &app {
            findings.push(system::memory(app));
        }
        let (dns, dns_tls) = self.dns.addresses();
        let is_resolving = app.as_ref().is_none_or(|app| app.resolver.is_some());
        let mut ports = vec![("HTTP", self.listen, false)];
        if is_resolving {
            ports.push(("DNS", dns, true));
            ports.extend(dns_tls.map(|address| ("DNS over TLS", address, false)));
        }
        findings.extend(ports.into_iter().map(|port| system::port(port, serving.is_some())));
        if let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) {
            certificate::look(certificate, key, &mut findings);
        }
        match (app.filter(|app| app.resolver.is_some()), arguments::variables(&self.variables)) {
            (Some(app), Ok(given)) => {
                let given = config.supplement(&app, given);
                findings.push(delegation::look(&app, &given, self.resolver));
            }
            (_, Err(error)) => findings.push(Finding::wrong("variables", format!("{error:#}"))),
            (None, Ok(_)) => {}
        }
        findings
    }
}

/// Whether this host offers what the components need: what `vwp check` says in full. That takes
/// compiling them, so beside a process that serves, which has done it, nothing is compiled.
fn satisfied(app: &App, is_serving: bool) -> Finding {
    if is_serving {
        return Finding::ok("manifest", "it can be read, and a process serves what it was given");
    }
    match check::examine(app, &mut drop) {
        Ok(()) => Finding::ok("manifest", format!("{} components have what they need", app.components.len())),
        Err(error) => Finding::wrong("manifest", format!("{error:#}; `vwp check` says more")),
    }
}
