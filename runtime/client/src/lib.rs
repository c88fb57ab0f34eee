//! What operators, travellers and verifiers do from a shell: keys, signatures, imports.
//!
//! [`Command`] holds the subcommands, which the `vwp` binary mounts beside its own, and
//! [`run`] carries one out. The functions behind them are public, so that a program
//! (or a test) does the same without a process in between:
//!
//! - [`key`]: private keys in owner-only files.
//! - [`nsupdate`]: such a key for dynamic updates of the DNS.
//! - [`sign`]: signed statements, operators' assertions, and proofs of possession.
//! - [`presentation`]: passports, presented by travellers and verified offline by worlds.
//! - [`port`]: a small HTTP client for one port.
//! - [`world`]: worlds: registering, finding and following them, and whole lists of them.
//! - [`operator`]: an operator's keys at a port.
//! - [`zone`]: the DNS zone, for who runs the port: its keys, its secondaries, its contents.
//! - [`receipt`]: receipts of transfers, verified offline.
//! - [`reconcile`]: statements of banks and processors, compared with the ledger.
//! - [`webhook`]: where a port tells of what happens, and what has arrived there.
//! - [`ledger`]: the whole ledger, for accounting programs.
//! - [`keyring`]: the port's own signing keys, listed and rotated by an administrator.
//! - `policy`, with the feature of this name: policies, checked and tried on requests.
//! - [`exit`]: what a command's exit status says.

pub mod action;
pub mod connection;
pub mod exit;
pub mod input;
pub mod key;
pub mod keyring;
pub mod ledger;
pub mod nsupdate;
pub mod operator;
pub mod output;
mod patience;
#[cfg(feature = "policy")]
pub mod policy;
pub mod port;
pub mod presentation;
pub mod receipt;
pub mod reconcile;
pub mod sign;
pub mod webhook;
pub mod world;
pub mod zone;

use clap::Subcommand;

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
    /// Register worlds, find them and follow them
    #[command(subcommand)]
    World(world::Command),
    /// Manage an operator's keys at a port
    #[command(subcommand)]
    Operator(operator::Command),
    /// Look after the DNS zone: its keys, its secondaries and its contents
    #[command(subcommand)]
    Zone(zone::Command),
    /// Compare what banks and payment processors say with what the ledger says
    #[command(subcommand)]
    Reconcile(reconcile::Command),
    /// See what was told to your endpoints, tell it again, and replace a secret
    #[command(subcommand)]
    Webhook(webhook::Command),
    /// Hand the ledger on to accounting programs
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// List or rotate the keys that the port itself signs with
    #[command(subcommand)]
    Keys(keyring::Command),
    /// Verify receipts of transfers
    #[command(subcommand)]
    Receipt(receipt::Command),
    /// Check policies, and explain what they decide
    #[cfg(feature = "policy")]
    #[command(subcommand)]
    Policy(policy::Command),
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
        Command::World(command) => world::run(&command),
        Command::Operator(command) => operator::run(&command),
        Command::Zone(command) => zone::run(&command),
        Command::Reconcile(command) => reconcile::run(&command),
        Command::Webhook(command) => webhook::run(&command),
        Command::Ledger(command) => ledger::run(&command),
        Command::Keys(command) => keyring::run(&command),
        Command::Receipt(command) => receipt::run(&command),
        #[cfg(feature = "policy")]
        Command::Policy(command) => policy::run(&command),
    }
}
