//! `vwp world withdraw`, `transfer` and `accept`: what becomes of a name.

use crate::action::{Action, ActorArguments};
use clap::Args;

/// What `vwp world withdraw` and `vwp world accept` are given.
#[derive(Debug, Args)]
pub struct NameArguments {
    #[command(flatten)]
    actor: ActorArguments,
    /// The world's name
    name: String,
}

/// What `vwp world transfer` is given.
#[derive(Debug, Args)]
pub struct TransferArguments {
    #[command(flatten)]
    actor: ActorArguments,
    /// The id of the operator who is to have the name
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    to: String,
    /// The world's name
    name: String,
}

pub(super) fn run_withdraw(arguments: &NameArguments) -> anyhow::Result<()> {
    arguments.actor.act(&Action::Withdraw { name: &arguments.name })
}

pub(super) fn run_transfer(arguments: &TransferArguments) -> anyhow::Result<()> {
    arguments.actor.act(&Action::Transfer { name: &arguments.name, to: &arguments.to })
}

pub(super) fn run_accept(arguments: &NameArguments) -> anyhow::Result<()> {
    arguments.actor.act(&Action::Accept { name: &arguments.name })
}
