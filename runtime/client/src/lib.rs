//! What operators, travellers and verifiers do from a shell: keys, signatures, imports.
//!
//! [`Command`] holds the subcommands, which the `vwp` binary mounts beside its own, and
//! [`run`] carries one out. The functions behind them are public, so that a program
//! (or a test) does the same without a process in between:
//!
//! - [`key`]: private keys in owner-only files.
//! - [`sign`]: signed statements, operators' assertions, and proofs of possession.
//! - [`presentation`]: passports, presented by travellers and verified offline by worlds.
//! - [`port`]: a small HTTP client for one port.
//! - [`import`]: registering many worlds from a list.
//! - [`keyring`]: the port's own signing keys, listed and rotated by an administrator.

pub mod import;
pub mod input;
pub mod key;
pub mod keyring;
pub mod port;
pub mod presentation;
pub mod sign;

use clap::Subcommand;

/// The exit status when a port refused something and everything else was done.
pub const EXIT_REFUSED: u8 = 2;
/// The exit status of every other failure.
pub const EXIT_FAILED: u8 = 1;

/// The subcommands of this crate.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a private key, or show whose it is
    #[command(subcommand)]
    Key(key::Command),
    /// Sign a statement, such as a world record or a transfer
    Sign(sign::SignArguments),
    /// Sign an operator's assertion for requests without a body
    Token(sign::TokenArguments),
    /// Sign a proof of possession, which a passport is issued for
    Prove(sign::ProveArguments),
    /// Present a passport to a verifier, with as much of it as you choose
    Present(presentation::PresentArguments),
    /// Verify a presentation offline, with the issuer's published keys
    Verify(presentation::VerifyArguments),
    /// Register the worlds of a list
    Import(import::ImportArguments),
    /// List or rotate the keys that the port itself signs with
    #[command(subcommand)]
    Keys(keyring::Command),
}

/// Carries a subcommand out. Results go to the standard output, everything else to
/// the standard error.
pub fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Key(command) => key::run(command),
        Command::Sign(arguments) => sign::run_sign(&arguments),
        Command::Token(arguments) => sign::run_token(&arguments),
        Command::Prove(arguments) => sign::run_prove(&arguments),
        Command::Present(arguments) => presentation::run_present(&arguments),
        Command::Verify(arguments) => presentation::run_verify(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Keys(command) => keyring::run(&command),
    }
}

/// The exit status that an error of [`run`] deserves: [`EXIT_REFUSED`] if a port
/// refused some of an import, [`EXIT_FAILED`] otherwise.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<import::SomeRefused>() { EXIT_REFUSED } else { EXIT_FAILED }
}
