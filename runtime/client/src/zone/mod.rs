//! The DNS zone, for who runs the port: its keys, its secondaries and its contents.

mod copy;
mod keys;
mod secondaries;
mod tsig;

use crate::connection::AdministratorArguments;
use crate::exit;
use crate::output::OutputArguments;
use clap::{Args, Subcommand};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// What is done with the zone.
#[derive(Debug, Subcommand)]
#[command(after_help = exit::HELP)]
pub enum Command {
    /// Show the zone: its serial, its keys, its name servers
    Status(ZoneArguments),
    /// List the keys that sign the zone, with their DS records for the parent zone
    Keys(ZoneArguments),
    /// Begin a key's replacement
    Roll(keys::RollArguments),
    /// Say that the parent zone has a key's DS record, so that the key before it may go
    DsSeen(keys::DsSeenArguments),
    /// List, add and remove the name servers that copy the zone
    #[command(subcommand)]
    Secondaries(secondaries::Command),
    /// List, make and remove the keys that transfers and updates are signed with
    #[command(subcommand)]
    TsigKeys(tsig::Command),
    /// Write the zone to a file, as a master file or as JSON
    Export(copy::ExportArguments),
    /// Add the records of a master file or of JSON to the zone
    Import(copy::ImportArguments),
}

/// Which port, and how to print.
#[derive(Debug, Args)]
pub struct ZoneArguments {
    #[command(flatten)]
    administrator: AdministratorArguments,
    #[command(flatten)]
    output: OutputArguments,
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Status(arguments) => {
            let status: Value = arguments.administrator.port()?.get("/v1/zone")?;
            arguments.output.thing(&status, &[])
        }
        Command::Keys(arguments) => keys::run_list(arguments),
        Command::Roll(arguments) => keys::run_roll(arguments),
        Command::DsSeen(arguments) => keys::run_ds_seen(arguments),
        Command::Secondaries(command) => secondaries::run(command),
        Command::TsigKeys(command) => tsig::run(command),
        Command::Export(arguments) => copy::run_export(arguments),
        Command::Import(arguments) => copy::run_import(arguments),
    }
}

/// The path of something below another, by its name.
fn below(resource: &str, name: &str) -> String {
    format!("{resource}/{}", utf8_percent_encode(name, NON_ALPHANUMERIC))
}

/// The items of a list that an answer carries under a name.
fn items(mut answer: Value, name: &str) -> Vec<Value> {
    match answer.get_mut(name).map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}
