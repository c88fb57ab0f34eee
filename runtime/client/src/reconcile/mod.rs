//! `vwp reconcile`: what banks and payment processors say happened, beside what the ledger says.

mod breaks;
mod import;
mod report;
mod sources;

use crate::connection::CallerArguments;
use crate::output::OutputArguments;
use crate::port::{Port, segment, with_query};
use clap::{Args, Subcommand};
use serde_json::Value;

/// The exit statuses, of which one more than elsewhere.
const HELP: &str = "Exit status:
  0  done; of run and report: both sides agree
  1  refused, or failed
  2  the command line is wrong
  3  there is no such thing
  4  the port cannot be reached or is busy: nothing was changed, try again
  5  it is not known whether the change was made: look before you repeat it
  6  of run and report: the two sides do not agree";
/// Where the resources are.
const ROOT: &str = "/v1/reconciliations";
/// How many items of a list are read at once.
const PAGE_LENGTH: &str = "200";

/// What is done.
#[derive(Debug, Subcommand)]
#[command(after_help = HELP)]
pub enum Command {
    /// List the sources, show one, or put one
    #[command(subcommand)]
    Source(sources::Command),
    /// Import statements: camt.053, MT940, or tables as the source maps them
    Import(import::ImportArguments),
    /// Read what is new in the ledger, match it with the statements, and report
    Run(report::RunArguments),
    /// Report what is matched and what is not, day by day
    Report(report::ReportArguments),
    /// List the breaks
    Breaks(breaks::ListArguments),
    /// Show a break with all that was done about it
    Break(breaks::BreakArguments),
    /// Give a break to somebody
    Assign(breaks::AssignArguments),
    /// Say why a break is
    Explain(breaks::ExplainArguments),
    /// Resolve an explained break with a transfer, or with the lines and entries that it belongs to
    Resolve(breaks::ResolveArguments),
    /// Take back what was said about a break
    Reopen(breaks::ExplainArguments),
    /// List lines of statements, or entries of the ledger
    Items(breaks::ItemsArguments),
    /// List the matches
    Matches(breaks::MatchesArguments),
    /// Match lines and entries by hand
    Match(breaks::MatchArguments),
    /// Undo a match
    Undo(breaks::UndoArguments),
}

/// Which source of which port, and how to print.
#[derive(Debug, Args)]
pub struct SourceArguments {
    #[command(flatten)]
    caller: CallerArguments,
    #[command(flatten)]
    output: OutputArguments,
    /// The source's name
    source: String,
}

impl SourceArguments {
    /// The path of something of the source.
    fn path(&self, rest: &str) -> String {
        format!("{ROOT}/{}{rest}", segment(&self.source))
    }
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Source(command) => sources::run(command),
        Command::Import(arguments) => import::run(arguments),
        Command::Run(arguments) => report::run(arguments),
        Command::Report(arguments) => report::run_report(arguments),
        Command::Breaks(arguments) => breaks::list(arguments),
        Command::Break(arguments) => breaks::show(arguments),
        Command::Assign(arguments) => breaks::assign(arguments),
        Command::Explain(arguments) => breaks::explain(arguments, "explain"),
        Command::Resolve(arguments) => breaks::resolve(arguments),
        Command::Reopen(arguments) => breaks::explain(arguments, "reopen"),
        Command::Items(arguments) => breaks::items(arguments),
        Command::Matches(arguments) => breaks::matches(arguments),
        Command::Match(arguments) => breaks::match_by_hand(arguments),
        Command::Undo(arguments) => breaks::undo(arguments),
    }
}

/// All items of a list, page after page; `name` is the member that holds them.
fn all(
    port: &Port,
    path: &str,
    name: &str,
    parameters: &[(&str, Option<&str>)],
) -> anyhow::Result<Vec<Value>> {
    let (mut items, mut cursor): (Vec<Value>, Option<String>) = (Vec::new(), None);
    loop {
        let mut paged = parameters.to_vec();
        paged.extend([("limit", Some(PAGE_LENGTH)), ("cursor", cursor.as_deref())]);
        let mut page: Value = port.get(&with_query(path, &paged))?;
        if let Some(Value::Array(found)) = page.get_mut(name).map(Value::take) {
            items.extend(found);
        }
        cursor = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() {
            return Ok(items);
        }
    }
}

/// An amount of minor units as people write it.
fn decimal(minor: &str, scale: usize) -> String {
    let (sign, digits) = minor.strip_prefix('-').map_or(("", minor), |digits| ("-", digits));
    let padded = format!("{digits:0>width$}", width = scale + 1);
    match padded.split_at_checked(padded.len() - scale) {
        Some((whole, fraction)) if !fraction.is_empty() => format!("{sign}{whole}.{fraction}"),
        _ => format!("{sign}{digits}"),
    }
}

/// The decimal places of a source's amounts.
fn scale(of: &Value) -> usize {
    of.get("scale").and_then(Value::as_u64).and_then(|scale| usize::try_from(scale).ok()).unwrap_or(0)
}

/// Writes an amount of a row as people do, for a table.
fn show_amount(row: &mut Value, scale: usize) {
    if let Some(amount) = row.get_mut("amount")
        && let Some(minor) = amount.as_str()
    {
        *amount = decimal(minor, scale).into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_units_are_shown_with_their_decimal_places() {
        let cases =
            [("0", 2, "0.00"), ("5", 2, "0.05"), ("-5", 2, "-0.05"), ("128941", 2, "1289.41"), ("7", 0, "7")];
        for (minor, scale, shown) in cases {
            assert_eq!(decimal(minor, scale), shown);
        }
    }
}
