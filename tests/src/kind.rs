//! Which host serves the deployments that the tests start: ours, ours as Spin would do it,
//! or Spin.

use crate::host::Host;
use crate::project;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use vwp_core::jose;

/// What our runtime logs in tests.
const LOGGED: &str = "info,vwp_runtime=debug,vwp_store=debug,request=debug";

/// A host of the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `vwp up`, with its own store.
    Vwp,
    /// `vwp up --portable`: what Spin would run, on our runtime.
    Portable,
    /// `spin up`, with this program.
    Spin(PathBuf),
}

impl Kind {
    /// The host that `VWP_HOST` names: `vwp` (or nothing), `portable`, or `spin`, which is
    /// the program that `SPIN` names.
    pub fn chosen() -> Self {
        match std::env::var("VWP_HOST").unwrap_or_default().as_str() {
            "" | "vwp" => Self::Vwp,
            "portable" => Self::Portable,
            "spin" => Self::Spin(std::env::var_os("SPIN").expect("SPIN names the program").into()),
            other => panic!("VWP_HOST is vwp, portable or spin, and not {other}"),
        }
    }

    /// Whether it answers DNS over UDP and TCP, and reads what stands under `tool.vwp`.
    pub fn is_vwp(&self) -> bool {
        *self == Self::Vwp
    }

    /// The command that serves the application, with its state in a folder.
    pub fn serve(&self, state: &Path, listen: &str, dns_listen: &str) -> Command {
        // More than is logged by default, so that more is looked through for secrets.
        let logged = std::env::var("RUST_LOG").unwrap_or_else(|_| LOGGED.to_owned());
        let mut command = match self {
            Self::Vwp => {
                let mut command = Command::new(Host::program());
                command.args(["up", "--dns-listen", dns_listen]).env("RUST_LOG", logged);
                command
            }
            Self::Portable => {
                let mut command = Command::new(Host::program());
                command.args(["up", "--portable"]).env("RUST_LOG", logged);
                command
            }
            Self::Spin(program) => {
                let mut command = Command::new(program);
                command.arg("up");
                for name in ["master_key", "admin_token"] {
                    command.arg("--variable").arg(format!("{name}={}", secret(state, name)));
                }
                command
            }
        };
        let listen = match self {
            Self::Spin(_) => numbered(listen),
            Self::Vwp | Self::Portable => listen.to_owned(),
        };
        if let Self::Spin(_) = self {
            // It does not know by itself where it is reached.
            command.arg("--variable").arg(format!("issuer=http://{listen}"));
        }
        command.arg("-f").arg(project().join("spin.toml")).arg("--state-dir").arg(state);
        command.args(["--listen", &listen]).current_dir(state);
        // A group of its own, because Spin serves from a process that it starts.
        command.process_group(0);
        command
    }
}

/// The address with a port that is free now, if it leaves the port open: Spin takes none
/// that is not known beforehand, because the application must be told it.
fn numbered(listen: &str) -> String {
    if !listen.ends_with(":0") {
        return listen.to_owned();
    }
    let probe = TcpListener::bind(listen).expect("a free port");
    probe.local_addr().expect("the port's number").to_string()
}

/// A secret that lasts as long as the state.
fn secret(state: &Path, name: &str) -> String {
    let file = state.join("secrets").join(name);
    if let Ok(secret) = std::fs::read_to_string(&file) {
        return secret;
    }
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system gives randomness");
    let secret = jose::encode(bytes);
    std::fs::create_dir_all(state.join("secrets")).expect("a folder for secrets");
    std::fs::write(file, &secret).expect("a file for a secret");
    secret
}
