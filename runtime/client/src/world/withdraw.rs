//! `vwp world withdraw`: taking a world off.

use crate::connection::PortArguments;
use crate::key::Key;
use crate::output::OutputArguments;
use clap::Args;
use std::path::PathBuf;

/// What `vwp world withdraw` is given.
#[derive(Debug, Args)]
pub struct WithdrawArguments {
    #[command(flatten)]
    port: PortArguments,
    #[command(flatten)]
    output: OutputArguments,
    /// The operator's key file
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The operator's id, if the key is not the one that the operator began with
    #[arg(long, value_name = "ID")]
    operator: Option<String>,
    /// The world's name
    name: String,
}

pub(super) fn run(_arguments: &WithdrawArguments) -> anyhow::Result<()> {
    anyhow::bail!("-")
}
