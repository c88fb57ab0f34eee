//! `vwp zone secondaries`: the name servers that copy the zone.

use super::{ZoneArguments, below, items};
use crate::output::{Column, at};
use crate::port::Body;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::net::SocketAddr;
use ureq::http::Method;

const SECONDARIES: &str = "/v1/zone/secondaries";

const COLUMNS: &[Column<'_>] = &[
    ("NAME", |secondary| at(secondary, "/name")),
    ("ADDRESS", |secondary| at(secondary, "/address")),
    ("KEY", |secondary| at(secondary, "/key")),
    ("HAS SERIAL", |secondary| at(secondary, "/serial")),
];

/// What is done with secondaries.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List them, with the serial that each has
    List(ZoneArguments),
    /// Add one, or change it: it is told of every new serial, and may copy the zone
    Set(SetArguments),
    /// Remove one
    Remove(RemoveArguments),
}

/// What `vwp zone secondaries set` is given.
#[derive(Debug, Args)]
pub struct SetArguments {
    #[command(flatten)]
    zone: ZoneArguments,
    /// What it is called here
    name: String,
    /// Where it is told of changes (RFC 1996)
    address: SocketAddr,
    /// The name of the TSIG key that it and the port sign with
    #[arg(long, value_name = "NAME")]
    tsig_key: String,
}

/// What `vwp zone secondaries remove` is given.
#[derive(Debug, Args)]
pub struct RemoveArguments {
    #[command(flatten)]
    zone: ZoneArguments,
    /// What it is called here
    name: String,
}

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::List(arguments) => {
            let answer: Value = arguments.port()?.get(&arguments.target(SECONDARIES, &[]))?;
            arguments.output.rows(&items(answer, "secondaries"), COLUMNS)
        }
        Command::Set(arguments) => {
            let body = json!({ "address": arguments.address, "key": arguments.tsig_key }).to_string();
            let port = arguments.zone.port()?;
            let path = below(SECONDARIES, &arguments.name);
            let secondary: Value = port.json(&Method::PUT, &path, Some(Body::json(&body)))?;
            arguments.zone.output.thing(&secondary, &[])
        }
        Command::Remove(arguments) => {
            let port = arguments.zone.port()?;
            port.send(&Method::DELETE, &below(SECONDARIES, &arguments.name), None)?;
            Ok(())
        }
    }
}
