//! `vwp`: runs the components of a `spin.toml` on Wasmtime, and what operators and
//! travellers do from a shell.

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use mimalloc::MiMalloc;
use std::process::ExitCode;
use vwp_runtime::audit::Audit;
use vwp_runtime::check::Check;
use vwp_runtime::operate::backup::Backup;
use vwp_runtime::operate::doctor::Doctor;
use vwp_runtime::operate::restore::Restore;
use vwp_runtime::telemetry::log::{self, LogFormat};
use vwp_runtime::up::Up;

/// Requests are many small allocations on some threads at once, which the C library's allocators do
/// slowly; musl's above all. Without huge pages, which would keep much of what is free.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// VirtualWorldPort: the port through which people travel between virtual worlds
#[derive(Debug, Parser)]
#[command(version, after_help = vwp_client::exit::HELP)]
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
    /// Check that a port's log is what it signed, and its state what the log says
    Audit(Audit),
    /// Write all of the state at this moment into one file, while the port serves or not
    Backup(Backup),
    /// Make the state anew from a backup
    Restore(Restore),
    /// Say what is wrong with a deployment
    Doctor(Doctor),
    /// Print what a shell needs to complete commands
    Completions {
        /// The shell
        shell: Shell,
    },
    #[command(flatten)]
    Client(vwp_client::Command),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let (format, default) = match &cli.command {
        Command::Up(up) => (up.log_format(), if up.quiet { "error" } else { "info" }),
        // What the store says while it is opened is no news there.
        Command::Backup(_) | Command::Restore(_) | Command::Doctor(_) => (LogFormat::Text, "warn"),
        _ => (LogFormat::Text, "info"),
    };
    log::start(format, default);
    let result = match cli.command {
        Command::Up(up) => up.run(),
        Command::Check(check) => check.run(),
        Command::Audit(audit) => audit.run(),
        Command::Backup(backup) => backup.run(),
        Command::Restore(restore) => restore.run(),
        Command::Doctor(doctor) => doctor.run(),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "vwp", &mut std::io::stdout());
            Ok(())
        }
        Command::Client(command) => vwp_client::run(command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            match format {
                LogFormat::Text => eprintln!("error: {error:#}"),
                LogFormat::Json => tracing::error!("{error:#}"),
            }
            ExitCode::from(vwp_client::exit::code(&error))
        }
    }
}
