//! `vwp reconcile run` and `report`: how the two sides stand.

use super::{SourceArguments, decimal, scale};
use crate::exit::Exit;
use crate::output::{self, Column, at};
use crate::port::{Port, with_query};
use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};
use std::io::Write;
use ureq::http::Method;

/// How often a run is repeated until nothing is left to do.
const RUNS_MAX: usize = 1000;

const COLUMNS: &[Column<'_>] = &[
    ("DATE", |day| at(day, "/date")),
    ("SIDE", |day| at(day, "/side")),
    ("MATCHED", |day| at(day, "/matched")),
    ("SUM", |day| at(day, "/matched_sum")),
    ("UNMATCHED", |day| at(day, "/unmatched")),
    ("SUM", |day| at(day, "/unmatched_sum")),
    ("OPENING", |day| at(day, "/opening")),
    ("CLOSING", |day| at(day, "/closing")),
    ("DIFFERENCES", |day| at(day, "/differences")),
    ("BREAKS", |day| at(day, "/breaks")),
];

/// Of which days a report is.
#[derive(Debug, Args)]
pub(super) struct DayArguments {
    /// The first day, as YYYY-MM-DD [default: 30 days before the last one]
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// The last day [default: today]
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// Which day today is, as far as it matters for what is overdue
    #[arg(long, value_name = "DAY")]
    as_of: Option<String>,
}

/// What `vwp reconcile run` is given.
#[derive(Debug, Args)]
pub struct RunArguments {
    #[command(flatten)]
    source: SourceArguments,
    #[command(flatten)]
    days: DayArguments,
}

/// What `vwp reconcile report` is given.
#[derive(Debug, Args)]
pub struct ReportArguments {
    #[command(flatten)]
    source: SourceArguments,
    #[command(flatten)]
    days: DayArguments,
    /// Print a table with commas, for spreadsheets
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

pub(super) fn run(arguments: &RunArguments) -> anyhow::Result<()> {
    let port = arguments.source.caller.port()?;
    let path = with_query(&arguments.source.path("/runs"), &[("as_of", arguments.days.as_of.as_deref())]);
    let (mut matches, mut breaks, mut entries) = (0, 0, 0);
    for _ in 0..RUNS_MAX {
        let run: Value = port.json(&Method::POST, &path, None)?;
        let count = |name| run.get(name).and_then(Value::as_u64).unwrap_or(0);
        matches += count("matches");
        breaks += count("breaks");
        entries += count("entries");
        if run.get("complete") == Some(&true.into()) {
            if !arguments.source.output.json {
                eprintln!("{entries} new entries, {matches} new matches, {breaks} new or changed breaks");
            }
            return show(&port, &arguments.source, &arguments.days, false);
        }
    }
    bail!("others keep changing the same source")
}

pub(super) fn run_report(arguments: &ReportArguments) -> anyhow::Result<()> {
    show(&arguments.source.caller.port()?, &arguments.source, &arguments.days, arguments.csv)
}

/// Prints the report; an error if the two sides do not agree.
fn show(port: &Port, source: &SourceArguments, days: &DayArguments, csv: bool) -> anyhow::Result<()> {
    let DayArguments { from, to, as_of } = days;
    let parameters = [("from", from.as_deref()), ("to", to.as_deref()), ("as_of", as_of.as_deref())];
    let path = source.path("/report");
    let report: Value = port.get(&with_query(&path, &parameters))?;
    if csv {
        let [from, to, as_of] = parameters;
        let table =
            port.send(&Method::GET, &with_query(&path, &[from, to, as_of, ("format", Some("csv"))]), None)?;
        std::io::stdout().lock().write_all(&table.body).context("standard output")?;
    } else if source.output.json {
        output::line(&report.to_string())?;
    } else {
        source.output.rows(&rows(&report), COLUMNS)?;
    }
    for warning in report.get("warnings").and_then(Value::as_array).into_iter().flatten() {
        eprintln!("warning: {}", output::plain(&output::short(warning)));
    }
    if report.get("clean") == Some(&true.into()) {
        return Ok(());
    }
    let count = |name| report.get(name).and_then(Value::as_u64).unwrap_or(0);
    let (overdue, unsettled) = (count("overdue"), count("unsettled"));
    Err(Exit::differs(format!(
        "the two sides do not agree: {unsettled} breaks are not settled, and {overdue} lines and entries are overdue"
    ))
    .into())
}

/// Two rows for each day, and two for all of them.
fn rows(report: &Value) -> Vec<Value> {
    let scale = scale(report);
    let days = report.get("days").and_then(Value::as_array).into_iter().flatten();
    let total = report.get("total").map(|total| ("total".to_owned(), total));
    let days = days.map(|day| (at(day, "/date"), day));
    let mut rows = Vec::new();
    for (date, day) in days.chain(total) {
        for (side, name) in [("lines", "statement"), ("entries", "ledger")] {
            let text = |path: &str| at(day, &format!("/{side}{path}"));
            let money = |path: &str| match text(path).as_str() {
                "-" => "-".to_owned(),
                minor => decimal(minor, scale),
            };
            let is_first = side == "lines";
            let breaks: u64 = ["open", "assigned", "explained"]
                .iter()
                .filter_map(|status| day.pointer(&format!("/breaks/{status}")).and_then(Value::as_u64))
                .sum();
            rows.push(json!({
                "date": if is_first { date.as_str() } else { "" },
                "side": name,
                "matched": text("/matched/count"),
                "matched_sum": money("/matched/sum"),
                "unmatched": text("/unmatched/count"),
                "unmatched_sum": money("/unmatched/sum"),
                "opening": money("/opening"),
                "closing": money("/closing"),
                "differences": if is_first { decimal(&at(day, "/differences/sum"), scale) } else { String::new() },
                "breaks": if is_first { breaks.to_string() } else { String::new() },
            }));
        }
    }
    rows
}
