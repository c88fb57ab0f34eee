//! `vwp ledger`: the whole ledger of a port, for other programs.
//!
//! - [`source`]: the log's commands, and what the port's ledger says of them.
//! - `walk`: the log in order, with what became of each of its items.
//! - `book`: the assets and accounts that were met on the way.
//! - `export`: the command. `hledger`, `beancount` and `tables` write one form each.

mod beancount;
mod book;
mod export;
mod hledger;
pub mod source;
mod tables;
mod walk;

use crate::exit;
use clap::Subcommand;

/// What is done with a ledger.
#[derive(Debug, Subcommand)]
#[command(after_help = exit::HELP)]
pub enum Command {
    /// Write all that moved as a journal for hledger or Beancount, or as CSV or JSON
    Export(export::ExportArguments),
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Export(arguments) => export::run(arguments),
    }
}
