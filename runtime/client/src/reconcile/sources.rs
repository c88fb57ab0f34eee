//! `vwp reconcile source`: who sends statements, and how they are compared.

use super::{ROOT, SourceArguments, all};
use crate::connection::CallerArguments;
use crate::input;
use crate::output::{Column, OutputArguments, at};
use crate::port::Body;
use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::Value;
use std::path::PathBuf;
use ureq::http::Method;

/// The longest definition, in bytes.
const DEFINITION_LENGTH_MAX: usize = 32_768;

const COLUMNS: &[Column<'_>] = &[
    ("NAME", |source| at(source, "/name")),
    ("KIND", |source| at(source, "/kind")),
    ("CURRENCY", |source| at(source, "/currency")),
    ("OWNER", |source| at(source, "/account/owner")),
    ("ASSET", |source| at(source, "/account/asset")),
];

/// What is done with sources.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List them
    List(ListArguments),
    /// Show one
    Show(SourceArguments),
    /// Make one, or change it
    Put(PutArguments),
}

/// What `vwp reconcile source list` is given.
#[derive(Debug, Args)]
pub struct ListArguments {
    #[command(flatten)]
    caller: CallerArguments,
    #[command(flatten)]
    output: OutputArguments,
}

/// What `vwp reconcile source put` is given.
#[derive(Debug, Args)]
pub struct PutArguments {
    #[command(flatten)]
    source: SourceArguments,
    /// A file with the definition in JSON, or - for the standard input
    file: PathBuf,
}

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::List(arguments) => {
            let sources = all(&arguments.caller.port()?, ROOT, "sources", &[])?;
            arguments.output.rows(&sources, COLUMNS)
        }
        Command::Show(arguments) => {
            let source: Value = arguments.caller.port()?.get(&arguments.path(""))?;
            arguments.output.thing(&source, &[])
        }
        Command::Put(PutArguments { source, file }) => {
            let definition = String::from_utf8(input::read(file, DEFINITION_LENGTH_MAX)?)
                .with_context(|| format!("{} is not text", file.display()))?;
            let body = Some(Body::json(&definition));
            let put: Value = source.caller.port()?.json(&Method::PUT, &source.path(""), body)?;
            source.output.thing(&put, &[])
        }
    }
}
