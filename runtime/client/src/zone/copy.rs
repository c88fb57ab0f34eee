//! `vwp zone export` and `vwp zone import`: a whole zone in a file.

use super::ZoneArguments;
use crate::input;
use crate::port::{ANSWER_LENGTH_MAX, Body};
use crate::world::export::whole_file;
use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde_json::Value;
use std::path::PathBuf;
use ureq::http::Method;

/// What `vwp zone export` is given.
#[derive(Debug, Args)]
pub struct ExportArguments {
    #[command(flatten)]
    zone: ZoneArguments,
    /// The file's format
    #[arg(long, default_value = "master")]
    format: Format,
    /// Where the zone goes; the file appears when all of it is there
    file: PathBuf,
}

/// What `vwp zone import` is given.
#[derive(Debug, Args)]
pub struct ImportArguments {
    #[command(flatten)]
    zone: ZoneArguments,
    /// The file's format
    #[arg(long, default_value = "master")]
    format: Format,
    /// The file, or - for the standard input
    file: PathBuf,
}

/// How a zone is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A master file (RFC 1035, section 5)
    Master,
    /// JSON
    Json,
}

/// The longest zone that is read, in bytes.
const ZONE_LENGTH_MAX: usize = ANSWER_LENGTH_MAX;

pub(super) fn run_export(_arguments: &ExportArguments) -> anyhow::Result<()> {
    bail!("-")
}

pub(super) fn run_import(_arguments: &ImportArguments) -> anyhow::Result<()> {
    bail!("-")
}
