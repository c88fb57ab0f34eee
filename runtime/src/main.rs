//! `vwp`: runs the components of a `spin.toml` on Wasmtime, and what operators and
//! travellers do from a shell.

use clap::{Parser, Subcommand};
use std::io::IsTerminal;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;
use vwp_runtime::check::Check;
use vwp_runtime::up::Up;

/// VirtualWorldPort: the port through which people travel between virtual worlds
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve an application
    Up(Up),
    /// Say what a manifest needs and whether it is satisfied
    Check(Check),
    #[command(flatten)]
    Client(vwp_client::Command),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let quiet = matches!(&cli.command, Command::Up(up) if up.quiet);
    log(if quiet { "error" } else { "info" });
    let result = match cli.command {
        Command::Up(up) => up.run(),
        Command::Check(check) => check.run(),
        Command::Client(command) => vwp_client::run(command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(vwp_client::exit_code(&error))
        }
    }
}

/// Logs to standard error. `RUST_LOG` overrides what is logged.
fn log(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}
