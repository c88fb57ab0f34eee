//! The DNS zone, for who runs the port: its keys, its secondaries and its contents.

mod copy;
mod keys;
mod secondaries;
mod tsig;

use crate::connection::AdministratorArguments;
use crate::exit;
use crate::output::OutputArguments;
use crate::port::{Port, segment};
use clap::{Args, Subcommand};
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
    /// The zone, if it is not the one of the port's own worlds
    #[arg(long, value_name = "NAME")]
    zone: Option<String>,
}

impl ZoneArguments {
    fn port(&self) -> anyhow::Result<Port> {
        self.administrator.port()
    }

    /// The target of a request about the zone, with more parameters.
    fn target(&self, path: &str, parameters: &[(&str, &str)]) -> String {
        let zone = self.zone.iter().map(|zone| ("zone", zone.as_str()));
        let mut query = form_urlencoded::Serializer::new(String::new());
        let query = query.extend_pairs(zone.chain(parameters.iter().copied())).finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Status(arguments) => {
            let status: Value = arguments.port()?.get(&arguments.target("/v1/zone", &[]))?;
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
    format!("{resource}/{}", segment(name))
}

/// The items of a list that an answer carries under a name.
fn items(mut answer: Value, name: &str) -> Vec<Value> {
    match answer.get_mut(name).map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: ZoneArguments,
    }

    fn target(line: &str, parameters: &[(&str, &str)]) -> String {
        Line::parse_from(line.split(' ')).arguments.target("/v1/zone", parameters)
    }

    #[test]
    fn a_zone_is_named_where_it_is_not_the_ports_own() {
        assert_eq!(target("zone", &[]), "/v1/zone");
        assert_eq!(target("zone --zone a.example", &[]), "/v1/zone?zone=a.example");
        assert_eq!(
            target("zone --zone a.example", &[("format", "json")]),
            "/v1/zone?zone=a.example&format=json"
        );
    }
}
