//! `vwp world show`: one world.

use super::MACHINE_MEMBERS;
use crate::connection::PortArguments;
use crate::output::OutputArguments;
use clap::Args;
use serde_json::Value;

/// What `vwp world show` is given.
#[derive(Debug, Args)]
pub struct ShowArguments {
    #[command(flatten)]
    port: PortArguments,
    #[command(flatten)]
    output: OutputArguments,
    /// The world's name, in any script
    name: String,
}

pub(crate) fn run(arguments: &ShowArguments) -> anyhow::Result<()> {
    let world: Value = arguments.port.port().get(&super::path(&arguments.name))?;
    arguments.output.thing(&world, MACHINE_MEMBERS)
}
