//! `vwp reconcile breaks` and what is done about them: steps, and matches by hand.

use super::{SourceArguments, all, scale, show_amount};
use crate::output::{Column, at};
use crate::port::{Body, Port, segment};
use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use ureq::http::Method;

const COLUMNS: &[Column<'_>] = &[
    ("DATE", |found| at(found, "/date")),
    ("KIND", |found| at(found, "/kind")),
    ("STATUS", |found| at(found, "/status")),
    ("AMOUNT", |found| at(found, "/amount")),
    ("ASSIGNEE", |found| at(found, "/assignee")),
    ("ID", |found| at(found, "/id")),
];

const ITEM_COLUMNS: &[Column<'_>] = &[
    ("DATE", |item| at(item, if item.get("booked").is_some() { "/booked" } else { "/date" })),
    ("AMOUNT", |item| at(item, "/amount")),
    ("COUNTERPARTY", |item| at(item, "/counterparty")),
    ("TEXT", |item| at(item, if item.get("booked").is_some() { "/text" } else { "/memo" })),
    ("MATCH", |item| at(item, "/match")),
    ("ID", |item| at(item, "/id")),
];

const MATCH_COLUMNS: &[Column<'_>] = &[
    ("ID", |found| at(found, "/id")),
    ("RULE", |found| at(found, "/rule")),
    ("LINES", |found| count(found, "lines")),
    ("ENTRIES", |found| count(found, "entries")),
    ("DIFFERENCE", |found| at(found, "/difference")),
    ("WHY", |found| at(found, "/why")),
];

fn count(found: &Value, name: &str) -> String {
    found.get(name).and_then(Value::as_array).map_or(0, Vec::len).to_string()
}

/// What `vwp reconcile breaks` is given.
#[derive(Debug, Args)]
pub struct ListArguments {
    #[command(flatten)]
    source: SourceArguments,
    /// Only those in this state: open, assigned, explained or resolved
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Only those of this kind, such as missing-in-ledger
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// The first day
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// The last day
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
}

/// Which break.
#[derive(Debug, Args)]
pub struct BreakArguments {
    #[command(flatten)]
    source: SourceArguments,
    /// The break's id
    id: String,
}

/// What `vwp reconcile assign` is given.
#[derive(Debug, Args)]
pub struct AssignArguments {
    #[command(flatten)]
    of: BreakArguments,
    /// To whom
    to: String,
}

/// What `vwp reconcile explain` and `reopen` are given.
#[derive(Debug, Args)]
pub struct ExplainArguments {
    #[command(flatten)]
    of: BreakArguments,
    /// Why
    explanation: String,
}

/// What `vwp reconcile resolve` is given.
#[derive(Debug, Args)]
pub struct ResolveArguments {
    #[command(flatten)]
    of: BreakArguments,
    #[command(flatten)]
    parts: Parts,
    /// A transfer in the ledger, by its id
    #[arg(long, value_name = "ID")]
    transfer: Option<String>,
}

/// Lines and entries.
#[derive(Debug, Args)]
pub(super) struct Parts {
    /// A line, by its id; may be repeated
    #[arg(long, value_name = "ID")]
    line: Vec<String>,
    /// An entry, by its id; may be repeated
    #[arg(long, value_name = "ID")]
    entry: Vec<String>,
}

/// What `vwp reconcile items` is given.
#[derive(Debug, Args)]
pub struct ItemsArguments {
    #[command(flatten)]
    source: SourceArguments,
    /// Which side
    side: Side,
    /// Only those with a match, or without
    #[arg(long, value_name = "STATE")]
    state: Option<State>,
    /// The first day
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// The last day
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
}

/// A side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Side {
    /// The statements'
    Lines,
    /// The ledger's
    Entries,
}

/// Whether something has a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    /// It has none
    Open,
    /// It has one
    Matched,
}

/// What `vwp reconcile matches` is given.
#[derive(Debug, Args)]
pub struct MatchesArguments {
    #[command(flatten)]
    source: SourceArguments,
}

/// What `vwp reconcile match` is given.
#[derive(Debug, Args)]
pub struct MatchArguments {
    #[command(flatten)]
    source: SourceArguments,
    #[command(flatten)]
    parts: Parts,
    /// Why they belong together
    explanation: String,
}

/// What `vwp reconcile undo` is given.
#[derive(Debug, Args)]
pub struct UndoArguments {
    #[command(flatten)]
    source: SourceArguments,
    /// The match's id
    id: String,
}

/// Prints a list whose amounts are shown with their decimal places in a table.
fn print(
    source: &SourceArguments,
    port: &Port,
    mut rows: Vec<Value>,
    columns: &[Column<'_>],
) -> anyhow::Result<()> {
    if !source.output.json {
        let scale = scale(&port.get(&source.path(""))?);
        for row in &mut rows {
            show_amount(row, scale);
        }
    }
    source.output.rows(&rows, columns)
}

pub(super) fn list(arguments: &ListArguments) -> anyhow::Result<()> {
    let ListArguments { source, status, kind, from, to } = arguments;
    let port = source.caller.port()?;
    let parameters = [("status", status), ("kind", kind), ("from", from), ("to", to)];
    let parameters = parameters.map(|(name, value)| (name, value.as_deref()));
    let breaks = all(&port, &source.path("/breaks"), "items", &parameters)?;
    print(source, &port, breaks, COLUMNS)
}

pub(super) fn show(arguments: &BreakArguments) -> anyhow::Result<()> {
    let found: Value = arguments.source.caller.port()?.get(&arguments.path())?;
    arguments.source.output.thing(&found, &[])
}

impl BreakArguments {
    fn path(&self) -> String {
        self.source.path(&format!("/breaks/{}", segment(&self.id)))
    }

    /// Takes a step of the break as it is now. If somebody else takes one meanwhile, the port
    /// refuses this one.
    fn step(&self, mut step: Value) -> anyhow::Result<()> {
        let port = self.source.caller.port()?;
        let found: Value = port.get(&self.path())?;
        let version = found.get("version").cloned().context("the port did not say the break's version")?;
        if let Some(members) = step.as_object_mut() {
            members.insert("version".to_owned(), version);
        }
        let after: Value = port.json(&Method::POST, &self.path(), Some(Body::json(&step.to_string())))?;
        self.source.output.thing(&after, &[])
    }
}

pub(super) fn assign(arguments: &AssignArguments) -> anyhow::Result<()> {
    arguments.of.step(json!({ "step": "assign", "to": arguments.to }))
}

pub(super) fn explain(arguments: &ExplainArguments, step: &str) -> anyhow::Result<()> {
    arguments.of.step(json!({ "step": step, "explanation": arguments.explanation }))
}

pub(super) fn resolve(arguments: &ResolveArguments) -> anyhow::Result<()> {
    let ResolveArguments { of, parts: Parts { line, entry }, transfer } = arguments;
    of.step(json!({ "step": "resolve", "transfer": transfer, "lines": line, "entries": entry }))
}

pub(super) fn items(arguments: &ItemsArguments) -> anyhow::Result<()> {
    let ItemsArguments { source, side, state, from, to } = arguments;
    let port = source.caller.port()?;
    let path = source.path(match side {
        Side::Lines => "/lines",
        Side::Entries => "/entries",
    });
    let state = state.map(|state| match state {
        State::Open => "open",
        State::Matched => "matched",
    });
    let items =
        all(&port, &path, "items", &[("state", state), ("from", from.as_deref()), ("to", to.as_deref())])?;
    print(source, &port, items, ITEM_COLUMNS)
}

pub(super) fn matches(arguments: &MatchesArguments) -> anyhow::Result<()> {
    let source = &arguments.source;
    let port = source.caller.port()?;
    let matches = all(&port, &source.path("/matches"), "items", &[])?;
    print(source, &port, matches, MATCH_COLUMNS)
}

pub(super) fn match_by_hand(arguments: &MatchArguments) -> anyhow::Result<()> {
    let MatchArguments { source, parts: Parts { line, entry }, explanation } = arguments;
    let wanted = json!({ "lines": line, "entries": entry, "explanation": explanation }).to_string();
    let body = Some(Body::json(&wanted));
    let made: Value = source.caller.port()?.json(&Method::POST, &source.path("/matches"), body)?;
    source.output.thing(&made, &[])
}

pub(super) fn undo(arguments: &UndoArguments) -> anyhow::Result<()> {
    let UndoArguments { source, id } = arguments;
    let path = source.path(&format!("/matches/{}", segment(id)));
    let undone: Value = source.caller.port()?.json(&Method::DELETE, &path, None)?;
    source.output.thing(&undone, &[])
}
